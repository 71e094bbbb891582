// Threads that are followed, per conversation: which, how much of each is unread, and how far each is read.

import type { Event, Rest, ThreadsPage } from "@stonechat/client";
import { SvelteMap } from "svelte/reactivity";
import { placeKey } from "../place.ts";

export interface ThreadPosition {
  read_generation: number;
  read_seq: number;
}

export class Follows {
  /** Unread replies: conversation → root → count. Only roots with some. */
  readonly unread = new SvelteMap<string, ReadonlyMap<number, number>>();
  /** Conversation → root → whether it is followed. What is not in it has not been asked for. */
  private readonly known = new Map<string, Map<number, boolean>>();
  private readonly positions = new Map<string, ThreadPosition>();
  private readonly loading = new Map<string, Promise<void>>();

  constructor(private readonly rest: () => Rest) {}

  /** Whether it was asked what is followed here. */
  loaded(conversation_id: string): boolean {
    return this.known.has(conversation_id);
  }

  followed(conversation_id: string, root: number): boolean | undefined {
    return this.known.get(conversation_id)?.get(root);
  }

  set(conversation_id: string, root: number, followed: boolean): void {
    this.known.get(conversation_id)?.set(root, followed);
    if (!followed) this.count(conversation_id, root, 0);
  }

  total(conversation_id: string): number {
    let sum = 0;
    for (const count of this.unread.get(conversation_id)?.values() ?? []) sum += count;
    return sum;
  }

  count(conversation_id: string, root: number, count: number): void {
    const counts = new Map(this.unread.get(conversation_id) ?? []);
    if (count > 0) counts.set(root, count);
    else counts.delete(root);
    this.unread.set(conversation_id, counts);
  }

  position(conversation_id: string, root: number): ThreadPosition {
    return this.positions.get(placeKey(conversation_id, root)) ?? { read_generation: 0, read_seq: 0 };
  }

  /** A device of mine has read this far in a thread. `false`: we knew that already. */
  moved(conversation_id: string, root: number, to: ThreadPosition): boolean {
    const at = this.position(conversation_id, root);
    const forward = to.read_generation > at.read_generation || (to.read_generation === at.read_generation && to.read_seq > at.read_seq);
    if (forward) this.positions.set(placeKey(conversation_id, root), to);
    return forward;
  }

  /** A reply of somebody else: `true`, it counts; `false`, the thread is not followed; `undefined`: the server knows. */
  reply(event: Event & { type: "message" }, mentioned: boolean): boolean | undefined {
    const { conversation_id, thread: root = 0 } = event;
    const followed = this.followed(conversation_id, root);
    // Whoever is named begins to follow, unless they once stopped: the server knows.
    if (followed === undefined || (mentioned && !followed)) return undefined;
    if (followed) this.count(conversation_id, root, (this.unread.get(conversation_id)?.get(root) ?? 0) + 1);
    return followed;
  }

  /** Asks what is followed here. `of`: a root about which it was not known. */
  async load(conversation_id: string, of?: number): Promise<void> {
    let under_way = this.loading.get(conversation_id);
    if (under_way === undefined) {
      under_way = this.ask(conversation_id).finally(() => this.loading.delete(conversation_id));
      this.loading.set(conversation_id, under_way);
    }
    await under_way;
    const known = this.known.get(conversation_id);
    if (of !== undefined && known !== undefined && !known.has(of)) known.set(of, false);
  }

  private async ask(conversation_id: string): Promise<void> {
    const { threads } = await this.rest().get<ThreadsPage>(`conversations/${conversation_id}/threads?followed=true&limit=50`);
    const known = this.known.get(conversation_id) ?? new Map<number, boolean>();
    const counts = new Map<number, number>();
    for (const { root } of threads) {
      known.set(root.seq, true);
      const summary = root.thread_summary;
      if (summary === undefined) continue;
      if (summary.unread > 0) counts.set(root.seq, summary.unread);
      this.positions.set(placeKey(conversation_id, root.seq), { read_generation: summary.read_generation, read_seq: summary.read_seq });
    }
    this.known.set(conversation_id, known);
    this.unread.set(conversation_id, counts);
  }

  forget(conversation_id: string): void {
    this.known.delete(conversation_id);
    this.unread.delete(conversation_id);
  }

  /** After a break nothing of it is certain. */
  forgetAll(): void {
    this.known.clear();
  }
}
