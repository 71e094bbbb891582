// The promise of unread: where a conversation opens, what the divider says, and what is marked read when.
import { expect, test, type Person } from "./fixtures.ts";

interface State {
  read_seq: number;
  read_generation: number;
  last_seq: number;
  unread: number;
  mentions: number;
}

function state(person: Person, conversation_id: string): Promise<State> {
  return person.api<State>("GET", `conversations/${conversation_id}`);
}

/** Sets a preference of this device before the app starts. */
async function prefer(person: Person, prefs: Record<string, unknown>): Promise<void> {
  await person.page.addInitScript((given) => localStorage.setItem("stonechat/prefs", JSON.stringify(given)), prefs);
}

/** Where the divider stands, as a share of the viewport's height. */
async function dividerAt(person: Person): Promise<number> {
  return person.viewport.evaluate((viewport) => {
    const frame = viewport.getBoundingClientRect();
    const box = viewport.querySelector('[data-testid="unread-divider"]')?.parentElement?.getBoundingClientRect();
    return box === undefined ? NaN : (box.top - frame.top) / frame.height;
  });
}

/** The last row of which at least half is on screen. */
async function lastSeen(person: Person): Promise<number> {
  return person.viewport.evaluate((viewport) => {
    const frame = viewport.getBoundingClientRect();
    const rows = [...viewport.querySelectorAll<HTMLElement>("li[data-seq]")].filter((row) => {
      const box = row.getBoundingClientRect();
      return Math.min(box.bottom, frame.bottom) - Math.max(box.top, frame.top) >= box.height / 2;
    });
    return Number(rows.at(-1)?.dataset["seq"] ?? 0);
  });
}

const LONG = "Rolling out to eu-1.\nError rate is flat.\nNothing to see so far.";

test("TL-10 TL-11 it opens at the first unread, a quarter down, with what was before it", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 60, [ana.account], LONG);
  await server.fill(ops.conversation_id, 37, [bo.account], LONG);
  await ana.open(ops.handle);
  const divider = ana.page.getByTestId("unread-divider");
  await expect(divider).toBeInViewport();
  await expect.poll(() => dividerAt(ana)).toBeGreaterThanOrEqual(0.2);
  expect(await dividerAt(ana)).toBeLessThanOrEqual(0.3);
  await expect(ana.page.getByRole("separator", { name: /^New · \d\d:\d\d · 37 messages$/ })).toBeVisible();
  await expect(divider).toHaveText(/^New · \d\d:\d\d · 37 messages$/);
  const first = await ana.viewport.evaluate((viewport) => {
    const divider = viewport.querySelector('[data-testid="unread-divider"]')!.closest("li")!;
    const seqOf = (element: Element | null): number => Number((element as HTMLElement | null)?.dataset["seq"] ?? 0);
    return { before: seqOf(divider.previousElementSibling), after: seqOf(divider.nextElementSibling) };
  });
  const { last_seq } = await state(ana, ops.conversation_id);
  expect(first).toEqual({ before: last_seq - 37, after: last_seq - 36 });
  await expect(ana.row(first.before)).toBeInViewport();
});

test("TL-12 the divider stays where it is while one reads, until Esc or until one leaves", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 60, [ana.account], LONG);
  await server.fill(ops.conversation_id, 5, [bo.account], LONG);
  const other = await server.conversation("channel", [ana.account, bo.account], "Other");
  await ana.open(ops.handle);
  const divider = ana.page.getByTestId("unread-divider");
  const after = (): Promise<string | null> => divider.evaluate((element) => element.closest("li")!.nextElementSibling!.getAttribute("data-seq"));
  const first = await after();
  await expect.poll(async () => (await state(ana, ops.conversation_id)).unread).toBe(0);
  await bo.open(ops.handle);
  await bo.write("one more");
  await expect(ana.message("one more")).toHaveCount(1);
  await expect.poll(async () => (await state(ana, ops.conversation_id)).unread).toBe(0);
  expect(await after()).toBe(first);
  await expect(divider).toHaveText(/5 messages/);
  await ana.listed(other.conversation_id).click();
  await expect(ana.page).toHaveURL(new RegExp(other.handle!));
  await ana.listed(ops.conversation_id).click();
  await expect(ana.message("one more")).toBeVisible();
  await expect(divider).toHaveCount(0);
  // And by Esc.
  await ana.listed(other.conversation_id).click();
  await expect(ana.page).toHaveURL(new RegExp(other.handle!));
  await server.fill(ops.conversation_id, 3, [bo.account], "while away");
  await expect(ana.listed(ops.conversation_id).getByTestId("badge")).toHaveText("3");
  await ana.listed(ops.conversation_id).click();
  await expect(divider).toBeVisible();
  await ana.viewport.locator("li[data-seq]").last().focus();
  await ana.page.keyboard.press("Escape");
  await expect(divider).toHaveCount(0);
});

