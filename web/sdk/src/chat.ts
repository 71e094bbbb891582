// Chat: a device's whole conversation with a server: live updates once and in order, a durable outbox, requests.

import { Refused } from "./errors.js";
import { newId } from "./ids.js";
import { Inbox, isEvent, type Hole, type Update } from "./inbox.js";
import { Live, type ConnectionStatus, type LiveOptions } from "./live.js";
import { Outbox, type OutboxChange } from "./outbox.js";
import { FixedToken, Rest, type Credentials } from "./rest.js";
import { MemoryStorage, type OutboxItem, type OutboxStorage } from "./storage.js";
import { Tabs, type TabMessage } from "./tabs.js";
import type { Ack, ClientFrame, Conversation, Event, Hello, MessagesPage, SendMessage, ServerFrame } from "./wire.js";

export interface ChatOptions extends LiveOptions {
  /** The server's address, `https://chat.example.org`. */
  url: string;
  /** A token that does not end (a bot's); or `credentials`. */
  token?: string;
  credentials?: Credentials;
  /** Where unsent requests wait; memory unless given. */
  storage?: OutboxStorage;
  /** The tabs of a browser that share this name share one connection. */
  tabs?: string;
}

export interface SendOptions {
  /** The `seq` of the message that this one quotes. */
  reply_to?: number;
  /** The `seq` of the root of the thread it goes to. */
  thread?: number;
  metadata?: unknown;
}

/** What `on` tells. */
export interface ChatEvents {
  /** Something happened, once, in the order of its conversation. */
  update: Update | { type: "sent"; ack: Ack; item: OutboxItem | undefined };
  status: ConnectionStatus;
  outbox: OutboxChange;
  /** Caught up. `true`: what was there before does not join: read lists and windows again. */
  caught_up: boolean;
  /** The server greeted: its version, and its time. */
  hello: Hello;
  /** Another tab of this browser signed out. */
  signed_out: undefined;
}

type Frame<T extends ClientFrame["type"]> = Extract<ClientFrame, { type: T }>;
/** Requests that change a log and therefore carry a `client_id`. */
export type Request = Frame<"message"> | Frame<"edit"> | Frame<"delete"> | Frame<"react"> | Frame<"pin">;

const HOLE_PATIENCE_MS = 1_000;

export class Chat {
  readonly rest: Rest;
  readonly outbox: Outbox;
  status: ConnectionStatus = { state: "reconnecting", lost_at: Date.now() };

  private readonly live: Live;
  private readonly inbox = new Inbox();
  private readonly tabs: Tabs;
  private readonly handlers = new Map<keyof ChatEvents, Set<(event: never) => void>>();
  private readonly waiting = new Map<string, { resolve: (ack: Ack) => void; reject: (error: Error) => void }>();
  private readonly repairing = new Set<string>();
  private started = false;

  constructor(options: ChatOptions) {
    const credentials = options.credentials ?? new FixedToken(options.token ?? "");
    this.rest = new Rest(options.url, credentials);
    this.live = new Live(
      this.rest,
      {
        frames: (frames) => {
          this.tabs.tell({ kind: "frames", frames, cursor: this.live.cursor });
          this.take(frames);
        },
        status: (status) => {
          this.tabs.tell({ kind: "status", status });
          this.setStatus(status);
        },
        caughtUp: (anew) => {
          this.tabs.tell({ kind: "caught_up", anew });
          this.caughtUp(anew);
        },
        hello: (hello) => {
          this.tabs.tell({ kind: "hello", hello });
          this.emit("hello", hello);
        },
      },
      options,
    );
    const door = {
      socket: (frame: ClientFrame) => this.live.send(frame),
      request: (frame: ClientFrame) => this.request(frame as Request),
      answered: (ack: Ack) => {
        const frames: ServerFrame[] = [{ type: "ack", ...ack }];
        this.tabs.tell({ kind: "frames", frames, cursor: this.live.cursor });
        this.take(frames);
      },
      door: () => this.door(),
    };
    const changed = (change: OutboxChange): void => {
      this.tabs.tell({ kind: "outbox", change });
      this.outboxChanged(change);
    };
    this.tabs = new Tabs(
      options.tabs,
      (message) => this.hear(message),
      () => {
        if (this.started) this.live.start();
      },
    );
    this.outbox = new Outbox(options.storage ?? new MemoryStorage(), door, changed, () => this.tabs.leads);
  }

  /** Connects, and stays connected until `close`. Called by itself where it is needed. */
  start(): void {
    if (this.started) return;
    this.started = true;
    void this.outbox.load().catch(() => undefined);
    if (this.tabs.leads) this.live.start();
  }

  close(): void {
    this.started = false;
    this.live.stop();
    this.tabs.close();
    for (const { reject } of this.waiting.values()) reject(new Error("the chat was closed"));
    this.waiting.clear();
  }

  on<K extends keyof ChatEvents>(kind: K, handler: (event: ChatEvents[K]) => void): () => void {
    const handlers = this.handlers.get(kind) ?? new Set();
    this.handlers.set(kind, handlers.add(handler));
    return () => void handlers.delete(handler);
  }

