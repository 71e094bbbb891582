// The pictures of the documentation, of a team that talks. STONECHAT_PICTURES=../../docs/images writes them there.
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, Person, ready, test, TestServer, type Account } from "./fixtures.ts";

const directory = resolve(import.meta.dirname, "..", process.env["STONECHAT_PICTURES"] ?? "results/pictures");
mkdirSync(directory, { recursive: true });
/** A server of its own, so that names are what a reader expects. */
const pictures = test.extend<object, { server: TestServer }>({ server: [ready, { scope: "worker" }] });

const picture = async (person: Person, name: string): Promise<void> => {
  await person.page.evaluate(() => document.fonts.ready);
  await person.page.screenshot({ path: join(directory, `${name}.png`), animations: "disabled", caret: "hide" });
};

interface Team {
  ana: Account;
  bo: Account;
  maya: Account;
  ops: { conversation_id: string; handle: string };
  root: number;
}

/** People, channels and an afternoon of messages. */
async function team(server: TestServer): Promise<Team> {
  const [ana, bo, maya] = [await server.person("Ana Reyes"), await server.person("Bo Lindqvist"), await server.person("Maya Okafor")];
  const channel = async (name: string, topic: string): Promise<{ conversation_id: string; handle: string }> => {
    const made = await server.api<{ conversation_id: string; handle: string }>("POST", "conversations", { kind: "channel", name, handle: name }, ana.token);
    await server.api("POST", `conversations/${made.conversation_id}/members`, { user_ids: [bo.user_id, maya.user_id] }, ana.token);
    await server.api("PATCH", `conversations/${made.conversation_id}`, { topic }, ana.token);
    return made;
  };
  const general = await channel("general", "Everything else");
  const design = await channel("design", "How it looks and reads");
  const infra = await channel("infra", "Machines, networks, backups");
  const ops = await channel("ops", "Deploys and incidents");
  await server.write(maya, general.conversation_id, "Lunch at one?");
  await server.write(bo, design.conversation_id, "New icons are in the sheet.");
  await server.write(ana, infra.conversation_id, "Disk on db-2 is at 71 %.");
  const direct = await server.direct(maya, ana);
  await server.write(maya, direct.conversation_id, "Can you look at checkout with me?");
  const id = ops.conversation_id;
  await server.write(ana, id, "Rolling out **4.2** to `eu-1`. Notes: https://status.example.org/4.2");
  const root = await server.write(bo, id, "Error rate is flat so far. Queue depth went from 12 to 3 after the change:\n```rust\nlet batch = queue.drain(..limit.min(queue.len()));\nstore.append(batch).await?;\n```");
  await server.write(maya, id, "Same picture in `us-1`. Expected wait is $W = \\frac{\\rho}{\\mu(1-\\rho)}$, so halving the load is worth it.");
  await server.write(ana, id, "Good. Going on with `us-1` then:\n- drain the old pool\n- switch the flag\n- watch for ten minutes");
  await server.api("POST", `conversations/${id}/messages/${root.seq}/reactions`, { client_id: crypto.randomUUID(), emoji: "👍", action: "add" }, ana.token);
  await server.api("POST", `conversations/${id}/messages/${root.seq}/reactions`, { client_id: crypto.randomUUID(), emoji: "👍", action: "add" }, maya.token);
  for (const [who, text] of [[ana, "Is that with the new limit?"], [bo, "Yes, 64 instead of 16."], [maya, "p99 fell from 41 to 18 ms here."], [bo, "Then I leave it there."]] as const) {
    await server.write(who, id, text, { thread: root.seq });
  }
  await server.write(bo, id, `@${ana.handle} flag is on. Watching.`);
  return { ana, bo, maya, ops, root: root.seq };
}

pictures("pictures: a busy channel, a thread, the switcher, dark, a failed send, offline", async ({ server, signIn }) => {
  test.setTimeout(90_000);
  const { ana: account, maya, ops, root } = await team(server);
  const ana = await signIn(account, { viewport: { width: 1280, height: 800 } });
  await ana.open(ops.handle);
  await server.write(maya, ops.conversation_id, "Nothing unusual in the logs.");
  await expect(ana.message("Nothing unusual")).toHaveCount(1);
  await expect(ana.page.locator("math")).toHaveCount(1);
  await picture(ana, "busy-channel");

  await ana.row(root).getByRole("button", { name: /4 replies/ }).click();
  await expect(ana.page.getByRole("complementary").locator("li[data-seq]")).toHaveCount(5);
  await picture(ana, "thread");
  await ana.page.getByRole("button", { name: "Close thread" }).click();

  await ana.page.keyboard.press("Control+k");
  await ana.page.keyboard.type("in");
  await expect(ana.page.getByRole("listbox").getByRole("option").first()).toBeVisible();
  await picture(ana, "switcher");
  await ana.page.keyboard.press("Escape");

  await server.hook("reject", { user_id: account.user_id, code: "posting_restricted", times: 1 });
  await ana.write("Switching the flag back if this goes above 2 %.");
  await expect(ana.message("Switching the flag")).toHaveAttribute("data-state", "failed");
  await picture(ana, "failed-send");
  await ana.message("Switching the flag").getByRole("button", { name: "Discard" }).click();

  await ana.page.emulateMedia({ colorScheme: "dark" });
  await expect(ana.page.locator("html")).toHaveClass(/dark/);
  await picture(ana, "dark");
  await ana.page.emulateMedia({ colorScheme: "light" });

  await ana.context.setOffline(true);
  await server.hook("kick", { user_id: account.user_id });
  await expect(ana.page.locator("[data-conn]").first()).toHaveAttribute("data-conn", "offline", { timeout: 15_000 });
  await ana.write("I will be in the tunnel for a minute.");
  await expect(ana.message("in the tunnel").locator(".mark")).toBeVisible({ timeout: 4_000 });
  await picture(ana, "offline");
  await ana.context.setOffline(false);
});

test("pictures: 390 pixels wide", async ({ signIn, server: shared }) => {
  const { ana: account, ops } = await team(shared);
  const ana = await signIn(account, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await ana.page.goto("/");
  await expect(ana.page.getByRole("navigation").getByRole("link").first()).toBeVisible();
  await picture(ana, "narrow-list");
  await ana.open(ops.handle);
  await expect(ana.message("Watching")).toHaveCount(1);
  await picture(ana, "narrow-conversation");
});

test("pictures: first run", async ({ browser }) => {
  const { TestServer } = await import("./server.ts");
  const own = new TestServer();
  await own.start();
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, baseURL: own.url });
  const page = await context.newPage();
  await page.goto(own.setupLink);
  await page.getByLabel("Server name").fill("Acme");
  await page.getByLabel("Your name").fill("Kit Moreau");
  await page.getByLabel("Password", { exact: true }).focus();
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(directory, "first-run.png"), caret: "hide" });
  await context.close();
  await own.stop();
});
