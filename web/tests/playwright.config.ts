// How the web app is tested: in Chromium, against a real server with test hooks.
import { defineConfig, devices } from "@playwright/test";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

export default defineConfig({
  testDir: "e2e",
  outputDir: "results",
  // Wide bounds: browsers, servers and whatever else runs share a machine; nothing waits longer than it has to.
  timeout: 90_000,
  expect: { timeout: 15_000 },
  workers: Number(process.env["WORKERS"] ?? 1),
  fullyParallel: true,
  forbidOnly: true,
  // A test that needed its second try is named as flaky at the end.
  retries: 1,
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