  /** Whether this is the tab of its browser that has the connection: what has to happen once, it does. */
  get leads(): boolean {
    return this.tabs.leads;
  }

  /** The network may be back: tries at once. */
  wake(): void {
    if (this.tabs.leads) this.live.wake();
    else this.tabs.tell({ kind: "wake" });
  }

  /** This browser signs out: other tabs learn of it. */
  async signOut(): Promise<void> {
    this.tabs.tell({ kind: "signed_out" });
    this.live.stop();
    await this.outbox.clear();
    this.close();
  }

  /** Holds a conversation up to a place: what a list row or a page of history included is not told again. */
  hold(conversation_id: string, seq: number): void {
    for (const frame of this.inbox.hold(conversation_id, seq)) this.apply(frame);
  }

  /** Writes a message; resolves when it is on the server's disk.
   * @throws {Refused} when the server will not have it */
  send(conversation: string, content: string, options: SendOptions = {}): Promise<Ack> {
    this.start();
    const client_id = newId();
    const frame: Frame<"message"> & { client_id: string } = { type: "message", client_id, conversation_id: conversation, content };
    const { reply_to, thread, metadata } = options;
    if (reply_to !== undefined) frame.reply_to = reply_to;
    if (thread !== undefined) frame.thread = thread;
    if (metadata !== undefined) frame.metadata = metadata;
    return this.ask(frame, conversation);
  }

  /** Puts a request into the outbox; resolves with its answer.
   * @throws {Refused} */
  ask(frame: Request & { client_id: string }, conversation: string): Promise<Ack> {
    const answer = new Promise<Ack>((resolve, reject) => this.waiting.set(frame.client_id, { resolve, reject }));
    void this.outbox.add(frame, conversation);
    return answer;
  }

  /** Says something that is not kept: typing, what is read, whose presence is wanted. */
  signal(frame: ClientFrame): void {
    if (!this.tabs.leads) this.tabs.tell({ kind: "send", frame });
    else if (!this.live.send(frame)) void this.signalByRequest(frame);
  }

