// How the web app is tested: in Debian's Chromium, against a real server with test hooks, two at a time.
import { defineConfig, devices } from "@playwright/test";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

export default defineConfig({
  testDir: "e2e",
  outputDir: "results",
  timeout: 45_000,
  expect: { timeout: 7_000 },
  workers: Number(process.env["WORKERS"] ?? 2),
  fullyParallel: true,
  forbidOnly: true,
  retries: 0,
  reporter: [["list"]],
  use: {
    ...devices["Desktop Chrome"],
    channel: undefined,
    viewport: { width: 1440, height: 900 },
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    reducedMotion: "reduce",
    trace: "off",
    screenshot: "only-on-failure",
    launchOptions: { executablePath, args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"] },
  },
});
