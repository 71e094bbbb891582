// Real focus that is never nowhere, one quiet voice, names that tell everything.
import { expect, test, type Person } from "./fixtures.ts";

/** Everything the announcer says, from now on. */
async function listen(person: Person): Promise<() => Promise<string[]>> {
  await person.page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    const voice = document.querySelector('[data-testid="announcer"]')!;
    new MutationObserver(() => said.push(voice.textContent ?? "")).observe(voice, { childList: true, characterData: true, subtree: true });
  });
  return () => person.page.evaluate(() => (window as unknown as { said: string[] }).said);
}

async function focusIsSomewhere(person: Person, after: string): Promise<void> {
  await expect.poll(() => person.page.evaluate(() => (document.activeElement === document.body || document.activeElement === null ? "nowhere" : "somewhere")), { message: after }).toBe("somewhere");
  // It stays somewhere.
  await person.page.evaluate(() => new Promise((drawn) => setTimeout(drawn, 150)));
  expect(await person.page.evaluate(() => document.activeElement !== document.body), after).toBe(true);
}

test("AX-02 landmarks, one h1, and a skip link that leads to the newest message", async ({ ana, bo, ops, server }) => {
  const root = await server.write(bo.account, ops.conversation_id, "The newest");
  await ana.open(ops.handle);
  const { page } = ana;
  await expect(page.getByRole("navigation", { name: "Conversations" })).toHaveCount(1);
  await expect(page.getByRole("main", { name: `#${ops.handle}` })).toHaveCount(1);
  await expect(page.getByRole("form", { name: `Write to #${ops.handle}` })).toHaveCount(1);
  await expect(page.getByRole("heading", { level: 1, name: `#${ops.handle}` })).toHaveCount(1);
  await page.locator("body").evaluate(() => (document.querySelector("a.skip") as HTMLElement).focus());
  await expect(page.getByRole("link", { name: "Skip to messages" })).toBeInViewport();
  await page.keyboard.press("Enter");
  await expect(ana.row(root.seq)).toBeFocused();
  await page.keyboard.press("t");
  await expect(page.getByRole("complementary", { name: "Thread" })).toHaveCount(1);
  await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
});

test("AX-03 the timeline is a list with one tab stop, real focus and rows that tell all", async ({ ana, bo, ops, server }) => {
  const first = await server.write(bo.account, ops.conversation_id, "Some **words**");
  for (const [who, emoji] of [[ana, "👍"], [bo, "🎉"]] as const) await who.api("POST", `conversations/${ops.conversation_id}/messages/${first.seq}/reactions`, { emoji, action: "add", client_id: crypto.randomUUID() });
  await bo.api("PATCH", `conversations/${ops.conversation_id}/messages/${first.seq}`, { content: "Some *other* words", client_id: crypto.randomUUID(), version: {}, edited_at: new Date().toISOString() });
  const second = await server.write(bo.account, ops.conversation_id, "Below it");
  await ana.open(ops.handle);
  const list = ana.viewport.getByRole("list", { name: "Messages" });
  await expect(list).toHaveCount(1);
  expect(await list.evaluate((element) => element.closest("[aria-live]:not([aria-live=off]), [role=log], [role=status], [role=alert]"))).toBeNull();
  await expect(ana.row(first.seq)).toHaveRole("listitem");
  await expect(ana.row(first.seq)).toHaveAccessibleName(/^Bo Lindqvist, .*\d\d:\d\d, Some other words, 2 reactions, edited$/);
  await expect(ana.viewport.locator("li[tabindex='0']")).toHaveCount(1);
  await ana.row(second.seq).focus();
  await ana.page.keyboard.press("ArrowUp");
  await expect(ana.row(first.seq)).toBeFocused();
  await expect(ana.viewport.locator("li[tabindex='0']")).toHaveCount(1);
  await expect(ana.row(first.seq)).toHaveAttribute("tabindex", "0");
  await ana.page.keyboard.press("j");
  await expect(ana.row(second.seq)).toBeFocused();
  await server.hook("reject", { user_id: ana.account.user_id, code: "forbidden", times: 1 });
  await ana.write("Refused");
  await expect(ana.message("Refused")).toHaveAccessibleName(/Refused, not sent$/);
});

test("AX-04 one polite voice: new messages of the open conversation, at most one utterance in 2 s, nothing of history", async ({ ana, bo, ops, server }) => {
  const other = await server.conversation("channel", [ana.account, bo.account], "Build");
  await server.fill(ops.conversation_id, 400, [ana.account]);
  await ana.open(ops.handle);
  await expect(ana.page.locator("[aria-live]")).toHaveCount(1);
  await expect(ana.page.getByTestId("announcer")).toHaveAttribute("aria-live", "polite");
  const said = await listen(ana);
  await ana.viewport.evaluate((view) => (view.scrollTop = 0));
  await expect.poll(() => ana.viewport.evaluate((view) => view.scrollTop)).toBeGreaterThan(0);
  await server.write(bo.account, other.conversation_id, "Elsewhere");
  await expect(ana.listed(other.conversation_id)).toHaveAccessibleName(/1 unread/);
  expect(await said()).toEqual([]);
  await server.write(bo.account, ops.conversation_id, "First for the voice");
  await expect.poll(said).toEqual(["Bo Lindqvist: First for the voice"]);
  for (const text of ["two", "three", "four", "five", "six"]) await server.write(bo.account, ops.conversation_id, text);
  await expect.poll(said, { timeout: 6_000 }).toEqual(["Bo Lindqvist: First for the voice", "5 new messages"]);
  await ana.write("My own is not told");
  await expect(ana.message("My own is not told")).toHaveAttribute("data-state", "sent");
  await ana.page.waitForTimeout(2_500);
  expect(await said()).toHaveLength(2);
});

