// Invitations: made, used up, withdrawn, accepted by somebody new and by somebody who is here (FR-08 … FR-11).
import { expect, test } from "./fixtures.ts";
import { PASSWORD } from "./server.ts";
import { visit } from "./visitors.ts";

interface Made {
  invite_id: string;
  token: string;
  url: string;
  expires_at?: string;
  uses_left?: number;
}

test("FR-08 the invite dialog: how long, how often, where; the copied link is absolute and announced", async ({ server, signIn, ops, ana }) => {
  const kit = await signIn(ana.account, { permissions: ["clipboard-read", "clipboard-write"] });
  await kit.open(ops.handle);
  await kit.page.getByRole("main").getByRole("button", { name: "More", exact: true }).click();
  await kit.page.getByRole("menuitem", { name: "Invite people" }).click();
  const dialog = kit.page.getByRole("dialog", { name: "Invite people" });
  const expires = dialog.getByLabel("Expires after");
  const uses = dialog.getByLabel("Can be used");
  await expect(expires.locator("option")).toHaveText(["1 day", "7 days", "30 days", "Never"]);
  await expect(expires.locator("option:checked")).toHaveText("7 days");
  await expect(uses.locator("option")).toHaveText(["once", "25 times", "Without limit"]);
  await expect(uses.locator("option:checked")).toHaveText("25 times");
  await expect(dialog.getByRole("checkbox", { name: `#${ops.handle}` })).toBeChecked();

  await expires.selectOption({ label: "1 day" });
  await uses.selectOption({ label: "once" });
  await dialog.getByRole("button", { name: "Make link" }).click();
  await expect(kit.page.getByTestId("announcer")).toHaveText(/^Invite link copied/);
  const copied = await kit.page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toMatch(new RegExp(`^${server.url}/join/[\\w-]+$`));
  await expect(dialog.getByLabel("Invite link")).toHaveValue(copied);

  const { invites } = await server.api<{ invites: Made[] }>("GET", "invites", undefined, ana.account.token);
  expect(invites).toHaveLength(1);
  expect(invites[0]?.uses_left).toBe(1);
  const left = Date.parse(invites[0]?.expires_at ?? "") - Date.now();
  expect(left).toBeGreaterThan(23.9 * 3_600_000);
  expect(left).toBeLessThan(24.1 * 3_600_000);

  // Copied again by the button.
  await kit.page.evaluate(() => navigator.clipboard.writeText(""));
  await dialog.getByRole("button", { name: "Copy link" }).click();
  await expect.poll(() => kit.page.evaluate(() => navigator.clipboard.readText())).toBe(copied);
});

test("FR-08 an invitation without end and limit", async ({ server, ana, ops }) => {
  await ana.open(ops.handle);
  await ana.page.getByRole("button", { name: /⌄/ }).or(ana.page.locator("nav button.server")).click();
  await ana.page.getByRole("menuitem", { name: "Invite people" }).click();
  const dialog = ana.page.getByRole("dialog", { name: "Invite people" });
  await dialog.getByLabel("Expires after").selectOption({ label: "Never" });
  await dialog.getByLabel("Can be used").selectOption({ label: "Without limit" });
  await dialog.getByRole("button", { name: "Make link" }).click();
  await expect(dialog.getByLabel("Invite link")).toHaveValue(/\/join\//);
  const { invites } = await server.api<{ invites: Made[] }>("GET", "invites", undefined, ana.account.token);
  expect(invites[0]?.expires_at).toBeUndefined();
  expect(invites[0]?.uses_left).toBeUndefined();
});

test("FR-09 the join page names server and inviter, asks three things, and opens the conversation without a divider", async ({ browser, server, ana, ops }) => {
  for (let n = 0; n < 3; n++) await server.write(ana.account, ops.conversation_id, `Before ${n}`);
  const invite = await server.api<Made>("POST", "invites", { conversations: [ops.handle] }, ana.account.token);
  await visit(browser, server, async ({ page }) => {
    await page.goto(`/join/${invite.token}`);
    await expect(page.getByRole("heading", { name: "Join Acme" })).toBeVisible();
    await expect(page.getByText("Ana Reyes invited you.")).toBeVisible();
    await expect(page.locator("form input")).toHaveCount(3);
    await page.getByLabel("Your name").fill("Cy Okafor");
    await expect(page.getByLabel("Handle")).toHaveValue("cy.okafor");
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByRole("button", { name: "Join" }).click();
    await expect(page).toHaveURL(`${server.url}/c/${ops.handle}`);
    await expect(page.locator("li[data-state]").filter({ hasText: "Before 2" })).toBeVisible();
    await expect(page.getByRole("main").locator("form textarea")).toBeFocused();
    await expect(page.getByTestId("unread-divider")).toHaveCount(0);
    await expect(page.locator('[data-testid="badge"]')).toHaveCount(0);
  });
});

test("FR-10 an invitation that expired, was used up or withdrawn says which, and whom to ask", async ({ browser, server, ana, ops }) => {
  const make = (body: object): Promise<Made> => server.api<Made>("POST", "invites", { conversations: [ops.handle], ...body }, ana.account.token);
  const short = await make({ expires_in_s: 1 });
  const once = await make({ uses: 1 });
  const gone = await make({});
  await server.api("POST", `invites/${once.token}/accept`, { name: "One", handle: `one${Date.now() % 100_000}`, password: PASSWORD });
  await server.api("DELETE", `invites/${gone.invite_id}`, undefined, ana.account.token);
  await expect.poll(async () => (await fetch(`${server.url}/api/v1/invites/${short.token}`)).status, { timeout: 5_000 }).toBe(410);
  await visit(browser, server, async ({ page }) => {
    const sentences = new Set<string>();
    for (const [invite, words] of [[short, /has expired/], [once, /used as often as it may be/], [gone, /was withdrawn/]] as const) {
      await page.goto(`/join/${invite.token}`);
      await expect(page.getByRole("heading", { name: "This invitation cannot be used" })).toBeVisible();
      const sentence = page.getByRole("main").locator("p");
      await expect(sentence).toHaveText(words);
      await expect(sentence).toHaveText(/Ask whoever sent it/);
      await expect(page.locator("form")).toHaveCount(0);
      sentences.add((await sentence.textContent()) ?? "");
    }
    expect(sentences.size).toBe(3);
  });
});

test("FR-11 somebody signed in joins with one button", async ({ server, ana, ops, signIn }) => {
  const cy = await signIn(await server.person("Cy Okafor"));
  await server.write(ana.account, ops.conversation_id, "Before Cy");
  const invite = await server.api<Made>("POST", "invites", { conversations: [ops.handle] }, ana.account.token);
  await cy.page.goto(`/join/${invite.token}`);
  const join = cy.page.getByRole("main").getByRole("button");
  await expect(join).toHaveCount(1);
  await expect(join).toHaveText("Join Ops");
  await expect(cy.page.locator("form, input")).toHaveCount(0);
  await join.click();
  await expect(cy.page).toHaveURL(`${server.url}/c/${ops.handle}`);
  await expect(cy.message("Before Cy")).toBeVisible();
  await expect(cy.listed(ops.conversation_id)).toBeVisible();
});