test("TL-13 TL-14 First unread is offered at once when it is above, and leads exactly to it, 5,000 messages up", async ({ ana, bo, ops, server }) => {
  await prefer(ana, { read_mode: "when_i_say" });
  await server.fill(ops.conversation_id, 60, [ana.account], LONG);
  await server.fill(ops.conversation_id, 5_000, [bo.account]);
  await ana.open(ops.handle);
  const divider = ana.page.getByTestId("unread-divider");
  const button = ana.page.getByRole("button", { name: "First unread (5000)" }).or(ana.page.getByRole("button", { name: "First unread (5,000)" }));
  await expect(divider).toBeInViewport();
  await expect(button).toHaveCount(0);
  const first = await divider.evaluate((element) => element.closest("li")!.nextElementSibling!.getAttribute("data-seq"));
  const { last_seq } = await state(ana, ops.conversation_id);
  await ana.page.getByRole("button", { name: /Jump to latest/ }).click();
  await expect(ana.row(last_seq)).toBeInViewport();
  await expect(divider).toHaveCount(0);
  await expect(button).toBeVisible();
  await button.click();
  await expect(divider).toBeInViewport();
  expect(await divider.evaluate((element) => element.closest("li")!.nextElementSibling!.getAttribute("data-seq"))).toBe(first);
  expect(await dividerAt(ana)).toBeGreaterThanOrEqual(0.2);
  expect(await dividerAt(ana)).toBeLessThanOrEqual(0.3);
  await expect(ana.row(Number(first))).toBeFocused();
  await expect(button).toHaveCount(0);
});

test("TL-15 Jump to latest lands on the newest message from any depth, soon", async ({ ana, ops, server }) => {
  const last = await server.fill(ops.conversation_id, 20_000, [ana.account]);
  await ana.open(ops.handle);
  const took: number[] = [];
  for (const seq of [5, 7_000, 19_800]) {
    await ana.open(`${ops.handle}/${seq}`);
    await expect(ana.row(seq)).toBeInViewport();
    const button = ana.page.getByRole("button", { name: /Jump to latest/ });
    await expect(button).toBeVisible();
    took.push(
      await button.evaluate(async (element: HTMLElement, wanted) => {
        const from = performance.now();
        element.click();
        for (;;) {
          await new Promise((next) => requestAnimationFrame(next));
          const box = document.querySelector(`[data-seq="${wanted}"]`)?.getBoundingClientRect();
          if (box !== undefined && box.bottom <= innerHeight && box.top >= 0) return performance.now() - from;
          if (performance.now() - from > 5_000) return Infinity;
        }
      }, last),
    );
    await expect(ana.row(last)).toBeInViewport();
  }
  console.log(`TL-15 jump to latest: ${took.map((one) => `${one.toFixed(0)} ms`).join(", ")} (budget 300)`);
  expect(Math.min(...took)).toBeLessThan(300);
  expect(Math.max(...took)).toBeLessThan(600);
});

