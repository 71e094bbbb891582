// Settings and devices (ST-01 … ST-04, ST-06, DE-01 … DE-03).
import { expect, test, type Person } from "./fixtures.ts";
import { PASSWORD } from "./server.ts";

const SECTIONS = ["Profile", "Appearance", "Notifications", "Privacy", "Devices", "Keyboard", "Language and time", "About"];

async function settings(person: Person, section: string): Promise<void> {
  await person.page.goto(`${person.server.url}/settings/${section}`);
  await expect(person.page.getByRole("main", { name: "Settings" })).toBeVisible();
}

test("ST-01 Ctrl+, opens the settings; every section has an address", async ({ server, ana, ops }) => {
  await ana.open(ops.handle);
  await ana.page.keyboard.press("ControlOrMeta+,");
  await expect(ana.page).toHaveURL(`${server.url}/settings/profile`);
  const main = ana.page.getByRole("main", { name: "Settings" });
  await expect(main.getByRole("heading", { level: 1 })).toBeFocused();
  await expect(main.getByRole("listitem").getByRole("link")).toHaveText(SECTIONS);
  for (const name of SECTIONS) {
    await main.getByRole("link", { name, exact: true }).click();
    await expect(main.getByRole("heading", { level: 1 })).toHaveText(name);
    const address = ana.page.url();
    await ana.page.reload();
    expect(ana.page.url()).toBe(address);
    await expect(main.getByRole("heading", { level: 1 })).toHaveText(name);
    await expect(main.getByRole("link", { name, exact: true })).toHaveAttribute("aria-current", "page");
  }
  await ana.page.goBack();
  await expect(main.getByRole("heading", { level: 1 })).toHaveText(SECTIONS.at(-2)!);
});

test("ST-02 a change counts at once, says Saved, survives a reload, and follows to other devices unless it is of this one", async ({ ana, signIn }) => {
  const second = await signIn(ana.account);
  await settings(ana, "privacy");
  await settings(second, "privacy");
  await expect(ana.page.getByRole("button", { name: "Save" })).toHaveCount(0);
  const typing = (person: Person): ReturnType<Person["page"]["getByRole"]> => person.page.getByRole("checkbox", { name: "Show when I am typing" });
  await expect(typing(ana)).toBeChecked();
  await typing(ana).uncheck();
  await expect(ana.page.getByText("Saved", { exact: true })).toBeVisible();
  await expect(typing(second)).not.toBeChecked();
  await ana.page.reload();
  await expect(typing(ana)).not.toBeChecked();
  await settings(ana, "profile");
  await ana.page.getByLabel("Your name").fill("Ana R.");
  await ana.page.getByLabel("Your name").press("Enter");
  await expect(ana.page.getByText("Saved", { exact: true })).toBeVisible();
  await expect(second.page.getByRole("navigation", { name: "Conversations" }).getByText("Ana R.")).toBeVisible();

  // What is of this device says so, and stays here.
  await settings(ana, "appearance");
  for (const group of await ana.page.getByRole("main").getByRole("group").all()) await expect(group).toContainText("this device");
  await ana.page.getByRole("radio", { name: "Compact" }).check();
  await expect(ana.page.getByText("Saved", { exact: true })).toBeVisible();
  await ana.page.reload();
  await expect(ana.page.getByRole("radio", { name: "Compact" })).toBeChecked();
  await settings(second, "appearance");
  await expect(second.page.getByRole("radio", { name: "Comfortable" })).toBeChecked();
});

test("ST-03 settings are found by their labels and by other words for them", async ({ ana }) => {
  await settings(ana, "profile");
  const found = ana.page.getByRole("main").getByRole("listitem").getByRole("link");
  const search = ana.page.getByLabel("Search settings");
  for (const [query, sections] of [
    ["dark", ["Appearance"]],
    ["text size", ["Appearance"]],
    ["24-hour", ["Appearance"]],
    ["font", ["Appearance"]],
    ["read receipts", ["Privacy"]],
    ["shortcuts", ["Keyboard"]],
    ["sessions", ["Devices"]],
    ["VERSION", ["About"]],
    ["zzz", []],
  ] as const) {
    await search.fill(query);
    await expect(found, query).toHaveText([...sections]);
  }
  await search.fill("");
  await expect(found).toHaveCount(SECTIONS.length);
});

