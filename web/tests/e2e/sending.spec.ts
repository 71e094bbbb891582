// What happens to a message between Enter and its place: pending, sent, failed, and nothing in between.
import { expect, test, type Person } from "./fixtures.ts";

/** The texts of the rows as they stand on the screen. */
async function texts(person: Person, pattern: RegExp): Promise<string[]> {
  const all = await person.page.getByRole("main").locator("li[data-state] .text").allInnerTexts();
  return all.map((one) => one.trim()).filter((one) => pattern.test(one));
}

/** Opens or reloads, and waits until the start is over: the list and the newest page are read once more after it. */
async function settled(person: Person, start: () => Promise<unknown>): Promise<void> {
  let lists = 0;
  let pages = 0;
  person.page.on("response", (response) => {
    if (response.url().includes("/conversations?limit=200")) lists++;
    if (lists > 1 && /\/messages\?limit=80&$/.test(response.url())) pages++;
  });
  await start();
  await person.online();
  await expect.poll(() => pages).toBeGreaterThan(0);
}

/** In the page: the conversations that the next start can paint without the network. */
async function cachedConversations(): Promise<string[]> {
  const databases = await indexedDB.databases();
  if (!databases.some(({ name }) => name === "stonechat-cache")) return [];
  const wait = <T>(request: IDBRequest<T>): Promise<T> => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const database = await wait(indexedDB.open("stonechat-cache"));
  const cached = await wait(database.transaction("cache").objectStore("cache").get("now") as IDBRequest<{ windows: { conversation_id: string }[] } | undefined>);
  database.close();
  return cached?.windows.map((one) => one.conversation_id) ?? [];
}

/** Measures in the page: from the key to the row, and to the frame that shows it; and when the socket was used. */
async function measureEnter(person: Person): Promise<void> {
  await person.page.addInitScript(() => {
    const times = { key: 0, row: 0, frame: 0, socket: 0 };
    Object.assign(globalThis, { enterTimes: times });
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data): void {
      if (typeof data === "string" && data.includes('"message"') && times.key > 0 && times.socket === 0) times.socket = performance.now();
      send.call(this, data);
    };
    addEventListener(
      "keydown",
      (event) => {
        if (event.key === "Enter") Object.assign(times, { key: event.timeStamp, row: 0, frame: 0, socket: 0 });
      },
      true,
    );
    new MutationObserver(() => {
      if (times.key === 0 || times.row > 0 || document.querySelector('li[data-state="pending"]') === null) return;
      times.row = performance.now();
      requestAnimationFrame(() => setTimeout(() => (times.frame = performance.now())));
    }).observe(document, { subtree: true, childList: true });
  });
}

interface EnterTimes {
  key: number;
  row: number;
  frame: number;
  socket: number;
}

async function enterTimes(person: Person): Promise<EnterTimes> {
  const read = (): Promise<EnterTimes> => person.page.evaluate(() => (globalThis as unknown as { enterTimes: EnterTimes }).enterTimes);
  await expect.poll(async () => (await read()).frame).toBeGreaterThan(0);
  return read();
}

test("TL-20 PF-10 Enter paints the message as pending before anything is sent", async ({ ana, ops, server }) => {
  await measureEnter(ana);
  await ana.open(ops.handle);
  await server.fill(ops.conversation_id, 300, [ana.account]);
  await settled(ana, () => ana.page.reload());
  await server.hook("acks", { user_id: ana.account.user_id, mode: "hold" });
  await ana.write("warm up");
  await enterTimes(ana);
  await server.hook("acks", { user_id: ana.account.user_id, mode: "pass" });
  await expect(ana.message("warm up")).toHaveAttribute("data-state", "sent");
  const taken: number[] = [];
  for (let n = 0; n < 20; n++) {
    await server.hook("acks", { user_id: ana.account.user_id, mode: "hold" });
    await ana.write(`measured ${n}.`);
    await expect(ana.message(`measured ${n}.`)).toHaveAttribute("data-state", "pending");
    const { key, row, frame, socket } = await enterTimes(ana);
    await expect.poll(async () => (await enterTimes(ana)).socket).toBeGreaterThan(0);
    if (socket > 0) expect(row).toBeLessThan(socket);
    taken.push(frame - key);
    await server.hook("acks", { user_id: ana.account.user_id, mode: "pass" });
    await expect(ana.message(`measured ${n}.`)).toHaveAttribute("data-state", "sent");
  }
  taken.sort((a, b) => a - b);
  console.log(`PF-10 Enter to pending row painted: median ${taken[10]!.toFixed(1)} ms, p95 ${taken[18]!.toFixed(1)} ms (budget 32)`);
  expect(taken[18]).toBeLessThan(64);
});

