// Plain HTTP at an address that is not localhost (FR-13).
import { expect, test } from "./fixtures.ts";
import { PASSWORD } from "./server.ts";
import { visit, withServer } from "./visitors.ts";

test.use({
  launchOptions: {
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP chat.test 127.0.0.1"],
  },
});

test("FR-13 without HTTPS, and not on localhost, one notice says what needs it; everything else works", async ({ browser }) => {
  await withServer((server) => {
    const port = new URL(server.url).port;
    const address = `http://chat.test:${port}`;
    return visit(
      browser,
      server,
      async ({ page }) => {
        await page.goto(server.setupLink.replace(/^http:\/\/[^/]+/, address));
        expect(await page.evaluate(() => window.isSecureContext)).toBe(false);
        await page.getByLabel("Server name").fill("Acme");
        await page.getByLabel("Your name").fill("Kit");
        await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
        await page.keyboard.press("Enter");
        await expect(page).toHaveURL(`${address}/c/lobby`);
        const notice = page.getByRole("region", { name: "This connection is not encrypted" });
        await expect(notice).toContainText("Push notifications and encrypted conversations need HTTPS");
        await notice.getByRole("button", { name: "How to turn on HTTPS" }).click();
        await expect(page.getByRole("dialog")).toContainText("--behind-proxy");
        await page.keyboard.press("Escape");
        // The rest works: live, and by the outbox.
        await page.getByRole("main").locator("form textarea").fill("Without a certificate");
        await page.getByRole("main").locator("form textarea").press("Enter");
        await expect(page.locator("li[data-state]").filter({ hasText: "Without a certificate" })).toHaveAttribute("data-state", "sent");
        await notice.getByRole("button", { name: "Dismiss" }).click();
        await expect(notice).toHaveCount(0);
        await page.reload();
        await expect(page.locator("li[data-state]").filter({ hasText: "Without a certificate" })).toBeVisible();
        await expect(notice).toHaveCount(0);
      },
      { baseURL: address },
    );
  });
});

test("FR-13 on localhost there is no such notice", async ({ ana, ops }) => {
  await ana.open(ops.handle);
  await expect(ana.page.getByRole("region", { name: "This connection is not encrypted" })).toHaveCount(0);
});
