// What is read does not move: not by history that is loaded, not by news, edits, reactions, a resize or a panel.
import { expect, test, type Person } from "./fixtures.ts";

interface Place {
  seq: number;
  top: number;
}

/** The first row that is on screen, and where; or where a given row is. */
async function place(person: Person, seq?: number): Promise<Place> {
  return person.viewport.evaluate((viewport, wanted) => {
    const top = viewport.getBoundingClientRect().top;
    const rows = [...viewport.querySelectorAll<HTMLElement>("li[data-seq]:not(.away)")];
    const row = wanted === undefined ? rows.find((one) => one.getBoundingClientRect().bottom > top + 1) : rows.find((one) => one.dataset["seq"] === String(wanted));
    return { seq: Number(row?.dataset["seq"] ?? 0), top: (row?.getBoundingClientRect().top ?? NaN) - top };
  }, seq);
}

async function stays(person: Person, before: Place): Promise<void> {
  const after = await place(person, before.seq);
  expect(Math.abs(after.top - before.top), `row ${before.seq} was at ${before.top}, is at ${after.top}`).toBeLessThanOrEqual(1);
}

async function atBottom(person: Person): Promise<number> {
  return person.viewport.evaluate((viewport) => viewport.scrollHeight - viewport.scrollTop - viewport.clientHeight);
}

/** Scrolls up so far and waits until it is still. */
async function up(person: Person, px: number): Promise<void> {
  const box = (await person.viewport.boundingBox())!;
  await person.page.mouse.move(box.x + box.width - 200, box.y + box.height / 2);
  await person.page.mouse.wheel(0, -px);
  await still(person);
}

async function still(person: Person): Promise<void> {
  await person.viewport.evaluate(async (viewport) => {
    const frame = (): Promise<number> => new Promise((next) => requestAnimationFrame(next));
    let last = NaN;
    for (let same = 0; same < 12; ) {
      await frame();
      same = viewport.scrollTop === last && viewport.childElementCount > 0 ? same + 1 : 0;
      last = viewport.scrollTop;
    }
  });
}

/** Follows a row through every frame: the largest jump of its top that no scrolling explains. */
async function follow(person: Person, move: () => Promise<void>): Promise<number> {
  await person.viewport.evaluate((viewport) => {
    const watch = { jump: 0, on: true, prepends: 0 };
    Object.assign(globalThis, { watch });
    const list = viewport.querySelector("ul")!;
    let first = list.querySelector<HTMLElement>("li[data-seq]")?.dataset["seq"];
    new MutationObserver(() => {
      // In the same task as the change, before it is painted: after the change the anchor stands where it stood.
      const now = list.querySelector<HTMLElement>("li[data-seq]")?.dataset["seq"];
      if (Number(now) < Number(first)) watch.prepends++;
      first = now;
    }).observe(list, { childList: true });
    let row: Element | undefined;
    let top = 0;
    const frame = (): void => {
      if (!watch.on) return;
      // Nobody scrolls while this watches: a row may only stand still.
      if (row?.isConnected === true) watch.jump = Math.max(watch.jump, Math.abs(row.getBoundingClientRect().top - top));
      const edge = viewport.getBoundingClientRect().top;
      row = [...list.querySelectorAll("li[data-seq]")].find((one) => one.getBoundingClientRect().bottom > edge + 1);
      top = row?.getBoundingClientRect().top ?? 0;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  await move();
  return person.page.evaluate(() => {
    const { watch } = globalThis as unknown as { watch: { jump: number; on: boolean } };
    watch.on = false;
    return watch.jump;
  });
}

test("TL-03 a page of history that comes late moves the row at the top by no pixel", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 600, [ana.account]);
  await ana.open(ops.handle);
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let asked = 0;
  await ana.page.route(/messages\?.*before=/, async (route) => {
    asked++;
    await held;
    await route.continue();
  });
  for (let tries = 0; tries < 30 && (await ana.viewport.evaluate((viewport) => viewport.scrollTop)) > 0; tries++) await up(ana, 1_500);
  expect(asked).toBeGreaterThan(0);
  const first = await ana.viewport.locator("li[data-seq]").first().getAttribute("data-seq");
  const before = await place(ana);
  const jump = await follow(ana, async () => {
    release();
    await expect.poll(async () => Number(await ana.viewport.locator("li[data-seq]").first().getAttribute("data-seq"))).toBeLessThan(Number(first));
    await still(ana);
  });
  expect(jump).toBeLessThanOrEqual(1);
  await stays(ana, before);
});

test("TL-03 by the keyboard as well: the focused row stays where it is while history is loaded", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 400, [ana.account]);
  await ana.open(ops.handle);
  await ana.composer.press("Escape");
  for (let n = 0; n < 150; n++) {
    await ana.page.keyboard.press("ArrowUp");
  }
  await still(ana);
  const focused = ana.viewport.locator("li:focus");
  await expect(focused).toBeInViewport();
  const seq = Number(await focused.getAttribute("data-seq"));
  expect(seq).toBeLessThan(280);
  const before = await place(ana, seq);
  const jump = await follow(ana, async () => {
    await ana.api("GET", `conversations/${ops.conversation_id}/messages?limit=1`);
    await still(ana);
  });
  expect(jump).toBeLessThanOrEqual(1);
  await stays(ana, before);
});

