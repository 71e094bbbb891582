// What the composer makes of its text: pure, so that it can be told apart from how it looks.

/** Whether a text has more bytes in UTF-8 than a message may have. */
export function tooLong(text: string, most_bytes: number): boolean {
  // A UTF-16 unit is three bytes at most: short texts need no counting.
  return text.length * 3 > most_bytes && new TextEncoder().encode(text).length > most_bytes;
}

/** Handles that are mentioned in a text. */
export function mentioned(text: string): string[] {
  if (!text.includes("@")) return [];
  const handles = [...text.matchAll(/(?:^|[\s(])@([a-z0-9][a-z0-9._-]*)/giu)].map((found) => (found[1] ?? "").replace(/[.-]+$/, "").toLowerCase());
  return [...new Set(handles)];
}

export function mentionsEverybody(text: string): boolean {
  return /(^|[\s(])@all\b/.test(text);
}

export function isAddress(text: string): boolean {
  return /^https?:\/\/\S+$/.test(text.trim());
}

/** Whether pasted text is code: some lines, indented or ending as lines of code do. */
export function looksLikeCode(text: string): boolean {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length < 2 || text.includes("```")) return false;
  const coded = lines.filter((line) => /^(\t| {2,})\S/.test(line) || /[;{}(]\s*$/.test(line) || /^\s*[}\])]/.test(line) || /^(#include|import|def|fn|const|let|var|class|function|SELECT)\b/.test(line));
  return coded.length * 2 >= lines.length;
}

/** Text as a fenced block. */
export function fenced(text: string, before: string): string {
  const start = before === "" || before.endsWith("\n") ? "" : "\n";
  return `${start}\`\`\`\n${text.replace(/\n$/, "")}\n\`\`\`\n`;
}

/** A list that keeps its order while more is found: what is there stays where it is, what is new comes after. */
export function settled<T>(shown: readonly T[], found: readonly T[], keyOf: (one: T) => string, most: number): T[] {
  const byKey = new Map(found.map((one) => [keyOf(one), one]));
  const kept = shown.flatMap((one) => byKey.get(keyOf(one)) ?? []);
  const keys = new Set(kept.map(keyOf));
  return [...kept, ...found.filter((one) => !keys.has(keyOf(one)))].slice(0, most);
}
