// A timeline's rows as they are drawn: with days, the unread divider and absences between them, grouped by author.

import type { Absence, Row } from "./state/timeline.svelte.ts";
import { dayKey } from "./time.ts";

export type Item =
  | { kind: "row"; key: string; row: Row; first: boolean }
  | { kind: "day"; key: string; at: string }
  | { kind: "divider"; key: string; at: string; count: number }
  | { kind: "absence"; key: string; absence: Absence };

/** Messages of one author within this belong together. */
const GROUP_MS = 5 * 60_000;

export interface Divider {
  seq: number;
  count: number;
}

/** The same row is the same item, so that nothing is drawn again that did not change. */
const known = new WeakMap<Row, Item & { kind: "row" }>();

function itemOf(row: Row, first: boolean): Item {
  const made = known.get(row);
  if (made?.first === first) return made;
  const item = { kind: "row" as const, key: row.key, row, first };
  known.set(row, item);
  return item;
}

export function itemsOf(rows: readonly Row[], pending: readonly Row[], divider: Divider | undefined, absences: readonly Absence[]): Item[] {
  const items: Item[] = [];
  let day = "";
  let before: Row | undefined;
  let divided = false;
  const days = new Map<string, number>();
  for (const list of [rows, pending]) {
    for (const row of list) {
      const key = dayKey(row.timestamp);
      let breaks = before === undefined;
      if (key !== day) {
        // A clock that was set back brings a day twice.
        const times = (days.get(key) ?? 0) + 1;
        days.set(key, times);
        items.push({ kind: "day", key: times === 1 ? `d${key}` : `d${key}/${times}`, at: row.timestamp });
        day = key;
        breaks = true;
      }
      for (const absence of absences) {
        if (absence.after_seq > 0 && before?.seq === absence.after_seq) {
          items.push({ kind: "absence", key: `a${absence.from}/${absence.after_seq}`, absence });
          breaks = true;
        }
      }
      // Where the window begins after it, the divider is not in it.
      const joins = row.seq === divider?.seq || (before !== undefined && before.seq < (divider?.seq ?? 0));
      if (divider !== undefined && !divided && joins && row.seq >= divider.seq && row.message !== undefined) {
        items.push({ kind: "divider", key: "divider", at: row.timestamp, count: divider.count });
        divided = true;
        breaks = true;
      }
      items.push(itemOf(row, breaks || !continues(before, row)));
      before = row;
    }
  }
  return items;
}

function continues(before: Row | undefined, row: Row): boolean {
  if (before?.message === undefined || row.message === undefined) return false;
  if (before.message.thread_summary !== undefined || row.message.reply_to !== undefined) return false;
  return before.message.from === row.message.from && Date.parse(row.timestamp) - Date.parse(before.timestamp) < GROUP_MS;
}
