// Coloured code as far as it is at hand: kept, so that a row scrolled back into view is coloured in its first frame.

export type Colour = "keyword" | "string" | "number" | "name" | "comment" | "changed";

export interface Coloured {
  text: string;
  colour: Colour | undefined;
}

/** About as many blocks as a few screens of history hold; 16 KiB each at most. */
const MAX_KEPT = 64;
const kept = new Map<string, Coloured[]>();

export function keptColours(lang: string, text: string): Coloured[] | undefined {
  return kept.get(key(lang, text));
}

/** Loads the highlighter and colours; nothing for unknown languages or where it cannot be loaded. */
export async function colours(lang: string, text: string): Promise<Coloured[] | undefined> {
  try {
    const { highlight } = await import("./highlight.ts");
    const parts = await highlight(lang, text);
    if (parts !== undefined) keep(key(lang, text), parts);
    return parts;
  } catch {
    // Offline before the first use, or a grammar that gave up: the code stands there uncoloured.
    return undefined;
  }
}

function keep(name: string, parts: Coloured[]): void {
  const [oldest] = kept.keys();
  if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest);
  kept.set(name, parts);
}

function key(lang: string, text: string): string {
  return `${lang}\n${text}`;
}
