// Signing in and out, and what becomes of a session (SI-01 … SI-10).
import { expect, test, type Person } from "./fixtures.ts";
import { PASSWORD } from "./server.ts";
import { signInByForm, visit } from "./visitors.ts";

/** The rows of all databases of the page, and its other stores. */
async function stored(person: Person): Promise<{ databases: Record<string, number>; local: string[]; caches: string[] }> {
  return person.page.evaluate(async () => {
    const databases: Record<string, number> = {};
    for (const { name } of await indexedDB.databases()) {
      if (name === undefined) continue;
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open(name);
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(new Error(name));
      });
      for (const store of database.objectStoreNames) {
        databases[`${name}/${store}`] = await new Promise((resolve) => {
          const request = database.transaction(store).objectStore(store).count();
          request.onsuccess = () => resolve(request.result);
        });
      }
      database.close();
    }
    return { databases, local: Object.keys(localStorage), caches: await caches.keys() };
  });
}

/** What is kept for the next start, as text. */
async function cached(person: Person): Promise<string> {
  return person.page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve) => {
      const request = indexedDB.open("stonechat-cache");
      request.onsuccess = () => resolve(request.result);
    });
    const value = await new Promise<unknown>((resolve) => {
      const request = database.transaction("cache").objectStore("cache").get("now");
      request.onsuccess = () => resolve(request.result);
    });
    database.close();
    return JSON.stringify(value ?? null);
  });
}

test("SI-01 handle and password, Enter submits, password managers know the fields", async ({ browser, server, ana, ops }) => {
  void ops;
  await visit(browser, server, async ({ page }) => {
    await page.goto("/");
    await expect(page.getByLabel("Handle")).toBeFocused();
    await expect(page.getByLabel("Handle")).toHaveAttribute("autocomplete", "username");
    await expect(page.getByLabel("Password", { exact: true })).toHaveAttribute("autocomplete", "current-password");
    await expect(page.getByLabel("Password", { exact: true })).toHaveAttribute("type", "password");
    await signInByForm(page, ana.account.handle);
    await expect(page.getByRole("navigation", { name: "Conversations" })).toBeVisible();
    await expect(page.getByRole("main").locator("form textarea")).toBeFocused();
  });
});

test("SI-02 wrong credentials: one neutral sentence, focus on the password, the handle stays", async ({ browser, server, ana }) => {
  await visit(browser, server, async ({ page }) => {
    await page.goto("/login");
    const sentences = new Set<string>();
    for (const handle of [ana.account.handle, "nobody.of.this.name"]) {
      await signInByForm(page, handle, "not the password");
      const password = page.getByLabel("Password", { exact: true });
      await expect(page.getByRole("alert")).toHaveText("Handle or password is wrong.");
      sentences.add((await page.getByRole("alert").textContent()) ?? "");
      await expect(password).toBeFocused();
      await expect(password).toHaveAttribute("aria-invalid", "true");
      const described = await password.getAttribute("aria-describedby");
      await expect(page.locator(`#${described}`)).toHaveText("Handle or password is wrong.");
      await expect(page.getByLabel("Handle")).toHaveValue(handle);
      await page.reload();
    }
    expect(sentences.size).toBe(1);
  });
});

test("SI-03 after too many tries the wait counts down and the button comes back by itself", async ({ browser, server, ana }) => {
  for (let n = 0; n < 10; n++) {
    await server.api("POST", "auth/login", { handle: ana.account.handle, password: "not the password" }).catch(() => undefined);
  }
  await visit(browser, server, async ({ page }) => {
    await page.clock.install();
    await page.goto("/login");
    await signInByForm(page, ana.account.handle);
    const alert = page.getByRole("alert");
    await expect(alert).toHaveText(/You can try again in \d+ seconds/);
    const button = page.getByRole("button", { name: "Sign in" });
    await expect(button).toBeDisabled();
    const seconds = async (): Promise<number> => Number(/in (\d+) second/.exec((await alert.textContent()) ?? "")?.[1]);
    const before = await seconds();
    expect(before).toBeGreaterThan(10);
    expect(before).toBeLessThanOrEqual(90);
    await page.clock.runFor(5_000);
    await expect.poll(seconds).toBeLessThanOrEqual(before - 4);
    await page.clock.runFor(95_000);
    await expect(alert).toHaveCount(0);
    await expect(button).toBeEnabled();
  });
});

test("SI-05 the last conversation is painted before the session is checked", async ({ server, ana, ops }) => {
  await server.write(ana.account, ops.conversation_id, "Painted from the cache");
  await ana.open(ops.handle);
  await expect(ana.message("Painted from the cache")).toBeVisible();
  await expect.poll(() => cached(ana)).toContain("Painted from the cache");
  let answer = (): void => undefined;
  const held = new Promise<void>((resolve) => (answer = resolve));
  let asked = 0;
  await ana.page.route("**/api/v1/**", async (route) => {
    asked++;
    await held;
    await route.continue().catch(() => undefined);
  });
  await ana.page.reload();
  await expect(ana.message("Painted from the cache")).toBeVisible();
  await expect(ana.listed(ops.conversation_id)).toBeVisible();
  expect(asked).toBeGreaterThan(0);
  answer();
  await ana.online();
});

