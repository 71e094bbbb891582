// Live: the connection on which events come and messages go. It comes back by itself and goes on from its cursor.
//
// Frames are handled one after the other. The cursor moves only past what was handled: a frame that fails ends the
// connection, and the next one brings it again.
"use strict";

import { API, accessToken, onRenewed, refresh } from "./api.js";

/** More silence than this beyond the server's heartbeat: nobody is there. */
const GRACE_MS = 10_000;
/** A drop shorter than this shows nothing. */
const QUIET_MS = 2_000;
/** The longest pause between two tries. */
const LONGEST_MS = 30_000;
/** Tries without an answer until the page says so. */
const FRUITLESS = 3;

const time = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export class Live {
  #handle; #show; #ended; #cursor; #socket = null; #live = false; #stopped = false;
  #failures = 0; #returnIn; #retry; #retryAt = 0; #lastTry = 0; #quiet; #countdown; #lastHeard = time();

  /**
   * `handle(frame)` does what an event, ack or error asks for; `live()` follows when all that was missed is there.
   * `show(state, text, action)` shows how it stands; `ended(reason)` means: sign in again.
   */
  constructor({ handle, show, ended }) {
    this.#handle = handle;
    this.#show = show;
    this.#ended = ended;
    onRenewed((token) => this.send({ type: "connect", token }));
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.retryNow());
  }

  get isLive() { return this.#live; }

  /** False: it did not go out. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#quiet);
    clearInterval(this.#countdown);
    this.#socket?.close();
  }

  /** Not in a minute but now; at most once a second. */
  retryNow() {
    if (this.#stopped || this.#socket || Date.now() - this.#lastTry < 1_000) return;
    clearTimeout(this.#retry);
    this.connect();
  }

  connect() {
    if (this.#stopped) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}${API}/ws`, "stonechat.v1");
    this.#socket = socket;
    this.#lastTry = Date.now();
    let frames = Promise.resolve();
    let silence, patience = 25_000 + GRACE_MS, broken = false;
    const drop = () => { broken = true; socket.close(); this.#closed(socket, 1006); };
    const heard = () => { clearTimeout(silence); silence = setTimeout(drop, patience); };
    heard();
    socket.onopen = () => this.send({ type: "connect", token: accessToken(), cursor: this.#cursor });
    socket.onmessage = (event) => {
      const frame = JSON.parse(event.data);
      if (frame.type === "hello") patience = frame.heartbeat_interval_ms + GRACE_MS;
      heard();
      this.#lastHeard = time();
      if (frame.type === "heartbeat") return void this.send({ type: "heartbeat" });
      frames = frames.then(async () => {
        if (broken || this.#socket !== socket) return;
        try { await this.#frame(frame); } catch (error) { console.error(error); drop(); }
      });
    };
    socket.onclose = (event) => { clearTimeout(silence); this.#closed(socket, event.code); };
  }

  async #frame(frame) {
    switch (frame.type) {
      case "hello":
        this.#failures = 0;
        return;
      case "going_away":
        this.#returnIn = frame.retry_after_ms;
        return;
      case "reset":
        await this.#handle(frame);
        this.#cursor = frame.cursor;
        return this.#caughtUp();
      case "cursor":
        this.#cursor = frame.cursor;
        // This device has it: nobody needs to push it.
        this.send({ type: "received", cursor: frame.cursor });
        if (!frame.has_more && !this.#live) await this.#caughtUp();
        return;
      default:
        return this.#handle(frame);
    }
  }

  async #caughtUp() {
    this.#live = true;
    clearTimeout(this.#quiet);
    clearInterval(this.#countdown);
    this.#quiet = this.#countdown = undefined;
    this.#show("online", "");
    await this.#handle({ type: "live" });
  }

  /** Once for each connection, however it ended. */
  async #closed(socket, code) {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#live = false;
    if (this.#stopped) return;
    if (code === 4009) return this.#final("offline", "Open in another window.", "Use here");
    if (code === 4004) return this.#final("outdated", "Update ready.", "Reload");
    if (code === 4001 && !(await this.#hasSession())) {
      this.stop();
      this.#show("revoked", "");
      return this.#ended("This device was signed out.");
    }
    this.#failures += 1;
    this.#quiet ??= setTimeout(() => this.#tell(), QUIET_MS);
    if (this.#failures === 1) this.#show("reconnecting", "");
    // Full jitter: a server that comes back must not meet everybody at once.
    const longest = this.#failures === 1 ? 2_000 : Math.min(LONGEST_MS, 1_000 * 2 ** (this.#failures - 1));
    const wait = this.#returnIn ?? Math.random() * longest;
    this.#returnIn = undefined;
    this.#retryAt = Date.now() + wait;
    this.#retry = setTimeout(() => this.connect(), wait);
  }

  /** A server that does not answer has not ended the session. */
  async #hasSession() {
    try { return await refresh(); } catch { return true; }
  }

  #final(state, text, action) {
    this.stop();
    this.#show(state, text, { text: action, run: () => location.reload() });
  }

  /** Says why nothing comes, and goes on saying it until something does. */
  async #tell() {
    const blocked = this.#failures >= FRUITLESS && navigator.onLine && await isReachable();
    if (this.#live || this.#stopped) return;
    clearInterval(this.#countdown);
    const tell = () => {
      if (!navigator.onLine) return this.#show("offline", `You're offline. · Last update ${this.#lastHeard}`);
      if (blocked) return this.#show("blocked", "Live updates are blocked by a proxy.");
      if (this.#failures < FRUITLESS) return this.#show("reconnecting", "Reconnecting… Messages you write will send when you're back.");
      const seconds = Math.max(0, Math.ceil((this.#retryAt - Date.now()) / 1_000));
      const action = { text: "Try now", run: () => this.retryNow() };
      this.#show("unreachable", `Can't reach ${location.host}. Trying again in ${seconds} s`, action);
    };
    tell();
    this.#countdown = setInterval(tell, 1_000);
    this.#quiet = setTimeout(() => this.#tell(), LONGEST_MS / FRUITLESS);
  }
}

async function isReachable() {
  try { return (await fetch("/health", { signal: AbortSignal.timeout(5_000) })).ok; } catch { return false; }
}
