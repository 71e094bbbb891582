// Reading: how far I have read, told soon and only forward; marking unread holds until the conversation is opened again.

import type { Chat, ThreadSummary } from "@stonechat/client";
import { placeKey } from "../place.ts";
import type { Conversations } from "./conversations.svelte.ts";
import type { Timeline } from "./timeline.svelte.ts";

const EVERY_MS = 300;

interface Position {
  read_generation: number;
  read_seq: number;
}

export class Reading {
  /** What is about to be told. */
  private readonly waiting = new Map<string, { seq: number; timer: ReturnType<typeof setTimeout> }>();
  /** Marked unread while on screen: looking at it does not read it. */
  private readonly keptUnread = new Set<string>();

  constructor(
    private readonly chat: () => Chat,
    private readonly conversations: Conversations,
    private readonly timeline: (conversation_id: string) => Timeline,
  ) {}

  /** A row was on screen long enough. */
  read(conversation_id: string, seq: number, thread?: number, at_once = false): void {
    const key = placeKey(conversation_id, thread);
    if (at_once) this.keptUnread.delete(conversation_id);
    else if (this.keptUnread.has(conversation_id)) return;
    const waiting = this.waiting.get(key);
    const position = this.position(conversation_id, thread);
    if (position === undefined || seq <= Math.max(position.read_seq, waiting?.seq ?? 0)) return;
    clearTimeout(waiting?.timer);
    const tell = (): void => {
      this.waiting.delete(key);
      const { read_generation } = this.position(conversation_id, thread) ?? position;
      const where = thread === undefined ? {} : { thread };
      this.chat().signal({ type: "read", conversation_id, ...where, read_generation, read_seq: seq });
      if (thread === undefined) this.conversations.read(conversation_id, read_generation, seq);
      else this.threadRead(conversation_id, thread, read_generation, seq);
    };
    this.waiting.set(key, { seq, timer: setTimeout(tell, at_once ? 0 : EVERY_MS) });
  }

  /** Everything of a conversation is read, threads included. */
  all(conversation_id: string): void {
    const row = this.conversations.get(conversation_id);
    if (row === undefined) return;
    this.read(conversation_id, row.last_seq, undefined, true);
    const { follows } = this.conversations;
    // Unread replies of a conversation that was not opened yet: in which threads, the server knows.
    if (row.unread + row.mentions > 0 && !follows.loaded(conversation_id)) {
      void follows.load(conversation_id).then(() => this.threads(conversation_id, row.last_seq), () => undefined);
    } else this.threads(conversation_id, row.last_seq);
  }

  /** A conversation is opened: looking at it is reading it again. */
  opened(conversation_id: string): void {
    this.keptUnread.delete(conversation_id);
  }

  async markUnread(conversation_id: string, seq: number, thread?: number): Promise<void> {
    this.keptUnread.add(conversation_id);
    clearTimeout(this.waiting.get(conversation_id)?.timer);
    this.waiting.delete(conversation_id);
    const body = thread === undefined ? { seq } : { seq, thread };
    await this.chat().rest.request("PUT", `conversations/${conversation_id}/mark-unread`, { body });
    await this.conversations.reload(conversation_id);
  }

  /** A thread is read up to a place, here or on another device of mine. */
  threadRead(conversation_id: string, root: number, read_generation: number, read_seq: number): void {
    const summary = this.summary(conversation_id, root);
    this.conversations.threadRead(conversation_id, root, read_generation, read_seq, summary?.last_seq);
    if (summary === undefined) return;
    const unread = read_seq >= summary.last_seq ? 0 : summary.unread;
    this.timeline(conversation_id).patch(root, { thread_summary: { ...summary, unread, read_generation, read_seq } });
  }

  private threads(conversation_id: string, last_seq: number): void {
    for (const root of this.conversations.threads.get(conversation_id)?.keys() ?? []) this.read(conversation_id, last_seq, root, true);
  }

  private position(conversation_id: string, thread?: number): Position | undefined {
    if (thread === undefined) return this.conversations.get(conversation_id);
    return this.summary(conversation_id, thread) ?? this.conversations.follows.position(conversation_id, thread);
  }

  private summary(conversation_id: string, thread: number): ThreadSummary | undefined {
    return this.timeline(conversation_id).row(thread)?.message?.thread_summary;
  }
}
