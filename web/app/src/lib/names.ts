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

/** How its address names it. */
export function refOf(row: Conversation): string {
  return row.handle ?? row.conversation_id;
}