test("TL-16 read is what was half on screen for half a second, in a window that is looked at", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 60, [ana.account], LONG);
  const { last_seq: before } = await state(ana, ops.conversation_id);
  await server.fill(ops.conversation_id, 100, [bo.account], LONG);
  const start = await state(ana, ops.conversation_id);
  expect(start.unread).toBe(100);
  await ana.page.addInitScript(() => {
    Object.assign(globalThis, { looking: false });
    document.hasFocus = () => (globalThis as unknown as { looking: boolean }).looking;
  });
  await ana.open(ops.handle);
  await expect(ana.page.getByTestId("unread-divider")).toBeInViewport();
  // Nobody looks: nothing is read, however long it lasts.
  await ana.page.waitForTimeout(1_500);
  expect((await state(ana, ops.conversation_id)).read_seq).toBe(start.read_seq);
  await ana.page.evaluate(() => {
    Object.assign(globalThis, { looking: true });
    dispatchEvent(new Event("focus"));
  });
  await ana.page.waitForTimeout(250);
  expect((await state(ana, ops.conversation_id)).read_seq).toBe(start.read_seq);
  await expect.poll(async () => (await state(ana, ops.conversation_id)).read_seq).toBe(await lastSeen(ana));
  const seen = await state(ana, ops.conversation_id);
  expect(seen.read_seq).toBeGreaterThan(before);
  expect(seen.unread).toBeGreaterThan(50);
  await ana.viewport.evaluate((viewport) => (viewport.scrollTop += 500));
  await expect.poll(async () => (await state(ana, ops.conversation_id)).read_seq).toBeGreaterThan(seen.read_seq);
  await expect.poll(async () => (await state(ana, ops.conversation_id)).read_seq).toBe(await lastSeen(ana));
  // A tab in the background marks nothing.
  await ana.page.evaluate(() => Object.defineProperty(document, "visibilityState", { get: () => "hidden", configurable: true }));
  const { read_seq } = await state(ana, ops.conversation_id);
  await ana.viewport.evaluate((viewport) => (viewport.scrollTop += 500));
  await ana.page.waitForTimeout(1_200);
  expect((await state(ana, ops.conversation_id)).read_seq).toBe(read_seq);
});

test("TL-17 only when I say: nothing is read but by Esc or by sending", async ({ ana, bo, ops, server }) => {
  await prefer(ana, { read_mode: "when_i_say" });
  await server.fill(ops.conversation_id, 4, [bo.account], LONG);
  const before = await state(ana, ops.conversation_id);
  expect(before.unread).toBe(4);
  await ana.open(ops.handle);
  await expect(ana.row(before.last_seq)).toBeInViewport();
  await ana.page.waitForTimeout(1_500);
  expect((await state(ana, ops.conversation_id)).unread).toBe(4);
  await ana.viewport.locator("li[data-seq]").last().focus();
  await ana.page.keyboard.press("Escape");
  await expect.poll(async () => (await state(ana, ops.conversation_id)).unread).toBe(0);
  await bo.open(ops.handle);
  await bo.write("to be answered");
  await expect(ana.message("to be answered")).toBeVisible();
  await ana.page.waitForTimeout(1_200);
  expect((await state(ana, ops.conversation_id)).unread).toBe(1);
  await ana.write("the answer");
  await expect.poll(async () => (await state(ana, ops.conversation_id)).unread).toBe(0);
});

test("TL-17 when I open: all of it is read at once", async ({ ana, bo, ops, server }) => {
  await prefer(ana, { read_mode: "when_i_open" });
  await server.fill(ops.conversation_id, 300, [bo.account], LONG);
  expect((await state(ana, ops.conversation_id)).unread).toBe(300);
  await ana.open(ops.handle);
  await expect(ana.page.getByTestId("unread-divider")).toBeInViewport();
  await expect.poll(async () => (await state(ana, ops.conversation_id)).unread).toBe(0);
});

