// The conversation list: rows as the server tells them and as events change them, in an order that holds still.

import type { Conversation, ConversationsPage, Event, Message, Rest } from "@stonechat/client";
import { SvelteMap } from "svelte/reactivity";
import { prefs } from "../prefs.svelte.ts";
import { Follows } from "./follows.svelte.ts";

export type Section = "pinned" | "direct" | "conversations";
export type Filter = "all" | "unread" | "mentions";

/** How long the pointer must rest outside before the list settles. */
const REST_MS = 1_000;
/** So often an answer that comes too late is asked for again. */
const MOST_TRIES = 5;

export class Conversations {
  private readonly rows = new SvelteMap<string, Conversation>();
  /** The order shown: of activity, but not while somebody is about to click. */
  order = $state.raw<string[]>([]);
  loaded = $state(false);
  filter = $state<Filter>("all");
  readonly follows: Follows;
  private held = false;
  private settle: ReturnType<typeof setTimeout> | undefined;
  private readonly overtaken = new Map<string, number>();
  private readonly refreshing = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(
    private readonly rest: () => Rest,
    private readonly me: () => string,
  ) {
    this.follows = new Follows(rest);
  }

  /** Unread replies in threads that are followed: conversation → root → count. */
  get threads(): ReadonlyMap<string, ReadonlyMap<number, number>> {
    return this.follows.unread;
  }

  get(conversation_id: string): Conversation | undefined {
    return this.rows.get(conversation_id);
  }

  /** By id, or a channel's handle as addresses have it. */
  find(ref: string): Conversation | undefined {
    const row = this.rows.get(ref);
    if (row !== undefined) return row;
    for (const one of this.rows.values()) if (one.handle === ref) return one;
    return undefined;
  }

  withPerson(user_id: string): Conversation | undefined {
    for (const row of this.rows.values()) if (row.with === user_id) return row;
    return undefined;
  }

  all(): Conversation[] {
    return [...this.rows.values()];
  }

  /** Unread that somebody wants of me: mentions and direct messages, as badge and title count. */
  get wanted(): number {
    let sum = 0;
    for (const row of this.rows.values()) sum += wantedOf(row);
    return sum;
  }

  get unread(): number {
    let sum = 0;
    for (const row of this.rows.values()) sum += row.unread;
    return sum;
  }

  sections = $derived.by(() => {
    const sections: Record<Section, Conversation[]> = { pinned: [], direct: [], conversations: [] };
    for (const id of this.order) {
      const row = this.rows.get(id);
      if (row === undefined) continue;
      const section = prefs.all.pinned.includes(id) ? "pinned" : row.kind === "direct" ? "direct" : "conversations";
      sections[section].push(row);
    }
    return sections;
  });

  /** Reads all pages. Rows that are gone on the server go here. */
  async load(): Promise<Conversation[]> {
    const all: Conversation[] = [];
    let next: string | undefined;
    do {
      const query: string = next === undefined ? "" : `&page=${encodeURIComponent(next)}`;
      const page: ConversationsPage = await this.rest().get<ConversationsPage>(`conversations?limit=200${query}`);
      all.push(...page.conversations);
      next = page.next;
    } while (next !== undefined);
    this.replace(all);
    this.loaded = true;
    return all;
  }

  replace(all: Conversation[]): void {
    const ids = new Set(all.map((row) => row.conversation_id));
    for (const id of [...this.rows.keys()]) if (!ids.has(id)) this.rows.delete(id);
    for (const row of all) {
      const known = this.rows.get(row.conversation_id);
      if (known === undefined || known.as_of_seq <= row.as_of_seq) this.rows.set(row.conversation_id, row);
    }
    this.sort();
  }

  put(row: Conversation): void {
    this.rows.set(row.conversation_id, row);
    this.sort();
  }

  remove(conversation_id: string): void {
    this.rows.delete(conversation_id);
    this.follows.forget(conversation_id);
    this.sort();
  }

  change(conversation_id: string, change: Partial<Conversation>): void {
    const row = this.rows.get(conversation_id);
    if (row !== undefined) this.rows.set(conversation_id, { ...row, ...change });
  }

