// Notices while a tab is open (NO-01, NO-02, NO-08, NO-09, NO-11).
import { expect, test, type Person, type TestServer } from "./fixtures.ts";

interface Shown {
  title: string;
  body: string;
  tag: string;
  closed: boolean;
}

/** Puts a notification in place that tells the test what it was given. */
async function listen(person: Person, permission: "granted" | "default"): Promise<void> {
  await person.context.addInitScript((permission) => {
    const shown: (Shown & { click: () => void })[] = [];
    if (location.protocol === "about:") return;
    // What was allowed stays allowed on the next page.
    const state = { shown, asked: 0, permission: sessionStorage.getItem("permission") ?? permission };
    class FakeNotification {
      static get permission(): string {
        return state.permission;
      }
      static async requestPermission(): Promise<string> {
        state.asked++;
        state.permission = "granted";
        sessionStorage.setItem("permission", "granted");
        return "granted";
      }
      onclick: (() => void) | null = null;
      private readonly entry: Shown & { click: () => void };
      constructor(title: string, options: { body?: string; tag?: string }) {
        this.entry = { title, body: options.body ?? "", tag: options.tag ?? "", closed: false, click: () => this.onclick?.() };
        shown.push(this.entry);
      }
      close(): void {
        this.entry.closed = true;
      }
    }
    Object.assign(window, { Notification: FakeNotification, notices: state });
  }, permission);
}

const shown = (person: Person): Promise<Shown[]> =>
  person.page.evaluate(() => (window as unknown as { notices: { shown: Shown[] } }).notices.shown.map(({ title, body, tag, closed }) => ({ title, body, tag, closed })));
const asked = (person: Person): Promise<number> => person.page.evaluate(() => (window as unknown as { notices: { asked: number } }).notices.asked);

async function turnOn(person: Person): Promise<void> {
  await person.page.goto(`${person.server.url}/settings/notifications`);
  await person.page.getByRole("button", { name: "Turn on notifications" }).click();
  await expect(person.page.getByRole("button", { name: "Turn off notifications" })).toBeVisible();
}

/** The window is somewhere else: visible, and without the keyboard. */
async function blur(person: Person): Promise<void> {
  await person.page.evaluate(() => Object.defineProperty(document, "hasFocus", { configurable: true, value: () => false }));
}

test("NO-01 permission is asked for only by somebody's click, after a sentence that says what will be shown", async ({ server, ana, bo, ops }) => {
  await listen(ana, "default");
  const direct = await server.direct(bo.account, ana.account);
  await ana.open(ops.handle);
  await server.write(bo.account, direct.conversation_id, "Nobody asked yet");
  await expect(ana.listed(direct.conversation_id).getByTestId("badge")).toHaveText("1");
  await ana.listed(direct.conversation_id).click();
  await ana.write("An answer");
  await ana.page.reload();
  await ana.online();
  expect(await asked(ana)).toBe(0);
  expect(await shown(ana)).toEqual([]);
  await ana.page.goto(`${server.url}/settings/notifications`);
  await expect(ana.page.getByText("messages that are meant for you are shown on your desktop")).toBeVisible();
  expect(await asked(ana)).toBe(0);
  await ana.page.getByRole("button", { name: "Turn on notifications" }).click();
  await expect(ana.page.getByRole("button", { name: "Turn off notifications" })).toBeVisible();
  expect(await asked(ana)).toBe(1);
});

async function level(person: Person, id: string, name: string): Promise<void> {
  await person.listed(id).click({ button: "right" });
  await person.page.getByRole("menuitem", { name: "Mute…" }).click();
  await person.page.getByRole("dialog", { name: "Notifications" }).getByRole("radio", { name, exact: true }).check();
  await person.page.keyboard.press("Escape");
}

/** Writes, and waits until the page has it. */
async function write(server: TestServer, from: Person, to: Person, id: string, text: string): Promise<void> {
  const before = (await to.page.evaluate((id) => document.querySelector(`[data-testid="conv-${id}"]`)?.getAttribute("aria-label"), id)) ?? "";
  await server.write(from.account, id, text);
  await expect(to.listed(id)).not.toHaveAccessibleName(before);
  // The other tabs are asked before it is told.
  await to.page.waitForTimeout(300);
}

test("NO-02 levels per conversation: everything, mentions, nothing; mentions for groups and everything for direct messages unless chosen", async ({ server, ana, bo, ops }) => {
  await listen(ana, "default");
  await turnOn(ana);
  const direct = await server.direct(bo.account, ana.account);
  const parked = await server.conversation("channel", [ana.account], "Parked");
  await ana.open(parked.handle!);
  const texts = async (): Promise<string[]> => (await shown(ana)).map((one) => one.body);
  await write(server, bo, ana, ops.conversation_id, "Plain in a channel");
  expect(await texts()).toEqual([]);
  await write(server, bo, ana, ops.conversation_id, `For @${ana.account.handle}`);
  expect((await texts()).length).toBe(1);
  await write(server, bo, ana, direct.conversation_id, "Direct");
  expect(await texts()).toHaveLength(2);
  expect((await texts())[1]).toBe("Bo Lindqvist: Direct");

  await level(ana, ops.conversation_id, "Everything");
  await write(server, bo, ana, ops.conversation_id, "Plain and told");
  expect(await texts()).toHaveLength(3);
  await level(ana, direct.conversation_id, "Nothing");
  await write(server, bo, ana, direct.conversation_id, "Not told");
  expect(await texts()).toHaveLength(3);
  await level(ana, direct.conversation_id, "Mentions");
  await write(server, bo, ana, direct.conversation_id, "Still not told");
  expect(await texts()).toHaveLength(3);
  await ana.page.reload();
  await ana.online();
  await ana.listed(ops.conversation_id).click({ button: "right" });
  await ana.page.getByRole("menuitem", { name: "Mute…" }).click();
  await expect(ana.page.getByRole("radio", { name: "Everything" })).toBeChecked();
});

