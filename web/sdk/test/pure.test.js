// The SDK's pure parts: waiting, order, ids.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff, newId } from "../dist/index.js";
import { Inbox } from "../dist/inbox.js";
import { MemoryStorage } from "../dist/storage.js";
import { Outbox } from "../dist/outbox.js";

test("NET-02 first retries of 200 clients are spread over two seconds", () => {
  const waits = Array.from({ length: 200 }, () => new Backoff().next());
  assert.ok(waits.every((wait) => wait >= 0 && wait <= 2_000));
  const buckets = new Map();
  for (const wait of waits) buckets.set(Math.floor(wait / 100), (buckets.get(Math.floor(wait / 100)) ?? 0) + 1);
  assert.ok(Math.max(...buckets.values()) <= 24, "no 100 ms hold more than 12 %");
});

test("NET-02 later retries double from 1 s to 30 s and never give up", () => {
  const longest = new Backoff(() => 1);
  const bounds = Array.from({ length: 12 }, () => longest.next());
  assert.deepEqual(bounds.slice(0, 7), [2_000, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
  assert.equal(bounds.at(-1), 30_000);
  longest.succeeded();
  assert.equal(longest.next(), 2_000);
});

test("NET-04 what the server asks for is obeyed", () => {
  assert.equal(new Backoff(() => 1).next(7_310), 7_310);
});

const event = (seq) => ({ type: "message", conversation_id: "c", seq, ordinal: seq, from: "u", timestamp: "", message_id: "", content: `${seq}`, content_type: "text/markdown", version: {} });

test("NET-10 doubled and reordered frames come out once and in order", () => {
  const seed = Date.now() % 2 ** 31;
  let state = seed;
  const random = () => ((state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31);
  for (let round = 0; round < 200; round++) {
    const inbox = new Inbox();
    inbox.hold("c", 0);
    const frames = Array.from({ length: 20 }, (_, n) => event(n + 1));
    const sent = [...frames, ...frames].sort(() => random() - 0.5);
    const told = sent.flatMap((frame) => inbox.take(frame).ready).map((frame) => frame.seq);
    assert.deepEqual(told, frames.map((frame) => frame.seq), `seed ${seed}`);
  }
});

test("NET-05 a hole is told with the place to read from, and frames wait for it", () => {
  const inbox = new Inbox();
  inbox.hold("c", 3);
  assert.deepEqual(inbox.take(event(6)), { ready: [], hole: { conversation_id: "c", after_seq: 3 } });
  assert.deepEqual(inbox.hold("c", 5).map((frame) => frame.seq), [6]);
});

test("NET-05 gaps and batches fill the sequence", () => {
  const inbox = new Inbox();
  inbox.hold("c", 3);
  inbox.take({ type: "gap", conversation_id: "c", from_seq: 4, to_seq: 9, reason: "hidden" });
  assert.equal(inbox.take(event(10)).ready.length, 1);
  inbox.take({ type: "batch", conversation_id: "c", from_seq: 11, to_seq: 12, summary: { joined: 2, left: 0, reactions: 0 } });
  assert.equal(inbox.take(event(13)).ready.length, 1);
});

function outboxWith(answers) {
  const sent = [];
  const storage = new MemoryStorage();
  const door = { socket: (frame) => (sent.push(frame), true), request: () => Promise.reject(new Error("unused")), answered: () => {}, door: () => (answers.open ? "socket" : undefined) };
  return { outbox: new Outbox(storage, door, () => {}, () => true), sent, storage };
}
const message = (content) => ({ type: "message", client_id: newId(), conversation_id: "ops", content });

test("TL-24 what was written without a connection goes out in order with the connection", async () => {
  const answers = { open: false };
  const { outbox, sent } = outboxWith(answers);
  const frames = ["one", "two", "three"].map(message);
  for (const frame of frames) await outbox.add(frame, "ops");
  assert.equal(sent.length, 0);
  answers.open = true;
  outbox.reconnected();
  for (const [n, frame] of frames.entries()) {
    assert.equal(sent.length, n + 1, "one at a time: order holds whatever is refused");
    outbox.acked({ client_id: frame.client_id, conversation_id: "ops", seq: n + 1, timestamp: "" });
  }
  assert.deepEqual(sent.map((frame) => frame.content), ["one", "two", "three"]);
  assert.equal(outbox.list().length, 0);
});

test("TL-27 a permanent refusal does not hold up what comes after it", async () => {
  const { outbox, sent } = outboxWith({ open: true });
  const [bad, good] = ["bad", "good"].map(message);
  await outbox.add(bad, "ops");
  await outbox.add(good, "ops");
  outbox.refused({ code: "too_large", params: { limit: 16_384 }, client_id: bad.client_id });
  assert.deepEqual(sent.map((frame) => frame.content), ["bad", "good"]);
  assert.equal(outbox.get(bad.client_id).state, "failed");
  assert.equal(outbox.get(bad.client_id).failure.retry_at, undefined);
});

test("TL-26 however often Retry is asked for, the request goes out once with its id", async () => {
  const { outbox, sent } = outboxWith({ open: true });
  const frame = message("again");
  await outbox.add(frame, "ops");
  outbox.refused({ code: "archived", client_id: frame.client_id });
  for (let click = 0; click < 5; click++) outbox.retry(frame.client_id);
  assert.deepEqual(sent.map((one) => one.client_id), [frame.client_id, frame.client_id]);
});

test("TL-28 what waits outlives the page", async () => {
  const { outbox, storage } = outboxWith({ open: false });
  const frames = ["one", "two"].map(message);
  for (const frame of frames) await outbox.add(frame, "ops");
  const sent = [];
  const later = new Outbox(storage, { socket: (frame) => (sent.push(frame), true), request: () => Promise.reject(new Error("unused")), answered: () => {}, door: () => "socket" }, () => {}, () => true);
  await later.load();
  later.acked({ client_id: frames[0].client_id, conversation_id: "ops", seq: 1, timestamp: "" });
  assert.deepEqual(sent.map((frame) => frame.client_id), frames.map((frame) => frame.client_id));
});

test("ids are UUIDs of version 7 in the order of making", () => {
  const ids = Array.from({ length: 1_000 }, (_, n) => newId(1_700_000_000_000 + n));
  assert.ok(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)));
  assert.deepEqual([...ids].sort(), ids);
});
