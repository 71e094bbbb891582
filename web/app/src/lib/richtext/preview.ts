// A message as one line of plain text: for list previews, reply quotes and accessible names.

import { stripBidi } from "./bidi.ts";
import { parse } from "./parse.ts";
import type { Block } from "./tokens.ts";
import { words } from "./words.ts";

/** No preview shows more; the rest would be work for nothing. */
const MAX_PREVIEW = 400;

export interface PlainOptions {
  /** The name behind a handle, as in `RichText`. */
  mentionName?: (handle: string) => string | undefined;
}

export function plain(source: string, options: PlainOptions = {}): string {
  const parts: string[] = [];
  let length = 0;
  for (const block of parse(source.slice(0, 4 * MAX_PREVIEW))) {
    const text = blockText(block, options);
    if (text !== "") parts.push(text);
    length += text.length;
    if (length > MAX_PREVIEW) break;
  }
  const text = parts.length > 0 ? parts.join(" ") : stripBidi(source.slice(0, MAX_PREVIEW));
  return shortened(text.replace(/\s+/g, " ").trim());
}

function blockText(block: Block, options: PlainOptions): string {
  switch (block.type) {
    case "paragraph":
    case "heading":
      return words(block.children, options.mentionName);
    case "quote":
      return block.children.map((child) => blockText(child, options)).join(" ");
    case "list":
      return block.items
        .map((item) => {
          const text = item.children.map((child) => blockText(child, options)).join(" ");
          return item.checked === undefined ? text : `${item.checked ? "☑" : "☐"} ${text}`;
        })
        .join(" · ");
    case "code":
    case "math":
      return block.text;
    case "table":
      return [block.head, ...block.rows]
        .map((row) => row.map((cell) => words(cell.children, options.mentionName)).join(" "))
        .join(" · ");
    case "rule":
      return "";
  }
}

/** Cut between characters as readers see them, not within one. */
function shortened(text: string): string {
  if (text.length <= MAX_PREVIEW) return text;
  let end = 0;
  for (const { index } of new Intl.Segmenter().segment(text.slice(0, MAX_PREVIEW))) end = index;
  return `${text.slice(0, end).trimEnd()}…`;
}
