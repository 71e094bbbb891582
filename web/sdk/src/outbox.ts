// The outbox: requests that wait for their answer. Stored before they are sent, sent in order, resent with their id.

import { isPassing, Refused, Unreachable } from "./errors.js";
import type { Failure, OutboxItem, OutboxStorage } from "./storage.js";
import type { Ack, ClientFrame, Code, ErrorFrame } from "./wire.js";

/** A request without an answer for so long, while connected, has failed until something is heard. */
const ANSWER_TIMEOUT_MS = 10_000;
const AGAIN_MS = 2_000;

/** How requests leave. */
export interface OutboxDoor {
  /** Sends by the socket; `false`: there is none. */
  socket(frame: ClientFrame): boolean;
  /** Sends by a plain request. */
  request(frame: ClientFrame): Promise<Ack>;
  /** A request was answered: the answer takes its place among the frames of the stream. */
  answered(ack: Ack): void;
  /** Whether there is a connection at all, and of which kind. */
  door(): "socket" | "request" | undefined;
}

export type OutboxChange = { put: OutboxItem } | { removed: string; ack?: Ack };

export class Outbox {
  private readonly items = new Map<string, OutboxItem>();
  /** Requests on their way, by client id. */
  private readonly inFlight = new Map<string, ReturnType<typeof setTimeout>>();
  /** Requests of this page that are over. */
  private readonly done = new Set<string>();
  private loading: Promise<void> | undefined;
  private lastOrder = 0;
  private again: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param changed is told every change of this tab's making, to show it and to tell other tabs
   * @param leads whether this tab is the one that sends
   */
  constructor(
    private readonly storage: OutboxStorage,
    private readonly door: OutboxDoor,
    private readonly changed: (change: OutboxChange) => void,
    private readonly leads: () => boolean,
  ) {}

  /** Reads what an earlier page left. */
  load(): Promise<void> {
    this.loading ??= this.read().catch((error: unknown) => {
      this.loading = undefined;
      throw error;
    });
    return this.loading;
  }

  private async read(): Promise<void> {
    for (const item of await this.storage.all()) {
      // What was answered while the storage was read is not waiting any more.
      if (!this.items.has(item.client_id) && !this.done.has(item.client_id)) this.items.set(item.client_id, item);
      this.lastOrder = Math.max(this.lastOrder, item.order);
    }
    this.pump();
  }

  list(): OutboxItem[] {
    return [...this.items.values()].sort((a, b) => a.order - b.order);
  }

  get(client_id: string): OutboxItem | undefined {
    return this.items.get(client_id);
  }

  /** Takes a request: shown at once, stored, then sent. */
  async add(frame: ClientFrame & { client_id: string }, conversation_id: string): Promise<OutboxItem> {
    this.lastOrder = Math.max(Date.now(), this.lastOrder + 1);
    const { client_id } = frame;
    const item: OutboxItem = { client_id, conversation_id, frame, order: this.lastOrder, state: "pending" };
    this.items.set(client_id, item);
    this.changed({ put: item });
    await this.storage.put(item).catch(() => undefined);
    this.pump();
    return item;
  }

  /** Sends a failed request again, with its id: however often this is asked, it happens once. */
  retry(client_id: string): void {
    const item = this.items.get(client_id);
    if (item?.state !== "failed") return;
    this.update({ ...pending(item) });
    this.pump();
  }

  discard(client_id: string): void {
    this.remove(client_id);
  }

  /** Another tab changed something. */
  follow(change: OutboxChange): void {
    if ("put" in change) {
      this.items.set(change.put.client_id, change.put);
      this.lastOrder = Math.max(this.lastOrder, change.put.order);
      this.pump();
    } else {
      this.done.add(change.removed);
      this.items.delete(change.removed);
      this.settle(change.removed);
    }
  }

  /** An answer: the request is done. */
  acked(ack: Ack): OutboxItem | undefined {
    const item = this.items.get(ack.client_id);
    if (item !== undefined) this.remove(ack.client_id, ack);
    return item;
  }

