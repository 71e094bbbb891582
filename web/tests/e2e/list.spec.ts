// The conversation list: sections, marks, order, keys, menu (CL-01 … CL-11).
import { expect, test, type Account, type Person, type TestServer } from "./fixtures.ts";

/** Names of the rows in the order shown. */
async function order(person: Person): Promise<string[]> {
  return person.page.locator("nav a[data-id] .name").allTextContents();
}

function slot(person: Person, id: string): ReturnType<Person["listed"]> {
  return person.listed(id).locator(".slot");
}

async function channels(server: TestServer, count: number, members: Account[]): Promise<{ conversation_id: string; handle: string }[]> {
  const made: { conversation_id: string; handle: string }[] = [];
  for (let n = 0; n < count; n++) {
    const one = await server.conversation("channel", members, `c${String(n).padStart(2, "0")}`);
    made.push({ conversation_id: one.conversation_id, handle: one.handle! });
  }
  return made;
}

test("CL-01 sections Pinned, Direct messages, Conversations; collapsible, remembered", async ({ server, ana, bo, ops }) => {
  const direct = await server.direct(bo.account, ana.account);
  const other = await server.conversation("channel", [bo.account, ana.account], "Design");
  await ana.open(ops.handle);
  const headings = ana.page.getByRole("navigation").getByRole("heading");
  await expect(headings).toHaveText(["Direct messages", "Conversations"]);
  await ana.listed(other.conversation_id).click({ button: "right" });
  await ana.page.getByRole("menuitem", { name: "Pin" }).click();
  await expect(headings).toHaveText(["Pinned", "Direct messages", "Conversations"]);
  const lines = ana.page.locator("nav .section, nav a[data-id]");
  await expect(lines.nth(1)).toHaveAttribute("data-id", other.conversation_id);

  const toggle = ana.page.getByRole("navigation").getByRole("button", { name: "Direct messages" });
  await expect(toggle).toHaveAttribute("aria-expanded", "true");
  await toggle.click();
  await expect(toggle).toHaveAttribute("aria-expanded", "false");
  await expect(ana.listed(direct.conversation_id)).toHaveCount(0);
  await expect(ana.listed(ops.conversation_id)).toBeVisible();
  await ana.page.reload();
  await ana.online();
  await expect(headings).toHaveText(["Pinned", "Direct messages", "Conversations"]);
  await expect(ana.listed(direct.conversation_id)).toHaveCount(0);
  await toggle.click();
  await expect(ana.listed(direct.conversation_id)).toBeVisible();
});

test("CL-02 CL-03 what a row shows, and what comes first in its slot", async ({ server, ana, bo, ops }) => {
  const other = await server.conversation("channel", [bo.account, ana.account], "Busy");
  const direct = await server.direct(bo.account, ana.account);
  await bo.open(ops.handle);
  await ana.open(ops.handle);
  const row = ana.listed(other.conversation_id);
  const name = row.locator(".name");
  const weight = (): Promise<string> => name.evaluate((element) => getComputedStyle(element).fontWeight);
  expect(await weight()).toBe("400");

  // A draft.
  await ana.open(other.handle!);
  await ana.composer.fill("Half a thought");
  await ana.listed(ops.conversation_id).click();
  await expect(ana.page).toHaveURL(new RegExp(`/c/${ops.handle}$`));
  await expect(slot(ana, other.conversation_id).locator("svg")).toBeVisible();
  await expect(row).toHaveAccessibleName(/, draft/);

  // Unread goes before the draft: bold and a plain count.
  await server.write(bo.account, other.conversation_id, "one");
  await server.write(bo.account, other.conversation_id, "two");
  const badge = row.getByTestId("badge");
  await expect(badge).toHaveText("2");
  await expect(badge).not.toHaveClass(/wanted/);
  await expect(slot(ana, other.conversation_id).locator("svg")).toHaveCount(0);
  expect(await weight()).toBe("650");
  await expect(row).toHaveAccessibleName(/2 unread messages/);

  // A mention goes before unread: the count of mentions in the signal's colour.
  await server.write(bo.account, other.conversation_id, `Look, @${ana.account.handle}`);
  await expect(badge).toHaveText("1");
  await expect(badge).toHaveClass(/wanted/);
  const colours = await badge.evaluate((element) => {
    const probe = document.createElement("i");
    probe.style.color = "var(--signal)";
    document.body.append(probe);
    const signal = getComputedStyle(probe).color;
    probe.remove();
    return [getComputedStyle(element).backgroundColor, signal];
  });
  expect(colours[0]).toBe(colours[1]);
  await expect(row).toHaveAccessibleName(/1 mention, 3 unread messages/);

  // A direct message counts in the signal's colour, and shows presence.
  await server.write(bo.account, direct.conversation_id, "Hello");
  await expect(ana.listed(direct.conversation_id).getByTestId("badge")).toHaveText("1");
  await expect(ana.listed(direct.conversation_id).getByTestId("badge")).toHaveClass(/wanted/);
  await expect(ana.listed(direct.conversation_id).locator(".presence.full")).toBeVisible();
  await expect(ana.listed(direct.conversation_id)).toHaveAccessibleName(/Active/);
});

