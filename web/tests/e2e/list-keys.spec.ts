// The conversation list by keys, filters and menu (CL-08 … CL-11, CL-15, CL-16, MO-05).
import { expect, test, type Person } from "./fixtures.ts";

const ITEMS = ["Mark read", "Mark unread", "Pin", "Mute…", "Copy link", "Leave"];

async function focusedRow(person: Person): Promise<string | undefined> {
  return person.page.evaluate(() => (document.activeElement as HTMLElement | null)?.dataset["id"]);
}

test("CL-08 filters as a toggle group; the open conversation stays under Unread until it is left", async ({ server, ana, bo, ops }) => {
  const quiet = await server.conversation("channel", [bo.account, ana.account], "Quiet");
  const busy = await server.conversation("channel", [bo.account, ana.account], "Busy");
  const named = await server.conversation("channel", [bo.account, ana.account], "Named");
  await server.write(bo.account, busy.conversation_id, "one");
  await server.write(bo.account, named.conversation_id, `@${ana.account.handle} hello`);
  await ana.open(ops.handle);
  const group = ana.page.getByRole("group", { name: "Show" });
  const button = (name: string): ReturnType<typeof group.getByRole> => group.getByRole("button", { name });
  await expect(button("All")).toHaveAttribute("aria-pressed", "true");
  await expect(ana.listed(quiet.conversation_id)).toBeVisible();

  await button("Unread").click();
  await expect(button("Unread")).toHaveAttribute("aria-pressed", "true");
  await expect(button("All")).toHaveAttribute("aria-pressed", "false");
  await expect(ana.listed(quiet.conversation_id)).toHaveCount(0);
  await expect(ana.listed(ops.conversation_id)).toBeVisible();
  await expect(ana.listed(named.conversation_id)).toBeVisible();
  await ana.listed(busy.conversation_id).click();
  await expect(ana.listed(ops.conversation_id)).toHaveCount(0);
  // Read, and still listed because it is open.
  await expect(ana.listed(busy.conversation_id).getByTestId("badge")).toHaveCount(0);
  await expect(ana.listed(busy.conversation_id)).toBeVisible();
  await ana.listed(named.conversation_id).click();
  await expect(ana.listed(busy.conversation_id)).toHaveCount(0);

  await server.write(bo.account, busy.conversation_id, "two");
  await expect(ana.listed(busy.conversation_id)).toBeVisible();
  await button("Mentions").click();
  await expect(ana.listed(busy.conversation_id)).toHaveCount(0);
  await expect(ana.listed(named.conversation_id)).toBeVisible();
});

