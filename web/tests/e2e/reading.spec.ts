// Reading: days, groups, times, gaps, links to messages, long texts, the beginning of history and when it cannot be read.
import type { Locator } from "@playwright/test";
import { expect, test, type Person } from "./fixtures.ts";

function rail(person: Person, seq: number): Locator {
  return person.row(seq).locator(".rail time");
}

/** In the page: rows below a day's line, by whether they fall on that day in the given zone. */
function daysOfRows(viewport: Element, timeZone: string): { right: number; wrong: string[] } {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone, weekday: "long", day: "numeric", month: "long" });
  const names = new Map([0, 1].map((ago) => [["Today", "Yesterday"][ago], format.format(new Date(Date.now() - ago * 86_400_000))]));
  let day: string | undefined;
  let right = 0;
  const wrong: string[] = [];
  for (const item of viewport.querySelectorAll<HTMLElement>("li[data-key]:not(.away)")) {
    if (item.classList.contains("day")) day = item.innerText.trim();
    const time = item.querySelector("time")?.dateTime;
    if (time === undefined || day === undefined) continue;
    if ((names.get(day) ?? day) === format.format(new Date(time))) right++;
    else wrong.push(`${time} under ${day}`);
  }
  return { right, wrong };
}

test("TL-40 days are those of the viewer's time zone, and a date shows while one scrolls", async ({ ana, ops, server, signIn }) => {
  await server.fill(ops.conversation_id, 400, [ana.account]);
  const far = await signIn(ana.account, { timezoneId: "Pacific/Kiritimati" });
  await ana.open(ops.handle);
  await far.open(ops.handle);
  for (const [person, zone] of [
    [ana, "Europe/Berlin"],
    [far, "Pacific/Kiritimati"],
  ] as const) {
    await person.viewport.evaluate((viewport) => (viewport.scrollTop -= 2_500));
    await expect(person.page.locator(".sticky")).toBeVisible();
    // Each row stands under the day it falls on for its reader.
    let rows = 0;
    for (let screens = 0; screens < 20 && rows < 10; screens++) {
      const seen = await person.viewport.evaluate(daysOfRows, zone);
      expect(seen.wrong).toEqual([]);
      rows += seen.right;
      await person.viewport.evaluate((viewport) => {
        viewport.scrollTop -= 1_000;
        return new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
      });
    }
    expect(rows).toBeGreaterThanOrEqual(10);
  }
});

test("TL-40 at midnight today becomes yesterday without a reload", async ({ ana, ops, server }) => {
  await ana.page.clock.install({ time: new Date() });
  await ana.open(ops.handle);
  await server.write(ana.account, ops.conversation_id, "written today");
  await expect(ana.message("written today")).toBeVisible();
  const days = ana.viewport.locator("li.day");
  await expect(days.last()).toHaveText("Today");
  await ana.page.clock.fastForward("24:00:00");
  await expect(days.last()).toHaveText("Yesterday");
});

test("TL-41 TL-42 messages of one author within five minutes are a group; the time is on the rail for its first", async ({ ana, bo, ops, server }) => {
  const say = (who: Person, text: string): Promise<{ seq: number }> => server.write(who.account, ops.conversation_id, text);
  const start = await say(ana, "group one, first");
  const second = await say(ana, "group one, second");
  await say(bo, "group two");
  await say(ana, "group three, first");
  await ana.api("PATCH", `conversations/${ops.conversation_id}`, { topic: "A line of the system" });
  await say(ana, "after the line");
  await server.write(ana.account, ops.conversation_id, "an answer", { reply_to: second.seq });
  await ana.open(ops.handle);
  const row = (text: string): Locator => ana.viewport.locator("li[data-state]").filter({ has: ana.page.locator(".text", { hasText: text }) });
  const first = (text: string): Promise<boolean> => row(text).evaluate((row) => row.querySelector(".author") !== null);
  await expect(ana.message("an answer").first()).toBeVisible();
  expect(await first("group one, first")).toBe(true);
  expect(await first("group one, second")).toBe(false);
  expect(await first("group two")).toBe(true);
  expect(await first("group three, first")).toBe(true);
  await expect(ana.viewport.getByText(/A line of the system/)).toBeVisible();
  expect(await first("after the line")).toBe(true);
  await ana.page.mouse.move(5, 5);
  await expect(rail(ana, start.seq)).toHaveCSS("opacity", "1");
  await expect(rail(ana, second.seq)).toHaveCSS("opacity", "0");
  await ana.row(second.seq).hover();
  await expect(rail(ana, second.seq)).toHaveCSS("opacity", "1");
  await ana.page.mouse.move(5, 5);
  await expect(rail(ana, second.seq)).toHaveCSS("opacity", "0");
  await ana.row(second.seq).focus();
  await expect(rail(ana, second.seq)).toHaveCSS("opacity", "1");
  const full = await ana.page.evaluate(() => new Intl.DateTimeFormat("en-GB", { dateStyle: "full" }).format(new Date()));
  await expect(ana.row(second.seq)).toHaveAccessibleName(new RegExp(full));
  await expect(rail(ana, second.seq)).toHaveAttribute("title", new RegExp(full));
});

