// The composer never loses text: drafts, edits and replies over switches, reloads, tabs and Esc.
import { expect, test } from "./fixtures.ts";
import type { Page } from "@playwright/test";

async function stored(page: Page): Promise<string> {
  return page.evaluate(() => Object.entries(localStorage).filter(([key]) => key.startsWith("stonechat/draft/")).map(([, value]) => String(value)).join());
}

test("CO-01 a draft is stored within 300 ms, at pagehide, and survives reload and a killed page", async ({ ana, ops, server }) => {
  const group = await server.conversation("group", [ana.account, server.admin], "Planning");
  await ana.page.addInitScript(() => {
    const typed = { at: 0 };
    const late: number[] = [];
    Object.assign(window, { late });
    addEventListener("input", () => (typed.at = performance.now()), true);
    const set = Storage.prototype.setItem;
    Storage.prototype.setItem = function (key: string, value: string) {
      if (key.startsWith("stonechat/draft/")) late.push(performance.now() - typed.at);
      set.call(this, key, value);
    };
  });
  await ana.open(ops.handle);
  await ana.composer.pressSequentially("Half a thought");
  await expect.poll(() => stored(ana.page)).toContain("Half a thought");
  expect(await ana.page.evaluate(() => (window as unknown as { late: number[] }).late.at(-1))).toBeLessThan(300);
  // A page that goes at once stores what the last keystroke made.
  await ana.composer.pressSequentially(", and more");
  await ana.page.reload();
  await expect(ana.composer).toHaveValue("Half a thought, and more");
  // A page that dies has told storage nothing: what was stored is there.
  await ana.open(group.conversation_id);
  await ana.composer.fill("Written before the crash");
  await expect.poll(() => stored(ana.page)).toContain("before the crash");
  const other = await ana.context.newPage();
  const devtools = await ana.context.newCDPSession(ana.page);
  void devtools.send("Page.crash").catch(() => undefined);
  await other.goto(`${server.url}/c/${group.conversation_id}`);
  await expect(other.getByRole("main").locator("form textarea")).toHaveValue("Written before the crash");
});

test("CO-01 a thread has its own draft", async ({ ana, ops, server }) => {
  const root = await server.write(ana.account, ops.conversation_id, "Root of it");
  await ana.open(ops.handle);
  await ana.composer.fill("For everybody");
  await ana.page.goto(`${server.url}/c/${ops.handle}?thread=${root.seq}`);
  const side = ana.page.getByRole("complementary").getByRole("textbox");
  await expect(side).toHaveValue("");
  await side.fill("For the thread");
  await ana.page.reload();
  await expect(side).toHaveValue("For the thread");
  await expect(ana.composer).toHaveValue("For everybody");
});

test("CO-02 switching by click, keys, Back and the switcher keeps both drafts and the reply target", async ({ ana, bo, ops, server }) => {
  const other = await server.conversation("channel", [ana.account, bo.account], "Build");
  const { seq } = await server.write(bo.account, ops.conversation_id, "Shall we ship?");
  await ana.open(other.handle!);
  await ana.composer.fill("Draft for build");
  await ana.listed(ops.conversation_id).click();
  await expect(ana.page).toHaveURL(new RegExp(`/c/${ops.handle}$`));
  await ana.row(seq).focus();
  await ana.page.keyboard.press("r");
  await expect(ana.composer).toBeFocused();
  await ana.page.keyboard.type("Draft for ops");
  const reply = ana.page.getByRole("form").getByText("Reply to Bo Lindqvist");

  const elsewhere = async (): Promise<void> => {
    await expect(ana.composer).toHaveValue("Draft for build");
    await expect(reply).toHaveCount(0);
  };
  const here = async (): Promise<void> => {
    await expect(ana.composer).toHaveValue("Draft for ops");
    await expect(reply).toBeVisible();
  };
  await ana.listed(other.conversation_id).click();
  await elsewhere();
  await ana.page.goBack();
  await here();
  await ana.page.keyboard.press("Alt+ArrowDown");
  await expect(ana.page).not.toHaveURL(new RegExp(`/c/${ops.handle}$`));
  await ana.page.keyboard.press("Alt+ArrowUp");
  await here();
  await ana.page.keyboard.press("Control+k");
  await ana.page.keyboard.type(other.handle!);
  await ana.page.keyboard.press("Enter");
  await elsewhere();
  await ana.listed(ops.conversation_id).click();
  await here();
  await ana.page.keyboard.press("Enter");
  await expect(ana.message("Draft for ops")).toHaveAttribute("data-state", "sent");
  await expect(ana.message("Draft for ops").getByRole("button", { name: /Go to the quoted message: Shall we ship\?/ })).toBeVisible();
});