test("ST-04 TH-03 appearance: theme, density, text size, motion, clock; all at once, without a reload", async ({ ana, bo, server, ops }) => {
  await server.write(bo.account, ops.conversation_id, "Something with a time");
  await settings(ana, "appearance");
  await ana.page.evaluate(() => Object.assign(window, { sameplace: true }));
  const html = ana.page.locator("html");
  const colour = (): Promise<string> => ana.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const themeColour = ana.page.locator('meta[name="theme-color"]');
  expect(await colour()).toBe("rgb(246, 248, 247)");
  await expect(themeColour).toHaveAttribute("content", "#ECF0EE");
  await ana.page.getByRole("radio", { name: "Dark" }).check();
  expect(await colour()).toBe("rgb(14, 19, 20)");
  await expect(themeColour).toHaveAttribute("content", "#0A0E0F");
  // The whole page in one frame: nothing fades from one theme to the other.
  const frames = await ana.page.evaluate(
    () =>
      new Promise<string[][]>((resolve) => {
        const look = (): string[] => [...document.querySelectorAll("body, nav, main, h1, input, a")].map((one) => getComputedStyle(one).color + getComputedStyle(one).backgroundColor);
        const seen: string[][] = [];
        const step = (): void => {
          seen.push(look());
          if (seen.length === 12) resolve(seen);
          else requestAnimationFrame(step);
        };
        [...document.querySelectorAll<HTMLInputElement>('input[name="theme"]')].find((one) => one.parentElement?.textContent?.trim() === "Light")?.click();
        requestAnimationFrame(step);
      }),
  );
  for (const frame of frames) expect(frame).toEqual(frames.at(-1));
  expect(await colour()).toBe("rgb(246, 248, 247)");
  // As the system, also when the system changes.
  await ana.page.getByRole("group", { name: /Theme/ }).getByRole("radio", { name: "As the system" }).check();
  await ana.page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(colour).toBe("rgb(14, 19, 20)");
  await ana.page.emulateMedia({ colorScheme: "light" });
  await expect.poll(colour).toBe("rgb(246, 248, 247)");

  await ana.page.getByRole("radio", { name: "Compact" }).check();
  await expect(html).toHaveClass(/compact/);
  const rowHeight = (await ana.listed(ops.conversation_id).boundingBox())!.height;
  expect(Math.round(rowHeight)).toBe(28);
  await ana.page.getByRole("radio", { name: "Comfortable" }).check();
  expect(Math.round((await ana.listed(ops.conversation_id).boundingBox())!.height)).toBe(32);

  const size = ana.page.getByLabel(/Text size/);
  const body = (): Promise<string> => ana.page.evaluate(() => getComputedStyle(document.body).fontSize);
  expect(await body()).toBe("15px");
  for (const [typed, shown] of [["20", "20px"], ["40", "24px"], ["3", "12px"], ["16", "16px"], ["15", "15px"]] as const) {
    await size.fill(typed);
    await size.press("Enter");
    expect(await body(), typed).toBe(shown);
  }
  await size.fill("20");
  await size.press("Enter");

  await ana.page.emulateMedia({ reducedMotion: "no-preference" });
  const motion = ana.page.getByRole("group", { name: /Motion/ });
  await motion.getByRole("radio", { name: "Off" }).check();
  await expect(html).toHaveClass(/still/);
  await motion.getByRole("radio", { name: "As the system" }).check();
  await expect(html).not.toHaveClass(/still/);

  const clock = ana.page.getByRole("group", { name: /24-hour/ });
  await clock.getByRole("radio", { name: "Off" }).check();
  expect(await ana.page.evaluate(() => (window as unknown as { sameplace?: boolean }).sameplace)).toBe(true);
  await ana.page.reload();
  expect(await body()).toBe("20px");
  await ana.open(ops.handle);
  await expect(ana.message("Something with a time")).toContainText(/\d{1,2}:\d\d\s?[AP]M/i);
  await settings(ana, "appearance");
  await clock.getByRole("radio", { name: "On" }).check();
  await ana.open(ops.handle);
  await expect(ana.message("Something with a time")).not.toContainText(/[AP]M/i);
});