test("NO-02 muted for an hour, until tomorrow, or until it is turned off", async ({ server, ana, bo, ops }) => {
  await listen(ana, "default");
  await ana.page.clock.install({ time: new Date("2026-03-01T16:00:00Z") });
  const mutedThere = async (): Promise<boolean> => (await ana.api<{ muted: boolean }>("GET", `conversations/${ops.conversation_id}`)).muted;
  const parked = await server.conversation("channel", [ana.account], "Parked");
  await ana.open(parked.handle!);
  await level(ana, ops.conversation_id, "For 1 hour");
  await expect(ana.listed(ops.conversation_id)).toHaveAccessibleName(/muted/);
  expect(await mutedThere()).toBe(true);
  await ana.page.clock.runFor("30:00");
  expect(await mutedThere()).toBe(true);
  await ana.page.clock.runFor("31:00");
  await expect.poll(mutedThere).toBe(false);
  await expect(ana.listed(ops.conversation_id)).not.toHaveAccessibleName(/muted/);

  await level(ana, ops.conversation_id, "Until tomorrow");
  await expect.poll(mutedThere).toBe(true);
  // 08:00 of the next day, in Berlin.
  const until = (): Promise<string> =>
    ana.page.evaluate(() => new Date(Object.values((JSON.parse(localStorage.getItem("stonechat/prefs") ?? "{}") as { mutes: Record<string, number> }).mutes)[0] ?? 0).toISOString());
  await expect.poll(until).toBe("2026-03-02T07:00:00.000Z");

  await level(ana, ops.conversation_id, "Until I turn it off");
  await expect.poll(mutedThere).toBe(true);
  await expect.poll(() => ana.page.evaluate(() => Object.keys((JSON.parse(localStorage.getItem("stonechat/prefs") ?? "{}") as { mutes: object }).mutes))).toEqual([]);
  expect(await mutedThere()).toBe(true);
  await level(ana, ops.conversation_id, "Not muted");
  await expect.poll(mutedThere).toBe(false);
});

test("NO-08 a click on a notice leads to the message, in the tab that is there", async ({ server, ana, bo, ops }) => {
  await listen(ana, "default");
  await turnOn(ana);
  const parked = await server.conversation("channel", [ana.account], "Parked");
  await server.fill(ops.conversation_id, 200, [bo.account]);
  await ana.open(parked.handle!);
  const { seq } = await server.write(bo.account, ops.conversation_id, `Wake up @${ana.account.handle}`);
  await expect.poll(() => shown(ana)).toHaveLength(1);
  await ana.page.evaluate(() => {
    const { notices } = window as unknown as { notices: { shown: { click: () => void }[]; focused?: number } };
    window.focus = () => void (notices.focused = (notices.focused ?? 0) + 1);
    notices.shown[0]?.click();
  });
  await expect(ana.row(seq)).toBeInViewport();
  expect(ana.context.pages()).toHaveLength(1);
  expect(await ana.page.evaluate(() => (window as unknown as { notices: { focused?: number } }).notices.focused)).toBe(1);
  expect((await shown(ana))[0]?.closed).toBe(true);
});

test("NO-09 no notice for what is on screen in a focused window, of this tab or another one; one tab tells, not each", async ({ server, ana, bo, ops }) => {
  await listen(ana, "default");
  await turnOn(ana);
  const direct = await server.direct(bo.account, ana.account);
  const parked = await server.conversation("channel", [ana.account], "Parked");
  await ana.open(parked.handle!);
  await write(server, bo, ana, direct.conversation_id, "Elsewhere");
  expect(await shown(ana)).toHaveLength(1);
  await ana.listed(direct.conversation_id).click();
  await expect(ana.message("Elsewhere")).toBeVisible();
  // Read: its notice goes.
  await expect.poll(async () => (await shown(ana))[0]?.closed).toBe(true);
  await server.write(bo.account, direct.conversation_id, "Seen as it comes");
  await expect(ana.message("Seen as it comes")).toBeVisible();
  await ana.page.waitForTimeout(400);
  expect(await shown(ana)).toHaveLength(1);
  // The same conversation, but nobody looks.
  await blur(ana);
  await server.write(bo.account, direct.conversation_id, "Behind another window");
  await expect.poll(() => shown(ana)).toHaveLength(2);

  // A second tab that shows it: the first one is silent, and so is the second.
  const second = await ana.tab();
  await second.page.addInitScript(() => {
    if (location.protocol !== "about:") sessionStorage.setItem("permission", "granted");
  });
  await second.open(direct.conversation_id);
  await server.write(bo.account, direct.conversation_id, "In the second tab");
  await expect(second.message("In the second tab")).toBeVisible();
  await second.page.waitForTimeout(500);
  expect(await shown(ana)).toHaveLength(2);
  expect(await shown(second)).toHaveLength(0);
  // Nobody looks in either: one of them tells.
  await blur(second);
  await server.write(bo.account, direct.conversation_id, "Told once");
  await expect.poll(async () => (await shown(ana)).length + (await shown(second)).length).toBe(3);
  await second.page.waitForTimeout(400);
  expect((await shown(ana)).length + (await shown(second)).length).toBe(3);
  void ops;
});