test("TL-21 a message becomes sent in place: the same element, at the same spot", async ({ ana, ops, server }) => {
  await settled(ana, () => ana.open(ops.handle));
  await server.hook("acks", { user_id: ana.account.user_id, mode: "hold" });
  await ana.write("held for now");
  const row = ana.message("held for now");
  await expect(row).toHaveAttribute("data-state", "pending");
  const before = await row.evaluate((element) => {
    Object.assign(element, { same: true });
    const shifts: number[] = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) shifts.push((entry as unknown as { value: number }).value);
    }).observe({ type: "layout-shift" });
    Object.assign(globalThis, { shifts });
    const { top, height } = element.getBoundingClientRect();
    return { top, height };
  });
  await server.hook("acks", { user_id: ana.account.user_id, mode: "pass" });
  await expect(row).toHaveAttribute("data-state", "sent");
  await expect(row).toHaveAttribute("data-seq", /\d+/);
  const after = await row.evaluate((element) => {
    const { top, height } = element.getBoundingClientRect();
    return { same: (element as unknown as { same?: boolean }).same, top, height, shifts: (globalThis as unknown as { shifts: number[] }).shifts };
  });
  expect(after).toEqual({ same: true, ...before, shifts: [] });
});

test("TL-21 a message takes its place by the server's order, not by when it was written", async ({ ana, bo, ops, server }) => {
  await ana.open(ops.handle);
  await server.hook("acks", { user_id: ana.account.user_id, mode: "hold" });
  await ana.write("order: first");
  await bo.open(ops.handle);
  await expect(bo.message("order: first")).toHaveCount(1);
  await bo.write("order: second");
  await expect(bo.message("order: second")).toHaveAttribute("data-state", "sent");
  await server.hook("acks", { user_id: ana.account.user_id, mode: "pass" });
  await expect(ana.message("order: first")).toHaveAttribute("data-state", "sent");
  await expect.poll(() => texts(ana, /^order/)).toEqual(["order: first", "order: second"]);
  await expect.poll(() => texts(bo, /^order/)).toEqual(["order: first", "order: second"]);
});

test("TL-22 the mark of a pending message shows after a second, and a fast answer shows none", async ({ ana, ops, server }) => {
  await settled(ana, () => ana.open(ops.handle));
  await ana.page.evaluate(() => {
    const seen = { marks: 0, at: 0 };
    Object.assign(globalThis, { seen });
    new MutationObserver(() => {
      if (document.querySelector("li .mark.open") === null) return;
      seen.marks++;
      seen.at ||= Date.now();
    }).observe(document, { subtree: true, childList: true });
  });
  const seen = (): Promise<{ marks: number; at: number }> => ana.page.evaluate(() => (globalThis as unknown as { seen: { marks: number; at: number } }).seen);
  for (const text of ["fast one", "fast two", "fast three"]) {
    await ana.write(text);
    await expect(ana.message(text)).toHaveAttribute("data-state", "sent");
  }
  expect((await seen()).marks).toBe(0);
  await server.hook("acks", { user_id: ana.account.user_id, mode: "hold" });
  const from = Date.now();
  await ana.write("slow one");
  await expect(ana.message("slow one").locator(".mark.open")).toBeVisible();
  expect((await seen()).at - from).toBeGreaterThanOrEqual(950);
  await server.hook("acks", { user_id: ana.account.user_id, mode: "pass" });
  await expect(ana.message("slow one").locator(".mark.open")).toHaveCount(0);
  await expect(ana.message("slow one")).toHaveAttribute("data-state", "sent");
});