  /** A refusal: for good, or until later. */
  refused(error: Pick<ErrorFrame, "code" | "params" | "retry_after_ms" | "client_id">, request_id?: string): void {
    const item = error.client_id === undefined ? undefined : this.items.get(error.client_id);
    if (item === undefined) return;
    this.settle(item.client_id);
    const failure: Failure = { code: error.code, params: (error.params ?? {}) as Record<string, unknown> };
    if (request_id !== undefined) failure.request_id = request_id;
    if (isPassing(error.code as Code) || error.retry_after_ms !== undefined) {
      failure.retry_at = Date.now() + (error.retry_after_ms ?? AGAIN_MS);
    }
    this.update({ ...item, state: "failed", failure });
    this.pump();
  }

  /** The connection is there again: what was under way, or got no answer, goes out once more. */
  reconnected(): void {
    this.disconnected();
    for (const item of this.items.values()) {
      if (item.failure?.code === "no_answer") this.update(pending(item));
    }
    this.pump();
  }

  disconnected(): void {
    for (const client_id of [...this.inFlight.keys()]) this.settle(client_id);
  }

  async clear(): Promise<void> {
    this.disconnected();
    this.items.clear();
    await this.storage.clear();
  }

  /** Sends what may go: per conversation one request at a time, so that order holds whatever is refused. */
  private pump(): void {
    const door = this.door.door();
    if (door === undefined || !this.leads()) return;
    const now = Date.now();
    let next = Infinity;
    const busy = new Set<string>();
    for (const client_id of this.inFlight.keys()) busy.add(this.items.get(client_id)?.conversation_id ?? "");
    for (let item of this.list()) {
      const retry_at = item.failure?.retry_at;
      if (item.state === "failed") {
        if (retry_at === undefined) continue;
        if (retry_at > now) {
          next = Math.min(next, retry_at);
          // Waiting only: what comes after it must not overtake it.
          busy.add(item.conversation_id);
          continue;
        }
        item = pending(item);
        this.update(item);
      }
      if (busy.has(item.conversation_id)) continue;
      busy.add(item.conversation_id);
      this.launch(item, door);
    }
    clearTimeout(this.again);
    if (next < Infinity) this.again = setTimeout(() => this.pump(), next - now);
  }

  private launch(item: OutboxItem, door: "socket" | "request"): void {
    const { client_id } = item;
    if (door === "socket" && !this.door.socket(item.frame)) return;
    const timer = setTimeout(() => this.unanswered(client_id), ANSWER_TIMEOUT_MS);
    this.inFlight.set(client_id, timer);
    if (door === "socket") return;
    this.door.request(item.frame).then(
      (ack) => {
        this.door.answered(ack);
        this.pump();
      },
      (error: unknown) => {
        if (error instanceof Refused) {
          const { code, params, retry_after_ms } = error;
          const refusal = { code, params, client_id, ...(retry_after_ms === undefined ? {} : { retry_after_ms }) };
          this.refused(refusal, error.request_id);
        } else if (error instanceof Unreachable) {
          this.unanswered(client_id);
        }
      },
    );
  }

  private unanswered(client_id: string): void {
    const item = this.items.get(client_id);
    this.settle(client_id);
    if (item === undefined) return;
    this.update({ ...item, state: "failed", failure: { code: "no_answer", params: {} } });
    this.pump();
  }

  private settle(client_id: string): void {
    clearTimeout(this.inFlight.get(client_id));
    this.inFlight.delete(client_id);
  }

  private update(item: OutboxItem): void {
    this.items.set(item.client_id, item);
    this.changed({ put: item });
    void this.storage.put(item).catch(() => undefined);
  }

  private remove(client_id: string, ack?: Ack): void {
    this.settle(client_id);
    this.done.add(client_id);
    if (!this.items.delete(client_id)) return;
    this.changed(ack === undefined ? { removed: client_id } : { removed: client_id, ack });
    void this.storage.remove(client_id).catch(() => undefined);
    this.pump();
  }
}

function pending(item: OutboxItem): OutboxItem {
  const { failure: _, ...rest } = item;
  return { ...rest, state: "pending" };
}