test("TL-41 a pause of more than five minutes breaks a group", async ({ ana, ops, server }) => {
  await server.fill(ops.conversation_id, 12, [ana.account], "twenty minutes apart");
  await ana.open(ops.handle);
  await expect(ana.message("twenty minutes apart")).toHaveCount(12);
  await expect(ana.message("twenty minutes apart").locator(".author")).toHaveCount(12);
});

test("TL-43 what came while away is marked as a gap, and it is said when all is there", async ({ ana, bo, ops, server }) => {
  await ana.open(ops.handle);
  await server.write(bo.account, ops.conversation_id, "before the gap");
  await expect(ana.message("before the gap")).toBeVisible();
  await server.hook("sockets", { allowed: false });
  await ana.page.route(/\/api\/v1\/sync/, (route) => route.abort());
  await server.hook("kick", { user_id: ana.account.user_id });
  await expect(ana.page.locator("[data-conn]").first()).not.toHaveAttribute("data-conn", "online");
  // Longer than a moment: a short loss is not told.
  await ana.page.waitForTimeout(6_000);
  for (let n = 0; n < 12; n++) await server.write(bo.account, ops.conversation_id, `missed ${n}`);
  await server.hook("sockets", { allowed: true });
  await ana.page.unroute(/\/api\/v1\/sync/);
  await expect(ana.message("missed 11")).toBeVisible({ timeout: 20_000 });
  const gap = ana.viewport.getByText(/^Offline \d\d:\d\d–\d\d:\d\d · 12 messages$/);
  await expect(gap).toBeVisible();
  const around = await gap.evaluate((element) => {
    const item = element.closest("li")!;
    return [item.previousElementSibling, item.nextElementSibling].map((one) => (one as HTMLElement).innerText);
  });
  expect(around[0]).toContain("before the gap");
  expect(around[1]).toContain("missed 0");
  await expect(ana.page.getByTestId("announcer")).toContainText("You're all caught up");
});

test("TL-44 a link to a message centres it, marks it for two seconds and focuses it", async ({ ana, ops, server }) => {
  const last = await server.fill(ops.conversation_id, 3_000, [ana.account]);
  const seq = last - 2_000;
  await ana.open(`${ops.handle}/${seq}`);
  const row = ana.row(seq);
  await expect(row).toBeFocused();
  await expect(row).toHaveClass(/marked/);
  expect(await row.evaluate((element) => getComputedStyle(element).animationName)).toBe("none");
  const off = await row.evaluate((element) => {
    const box = element.getBoundingClientRect();
    const frame = element.closest('[role="region"]')!.getBoundingClientRect();
    return Math.abs((box.top + box.bottom) / 2 - (frame.top + frame.bottom) / 2) / frame.height;
  });
  expect(off).toBeLessThan(0.15);
  await expect(ana.row(seq - 1)).toBeInViewport();
  await expect(row).not.toHaveClass(/marked/, { timeout: 4_000 });
  await expect(row).toBeFocused();
});

test("TL-45 links open in a new tab, only of three kinds, and say where they lead", async ({ ana, ops, server }) => {
  await server.write(ana.account, ops.conversation_id, "see https://example.org/a and [a mail](mailto:kit@example.org)");
  await server.write(ana.account, ops.conversation_id, "no [script](javascript:alert(1)) and no [file](file:///etc/passwd)");
  await server.write(ana.account, ops.conversation_id, "a lie: [https://bank.example](https://evil.example/x)");
  await ana.open(ops.handle);
  const link = ana.message("see https").getByRole("link", { name: /example\.org\/a/ });
  await expect(link).toHaveAttribute("target", "_blank");
  await expect(link).toHaveAttribute("rel", /noopener/);
  await expect(link).toHaveAttribute("rel", /noreferrer/);
  await expect(ana.message("see https").getByRole("link", { name: /a mail/ })).toHaveAttribute("href", "mailto:kit@example.org");
  await expect(ana.message("no script").or(ana.message("no [script]")).getByRole("link")).toHaveCount(0);
  await expect(ana.message("a lie").locator("a")).toContainText("evil.example");
});

test("TL-46 the Markdown subset is shown, raw HTML is text", async ({ ana, ops, server }) => {
  await server.write(ana.account, ops.conversation_id, "**bold** *italic* ~~strike~~ `code`\n> quote\n\n- one\n- two\n\n1. first\n\n```\nfenced\n```");
  await server.write(ana.account, ops.conversation_id, "raw <img src=x onerror=\"document.title='hit'\"> <script>document.title='hit'</script> <b>not bold</b>");
  await ana.open(ops.handle);
  const rich = ana.message("fenced");
  for (const [selector, text] of [["strong", "bold"], ["em", "italic"], ["del, s", "strike"], ["blockquote", "quote"], ["ul li", "one"], ["ol li", "first"], ["pre", "fenced"]] as const) {
    await expect(rich.locator(`.rich ${selector.split(", ").join(", .rich ")}`).first()).toContainText(text);
  }
  await expect(rich.locator(".rich code").first()).toHaveText("code");
  const raw = ana.message("raw <img");
  await expect(raw).toContainText("<b>not bold</b>");
  await expect(raw.locator(".rich img, .rich script, .rich b")).toHaveCount(0);
  await expect(ana.page).not.toHaveTitle(/hit/);
});