test("TL-04 an edit, a reaction, a deletion above the screen move nothing that is read", async ({ ana, ops, server, signIn }) => {
  await server.fill(ops.conversation_id, 120, [ana.account]);
  const { seq } = await server.write(ana.account, ops.conversation_id, "one line");
  const other = await server.write(ana.account, ops.conversation_id, "another line");
  await server.fill(ops.conversation_id, 80, [ana.account], "something below");
  const desk = await signIn(ana.account);
  await ana.open(`${ops.handle}/${other.seq}`);
  await expect(ana.row(other.seq)).toBeInViewport();
  await ana.viewport.evaluate((viewport, of) => {
    const row = viewport.querySelector(`[data-seq="${of}"]`)!;
    viewport.scrollTop += row.getBoundingClientRect().bottom - viewport.getBoundingClientRect().top + 40;
  }, other.seq);
  await still(ana);
  const before = await place(ana);
  expect(before.seq).toBeGreaterThan(other.seq);
  await expect(ana.row(seq)).toBeAttached();
  const jump = await follow(ana, async () => {
    await desk.api("POST", `conversations/${ops.conversation_id}/messages/${seq}/reactions`, { client_id: crypto.randomUUID(), emoji: "👍", action: "add" });
    await expect(ana.row(seq).getByRole("button", { name: /👍/ })).toHaveCount(1);
    await desk.api("PATCH", `conversations/${ops.conversation_id}/messages/${other.seq}`, { client_id: crypto.randomUUID(), content: "another line\n".repeat(9), version: {}, edited_at: new Date().toISOString() });
    await expect(ana.row(other.seq)).toContainText("edited");
    await desk.api("DELETE", `conversations/${ops.conversation_id}/messages/${seq}`);
    await expect(ana.row(seq)).toHaveAttribute("data-state", "deleted");
    await still(ana);
  });
  expect(jump).toBeLessThanOrEqual(1);
  await stays(ana, before);
});