  /** An event of the log, told once. */
  event(event: Event): void {
    const row = this.rows.get(event.conversation_id);
    if (row === undefined || event.seq <= row.as_of_seq) return;
    const change: Partial<Conversation> = { last_seq: Math.max(row.last_seq, event.seq), as_of_seq: event.seq };
    switch (event.type) {
      case "message": {
        change.updated_at = event.timestamp;
        if (event.thread !== undefined) {
          this.replied(event, event.thread, row, change);
          break;
        }
        change.ordinal = event.ordinal > 0 ? event.ordinal : row.ordinal + 1;
        change.last_message = messageOf(event);
        if (event.from === this.me()) break;
        change.unread = row.unread + 1;
        if (row.first_unread_seq === undefined) change.first_unread_seq = event.seq;
        if (mentions(event, this.me())) change.mentions = row.mentions + 1;
        break;
      }
      case "edit":
        if (row.last_message?.seq === event.message_seq && event.current) {
          change.last_message = { ...row.last_message, content: event.content, edited_at: event.edited_at };
        }
        // It may name me now, or no more: the server counts.
        if (event.from !== this.me() && (mentions(event, this.me()) || row.mentions > 0)) this.refresh(event.conversation_id);
        break;
      case "delete":
        if (row.last_message?.seq === event.message_seq) {
          change.last_message = { ...row.last_message, content: "", deleted: true };
        }
        // What was unread may be unread no more: the server counts.
        if (row.unread > 0 || row.mentions > 0 || !this.follows.loaded(event.conversation_id)) this.recount(event.conversation_id);
        break;
      case "renamed":
        change.name = event.name;
        break;
      case "topic_changed":
        change.topic = event.topic;
        break;
      case "archived":
        change.archived = event.archived;
        this.refresh(event.conversation_id);
        break;
      case "posting_changed":
        change.posting = event.posting;
        this.refresh(event.conversation_id);
        break;
      case "role_changed":
        if (event.user_id === this.me()) this.refresh(event.conversation_id);
        break;
      case "member_joined":
        change.member_count = row.member_count + 1;
        break;
      case "member_left":
        change.member_count = row.member_count - 1;
        break;
    }
    this.change(event.conversation_id, change);
    if (change.updated_at !== undefined) this.sort();
  }

  /** A device of mine has read, or marked unread. */
  read(conversation_id: string, read_generation: number, read_seq: number): void {
    const row = this.rows.get(conversation_id);
    if (row === undefined) return;
    const behind = read_generation < row.read_generation || (read_generation === row.read_generation && read_seq < row.read_seq);
    if (behind) return;
    const all = read_seq >= (row.last_message?.seq ?? row.last_seq);
    const { first_unread_seq: _, ...rest } = row;
    const unread = this.threadTotal(conversation_id);
    if (all) this.rows.set(conversation_id, { ...rest, read_generation, read_seq, unread, mentions: 0 });
    else this.change(conversation_id, { read_generation, read_seq });
    // What is left, in threads or after this place, the server counts.
    const left = !all || unread > 0 || (row.unread > 0 && !this.follows.loaded(conversation_id));
    if (left && row.unread + row.mentions > 0) this.refresh(conversation_id);
    else if (!all) this.refresh(conversation_id);
  }

  /** Somebody replied in a thread: unread for those who follow it (MA-06). */
  private replied(event: Event & { type: "message" }, root: number, row: Conversation, change: Partial<Conversation>): void {
    const { conversation_id } = event;
    if (event.from === this.me()) {
      this.follows.set(conversation_id, root, true);
      return;
    }
    const named = mentions(event, this.me());
    if (named) change.mentions = row.mentions + 1;
    const counts = this.follows.reply(event, named);
    if (counts === true) change.unread = row.unread + 1;
    else if (counts === undefined) this.recount(conversation_id, root);
  }