test("TL-23 no answer in ten seconds is a failure with its reason and what can be done", async ({ ana, bo, ops, server }) => {
  await settled(ana, () => ana.open(ops.handle));
  await server.hook("acks", { user_id: ana.account.user_id, mode: "drop" });
  const from = Date.now();
  await ana.write("into the void");
  const row = ana.message("into the void");
  await expect(row).toHaveAttribute("data-state", "failed", { timeout: 14_000 });
  expect(Date.now() - from).toBeGreaterThan(9_000);
  await expect(row).toContainText("Not sent: the server did not answer in time");
  for (const name of ["Retry", "Edit", "Copy", "Discard"]) await expect(row.getByRole("button", { name, exact: true })).toBeVisible();
  await server.hook("acks", { user_id: ana.account.user_id, mode: "pass" });
  await row.getByRole("button", { name: "Retry" }).click();
  await expect(row).toHaveAttribute("data-state", "sent");
  await bo.open(ops.handle);
  await expect(bo.message("into the void")).toHaveCount(1);
});

test("TL-23 a refusal is a failure; Edit brings the text back, Discard takes it away, Copy copies it", async ({ ana, bo, ops, server }) => {
  await ana.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await ana.open(ops.handle);
  await server.hook("reject", { user_id: ana.account.user_id, code: "posting_restricted", times: 2 });
  await ana.write("not wanted");
  const first = ana.message("not wanted");
  await expect(first).toHaveAttribute("data-state", "failed");
  await expect(first).toContainText("Not sent: only owners and admins may write here");
  await first.getByRole("button", { name: "Copy", exact: true }).click();
  await expect.poll(() => ana.page.evaluate(() => navigator.clipboard.readText())).toBe("not wanted");
  await first.getByRole("button", { name: "Edit", exact: true }).click();
  await expect(ana.composer).toHaveValue("not wanted");
  await expect(ana.composer).toBeFocused();
  await expect(first).toHaveCount(0);
  await ana.write("not wanted either");
  const second = ana.message("not wanted either");
  await expect(second).toHaveAttribute("data-state", "failed");
  await second.getByRole("button", { name: "Discard" }).click();
  await expect(second).toHaveCount(0);
  await ana.write("wanted");
  await expect(ana.message("wanted")).toHaveAttribute("data-state", "sent");
  await bo.open(ops.handle);
  await expect.poll(() => texts(bo, /wanted/)).toEqual(["wanted"]);
});

test("TL-24 while disconnected messages wait, and go in order when the server is back", async ({ ana, bo, ops, server }) => {
  await bo.open(ops.handle);
  await ana.open(ops.handle);
  await server.hook("down", { down: true });
  await expect(ana.page.locator("[data-conn]").first()).not.toHaveAttribute("data-conn", "online");
  for (const n of [1, 2, 3, 4, 5]) await ana.write(`waits ${n}`);
  await expect(ana.message("waits 5").getByText("Will send when you are back")).toBeVisible();
  for (const n of [1, 2, 3, 4, 5]) await expect(ana.message(`waits ${n}`)).toHaveAttribute("data-state", "pending");
  // Longer than a connected client would wait for an answer: still not failed.
  await ana.page.waitForTimeout(11_000);
  for (const n of [1, 2, 3, 4, 5]) await expect(ana.message(`waits ${n}`)).toHaveAttribute("data-state", "pending");
  await server.hook("down", { down: false });
  for (const n of [1, 2, 3, 4, 5]) await expect(ana.message(`waits ${n}`)).toHaveAttribute("data-state", "sent", { timeout: 15_000 });
  const wanted = [1, 2, 3, 4, 5].map((n) => `waits ${n}`);
  expect(await texts(ana, /^waits/)).toEqual(wanted);
  await expect.poll(() => texts(bo, /^waits/), { timeout: 15_000 }).toEqual(wanted);
});

