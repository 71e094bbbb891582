// Outbox: messages written and not yet acknowledged. They outlive a reload and are sent again with the same id, which
// the server answers with the first ack: nothing is lost, nothing stands twice.
"use strict";

/** An ack takes longer than this: say so, and let the person decide. */
const PATIENCE_MS = 10_000;

export class Outbox {
  #key; #device_id; #live; #changed; #timers = new Map();
  items = [];

  constructor({ user_id, device_id }, live, changed) {
    this.#key = `stonechat-outbox-${user_id}`;
    this.#device_id = device_id;
    this.#live = live;
    this.#changed = changed;
    let kept = null;
    try { kept = JSON.parse(sessionStorage.getItem(this.#key)); } catch { /* Begins empty. */ }
    this.items = kept?.items ?? [];
    // The server knows a repeat by device and id: from another device it would be a second message.
    if (kept && kept.device_id !== device_id) {
      this.items.forEach((item) => Object.assign(item, { state: "failed", reason: "you were signed out before it was acknowledged." }));
    }
  }

  add(message) {
    const item = { client_id: uuid(), state: "pending", ...message };
    this.items.push(item);
    this.#send(item);
    this.#keep();
  }

  /** Sends everything that waits; for a connection that is live again. */
  sendWaiting() {
    this.items.filter((item) => item.state === "pending").forEach((item) => this.#send(item));
  }

  again(item) {
    item.state = "pending";
    this.#send(item);
    this.#keep();
  }

  /** The message is in the log, or given up: it is ours no longer. */
  take(client_id) {
    const item = this.items.find((other) => other.client_id === client_id);
    if (!item) return undefined;
    this.#wait(item, null);
    this.items = this.items.filter((other) => other !== item);
    this.#keep();
    return item;
  }

  /** True: it was one of ours. */
  failed(client_id, reason) {
    const item = this.items.find((other) => other.client_id === client_id);
    if (!item) return false;
    this.#wait(item, null);
    Object.assign(item, { state: "failed", reason });
    this.#keep();
    return true;
  }

  forget() {
    this.items.forEach((item) => this.#wait(item, null));
    this.items = [];
    try { sessionStorage.removeItem(this.#key); } catch { /* Nothing was kept. */ }
  }

  #send(item) {
    if (!this.#live.isLive) return;
    const { client_id, conversation_id, content, read_seq } = item;
    if (!this.#live.send({ type: "message", client_id, conversation_id, content, read_seq })) return;
    // While the connection is down the message waits for the next one instead.
    this.#wait(item, () => this.#live.isLive && this.failed(client_id, "no answer in time."));
  }

  #wait(item, then) {
    clearTimeout(this.#timers.get(item.client_id));
    this.#timers.delete(item.client_id);
    if (then) this.#timers.set(item.client_id, setTimeout(then, PATIENCE_MS));
  }

  #keep() {
    try { sessionStorage.setItem(this.#key, JSON.stringify({ device_id: this.#device_id, items: this.items })); } catch { /* No room: it lives as long as the page. */ }
    this.#changed();
  }
}

/** Version 7: ids grow with time. By hand, because `crypto.randomUUID` is missing on plain HTTP. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let ms = Date.now();
  for (let index = 5; index >= 0; index -= 1) {
    bytes[index] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
