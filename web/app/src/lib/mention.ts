// Who comes up after `@`, and in which order: pure, so that what is highlighted is what is inserted.

import type { User } from "@stonechat/client";
import { fold } from "./match.ts";

export interface Candidate {
  user: User;
  /** Not in this conversation: naming them tells them nothing. */
  outside: boolean;
}

/** The word being written at the caret, when it begins with the sign: its start, and what follows the sign. */
export function wordAt(text: string, caret: number, sign: "@" | ":"): { start: number; query: string } | undefined {
  const before = text.slice(0, caret);
  const pattern = sign === "@" ? /(?:^|[\s(])@([\p{L}\p{N}._-]{0,32})$/u : /(?:^|[\s(]):([\p{L}\p{N}_+-]{2,32})$/u;
  const found = pattern.exec(before);
  if (found === null) return undefined;
  const query = found[1] ?? "";
  return { start: caret - query.length - 1, query };
}

/** Those whose name or handle has a part that begins so: first who spoke here lately, then members, then others (CO-11). */
export function rank(query: string, people: readonly User[], members: ReadonlySet<string>, lastSpoke: ReadonlyMap<string, number>, me: string): Candidate[] {
  const wanted = fold(query);
  const found = people.filter((user) => {
    if (user.user_id === me) return false;
    const parts = [...fold(user.name).split(/[\s.-]+/), fold(user.handle), ...fold(user.handle).split(/[._-]/), fold(user.name)];
    return parts.some((part) => part.startsWith(wanted));
  });
  const score = (user: User): number => (members.has(user.user_id) ? (lastSpoke.get(user.user_id) ?? 0) + 1 : 0);
  found.sort((a, b) => score(b) - score(a) || a.name.localeCompare(b.name));
  return found.slice(0, 8).map((user) => ({ user, outside: !members.has(user.user_id) }));
}