test("TL-18 the cursor moves forward only, but for u on a message, which lasts and reaches other devices", async ({ ana, bo, ops, server, signIn }) => {
  const other = await server.conversation("channel", [ana.account, bo.account], "Other");
  await server.fill(ops.conversation_id, 60, [bo.account], LONG);
  const phone = await signIn(ana.account);
  await phone.open(other.handle!);
  await ana.open(ops.handle);
  await ana.page.getByRole("button", { name: /Jump to latest/ }).click();
  await expect.poll(async () => (await state(ana, ops.conversation_id)).unread).toBe(0);
  const read = await state(ana, ops.conversation_id);
  // Scrolling back reads nothing again.
  await ana.viewport.evaluate((viewport) => (viewport.scrollTop -= 1_500));
  await ana.page.waitForTimeout(1_200);
  expect((await state(ana, ops.conversation_id)).read_seq).toBe(read.read_seq);
  await ana.page.getByRole("button", { name: /Jump to latest/ }).click();
  const row = ana.row(read.last_seq - 1);
  await row.focus();
  await ana.page.keyboard.press("u");
  await expect.poll(async () => (await state(ana, ops.conversation_id)).unread).toBe(2);
  await expect(phone.listed(ops.conversation_id).getByTestId("badge")).toHaveText("2");
  // It is still on screen, and stays unread.
  await ana.viewport.evaluate((viewport) => (viewport.scrollTop -= 60));
  await ana.page.waitForTimeout(1_500);
  expect((await state(ana, ops.conversation_id)).unread).toBe(2);
  await ana.page.goto(`${server.url}/c/${other.handle!}`);
  await ana.online();
  await expect(ana.listed(ops.conversation_id).getByTestId("badge")).toHaveText("2");
  await ana.listed(ops.conversation_id).click();
  await expect(ana.page.getByRole("separator", { name: /2 messages/ })).toBeVisible();
});

test("TL-19 an edit, a reaction, a deletion make nothing unread; an edit that mentions me counts as a mention only", async ({ ana, bo, ops, server }) => {
  const other = await server.conversation("channel", [ana.account, bo.account], "Other");
  const first = await server.write(bo.account, ops.conversation_id, "first");
  const second = await server.write(bo.account, ops.conversation_id, "second");
  const third = await server.write(bo.account, ops.conversation_id, "third");
  await ana.api("PUT", `conversations/${ops.conversation_id}/read`, { read_generation: 0, read_seq: third.seq });
  await ana.open(other.handle!);
  await expect(ana.listed(ops.conversation_id)).toContainText("third");
  const path = `conversations/${ops.conversation_id}/messages`;
  const edit = (seq: number, content: string): Promise<unknown> => bo.api("PATCH", `${path}/${seq}`, { client_id: crypto.randomUUID(), content, version: {}, edited_at: new Date().toISOString() });
  await edit(third.seq, "third, edited");
  await bo.api("POST", `${path}/${first.seq}/reactions`, { client_id: crypto.randomUUID(), emoji: "👍", action: "add" });
  await bo.api("DELETE", `${path}/${first.seq}`);
  await expect(ana.listed(ops.conversation_id)).toContainText("third, edited");
  expect((await state(ana, ops.conversation_id)).unread).toBe(0);
  await expect(ana.listed(ops.conversation_id).getByTestId("badge")).toHaveCount(0);
  await edit(second.seq, `second @${ana.account.handle}`);
  await expect.poll(async () => (await state(ana, ops.conversation_id)).mentions).toBe(1);
  await expect(ana.listed(ops.conversation_id).getByTestId("badge")).toHaveText("1");
  expect((await state(ana, ops.conversation_id)).unread).toBe(0);
});

test("TL-10 what came while the app was closed is at the divider, though the last screen is painted first", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 60, [ana.account], LONG);
  await ana.open(ops.handle);
  await expect(ana.listed(ops.conversation_id)).toBeVisible();
  await ana.page.waitForTimeout(1_500);
  await ana.page.goto("about:blank");
  await server.fill(ops.conversation_id, 37, [bo.account], LONG);
  await ana.open(ops.handle);
  await expect(ana.page.getByRole("separator", { name: /37 messages/ })).toBeInViewport();
  await expect.poll(() => dividerAt(ana)).toBeGreaterThanOrEqual(0.2);
  expect(await dividerAt(ana)).toBeLessThanOrEqual(0.3);
});
