// All emoji with their names and keywords; loaded when somebody first wants one.

import data from "emojibase-data/en/compact.json";
import { fold } from "./mention.ts";

export interface Emoji {
  emoji: string;
  name: string;
  group: number;
  tags: string;
  skins: string[];
}

interface Compact {
  unicode: string;
  label: string;
  group?: number;
  tags?: string[];
  skins?: { unicode: string }[];
}

const COMPONENTS = 2;

export const emojis: Emoji[] = (data as Compact[])
  .filter((one) => one.group !== undefined && one.group !== COMPONENTS)
  .map(({ unicode, label, group, tags, skins }) => ({
    emoji: unicode,
    name: label,
    group: group ?? 0,
    tags: fold([label, ...(tags ?? [])].join(" ")),
    skins: skins?.map((skin) => skin.unicode) ?? [],
  }));

const RECENT = "stonechat/emoji-recent";

export function recent(): string[] {
  try {
    return JSON.parse(localStorage.getItem(RECENT) ?? "[]") as string[];
  } catch {
    return [];
  }
}

export function used(emoji: string): void {
  localStorage.setItem(RECENT, JSON.stringify([emoji, ...recent().filter((one) => one !== emoji)].slice(0, 24)));
}

/** By keyword: those whose name begins so first, recently used before others. */
export function search(query: string): Emoji[] {
  const wanted = fold(query.trim());
  const last = recent();
  const rank = (one: Emoji): number => {
    const name = fold(one.name);
    const recently = last.indexOf(one.emoji);
    return (name.startsWith(wanted) ? 0 : name.includes(` ${wanted}`) ? 1 : 2) * 100 + (recently < 0 ? 50 : recently);
  };
  return emojis.filter((one) => one.tags.includes(wanted)).sort((a, b) => rank(a) - rank(b));
}