test("TL-05 at the bottom a new message keeps the bottom; elsewhere nothing moves and the count goes up", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 200, [ana.account]);
  await ana.open(ops.handle);
  await bo.open(ops.handle);
  await expect.poll(() => atBottom(ana)).toBeLessThanOrEqual(1);
  await bo.write("pinned one\ntwo\nthree");
  await expect(ana.message("pinned one")).toBeInViewport();
  expect(await atBottom(ana)).toBeLessThanOrEqual(1);
  await ana.viewport.evaluate((viewport) => (viewport.scrollTop -= 20));
  await still(ana);
  await bo.write("still pinned");
  await expect(ana.message("still pinned")).toBeInViewport();
  await expect.poll(() => atBottom(ana)).toBeLessThanOrEqual(1);
  await up(ana, 700);
  const before = await place(ana);
  const jump = await follow(ana, async () => {
    for (const n of [1, 2, 3]) {
      await bo.write(`unseen ${n}`);
      await expect(ana.page.getByRole("button", { name: `${n} new` })).toBeVisible();
    }
    await still(ana);
  });
  expect(jump).toBeLessThanOrEqual(1);
  await stays(ana, before);
  await ana.page.getByRole("button", { name: "3 new" }).click();
  await expect(ana.message("unseen 3")).toBeInViewport();
  await expect(ana.page.getByRole("button", { name: /new ↓|Jump to latest/ })).toHaveCount(0);
});

test("TL-06 a resize, a panel and a growing composer keep the bottom, or the row that is read", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 200, [ana.account]);
  await ana.open(ops.handle);
  const turns: (() => Promise<void>)[] = [
    () => ana.page.setViewportSize({ width: 1180, height: 700 }),
    () => ana.page.setViewportSize({ width: 700, height: 1180 }),
    () => ana.page.setViewportSize({ width: 1440, height: 900 }),
    () => ana.composer.fill("one\ntwo\nthree\nfour\nfive\nsix"),
    () => ana.composer.fill(""),
    async () => {
      await ana.viewport.locator("li[data-seq]").last().focus();
      await ana.page.keyboard.press("t");
      await expect(ana.page.getByRole("complementary")).toBeVisible();
    },
  ];
  for (const turn of turns) {
    await turn();
    await still(ana);
    expect(await atBottom(ana), turn.toString()).toBeLessThanOrEqual(1);
  }
  await ana.page.goto(`/c/${ops.handle}`);
  await ana.online();
  await up(ana, 1_200);
  for (const turn of turns.slice(0, 5)) {
    const before = await place(ana);
    await turn();
    await still(ana);
    await stays(ana, before);
  }
});

test("TL-07 coming back without news leads to the same row at the same place", async ({ ana, bo, ops, server }) => {
  const other = await server.conversation("channel", [ana.account, bo.account], "Other");
  await server.fill(ops.conversation_id, 300, [ana.account]);
  await ana.open(ops.handle);
  await up(ana, 2_000);
  const before = await place(ana);
  await ana.listed(other.conversation_id).click();
  await expect(ana.page).toHaveURL(new RegExp(`/c/${other.handle}$`));
  await expect(ana.viewport.locator("li[data-seq]").first()).toBeVisible();
  await ana.listed(ops.conversation_id).click();
  await expect.poll(async () => (await place(ana)).seq).toBe(before.seq);
  await still(ana);
  await stays(ana, before);
});

test("TL-08 a selection survives arriving messages and scrolling away", async ({ ana, bo, ops, server }) => {
  await server.fill(ops.conversation_id, 400, [ana.account]);
  const { seq } = await server.write(ana.account, ops.conversation_id, "this is what somebody selects");
  await ana.open(ops.handle);
  await ana.row(seq).locator(".text").evaluate((text) => getSelection()!.selectAllChildren(text));
  const selected = (): Promise<string> => ana.page.evaluate(() => getSelection()!.toString().trim());
  expect(await selected()).toBe("this is what somebody selects");
  await bo.open(ops.handle);
  for (let n = 0; n < 3; n++) await bo.write(`arriving ${n}`);
  await expect(ana.message("arriving 2")).toHaveCount(1);
  expect(await selected()).toBe("this is what somebody selects");
  for (let n = 0; n < 5; n++) await up(ana, 3_000);
  await expect.poll(async () => (await place(ana)).seq).toBeLessThan(seq - 60);
  expect(await selected()).toBe("this is what somebody selects");
  await expect(ana.row(seq)).toBeAttached();
  expect(await ana.viewport.locator("li[data-seq]").count()).toBeLessThanOrEqual(120);
});
