// Notices while a tab is open: desktop notifications, the title and the icon with a count.

import type { Conversation, Event } from "@stonechat/client";
import { t } from "./i18n.ts";
import { prefs } from "./prefs.svelte.ts";
import { plain } from "./richtext/preview.ts";

const shown = new Map<string, { notification: Notification; count: number; names: Set<string> }>();

/** Tells a message of a conversation that nobody looks at; one notice per conversation, renewed in place. */
export function notify(row: Conversation, name: string, event: Event & { type: "message" }, open: () => void): void {
  if (!prefs.all.notifications || typeof Notification === "undefined" || Notification.permission !== "granted") return;
  const known = shown.get(row.conversation_id);
  const names = known?.names ?? new Set<string>();
  names.add(name);
  const count = (known?.count ?? 0) + 1;
  const title = row.name ?? name;
  const body =
    count === 1
      ? `${name}: ${plain(event.content).slice(0, 140)}`
      : t("notice.more", { name, others: names.size - 1, count });
  const notification = new Notification(title, { body, tag: row.conversation_id, icon: "/icon.svg" });
  notification.onclick = () => {
    window.focus();
    notification.close();
    open();
  };
  shown.set(row.conversation_id, { notification, count, names });
}

/** A conversation was read: its notice goes. */
export function dismiss(conversation_id: string): void {
  shown.get(conversation_id)?.notification.close();
  shown.delete(conversation_id);
}

/** Title, icon and app badge say how much is wanted of me. */
export function showCount(count: number, unread: boolean, place: string): void {
  const name = place === "" ? "stonechat" : `${place} — stonechat`;
  document.title = count > 0 ? `(${count}) ${name}` : name;
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const wanted = count > 0 || unread ? "/icon-unread.svg" : "/icon.svg";
  if (icon !== null && icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
  const badge = navigator as Navigator & { setAppBadge?: (count: number) => Promise<void>; clearAppBadge?: () => Promise<void> };
  if (count > 0) void badge.setAppBadge?.(count).catch(() => undefined);
  else void badge.clearAppBadge?.().catch(() => undefined);
}