test("ST-06 about: versions, licences, the keyboard map, diagnostics to copy", async ({ ana, signIn, server }) => {
  const reader = await signIn(ana.account, { permissions: ["clipboard-read", "clipboard-write"] });
  const { version } = (await (await fetch(`${server.url}/ready`)).json()) as { version: string };
  await settings(reader, "about");
  await expect(reader.page.getByText("Server version").locator("xpath=..")).toContainText(version);
  await expect(reader.page.getByText("App version").locator("xpath=..")).toContainText(/\d+\.\d+\.\d+/);
  await expect(reader.page.getByRole("main")).toContainText("OFL-1.1");
  await reader.page.getByRole("button", { name: "Keyboard map" }).click();
  await expect(reader.page.getByRole("dialog", { name: "Keyboard map" })).toBeVisible();
  await reader.page.keyboard.press("Escape");
  await reader.page.getByRole("button", { name: "Copy diagnostics" }).click();
  await expect.poll(() => reader.page.evaluate(() => navigator.clipboard.readText())).toContain(version);
  const copied = JSON.parse(await reader.page.evaluate(() => navigator.clipboard.readText())) as Record<string, unknown>;
  expect(Object.keys(copied)).toEqual(expect.arrayContaining(["client", "server", "agent", "connection"]));
  // Nothing of the person goes with it.
  expect(JSON.stringify(copied)).not.toContain(ana.account.handle);
});

test("DE-01 this device first, then the others; names can be changed", async ({ ana, server }) => {
  await server.api("POST", "auth/login", { handle: ana.account.handle, password: PASSWORD, device_name: "Old laptop" });
  await settings(ana, "devices");
  const devices = ana.page.getByRole("main").getByRole("listitem").filter({ has: ana.page.locator("input[maxlength]") });
  await expect(devices).toHaveCount(3);
  await expect(devices.first().getByLabel("This device")).toHaveValue("Chrome on Linux");
  await expect(devices.first()).toContainText("active now");
  for (const device of await devices.all()) await expect(device).toContainText(/Signed in .*\d{4}/);
  await expect(devices.nth(1)).toContainText(/last active .*\d{4}/);
  await devices.first().getByLabel("This device").fill("Desk in the office");
  await devices.first().getByLabel("This device").press("Enter");
  await ana.page.reload();
  await expect(devices.first().getByLabel("This device")).toHaveValue("Desk in the office");
});

test("DE-03 all others, or those without a sign of life for 30 days, in one action that lists what goes", async ({ ana, server }) => {
  for (const name of ["Old laptop", "Borrowed phone"]) {
    await server.api("POST", "auth/login", { handle: ana.account.handle, password: PASSWORD, device_name: name });
  }
  // A clock that the test does not have: one of them was last here long ago.
  await ana.page.route("**/api/v1/devices", async (route) => {
    const answer = await route.fetch();
    const { devices } = (await answer.json()) as { devices: { name: string; last_seen_at: string }[] };
    for (const device of devices) if (device.name === "Old laptop") device.last_seen_at = new Date(Date.now() - 31 * 86_400_000).toISOString();
    await route.fulfill({ response: answer, json: { devices } });
  });
  const left = async (): Promise<string[]> => (await ana.api<{ devices: { name: string }[] }>("GET", "devices")).devices.map((device) => device.name).sort();
  await settings(ana, "devices");
  await ana.page.getByRole("button", { name: "Remove inactive (30 days)" }).click();
  const dialog = ana.page.getByRole("dialog");
  await expect(dialog).toContainText("Old laptop");
  await expect(dialog).not.toContainText("Borrowed phone");
  await dialog.getByRole("button", { name: "Remove", exact: true }).click();
  await expect(dialog).toHaveCount(0);
  expect(await left()).not.toContain("Old laptop");
  expect(await left()).toContain("Borrowed phone");
  await ana.page.getByRole("button", { name: "Remove all other devices" }).click();
  await expect(dialog).toContainText("Borrowed phone");
  await expect(dialog).not.toContainText("Chrome on Linux");
  await dialog.getByRole("button", { name: "Remove", exact: true }).click();
  await expect(dialog).toHaveCount(0);
  await expect(ana.page.getByRole("button", { name: "Remove all other devices" })).toHaveCount(0);
  await expect(ana.page.getByLabel("This device")).toBeVisible();
});
