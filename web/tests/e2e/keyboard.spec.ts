// The keyboard map: every row works, from the registry that the map shows; nothing of the browser's is taken.
import { expect, test, type Person } from "./fixtures.ts";
import type { Page } from "@playwright/test";

async function map(page: Page): Promise<{ keys: string[]; label: string; where: string }[]> {
  await page.keyboard.press("Control+/");
  const dialog = page.getByRole("dialog", { name: "Keyboard map" });
  await expect(dialog).toBeVisible();
  const rows = await dialog.locator("section").evaluateAll((sections) =>
    sections.flatMap((section) =>
      [...section.querySelectorAll("dl > div")].map((row) => ({
        where: section.querySelector(".where")?.textContent ?? "",
        keys: [...row.querySelectorAll("kbd")].map((key) => key.textContent ?? ""),
        label: row.querySelector("dd")?.textContent ?? "",
      })),
    ),
  );
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  return rows;
}

const focusIn = (page: Page, region: string): Promise<boolean> => page.evaluate((name) => document.querySelector(`[data-region="${name}"]`)?.contains(document.activeElement) === true, region);

test("KB-01 the keys that work anywhere", async ({ ana, bo, ops, server }) => {
  const build = await server.conversation("channel", [ana.account, bo.account], "Build");
  const { seq } = await server.write(bo.account, ops.conversation_id, "Here is a row");
  await ana.open(ops.handle);
  await expect(ana.listed(ops.conversation_id)).not.toHaveAccessibleName(/unread/);
  const { page } = ana;
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("combobox")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(ana.composer).toBeFocused();
  await page.keyboard.press("Control+/");
  await expect(page.getByRole("dialog", { name: "Keyboard map" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await expect(ana.composer).toHaveValue("?");
  await ana.composer.fill("");
  await ana.row(seq).focus();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard map" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(ana.row(seq)).toBeFocused();
  await ana.composer.focus();
  for (const region of ["nav", "header", "timeline", "composer"]) {
    await page.keyboard.press("Control+F6");
    expect(await focusIn(page, region), region).toBe(true);
  }
  for (const region of ["timeline", "header", "nav", "composer"]) {
    await page.keyboard.press("Control+Shift+F6");
    expect(await focusIn(page, region), region).toBe(true);
  }
  const order = await page.locator('[data-testid^="conv-"]').evaluateAll((rows) => rows.map((row) => row.getAttribute("href")!));
  const here = order.indexOf(`/c/${ops.handle}`);
  await page.keyboard.press("Alt+ArrowDown");
  await expect(page).toHaveURL(`${server.url}${order[(here + 1) % order.length]}`);
  await page.keyboard.press("Alt+ArrowUp");
  await expect(page).toHaveURL(`${server.url}${order[here]}`);
  await server.write(bo.account, build.conversation_id, "Unread here");
  await expect(ana.listed(build.conversation_id)).toHaveAccessibleName(/1 unread/);
  await page.keyboard.press("Alt+Shift+ArrowUp");
  await expect(page).toHaveURL(`${server.url}/c/${build.handle}`);
  await page.goBack();
  await expect(page).toHaveURL(`${server.url}/c/${ops.handle}`);
  await page.goForward();
  await expect(page).toHaveURL(`${server.url}/c/${build.handle}`);
  await server.write(bo.account, ops.conversation_id, "Unread there");
  await expect(ana.listed(ops.conversation_id)).toHaveAccessibleName(/1 unread/);
  await page.keyboard.press("Shift+Escape");
  await page.getByRole("dialog").getByRole("button", { name: "Mark read" }).press("Enter");
  await expect(ana.listed(ops.conversation_id)).not.toHaveAccessibleName(/unread/);
  await page.getByRole("button", { name: "Undo" }).press("Enter");
  await expect(ana.listed(ops.conversation_id)).toHaveAccessibleName(/1 unread/);
  await page.keyboard.press("Alt+Shift+ArrowDown");
  await expect(page).toHaveURL(`${server.url}/c/${ops.handle}`);
  await page.keyboard.press("Control+,");
  await expect(page).toHaveURL(/\/settings\/profile$/);
});

test("KB-01 the keys of the timeline and the composer", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 200, [ana.account, bo.account]);
  const { seq } = await server.write(ana.account, ops.conversation_id, "Newest, and mine");
  await bo.api("PUT", `conversations/${ops.conversation_id}/read`, { read_generation: 0, read_seq: seq }).catch(() => undefined);
  await ana.open(ops.handle);
  const { page } = ana;
  const top = (): Promise<number> => ana.viewport.evaluate((view) => view.scrollTop);
  await page.keyboard.press("Control+End");
  await expect(ana.row(seq)).toBeInViewport();
  const end = await top();
  await page.keyboard.press("PageUp");
  await expect.poll(top).not.toBe(end);
  await page.keyboard.press("Control+Home");
  await expect(page.getByText(/^Beginning of/)).toBeInViewport();
  await page.keyboard.press("Control+End");
  await expect(ana.row(seq)).toBeInViewport();
  await page.keyboard.press("Escape");
  await expect(ana.row(seq)).toBeFocused();
  await page.keyboard.press("k");
  await expect(ana.row(seq - 1)).toBeFocused();
  await page.keyboard.press("ArrowUp");
  await expect(ana.row(seq - 2)).toBeFocused();
  await page.keyboard.press("j");
  await page.keyboard.press("ArrowDown");
  await expect(ana.row(seq)).toBeFocused();
  await page.keyboard.press("Home");
  await expect(page.getByText(/^Beginning of/)).toBeInViewport();
  await page.keyboard.press("End");
  await expect(ana.row(seq)).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(ana.composer).toBeFocused();
  await expect(ana.listed(ops.conversation_id)).not.toHaveAccessibleName(/unread/);
  await page.keyboard.press("ArrowUp");
  await expect(ana.composer).toHaveValue("Newest, and mine");
  await page.keyboard.press("Escape");
  await page.keyboard.type(":rocke");
  await expect(page.getByRole("listbox", { name: "Emoji" })).toBeVisible();
});

test("KB-01 KB-02 the map has what works and nothing reserved; all of it is under > in the switcher", async ({ ana, bo, ops, server }) => {
  const { seq } = await server.write(ana.account, ops.conversation_id, "A row to act on");
  await server.write(bo.account, ops.conversation_id, "Another");
  await ana.open(ops.handle);
  const rows = await map(ana.page);
  expect(rows.length).toBeGreaterThan(25);
  const all = rows.flatMap((row) => row.keys);
  for (const wanted of ["Ctrl+K", "Ctrl+/", "Ctrl+F6", "Ctrl+Shift+F6", "Alt+↑", "Alt+Shift+↓", "Shift+Esc", "Ctrl+,", "PgUp", "Ctrl+Home", "+", "R", "T", "Y", "E", "L", "U", "Del", "Enter"]) expect(all).toContain(wanted);
  for (const keys of all) {
    expect(keys).not.toMatch(/^(Ctrl|⌘)\+([TNWLR]|Tab)$/);
    expect(keys).not.toMatch(/^Ctrl\+Shift\+[CEIJKMU]$/);
  }
  await ana.row(seq).focus();
  await ana.page.keyboard.press("Control+k");
  await ana.page.keyboard.type(">");
  const offered = await ana.page.getByRole("listbox", { name: "Results" }).getByRole("option").locator(".name").allTextContents();
  expect(rows.map((row) => row.label).filter((label) => !offered.includes(label))).toEqual([]);
  // One that acts on the row one came from.
  await ana.page.keyboard.type("Edit");
  await ana.page.keyboard.press("Enter");
  await expect(ana.composer).toHaveValue("A row to act on");
});

test("KB-03 single letters act only on a message, can be turned off, and other letters begin a text", async ({ ana, bo, ops, server }) => {
  const { seq } = await server.write(bo.account, ops.conversation_id, "A row");
  await ana.open(ops.handle);
  await ana.composer.focus();
  await ana.page.keyboard.type("rtelu");
  await expect(ana.composer).toHaveValue("rtelu");
  await ana.composer.fill("");
  await ana.listed(ops.conversation_id).focus();
  await ana.page.keyboard.press("r");
  await expect(ana.page.getByText("Reply to")).toHaveCount(0);
  await ana.row(seq).focus();
  await ana.page.keyboard.type("hello");
  await expect(ana.composer).toBeFocused();
  await expect(ana.composer).toHaveValue("hello");
  await ana.page.goto(`${server.url}/settings/keyboard`);
  await ana.page.getByRole("checkbox", { name: "Single letters act on a focused message" }).uncheck();
  await ana.open(ops.handle);
  await ana.composer.fill("");
  await ana.row(seq).focus();
  await ana.page.keyboard.press("r");
  await expect(ana.composer).toHaveValue("r");
  await expect(ana.page.getByText("Reply to")).toHaveCount(0);
});

test("KB-04 text made with AltGr or a dead key is no shortcut", async ({ ana, bo, ops, server }) => {
  const { seq } = await server.write(bo.account, ops.conversation_id, "A row");
  await ana.open(ops.handle);
  const press = async (person: Person, init: { key: string; ctrlKey?: boolean; altKey?: boolean; altgr?: boolean }): Promise<boolean> =>
    person.page.evaluate((given) => {
      const { altgr, ...event } = given;
      return document.activeElement!.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...event, ...(altgr === true ? { modifierAltGraph: true } : {}) }));
    }, init);
  await ana.composer.focus();
  // Polish AltGr+E (ę), which Windows tells as Ctrl+Alt; French AltGr+E (€); a dead circumflex; AltGr+K.
  const events = [
    { key: "ę", ctrlKey: true, altKey: true, altgr: true },
    { key: "€", ctrlKey: true, altKey: true, altgr: true },
    { key: "k", ctrlKey: true, altgr: true },
    { key: "/", ctrlKey: true, altgr: true },
    { key: "e", ctrlKey: true, altgr: true },
    { key: "Dead", ctrlKey: false },
  ];
  for (const event of events) expect(await press(ana, event), JSON.stringify(event)).toBe(true);
  await expect(ana.page.getByRole("dialog")).toHaveCount(0);
  await expect(ana.composer).toHaveValue("");
  await ana.row(seq).focus();
  for (const event of [{ key: "r", altgr: true }, { key: "Dead" }, { key: "+", altgr: true }]) await press(ana, event);
  await expect(ana.page.getByRole("dialog")).toHaveCount(0);
  await expect(ana.page.getByText("Reply to")).toHaveCount(0);
});
