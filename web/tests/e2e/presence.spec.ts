// Who is there, who types, who has read: in steps that give nobody away, and nothing that moves the page.
import { expect, test, type Person } from "./fixtures.ts";
import type { Account } from "./server.ts";

const WORDS = ["Active", "Active recently", "Last seen today", "Last seen this week", "Last seen a while ago"];

async function settings(person: Person, change: Record<string, boolean>): Promise<void> {
  const { settings: now } = await person.api<{ settings: Record<string, boolean> }>("GET", "me");
  await person.api("PATCH", "me", { settings: { ...now, ...change } });
}

test("PR-01 PR-02 the words are one of five, the shape differs by state, and no clock time is shown", async ({ ana, bo, server }) => {
  const direct = await server.direct(ana.account, bo.account);
  const states: { status: string; last_seen_at?: string; words: string; shape: string }[] = [
    { status: "online", words: WORDS[0]!, shape: "full" },
    { status: "away", words: WORDS[1]!, shape: "half" },
    { status: "offline", last_seen_at: new Date(Date.now() - 10 * 60_000).toISOString(), words: WORDS[1]!, shape: "half" },
    { status: "offline", last_seen_at: new Date(Date.now() - 3 * 86_400_000).toISOString(), words: WORDS[3]!, shape: "ring" },
    { status: "offline", last_seen_at: new Date(Date.now() - 30 * 86_400_000).toISOString(), words: WORDS[4]!, shape: "ring" },
    { status: "unknown", words: "", shape: "" },
  ];
  let tell = (_: string): void => undefined;
  await ana.page.routeWebSocket(/\/api\/v1\/ws/, (socket) => {
    const upstream = socket.connectToServer();
    tell = (frame) => socket.send(frame);
    upstream.onMessage((frame) => {
      if (!String(frame).includes('"type":"presence"')) socket.send(frame);
    });
  });
  await ana.open(direct.conversation_id);
  const row = ana.listed(direct.conversation_id);
  for (const { words, shape, ...presence } of states) {
    tell(JSON.stringify({ type: "presence", presence: [{ user_id: bo.account.user_id, ...presence }] }));
    await expect(row).toHaveAccessibleName(words === "" ? "Bo Lindqvist" : `Bo Lindqvist, ${words}`);
    await expect(row.locator(".presence")).toHaveClass(new RegExp(`presence ${shape}( |$)`));
    const header = ana.page.getByRole("main").locator("header");
    if (words !== "") await expect(header).toContainText(words);
    expect(await header.textContent()).not.toMatch(/\d\d:\d\d/);
    expect(await row.getAttribute("aria-label")).not.toMatch(/\d\d:\d\d/);
  }
});

test("PR-03 PR-07 a change is told in 10 s; a dropped socket makes no flicker", async ({ ana, bo, server }) => {
  test.setTimeout(90_000);
  const direct = await server.direct(ana.account, bo.account);
  await ana.open(direct.conversation_id);
  const row = ana.listed(direct.conversation_id);
  const frames: number[] = [];
  await bo.open(direct.conversation_id);
  await expect(row).toHaveAccessibleName(/Active$/, { timeout: 10_000 });
  ana.page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => String(payload).includes('"presence"') && frames.push(Date.now())));
  await ana.page.evaluate(() => {
    const seen: string[] = [];
    Object.assign(window, { seen });
    const link = document.querySelector('[data-testid^="conv-"]')!;
    new MutationObserver(() => seen.push(link.getAttribute("aria-label") ?? "")).observe(link, { attributes: true });
  });
  await server.hook("kick", { user_id: bo.account.user_id });
  await expect(bo.page.locator("[data-conn]").first()).toHaveAttribute("data-conn", "online");
  // About time passing: two batches of presence go by.
  await ana.page.waitForTimeout(11_000);
  expect(await ana.page.evaluate(() => (window as unknown as { seen: string[] }).seen)).toEqual([]);
  await expect(row).toHaveAccessibleName(/Active$/);
});

