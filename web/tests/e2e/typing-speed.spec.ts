// A key press is answered at once, whatever else goes on.
import { expect, test } from "./fixtures.ts";

test("PF-08 keystroke to paint with 500 conversations and 20 messages/s arriving, nothing dropped", async ({ ana, bo, ops, server }) => {
  test.setTimeout(120_000);
  for (let n = 0; n < 500; n += 10) await Promise.all(Array.from({ length: 10 }, () => server.conversation("group", [ana.account, bo.account], `Group ${n}`)));
  await ana.open(ops.handle);
  await expect(ana.page.locator('[data-testid^="conv-"]').nth(20)).toBeAttached();
  await ana.page.evaluate(() => {
    const durations: number[] = [];
    Object.assign(window, { durations });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (entry.name === "keydown") durations.push(entry.duration);
    }).observe({ type: "event", durationThreshold: 16 } as PerformanceObserverInit);
  });
  let on = true;
  let sent = 0;
  const traffic = (async () => {
    while (on) {
      const since = Date.now();
      await server.write(bo.account, ops.conversation_id, `Traffic ${sent++} of some words`).catch(() => undefined);
      await new Promise((wake) => setTimeout(wake, Math.max(0, 50 - (Date.now() - since))));
    }
  })();
  const text = "The quick brown fox jumps over the lazy dog, and then it does so again. ".repeat(4);
  await ana.composer.focus();
  const since = Date.now();
  await ana.page.keyboard.type(text, { delay: 25 });
  const rate = (sent * 1_000) / (Date.now() - since);
  on = false;
  await traffic;
  await expect(ana.composer).toHaveValue(text);
  await expect(ana.message(`Traffic ${sent - 1} `)).toHaveCount(1);
  const slow = await ana.page.evaluate(() => (window as unknown as { durations: number[] }).durations);
  // Those below 16 ms are not reported at all.
  const all = [...new Array<number>(Math.max(0, text.length - slow.length)).fill(8), ...slow].sort((a, b) => a - b);
  const p95 = all[Math.floor(all.length * 0.95)]!;
  console.log(`PF-08 keystroke to paint p95: ${p95} ms (16), ${slow.length} of ${text.length} at 16 ms and more, ${rate.toFixed(0)} messages/s, longest ${all.at(-1)} ms`);
  expect(sent).toBeGreaterThan(20);
  expect(p95).toBeLessThanOrEqual(16 * 2);
});