test("SI-05 SI-06 a session that is over leads to the sign-in and back to the message that was asked for", async ({ server, ana, bo, ops }) => {
  void bo;
  const last = await server.fill(ops.conversation_id, 300, [ana.account]);
  const wanted = last - 150;
  await ana.open(ops.handle);
  await ana.page.goto("about:blank");
  await ana.context.clearCookies();
  await ana.page.goto(`${server.url}/c/${ops.handle}/${wanted}`);
  await expect(ana.page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(ana.page.getByText("Ops", { exact: false })).toHaveCount(0);
  await signInByForm(ana.page, ana.account.handle);
  await expect(ana.row(wanted)).toBeInViewport();
  await expect(ana.page).toHaveURL(`${server.url}/c/${ops.handle}/${wanted}`);
  await ana.online();
});

test("SI-06 a deep link while signed out returns to that message after the sign-in", async ({ browser, server, ana, ops }) => {
  const last = await server.fill(ops.conversation_id, 300, [ana.account]);
  await visit(browser, server, async ({ page }) => {
    await page.goto(`/c/${ops.handle}/${last - 200}`);
    await signInByForm(page, ana.account.handle);
    await expect(page.getByTestId(`msg-${last - 200}`)).toBeInViewport();
    await expect(page).toHaveURL(`${server.url}/c/${ops.handle}/${last - 200}`);
  });
});

test("SI-07 signed out from another device: said within 2 s, data wiped, unsent text offered once", async ({ server, ana, ops, signIn }) => {
  const other = await signIn(ana.account);
  await ana.open(ops.handle);
  await ana.write("Something to keep in the cache");
  await expect(ana.message("Something to keep in the cache")).toHaveAttribute("data-state", "sent");
  await ana.composer.fill("A draft that nobody has seen");
  // What waits in the outbox is text as well.
  await server.hook("acks", { user_id: ana.account.user_id, mode: "drop" });
  await other.open(ops.handle);
  const { devices } = await ana.api<{ devices: { device_id: string; name: string; current: boolean; created_at: string }[] }>("GET", "devices");
  const signedIn = devices.filter((device) => device.name === "Chrome on Linux").sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
  expect(signedIn).toHaveLength(2);
  const victim = signedIn[0]!.device_id;
  await other.page.goto(`${server.url}/settings/devices`);
  await other.page.getByTestId(`device-${victim}`).getByRole("button", { name: /Remove/ }).click();
  await other.page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await expect(ana.page.getByRole("heading", { name: "This device was signed out from another device" })).toBeVisible({ timeout: 2_000 });
  await server.hook("acks", { user_id: ana.account.user_id, mode: "pass" });
  await expect(ana.page.locator("[data-conn]").first()).toHaveAttribute("data-conn", "revoked");
  await expect(ana.page.getByText("Something to keep in the cache")).toHaveCount(0);
  const after = await stored(ana);
  expect(Object.keys(after.databases).length).toBeGreaterThan(0);
  expect(Object.values(after.databases).filter((count) => count > 0)).toEqual([]);

  const offer = ana.page.getByRole("region", { name: "Unsent text" });
  const [download] = await Promise.all([ana.page.waitForEvent("download"), offer.getByRole("button", { name: "Download text" }).click()]);
  const text = await (await import("node:fs/promises")).readFile(await download.path(), "utf8");
  expect(text).toContain("A draft that nobody has seen");
  expect(text).toContain("Ops");
  await expect(offer).toHaveCount(0);
  expect((await stored(ana)).local.filter((key) => key.includes("draft"))).toEqual([]);
  await ana.page.getByRole("link", { name: "Sign in" }).click();
  await expect(ana.page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(offer).toHaveCount(0);
  await signInByForm(ana.page, ana.account.handle);
  await expect(ana.page).toHaveURL(`${server.url}/c/${ops.handle}`);
  await expect(ana.message("Something to keep in the cache")).toBeVisible();
});

test("SI-07 what waited in the outbox is part of the text that is offered", async ({ server, ana, ops }) => {
  await ana.open(ops.handle);
  await server.hook("reject", { user_id: ana.account.user_id, code: "forbidden", times: 1 });
  await ana.write("Refused and still here");
  await expect(ana.message("Refused and still here")).toHaveAttribute("data-state", "failed");
  const { devices } = await ana.api<{ devices: { device_id: string; name: string }[] }>("GET", "devices");
  await ana.api("DELETE", `devices/${devices.find((device) => device.name === "Chrome on Linux")!.device_id}`);
  const offer = ana.page.getByRole("region", { name: "Unsent text" });
  await expect(offer).toBeVisible();
  const [download] = await Promise.all([ana.page.waitForEvent("download"), offer.getByRole("button", { name: "Download text" }).click()]);
  expect(await (await import("node:fs/promises")).readFile(await download.path(), "utf8")).toContain("Refused and still here");
});

test("SI-08 signing out asks once and wipes what is here; Back shows nothing", async ({ server, ana, ops }) => {
  await ana.open(ops.handle);
  await ana.write("Not for the next person");
  await expect(ana.message("Not for the next person")).toHaveAttribute("data-state", "sent");
  await ana.composer.fill("A draft");
  await ana.page.goto(`${server.url}/settings/profile`);
  await expect.poll(async () => (await stored(ana)).databases["stonechat-cache/cache"]).toBe(1);
  await ana.page.getByRole("main").getByRole("button", { name: "Sign out" }).click();
  const dialog = ana.page.getByRole("dialog", { name: "Sign out" });
  await expect(dialog.getByRole("button", { name: "Cancel" })).toBeFocused();
  await dialog.getByRole("button", { name: "Sign out" }).click();
  await expect(ana.page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(ana.page.getByRole("region", { name: "Unsent text" })).toHaveCount(0);
  const after = await stored(ana);
  expect(Object.values(after.databases).filter((count) => count > 0)).toEqual([]);
  expect(after.caches).toEqual([]);
  expect(after.local.filter((key) => key !== "stonechat/prefs")).toEqual([]);
  await ana.page.goBack();
  await expect(ana.page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(ana.page.getByText("Not for the next person")).toHaveCount(0);
  await expect(ana.page.getByRole("navigation")).toHaveCount(0);
});

test("SI-09 a new sign-in is told to the other devices: it was me, or that device goes", async ({ browser, server, ana, ops }) => {
  await ana.open(ops.handle);
  const notice = ana.page.getByRole("region", { name: "New sign-in" });
  await expect(notice).toHaveCount(0);
  const agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0";
  await visit(
    browser,
    server,
    async ({ page }) => {
      await page.goto("/login");
      await signInByForm(page, ana.account.handle);
      await expect(page.getByRole("navigation", { name: "Conversations" })).toBeVisible();
      await expect(notice).toContainText("Firefox on Windows");
      await expect(notice).toContainText(String(new Date().getFullYear()));
      // The device that signed in is not told of itself.
      await expect(page.getByRole("region", { name: "New sign-in" })).toHaveCount(0);
      await notice.getByRole("button", { name: "Remove that device" }).click();
      await expect(notice).toHaveCount(0);
      await expect(page.getByRole("heading", { name: "This device was signed out from another device" })).toBeVisible({ timeout: 2_000 });
    },
    { userAgent: agent },
  );
  await server.api("POST", "auth/login", { handle: ana.account.handle, password: PASSWORD, device_name: "Safari on macOS" });
  await expect(notice).toContainText("Safari on macOS");
  await notice.getByRole("button", { name: "It was me" }).click();
  await expect(notice).toHaveCount(0);
  const { devices } = await ana.api<{ devices: { name: string }[] }>("GET", "devices");
  expect(devices.map((device) => device.name)).toContain("Safari on macOS");
  expect(devices.map((device) => device.name)).not.toContain("Firefox on Windows");
});

test("SI-10 two tabs share one socket; when its tab is closed the other takes over within 2 s and nothing is lost or twice", async ({ server, ana, bo, ops }) => {
  let sockets = 0;
  ana.context.on("page", (page) => page.on("websocket", () => sockets++));
  ana.page.on("websocket", () => sockets++);
  await ana.open(ops.handle);
  const second = await ana.tab();
  await second.open(ops.handle);
  expect(sockets).toBe(1);
  await server.write(bo.account, ops.conversation_id, "To both tabs");
  await expect(ana.message("To both tabs")).toHaveCount(1);
  await expect(second.message("To both tabs")).toHaveCount(1);
  await second.write("From the follower");
  await expect(second.message("From the follower")).toHaveAttribute("data-state", "sent");
  await expect(ana.message("From the follower")).toHaveCount(1);

  let n = 0;
  let writing = true;
  const writer = (async () => {
    while (writing) await server.write(bo.account, ops.conversation_id, `Handover ${String(n++).padStart(3, "0")}`);
  })();
  await expect(second.message("Handover 003")).toBeVisible();
  await ana.page.close();
  const closed = Date.now();
  const reached = n + 1;
  await expect.poll(() => sockets, { intervals: [20] }).toBe(2);
  expect(Date.now() - closed).toBeLessThan(2_000);
  await expect.poll(() => n).toBeGreaterThan(reached);
  writing = false;
  await writer;
  await second.online();
  await expect(second.message(`Handover ${String(n - 1).padStart(3, "0")}`)).toBeVisible();
  expect(n).toBeGreaterThan(5);
  const seqs = await second.page.locator("li[data-seq]").evaluateAll((rows) => rows.map((row) => Number((row as HTMLElement).dataset["seq"])));
  const texts = await second.page.locator("li[data-state]").filter({ hasText: /Handover \d+/ }).allTextContents();
  expect(new Set(seqs).size).toBe(seqs.length);
  const numbers = texts.flatMap((text) => [...text.matchAll(/Handover (\d+)/g)].map((found) => Number(found[1])));
  // The rows in the document: without a hole, each once.
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => n - numbers.length + at));
  await second.write("The new leader sends");
  await expect(second.message("The new leader sends")).toHaveAttribute("data-state", "sent");
});