test("PR-04 above 200 members nobody's presence is shown, and the header says that many are active", async ({ ana, bo, ops, server }) => {
  test.setTimeout(90_000);
  await server.api("POST", "admin/bench-users", { users: 205 }, server.admin.token).catch(async () => {
    for (let n = 0; n < 201; n++) await server.person(`Crowd ${n}`);
  });
  const everybody: Account["user_id"][] = [];
  for (let page = ""; ; ) {
    const answer = await server.api<{ users: { user_id: string }[]; next?: string }>("GET", `users?limit=200${page}`, undefined, ana.account.token);
    everybody.push(...answer.users.map((one) => one.user_id));
    if (answer.next === undefined) break;
    page = `&page=${encodeURIComponent(answer.next)}`;
  }
  const others = everybody.filter((id) => id !== ana.account.user_id && id !== bo.account.user_id).slice(0, 202);
  for (let at = 0; at < others.length; at += 100) {
    await server.api("POST", `conversations/${ops.conversation_id}/members`, { user_ids: others.slice(at, at + 100) }, ana.account.token);
  }
  const told: string[] = [];
  ana.page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => String(payload).includes('"subscribe"') && told.push(String(payload))));
  await ana.open(ops.handle);
  await bo.open(ops.handle);
  const header = ana.page.getByRole("main").locator("header");
  await expect(header).toContainText("204 people · Many people active", { timeout: 15_000 });
  for (const words of ["Active recently", "Last seen"]) await expect(header).not.toContainText(words);
  await expect.poll(() => told.length).toBeGreaterThan(0);
  expect(told.some((frame) => frame.includes(others[0]!))).toBe(false);
});

test("PR-06 hiding my last seen hides others' from me, and the setting says so before", async ({ ana, bo, server }) => {
  const direct = await server.direct(ana.account, bo.account);
  await bo.open(direct.conversation_id);
  await ana.page.goto(`${server.url}/settings/privacy`);
  const box = ana.page.getByRole("checkbox", { name: "Show when I was last here" });
  await expect(box).toBeChecked();
  await expect(box).toHaveAccessibleDescription(/others do not see it of you, and you do not see it of them/);
  await box.uncheck();
  await expect(ana.page.getByText("Saved")).toBeVisible();
  await ana.open(direct.conversation_id);
  // Bo is there; a presence batch goes by.
  await ana.page.waitForTimeout(6_000);
  await expect(ana.listed(direct.conversation_id)).toHaveAccessibleName("Bo Lindqvist");
  await expect(bo.listed(direct.conversation_id)).not.toHaveAccessibleName(/Active/);
  await settings(ana, { share_presence: true });
  await ana.page.reload();
  await expect(ana.listed(direct.conversation_id)).toHaveAccessibleName(/Active$/, { timeout: 12_000 });
});

test("PR-08 with receipts off nothing is told to others and nothing shown, and my own devices still agree", async ({ ana, bo, server, signIn }) => {
  const direct = await server.direct(ana.account, bo.account);
  await settings(bo, { share_receipts: false });
  const received: string[] = [];
  ana.page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => received.push(String(payload))));
  await ana.open(direct.conversation_id);
  const laptop = await signIn(bo.account);
  await laptop.page.goto(`${server.url}/settings/profile`);
  await laptop.online();
  await ana.write("Have you read this?");
  await expect(laptop.listed(direct.conversation_id)).toHaveAccessibleName(/1 unread/);
  await bo.open(direct.conversation_id);
  await expect(bo.message("Have you read this?")).toBeVisible();
  await expect(laptop.listed(direct.conversation_id)).not.toHaveAccessibleName(/unread/);
  // Receipts are gathered for 5 s: none comes.
  await ana.page.waitForTimeout(6_000);
  expect(received.length).toBeGreaterThan(0);
  expect(received.filter((frame) => frame.includes('"receipt"'))).toEqual([]);
  await expect(ana.message("Have you read this?").getByText("Read", { exact: true })).toHaveCount(0);
  // It shows none either.
  await bo.write("Yes I have");
  await expect(ana.message("Yes I have")).toBeVisible();
  await bo.page.waitForTimeout(6_000);
  await expect(bo.message("Yes I have").getByText("Read", { exact: true })).toHaveCount(0);
});

