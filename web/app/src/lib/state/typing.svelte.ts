// Typing: told at the first key and every 3 s, forgotten 6 s after the last word of it, never stored.

import type { Chat } from "@stonechat/client";
import { SvelteMap } from "svelte/reactivity";
import { placeKey } from "../place.ts";

const LASTS_MS = 6_000;
const EVERY_MS = 3_000;

export class Typing {
  /** Who types where: place → person → until. */
  readonly people = new SvelteMap<string, ReadonlyMap<string, number>>();
  private readonly told = new Map<string, number>();

  constructor(
    private readonly chat: () => Chat,
    /** My id, and whether others may see that I type. */
    private readonly me: () => { user_id: string; shares: boolean },
  ) {}

  /** I type here. */
  typed(conversation_id: string, thread?: number): void {
    if (!this.me().shares) return;
    const key = placeKey(conversation_id, thread);
    if (Date.now() - (this.told.get(key) ?? 0) < EVERY_MS) return;
    this.told.set(key, Date.now());
    this.chat().signal({ type: "typing", conversation_id, action: "start", ...(thread === undefined ? {} : { thread }) });
  }

  /** I sent it, or cleared it. */
  stopped(conversation_id: string, thread?: number): void {
    if (!this.told.delete(placeKey(conversation_id, thread))) return;
    this.chat().signal({ type: "typing", conversation_id, action: "stop", ...(thread === undefined ? {} : { thread }) });
  }

  /** Somebody types, or does no longer. */
  heard(key: string, user_id: string, typing: boolean): void {
    const now = Date.now();
    const people = new Map([...(this.people.get(key) ?? [])].filter(([, until]) => until > now));
    if (typing && user_id !== this.me().user_id) {
      people.set(user_id, now + LASTS_MS);
      setTimeout(() => this.heard(key, "", false), LASTS_MS + 50);
    } else people.delete(user_id);
    if (people.size === 0) this.people.delete(key);
    else this.people.set(key, people);
  }
}
