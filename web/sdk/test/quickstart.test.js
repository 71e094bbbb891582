// The quick start of the README, run as it stands there: only the server's address is another.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Chat } from "../dist/index.js";
import { startServer, until } from "./server.js";

let server;
before(async () => (server = await startServer()));
after(() => server.stop());

test("DX-01 the quick start in TypeScript's SDK runs verbatim", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```js\n([\s\S]*?)```/.exec(readme)[1];
  assert.ok(code.trim().split("\n").length <= 10, "ten lines");
  assert.ok(code.includes("https://chat.example.org"));
  const [ana, bo] = [await server.person(), await server.person()];
  await server.api("POST", "conversations", { kind: "channel", name: "Ops", handle: "ops" }, ana.access_token);
  await server.api("POST", "conversations/ops/members", { user_ids: [bo.user_id] }, ana.access_token);

  const directory = mkdtempSync(join(import.meta.dirname, "quickstart-"));
  writeFileSync(join(directory, "bot.mjs"), code.replace("https://chat.example.org", server.url));
  const bot = spawn(process.execPath, ["--experimental-websocket", join(directory, "bot.mjs")], { env: { ...process.env, CHAT_TOKEN: bo.access_token } });
  let said = "";
  bot.stderr.on("data", (chunk) => (said += chunk));
  try {
    const texts = async () => {
      const page = await server.api("GET", "conversations/ops/messages?limit=50", undefined, ana.access_token);
      return page.messages.filter((row) => row.row === "message").map((row) => row.content);
    };
    await until(`the bot has spoken ${said}`, async () => (await texts()).includes("Deploy started"));
    const chat = new Chat({ url: server.url, token: ana.access_token });
    // The bot begins to listen after it has spoken: asked until it answers.
    await until(`the bot answers ${said}`, async () => {
      await chat.send("ops", "!ping");
      return (await texts()).includes("pong");
    });
    chat.close();
  } finally {
    bot.kill();
    rmSync(directory, { recursive: true, force: true });
  }
});
