// Languages and directions: messages by their own text, names that turn nothing round, dates by the reader's settings.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "./fixtures.ts";

const SOURCE = resolve(import.meta.dirname, "../../app/src");

function files(folder: string, ending: RegExp): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path, ending) : ending.test(entry.name) ? [path] : [];
  });
}

test("IN-01 no sentence outside of the catalogue, and every key is there and used", () => {
  const catalogue = readFileSync(join(SOURCE, "lib/catalogue/en.ts"), "utf8");
  const keys = new Set([...catalogue.matchAll(/^ {2}"([a-z0-9_.]+)":/gm)].map((found) => found[1]!));
  expect(keys.size).toBeGreaterThan(300);
  const wrong: string[] = [];
  let all = "";
  for (const path of files(SOURCE, /\.(svelte|ts)$/)) {
    const name = path.slice(SOURCE.length + 1);
    if (/\.test\.ts$|fixture|catalogue/.test(name)) continue;
    const text = readFileSync(path, "utf8");
    all += text;
    for (const [, key] of text.matchAll(/\bt\("([^"]+)"/g)) if (!keys.has(key!)) wrong.push(`${name}: ${key} is not in the catalogue`);
    if (!path.endsWith(".svelte")) continue;
    const markup = text.replace(/<script[\s\S]*?<\/script>/g, "").replace(/<style[\s\S]*?<\/style>/g, "").replace(/<!--[\s\S]*?-->/g, "");
    for (const [, attribute, value] of markup.matchAll(/\b(aria-label|title|placeholder|alt|aria-description)="([^"{]*[A-Za-z]{2,}[^"{]*)"/g)) {
      if (value !== "stonechat") wrong.push(`${name}: ${attribute}="${value}"`);
    }
    // Text between tags, once expressions and tags are gone.
    let plain = markup;
    for (let before = ""; before !== plain; ) {
      before = plain;
      plain = plain.replace(/\{[^{}]*\}/g, "");
    }
    for (const [, words] of plain.matchAll(/>([^<>]*[A-Za-z]{2,}[^<>]*)</g)) {
      // The product's name and those of licences are the same in every language.
      if (!/=>|[;()=]/.test(words!) && /[A-Za-z]{2,}/.test(words!.replace(/stonechat|Apache-2.0|Atkinson Hyperlegible|OFL-1.1/g, ""))) wrong.push(`${name}: ${words!.trim()}`);
    }
  }
  expect(wrong).toEqual([]);
  const made = /^(error|list|pref|keys|steps|settings|privacy|role|level|emoji|presence)\./;
  expect([...keys].filter((key) => !made.test(key) && !all.includes(`"${key}"`) && !all.includes(`${key.split(".")[0]}.\${`) && !all.includes(`\`${key.replace(/_[a-z0-9]+$/, "_")}`))).toEqual([]);
});

test("IN-03 styles know start and end, not left and right", () => {
  const wrong: string[] = [];
  const physical = /(?:^|[\s;{])((?:margin|padding|border)-(?:left|right)|(?:border-(?:top|bottom)-(?:left|right)-radius)|text-align:\s*(?:left|right)|float:\s*(?:left|right)|(?:left|right):)/g;
  for (const path of files(SOURCE, /\.(svelte|css)$/)) {
    const text = readFileSync(path, "utf8");
    const style = path.endsWith(".css") ? text : [...text.matchAll(/<style>([\s\S]*?)<\/style>/g)].map((found) => found[1]).join("\n");
    for (const [, found] of style.matchAll(physical)) wrong.push(`${path.slice(SOURCE.length + 1)}: ${found}`);
  }
  expect(wrong).toEqual([]);
});

test("IN-04 each block follows its own text; names are isolated; code and links run left to right", async ({ ana, bo, ops, server }) => {
  await server.write(bo.account, ops.conversation_id, "שלום לכולם\n\nAnd then in English\n\n```js\nconst x = 1; // שלום\n```\n\nhttps://example.org/שלום `let y`");
  await ana.open(ops.handle);
  const row = ana.message("And then in English");
  const directions = await row.locator("p").evaluateAll((blocks) => blocks.map((block) => [block.textContent?.slice(0, 8), getComputedStyle(block).direction]));
  expect(directions.find(([text]) => text?.startsWith("שלום"))?.[1]).toBe("rtl");
  expect(directions.find(([text]) => text?.startsWith("And then"))?.[1]).toBe("ltr");
  await expect(row.locator("pre").first()).toHaveCSS("direction", "ltr");
  const inline = row.locator("p code").first();
  await expect(inline).toHaveCSS("direction", "ltr");
  expect(await inline.evaluate((code) => getComputedStyle(code).unicodeBidi)).toMatch(/isolate/);
  const link = row.locator("a[href^='https://example.org']");
  await expect(link).toHaveCSS("direction", "ltr");
  expect(await row.locator(".name").evaluate((name) => name.tagName)).toBe("BDI");
  await expect(ana.composer).toHaveCSS("direction", "ltr");
  await ana.composer.fill("مرحبا بالجميع");
  expect(await ana.composer.evaluate((area) => area.matches(":dir(rtl)"))).toBe(true);
  await ana.composer.fill("Hello again");
  expect(await ana.composer.evaluate((area) => area.matches(":dir(ltr)"))).toBe(true);
});

test("IN-05 a name or a message with bidi controls turns nothing round beside it", async ({ ana, ops, server, signIn }) => {
  const spoof = await signIn(await server.person("Eve Turner"));
  await server.api("POST", `conversations/${ops.conversation_id}/members`, { user_ids: [spoof.account.user_id] }, ana.account.token);
  // A name with an override inside, if the server takes it; otherwise Hebrew, which turns round as well.
  await spoof.api("PATCH", "me", { name: "\u202Enimda" }).catch(() => spoof.api("PATCH", "me", { name: "אבג Eve" }));
  await server.write(spoof.account, ops.conversation_id, "Look \u202Egnp.exe\u202C done \u2066unclosed isolate and \u202Eoverride");
  const after = await server.write(ana.account, ops.conversation_id, "Plain words after it");
  await ana.open(ops.handle);
  const row = ana.message("gnp.exe");
  // The time stands to the right of the name, as for everybody.
  await expect(row).toBeVisible();
  const at = await row.evaluate((item) => {
    const [time, name, text] = [item.querySelector("time")!, item.querySelector(".name")!, item.querySelector(".text")!].map((element) => element.getBoundingClientRect());
    return { time: time!.right, name: name!.left, text: text!.left };
  });
  expect(at.time).toBeLessThanOrEqual(at.name + 1);
  expect(at.text).toBeLessThanOrEqual(at.name + 1);
  const order = await ana.row(after.seq).evaluate((item) => {
    const range = document.createRange();
    const text = document.createTreeWalker(item.querySelector(".text")!, NodeFilter.SHOW_TEXT).nextNode()!;
    const left = (at: number): number => {
      range.setStart(text, at);
      range.setEnd(text, at + 1);
      return range.getBoundingClientRect().left;
    };
    return left(0) < left(6);
  });
  expect(order).toBe(true);
  // A line that quotes or names the spoof keeps its own order too.
  await ana.row(after.seq).focus();
  await row.focus();
  await ana.page.keyboard.press("r");
  const context = ana.page.getByRole("form").locator(".context");
  const cancel = (await context.getByRole("button", { name: "Cancel" }).boundingBox())!;
  const reply = (await context.locator("span").first().boundingBox())!;
  expect(cancel.x).toBeGreaterThan(reply.x);
});

test("IN-06 dates and numbers by the language, times by the zone and clock of the settings", async ({ ana, ops, server, signIn }) => {
  const { seq } = await server.write(ana.account, ops.conversation_id, "When was this?");
  const message = await ana.api<{ timestamp: string }>("GET", `conversations/${ops.conversation_id}/messages/${seq}`);
  const at = new Date(message.timestamp);
  const clock = (timeZone: string, more: Intl.DateTimeFormatOptions = {}): string => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone, ...more }).format(at);
  const full = (locale: string, timeZone: string): string => new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short", timeZone }).format(at);
  await ana.open(ops.handle);
  await expect(ana.row(seq).locator("time").first()).toHaveText(clock("Europe/Berlin"));
  await expect(ana.row(seq).locator("time").first()).toHaveAttribute("title", full("en-GB", "Europe/Berlin"));
  await ana.page.evaluate(() => localStorage.setItem("stonechat/prefs", JSON.stringify({ time_zone: "Pacific/Kiritimati" })));
  await ana.page.reload();
  await expect(ana.row(seq).locator("time").first()).toHaveText(clock("Pacific/Kiritimati"));
  await expect(ana.row(seq).locator("time").first()).toHaveAttribute("title", full("en-GB", "Pacific/Kiritimati"));
  const american = await signIn(ana.account, { locale: "en-US" });
  await american.open(ops.handle);
  await expect(american.row(seq).locator("time").first()).toHaveAttribute("title", full("en-US", "Europe/Berlin"));
  await american.page.goto(`${server.url}/settings/appearance`);
  await american.page.getByRole("group", { name: /24-hour time/ }).getByLabel("Off").check();
  await american.open(ops.handle);
  await expect(american.row(seq).locator("time").first()).toHaveText(/\d\s?[AP]M/i);
});