test("PR-10 a direct conversation says Read under the last read message of mine; nothing moves", async ({ ana, bo, server }) => {
  const direct = await server.direct(ana.account, bo.account);
  await ana.open(direct.conversation_id);
  await ana.write("First of two");
  await ana.write("Second of two");
  await expect(ana.message("Second of two")).toHaveAttribute("data-state", "sent");
  const before = await ana.message("First of two").boundingBox();
  const second = await ana.message("Second of two").boundingBox();
  await bo.open(direct.conversation_id);
  await expect(ana.message("Second of two").getByText("Read", { exact: true })).toBeVisible({ timeout: 12_000 });
  await expect(ana.message("First of two").getByText("Read", { exact: true })).toHaveCount(0);
  expect(await ana.message("First of two").boundingBox()).toEqual(before);
  expect(await ana.message("Second of two").boundingBox()).toEqual(second);
  await expect(ana.message("Second of two").locator("img")).toHaveCount(0);
});

test("PR-10 a group says by how many, and who, in a list", async ({ ana, bo, server, signIn }) => {
  const cy = await signIn(await server.person("Cy Young"));
  const group = await server.conversation("group", [ana.account, bo.account, cy.account], "Trio");
  await ana.open(group.conversation_id);
  await ana.write("Both of you, please read");
  await bo.open(group.conversation_id);
  await cy.open(group.conversation_id);
  const read = ana.message("Both of you").getByRole("button", { name: "Read by 2" });
  await expect(read).toBeVisible({ timeout: 12_000 });
  await read.click();
  const list = ana.page.getByRole("dialog", { name: "Read by 2" });
  await expect(list.getByRole("listitem")).toHaveCount(2);
  await expect(list).toContainText("Cy Young");
  await ana.page.keyboard.press("Escape");
  await expect(read).toBeFocused();
});

test("PR-12 typing shows within 1 s in a reserved line, ends 6 s after the last signal, is not announced", async ({ ana, bo, ops }) => {
  await ana.open(ops.handle);
  await bo.open(ops.handle);
  await bo.write("Something above");
  await expect(ana.message("Something above")).toBeVisible();
  const [row, form] = [await ana.message("Something above").boundingBox(), await ana.page.getByRole("form").boundingBox()];
  await ana.page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    new MutationObserver(() => said.push(document.querySelector('[data-testid="announcer"]')?.textContent ?? "")).observe(document.querySelector('[data-testid="announcer"]')!, { childList: true, characterData: true, subtree: true });
  });
  await bo.composer.pressSequentially("h");
  const line = ana.page.getByText("Bo Lindqvist is typing");
  await expect(line).toBeVisible({ timeout: 2_000 });
  const since = Date.now();
  expect(await ana.message("Something above").boundingBox()).toEqual(row);
  expect(await ana.page.getByRole("form").boundingBox()).toEqual(form);
  expect(await line.evaluate((element) => element.closest("[aria-live], [role=status], [role=alert]"))).toBeNull();
  await expect(line).toHaveCount(0, { timeout: 8_000 });
  expect(Date.now() - since).toBeGreaterThan(4_500);
  expect(await ana.page.evaluate(() => (window as unknown as { said: string[] }).said.filter((text) => text.includes("typing")))).toEqual([]);
});

test("PR-12 two are named, three are counted", async ({ ana, bo, ops, server, signIn }) => {
  const others: Person[] = [];
  for (const name of ["Cy Young", "Di Marsh"]) {
    const one = await signIn(await server.person(name));
    await server.api("POST", `conversations/${ops.conversation_id}/members`, { user_ids: [one.account.user_id] }, ana.account.token);
    others.push(one);
  }
  await ana.open(ops.handle);
  for (const one of [bo, ...others]) await one.open(ops.handle);
  await bo.composer.pressSequentially("a");
  await others[0]!.composer.pressSequentially("b");
  await expect(ana.page.getByText("Bo Lindqvist and Cy Young are typing")).toBeVisible();
  await others[1]!.composer.pressSequentially("c");
  await expect(ana.page.getByText("3 people are typing")).toBeVisible();
  await bo.composer.press("Enter");
  await expect(ana.page.getByText("Cy Young and Di Marsh are typing")).toBeVisible();
});
