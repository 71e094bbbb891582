// axe on every route, in both themes, with every overlay open.
import AxeBuilder from "@axe-core/playwright";
import { expect, test, TestServer, type Person } from "./fixtures.ts";
import type { Page } from "@playwright/test";

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

async function clean(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  const found = violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} (${node.any.concat(node.all, node.none).map((check) => check.message).join("; ").slice(0, 200)})`).join(" | ")}`);
  expect(found).toEqual([]);
}

async function theme(page: Page, name: "light" | "dark"): Promise<void> {
  await page.addInitScript((wanted) => {
    const prefs = JSON.parse(localStorage.getItem("stonechat/prefs") ?? "{}") as Record<string, unknown>;
    localStorage.setItem("stonechat/prefs", JSON.stringify({ ...prefs, theme: wanted }));
  }, name);
}

/** A conversation with some of everything. */
async function busy(ana: Person, bo: Person, server: TestServer, conversation_id: string): Promise<number> {
  const write = (who: Person, text: string, more = {}) => server.write(who.account, conversation_id, text, more);
  const root = await write(bo, "A plan with **bold**, _italics_, `code` and https://example.org\n\n> a quote\n\n- a list\n- of two");
  await write(ana, "```rust\nfn main() { println!(\"hi\"); }\n```\n\nand $a^2 + b^2$ with | and\n\n| a | b |\n|---|---|\n| 1 | 2 |", { reply_to: root.seq });
  await write(ana, "A reply in the thread", { thread: root.seq });
  await ana.api("POST", `conversations/${conversation_id}/messages/${root.seq}/reactions`, { emoji: "👍", action: "add", client_id: crypto.randomUUID() });
  const gone = await write(ana, "To be deleted");
  await ana.api("DELETE", `conversations/${conversation_id}/messages/${gone.seq}`);
  await write(bo, `Hello @${ana.account.handle}, and shalom שלום to all`);
  return root.seq;
}

for (const name of ["light", "dark"] as const) {
  test(`AX-01 AX-02 every route, ${name}`, async ({ ana, bo, ops, server }) => {
    test.setTimeout(120_000);
    await theme(ana.page, name);
    const root = await busy(ana, bo, server, ops.conversation_id);
    await ana.open(ops.handle);
    await expect(ana.page.locator("html")).toHaveClass(name === "dark" ? /dark/ : /^(?!.*dark)/);
    await clean(ana.page, "conversation");
    const { page } = ana;
    await expect(page.getByRole("navigation", { name: "Conversations" })).toBeVisible();
    await expect(page.getByRole("main", { name: `#${ops.handle}` })).toBeVisible();
    await expect(page.getByRole("form")).toHaveCount(1);
    await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
    await page.keyboard.press("Control+k");
    await page.keyboard.press("Escape");
    await page.goto(`${server.url}/c/${ops.handle}?thread=${root}`);
    await expect(page.getByRole("complementary").getByText("A reply in the thread")).toBeVisible();
    await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
    await clean(page, "side panel");
    for (const section of ["profile", "appearance", "notifications", "privacy", "devices", "keyboard", "time", "about"]) {
      await page.goto(`${server.url}/settings/${section}`);
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await expect(page.getByRole("heading", { level: 1 })).toHaveCount(1);
      await clean(page, section);
    }
    await page.goto(`${server.url}/c/nothing-here`);
    await expect(page.getByText("This conversation does not exist")).toBeVisible();
    await clean(page, "missing");
  });

  test(`AX-01 sign-in, invitation and first run, ${name}`, async ({ browser, server }) => {
    test.setTimeout(90_000);
    const context = await browser.newContext();
    const page = await context.newPage();
    await theme(page, name);
    await page.goto(`${server.url}/login`);
    await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
    await clean(page, "login");
    const invite = await server.api<{ token: string }>("POST", "invites", { conversations: [] }, server.admin.token);
    await page.goto(`${server.url}/join/${invite.token}`);
    await expect(page.getByRole("button", { name: "Join", exact: true })).toBeVisible();
    await clean(page, "join");
    await page.goto(`${server.url}/join/no-such-token`);
    await expect(page.getByRole("heading", { name: "This invitation cannot be used" })).toBeVisible();
    await clean(page, "join, unusable");
    const fresh = new TestServer();
    await fresh.start();
    await page.goto(fresh.setupLink);
    await expect(page.getByLabel("Server name")).toBeVisible();
    await clean(page, "setup");
    await page.goto(fresh.url);
    await expect(page.getByText("This server is not set up yet.")).toBeVisible();
    await clean(page, "not set up");
    await context.close();
    await fresh.stop();
  });

  test(`AX-01 every overlay open, ${name}`, async ({ ana, bo, ops, server }) => {
    test.setTimeout(150_000);
    await theme(ana.page, name);
    const root = await busy(ana, bo, server, ops.conversation_id);
    await ana.open(ops.handle);
    const { page } = ana;
    const close = async (): Promise<void> => {
      await page.keyboard.press("Escape");
      await expect(page.getByRole("dialog")).toHaveCount(0);
      await expect(page.getByRole("menu")).toHaveCount(0);
    };
    await ana.row(root).focus();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("menu")).toBeVisible();
    await clean(page, "message menu");
    await close();
    await page.keyboard.press("+");
    await expect(page.getByRole("listbox", { name: "Emoji found" }).getByRole("option").first()).toBeVisible();
    await clean(page, "emoji picker");
    await close();
    await page.keyboard.press("Control+k");
    await expect(page.getByRole("listbox").getByRole("option").first()).toBeVisible();
    await clean(page, "switcher");
    await close();
    await page.keyboard.press("Control+/");
    await expect(page.getByRole("dialog", { name: "Keyboard map" })).toBeVisible();
    await clean(page, "keyboard map");
    await close();
    await page.getByRole("main").getByRole("button", { name: "People" }).click();
    await expect(page.getByRole("dialog").getByText("Bo Lindqvist")).toBeVisible();
    await clean(page, "people");
    await close();
    await page.getByRole("navigation").getByRole("button", { name: "New message" }).click();
    await expect(page.getByRole("dialog")).toBeVisible();
    await clean(page, "new message");
    await close();
    for (const item of ["Invite people", /^Mute/]) {
      await page.getByRole("main").getByRole("button", { name: "More", exact: true }).click();
      await expect(page.getByRole("menu")).toBeVisible();
      if (item !== "Invite people") await clean(page, "conversation menu");
      await page.getByRole("menuitem", { name: item }).click();
      await expect(page.getByRole("dialog")).toBeVisible();
      await clean(page, String(item));
      await close();
    }
    await page.keyboard.press("Shift+Escape");
    await expect(page.getByRole("dialog", { name: "Mark everything read?" })).toBeVisible();
    await clean(page, "question");
    await close();
    await ana.composer.fill("@bo");
    await expect(page.getByRole("listbox", { name: "People to mention" })).toBeVisible();
    await clean(page, "mentions");
    await ana.composer.fill("");
    await server.hook("reject", { user_id: ana.account.user_id, code: "forbidden", times: 1 });
    await ana.write("Refused words");
    await expect(ana.message("Refused words")).toHaveAttribute("data-state", "failed");
    await clean(page, "failed message");
    await server.hook("down", { down: true });
    await expect(page.getByTestId("connection").locator("p")).toBeVisible({ timeout: 15_000 });
    await clean(page, "unreachable");
    await server.hook("down", { down: false });
  });
}