test("TL-25 the answer was lost after the commit: one message for both, in its place", async ({ ana, bo, ops, server }) => {
  await bo.open(ops.handle);
  await ana.open(ops.handle);
  await server.hook("acks", { user_id: ana.account.user_id, mode: "drop" });
  await ana.write("committed once");
  await expect(bo.message("committed once")).toHaveCount(1);
  await bo.write("after it");
  await expect(ana.message("after it")).toHaveCount(1);
  await ana.write("committed as well");
  await server.hook("acks", { user_id: ana.account.user_id, mode: "pass" });
  await server.hook("kick", { user_id: ana.account.user_id });
  await expect(ana.message("committed once")).toHaveAttribute("data-state", "sent");
  await expect(ana.message("committed as well")).toHaveAttribute("data-state", "sent", { timeout: 15_000 });
  const wanted = ["committed once", "after it", "committed as well"];
  await expect.poll(() => texts(ana, /committed|after/)).toEqual(wanted);
  await expect.poll(() => texts(bo, /committed|after/)).toEqual(wanted);
  await ana.page.reload();
  await ana.online();
  await expect.poll(() => texts(ana, /committed|after/)).toEqual(wanted);
  await expect(ana.listed(ops.conversation_id)).not.toContainText("not sent");
});

test("TL-26 Retry five times quickly makes one message", async ({ ana, bo, ops, server }) => {
  await bo.open(ops.handle);
  await ana.open(ops.handle);
  await server.hook("reject", { user_id: ana.account.user_id, code: "forbidden", times: 1 });
  await ana.write("only once");
  const row = ana.message("only once");
  await expect(row).toHaveAttribute("data-state", "failed");
  await row.getByRole("button", { name: "Retry" }).evaluate((button: HTMLButtonElement) => {
    for (let n = 0; n < 5; n++) button.click();
  });
  await expect(row).toHaveAttribute("data-state", "sent");
  await ana.write("the end");
  await expect(bo.message("the end")).toHaveCount(1);
  expect(await texts(bo, /only once/)).toEqual(["only once"]);
  expect(await texts(ana, /only once/)).toEqual(["only once"]);
});

test("TL-27 what is refused for good blocks nothing after it, here or elsewhere", async ({ ana, bo, ops, server }) => {
  const other = await server.conversation("channel", [ana.account, bo.account], "Other");
  await bo.open(ops.handle);
  await ana.open(ops.handle);
  await server.hook("down", { down: true });
  await expect(ana.page.locator("[data-conn]").first()).not.toHaveAttribute("data-conn", "online");
  await ana.write("refused");
  await ana.write("goes through");
  await server.hook("reject", { user_id: ana.account.user_id, code: "too_large", params: { limit: 16384 }, times: 1 });
  await server.hook("down", { down: false });
  await expect(ana.message("refused")).toHaveAttribute("data-state", "failed", { timeout: 15_000 });
  await expect(ana.message("refused")).toContainText("too long; the limit is 16,384 bytes");
  await expect(ana.message("goes through")).toHaveAttribute("data-state", "sent");
  await expect(bo.message("goes through")).toHaveCount(1);
  await ana.open(other.handle!);
  await ana.write("elsewhere");
  await expect(ana.message("elsewhere")).toHaveAttribute("data-state", "sent");
});

test("TL-28 three pending messages survive a reload, in order, and are sent", async ({ ana, bo, ops, server }) => {
  await bo.open(ops.handle);
  await ana.open(ops.handle);
  // What is painted before the network answers is kept a moment after the conversation was opened.
  await expect.poll(() => ana.page.evaluate(cachedConversations)).toContain(ops.conversation_id);
  await server.hook("down", { down: true });
  await expect(ana.page.locator("[data-conn]").first()).not.toHaveAttribute("data-conn", "online");
  for (const n of [1, 2, 3]) await ana.write(`kept ${n}`);
  await expect(ana.message("kept 3")).toHaveAttribute("data-state", "pending");
  await ana.page.reload();
  await expect.poll(() => texts(ana, /^kept/)).toEqual(["kept 1", "kept 2", "kept 3"]);
  for (const n of [1, 2, 3]) await expect(ana.message(`kept ${n}`)).toHaveAttribute("data-state", "pending");
  await server.hook("down", { down: false });
  for (const n of [1, 2, 3]) await expect(ana.message(`kept ${n}`)).toHaveAttribute("data-state", "sent", { timeout: 20_000 });
  expect(await texts(ana, /^kept/)).toEqual(["kept 1", "kept 2", "kept 3"]);
  await expect.poll(() => texts(bo, /^kept/), { timeout: 15_000 }).toEqual(["kept 1", "kept 2", "kept 3"]);
});

