// A message's Markdown → typed tokens. Bounded in size and depth; never an HTML string (TL-46).

import { stripBidi } from "./bidi.ts";
import { blocks } from "./blocks.ts";
import { type Block, MAX_SOURCE } from "./tokens.ts";

export type { Align, Block, Cell, Inline, Item } from "./tokens.ts";

export function parse(source: string): Block[] {
  const lines = linesOf(source);
  const shared = { handles: new Set<string>() };
  let size = 0;
  let end = 0;
  while (end < lines.length && size + (lines[end]?.length ?? 0) <= MAX_SOURCE) {
    size += (lines[end]?.length ?? 0) + 1;
    end += 1;
  }
  const found = blocks(lines.slice(0, end), 0, shared);
  // More than a server takes: shown, but not read any further.
  if (end < lines.length) found.push({ type: "paragraph", children: [{ type: "text", text: lines.slice(end).join("\n") }] });
  return found;
}

/** Texts that were read lately: rows come and go while somebody scrolls or changes places. */
const lately = new Map<string, Block[]>();
const MOST_LATELY = 600;

/** As `parse`, remembering the last few hundred answers. */
export function parsed(source: string): Block[] {
  const known = lately.get(source);
  const found = known ?? parse(source);
  if (known !== undefined) lately.delete(source);
  else if (lately.size >= MOST_LATELY) lately.delete(lately.keys().next().value ?? "");
  lately.set(source, found);
  return found;
}

/** Lines without controls that reorder. */
export function linesOf(source: string): string[] {
  return stripBidi(source)
    .replace(/\r\n?|[\u2028\u2029]/g, "\n")
    .replace(/\0/g, "\ufffd")
    .split("\n");
}
