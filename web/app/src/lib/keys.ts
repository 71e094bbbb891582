// The keyboard map: every shortcut once, for the handlers and for the page that shows them.

import type { Key } from "./i18n.ts";

export const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

export interface Shortcut {
  id: string;
  /** As `KeyboardEvent.key`, with `Mod` for Ctrl or ⌘: `Mod+k`, `Alt+Shift+ArrowDown`. */
  keys: string[];
  where: "anywhere" | "timeline" | "composer" | "message" | "list";
  label: Key;
}

export const SHORTCUTS: readonly Shortcut[] = [
  { id: "switcher", keys: ["Mod+k"], where: "anywhere", label: "keys.switcher" },
  { id: "map", keys: ["Mod+/", "?"], where: "anywhere", label: "keys.map" },
  { id: "region_next", keys: ["Mod+F6"], where: "anywhere", label: "keys.region_next" },
  { id: "region_previous", keys: ["Mod+Shift+F6"], where: "anywhere", label: "keys.region_previous" },
  { id: "conversation_previous", keys: ["Alt+ArrowUp"], where: "anywhere", label: "keys.conversation_previous" },
  { id: "conversation_next", keys: ["Alt+ArrowDown"], where: "anywhere", label: "keys.conversation_next" },
  { id: "unread_previous", keys: ["Alt+Shift+ArrowUp"], where: "anywhere", label: "keys.unread_previous" },
  { id: "unread_next", keys: ["Alt+Shift+ArrowDown"], where: "anywhere", label: "keys.unread_next" },
  { id: "read_and_latest", keys: ["Escape"], where: "timeline", label: "keys.read_and_latest" },
  { id: "read_all", keys: ["Shift+Escape"], where: "anywhere", label: "keys.read_all" },
  { id: "settings", keys: ["Mod+,"], where: "anywhere", label: "keys.settings" },
  { id: "edit_last", keys: ["ArrowUp"], where: "composer", label: "keys.edit_last" },
  { id: "emoji", keys: [":"], where: "composer", label: "keys.emoji" },
  { id: "bold", keys: ["Mod+b"], where: "composer", label: "keys.bold" },
  { id: "italic", keys: ["Mod+i"], where: "composer", label: "keys.italic" },
  { id: "code", keys: ["Mod+e"], where: "composer", label: "keys.code" },
  { id: "page_up", keys: ["PageUp"], where: "timeline", label: "keys.page_up" },
  { id: "page_down", keys: ["PageDown"], where: "timeline", label: "keys.page_down" },
  { id: "start", keys: ["Mod+Home"], where: "timeline", label: "keys.start" },
  { id: "latest", keys: ["Mod+End"], where: "timeline", label: "keys.latest" },
  { id: "message_previous", keys: ["ArrowUp", "k"], where: "timeline", label: "keys.message_previous" },
  { id: "message_next", keys: ["ArrowDown", "j"], where: "timeline", label: "keys.message_next" },
  { id: "react", keys: ["+"], where: "message", label: "action.react" },
  { id: "reply", keys: ["r"], where: "message", label: "action.reply" },
  { id: "thread", keys: ["t"], where: "message", label: "action.thread" },
  { id: "edit", keys: ["e"], where: "message", label: "action.edit" },
  { id: "delete", keys: ["Delete"], where: "message", label: "action.delete" },
  { id: "copy", keys: ["y"], where: "message", label: "action.copy" },
  { id: "link", keys: ["l"], where: "message", label: "action.link" },
  { id: "unread", keys: ["u"], where: "message", label: "action.unread" },
  { id: "pin", keys: ["p"], where: "message", label: "action.pin" },
  { id: "menu", keys: ["Enter"], where: "message", label: "action.menu" },
];

/** Whether a key press is a shortcut's. Text made with AltGr or a dead key is never one. */
export function matches(event: KeyboardEvent, keys: string): boolean {
  if (event.isComposing || event.key === "Dead" || event.getModifierState("AltGraph")) return false;
  const parts = keys.split("+");
  const key = keys.endsWith("+") ? "+" : (parts.pop() ?? "");
  const wanted = new Set(keys === "+" ? [] : parts);
  const mod = isMac ? event.metaKey : event.ctrlKey;
  const other = isMac ? event.ctrlKey : event.metaKey;
  if (wanted.has("Mod") !== mod || other || wanted.has("Alt") !== event.altKey) return false;
  // `?` and `+` need Shift on some keyboards and not on others.
  const symbol = key.length === 1 && key.toLowerCase() === key.toUpperCase();
  if (!symbol && wanted.has("Shift") !== event.shiftKey) return false;
  return event.key.toLowerCase() === key.toLowerCase();
}

export function shortcut(id: string): Shortcut {
  const found = SHORTCUTS.find((one) => one.id === id);
  if (found === undefined) throw new Error(`no shortcut is called ${id}`);
  return found;
}

export function pressed(event: KeyboardEvent, id: string): boolean {
  return shortcut(id).keys.some((keys) => matches(event, keys));
}

/** Presses a shortcut's keys on an element. */
export function press(keys: string, target: Element): void {
  const parts = keys === "+" ? ["+"] : keys.split("+");
  const key = parts.pop() ?? "";
  const mod = parts.includes("Mod");
  target.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ctrlKey: mod && !isMac, metaKey: mod && isMac, altKey: parts.includes("Alt"), shiftKey: parts.includes("Shift") }),
  );
}

const SYMBOLS: Record<string, string> = { ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", PageUp: "PgUp", PageDown: "PgDn", Delete: "Del" };

/** A shortcut as it is shown: `Ctrl+K`, `⌘K`. */
export function shown(keys: string): string {
  if (keys === "+") return "+";
  return keys
    .split("+")
    .map((part) => (part === "Mod" ? (isMac ? "⌘" : "Ctrl") : (SYMBOLS[part] ?? (part.length === 1 ? part.toUpperCase() : part))))
    .join("+");
}

/** Whether a key press goes into text. */
export function inText(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return element?.closest("input, textarea, select, [contenteditable]") != null;
}
