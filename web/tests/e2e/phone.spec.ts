// The narrow layout and installing (MO-01, MO-03, MO-05, MO-07).
import { expect, test, type Person } from "./fixtures.ts";

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const list = (person: Person): ReturnType<Person["page"]["getByRole"]> => person.page.getByRole("navigation", { name: "Conversations" });

test("MO-01 one pane at a time; each is an entry of the history, and Back goes one level up", async ({ server, ana, bo, ops, signIn }) => {
  const root = await server.write(bo.account, ops.conversation_id, "Root");
  await server.write(bo.account, ops.conversation_id, "Reply", { thread: root.seq });
  const phone = await signIn(ana.account, PHONE);
  await phone.page.goto(server.url);
  const main = phone.page.getByRole("main");
  const side = phone.page.getByRole("complementary");
  await expect(list(phone)).toBeVisible();
  await expect(main).toHaveCount(0);
  await phone.listed(ops.conversation_id).tap();
  await expect(main).toBeVisible();
  await expect(list(phone)).toHaveCount(0);
  await phone.row(root.seq).getByRole("button", { name: /1 reply/ }).or(phone.row(root.seq).getByRole("link", { name: /1 reply/ })).tap();
  await expect(side).toContainText("Reply");
  await expect(main).toHaveCount(0);
  await phone.page.goBack();
  await expect(main).toBeVisible();
  await expect(side).toHaveCount(0);
  await phone.page.goBack();
  await expect(list(phone)).toBeVisible();
  await expect(main).toHaveCount(0);
  await phone.page.goForward();
  await expect(main).toBeVisible();
  await phone.page.getByRole("button", { name: "Back to conversations" }).tap();
  await expect(list(phone)).toBeVisible();
  // No pane is wider than the screen.
  expect(await phone.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
});

test("MO-01 what a link opened has the list below it as well", async ({ server, ana, bo, ops, signIn }) => {
  const root = await server.write(bo.account, ops.conversation_id, "Root");
  await server.write(bo.account, ops.conversation_id, "Reply", { thread: root.seq });
  const phone = await signIn(ana.account, PHONE);
  await phone.page.goto(`${server.url}/c/${ops.handle}?thread=${root.seq}`);
  await expect(phone.page.getByRole("complementary")).toContainText("Reply");
  await phone.page.goBack();
  await expect(phone.page.getByRole("main")).toBeVisible();
  await expect(phone.page).toHaveURL(`${server.url}/c/${ops.handle}`);
  await phone.page.goBack();
  await expect(list(phone)).toBeVisible();
  await phone.page.goto(`${server.url}/settings/devices`);
  await expect(phone.page.getByRole("heading", { name: "Devices" })).toBeVisible();
  await phone.page.goBack();
  await expect(list(phone)).toBeVisible();
});

test("MO-03 fields have at least 16 px, and the page can be zoomed", async ({ server, ana, ops, signIn }) => {
  const phone = await signIn(ana.account, PHONE);
  await phone.page.goto(`${server.url}/c/${ops.handle}`);
  await expect(phone.composer).toBeVisible();
  const viewport = (await phone.page.locator('meta[name="viewport"]').getAttribute("content")) ?? "";
  expect(viewport).toContain("width=device-width");
  expect(viewport).toContain("interactive-widget=resizes-content");
  expect(viewport).toContain("viewport-fit=cover");
  expect(viewport).not.toMatch(/user-scalable|maximum-scale|minimum-scale/);
  const small = (): Promise<string[]> =>
    phone.page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>("input:not([type=radio], [type=checkbox]), textarea, select")].flatMap((field) => {
        const size = parseFloat(getComputedStyle(field).fontSize);
        return size < 16 ? [`${field.tagName} ${field.id} ${size}`] : [];
      }),
    );
  let seen = 0;
  const check = async (): Promise<void> => {
    seen += await phone.page.locator("input, textarea, select").count();
    expect(await small()).toEqual([]);
  };
  await check();
  for (const [section, field] of [["profile", "New password"], ["appearance", /Text size/], ["devices", "This device"], ["time", /Time zone/]] as const) {
    await phone.page.goto(`${server.url}/settings/${section}`);
    await expect(phone.page.getByLabel(field)).toBeVisible();
    await check();
  }
  await phone.page.goto(server.url);
  await list(phone).getByRole("button", { name: /Go to/ }).tap();
  await expect(phone.page.getByRole("combobox")).toBeVisible();
  await check();
  await phone.page.keyboard.press("Escape");
  await list(phone).getByRole("button", { name: "New message" }).tap();
  await expect(phone.page.getByRole("dialog")).toBeVisible();
  await check();
  expect(seen).toBeGreaterThan(8);
});

