// The two halves of `[text](address)`: where the address ends, and what the finished link shows.

import { label, target, type Target } from "./links.ts";
import type { Inline } from "./tokens.ts";
import { words } from "./words.ts";

const MAX_PARENTHESES = 8;
const TITLE_ENDS: Readonly<Record<string, string>> = { '"': '"', "'": "'", "(": ")" };

/** Reads `(address "title")`; a title is dropped, and what is no link at all is left to be text. */
export function destination(text: string, at: number): { to: Target; end: number } | undefined {
  if (text[at] !== "(") return undefined;
  const start = skipBlanks(text, at + 1);
  const found = text[start] === "<" ? angled(text, start) : plainAddress(text, start);
  if (found === undefined) return undefined;
  let end = skipBlanks(text, found.end);
  const closing = TITLE_ENDS[text[end] ?? ""];
  if (closing !== undefined && end > found.end) {
    const close = titleEnd(text, end + 1, closing);
    if (text[close] !== closing) return undefined;
    end = skipBlanks(text, close + 1);
  }
  if (text[end] !== ")") return undefined;
  const to = target(found.address);
  return to === undefined ? undefined : { to, end: end + 1 };
}

/** The quotation mark or parenthesis that ends a title; a second opening parenthesis ends the search, so that it stays short. */
function titleEnd(text: string, start: number, closing: string): number {
  let at = start;
  for (; at < text.length; at += text[at] === "\\" ? 2 : 1) {
    const c = text[at];
    if (c === closing || c === "\n" || (closing === ")" && c === "(")) break;
  }
  return at;
}

function angled(text: string, start: number): { address: string; end: number } | undefined {
  let end = start + 1;
  while (end < text.length && text[end] !== ">") {
    if (text[end] === "<" || text[end] === "\n") return undefined;
    end += 1;
  }
  return { address: unescaped(text.slice(start + 1, end)), end: end + 1 };
}

function plainAddress(text: string, start: number): { address: string; end: number } | undefined {
  let depth = 0;
  let end = start;
  for (; end < text.length; end += 1) {
    const c = text[end] ?? "";
    if (c <= " ") break;
    if (c === "\\" && (text[end + 1] ?? " ") > " ") end += 1;
    else if (c === "(") depth += 1;
    else if (c === ")") {
      if (depth === 0) break;
      depth -= 1;
    }
    if (depth > MAX_PARENTHESES) return undefined;
  }
  return end === start ? undefined : { address: unescaped(text.slice(start, end)), end };
}

function unescaped(text: string): string {
  return text.replace(/\\([!-/:-@[-`{-~])/g, "$1");
}

function skipBlanks(text: string, at: number): number {
  let end = at;
  while (text[end] === " " || text[end] === "\t" || text[end] === "\n") end += 1;
  return end;
}

/** A link with its words where they are honest, else the address itself. */
export function linked(children: Inline[], to: Target): Inline {
  const shown = children.map(withoutLinks);
  if (label(words(shown), to) === "url") return { type: "autolink", href: to.href, host: to.host, url: to.url };
  return { type: "link", href: to.href, host: to.host, children: shown };
}

/** Nothing within a link acts by itself, and no formula draws words that cannot be compared with its host. */
function withoutLinks(node: Inline): Inline {
  switch (node.type) {
    case "strong":
    case "em":
    case "strike":
      return { type: node.type, children: node.children.map(withoutLinks) };
    case "mention":
      return { type: "text", text: node.text };
    case "autolink":
      return { type: "text", text: node.url };
    case "math":
      return { type: "text", text: `$${node.text}$` };
    case "text":
    case "code":
    case "break":
    case "link":
      return node;
  }
}
