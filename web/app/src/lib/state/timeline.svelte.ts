// A timeline: a window of a conversation's (or thread's) rows without holes, with what waits to be sent after it.

import type { Chat, Event, Message, MessagesPage, OutboxItem, TimelineRow, Update } from "@stonechat/client";
import { isEvent, Refused } from "@stonechat/client";
import { messageOf } from "./conversations.svelte.ts";
import { pendingMessage, rowOf, rowsOf, type Absence, type Row, type Viewer } from "./rows.ts";

export type { Absence, Row };

const PAGE = 80;
/** Beyond this the far end is let go: scrolling back reads it again. */
const MOST_ROWS = 2_000;
const REFRESH_AGAIN_MS = 2_000;
/** Until the server says: what an own message that was just sent allows. */
const EDIT_WINDOW_MS = 15 * 60_000;

export class Timeline {
  rows = $state.raw<Row[]>([]);
  private waits = $state.raw<Row[]>([]);
  /**
   * What waits to be sent; not what has its place already, though its answer was lost. Not `$derived`: a timeline is
   * made while a view is drawn and outlives it, and a derived value of a view that is gone stands still.
   */
  get pending(): Row[] {
    if (this.waits.length === 0) return this.waits;
    const held = new Set(this.rows.map((row) => row.key));
    return this.waits.filter((row) => !held.has(row.key));
  }
  has_more_before = $state(true);
  has_more_after = $state(false);
  loaded = $state(false);
  failed = $state<"before" | "after" | "open" | undefined>(undefined);
  loading = $state<"before" | "after" | "open" | undefined>(undefined);
  /** Messages of others that have come since the page was opened, shown or not. */
  arrived = $state(0);
  absences = $state.raw<Absence[]>([]);
  /** Rows by edits and so on that were made and not yet answered. */
  private readonly optimistic = new Map<string, { seq: number; before: Message }>();
  /** Grows with every window that is opened: what was asked for an earlier one is let go. */
  private windows = 0;
  /** Where the reader stood when they left, to come back to. */
  place: { key: string; top: number } | undefined;
  /** Up to where the window joins: what has arrived since may have a hole before it, until `refresh` has read the end. */
  private joined: number | undefined;
  private fetching = 0;
  /** What happened while a page was under way. */
  private since: { seq: number; of: number | undefined; again: () => void }[] = [];
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly chat: () => Chat,
    private readonly me: () => Viewer,
    readonly conversation_id: string,
    readonly thread?: number,
    /** May delete what others wrote. */
    private readonly manages: () => boolean = () => false,
  ) {}

  private opening: { around: number | undefined; read: Promise<void> } | undefined;

  get last(): Row | undefined {
    return this.rows.at(-1);
  }

  row(seq: number): Row | undefined {
    const at = this.index(seq);
    return this.rows[at]?.seq === seq ? this.rows[at] : undefined;
  }

  /** The newest page, or the page around a place. Whoever asks for the same while it is read waits for the same. */
  open(around?: number): Promise<void> {
    if (this.opening?.around === around && this.opening !== undefined) return this.opening.read;
    const read = this.openNow(around).finally(() => {
      if (this.opening?.read === read) this.opening = undefined;
    });
    this.opening = { around, read };
    return read;
  }

  private async openNow(around?: number): Promise<void> {
    const window = ++this.windows;
    this.loading = "open";
    this.failed = undefined;
    try {
      const page = await this.fetch(around === undefined ? "" : `around=${around}`);
      if (window !== this.windows) return;
      this.rows = this.made(page.messages);
      this.has_more_before = page.has_more_before;
      this.has_more_after = page.has_more_after;
      this.joined = undefined;
      this.loaded = true;
      this.join(page);
    } catch (error) {
      if (window === this.windows) this.failed = "open";
      throw error;
    } finally {
      if (window === this.windows) this.loading = undefined;
    }
  }

  /** Rows from the cache, painted before the server answers. */
  seed(rows: TimelineRow[], has_more_before: boolean): void {
    if (this.loaded) return;
    this.rows = this.made(rows);
    this.has_more_before = has_more_before;
    this.loaded = true;
    this.outdate();
  }

  /** After a break that was too long to be told: what is newer is read, or the window begins anew; until that is done. */
  async refresh(): Promise<void> {
    clearTimeout(this.again);
    if (!this.loaded || this.has_more_after) return;
    this.outdate();
    const window = this.windows;
    try {
      const page = await this.fetch("");
      // Somebody went elsewhere meanwhile, or is about to: the window that was to be refreshed is gone.
      if (window !== this.windows || this.loading === "open") return;
      const first = page.messages[0]?.seq ?? 0;
      const last = this.joined ?? 0;
      // The newest page joins what is here; or else it replaces it.
      if (first <= last + 1 || !page.has_more_before) this.merge(page.messages);
      else {
        this.windows++;
        this.loading = undefined;
        this.rows = this.made(page.messages);
        this.has_more_before = page.has_more_before;
      }
      this.joined = undefined;
      this.join(page);
    } catch (error) {
      if (!(error instanceof Refused)) this.again = setTimeout(() => void this.refresh(), REFRESH_AGAIN_MS);
    }
  }

  async before(): Promise<void> {
    await this.extend("before");
  }

  async after(): Promise<void> {
    await this.extend("after");
  }

  private async extend(side: "before" | "after"): Promise<void> {
    const more = side === "before" ? this.has_more_before : this.has_more_after;
    const edge = side === "before" ? this.rows[0] : this.last;
    if (this.loading !== undefined || !more || edge === undefined) return;
    const window = this.windows;
    this.loading = side;
    this.failed = undefined;
    try {
      const page = await this.fetch(`${side}=${edge.seq}`);
      // Another window was opened meanwhile: this page belongs to none that is shown.
      if (window !== this.windows) return;
      const made = this.made(page.messages);
      if (side === "before") {
        const rows = [...made, ...this.rows];
        this.has_more_before = page.has_more_before;
        if (rows.length > MOST_ROWS) this.has_more_after = true;
        this.rows = rows.slice(0, MOST_ROWS);
      } else {
        const rows = [...this.rows, ...made];
        this.has_more_after = page.has_more_after;
        if (rows.length > MOST_ROWS) this.has_more_before = true;
        this.rows = rows.slice(-MOST_ROWS);
      }
      this.join(page);
    } catch {
      if (window === this.windows) this.failed = side;
    } finally {
      if (window === this.windows) this.loading = undefined;
    }
  }

  private async fetch(where: string): Promise<MessagesPage> {
    const thread = this.thread === undefined ? "" : `&thread=${this.thread}`;
    this.fetching++;
    if (this.fetching === 1) this.since = [];
    try {
      return await this.chat().rest.get<MessagesPage>(`conversations/${this.conversation_id}/messages?limit=${PAGE}${thread}&${where}`);
    } finally {
      this.fetching--;
    }
  }

  /** A page is in its place: what happened after it was read, and before it came, happens to it too. */
  private join(page: MessagesPage): void {
    const held = new Set(page.messages.map((row) => row.seq));
    for (const { seq, of, again } of this.since) if (seq > page.as_of_seq && (of === undefined || held.has(of))) again();
    if (!page.has_more_after && this.thread === undefined) this.chat().hold(this.conversation_id, page.as_of_seq);
  }

  /** The stream does not join what is here. */
  outdate(): void {
    if (this.loaded && !this.has_more_after) this.joined ??= this.last?.seq ?? 0;
  }

  /** Something happened in this conversation. */
  apply(update: Update): void {
    if (update.type === "rows") {
      if (!this.has_more_after) this.merge(update.rows.filter((row) => this.belongs(row)));
      return;
    }
    if (!isEvent(update)) return;
    if (this.fetching > 0) this.since.push({ seq: update.seq, of: "message_seq" in update && update.type !== "pin" ? update.message_seq : undefined, again: () => this.happen(update) });
    this.happen(update);
  }

  private happen(update: Event): void {
    switch (update.type) {
      case "message":
        if (update.thread === this.thread) this.append(rowOf({ ...messageOf(update), can_delete: this.manages() }, this.me()));
        if (update.thread !== undefined && this.thread === undefined) this.replied(update.thread, update.seq, update.timestamp, update.from);
        break;
      case "edit": {
        if (!update.current) break;
        const { content, content_type, version, edited_at } = update;
        const change: Partial<Message> = { content, content_type, version, edited_at };
        if (update.mentions !== undefined) change.mentions = update.mentions;
        this.patch(update.message_seq, change);
        break;
      }
      case "delete":
        this.patch(update.message_seq, { content: "", deleted: true, reactions: [], pinned: false });
        break;
      case "reaction":
        this.react(update.message_seq, update.emoji, update.action === "add", update.from === this.me().user_id);
        break;
      case "pin":
        this.patch(update.message_seq, { pinned: update.pinned });
        this.system(update);
        break;
      default:
        this.system(update);
    }
  }

  /** A request of this device was answered. */
  sent(item: OutboxItem, seq: number, timestamp: string, message_id: string | undefined): void {
    const { frame } = item;
    this.optimistic.delete(item.client_id);
    if (frame.type !== "message") {
      const of = "message_seq" in frame ? (frame.message_seq ?? 0) : 0;
      const again = (): void => this.changed(frame, of, timestamp);
      // A page that was read before this change must not take it back.
      if (this.fetching > 0) this.since.push({ seq, of, again });
      again();
      return;
    }
    if (frame.thread !== undefined && this.thread === undefined) this.replied(frame.thread, seq, timestamp, this.me().user_id);
    if (frame.thread !== this.thread) return;
    const waiting = this.waits.find((row) => row.key === item.client_id);
    const message: Message = {
      ...(waiting?.message ?? pendingMessage(item, this.conversation_id, this.me())),
      seq,
      timestamp,
      message_id: message_id ?? "",
      can_delete: true,
      can_edit_until: new Date(Date.parse(timestamp) + EDIT_WINDOW_MS).toISOString(),
    };
    const row: Row = { key: item.client_id, seq, timestamp, message, state: "sent" };
    if (this.fetching > 0) this.since.push({ seq, of: undefined, again: () => this.append(row) });
    this.append(row);
    this.waits = this.waits.filter((row) => row.key !== item.client_id);
  }

  /** A change of mine is done; where it was shown already, nothing happens. */
  private changed(frame: OutboxItem["frame"], of: number, timestamp: string): void {
    if (frame.type === "delete") this.patch(of, { content: "", deleted: true, reactions: [] });
    if (frame.type === "edit") this.patch(of, { content: frame.content, edited_at: timestamp });
    if (frame.type === "react") this.react(of, frame.emoji, frame.action === "add", true);
    if (frame.type === "pin") this.patch(of, { pinned: frame.pinned });
  }

  /** What waits in the outbox, as rows and as changes shown before they are answered. */
  waiting(items: OutboxItem[]): void {
    this.waits = items
      .filter((item) => item.frame.type === "message" && item.frame.thread === this.thread)
      .map((item) => {
        const message = pendingMessage(item, this.conversation_id, this.me());
        const row: Row = { key: item.client_id, seq: 0, timestamp: message.timestamp, message, state: item.state };
        if (item.failure !== undefined) row.failure = item.failure;
        return row;
      });
  }

  /** Shows a reaction at once; `undo` takes it back when it was refused. */
  optimisticReaction(client_id: string, seq: number, emoji: string, add: boolean): void {
    const before = this.row(seq)?.message;
    if (before === undefined) return;
    this.optimistic.set(client_id, { seq, before });
    this.react(seq, emoji, add, true);
  }

  undo(client_id: string): boolean {
    const change = this.optimistic.get(client_id);
    this.optimistic.delete(client_id);
    if (change !== undefined) this.patch(change.seq, { reactions: change.before.reactions ?? [] });
    return change !== undefined;
  }

  /** The message as the server has it now, with what I may do. */
  async reload(seq: number): Promise<Message> {
    const message = await this.chat().rest.get<Message>(`conversations/${this.conversation_id}/messages/${seq}`);
    this.patch(seq, message);
    return message;
  }

  patch(seq: number, change: Partial<Message>): void {
    const at = this.index(seq);
    const row = this.rows[at];
    if (row?.seq !== seq || row.message === undefined) return;
    const message = { ...row.message, ...change };
    const rows = [...this.rows];
    rows[at] = { ...row, message, state: message.deleted === true ? "deleted" : "sent" };
    this.rows = rows;
  }

  absent(absence: Absence): void {
    if (absence.count > 0) this.absences = [...this.absences, absence];
  }

  private react(seq: number, emoji: string, add: boolean, mine: boolean): void {
    const message = this.row(seq)?.message;
    if (message === undefined) return;
    const reactions = (message.reactions ?? []).map((one) => ({ ...one }));
    const one = reactions.find((reaction) => reaction.emoji === emoji);
    if (mine && (one?.me ?? false) === add) return;
    if (one === undefined && add) reactions.push({ emoji, count: 1, me: mine });
    else if (one !== undefined) {
      one.count += add ? 1 : -1;
      if (mine) one.me = add;
    }
    this.patch(seq, { reactions: reactions.filter((reaction) => reaction.count > 0) });
  }

  /** A reply in a thread changes what its root says. */
  private replied(root_seq: number, seq: number, timestamp: string, from: string): void {
    const message = this.row(root_seq)?.message;
    if (message === undefined) return;
    const known = message.thread_summary;
    const mine = from === this.me().user_id;
    const followed = known?.followed ?? (mine || message.from === this.me().user_id);
    this.patch(root_seq, {
      thread_summary: {
        root_seq,
        count: (known?.count ?? 0) + 1,
        last_seq: seq,
        last_timestamp: timestamp,
        followed: followed || mine,
        unread: mine ? 0 : (known?.unread ?? 0) + (followed ? 1 : 0),
        read_generation: known?.read_generation ?? 0,
        read_seq: mine ? seq : (known?.read_seq ?? 0),
      },
    });
  }

  private system(event: Event): void {
    if (this.thread !== undefined) return;
    this.append({ key: `e${event.seq}`, seq: event.seq, timestamp: event.timestamp, event, state: "sent" });
  }

  /** Puts a row into its place. */
  private append(row: Row): void {
    if (!this.loaded) return;
    const at = this.index(row.seq);
    if (this.rows[at]?.seq === row.seq) return;
    if (row.message !== undefined && row.message.from !== this.me().user_id && at === this.rows.length) this.arrived++;
    if (this.has_more_after) return;
    const rows = [...this.rows];
    rows.splice(at, 0, row);
    this.rows = rows.length > MOST_ROWS + PAGE ? rows.slice(-MOST_ROWS) : rows;
    if (rows.length > MOST_ROWS + PAGE) this.has_more_before = true;
  }

  private merge(page: TimelineRow[]): void {
    const last = this.last?.seq ?? 0;
    this.arrived += page.filter((row) => row.row === "message" && row.seq > last && row.from !== this.me().user_id).length;
    const bySeq = new Map(this.rows.map((row) => [row.seq, row]));
    for (const made of this.made(page)) {
      const known = bySeq.get(made.seq);
      bySeq.set(made.seq, known === undefined ? made : { ...made, key: known.key });
    }
    this.rows = [...bySeq.values()].sort((a, b) => a.seq - b.seq);
  }

  private made(page: TimelineRow[]): Row[] {
    return rowsOf(page, this.me());
  }

  private belongs(row: TimelineRow): boolean {
    return row.row === "message" ? row.thread === this.thread : this.thread === undefined;
  }

  /** Where a seq stands or would stand. */
  private index(seq: number): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.rows[middle]?.seq ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
