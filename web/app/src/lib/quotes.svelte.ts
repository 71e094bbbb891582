// Messages that are quoted and not in the window: read one by one, once.

import type { Message } from "@stonechat/client";
import { SvelteMap } from "svelte/reactivity";
import { app } from "./state/app.svelte.ts";

/** `null`: it cannot be read. */
const known = new SvelteMap<string, Message | null>();
const asked = new Set<string>();

/** A quoted message, as far as it is known; asked for where it is not. */
export function quote(conversation_id: string, seq: number): Message | undefined {
  const key = `${conversation_id}/${seq}`;
  const found = known.get(key);
  if (found === undefined && !asked.has(key)) {
    asked.add(key);
    app.chat.rest.get<Message>(`conversations/${conversation_id}/messages/${seq}`).then(
      (message) => known.set(key, message),
      () => known.set(key, null),
    );
  }
  return found ?? undefined;
}

/** It was edited or deleted: whoever shows it reads it anew. */
export function forgetQuote(conversation_id: string, seq: number): void {
  asked.delete(`${conversation_id}/${seq}`);
  known.delete(`${conversation_id}/${seq}`);
}
