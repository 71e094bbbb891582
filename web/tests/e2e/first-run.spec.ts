// First run: from the link in the terminal to the first message (FR-01 … FR-07, FR-12, FR-14).
import { expect, test, type Page } from "@playwright/test";
import { PASSWORD, TestServer } from "./server.ts";
import { visit, withServer } from "./visitors.ts";

const NOT_YET = "This server is not set up yet. Open the setup link printed in the server's terminal.";

async function setUp(page: Page, server: TestServer): Promise<void> {
  await page.goto(server.setupLink);
  await page.getByLabel("Server name").fill("Acme");
  await page.getByLabel("Your name").fill("Kit Ólafsdóttir");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("Password", { exact: true }).press("Enter");
}

test("FR-01 with no users every path says where the setup link is, and has no form", async ({ browser }) => {
  await withServer((server) =>
    visit(browser, server, async ({ page }) => {
      for (const path of ["/", "/login", "/setup", "/c/lobby", "/c/lobby/7", "/settings/devices", "/join/abc", "/nowhere/at/all"]) {
        await page.goto(path);
        await expect(page.getByText(NOT_YET), path).toBeVisible();
        await expect(page.locator("form, input, textarea"), path).toHaveCount(0);
      }
    }),
  );
});

test("OP-01 FR-02 FR-03 FR-04 FR-06 FR-12 the link's form makes the admin, opens the lobby, and no address ever holds the key", async ({ browser }) => {
  await withServer((server) =>
    visit(browser, server, async ({ page, context, requests }) => {
      const key = new URL(server.setupLink).hash.slice("#k=".length);
      expect(key.length).toBeGreaterThan(10);
      const headers: string[] = [];
      context.on("request", (request) => void request.allHeaders().then((all) => headers.push(JSON.stringify(all)), () => undefined));
      let interactions = 0;
      const started = Date.now();

      await page.goto(server.setupLink);
      await expect(page.getByRole("form").or(page.locator("form"))).toHaveCount(1);
      await expect(page.locator("form input[required]")).toHaveCount(4);
      await expect(page.locator("form input")).toHaveCount(4);
      // FR-12: nothing that only others need is asked.
      await expect(page.locator('input[type="email"], input[type="tel"], [autocomplete="email"], [autocomplete="tel"]')).toHaveCount(0);
      await expect(page.getByLabel("Server name")).toBeFocused();

      await page.keyboard.type("Acme");
      interactions++;
      await page.getByLabel("Your name").fill("Kit Ólafsdóttir");
      interactions++;
      await expect(page.getByLabel("Handle")).toHaveValue("kit.olafsdottir");
      await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
      interactions++;
      await page.keyboard.press("Enter");
      interactions++;

      await expect(page).toHaveURL(`${server.url}/c/lobby`);
      const composer = page.getByRole("main").locator("form textarea");
      await expect(composer).toBeFocused();
      await page.keyboard.type("Good morning");
      interactions++;
      await page.keyboard.press("Enter");
      interactions++;
      await expect(page.locator("li[data-state]").filter({ hasText: "Good morning" })).toHaveAttribute("data-state", "sent");
      expect(Date.now() - started).toBeLessThan(60_000);
      expect(interactions).toBeLessThanOrEqual(6);

      expect(requests.filter((url) => url.includes("setup")).length).toBeGreaterThanOrEqual(2);
      expect(requests.filter((url) => url.includes(key))).toEqual(requests.filter((url) => new URL(url).hash.includes(key)));
      expect(headers.length).toBeGreaterThan(5);
      expect(headers.filter((all) => all.includes(key))).toEqual([]);
    }),
  );
});

test("FR-02 a handle that was typed is kept when the name changes", async ({ browser }) => {
  await withServer((server) =>
    visit(browser, server, async ({ page }) => {
      await page.goto(server.setupLink);
      await page.getByLabel("Your name").fill("Kit");
      await page.getByLabel("Handle").fill("boss");
      await page.getByLabel("Your name").fill("Kit Reyes");
      await expect(page.getByLabel("Handle")).toHaveValue("boss");
    }),
  );
});

