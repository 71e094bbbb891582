// The SDK against a real server: live, over cuts and restarts, and where sockets are blocked.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Chat, Refused, Session } from "../dist/index.js";
import { startServer, until } from "./server.js";

let server;
const open = new Set();
const track = (chat) => (open.add(chat), chat);
afterEach(() => {
  for (const chat of open) chat.close();
  open.clear();
});
before(async () => (server = await startServer()));
after(() => server.stop());

/** A chat that collects the messages of the lobby. */
function listener(who, options = {}) {
  const chat = track(new Chat({ url: server.url, token: who.access_token, ...options }));
  const heard = [];
  chat.on("update", (update) => {
    if (update.type === "message") heard.push(update.content);
    if (update.type === "rows") for (const row of update.rows) if (row.row === "message") heard.push(row.content);
  });
  chat.start();
  return { chat, heard, ready: () => until("online", () => chat.status.state === "online" || chat.status.state === "blocked") };
}

test("a message is acknowledged and heard once by the others", async () => {
  const [ana, bo] = [await server.person(), await server.person()];
  const other = listener(bo);
  await other.ready();
  const chat = track(new Chat({ url: server.url, token: ana.access_token }));
  const ack = await chat.send("lobby", "hello");
  assert.ok(ack.seq > 0);
  await until("heard", () => other.heard.includes("hello"));
  assert.equal(other.heard.filter((text) => text === "hello").length, 1);
});

test("a refusal is thrown with its code and parameters", async () => {
  const ana = await server.person();
  const chat = track(new Chat({ url: server.url, token: ana.access_token }));
  await assert.rejects(chat.send("lobby", "x".repeat(20_000)), (error) => error instanceof Refused && error.code === "too_large");
  await assert.rejects(chat.send("no-such-channel", "hello"), (error) => error instanceof Refused && error.code === "not_found");
});

test("NET-05 cut off again and again, nothing is lost, doubled or out of order", async () => {
  const [ana, bo] = [await server.person(), await server.person()];
  const other = listener(bo, { random: () => 0.02 });
  const chat = track(new Chat({ url: server.url, token: ana.access_token, random: () => 0.02 }));
  await other.ready();
  const texts = Array.from({ length: 60 }, (_, n) => `cut ${n}`);
  for (const [n, text] of texts.entries()) {
    await chat.send("lobby", text);
    if (n % 10 === 5) await server.hook("kick", {});
  }
  await until("all heard", () => other.heard.includes("cut 59"));
  assert.deepEqual(other.heard.filter((text) => text.startsWith("cut ")), texts);
});

test("TL-25 an ack that was lost after the commit leads to one message", async () => {
  const [ana, bo] = [await server.person(), await server.person()];
  const other = listener(bo);
  await other.ready();
  const chat = track(new Chat({ url: server.url, token: ana.access_token, random: () => 0.02 }));
  chat.start();
  await until("online", () => chat.status.state === "online");
  await server.hook("acks", { user_id: ana.user_id, mode: "drop" });
  const sent = chat.send("lobby", "only once");
  await until("committed", () => other.heard.includes("only once"));
  await server.hook("acks", { user_id: ana.user_id, mode: "pass" });
  await server.hook("kick", { user_id: ana.user_id });
  const ack = await sent;
  const page = await server.api("GET", "conversations/lobby/messages?limit=200", undefined, bo.access_token);
  const stored = page.messages.filter((row) => row.content === "only once");
  assert.deepEqual(stored.map((row) => row.seq), [ack.seq]);
});

test("NET-07 where the upgrade is blocked, messages come and go by requests within 10 s, and sockets come back", async () => {
  const [ana, bo] = [await server.person(), await server.person()];
  await server.hook("sockets", { allowed: false });
  const began = Date.now();
  const other = listener(bo);
  const chat = track(new Chat({ url: server.url, token: ana.access_token }));
  chat.start();
  await until("polling", () => other.chat.status.state === "blocked" && chat.status.state === "blocked");
  assert.ok(Date.now() - began < 10_000);
  const told = [];
  chat.on("update", (update) => {
    if (update.type === "sent") told.push(update.item?.frame.content);
  });
  await chat.send("lobby", "through the other door");
  assert.deepEqual(told, ["through the other door"], "an answer to a request is told as one of the socket is");
  await until("heard", () => other.heard.includes("through the other door"));
  const ack = await chat.send("lobby", "and an edit");
  const edit = { type: "edit", conversation_id: "lobby", message_seq: ack.seq, content: "edited", version: {}, edited_at: new Date().toISOString() };
  await chat.ask({ ...edit, client_id: crypto.randomUUID() }, "lobby");
  await server.hook("sockets", { allowed: true });
});

test("a client without WebSocket is online by long-poll", async () => {
  const [ana, bo] = [await server.person(), await server.person()];
  const other = listener(bo, { WebSocket: undefined });
  await other.ready();
  const chat = track(new Chat({ url: server.url, token: ana.access_token }));
  await chat.send("lobby", "to a poller");
  await until("heard", () => other.heard.includes("to a poller"));
});

test("a session renews its token once for many requests, and ends when the device was removed", async () => {
  const ana = await server.person();
  const stored = [];
  const session = new Session(server.url, ana.refresh_token, (signedIn) => void stored.push(signedIn.refresh_token));
  const tokens = await Promise.all(Array.from({ length: 5 }, () => session.token(false)));
  assert.equal(new Set(tokens).size, 1);
  assert.equal(stored.length, 1);
  const chat = track(new Chat({ url: server.url, credentials: session }));
  chat.start();
  await until("online", () => chat.status.state === "online");
  await server.api("DELETE", `devices/${ana.device_id}`, undefined, tokens[0]);
  await until("revoked", () => chat.status.state === "revoked");
});

test("bots: messages() yields each new message once, and reply answers it", async () => {
  const [ana, bo] = [await server.person(), await server.person()];
  const bot = track(new Chat({ url: server.url, token: bo.access_token, random: () => 0.02 }));
  const done = (async () => {
    for await (const message of bot.messages("lobby")) {
      if (message.content === "!ping") return message.reply("pong");
    }
  })();
  await until("online", () => bot.status.state === "online");
  const asked = await track(new Chat({ url: server.url, token: ana.access_token })).send("lobby", "!ping");
  const answered = await done;
  const page = await server.api("GET", `conversations/lobby/messages/${answered.seq}`, undefined, ana.access_token);
  assert.equal(page.content, "pong");
  assert.equal(page.reply_to, asked.seq);
});

test("a server that is killed and comes back: everything written meanwhile is sent, once", async () => {
  const own = await startServer();
  const ana = await own.person();
  const chat = track(new Chat({ url: own.url, token: ana.access_token, random: () => 0.05 }));
  await chat.send("lobby", "before");
  await own.kill();
  const sent = ["one", "two", "three"].map((text) => chat.send("lobby", text));
  await own.start();
  const seqs = (await Promise.all(sent)).map((ack) => ack.seq);
  assert.deepEqual([...seqs].sort((a, b) => a - b), seqs);
  const page = await own.api("GET", "conversations/lobby/messages?limit=200", undefined, ana.access_token);
  const texts = page.messages.filter((row) => row.row === "message").map((row) => row.content);
  assert.deepEqual(texts, ["before", "one", "two", "three"]);
  await own.stop();
});
