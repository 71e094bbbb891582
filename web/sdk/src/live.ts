// The live connection of a device: socket first, long-poll where a proxy drops the upgrade; reconnects for ever.

import { Backoff } from "./backoff.js";
import { Refused } from "./errors.js";
import { send, type Rest } from "./rest.js";
import type { ClientFrame, Hello, ServerFrame, SyncPage } from "./wire.js";

export type ConnectionState =
  | "online"
  | "reconnecting"
  | "offline"
  | "unreachable"
  | "blocked"
  | "revoked"
  | "outdated";

/** How the connection stands. Times are this machine's, in ms since 1970. */
export interface ConnectionStatus {
  state: ConnectionState;
  /** Since when it is not `online`. */
  lost_at?: number;
  /** When something was last heard of the server. */
  heard_at?: number;
  /** When the next try begins. */
  retry_at?: number;
}

export interface LiveHandlers {
  /** Frames in order: while catching up a page at a time, then one by one. */
  frames(frames: ServerFrame[]): void;
  status(status: ConnectionStatus): void;
  /**
   * The stream stands at the head: what is written now arrives. `anew`: it does not join what was there before, so
   * lists and windows have to be read again.
   */
  caughtUp(anew: boolean): void;
  /** A socket was greeted: the server's version and its time. */
  hello?(hello: Hello): void;
}

/** What a browser's `WebSocket` has and this needs. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocket;

const SUBPROTOCOL = "stonechat.v1";
const HELLO_TIMEOUT_MS = 10_000;
/** What the server waits for a sign of life beyond the heartbeat; we wait as long. */
const GRACE_MS = 10_000;
const PROBE_TIMEOUT_MS = 3_000;
const POLL_WAIT_MS = 25_000;
/** While the upgrade is blocked it is tried again so often. */
const UPGRADE_AGAIN_MS = 60_000;
const FAILED_UPGRADES = 3;
const FAILED_PROBES = 3;

export interface LiveOptions {
  /** Another constructor; `undefined`: long-poll only. */
  WebSocket?: WebSocketConstructor | undefined;
  random?: () => number;
  /**
   * Away longer than this, in ms, what was missed is not read event by event: the stream starts at this moment and
   * `caughtUp(anew)` says so. For screens, which read what they show; without it nothing is ever skipped.
   */
  start_anew_after_ms?: number;
}

export class Live {
  /** Where the stream stands; survives every reconnect. `undefined`: start at this moment. */
  cursor: string | undefined;

  private status: ConnectionStatus = { state: "reconnecting", lost_at: Date.now() };
  private socket: WebSocket | undefined;
  private greeted = false;
  private held: ServerFrame[] | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private renewal: ReturnType<typeof setInterval> | undefined;
  private sentToken = "";
  private silenceMs = 35_000;
  private failedUpgrades = 0;
  private failedProbes = 0;
  private polling: AbortController | undefined;
  private lastTry = 0;
  private asked: number | undefined;
  private anew = false;
  private stopped = true;
  private readonly backoff: Backoff;
  private readonly WebSocketClass: WebSocketConstructor | undefined;

