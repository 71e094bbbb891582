// What can be done with a conversation: the same for the row's menu, its ⋯, a long press and the header (CL-11).

import type { Conversation } from "@stonechat/client";
import { copy, failed, linkTo } from "./actions.ts";
import { t } from "./i18n.ts";
import { nameOf } from "./names.ts";
import { prefs } from "./prefs.svelte.ts";
import { router } from "./router.svelte.ts";
import { app } from "./state/app.svelte.ts";
import { ui, type MenuItem } from "./ui.svelte.ts";

export function conversationMenu(row: Conversation): MenuItem[] {
  const id = row.conversation_id;
  const items: MenuItem[] = [
    { id: "read", label: t("list.mark_read"), run: () => app.reading.all(id) },
    { id: "unread", label: t("list.mark_unread"), run: () => void app.reading.markUnread(id, row.last_message?.seq ?? row.last_seq).catch(failed) },
    { id: "pin", label: prefs.all.pinned.includes(id) ? t("list.unpin") : t("list.pin"), run: () => prefs.toggle("pinned", id) },
    { id: "mute", label: t("list.mute"), run: () => ui.open({ kind: "notification_level", conversation_id: id }) },
    { id: "link", label: t("list.copy_link"), run: () => void copy(linkTo(row), t("action.link_copied")) },
  ];
  if (row.kind !== "direct") items.push({ id: "leave", label: t("list.leave"), danger: true, run: () => askToLeave(row) });
  return items;
}

function askToLeave(row: Conversation): void {
  const id = row.conversation_id;
  const leave = async (): Promise<void> => {
    await app.chat.rest.request("DELETE", `conversations/${id}/members/me`);
    const open = router.place.name === "conversation" && app.conversations.find(router.place.conversation)?.conversation_id === id;
    app.conversations.remove(id);
    if (open) router.go({ name: "home" }, "replace");
  };
  ui.open({ kind: "confirm", title: t("list.leave_title", { name: nameOf(row) }), text: t("list.leave_text"), action: t("list.leave"), run: leave });
}