test("FR-05 a used key says that setup is finished and leads to the sign-in; the server answers 410; an old one names the command", async ({ browser }) => {
  await withServer(async (server) => {
    await visit(browser, server, async ({ page }) => {
      await page.route("**/api/v1/setup", (route) =>
        route.fulfill({ status: 410, contentType: "application/problem+json", body: JSON.stringify({ type: "/problems/setup_key_expired", title: "expired", status: 410, code: "setup_key_expired", request_id: "r1" }) }),
      );
      await setUp(page, server);
      await expect(page.getByRole("heading", { name: "This setup link has expired" })).toBeVisible();
      await expect(page.getByText("stonechat admin setup-link")).toBeVisible();
    });
    await visit(browser, server, async ({ page }) => {
      // Two have the link open; one is faster.
      await page.goto(server.setupLink);
      await expect(page.getByLabel("Server name")).toBeVisible();
      await server.setUp();
      await setUpAgain(page);
      await expect(page.getByRole("heading", { name: "Setup is finished" })).toBeVisible();
      await page.goto("about:blank");
      await page.goto(server.setupLink);
      await expect(page.getByRole("heading", { name: "Setup is finished" })).toBeVisible();
      await page.getByRole("link", { name: "Sign in" }).click();
      await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
    });
    const key = new URL(server.setupLink).hash.slice("#k=".length);
    const again = await fetch(`${server.url}/api/v1/setup`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ key, server_name: "B", name: "B", handle: "b", password: PASSWORD }),
    });
    expect(again.status).toBe(410);
  });
});

async function setUpAgain(page: Page): Promise<void> {
  await page.getByLabel("Server name").fill("Acme");
  await page.getByLabel("Your name").fill("Second");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Finish setup" }).click();
}

test("FR-07 the empty lobby has three steps; each is done or dismissed, and on this device stays so", async ({ browser }) => {
  await withServer((server) =>
    visit(
      browser,
      server,
      async ({ page }) => {
        await setUp(page, server);
        const steps = page.getByRole("region", { name: "First steps" });
        await expect(steps.getByRole("listitem")).toHaveCount(3);
        await expect(steps).toContainText("Invite people");
        await expect(steps).toContainText("Turn on notifications");
        await expect(steps).toContainText("Set up backups");

        await steps.getByRole("button", { name: "Invite", exact: true }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Make link" }).click();
        await expect(page.getByLabel("Invite link")).toHaveValue(/\/join\//);
        await page.keyboard.press("Escape");
        await expect(steps.getByRole("listitem")).toHaveCount(2);
        await expect(steps).not.toContainText("Invite people");

        await steps.getByRole("button", { name: "Turn on", exact: true }).click();
        await expect(steps.getByRole("listitem")).toHaveCount(1);

        await steps.getByRole("button", { name: "How" }).click();
        await expect(page.getByRole("dialog")).toContainText("data directory");
        await page.keyboard.press("Escape");
        await steps.getByRole("button", { name: "Dismiss: Set up backups" }).click();
        await expect(steps).toHaveCount(0);

        await page.reload();
        await expect(page.getByRole("main").locator("form textarea")).toBeVisible();
        await expect(steps).toHaveCount(0);
      },
      { permissions: ["notifications", "clipboard-read", "clipboard-write"] },
    ),
  );
});

test("FR-14 passwords: ten characters of any kind, pasted, shown or hidden; common ones are refused with the reason", async ({ browser }) => {
  await withServer((server) =>
    visit(
      browser,
      server,
      async ({ page }) => {
        await page.goto(server.setupLink);
        const password = page.getByLabel("Password", { exact: true });
        await expect(password).toHaveAttribute("autocomplete", "new-password");
        await expect(page.getByLabel("Handle")).toHaveAttribute("autocomplete", "username");
        await expect(page.getByLabel("Your name")).toHaveAttribute("autocomplete", "name");
        await expect(password).not.toHaveAttribute("pattern", /.*/);
        await expect(password).not.toHaveAttribute("maxlength", /.*/);

        await page.getByLabel("Server name").fill("Acme");
        await page.getByLabel("Your name").fill("Kit");
        await password.fill("ninechars");
        await password.press("Enter");
        await expect(page.getByRole("alert")).toHaveText(/At least 10 characters/);
        await expect(password).toHaveAttribute("aria-invalid", "true");
        await password.fill("1234567890");
        await password.press("Enter");
        await expect(page.getByRole("alert")).toHaveText(/list of the most used ones/);

        await page.evaluate(() => navigator.clipboard.writeText("only small letters"));
        await password.fill("");
        await password.press("ControlOrMeta+v");
        await expect(password).toHaveValue("only small letters");
        await expect(password).toHaveAttribute("type", "password");
        await page.getByRole("button", { name: "Show" }).click();
        await expect(password).toHaveAttribute("type", "text");
        await page.getByRole("button", { name: "Hide" }).click();
        await expect(password).toHaveAttribute("type", "password");
        await password.press("Enter");
        await expect(page).toHaveURL(`${server.url}/c/lobby`);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ),
  );
});
