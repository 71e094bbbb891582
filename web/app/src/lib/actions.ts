// What can be done with a message: one registry for the toolbar, the menu, the sheet and the keys (MA-15).

import type { Conversation, MessageHistory } from "@stonechat/client";
import { announcer } from "./announcer.svelte.ts";
import { words } from "./errors.ts";
import { t, type Key } from "./i18n.ts";
import { pressed, shortcut, shown } from "./keys.ts";
import { plain } from "./richtext/preview.ts";
import { address, router } from "./router.svelte.ts";
import { app } from "./state/app.svelte.ts";
import type { Row, Timeline } from "./state/timeline.svelte.ts";
import { now } from "./time.ts";
import { ui, type MenuItem } from "./ui.svelte.ts";

/** A message with where it stands. */
export interface Context {
  row: Row;
  conversation: Conversation;
  timeline: Timeline;
}

export interface Action {
  id: string;
  label: Key;
  danger?: boolean;
  /** Shown directly in the row's toolbar. */
  direct?: boolean;
  /** Whether it may be done: what may not is absent (MA-14). */
  available(context: Context): boolean;
  run(context: Context, at: { x: number; y: number }): void;
}

const there = ({ row }: Context): boolean => row.state === "sent" && row.message !== undefined;
const mine = ({ row }: Context): boolean => row.message?.from === app.me?.user_id;
const mayWrite = ({ conversation }: Context): boolean => conversation.can_post;

export function mayEdit(context: Context): boolean {
  const until = context.row.message?.can_edit_until;
  return there(context) && mine(context) && until !== undefined && Date.parse(until) > now();
}

export const ACTIONS: readonly Action[] = [
  {
    id: "react",
    label: "action.react",
    direct: true,
    available: (context) => there(context) && mayWrite(context),
    run: (context, at) => ui.open({ kind: "emoji", at, pick: (emoji) => react(context, emoji) }),
  },
  {
    id: "reply",
    label: "action.reply",
    direct: true,
    available: (context) => there(context) && mayWrite(context),
    run: ({ row, timeline }) => {
      ui.close("leave");
      const pane = timeline.thread === undefined ? ui.main : ui.side;
      if (row.message !== undefined) pane?.reply(row.message);
    },
  },
  {
    id: "thread",
    label: "action.thread",
    direct: true,
    available: (context) => there(context) && context.timeline.thread === undefined,
    run: ({ row, conversation }) => openThread(conversation, row.seq),
  },
  {
    id: "edit",
    label: "action.edit",
    available: mayEdit,
    run: ({ row, timeline }) => {
      ui.close("leave");
      const pane = timeline.thread === undefined ? ui.main : ui.side;
      if (row.message !== undefined) pane?.edit(row.message);
    },
  },
  {
    id: "copy",
    label: "action.copy",
    available: (context) => context.row.message?.deleted !== true,
    run: ({ row }) => void copy(row.message?.content ?? "", t("action.copied")),
  },
  {
    id: "link",
    label: "action.link",
    available: there,
    run: ({ row, conversation }) => void copy(linkTo(conversation, row.seq), t("action.link_copied")),
  },
  {
    id: "unread",
    label: "action.unread",
    available: (context) => there(context) && context.timeline.thread === undefined,
    run: ({ row, conversation }) => {
      app.reading.markUnread(conversation.conversation_id, row.seq).then(() => announcer.say(t("action.marked_unread")), failed);
    },
  },
  {
    id: "pin",
    label: "action.pin",
    available: (context) => there(context) && context.row.message?.pinned !== true && context.conversation.can_manage,
    run: (context) => pin(context, true),
  },
  {
    id: "unpin",
    label: "action.unpin",
    available: (context) => there(context) && context.row.message?.pinned === true && context.conversation.can_manage,
    run: (context) => pin(context, false),
  },
  {
    id: "history",
    label: "action.history",
    available: (context) => there(context) && context.row.message?.edited_at !== undefined,
    run: ({ row, conversation }) => ui.open({ kind: "history", conversation_id: conversation.conversation_id, seq: row.seq }),
  },
  {
    id: "select",
    label: "action.select_text",
    available: (context) => there(context) && matchMedia("(hover: none)").matches,
    run: ({ row }) => ui.open({ kind: "text", title: t("action.select_text"), text: row.message?.content ?? "" }),
  },
  {
    id: "delete",
    label: "action.delete",
    danger: true,
    available: (context) => there(context) && (context.row.message?.can_delete ?? false),
    run: (context) => askDelete(context),
  },
];