test("TL-47 code is set in mono, scrolls by itself and can be copied by the keyboard", async ({ ana, ops, server }) => {
  await ana.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const code = `let long = "${"x".repeat(400)}";`;
  await server.write(ana.account, ops.conversation_id, `code:\n\`\`\`rust\n${code}\n\`\`\``);
  await ana.open(ops.handle);
  const pre = ana.message("code:").locator("pre");
  await expect(pre).toBeVisible();
  expect(await pre.evaluate((element) => getComputedStyle(element).fontFamily)).toMatch(/mono/i);
  const scrolls = await pre.evaluate((element) => {
    let one: Element | null = element;
    for (; one !== null && one.tagName !== "LI"; one = one.parentElement) if (one.scrollWidth > one.clientWidth + 50 && getComputedStyle(one).overflowX === "auto") return true;
    return false;
  });
  expect(scrolls).toBe(true);
  expect(await ana.viewport.evaluate((viewport) => viewport.scrollWidth - viewport.clientWidth)).toBeLessThanOrEqual(0);
  await ana.message("code:").focus();
  const button = ana.message("code:").locator(".rich").getByRole("button", { name: /copy/i });
  for (let n = 0; n < 8 && !(await button.evaluate((element) => element === document.activeElement)); n++) await ana.page.keyboard.press("Tab");
  await expect(button).toBeFocused();
  await ana.page.keyboard.press("Enter");
  await expect.poll(() => ana.page.evaluate(() => navigator.clipboard.readText())).toBe(code);
});

test("TL-48 a long message is folded; Show all keeps its top where it is", async ({ ana, ops, server }) => {
  await server.fill(ops.conversation_id, 40, [ana.account]);
  const text = Array.from({ length: 312 }, (_, n) => `line ${n + 1}`).join("\n");
  const { seq } = await server.write(ana.account, ops.conversation_id, text);
  await server.fill(ops.conversation_id, 3, [ana.account], "after it");
  await ana.open(ops.handle);
  const row = ana.row(seq);
  const button = row.getByRole("button", { name: "Show all 312 lines" });
  await button.scrollIntoViewIfNeeded();
  await expect(row).not.toContainText("line 312");
  const top = (): Promise<number> => row.evaluate((element) => element.getBoundingClientRect().top);
  const before = await top();
  await button.click();
  await expect(row).toContainText("line 312");
  expect(Math.abs((await top()) - before)).toBeLessThanOrEqual(1);
});

test("TL-50 the start of history says so, and who made it when", async ({ ana, ops, server }) => {
  await server.fill(ops.conversation_id, 300, [ana.account]);
  await ana.open(ops.handle);
  await expect(ana.viewport.getByText(/^Beginning of/)).toHaveCount(0);
  await ana.viewport.locator("li[data-seq]").last().focus();
  await ana.page.keyboard.press("Home");
  await expect(ana.viewport.getByText(/^Beginning of #ops.*, created by Ana Reyes on (\w+ )?\d+ \w+/)).toBeVisible();
  await expect(ana.row(1).or(ana.viewport.locator('[data-seq="1"]'))).toBeVisible();
});

test("TL-51 history that cannot be read says so at the edge; the rest stays usable", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 400, [ana.account]);
  await ana.open(ops.handle);
  let broken = true;
  await ana.page.route(/messages\?.*before=/, (route) => (broken ? route.abort() : route.continue()));
  const again = ana.viewport.getByRole("button", { name: "Try again" });
  for (let n = 0; n < 20 && !(await again.isVisible()); n++) {
    await ana.viewport.evaluate((viewport) => (viewport.scrollTop = 0));
    await ana.page.evaluate(() => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next))));
  }
  await expect(ana.viewport.getByText("Couldn't load older messages.")).toBeVisible();
  await again.focus();
  await expect(again).toBeFocused();
  await bo.open(ops.handle);
  await bo.write("still works");
  await ana.write("so does this");
  await expect(ana.message("so does this")).toHaveAttribute("data-state", "sent");
  await expect(ana.message("still works")).toHaveCount(1);
  await ana.viewport.evaluate((viewport) => (viewport.scrollTop = 0));
  for (let n = 0; n < 20 && !(await again.isVisible()); n++) {
    await ana.viewport.evaluate((viewport) => (viewport.scrollTop = 0));
    await ana.page.evaluate(() => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next))));
  }
  const first = Number(await ana.viewport.locator("li[data-seq]").first().getAttribute("data-seq"));
  broken = false;
  await again.click();
  await expect.poll(async () => Number(await ana.viewport.locator("li[data-seq]").first().getAttribute("data-seq"))).toBeLessThan(first);
  await expect(again).toHaveCount(0);
});
