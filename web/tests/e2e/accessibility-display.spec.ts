// Sizes, zoom, forced colours, motion: what people set is kept.
import { expect, test } from "./fixtures.ts";

/** What can be clicked and is smaller than it may be, in px; text links within sentences are excepted. */
const small = (least: number) =>
  [...document.querySelectorAll<HTMLElement>("button, a[href], input, select, textarea, [role=option], [role=menuitem], summary")]
    .filter((element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && element.closest(".rich p, .skip, dialog:not([open])") === null && !element.matches(".skip"))
    .map((element) => {
      // A checkbox is as large as the label around it.
      const box = (element.matches("input[type=checkbox], input[type=radio]") ? (element.closest("label") ?? element) : element).getBoundingClientRect();
      return { html: element.outerHTML.slice(0, 110), width: box.width, height: box.height };
    })
    .filter(({ width, height }) => width > 0 && (width < least - 0.5 || height < least - 0.5))
    .map(({ html, width, height }) => `${width.toFixed(0)}×${height.toFixed(0)} ${html}`);

test("AX-09 targets are 24 px and more, 44 px for fingers", async ({ ana, bo, ops, server, signIn }) => {
  const root = await server.write(bo.account, ops.conversation_id, "A root");
  await server.write(bo.account, ops.conversation_id, "A quote below", { reply_to: root.seq });
  await server.write(bo.account, ops.conversation_id, "In the thread", { thread: root.seq });
  await ana.api("POST", `conversations/${ops.conversation_id}/messages/${root.seq}/reactions`, { emoji: "👍", action: "add", client_id: crypto.randomUUID() });
  await ana.open(ops.handle);
  await ana.row(root.seq).focus();
  expect(await ana.page.evaluate(small, 24)).toEqual([]);
  for (const path of ["settings/profile", "settings/appearance", "settings/privacy", "settings/devices"]) {
    await ana.page.goto(`${server.url}/${path}`);
    await expect(ana.page.getByRole("heading", { level: 1 })).toBeVisible();
    expect(await ana.page.evaluate(small, 24), path).toEqual([]);
  }
  const phone = await signIn(ana.account, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await phone.open(ops.handle);
  expect(await phone.page.evaluate(small, 44)).toEqual([]);
  await phone.page.goto(server.url);
  await expect(phone.listed(ops.conversation_id)).toBeVisible();
  expect(await phone.page.evaluate(small, 44)).toEqual([]);
});

test("AX-10 at 320 px nothing scrolls sideways but code; wider spacing of text breaks nothing", async ({ ana, bo, ops, server }) => {
  const code = await server.write(bo.account, ops.conversation_id, "```\n" + "a very long line of code ".repeat(20) + "\n```");
  await server.write(bo.account, ops.conversation_id, `averylongword${"x".repeat(300)} https://example.org/${"y".repeat(200)}`);
  await ana.page.setViewportSize({ width: 320, height: 640 });
  const sideways = (): Promise<string[]> =>
    ana.page.evaluate(() =>
      [document.documentElement, ...document.querySelectorAll<HTMLElement>("body *")]
        .filter((element) => element.scrollWidth > element.clientWidth + 1 && ["auto", "scroll"].includes(getComputedStyle(element).overflowX) && element.clientWidth > 0)
        .filter((element) => element.closest("pre, .code, .table, textarea, input") === null)
        .map((element) => `${element.scrollWidth}>${element.clientWidth} ${element.outerHTML.slice(0, 120)}`)
        .concat(document.documentElement.scrollWidth > innerWidth ? ["the page"] : []),
    );
  await ana.page.goto(`${server.url}/c/${ops.handle}`);
  await expect(ana.composer).toBeVisible();
  await expect(ana.row(code.seq)).toBeAttached();
  expect(await sideways()).toEqual([]);
  for (const path of ["settings/profile", "settings/keyboard", "settings/devices", "settings/appearance", ""]) {
    await ana.page.goto(`${server.url}/${path}`);
    await expect(ana.page.locator("h1, nav").first()).toBeVisible();
    expect(await sideways(), path).toEqual([]);
  }
  await ana.page.setViewportSize({ width: 1440, height: 900 });
  await ana.open(ops.handle);
  await ana.page.addStyleTag({ content: "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; } p { margin-bottom: 2em !important; }" }).catch(() => undefined);
  await ana.page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  });
  const cut = await ana.page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("button, h1, h2, label, .row .text")].filter((element) => element.clientHeight > 0 && element.scrollHeight > element.clientHeight + 6 && getComputedStyle(element).overflowY === "hidden").map((element) => element.outerHTML.slice(0, 120)),
  );
  expect(cut).toEqual([]);
  await ana.write("Still works");
  await expect(ana.message("Still works")).toHaveAttribute("data-state", "sent");
});

test("AX-12 with forced colours focus, selection, unread and failed stay distinguishable", async ({ ana, bo, ops, server }) => {
  const other = await server.conversation("channel", [ana.account, bo.account], "Build");
  await server.write(bo.account, other.conversation_id, `@${ana.account.handle} look`);
  await ana.page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
  await ana.open(ops.handle);
  const current = ana.listed(ops.conversation_id);
  await expect(current).toHaveCSS("outline-style", "solid");
  const unread = ana.listed(other.conversation_id);
  await expect(unread).not.toHaveCSS("outline-style", "solid");
  await expect(unread.locator(".name")).toHaveCSS("font-weight", "650");
  await expect(unread.getByTestId("badge")).toHaveCSS("border-top-style", "solid");
  await server.hook("reject", { user_id: ana.account.user_id, code: "forbidden", times: 1 });
  await ana.write("Refused");
  const failed = ana.message("Refused");
  await expect(failed.locator(".cross")).toHaveText("×");
  await expect(failed).toHaveCSS("border-inline-start-style", "solid");
  await failed.focus();
  await ana.page.keyboard.press("Shift");
  await ana.page.keyboard.press("ArrowUp");
  await ana.page.keyboard.press("ArrowDown");
  await expect(failed).toHaveCSS("outline-style", "solid");
  await ana.composer.fill(":rocke");
  await expect(ana.page.getByRole("listbox", { name: "Emoji" }).getByRole("option", { selected: true })).toHaveCSS("outline-style", "solid");
});

test("AX-13 with reduced motion nothing moves by itself, by the system's wish or the setting's", async ({ ana, bo, ops, server, signIn }) => {
  await server.fill(ops.conversation_id, 60, [bo.account]);
  const moving = () => ({
    running: document.getAnimations().filter((one) => one.playState === "running").length,
    styles: [...document.querySelectorAll("*")].filter((element) => {
      const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(element);
      return transitionDuration.split(", ").some((time) => parseFloat(time) > 0) || animationName !== "none" || scrollBehavior === "smooth";
    }).length,
  });
  await ana.open(ops.handle);
  await ana.page.keyboard.press("Control+k");
  await expect(ana.page.getByRole("dialog")).toBeVisible();
  expect(await ana.page.evaluate(moving)).toEqual({ running: 0, styles: 0 });
  const lively = await signIn(ana.account, { reducedMotion: "no-preference" });
  await lively.page.goto(`${server.url}/settings/appearance`);
  await lively.page.getByRole("group", { name: "Motion" }).getByLabel("Off").check();
  await lively.open(ops.handle);
  await lively.write("Sent without a flourish");
  await expect(lively.message("Sent without")).toHaveAttribute("data-state", "sent");
  expect(await lively.page.evaluate(moving)).toEqual({ running: 0, styles: 0 });
});
