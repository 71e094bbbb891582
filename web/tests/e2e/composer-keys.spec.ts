// The composer's keys: sending, input methods, formatting, growth, typing signals.
import { expect, test, type Person } from "./fixtures.ts";
import type { Page } from "@playwright/test";

const own = (person: Person) => person.page.getByRole("main").locator("li[data-state]");

async function caret(page: Page, from: number, to: number): Promise<void> {
  await page.getByRole("main").locator("form textarea").evaluate((area, [start, end]) => (area as HTMLTextAreaElement).setSelectionRange(start!, end!), [from, to]);
}

async function pasteText(page: Page, text: string): Promise<void> {
  await page.evaluate((pasted) => {
    const data = new DataTransfer();
    data.setData("text/plain", pasted);
    const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
    // What a browser does where the page leaves it to it.
    if (document.activeElement?.dispatchEvent(event) === true) document.execCommand("insertText", false, pasted);
  }, text);
}

test("CO-07 Enter while a word is composed never sends, in the browser's order", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  await ana.composer.focus();
  const devtools = await ana.context.newCDPSession(ana.page);
  await devtools.send("Input.imeSetComposition", { text: "にほん", selectionStart: 3, selectionEnd: 3 });
  await expect(ana.composer).toHaveValue("にほん");
  await devtools.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 });
  await expect(ana.composer).toHaveValue("にほん");
  await devtools.send("Input.insertText", { text: "日本" });
  await expect(ana.composer).toHaveValue("日本");
  await expect(own(ana)).toHaveCount(0);
  // The next Enter is meant.
  await ana.page.keyboard.press("Enter");
  await expect(ana.message("日本")).toHaveCount(1);
  await expect(ana.composer).toHaveValue("");
});

test("CO-07 isComposing, key code 229 and Safari's order (the end before the key) never send", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  await ana.composer.fill("変換");
  await ana.composer.evaluate((area) => {
    const key = (more: KeyboardEventInit): boolean => area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", code: "Enter", bubbles: true, cancelable: true, ...more }));
    area.dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true }));
    key({ isComposing: true });
    key({ keyCode: 229 });
    area.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true, data: "変換" }));
    key({ keyCode: 13 });
  });
  await expect(ana.composer).toHaveValue("変換");
  await ana.composer.press("Enter");
  await expect(ana.message("変換")).toHaveCount(1);
  await expect(own(ana)).toHaveCount(1);
});

test("CO-08 Enter sends, Shift+Enter breaks the line; the setting turns it round", async ({ ana, ops, server }) => {
  await ana.open(ops.handle);
  await ana.composer.focus();
  await ana.page.keyboard.type("first line");
  await ana.page.keyboard.press("Shift+Enter");
  await ana.page.keyboard.type("second line");
  await expect(ana.composer).toHaveValue("first line\nsecond line");
  await ana.page.keyboard.press("Enter");
  await expect(ana.composer).toHaveValue("");
  await expect(ana.message("second line")).toHaveAttribute("data-state", "sent");

  await ana.page.goto(`${server.url}/settings/keyboard`);
  await ana.page.getByRole("checkbox", { name: "Enter inserts a line, Ctrl+Enter sends" }).check();
  await ana.open(ops.handle);
  await ana.composer.focus();
  await ana.page.keyboard.type("a line");
  await ana.page.keyboard.press("Enter");
  await ana.page.keyboard.type("and another");
  await expect(ana.composer).toHaveValue("a line\nand another");
  await ana.page.keyboard.press("Control+Enter");
  await expect(ana.message("and another")).toHaveAttribute("data-state", "sent");
  await expect(own(ana)).toHaveCount(2);
});