test("CL-03 a muted conversation is dimmed and counts mentions only", async ({ server, ana, bo, ops }) => {
  const other = await server.conversation("channel", [bo.account, ana.account], "Noise");
  await server.api("PUT", `conversations/${other.conversation_id}/mute`, { muted: true }, ana.account.token);
  await ana.open(ops.handle);
  const row = ana.listed(other.conversation_id);
  await server.write(bo.account, other.conversation_id, "blah");
  await expect(row).toHaveAccessibleName(/muted/);
  await expect(row).toHaveAccessibleName(/1 unread message/);
  await expect(row.locator(".icon svg")).toBeVisible();
  await expect(row.getByTestId("badge")).toHaveCount(0);
  await expect(row).not.toHaveClass(/unread/);
  const dimmed = await row.locator(".name").evaluate((element) => getComputedStyle(element).color);
  const plain = await ana.listed(ops.conversation_id).locator(".name").evaluate((element) => getComputedStyle(element).color);
  expect(dimmed).not.toBe(plain);
  await server.write(bo.account, other.conversation_id, `@${ana.account.handle} now you`);
  await expect(row.getByTestId("badge")).toHaveText("1");
});

test("CL-04 a failed send elsewhere is marked within 1 s, before everything else, and named", async ({ server, ana, bo, ops }) => {
  const other = await server.conversation("channel", [bo.account, ana.account], "Other");
  await ana.open(ops.handle);
  await server.hook("reject", { user_id: ana.account.user_id, code: "forbidden", times: 1 });
  await ana.composer.fill("Will be refused");
  // Sent and left at once: the refusal comes when the conversation is not open.
  await ana.composer.press("Enter");
  await ana.page.evaluate((ref) => {
    const link = document.querySelector<HTMLElement>(`[data-testid="conv-${ref}"]`);
    link?.click();
  }, other.conversation_id);
  const started = Date.now();
  await expect(ana.page).toHaveURL(new RegExp(`/c/${other.handle}$`));
  await expect(slot(ana, ops.conversation_id)).toHaveText("×", { timeout: 1_000 });
  expect(Date.now() - started).toBeLessThan(1_000);
  await expect(ana.listed(ops.conversation_id)).toHaveAccessibleName(/1 message not sent/);
  // Before a mention.
  await server.write(bo.account, ops.conversation_id, `@${ana.account.handle} are you there`);
  await expect(ana.listed(ops.conversation_id)).toHaveAccessibleName(/1 message not sent, 1 mention/);
  await expect(slot(ana, ops.conversation_id)).toHaveText("×");
  await ana.listed(ops.conversation_id).click();
  await ana.message("Will be refused").getByRole("button", { name: "Discard" }).click();
  await expect(slot(ana, ops.conversation_id).locator(".lost")).toHaveCount(0);
});

test("CL-05 a draft is marked; clearing it removes the mark, and an emptied composer leaves none", async ({ server, ana, bo, ops }) => {
  const other = await server.conversation("channel", [bo.account, ana.account], "Drafts");
  await ana.open(other.handle!);
  await ana.composer.pressSequentially("A thought");
  await ana.listed(ops.conversation_id).click();
  await expect(slot(ana, other.conversation_id).locator("svg")).toBeVisible();
  await ana.page.reload();
  await ana.online();
  await expect(slot(ana, other.conversation_id).locator("svg")).toBeVisible();

  await ana.listed(other.conversation_id).click();
  await expect(ana.composer).toHaveValue("A thought");
  await ana.composer.press("ControlOrMeta+a");
  await ana.composer.press("Delete");
  await expect(ana.composer).toHaveValue("");
  await ana.listed(ops.conversation_id).click();
  await expect(ana.page).toHaveURL(new RegExp(`/c/${ops.handle}$`));
  await expect(slot(ana, other.conversation_id).locator("svg")).toHaveCount(0);
  await expect(ana.listed(other.conversation_id)).not.toHaveAccessibleName(/, draft/);
  // Only spaces are no draft; what was sent is none either.
  await ana.listed(other.conversation_id).click();
  await ana.composer.fill("   ");
  await ana.listed(ops.conversation_id).click();
  await expect(slot(ana, other.conversation_id).locator("svg")).toHaveCount(0);
  await ana.listed(other.conversation_id).click();
  await ana.write("Sent");
  await ana.listed(ops.conversation_id).click();
  await expect(slot(ana, other.conversation_id).locator("svg")).toHaveCount(0);
});