test("CO-02 an edit under way and the draft before it are kept over a switch", async ({ ana, bo, ops, server }) => {
  const other = await server.conversation("channel", [ana.account, bo.account], "Build");
  await ana.open(ops.handle);
  await ana.write("First text");
  await expect(ana.message("First text")).toHaveAttribute("data-state", "sent");
  await ana.composer.fill("Unsent words");
  await ana.message("First text").focus();
  await ana.page.keyboard.press("e");
  await expect(ana.composer).toHaveValue("First text");
  await ana.page.keyboard.type(" and more");
  await ana.listed(other.conversation_id).click();
  await expect(ana.composer).toHaveValue("");
  await ana.listed(ops.conversation_id).click();
  await expect(ana.composer).toHaveValue("First text and more");
  await expect(ana.page.getByText("Editing a message")).toBeVisible();
  await ana.composer.press("Escape");
  await expect(ana.composer).toHaveValue("Unsent words");
  await expect(ana.message("First text")).toHaveCount(1);
  await expect(ana.message("First text and more")).toHaveCount(0);
});

test("CO-03 the draft is gone once the message is in the outbox, here, in another tab and after reload", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  const second = await ana.tab();
  await ana.composer.fill("Only once, please");
  await expect.poll(() => stored(ana.page)).toContain("Only once");
  await second.open(ops.handle);
  await expect(second.composer).toHaveValue("Only once, please");
  await second.composer.focus();
  await ana.composer.press("Enter");
  await expect(ana.composer).toHaveValue("");
  await expect.poll(() => stored(ana.page)).toBe("");
  await expect(second.composer).toHaveValue("");
  await expect(second.message("Only once, please")).toHaveCount(1);
  await second.composer.blur();
  await ana.page.reload();
  await expect(ana.message("Only once, please")).toHaveCount(1);
  await expect(ana.composer).toHaveValue("");
  expect(await stored(ana.page)).toBe("");
});

test("CO-03 a message that waits for the network is in the outbox and no draft", async ({ ana, ops, server }) => {
  await ana.open(ops.handle);
  await server.hook("down", { down: true });
  await ana.write("Written in a tunnel");
  await expect.poll(() => stored(ana.page)).toBe("");
  await expect(ana.message("Written in a tunnel")).toHaveAttribute("data-state", "pending");
  await server.hook("down", { down: false });
  await expect(ana.message("Written in a tunnel")).toHaveAttribute("data-state", "sent", { timeout: 20_000 });
  await expect(ana.message("Written in a tunnel")).toHaveCount(1);
});

test("CO-04 typing in one tab never overwrites the focused composer of another; the last edit wins", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  const second = await ana.tab();
  await second.open(ops.handle);
  await ana.composer.focus();
  await ana.page.keyboard.type("from the first tab");
  await expect.poll(() => stored(ana.page)).toContain("from the first tab");
  await second.composer.focus();
  await second.composer.fill("from the second tab");
  await expect.poll(() => stored(ana.page)).toContain("from the second tab");
  await expect(ana.composer).toHaveValue("from the first tab");
  // Leaving a composer one has not touched since stores nothing over it.
  await ana.composer.blur();
  const third = await ana.tab();
  await third.open(ops.handle);
  await expect(third.composer).toHaveValue("from the second tab");
});

