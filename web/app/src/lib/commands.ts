// Commands: everything of the keyboard map and the menus, by name, under `>` in the switcher.

import { t } from "./i18n.ts";
import { press, shortcut, SHORTCUTS, shown, type Shortcut } from "./keys.ts";
import { nameOf, refOf } from "./names.ts";
import { router } from "./router.svelte.ts";
import { app } from "./state/app.svelte.ts";
import { ui } from "./ui.svelte.ts";

export interface Command {
  id: string;
  label: string;
  key?: string;
  run: () => void;
}

function openConversation(): string | undefined {
  return router.place.name === "conversation" ? app.conversations.find(router.place.conversation)?.conversation_id : undefined;
}

/** The previous or next conversation in the order on screen, of those with unread or of all. */
export function move(direction: 1 | -1, unread: boolean): void {
  const { sections } = app.conversations;
  const rows = [...sections.pinned, ...sections.direct, ...sections.conversations];
  const at = rows.findIndex((row) => row.conversation_id === openConversation());
  for (let step = 1; step <= rows.length; step++) {
    const row = rows[(at + direction * step + rows.length * 2) % rows.length];
    if (row === undefined) return;
    if (unread && row.unread === 0) continue;
    const thread = unread && app.conversations.unreadInTimeline(row) === 0 ? app.conversations.threads.get(row.conversation_id)?.keys().next().value : undefined;
    router.go({ name: "conversation", conversation: refOf(row), ...(thread === undefined ? {} : { thread }) });
    return;
  }
  // Only threads of the open conversation may be left.
  const open = openConversation();
  const thread = open === undefined ? undefined : app.conversations.threads.get(open)?.keys().next().value;
  const row = open === undefined ? undefined : app.conversations.get(open);
  if (unread && row !== undefined && thread !== undefined) router.go({ name: "conversation", conversation: refOf(row), thread });
}

export function readEverything(): void {
  ui.open({
    kind: "confirm",
    title: t("read_all.title"),
    text: t("read_all.text", { count: app.conversations.unread }),
    action: t("read_all.action"),
    run: () => {
      const before = app.conversations.all().filter((row) => row.unread + row.mentions > 0);
      for (const row of before) app.reading.all(row.conversation_id);
      ui.say(t("read_all.done"), () => {
        for (const row of before) if (row.first_unread_seq !== undefined) void app.reading.markUnread(row.conversation_id, row.first_unread_seq).catch(() => undefined);
      });
    },
  });
}

const REGIONS = ["nav", "header", "timeline", "composer", "side"] as const;

/** Focus goes to the next or previous region of the page. */
export function region(direction: 1 | -1): void {
  const places = REGIONS.map((name) => document.querySelector<HTMLElement>(`[data-region="${name}"]`));
  const at = places.findIndex((place) => place?.contains(document.activeElement) === true);
  for (let step = 1; step <= REGIONS.length; step++) {
    const n = (at + direction * step + REGIONS.length * 2) % REGIONS.length;
    const name = REGIONS[n];
    if (name === "timeline" && ui.main !== undefined) return ui.main.focusNewest();
    if (name === "composer" && ui.main !== undefined) return ui.main.focusComposer();
    const target = places[n]?.querySelector<HTMLElement>('[tabindex="0"], button, textarea, a[href]');
    if (target != null) return target.focus();
  }
}

export function commands(): Command[] {
  const conversation_id = openConversation();
  const row = conversation_id === undefined ? undefined : app.conversations.get(conversation_id);
  const key = (id: string): { key: string } => ({ key: shown(shortcut(id).keys[0] ?? "") });
  const list: Command[] = [
    { id: "new", label: t("list.new"), run: () => ui.open({ kind: "new_conversation" }) },
    { id: "browse", label: t("browse.title"), run: () => ui.open({ kind: "browse" }) },
    { id: "invite", label: t("invite.title"), run: () => ui.open(conversation_id === undefined ? { kind: "invite" } : { kind: "invite", conversation_id }) },
    { id: "settings", label: t("keys.settings"), ...key("settings"), run: () => router.go({ name: "settings", section: "profile" }) },
    { id: "devices", label: t("settings.devices"), run: () => router.go({ name: "settings", section: "devices" }) },
    { id: "appearance", label: t("settings.appearance"), run: () => router.go({ name: "settings", section: "appearance" }) },
    { id: "map", label: t("keys.map"), ...key("map"), run: () => ui.open({ kind: "shortcuts" }) },
    { id: "read_all", label: t("keys.read_all"), ...key("read_all"), run: readEverything },
    { id: "conversation_previous", label: t("keys.conversation_previous"), ...key("conversation_previous"), run: () => move(-1, false) },
    { id: "conversation_next", label: t("keys.conversation_next"), ...key("conversation_next"), run: () => move(1, false) },
    { id: "unread_previous", label: t("keys.unread_previous"), ...key("unread_previous"), run: () => move(-1, true) },
    { id: "unread_next", label: t("keys.unread_next"), ...key("unread_next"), run: () => move(1, true) },
    { id: "region_next", label: t("keys.region_next"), ...key("region_next"), run: () => region(1) },
    { id: "region_previous", label: t("keys.region_previous"), ...key("region_previous"), run: () => region(-1) },
    { id: "switcher", label: t("keys.switcher"), ...key("switcher"), run: () => ui.open({ kind: "switcher" }) },
    { id: "start", label: t("keys.start"), ...key("start"), run: () => ui.main?.start() },
    { id: "latest", label: t("keys.latest"), ...key("latest"), run: () => ui.main?.latest() },
    { id: "emoji", label: t("keys.emoji"), ...key("emoji"), run: () => ui.main?.emoji() },
    { id: "focus_message", label: t("keys.focus_messages"), run: () => ui.main?.focusNewest() },
    { id: "sign_out", label: t("settings.sign_out"), run: () => ui.open({ kind: "confirm", title: t("settings.sign_out"), text: t("settings.sign_out_text"), action: t("settings.sign_out"), run: () => app.signOut() }) },
  ];
  if (row !== undefined) {
    list.push({ id: "members", label: t("members.title", { name: nameOf(row) }), run: () => ui.open({ kind: "members", conversation_id: row.conversation_id }) });
    list.push({ id: "mark_read", label: t("list.mark_read"), run: () => app.reading.all(row.conversation_id) });
  }
  if (ui.main !== undefined) {
    const known = new Set(list.map((one) => one.id));
    for (const one of SHORTCUTS) if (!known.has(one.id)) list.push({ id: one.id, label: t(one.label), ...key(one.id), run: () => pressInPlace(one) });
  }
  return list;
}

/** Does what a key does: on the message or text one came from, or else the newest message. */
function pressInPlace({ where, keys }: Shortcut): void {
  // Focus is back where it was after the next frame.
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      const focused = document.activeElement;
      if (where === "composer") {
        if (focused?.matches("form textarea") !== true) ui.main?.focusComposer();
      } else if (focused?.matches("[data-key]") !== true) ui.main?.focusNewest();
      press(keys[0] ?? "", document.activeElement ?? document.body);
    }),
  );
}