test("CL-06 nothing moves while the pointer moves over the list or focus is inside; it settles once afterwards", async ({ server, ana, bo, ops }) => {
  const made = await channels(server, 6, [bo.account, ana.account]);
  await ana.open(ops.handle);
  const before = await order(ana);
  const nav = (await ana.page.locator("nav .scroller").boundingBox())!;
  await ana.page.mouse.move(nav.x + 60, nav.y + 60);
  await countOrders(ana);
  for (const [n, one] of made.toReversed().entries()) {
    await ana.page.mouse.move(nav.x + 60 + n, nav.y + 60);
    await server.write(bo.account, one.conversation_id, "activity");
    await expect(ana.listed(one.conversation_id).getByTestId("badge")).toHaveText("1");
  }
  expect(await order(ana)).toEqual(before);
  expect(await orders(ana)).toBe(0);
  // Resting outside for 1 s: then once, within 300 ms.
  await ana.page.mouse.move(900, 400);
  const left = Date.now();
  await expect.poll(() => order(ana), { intervals: [20], timeout: 2_000 }).not.toEqual(before);
  const settled = Date.now() - left;
  expect(settled).toBeGreaterThanOrEqual(950);
  expect(settled).toBeLessThanOrEqual(1_400);
  expect((await order(ana))[0]).toBe(`#${made[0]!.handle}`);
  expect(await orders(ana)).toBe(1);

  // Focus inside holds it as well.
  await ana.listed(made[2]!.conversation_id).focus();
  const held = await order(ana);
  await server.write(bo.account, made[4]!.conversation_id, "more");
  await expect(ana.listed(made[4]!.conversation_id).getByTestId("badge")).toHaveText("2");
  await ana.page.waitForTimeout(1_500);
  expect(await order(ana)).toEqual(held);
  await ana.composer.focus();
  await expect.poll(async () => (await order(ana))[0]).toBe(`#${made[4]!.handle}`);
});

test("CL-07 a reconnect with 30 changed conversations reorders the list once", async ({ server, ana, bo, ops }) => {
  const made = await channels(server, 30, [bo.account, ana.account]);
  await ana.open(ops.handle);
  await expect(ana.page.locator("nav a[data-id]")).toHaveCount(31);
  await server.hook("sockets", { allowed: false });
  await server.hook("kick", { user_id: ana.account.user_id });
  await expect(ana.page.locator("[data-conn]").first()).not.toHaveAttribute("data-conn", "online");
  for (const one of made.toReversed()) await server.write(bo.account, one.conversation_id, "while away");
  await countOrders(ana);
  await server.hook("sockets", { allowed: true });
  await expect(ana.page.locator("[data-conn]").first()).toHaveAttribute("data-conn", "online", { timeout: 20_000 });
  await expect.poll(async () => (await order(ana))[0]).toBe(`#${made[0]!.handle}`);
  await expect(ana.listed(made[0]!.conversation_id).getByTestId("badge")).toHaveText("1");
  expect((await order(ana)).slice(0, 30)).toEqual(made.map((one) => `#${one.handle}`));
  expect(await orders(ana)).toBe(1);
});

/** Counts how often the order of the rows changes between two frames. */
async function countOrders(person: Person): Promise<void> {
  await person.page.evaluate(() => {
    const list = document.querySelector("nav .scroller")!;
    const read = (): string => [...list.querySelectorAll<HTMLElement>("a[data-id]")].map((row) => row.dataset["id"]).join();
    const counted = window as unknown as { orders: number };
    counted.orders = 0;
    let last = read();
    new MutationObserver(() => {
      const now = read();
      if (now !== last) counted.orders++;
      last = now;
    }).observe(list, { childList: true, subtree: true });
  });
}

async function orders(person: Person): Promise<number> {
  return person.page.evaluate(() => (window as unknown as { orders: number }).orders);
}