export function actionsFor(context: Context): Action[] {
  return ACTIONS.filter((action) => action.available(context));
}

/** The menu of a message, asked of the server first where the time to edit may have passed. */
export function openMenu(context: Context, at: { x: number; y: number }): void {
  const items: MenuItem[] = actionsFor(context).map((action) => {
    const known = ["history", "select"].includes(action.id) ? undefined : shortcut(action.id === "unpin" ? "pin" : action.id).keys[0];
    const item: MenuItem = { id: action.id, label: t(action.label), run: () => action.run(context, at) };
    if (known !== undefined) item.key = shown(known);
    if (action.danger === true) item.danger = true;
    return item;
  });
  ui.open({ kind: "menu", label: t("action.menu"), items, at });
}

/** Runs what a key on a focused message means; `false`: nothing. */
export function runKey(event: KeyboardEvent, context: Context): boolean {
  const box = (event.target as HTMLElement).getBoundingClientRect();
  const at = { x: box.left + 80, y: box.top + Math.min(box.height, 24) };
  if (pressed(event, "menu")) {
    if (context.row.state === "sent") openMenu(context, at);
    return true;
  }
  for (const action of ACTIONS) {
    const key = action.id === "unpin" ? "pin" : action.id;
    if (action.id === "history" || action.id === "select" || !pressed(event, key) || !action.available(context)) continue;
    action.run(context, at);
    return true;
  }
  return false;
}

export function openThread(conversation: Conversation, root: number): void {
  ui.close("leave");
  router.go({ name: "conversation", conversation: conversation.handle ?? conversation.conversation_id, thread: root });
}

export function react({ row, conversation }: Context, emoji: string): void {
  const message = row.message;
  if (message === undefined) return;
  const on = message.reactions?.find((one) => one.emoji === emoji)?.me === true;
  const frame = { type: "react" as const, conversation_id: conversation.conversation_id, message_seq: row.seq, emoji, action: on ? ("remove" as const) : ("add" as const) };
  app.change(frame, conversation.conversation_id).catch(failed);
}

/** Another text for a message: shown at once, taken back when it is refused. */
export function changeText({ row, conversation, timeline }: Context, content: string): void {
  const { message, seq } = row;
  if (message === undefined || content === message.content) return;
  timeline.patch(seq, { content });
  const frame = { type: "edit" as const, client_id: "", conversation_id: conversation.conversation_id, message_seq: seq, content, version: message.version, edited_at: new Date().toISOString() };
  app.change(frame, conversation.conversation_id).catch((error: unknown) => {
    timeline.patch(seq, { content: message.content });
    failed(error);
  });
}

function pin({ row, conversation }: Context, pinned: boolean): void {
  const frame = { type: "pin" as const, conversation_id: conversation.conversation_id, message_seq: row.seq, pinned };
  app.change(frame, conversation.conversation_id).catch(failed);
}

export function askDelete(context: Context): void {
  const { row, conversation, timeline } = context;
  ui.open({
    kind: "confirm",
    title: t("delete.title"),
    text: plain(row.message?.content ?? "").slice(0, 140),
    action: t("action.delete"),
    run: async () => {
      await app.change({ type: "delete", client_id: "", conversation_id: conversation.conversation_id, message_seq: row.seq }, conversation.conversation_id);
      timeline.patch(row.seq, { content: "", deleted: true, reactions: [] });
    },
  });
}

/** An absolute address that leads to a message. */
export function linkTo(conversation: Conversation, seq?: number): string {
  const place = { name: "conversation" as const, conversation: conversation.handle ?? conversation.conversation_id };
  return new URL(address(seq === undefined ? place : { ...place, seq }), location.origin).href;
}

export async function copy(text: string, done: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    ui.say(done);
    announcer.say(done);
  } catch {
    ui.open({ kind: "text", title: t("action.copy_by_hand"), text });
  }
}

export function failed(error: unknown): void {
  const text = words(error);
  ui.say(text);
  announcer.say(text);
}

export async function history(conversation_id: string, seq: number): Promise<MessageHistory> {
  return app.chat.rest.get<MessageHistory>(`conversations/${conversation_id}/messages/${seq}/history`);
}
