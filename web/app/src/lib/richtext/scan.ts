// The leaves of a line: code spans, formulas, mentions, addresses; each read from one position, in linear time.

import { EMOJI } from "./emoji.ts";
import { target, type Target } from "./links.ts";
import type { Inline } from "./tokens.ts";

/** What has been read: a token, or `undefined` for literal text, and where reading goes on. */
export interface Read {
  node: Inline | undefined;
  end: number;
}

/** Like the server: further handles of one message are text. */
const MAX_HANDLES = 50;
const MAX_HANDLE_BYTES = 32;
const HANDLE = /[A-Za-z0-9._-]*/y;
const WORD = /[\p{Alphabetic}\p{N}_@/.]$/u;
const LETTER_OR_DIGIT = /[\p{L}\p{N}]$/u;
const SHORTCODE = /:([a-z0-9_+-]{1,32}):/y;
const SCHEME = /https?:\/\/|mailto:|www\./iy;
// Where an address ends: spaces, controls, quotation of markup, and the punctuation of scripts written without spaces.
const ADDRESS = /[^\s\p{Cc}<>"\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+/uy;
const ADDRESS_IN_BRACKETS = /[^\s\p{Cc}<>\]"\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+/uy;
const IN_ANGLES = /<((?:https?:\/\/|mailto:)?[^\s<>]{1,2048})>/iy;
const TRAILING = new Set("?!.,:;*_~'`\u2026\u201d\u2019\u00bb");
// "$5 or 10$": an amount and a word behind it.
const MONEY = /^\d[\d.,]*\p{L}?\s+\p{L}{2,}/u;
const BLANK = /\s/;

/** Reads leaves of one paragraph; remembers what is known to be missing further on, so that nothing is searched twice. */
export class Leaves {
  readonly #text: string;
  readonly #handles: Set<string>;
  /** Lengths of backtick runs that have no partner ahead. */
  readonly #unclosed = new Set<number>();
  /** An `@` here stands behind a word the server has already passed over. */
  #noMentionAt = -1;

  constructor(text: string, handles: Set<string>) {
    this.#text = text;
    this.#handles = handles;
  }

  code(at: number): Read {
    const text = this.#text;
    const start = endOfRun(text, at);
    const ticks = start - at;
    if (!this.#unclosed.has(ticks)) {
      for (let from = text.indexOf("`", start); from !== -1; ) {
        const end = endOfRun(text, from);
        if (end - from === ticks) return { node: { type: "code", text: trimmedCode(text.slice(start, from)) }, end };
        from = text.indexOf("`", end);
      }
      this.#unclosed.add(ticks);
    }
    return { node: undefined, end: start };
  }

  /** `$…$` and `$$…$$` within a line; money is none. */
  math(at: number): Read {
    const text = this.#text;
    const width = text[at + 1] === "$" ? 2 : 1;
    const start = at + width;
    const literal = { node: undefined, end: start };
    const first = text[start];
    if (first === undefined || BLANK.test(first) || first === "$" || LETTER_OR_DIGIT.test(before(text, at))) return literal;
    let close = start;
    while (close < text.length && text[close] !== "$" && text[close] !== "\n") close += text[close] === "\\" ? 2 : 1;
    const end = close + width;
    if (text.slice(close, end) !== "$".repeat(width) || text[end] === "$") return literal;
    const formula = text.slice(start, close);
    if (BLANK.test(formula.slice(-1)) || MONEY.test(formula)) return literal;
    if (LETTER_OR_DIGIT.test(text.slice(end, end + 1))) return literal;
    return { node: { type: "math", text: formula }, end };
  }

  /** `@handle` by the server's rules: what is shown as a mention is what has notified. */
  mention(at: number): Read {
    const text = this.#text;
    HANDLE.lastIndex = at + 1;
    const run = HANDLE.exec(text)?.[0] ?? "";
    const end = at + 1 + run.length;
    const isFree = at !== this.#noMentionAt && !WORD.test(before(text, at));
    this.#noMentionAt = end;
    if (!isFree || text[end] === "@") return { node: undefined, end: at + 1 };
    const name = run.replace(/[._-]+$/, "");
    const handle = name.toLowerCase();
    if (name.length > MAX_HANDLE_BYTES || !/^[a-z0-9]/.test(handle)) return { node: undefined, end: at + 1 };
    const all = handle === "all";
    if (!all && !this.#handles.has(handle)) {
      if (this.#handles.size >= MAX_HANDLES) return { node: undefined, end: at + 1 };
      this.#handles.add(handle);
    }
    return { node: { type: "mention", handle, all, text: `@${name}` }, end: at + 1 + name.length };
  }

  emoji(at: number): Read {
    SHORTCODE.lastIndex = at;
    const name = SHORTCODE.exec(this.#text)?.[1];
    const emoji = name === undefined ? undefined : EMOJI.get(name);
    if (name === undefined || emoji === undefined) return { node: undefined, end: at + 1 };
    return { node: { type: "text", text: emoji }, end: at + name.length + 2 };
  }

  /** `<https://…>`, `<mailto:…>`, `<ana@example.org>`; any other `<` is text, tags among them. */
  angled(at: number): Read {
    IN_ANGLES.lastIndex = at;
    const address = IN_ANGLES.exec(this.#text)?.[1];
    if (address === undefined) return { node: undefined, end: at + 1 };
    const to = target(address) ?? (address.includes("@") && !address.includes(":") ? target(`mailto:${address}`) : undefined);
    return to === undefined ? { node: undefined, end: at + 1 } : { node: autolink(to), end: at + address.length + 2 };
  }

  /** An address that stands in the text as it is. */
  bare(at: number, inBrackets: boolean): Read | undefined {
    const text = this.#text;
    SCHEME.lastIndex = at;
    const scheme = SCHEME.exec(text)?.[0];
    if (scheme === undefined || LETTER_OR_DIGIT.test(before(text, at))) return undefined;
    const address = inBrackets ? ADDRESS_IN_BRACKETS : ADDRESS;
    address.lastIndex = at;
    const raw = withoutTrailing(address.exec(text)?.[0] ?? scheme);
    const end = at + Math.max(raw.length, scheme.length);
    const to = target(scheme.toLowerCase() === "www." ? `https://${raw}` : raw);
    return { node: to === undefined ? undefined : autolink(to), end };
  }
}

function autolink(to: Target): Inline {
  return { type: "autolink", href: to.href, host: to.host, url: to.url };
}

function endOfRun(text: string, at: number): number {
  let end = at;
  while (text[end] === "`") end += 1;
  return end;
}

function trimmedCode(text: string): string {
  const line = text.replace(/\n/g, " ");
  const isPadded = line.startsWith(" ") && line.endsWith(" ") && line.trim() !== "";
  return isPadded ? line.slice(1, -1) : line;
}

/** The character before a position, whole where it is a surrogate pair. */
export function before(text: string, at: number): string {
  const low = text.charCodeAt(at - 1);
  return text.slice(low >= 0xdc00 && low <= 0xdfff ? at - 2 : Math.max(at - 1, 0), at);
}

/** Punctuation of the sentence around an address, and the parenthesis it stands in, are not part of it. */
function withoutTrailing(raw: string): string {
  let surplus = 0;
  for (const c of raw) surplus += c === ")" ? 1 : c === "(" ? -1 : 0;
  let end = raw.length;
  for (; end > 0; end -= 1) {
    const last = raw[end - 1] ?? "";
    if (last === ")" && surplus > 0) surplus -= 1;
    else if (!TRAILING.has(last)) break;
  }
  return raw.slice(0, end);
}