  /** A device of mine has read in a thread, or marked it unread. */
  threadRead(conversation_id: string, root: number, read_generation: number, read_seq: number, last_seq = Infinity): void {
    if (!this.follows.moved(conversation_id, root, { read_generation, read_seq })) return;
    const row = this.rows.get(conversation_id);
    const count = this.threads.get(conversation_id)?.get(root) ?? 0;
    if (row !== undefined && count > 0 && read_seq >= last_seq) {
      this.follows.count(conversation_id, root, 0);
      this.change(conversation_id, { unread: Math.max(0, row.unread - count) });
    }
    this.recount(conversation_id);
  }

  /** What is unread in the threads of a conversation, and then in all of it, as the server has it. */
  private recount(conversation_id: string, root?: number): void {
    void this.follows.load(conversation_id, root).then(() => this.refresh(conversation_id), () => undefined);
  }

  threadTotal(conversation_id: string): number {
    return this.follows.total(conversation_id);
  }

  /** What is unread in the main timeline. */
  unreadInTimeline(row: Conversation): number {
    return Math.max(0, row.unread - this.threadTotal(row.conversation_id));
  }

  /** The server counts anew, soon. */
  refresh(conversation_id: string): void {
    if (this.refreshing.has(conversation_id)) return;
    const timer = setTimeout(() => {
      this.refreshing.delete(conversation_id);
      void this.reload(conversation_id).catch(() => undefined);
    }, 100);
    this.refreshing.set(conversation_id, timer);
  }

  async reload(conversation_id: string): Promise<Conversation> {
    const row = await this.rest().get<Conversation>(`conversations/${encodeURIComponent(conversation_id)}`);
    const known = this.rows.get(row.conversation_id);
    // An answer that was overtaken by events, or by what was read here meanwhile, is behind them.
    const overtaken = known !== undefined && (row.as_of_seq < known.as_of_seq || isBefore(row, known));
    const tries = this.overtaken.get(row.conversation_id) ?? 0;
    if (known === undefined || !overtaken || tries >= MOST_TRIES) {
      this.overtaken.delete(row.conversation_id);
      this.rows.set(row.conversation_id, row);
      if (known?.updated_at !== row.updated_at) this.sort();
    } else {
      this.overtaken.set(row.conversation_id, tries + 1);
      this.refresh(conversation_id);
    }
    return row;
  }

  /** While the pointer moves over the list or focus is inside, nothing jumps; afterwards it settles once. */
  hold(held: boolean): void {
    clearTimeout(this.settle);
    if (held) {
      this.held = true;
      return;
    }
    this.settle = setTimeout(() => {
      this.held = false;
      this.sort();
    }, REST_MS);
  }

  private sort(): void {
    const known = new Set(this.order);
    const fresh = this.rows.size !== known.size || [...this.rows.keys()].some((id) => !known.has(id));
    if (this.held && !fresh) return;
    if (this.held) {
      // New rows come first, gone ones go; the others stay where they are.
      const added = [...this.rows.keys()].filter((id) => !known.has(id));
      this.order = [...added, ...this.order.filter((id) => this.rows.has(id))];
      return;
    }
    const rows = [...this.rows.values()].sort((a, b) => (a.updated_at < b.updated_at ? 1 : a.updated_at > b.updated_at ? -1 : 0));
    const order = rows.map((row) => row.conversation_id);
    if (order.length === this.order.length && order.every((id, n) => id === this.order[n])) return;
    this.order = order;
  }
}

/** Unread that carries the signal colour: all of a direct conversation, otherwise mentions; nothing of a muted one but mentions. */
export function wantedOf(row: Conversation): number {
  if (row.kind === "direct" && !row.muted) return row.unread;
  return row.mentions;
}

function isBefore(a: Conversation, b: Conversation): boolean {
  return a.read_generation < b.read_generation || (a.read_generation === b.read_generation && a.read_seq < b.read_seq);
}

export function mentions(event: { mentions?: { users?: string[]; all?: boolean } }, me: string): boolean {
  return event.mentions?.all === true || (event.mentions?.users?.includes(me) ?? false);
}

/** A `message` event as the message it made. */
export function messageOf(event: Event & { type: "message" }): Message {
  const { type: _, thread_ordinal: __, ...message } = event;
  return { ...message, can_delete: false };
}
