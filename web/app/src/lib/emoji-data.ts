// All emoji with their names and keywords; loaded when somebody first wants one.

import data from "emojibase-data/en/compact.json";
import { fold } from "./match.ts";

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
  hexcode: string;
  group?: number;
  tags?: string[];
  skins?: { unicode: string; hexcode: string }[];
}

const COMPONENTS = 2;
const TONES = ["1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"];
const ANY_TONE = /1F3F[B-F]/g;

export const emojis: Emoji[] = (data as Compact[])
  .filter((one) => one.group !== undefined && one.group !== COMPONENTS)
  .map(({ unicode, label, group, tags, skins }) => ({
    emoji: unicode,
    name: label,
    group: group ?? 0,
    tags: fold([label, ...(tags ?? [])].join(" ")),
    skins: TONES.map((tone) => skins?.find((skin) => skin.hexcode.match(ANY_TONE)?.every((one) => one === tone))?.unicode ?? unicode),
  }));

/** With a skin tone, 1 (light) to 5 (dark), where the emoji has one. */
export function toned(one: Emoji, tone: number): string {
  return tone === 0 ? one.emoji : (one.skins[tone - 1] ?? one.emoji);
}

const TONE = "stonechat/emoji-tone";

export function skinTone(): number {
  const tone = Number(localStorage.getItem(TONE) ?? 0);
  return Number.isInteger(tone) && tone >= 0 && tone <= TONES.length ? tone : 0;
}

export function setSkinTone(tone: number): void {
  localStorage.setItem(TONE, String(tone));
}

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
    const recently = last.findIndex((emoji) => emoji === one.emoji || one.skins.includes(emoji));
    return (name.startsWith(wanted) ? 0 : name.includes(` ${wanted}`) ? 1 : 2) * 100 + (recently < 0 ? 50 : recently);
  };
  return emojis.filter((one) => one.tags.includes(wanted)).sort((a, b) => rank(a) - rank(b));
}