test("AX-04 the setting: mentions and direct messages, or nothing", async ({ ana, bo, ops, server }) => {
  await ana.page.goto(`${server.url}/settings/notifications`);
  await ana.page.getByLabel("Mentions and direct messages").check();
  await ana.open(ops.handle);
  const said = await listen(ana);
  await server.write(bo.account, ops.conversation_id, "Not for the voice");
  await expect(ana.message("Not for the voice")).toHaveCount(1);
  await server.write(bo.account, ops.conversation_id, `@${ana.account.handle} this is`);
  await expect.poll(said).toHaveLength(1);
  expect((await said())[0]).toContain("this is");
  await ana.page.goto(`${server.url}/settings/notifications`);
  await ana.page.getByRole("group", { name: /aloud/ }).getByLabel("None").check();
  await ana.open(ops.handle);
  const silent = await listen(ana);
  await server.write(bo.account, ops.conversation_id, `@${ana.account.handle} once more`);
  await expect(ana.message("once more")).toHaveCount(1);
  await ana.page.waitForTimeout(2_500);
  expect(await silent()).toEqual([]);
});

test("AX-05 a failure, a long break and the way back are told once each", async ({ ana, ops, server }) => {
  await ana.open(ops.handle);
  const said = await listen(ana);
  await server.hook("reject", { user_id: ana.account.user_id, code: "forbidden", times: 1 });
  await ana.write("Refused");
  await expect.poll(said).toEqual(["A message could not be sent"]);
  await server.hook("down", { down: true });
  await expect.poll(said, { timeout: 12_000 }).toEqual(["A message could not be sent", "Disconnected. Messages you write will send when you're back."]);
  await server.hook("down", { down: false });
  await expect.poll(said, { timeout: 35_000 }).toContain("You're all caught up");
  expect(await said()).toHaveLength(3);
});

const LOSSES: { name: string; act: (person: Person, other: string) => Promise<void> }[] = [
  { name: "a dialog closed by Esc", act: async ({ page }) => { await page.keyboard.press("Control+/"); await expect(page.getByRole("dialog")).toBeVisible(); await page.keyboard.press("Escape"); } },
  { name: "a dialog closed by its button", act: async ({ page }) => { await page.getByRole("main").getByRole("button", { name: "People" }).click(); await page.getByRole("button", { name: "Close" }).click(); } },
  { name: "the switcher", act: async ({ page }) => { await page.keyboard.press("Control+k"); await page.keyboard.press("Escape"); } },
  { name: "a menu", act: async ({ page }) => { await page.getByRole("main").getByRole("button", { name: "More", exact: true }).click(); await page.keyboard.press("Escape"); } },
  { name: "another conversation", act: async (person, other) => { await person.listed(other).click(); await expect(person.composer).toBeVisible(); } },
  { name: "a conversation by the switcher", act: async ({ page }) => { await page.keyboard.press("Control+k"); await page.keyboard.type("lobby"); await page.keyboard.press("Enter"); } },
  { name: "settings and Back", act: async ({ page }) => { await page.keyboard.press("Control+,"); await expect(page.getByRole("heading", { level: 1 })).toBeFocused(); await page.goBack(); await expect(page.getByRole("form")).toBeVisible(); } },
  { name: "a thread that is closed", act: async ({ page }) => { await page.locator("li[data-state=sent]").last().focus(); await page.keyboard.press("t"); await page.getByRole("button", { name: "Close thread" }).click(); } },
  { name: "a deleted message", act: async ({ page }) => { await page.locator("li[data-state=sent]").last().focus(); await page.keyboard.press("Delete"); await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click(); await expect(page.locator("li[data-state=deleted]")).toHaveCount(1); } },
  { name: "a discarded message", act: async (person) => { await person.server.hook("reject", { user_id: person.account.user_id, code: "forbidden", times: 1 }); await person.write("Refused"); await person.page.getByRole("button", { name: "Discard" }).click(); await expect(person.message("Refused")).toHaveCount(0); } },
  { name: "a reconnect", act: async (person) => { await person.page.locator("li[data-state=sent]").last().focus(); await person.server.hook("kick", { user_id: person.account.user_id }); await person.online(); } },
  { name: "a conversation that became read-only while one writes", act: async (person) => { await person.composer.focus(); const ref = new URL(person.page.url()).pathname.split("/")[2]!; await person.api("PATCH", `conversations/${ref}`, { archived: true }); await expect(person.page.getByText("This conversation is archived.")).toBeVisible(); } },
];

