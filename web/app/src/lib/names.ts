// How a conversation is called on the screen.

import type { Conversation } from "@stonechat/client";
import { t } from "./i18n.ts";
import { app } from "./state/app.svelte.ts";

/** `#ops` for a channel, the person's name for a direct conversation, the name of a group. */
export function nameOf(row: Conversation): string {
  if (row.kind === "direct") return row.with === undefined ? t("people.unknown") : app.people.name(row.with);
  if (row.kind === "channel") return `#${row.handle ?? row.name ?? ""}`;
  return row.name ?? t("conversation.group");
}

/** How the address of a conversation names it that the server named by its id. */
export function refOfId(conversation_id: string): string {
  const row = app.conversations.find(conversation_id);
  return row === undefined ? conversation_id : refOf(row);
}

/** How an address names the conversation with somebody, also one that is not there yet. */
export function personRef(user_id: string): string {
  return app.conversations.withPerson(user_id)?.conversation_id ?? `@${app.people.get(user_id)?.handle ?? user_id}`;
}

/** How its address names it. */
export function refOf(row: Conversation): string {
  return row.handle ?? row.conversation_id;
}