  constructor(
    private readonly rest: Rest,
    private readonly handlers: LiveHandlers,
    private readonly options: LiveOptions = {},
  ) {
    this.backoff = new Backoff(options.random);
    this.WebSocketClass = "WebSocket" in options ? options.WebSocket : globalThis.WebSocket;
  }

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    void this.attempt();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.drop();
    this.polling?.abort();
    this.polling = undefined;
  }

  /** Whether frames go out by a socket just now. */
  get hasSocket(): boolean {
    return this.greeted && this.socket !== undefined;
  }

  /** Sends a frame by the socket; `false`: there is none. */
  send(frame: ClientFrame): boolean {
    if (!this.hasSocket || this.socket === undefined) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  /** The network may be back (`online`, a tab became visible, somebody asked): tries at once, at most once a second. */
  wake(): void {
    if (this.stopped) return;
    const deaf = Date.now() - (this.status.heard_at ?? 0) > this.silenceMs;
    if (this.hasSocket && !deaf) return;
    if (this.hasSocket) this.drop();
    else if (this.socket !== undefined || this.polling !== undefined) return;
    if (Date.now() - this.lastTry < 1_000) return;
    clearTimeout(this.timer);
    void this.attempt();
  }

  private async attempt(): Promise<void> {
    this.lastTry = Date.now();
    const away = Date.now() - (this.status.heard_at ?? Date.now());
    if (away > (this.options.start_anew_after_ms ?? Infinity)) this.cursor = undefined;
    if (this.cursor === undefined) this.anew = true;
    let token: string;
    try {
      token = await this.rest.credentials.token(false);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.end("revoked");
      else await this.failed(false);
      return;
    }
    if (this.stopped || this.socket !== undefined) return;
    if (this.WebSocketClass === undefined) {
      await this.poll();
      return;
    }
    this.open(token, this.WebSocketClass);
  }

  private open(token: string, WebSocketClass: WebSocketConstructor): void {
    const url = new URL("/api/v1/ws", this.rest.url);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocketClass(url.href, [SUBPROTOCOL]);
    this.socket = socket;
    this.greeted = false;
    let upgraded = false;
    this.watch(HELLO_TIMEOUT_MS);
    socket.onopen = () => {
      upgraded = true;
      this.sentToken = token;
      socket.send(JSON.stringify({ type: "connect", token, cursor: this.cursor ?? "now" } satisfies ClientFrame));
    };
    socket.onmessage = (message) => {
      if (this.socket === socket) this.hear(String(message.data));
    };
    socket.onclose = (close) => {
      if (this.socket === socket) void this.closed(close.code, upgraded);
    };
    // Some WebSockets (Node's) tell a refused upgrade as an error alone.
    socket.onerror = () => {
      if (this.socket === socket && !upgraded) void this.closed(1006, false);
    };
  }

  private hear(text: string): void {
    this.watch(this.silenceMs);
    this.status.heard_at = Date.now();
    const frame = JSON.parse(text) as ServerFrame;
    switch (frame.type) {
      case "hello":
        this.hello(frame);
        return;
      case "heartbeat":
        this.send({ type: "heartbeat" });
        return;
      case "going_away":
        this.asked = frame.retry_after_ms;
        return;
      case "cursor":
        this.cursor = frame.cursor;
        this.flush(frame);
        if (!frame.has_more && this.held !== undefined) {
          this.held = undefined;
          this.online();
        }
        return;
      case "reset":
        this.cursor = frame.cursor;
        this.anew = true;
        this.flush(frame);
        this.held = undefined;
        this.online();
        return;
      default:
        if (this.held === undefined) this.handlers.frames([frame]);
        else this.held.push(frame);
    }
  }

  private hello(hello: Hello): void {
    this.greeted = true;
    this.held = [];
    this.silenceMs = hello.heartbeat_interval_ms + GRACE_MS;
    this.handlers.hello?.(hello);
    this.renewal = setInterval(() => void this.renew(), 60_000);
  }

  /** A page of catching up is handed on in one piece, so that a screen is drawn once. */
  private flush(last: ServerFrame): void {
    const frames = this.held ?? [];
    this.held = this.held === undefined ? undefined : [];
    this.handlers.frames([...frames, last]);
  }

  private online(): void {
    this.backoff.succeeded();
    this.failedUpgrades = 0;
    this.failedProbes = 0;
    this.tell({ state: "online", heard_at: Date.now() });
    this.caughtUp();
  }

  private caughtUp(): void {
    const { anew } = this;
    this.anew = false;
    this.handlers.caughtUp(anew);
  }

  /** A socket outlives its token: the next one is sent before the server ends it. */
  private async renew(): Promise<void> {
    const token = await this.rest.credentials.token(false).catch(() => undefined);
    if (token !== undefined && token !== this.sentToken && this.send({ type: "connect", token })) {
      this.sentToken = token;
    }
  }

  /** A socket from which nothing comes is half open: it is given up. */
  private watch(ms: number): void {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      this.drop();
      void this.closed(1006, true);
    }, ms);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = undefined;
    this.greeted = false;
    this.held = undefined;
    clearTimeout(this.watchdog);
    clearInterval(this.renewal);
    if (socket !== undefined) {
      socket.onmessage = socket.onclose = socket.onopen = socket.onerror = null;
      socket.close();
    }
  }

  private async closed(code: number, upgraded: boolean): Promise<void> {
    const wasGreeted = this.greeted;
    this.drop();
    if (this.stopped) return;
    this.lost();
    switch (code) {
      case 4001:
        return this.signInAgain();
      case 4003:
        return this.end("revoked");
      case 4004:
        return this.end("outdated");
      case 4009:
        // The device has a newer socket: only a person's wish (`wake`) takes it back.
        return;
      case 4029:
        this.asked = 60_000;
    }
    await this.failed(!upgraded && !wasGreeted);
  }

  private async signInAgain(): Promise<void> {
    try {
      await this.rest.credentials.token(true);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.end("revoked");
      else await this.failed(false);
      return;
    }
    void this.attempt();
  }

  private lost(): void {
    if (this.status.state === "online" || this.status.state === "blocked") {
      this.tell({ state: "reconnecting", lost_at: Date.now() });
    }
  }

  /** Waits for the next try; finds out meanwhile what is the matter, so that the screen can say so precisely. */
  private async failed(upgradeRefused: boolean): Promise<void> {
    const wait = this.backoff.next(this.asked);
    this.asked = undefined;
    const retry_at = Date.now() + wait;
    if (upgradeRefused) this.failedUpgrades++;
    this.timer = setTimeout(() => void this.attempt(), wait);
    this.tell({ ...this.status, retry_at });
    const answers = await this.probe();
    if (this.stopped || this.hasSocket) return;
    this.failedProbes = answers ? 0 : this.failedProbes + 1;
    if (answers && this.failedUpgrades >= FAILED_UPGRADES && this.polling === undefined) {
      clearTimeout(this.timer);
      await this.poll();
    } else if (!answers) {
      const offline = typeof navigator !== "undefined" && navigator.onLine === false;
      if (offline) this.tell({ ...this.status, state: "offline" });
      else if (this.failedProbes >= FAILED_PROBES) this.tell({ ...this.status, state: "unreachable" });
    }
  }

  /** Whether the server answers plain requests: any answer of its own will do. */
  private async probe(): Promise<boolean> {
    try {
      await send(this.rest.url, "GET", "me", undefined, { timeout: PROBE_TIMEOUT_MS });
      return true;
    } catch (error) {
      return error instanceof Refused;
    }
  }

  /** The other door: the same frames by long requests, until the upgrade goes through again. */
  private async poll(): Promise<void> {
    const controller = new AbortController();
    this.polling = controller;
    const until = Date.now() + UPGRADE_AGAIN_MS;
    let caughtUp = false;
    while (!controller.signal.aborted && (this.WebSocketClass === undefined || Date.now() < until)) {
      const query = new URLSearchParams({ cursor: this.cursor ?? "now", wait_ms: caughtUp ? `${POLL_WAIT_MS}` : "0" });
      let page: SyncPage;
      try {
        const options = { signal: controller.signal, timeout: POLL_WAIT_MS + GRACE_MS };
        page = await this.rest.get<SyncPage>(`sync?${query.toString()}`, options);
      } catch (error) {
        this.polling = undefined;
        if (this.stopped) return;
        if (error instanceof Refused && error.status === 401) return this.end("revoked");
        if (error instanceof Refused && error.code === "invalid") this.cursor = undefined;
        this.lost();
        return this.failed(false);
      }
      if (controller.signal.aborted) return;
      this.cursor = page.cursor;
      const cursor: ServerFrame = { type: "cursor", cursor: page.cursor, has_more: page.has_more };
      this.handlers.frames([...page.frames, cursor]);
      const heard_at = Date.now();
      const { state } = this.status;
      const wanted = this.WebSocketClass === undefined ? "online" : "blocked";
      if (state === wanted) this.status.heard_at = heard_at;
      else this.tell({ state: wanted, heard_at });
      if (!page.has_more && !caughtUp) {
        caughtUp = true;
        this.backoff.succeeded();
        this.caughtUp();
      }
    }
    this.polling = undefined;
    if (!this.stopped) void this.attempt();
  }

  private end(state: "revoked" | "outdated"): void {
    this.stop();
    this.tell({ state });
  }

  private tell(status: ConnectionStatus): void {
    const heard_at = status.heard_at ?? this.status.heard_at;
    const lost_at = status.state === "online" ? undefined : (status.lost_at ?? this.status.lost_at ?? Date.now());
    this.status = {
      state: status.state,
      ...(heard_at === undefined ? {} : { heard_at }),
      ...(lost_at === undefined ? {} : { lost_at }),
      ...(status.retry_at === undefined || status.state === "online" ? {} : { retry_at: status.retry_at }),
    };
    this.handlers.status(this.status);
  }
}
