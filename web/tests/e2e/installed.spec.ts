// An installed app: what it takes to install it, and starting without the network.
import { expect, test } from "./fixtures.ts";

test("MO-07 the manifest names icons, a maskable one and shortcuts, and its files are there", async ({ server }) => {
  const manifest = (await (await fetch(`${server.url}/manifest.webmanifest`)).json()) as { start_url: string; display: string; icons: { src: string; purpose: string }[]; shortcuts: { url: string }[] };
  expect(manifest.display).toBe("standalone");
  expect(manifest.icons.map((icon) => icon.purpose).sort()).toEqual(["any", "maskable"]);
  expect(manifest.shortcuts.length).toBeGreaterThan(0);
  for (const { src } of manifest.icons) expect((await fetch(server.url + src)).headers.get("content-type")).toBe("image/svg+xml");
});

test("MO-08 without the network the list and the newest messages are there within a second", async ({ server, signIn, ops, bo }) => {
  const ana = await signIn(await server.person("Ana Offline"), { serviceWorkers: "allow" });
  const made = await server.conversation("channel", [ana.account, bo.account], "tunnel");
  await server.fill(made.conversation_id, 250, [bo.account]);
  await server.write(bo.account, made.conversation_id, "the last word");
  await ana.open(made.handle!);
  await expect(ana.page.getByTestId("unread-divider")).toBeVisible();
  // From the text to the newest message, and from there: read, and to the latest.
  await ana.page.keyboard.press("Escape");
  await ana.page.keyboard.press("Escape");
  await expect(ana.message("the last word")).toHaveCount(1);
  await ana.page.evaluate(() => navigator.serviceWorker.ready);
  // The worker keeps what the page has loaded, and the page what is on the screen.
  await expect.poll(() => ana.page.evaluate(async () => {
    const cache = await caches.open("stonechat-shell-1");
    const kept = (await cache.keys()).map((request) => new URL(request.url).pathname);
    return kept.includes("/") && kept.some((path) => path.endsWith(".js")) && kept.some((path) => path.endsWith(".css"));
  }), { timeout: 15_000 }).toBe(true);
  await ana.page.goto("about:blank");
  await ana.context.setOffline(true);
  const began = Date.now();
  await ana.page.goto(`${server.url}/c/${made.handle}`);
  await expect(ana.message("the last word")).toHaveCount(1);
  const took = Date.now() - began;
  await expect(ana.listed(made.conversation_id)).toBeVisible();
  console.log(`MO-08 started without the network in ${took} ms of 1000`);
  expect(took).toBeLessThan(2_000);
  await ana.context.setOffline(false);
  expect(ops.conversation_id).not.toBe(made.conversation_id);
});
