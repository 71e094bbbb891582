import { expect, test } from "./fixtures.ts";
for (const many of [0, 500]) for (const traffic of [false, true]) test(`debug ${many} ${traffic}`, async ({ ana, bo, ops, server }) => {
  test.setTimeout(120_000);
  for (let n = 0; n < many; n += 10) await Promise.all(Array.from({ length: 10 }, () => server.conversation("group", [ana.account, bo.account], `Group ${n}`)));
  await ana.open(ops.handle);
  await ana.page.waitForTimeout(1500);
  await ana.page.evaluate(() => {
    const durations: number[][] = [];
    Object.assign(window, { durations });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as PerformanceEventTiming[]) durations.push([entry.duration, entry.processingStart - entry.startTime, entry.processingEnd - entry.processingStart]);
    }).observe({ type: "event", durationThreshold: 16 } as PerformanceObserverInit);
  });
  let on = traffic, sent = 0;
  const flow = (async () => { while (on) { const s = Date.now(); await server.write(bo.account, ops.conversation_id, `Traffic ${sent++} of some words`).catch(() => undefined); await new Promise((w) => setTimeout(w, Math.max(0, 50 - (Date.now() - s)))); } })();
  const dt = await ana.context.newCDPSession(ana.page);
  await dt.send("Performance.enable");
  const m = async () => Object.fromEntries((await dt.send("Performance.getMetrics")).metrics.map((x) => [x.name, x.value]));
  const a = await m();
  await ana.composer.focus();
  const t0 = Date.now();
  await ana.page.keyboard.type("The quick brown fox jumps over the lazy dog, and then. ".repeat(2), { delay: 25 });
  const el = Date.now() - t0;
  const b = await m(); on = false; await flow;
  const d = (await ana.page.evaluate(() => (window as any).durations)) as number[][];
  const p = (i: number, q: number) => { const s = d.map((x) => x[i]!).sort((x, y) => x - y); return s[Math.floor(s.length * q)]?.toFixed(1); };
  console.log(many, traffic, "n", d.length, "elapsed", el, "dur p50/p95", p(0, .5), p(0, .95), "delay", p(1, .5), p(1, .95), "proc", p(2, .5), p(2, .95), ["ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration", "LayoutCount"].map((k) => k + "=" + (b[k]! - a[k]!).toFixed(2)).join(" "));
});