test("CL-09 arrows, Home, End, letters and Enter; one tab stop for the whole list", async ({ server, ana, bo, ops }) => {
  const ids: Record<string, string> = {};
  for (const name of ["alpha", "beta", "bravo", "delta"]) ids[name] = (await server.conversation("channel", [bo.account, ana.account], name)).conversation_id;
  const direct = await server.direct(bo.account, ana.account);
  await ana.open(ops.handle);
  await expect(ana.composer).toBeFocused();
  await expect(ana.page.locator("nav .scroller [tabindex='0']")).toHaveCount(1);
  // From the filters one Tab goes in, the next goes out.
  await ana.page.getByRole("group", { name: "Show" }).getByRole("button", { name: "Mentions" }).focus();
  await ana.page.keyboard.press("Tab");
  expect(await focusedRow(ana)).toBe(ops.conversation_id);
  await ana.page.keyboard.press("Tab");
  await expect(ana.page.getByRole("button", { name: "Settings" })).toBeFocused();
  await ana.page.keyboard.press("Shift+Tab");
  expect(await focusedRow(ana)).toBe(ops.conversation_id);

  const rows = await ana.page.locator("nav a[data-id]").evaluateAll((all) => all.map((row) => (row as HTMLElement).dataset["id"]));
  const at = rows.indexOf(ops.conversation_id);
  await ana.page.keyboard.press("ArrowUp");
  await expect.poll(() => focusedRow(ana)).toBe(rows[at - 1]);
  await ana.page.keyboard.press("ArrowDown");
  await expect.poll(() => focusedRow(ana)).toBe(ops.conversation_id);
  await ana.page.keyboard.press("End");
  await expect.poll(() => focusedRow(ana)).toBe(rows.at(-1));
  // Home is the first line: the heading of the first section, which Enter folds.
  await ana.page.keyboard.press("Home");
  const heading = ana.page.getByRole("navigation").getByRole("button", { name: "Direct messages" });
  await expect(heading).toBeFocused();
  await ana.page.keyboard.press("Enter");
  await expect(ana.listed(direct.conversation_id)).toHaveCount(0);
  await ana.page.keyboard.press("Enter");
  await ana.page.keyboard.press("ArrowDown");
  await expect.poll(() => focusedRow(ana)).toBe(direct.conversation_id);

  await ana.page.keyboard.press("b");
  await expect.poll(() => focusedRow(ana)).toBe(rows.find((id) => id === ids["bravo"] || id === ids["beta"]));
  await ana.page.waitForTimeout(900);
  await ana.page.keyboard.type("del");
  await expect.poll(() => focusedRow(ana)).toBe(ids["delta"]);
  await ana.page.keyboard.press("Enter");
  await expect(ana.page.getByRole("main", { name: /^#delta/ })).toBeVisible();
});

test("CL-10 Alt with arrows goes through the order on screen; with Shift through what is unread", async ({ server, ana, bo, ops }) => {
  const made: { conversation_id: string; handle?: string }[] = [];
  for (const name of ["one", "two", "three"]) made.push(await server.conversation("channel", [bo.account, ana.account], name));
  await ana.open(ops.handle);
  const order = await ana.page.locator("nav a[data-id]").evaluateAll((all) => all.map((row) => (row as HTMLElement).dataset["id"]));
  const open = (): Promise<string | undefined> => ana.page.locator('nav a[aria-current="page"]').evaluate((row) => (row as HTMLElement).dataset["id"]);
  const start = order.indexOf(ops.conversation_id);
  const from = (steps: number): string | undefined => order[(start + steps + order.length * 2) % order.length];
  await ana.page.keyboard.press("Alt+ArrowDown");
  await expect.poll(open).toBe(from(1));
  await ana.page.keyboard.press("Alt+ArrowUp");
  await expect.poll(open).toBe(from(0));
  await ana.page.keyboard.press("Alt+ArrowUp");
  await expect.poll(open).toBe(from(-1));
  // Also out of a composer with text.
  await ana.composer.fill("text");
  await ana.page.keyboard.press("Alt+ArrowDown");
  await expect.poll(open).toBe(from(0));

  await server.write(bo.account, made[1]!.conversation_id, "unread");
  await expect(ana.listed(made[1]!.conversation_id).getByTestId("badge")).toHaveText("1");
  await ana.page.keyboard.press("Alt+Shift+ArrowDown");
  await expect.poll(open).toBe(made[1]!.conversation_id);
  await expect(ana.listed(made[1]!.conversation_id).getByTestId("badge")).toHaveCount(0);
  await server.write(bo.account, ops.conversation_id, "unread too");
  await expect(ana.listed(ops.conversation_id).getByTestId("badge")).toHaveText("1");
  await ana.page.keyboard.press("Alt+Shift+ArrowUp");
  await expect.poll(open).toBe(ops.conversation_id);
});

test("CL-10 on a Mac, Option and arrows stay with the text of a composer that has some", async ({ server, ana, bo, ops }) => {
  await server.conversation("channel", [bo.account, ana.account], "one");
  await ana.page.addInitScript(() => Object.defineProperty(navigator, "platform", { value: "MacIntel" }));
  await ana.open(ops.handle);
  const { pathname } = new URL(ana.page.url());
  await ana.composer.fill("a line\nand another");
  for (const keys of ["Alt+ArrowUp", "Alt+ArrowDown", "Alt+Shift+ArrowUp", "Alt+Shift+ArrowDown"]) await ana.page.keyboard.press(keys);
  expect(new URL(ana.page.url()).pathname).toBe(pathname);
  await expect(ana.composer).toBeFocused();
  await ana.composer.fill("");
  await ana.page.keyboard.press("Alt+ArrowDown");
  await expect.poll(() => new URL(ana.page.url()).pathname).not.toBe(pathname);
});

test("CL-11 MO-05 the same menu by right click, Shift+F10, the row's button and a long press", async ({ server, ana, bo, ops, signIn }) => {
  const other = await server.conversation("channel", [bo.account, ana.account], "Other");
  await ana.open(ops.handle);
  const row = ana.listed(other.conversation_id);
  const items = ana.page.getByRole("menu").getByRole("menuitem");
  await row.click({ button: "right" });
  await expect(items).toHaveText(ITEMS);
  await expect(items.first()).toBeFocused();
  await ana.page.keyboard.press("Escape");
  await expect(items).toHaveCount(0);
  await row.focus();
  await ana.page.keyboard.press("Shift+F10");
  await expect(items).toHaveText(ITEMS);
  await ana.page.keyboard.press("Escape");
  await expect(row).toBeFocused();
  await row.hover();
  await ana.page.getByRole("button", { name: `Actions for #${other.handle}` }).click();
  await expect(items).toHaveText(ITEMS);
  await ana.page.keyboard.press("Escape");
  await expect(ana.page).toHaveURL(new RegExp(`/c/${ops.handle}$`));

  const phone = await signIn(ana.account, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await phone.page.goto(server.url);
  const box = (await phone.listed(other.conversation_id).boundingBox())!;
  const touch = await phone.context.newCDPSession(phone.page);
  const points = [{ x: box.x + 100, y: box.y + 20 }];
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: points });
  const sheet = phone.page.getByRole("menu").getByRole("menuitem");
  await expect(sheet).toHaveText(ITEMS);
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await expect(sheet).toHaveText(ITEMS);
  // At the bottom, in the reach of a thumb, and the conversation did not open.
  const bottom = (await phone.page.getByRole("menu").boundingBox())!;
  expect(bottom.y + bottom.height).toBeGreaterThan(830);
  expect(new URL(phone.page.url()).pathname).toBe("/");
});

test("CL-11 what the menu does", async ({ server, ana, bo, ops, signIn }) => {
  const reader = await signIn(ana.account, { permissions: ["clipboard-read", "clipboard-write"] });
  const other = await server.conversation("channel", [bo.account, ana.account], "Other");
  await server.write(bo.account, other.conversation_id, "one");
  await server.write(bo.account, other.conversation_id, "two");
  await reader.open(ops.handle);
  const row = reader.listed(other.conversation_id);
  const choose = async (name: string): Promise<void> => {
    await row.click({ button: "right" });
    await reader.page.getByRole("menuitem", { name, exact: true }).click();
  };
  await expect(row.getByTestId("badge")).toHaveText("2");
  await choose("Mark read");
  await expect(row.getByTestId("badge")).toHaveCount(0);
  await choose("Mark unread");
  await expect(row.getByTestId("badge")).toHaveText("1");
  await choose("Copy link");
  expect(await reader.page.evaluate(() => navigator.clipboard.readText())).toBe(`${server.url}/c/${other.handle}`);
  await choose("Pin");
  await expect(reader.page.getByRole("navigation").getByRole("heading", { name: "Pinned" })).toBeVisible();
  await choose("Unpin");
  await expect(reader.page.getByRole("navigation").getByRole("heading", { name: "Pinned" })).toHaveCount(0);
  await choose("Leave");
  await reader.page.getByRole("dialog").getByRole("button", { name: "Leave" }).click();
  await expect(row).toHaveCount(0);
  const members = await server.api<{ members: { user_id: string }[] }>("GET", `conversations/${other.conversation_id}/members`, undefined, bo.account.token);
  expect(members.members.map((one) => one.user_id)).not.toContain(ana.account.user_id);
});

test("CL-15 opening a conversation shows that conversation, not its last thread", async ({ server, ana, bo, ops }) => {
  const other = await server.conversation("channel", [bo.account, ana.account], "Other");
  const root = await server.write(bo.account, ops.conversation_id, "Root");
  await server.write(bo.account, ops.conversation_id, "In the thread", { thread: root.seq });
  await ana.page.goto(`${server.url}/c/${ops.handle}?thread=${root.seq}`);
  await expect(ana.page.getByRole("complementary")).toContainText("In the thread");
  await ana.listed(other.conversation_id).click();
  await expect(ana.page.getByRole("main", { name: `#${other.handle}` })).toBeVisible();
  await ana.listed(ops.conversation_id).click();
  await expect(ana.page.getByRole("main", { name: `#${ops.handle}` })).toBeVisible();
  await expect(ana.page).toHaveURL(`${server.url}/c/${ops.handle}`);
  await expect(ana.page.getByRole("complementary")).toHaveCount(0);
  // By the switcher too.
  await ana.page.goto(`${server.url}/c/${ops.handle}?thread=${root.seq}`);
  await expect(ana.page.getByRole("complementary")).toContainText("In the thread");
  await ana.page.keyboard.press("ControlOrMeta+k");
  await ana.page.keyboard.type(ops.handle);
  await ana.page.keyboard.press("Enter");
  await expect(ana.page.getByRole("complementary")).toHaveCount(0);
});

test("CL-16 an empty list is one sentence and a button", async ({ server, signIn }) => {
  const cy = await signIn(await server.person("Cy Okafor"));
  await cy.page.goto(server.url);
  const nav = cy.page.getByRole("navigation");
  for (const { conversation_id } of (await cy.api<{ conversations: { conversation_id: string }[] }>("GET", "conversations")).conversations) {
    await cy.api("DELETE", `conversations/${conversation_id}/members/me`);
  }
  await expect(nav.getByText("You are in no conversation yet.")).toBeVisible();
  await expect(nav.locator(".scroller").getByRole("button")).toHaveCount(1);
  await nav.locator(".scroller").getByRole("button", { name: "New message" }).click();
  await expect(cy.page.getByRole("dialog", { name: "New message" })).toBeVisible();
});