  /**
   * New messages of a conversation (an id, or a channel's handle), from now on, over every reconnect, each once.
   * Edits, reactions and one's own sends are not among them.
   */
  async *messages(conversation: string): AsyncGenerator<ChatMessage, void, undefined> {
    const { conversation_id } = await this.rest.get<Conversation>(`conversations/${encodeURIComponent(conversation)}`);
    const queue: ChatMessage[] = [];
    let wake: (() => void) | undefined;
    const off = this.on("update", (update) => {
      for (const event of messagesOf(update, conversation_id)) {
        queue.push(new ChatMessage(this, event));
        wake?.();
      }
    });
    this.start();
    try {
      for (;;) {
        const message = queue.shift();
        if (message !== undefined) yield message;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      off();
    }
  }

  private hear(message: TabMessage): void {
    switch (message.kind) {
      case "frames":
        this.live.cursor = message.cursor;
        this.take(message.frames);
        break;
      case "status":
        this.setStatus(message.status);
        break;
      case "caught_up":
        this.caughtUp(message.anew);
        break;
      case "hello":
        this.emit("hello", message.hello);
        break;
      case "outbox":
        this.outbox.follow(message.change);
        this.outboxChanged(message.change);
        break;
      case "send":
        if (this.tabs.leads) this.signal(message.frame);
        break;
      case "wake":
        if (this.tabs.leads) this.live.wake();
        break;
      case "who":
        if (!this.tabs.leads) break;
        this.tabs.tell({ kind: "frames", frames: [], cursor: this.live.cursor });
        this.tabs.tell({ kind: "status", status: this.status });
        break;
      case "signed_out":
        this.emit("signed_out", undefined);
        break;
    }
  }

  private take(frames: ServerFrame[]): void {
    for (const frame of frames) {
      if (frame.type === "reset") this.inbox.clear();
      const { ready, hole } = this.inbox.take(frame);
      for (const one of ready) this.apply(one);
      if (hole !== undefined) setTimeout(() => void this.repair(hole), HOLE_PATIENCE_MS);
    }
  }

  private apply(frame: ServerFrame): void {
    if (frame.type === "ack") {
      const item = this.outbox.acked(frame);
      this.emit("update", { type: "sent", ack: frame, item });
    } else if (frame.type === "error") {
      this.outbox.refused(frame);
      this.emit("update", frame);
    } else {
      this.emit("update", frame as Update);
    }
  }

  /** A hole that did not fill by itself is read. */
  private async repair(hole: Hole): Promise<void> {
    const { conversation_id } = hole;
    if ((this.inbox.heldUpTo(conversation_id) ?? Infinity) > hole.after_seq) return;
    if (this.repairing.has(conversation_id)) return;
    this.repairing.add(conversation_id);
    try {
      let after = hole.after_seq;
      for (;;) {
        const page = await this.rest.get<MessagesPage>(`conversations/${conversation_id}/messages?after=${after}&limit=200`);
        const { messages: rows, as_of_seq } = page;
        this.emit("update", { type: "rows", conversation_id, rows, as_of_seq });
        const last = rows.at(-1);
        if (!page.has_more_after || last === undefined) {
          this.hold(conversation_id, as_of_seq);
          return;
        }
        after = last.seq;
      }
    } catch (error) {
      if (error instanceof Refused) this.inbox.forget(conversation_id);
      else setTimeout(() => void this.repair(hole), HOLE_PATIENCE_MS * 2);
    } finally {
      this.repairing.delete(conversation_id);
    }
  }

  private caughtUp(anew: boolean): void {
    if (anew) this.inbox.clear();
    if (this.tabs.leads) this.outbox.reconnected();
    this.emit("caught_up", anew);
  }

  private setStatus(status: ConnectionStatus): void {
    this.status = status;
    if (status.state !== "online" && status.state !== "blocked") this.outbox.disconnected();
    this.emit("status", status);
  }

  private door(): "socket" | "request" | undefined {
    if (this.live.hasSocket) return this.status.state === "online" ? "socket" : undefined;
    return this.status.state === "blocked" || this.status.state === "online" ? "request" : undefined;
  }

  private outboxChanged(change: OutboxChange): void {
    if ("put" in change) {
      const { client_id, state, failure } = change.put;
      const waiting = this.waiting.get(client_id);
      const final = state === "failed" && failure?.retry_at === undefined && failure?.code !== "no_answer";
      if (waiting !== undefined && final) {
        this.waiting.delete(client_id);
        waiting.reject(new Refused((failure?.code ?? "internal") as never, 0, failure?.params ?? {}));
      }
    } else {
      const waiting = this.waiting.get(change.removed);
      this.waiting.delete(change.removed);
      if (change.ack !== undefined) waiting?.resolve(change.ack);
      else waiting?.reject(new Error("the message was discarded"));
    }
    this.emit("outbox", change);
  }

  private emit<K extends keyof ChatEvents>(kind: K, event: ChatEvents[K]): void {
    for (const handler of [...(this.handlers.get(kind) ?? [])]) (handler as (event: ChatEvents[K]) => void)(event);
  }

  /** The same requests by REST, where there is no socket. */
  private request(frame: Request): Promise<Ack> {
    const { type: _, ...body } = frame;
    const headers = { "idempotency-key": frame.client_id ?? newId() };
    if (frame.type === "message") return this.requestMessage(body as SendMessage);
    const message = `conversations/${frame.conversation_id}/messages/${frame.message_seq}`;
    switch (frame.type) {
      case "edit":
        return this.rest.request<Ack>("PATCH", message, { body, headers });
      case "delete":
        return this.rest.request<Ack>("DELETE", message, { headers });
      case "react":
        return this.rest.post<Ack>(`${message}/reactions`, body, { headers });
      case "pin":
        return this.rest.request<Ack>("PUT", `${message}/pin`, { body, headers });
    }
  }

  private async requestMessage(body: SendMessage): Promise<Ack> {
    let conversation = body.conversation_id;
    if (conversation === undefined && body.to !== undefined) {
      const direct = { kind: "direct", members: [body.to] };
      conversation = (await this.rest.post<Conversation>("conversations", direct)).conversation_id;
    }
    const { to: _, conversation_id: __, ...rest } = body;
    return this.rest.post<Ack>(`conversations/${encodeURIComponent(conversation ?? "")}/messages`, rest);
  }

  private async signalByRequest(frame: ClientFrame): Promise<void> {
    try {
      if (frame.type === "read" || frame.type === "mark_unread") {
        const { type, conversation_id, ...body } = frame;
        const path = `conversations/${conversation_id}/${type === "read" ? "read" : "mark-unread"}`;
        await this.rest.request("PUT", path, { body });
      }
    } catch {
      // Said again with the next one; typing and presence are not worth a request.
    }
  }
}

/** A message as it arrives, with what a bot does with it. */
export class ChatMessage {
  constructor(
    private readonly chat: Chat,
    readonly event: Event & { type: "message" },
  ) {}

  get content(): string {
    return this.event.content;
  }

  get from(): string {
    return this.event.from;
  }

  get seq(): number {
    return this.event.seq;
  }

  get thread(): number | undefined {
    return this.event.thread;
  }

  /** Answers in the same place, quoting. */
  reply(content: string): Promise<Ack> {
    const { conversation_id, seq, thread } = this.event;
    return this.chat.send(conversation_id, content, { reply_to: seq, ...(thread === undefined ? {} : { thread }) });
  }
}

function messagesOf(update: ChatEvents["update"], conversation_id: string): (Event & { type: "message" })[] {
  if (update.type === "rows") {
    if (update.conversation_id !== conversation_id) return [];
    return update.rows.flatMap((row) =>
      row.row === "message" ? [{ ...row, type: "message", mentions: row.mentions } as unknown as Event & { type: "message" }] : [],
    );
  }
  if (!isEvent(update) || update.type !== "message" || update.conversation_id !== conversation_id) return [];
  return [update as Event & { type: "message" }];
}