test("AX-06 whatever goes, focus is somewhere", async ({ ana, bo, server }) => {
  test.setTimeout(120_000);
  const other = await server.conversation("channel", [ana.account, bo.account], "Other");
  for (const { name, act } of LOSSES) {
    const made = await server.conversation("channel", [ana.account, bo.account], "Focus");
    await server.write(ana.account, made.conversation_id, "One of mine");
    await ana.open(made.handle!);
    await expect(ana.composer).toBeFocused();
    await act(ana, other.conversation_id);
    await focusIsSomewhere(ana, name);
  }
});

test("AX-06 AX-07 the focused row stays in the document while new messages push it away", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 60, [ana.account]);
  const { seq } = await server.write(bo.account, ops.conversation_id, "Held by focus");
  await ana.open(ops.handle);
  await ana.row(seq).focus();
  await server.fill(ops.conversation_id, 260, [bo.account], "pushing");
  await expect.poll(() => ana.page.locator("li[data-state]").filter({ hasText: "pushing" }).count()).toBeGreaterThan(5);
  // The wheel moves no focus: the row goes out of sight, not out of the document.
  await ana.page.mouse.move(700, 400);
  await expect
    .poll(async () => {
      await ana.page.mouse.wheel(0, 2_000);
      return (await ana.row(seq).boundingBox())?.y ?? -1;
    })
    .toBeLessThan(0);
  await expect(ana.row(seq)).toHaveCount(1);
  await expect(ana.row(seq)).toBeFocused();
});

test("AX-08 the focus ring is visible, 3:1 or more, and nothing lies over it", async ({ ana, bo, ops, server }) => {
  test.setTimeout(90_000);
  for (let n = 0; n < 12; n++) await server.write(n % 3 === 0 ? ana.account : bo.account, ops.conversation_id, `Row ${n} with https://example.org/${n}`);
  for (const theme of ["light", "dark"]) {
    await ana.page.addInitScript((name) => localStorage.setItem("stonechat/prefs", JSON.stringify({ theme: name })), theme);
    await ana.open(ops.handle);
    await ana.page.locator("body").evaluate(() => (document.activeElement as HTMLElement).blur());
    const wrong: string[] = [];
    const seen = new Set<string>();
    for (let n = 0; n < 60; n++) {
      await ana.page.keyboard.press("Tab");
      const found = await ana.page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        const style = getComputedStyle(element);
        const rgb = (text: string): number[] => (text.match(/[\d.]+/g) ?? []).map(Number);
        const light = ([r, g, b]: number[]): number => {
          const part = (value: number): number => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
          return 0.2126 * part(r ?? 0) + 0.7152 * part(g ?? 0) + 0.0722 * part(b ?? 0);
        };
        let behind: HTMLElement | null = element.parentElement;
        while (behind !== null && (rgb(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
        const [ring, ground] = [light(rgb(style.outlineColor)), light(rgb(behind === null ? "rgb(255,255,255)" : getComputedStyle(behind).backgroundColor))];
        const ratio = (Math.max(ring, ground) + 0.05) / (Math.min(ring, ground) + 0.05);
        const box = element.getBoundingClientRect();
        const on = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 12));
        const covered = on === null || !(element.contains(on) || on.contains(element));
        return { html: element.outerHTML.slice(0, 90), style: style.outlineStyle, width: parseFloat(style.outlineWidth), ratio, covered, inside: box.bottom > 0 && box.top < innerHeight };
      });
      // After the last stop comes the browser's own bar.
      if (found.html.startsWith("<body") || seen.has(found.html)) continue;
      seen.add(found.html);
      if (found.style === "none" || found.width < 2) wrong.push(`no ring: ${found.html}`);
      if (found.ratio < 3) wrong.push(`${found.ratio.toFixed(2)}: ${found.html}`);
      if (found.covered || !found.inside) wrong.push(`covered: ${found.html}`);
    }
    expect(seen.size).toBeGreaterThan(10);
    expect(wrong).toEqual([]);
  }
});

test("AX-14 dialogs keep focus inside, close on Esc, give it back and have names", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  const { page } = ana;
  const openers: [string, () => Promise<void>][] = [
    ["People", async () => page.getByRole("main").getByRole("button", { name: "People" }).click()],
    ["New message", async () => page.getByRole("navigation").getByRole("button", { name: "New message" }).click()],
    ["Keyboard map", async () => page.keyboard.press("Control+/")],
  ];
  for (const [name, open] of openers) {
    await open();
    const before = page.getByRole("dialog", { name });
    await expect(before).toBeVisible();
    for (let n = 0; n < 12; n++) {
      await page.keyboard.press(n % 4 === 3 ? "Shift+Tab" : "Tab");
      // The browser's own bar is outside of the page; within the page nothing outside the dialog is reached.
      expect(await page.evaluate(() => document.activeElement === document.body || document.activeElement?.closest("dialog[open]") !== null), name).toBe(true);
    }
    await page.keyboard.press("Escape");
    await expect(before).toHaveCount(0);
  }
  await page.getByRole("main").getByRole("button", { name: "People" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "People" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("main").getByRole("button", { name: "People" })).toBeFocused();
});