test("TL-28 a message whose answer was lost survives a reload as one message", async ({ ana, bo, ops, server }) => {
  await bo.open(ops.handle);
  await ana.open(ops.handle);
  await server.hook("acks", { user_id: ana.account.user_id, mode: "drop" });
  await ana.write("survives 1");
  await expect(bo.message("survives 1")).toHaveCount(1);
  await ana.write("survives 2");
  await server.hook("acks", { user_id: ana.account.user_id, mode: "pass" });
  await ana.page.reload();
  for (const n of [1, 2]) await expect(ana.message(`survives ${n}`)).toHaveAttribute("data-state", "sent");
  expect(await texts(ana, /^survives/)).toEqual(["survives 1", "survives 2"]);
  await expect.poll(() => texts(bo, /^survives/)).toEqual(["survives 1", "survives 2"]);
});

test("TL-29 every reason has its own words", async ({ ana, ops, server }) => {
  await ana.open(ops.handle);
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ["too_large", { params: { limit: 16384 } }, /Not sent: too long; the limit is 16,384 bytes/],
    ["posting_restricted", {}, /Not sent: only owners and admins may write here/],
    ["not_found", {}, /Not sent: .*no longer in it/],
    ["archived", {}, /Not sent: this conversation is archived/],
    ["blocked", {}, /Not sent: one of you has blocked the other/],
  ];
  for (const [code, more, words] of cases) {
    await server.hook("reject", { user_id: ana.account.user_id, code, times: 1, ...more });
    await ana.write(`refused as ${code}`);
    await expect(ana.message(`refused as ${code}`)).toContainText(words);
  }
  await server.hook("reject", { user_id: ana.account.user_id, code: "rate_limited", retry_after_ms: 3_000, times: 1 });
  await ana.write("refused for a while");
  await expect(ana.message("refused for a while")).toContainText(/too fast; sending again in [123] seconds?/);
  await expect(ana.message("refused for a while")).toHaveAttribute("data-state", "sent");
});

test("TL-30 what one device sends appears on the other as mine, within a second and never unread", async ({ ana, bo, ops, server, signIn }) => {
  const phone = await signIn(ana.account);
  const other = await server.conversation("channel", [ana.account, bo.account], "Other");
  await phone.open(other.handle!);
  await ana.open(ops.handle);
  await phone.page.evaluate(() => {
    Object.assign(globalThis, { unreadSeen: 0 });
    new MutationObserver(() => {
      if (document.querySelector('[data-testid^="conv-"] .badge') !== null) Object.assign(globalThis, { unreadSeen: 1 });
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  await ana.write("from the desk");
  await expect(phone.listed(ops.conversation_id)).toContainText("from the desk", { timeout: 1_000 });
  await phone.listed(ops.conversation_id).click();
  await expect(phone.message("from the desk").locator(".author")).toContainText("Ana Reyes");
  const from = Date.now();
  await ana.write("and once more");
  await expect(phone.message("and once more")).toBeVisible();
  expect(Date.now() - from).toBeLessThan(1_000);
  await expect(phone.page.getByTestId("unread-divider")).toHaveCount(0);
  expect(await phone.page.evaluate(() => (globalThis as unknown as { unreadSeen: number }).unreadSeen)).toBe(0);
  // Nobody else's message ever shows a badge here; so the check above can fail.
  await phone.open(other.handle!);
  await bo.open(ops.handle);
  await bo.write("by somebody else");
  await expect(phone.listed(ops.conversation_id)).toHaveAccessibleName(/unread/);
});