test("MO-05 a long press on a message opens its sheet", async ({ server, ana, bo, ops, signIn }) => {
  const { seq } = await server.write(bo.account, ops.conversation_id, "Press me");
  const phone = await signIn(ana.account, PHONE);
  await phone.page.goto(`${server.url}/c/${ops.handle}`);
  await expect(phone.row(seq)).toBeVisible();
  const box = (await phone.row(seq).boundingBox())!;
  const touch = await phone.context.newCDPSession(phone.page);
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: box.x + 120, y: box.y + box.height / 2 }] });
  const items = phone.page.getByRole("menu").getByRole("menuitem");
  await expect(items.filter({ hasText: "Reply" })).toBeVisible();
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await expect(items.filter({ hasText: "Reply" })).toBeVisible();
  const sheet = (await phone.page.getByRole("menu").boundingBox())!;
  expect(sheet.y + sheet.height).toBeGreaterThan(830);
  for (const item of await items.all()) expect((await item.boundingBox())!.height).toBeGreaterThanOrEqual(44);
  // A finger that moves scrolls; it does not press.
  await phone.page.keyboard.press("Escape");
  await expect(items).toHaveCount(0);
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: box.x + 120, y: box.y + 10 }] });
  await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: [{ x: box.x + 120, y: box.y - 60 }] });
  await phone.page.waitForTimeout(700);
  await expect(items).toHaveCount(0);
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
});

test("MO-07 manifest, icons and shortcuts; the start address restores the last place", async ({ server, ana, bo, ops, signIn }) => {
  const phone = await signIn(ana.account, PHONE);
  const other = await server.conversation("channel", [bo.account, ana.account], "Other");
  await phone.page.goto(`${server.url}/c/${other.handle}`);
  await expect(phone.composer).toBeVisible();
  const href = await phone.page.locator('link[rel="manifest"]').getAttribute("href");
  const manifest = (await (await fetch(new URL(href ?? "", server.url))).json()) as {
    name: string;
    start_url: string;
    scope: string;
    display: string;
    icons: { src: string; type: string; purpose: string }[];
    shortcuts: { name: string; url: string }[];
  };
  expect(manifest.name).not.toBe("");
  expect(manifest.display).toBe("standalone");
  expect(manifest.icons.map((icon) => icon.purpose).sort()).toEqual(["any", "maskable"]);
  for (const icon of manifest.icons) {
    const answer = await fetch(new URL(icon.src, server.url));
    expect(answer.ok).toBe(true);
    expect(answer.headers.get("content-type")).toContain(icon.type);
  }
  expect(manifest.shortcuts.length).toBeGreaterThan(0);
  for (const shortcut of manifest.shortcuts) expect((await fetch(new URL(shortcut.url, server.url), { headers: { accept: "text/html" } })).status).toBe(200);
  // What the browser itself objects to.
  const devtools = await phone.context.newCDPSession(phone.page);
  const { errors } = await devtools.send("Page.getAppManifest");
  expect(errors).toEqual([]);
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  expect(installabilityErrors.map((error) => error.errorId).filter((id) => id !== "in-incognito")).toEqual([]);

  await phone.page.goto(new URL(manifest.start_url, server.url).href);
  await expect(phone.page).toHaveURL(`${server.url}/c/${other.handle}`);
  await expect(phone.composer).toBeVisible();
  await phone.page.goBack();
  await expect(list(phone)).toBeVisible();
  void ops;
});