test("CO-08 CO-29 on a touch keyboard Enter inserts a line and the Send button sends", async ({ ana, ops, signIn }) => {
  const phone = await signIn(ana.account, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await phone.open(ops.handle);
  const send = phone.page.getByRole("button", { name: "Send" });
  await expect(send).toBeDisabled();
  await phone.composer.tap();
  await phone.page.keyboard.type("one");
  await expect(send).toBeEnabled();
  await phone.page.keyboard.press("Enter");
  await phone.page.keyboard.type("two");
  await expect(phone.composer).toHaveValue("one\ntwo");
  await send.tap();
  await expect(phone.message("two")).toHaveAttribute("data-state", "sent");
  await expect(send).toBeDisabled();
});

test("CO-09 grows to 40 % of the viewport, then scrolls inside; 20,000 characters go in whole", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  const empty = (await ana.composer.boundingBox())!.height;
  await ana.composer.fill("one\ntwo\nthree\nfour");
  expect((await ana.composer.boundingBox())!.height).toBeGreaterThan(empty + 40);
  const long = "Words that fill a line, and another. ".repeat(541).slice(0, 20_000);
  await ana.composer.fill("");
  await ana.composer.focus();
  await pasteText(ana.page, long);
  await expect(ana.composer).toHaveValue(long);
  const box = (await ana.composer.boundingBox())!;
  expect(box.height).toBeLessThanOrEqual(900 * 0.4 + 1);
  expect(box.height).toBeGreaterThan(900 * 0.3);
  expect(await ana.composer.evaluate((area) => area.scrollHeight > area.clientHeight)).toBe(true);
  await expect(ana.page.getByRole("alert").filter({ hasText: "too long" })).toContainText("16,384");
  await ana.page.keyboard.press("Enter");
  await expect(ana.composer).toHaveValue(long);
  await ana.composer.fill("");
  await expect.poll(async () => (await ana.composer.boundingBox())!.height).toBe(empty);
});

test("CO-16 ArrowUp edits my last message only in an empty composer; PageUp and PageDown scroll", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 80, [bo.account]);
  await ana.open(ops.handle);
  await ana.write("My own words");
  await server.write(bo.account, ops.conversation_id, "Somebody else's");
  await expect(ana.message("Somebody else's")).toBeVisible();
  await ana.composer.fill("draft");
  await ana.composer.press("ArrowUp");
  await expect(ana.composer).toHaveValue("draft");
  await expect(ana.page.getByText("Editing a message")).toHaveCount(0);
  const top = (): Promise<number> => ana.viewport.evaluate((view) => view.scrollTop);
  const bottom = await top();
  await ana.composer.press("PageUp");
  const up = await top();
  expect(up).toBeLessThan(bottom - 300);
  await expect(ana.composer).toBeFocused();
  await ana.composer.press("PageDown");
  expect(await top()).toBeGreaterThan(up);
  await ana.composer.fill("");
  await ana.composer.press("ArrowUp");
  await expect(ana.composer).toHaveValue("My own words");
  await expect(ana.page.getByText("Editing a message")).toBeVisible();
});

test("CO-17 CO-18 shortcuts wrap the selection, a URL over it makes a link, undo and redo are the browser's", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  await ana.composer.pressSequentially("make it bold now");
  await caret(ana.page, 8, 12);
  await ana.page.keyboard.press("Control+b");
  await expect(ana.composer).toHaveValue("make it **bold** now");
  await ana.page.keyboard.press("Control+z");
  await expect(ana.composer).toHaveValue("make it bold now");
  await ana.page.keyboard.press("Control+Shift+z");
  await expect(ana.composer).toHaveValue("make it **bold** now");
  await caret(ana.page, 0, 4);
  await ana.page.keyboard.press("Control+i");
  await expect(ana.composer).toHaveValue("_make_ it **bold** now");
  await caret(ana.page, 7, 9);
  await ana.page.keyboard.press("Control+e");
  await expect(ana.composer).toHaveValue("_make_ `it` **bold** now");
  await caret(ana.page, 21, 24);
  await pasteText(ana.page, "https://example.org/notes");
  await expect(ana.composer).toHaveValue("_make_ `it` **bold** [now](https://example.org/notes)");
  await ana.page.keyboard.press("Control+z");
  await expect(ana.composer).toHaveValue("_make_ `it` **bold** now");
  expect(await ana.composer.evaluate((area) => `${area.tagName} ${(area as HTMLTextAreaElement).spellcheck}`)).toBe("TEXTAREA true");
});

