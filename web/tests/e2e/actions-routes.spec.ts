// Everything that can be done with a message by mouse can be done by keys and by touch.
import { expect, test, type Person } from "./fixtures.ts";

/** What each action does, to be seen after it was chosen. */
const ACTIONS: { name: string; key: string; seen: (person: Person) => Promise<void> }[] = [
  { name: "React", key: "+", seen: async ({ page }) => expect(page.getByRole("dialog", { name: "Emoji" })).toBeVisible() },
  { name: "Reply", key: "r", seen: async ({ page }) => expect(page.getByText("Reply to Ana Reyes:")).toBeVisible() },
  { name: "Thread", key: "t", seen: async ({ page }) => expect(page.getByRole("complementary", { name: "Thread" })).toBeVisible() },
  { name: "Edit", key: "e", seen: async ({ page }) => expect(page.getByText("Editing a message")).toBeVisible() },
  { name: "Copy text", key: "y", seen: async ({ page }) => expect(page.getByTestId("announcer")).toContainText("Copied") },
  { name: "Copy link", key: "l", seen: async ({ page }) => expect(page.getByTestId("announcer")).toContainText("Link copied") },
  { name: "Mark unread from here", key: "u", seen: async (person) => expect(person.page.getByTestId("announcer")).toContainText("Marked unread") },
  { name: "Pin", key: "p", seen: async ({ page }) => expect(page.getByRole("main").locator("li[data-state] .meta").getByText("pinned")).toBeVisible() },
  { name: "Delete", key: "Delete", seen: async ({ page }) => expect(page.getByRole("dialog", { name: "Delete this message?" })).toBeVisible() },
];

const names = async (person: Person): Promise<string[]> => person.page.getByRole("menu", { name: "Message actions" }).getByRole("menuitem").locator("span").allTextContents();

test("MA-15 KB-06 the menu is the same by mouse, right click, keys and touch, and shows each key", async ({ ana, ops, server, signIn }) => {
  const { seq } = await server.write(ana.account, ops.conversation_id, "Act on this");
  await ana.open(ops.handle);
  const menu = ana.page.getByRole("menu", { name: "Message actions" });
  await ana.row(seq).hover();
  await ana.row(seq).getByRole("button", { name: "More actions" }).click();
  const byMouse = await names(ana);
  expect(byMouse).toEqual(ACTIONS.map((one) => one.name));
  for (const { name, key } of ACTIONS) {
    const shown = key === "Delete" ? "Del" : key.toUpperCase();
    await expect(menu.getByRole("menuitem", { name: new RegExp(`^${name}`) }).locator("kbd")).toHaveText(shown);
  }
  await ana.page.keyboard.press("Escape");
  await ana.row(seq).click({ button: "right", position: { x: 300, y: 12 } });
  expect(await names(ana)).toEqual(byMouse);
  await ana.page.keyboard.press("Escape");
  await ana.row(seq).focus();
  await ana.page.keyboard.press("Enter");
  expect(await names(ana)).toEqual(byMouse);
  const phone = await signIn(ana.account, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await phone.open(ops.handle);
  await longPress(phone, seq);
  // One more: text is selected in the sheet.
  expect((await names(phone)).filter((name) => name !== "Select text")).toEqual(byMouse);
});

for (const route of ["mouse", "keys", "touch"] as const) {
  test(`MA-15 every action by ${route}`, async ({ ana, ops, server, signIn }) => {
    const options = route === "touch" ? { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } : {};
    const person = await signIn(ana.account, options);
    await person.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const made: number[] = [];
    for (const { name } of ACTIONS) made.push((await server.write(ana.account, ops.conversation_id, `For ${name}`)).seq);
    for (const [n, { name, key, seen }] of ACTIONS.entries()) {
      const seq = made[n]!;
      await person.page.evaluate(() => localStorage.clear()).catch(() => undefined);
      await person.open(ops.handle);
      await expect(person.row(seq)).toBeVisible();
      const item = person.page.getByRole("menu", { name: "Message actions" }).getByRole("menuitem", { name: new RegExp(`^${name}`) });
      if (route === "keys") {
        await person.row(seq).focus();
        await person.page.keyboard.press(key);
      } else if (route === "mouse") {
        await person.row(seq).hover();
        await person.row(seq).getByRole("button", { name: "More actions" }).click();
        await item.click();
      } else {
        await longPress(person, seq);
        await item.tap();
      }
      await seen(person);
    }
  });
}

async function longPress(person: Person, seq: number): Promise<void> {
  const box = (await person.row(seq).boundingBox())!;
  const devtools = await person.context.newCDPSession(person.page);
  await devtools.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: box.x + 140, y: box.y + box.height / 2 }] });
  await expect(person.page.getByRole("menu", { name: "Message actions" })).toBeVisible();
  await devtools.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await devtools.detach();
}