test("CO-05 settings say that drafts stay on this device, and no request carries one", async ({ ana, ops, server }) => {
  const bodies: string[] = [];
  ana.page.on("request", (request) => bodies.push(request.postData() ?? ""));
  ana.page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => bodies.push(String(payload))));
  await ana.open(ops.handle);
  await ana.composer.pressSequentially("xylophone");
  await expect.poll(() => stored(ana.page)).toContain("xylophone");
  await ana.page.goto(`${server.url}/settings/privacy`);
  await expect(ana.page.getByText("Drafts stay on this device.")).toBeVisible();
  expect(bodies.length).toBeGreaterThan(0);
  expect(bodies.filter((body) => body.includes("xylophone"))).toEqual([]);
});

test("CO-06 Esc closes a popup, then cancels the reply, then leaves for the newest message, and removes no text", async ({ ana, bo, ops, server }) => {
  const { seq } = await server.write(bo.account, ops.conversation_id, "The newest of all");
  await ana.open(ops.handle);
  await ana.row(seq).focus();
  await ana.page.keyboard.press("r");
  await ana.page.keyboard.type("See @bo");
  const people = ana.page.getByRole("listbox", { name: "People to mention" });
  const reply = ana.page.getByText("Reply to Bo Lindqvist");
  await expect(people).toBeVisible();
  await ana.page.keyboard.press("Escape");
  await expect(people).toHaveCount(0);
  await expect(reply).toBeVisible();
  await expect(ana.composer).toBeFocused();
  await ana.page.keyboard.press("Escape");
  await expect(reply).toHaveCount(0);
  await expect(ana.composer).toBeFocused();
  await ana.page.keyboard.press("Escape");
  await expect(ana.row(seq)).toBeFocused();
  await expect(ana.composer).toHaveValue("See @bo");
});

test("CO-06 Esc in an edit brings the draft back; the open emoji picker closes first", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  await ana.write("To be edited");
  await expect(ana.message("To be edited")).toHaveAttribute("data-state", "sent");
  await ana.composer.press("ArrowUp");
  await expect(ana.composer).toHaveValue("To be edited");
  await ana.page.keyboard.type(" ::");
  const picker = ana.page.getByRole("dialog", { name: "Emoji" });
  await expect(picker).toBeVisible();
  await ana.page.keyboard.press("Escape");
  await expect(picker).toHaveCount(0);
  await expect(ana.composer).toBeFocused();
  await expect(ana.composer).toHaveValue("To be edited ::");
  await ana.page.keyboard.press("Escape");
  await expect(ana.composer).toHaveValue("");
  await expect(ana.composer).toBeFocused();
});

test("CO-19 where nothing can be written one sentence says why; a draft stays visible and can be copied", async ({ ana, bo, ops, server }) => {
  await bo.open(ops.handle);
  await bo.composer.fill("Not sent in time");
  await server.api("PATCH", `conversations/${ops.conversation_id}`, { posting: "admins" }, ana.account.token);
  await expect(bo.page.getByText("Only owners and admins may write here.")).toBeVisible();
  const draft = bo.page.getByRole("textbox", { name: "Your draft" });
  await expect(draft).toHaveValue("Not sent in time");
  await draft.focus();
  await bo.page.keyboard.press("Control+a");
  expect(await bo.page.evaluate(() => getSelection()?.toString())).toBe("Not sent in time");
  await bo.page.keyboard.type("x");
  await expect(draft).toHaveValue("Not sent in time");
  await expect(bo.composer).toHaveCount(0);
  await server.api("PATCH", `conversations/${ops.conversation_id}`, { posting: "everyone" }, ana.account.token);
  await expect(bo.composer).toHaveValue("Not sent in time");
  await server.api("PATCH", `conversations/${ops.conversation_id}`, { archived: true }, ana.account.token);
  await expect(bo.page.getByText("This conversation is archived.")).toBeVisible();

  const direct = await server.direct(ana.account, bo.account);
  await server.api("PUT", `users/${ana.account.user_id}/block`, undefined, bo.account.token);
  await ana.page.goto(`${server.url}/c/${direct.conversation_id}`);
  await expect(ana.page.getByText("You cannot write to this person.")).toBeVisible();
});
