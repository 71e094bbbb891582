// Words: every sentence a person sees comes from a catalogue, with ICU's plurals and parameters.

import { en, type Key } from "./catalogue/en.ts";

export type { Key } from "./catalogue/en.ts";
export type Params = Record<string, string | number>;

let catalogue: Record<string, string> = en;
/** The reader's own kind of English, where that is their language: dates and lists differ between its countries. */
let locale = globalThis.navigator?.languages?.find((one) => /^en(-|$)/i.test(one)) ?? "en";

/** The language in use, for `Intl`. */
export function language(): string {
  return locale;
}

/** Puts another catalogue in place before the first component is drawn (a language, or a pseudo-language of tests). */
export function setCatalogue(name: string, words: Record<string, string>): void {
  locale = name;
  catalogue = { ...en, ...words };
}

/** A sentence: `{name}` is replaced, `{count, plural, one {# reply} other {# replies}}` chooses by the language's rule. */
export function t(key: Key, params: Params = {}): string {
  return format(catalogue[key] ?? key, params);
}

/** A sentence for a key that is made at run time, such as `error.` with a server's code; `undefined`: there is none. */
export function find(key: string, params: Params = {}): string | undefined {
  const message = catalogue[key];
  return message === undefined ? undefined : format(message, params);
}

export function format(message: string, params: Params): string {
  let out = "";
  for (let at = 0; at < message.length; at++) {
    if (message[at] !== "{") {
      out += message[at];
      continue;
    }
    const end = closing(message, at);
    out += argument(message.slice(at + 1, end), params);
    at = end;
  }
  return out;
}

function argument(inside: string, params: Params): string {
  const plural = /^\s*(\w+)\s*,\s*plural\s*,/.exec(inside);
  if (plural === null) {
    const value = params[inside.trim()];
    return value === undefined ? `{${inside}}` : typeof value === "number" ? number(value) : value;
  }
  const value = Number(params[plural[1] ?? ""] ?? 0);
  const options = new Map<string, string>();
  let at = plural[0].length;
  while (at < inside.length) {
    const open = inside.indexOf("{", at);
    if (open < 0) break;
    const end = closing(inside, open);
    options.set(inside.slice(at, open).trim(), inside.slice(open + 1, end));
    at = end + 1;
  }
  const chosen = options.get(`=${value}`) ?? options.get(new Intl.PluralRules(locale).select(value)) ?? options.get("other") ?? "";
  return format(chosen.replaceAll("#", number(value)), params);
}

function closing(message: string, open: number): number {
  let depth = 0;
  for (let at = open; at < message.length; at++) {
    if (message[at] === "{") depth++;
    else if (message[at] === "}" && --depth === 0) return at;
  }
  return message.length;
}

const numbers = new Map<string, Intl.NumberFormat>();

export function number(value: number): string {
  let format = numbers.get(locale);
  if (format === undefined) numbers.set(locale, (format = new Intl.NumberFormat(locale)));
  return format.format(value);
}

const lists = new Map<string, Intl.ListFormat>();

/** "Ana, Bo and you" */
export function list(names: readonly string[]): string {
  let format = lists.get(locale);
  if (format === undefined) lists.set(locale, (format = new Intl.ListFormat(locale, { type: "conjunction" })));
  return format.format(names);
}