test("CO-17 pasting lines of code offers a code block; prose does not", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  await ana.composer.focus();
  await pasteText(ana.page, "A letter in two lines.\nThis is the second.");
  await expect(ana.composer).toHaveValue(/second/);
  const offer = ana.page.getByRole("button", { name: "Make it a code block" });
  await expect(offer).toHaveCount(0);
  await ana.composer.fill("Look: ");
  await ana.composer.press("End");
  const code = "fn main() {\n    println!(\"hi\");\n}";
  await pasteText(ana.page, code);
  await offer.click();
  await expect(ana.composer).toHaveValue(`Look: \n\`\`\`\n${code}\n\`\`\`\n`);
  await expect(ana.composer).toBeFocused();
  await expect(offer).toHaveCount(0);
  await ana.page.keyboard.press("Control+z");
  await expect(ana.composer).toHaveValue(`Look: ${code}`);
});

test("CO-18 undo takes back a mention that was inserted", async ({ ana, bo, ops }) => {
  await ana.open(ops.handle);
  await ana.composer.focus();
  await ana.page.keyboard.type("ask @bo");
  await expect(ana.page.getByRole("option").first()).toContainText(bo.account.handle);
  await ana.page.keyboard.press("Tab");
  await expect(ana.composer).toHaveValue(`ask @${bo.account.handle} `);
  await expect(ana.composer).toBeFocused();
  await ana.page.keyboard.press("Control+z");
  await expect(ana.composer).toHaveValue("ask @bo");
  await ana.page.keyboard.press("Control+y");
  await expect(ana.composer).toHaveValue(`ask @${bo.account.handle} `);
});

test("CO-28 typing is told at most every 3 s, never for a command, and ends when the text goes", async ({ ana, ops }) => {
  const told: string[] = [];
  ana.page.on("websocket", (socket) =>
    socket.on("framesent", ({ payload }) => {
      for (const found of String(payload).matchAll(/\{[^{}]*"type":"typing"[^{}]*\}/g)) told.push((JSON.parse(found[0]) as { action: string }).action);
    }),
  );
  await ana.open(ops.handle);
  await ana.composer.pressSequentially("/remind me of it", { delay: 20 });
  await ana.composer.fill("");
  expect(told).toEqual([]);
  const since = Date.now();
  await ana.composer.pressSequentially("a sentence of some length that goes on", { delay: 60 });
  expect(told.length).toBeLessThanOrEqual(1 + Math.floor((Date.now() - since) / 3_000));
  expect(told[0]).toBe("start");
  await ana.composer.fill("");
  await expect.poll(() => told.at(-1)).toBe("stop");
  const before = told.length;
  await ana.composer.pressSequentially("again");
  await expect.poll(() => told.length).toBe(before + 1);
});

test("CO-28 with typing turned off nothing is told", async ({ ana, bo, ops, server }) => {
  const frames: string[] = [];
  ana.page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => frames.push(String(payload))));
  await server.api("PATCH", "me", { settings: { share_typing: false } }, ana.account.token);
  await ana.open(ops.handle);
  await bo.open(ops.handle);
  await ana.composer.pressSequentially("nobody sees this");
  await ana.composer.press("Enter");
  await expect(bo.message("nobody sees this")).toHaveCount(1);
  expect(frames.some((frame) => frame.includes('"message"'))).toBe(true);
  expect(frames.filter((frame) => frame.includes('"typing"'))).toEqual([]);
});

test("CO-29 Send has a name and is disabled only when there is nothing to send", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  const send = ana.page.getByRole("button", { name: "Send", exact: true });
  await expect(send).toBeDisabled();
  await ana.composer.fill("   \n ");
  await expect(send).toBeDisabled();
  await ana.composer.fill("x");
  await expect(send).toBeEnabled();
  await send.click();
  await expect(ana.message("x")).toHaveAttribute("data-state", "sent");
  await expect(send).toBeDisabled();
  await expect(ana.composer).toBeFocused();
});
