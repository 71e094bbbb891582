// Which addresses become links and what they show: a link never hides its host (TL-45).

import { stripAllBidi } from "./bidi.ts";

export interface Target {
  href: string;
  /** Host and port in punycode, or for mail the address. */
  host: string;
  /** What stands for the address where it shows itself. */
  url: string;
}

export type Label = "url" | "text";

const MAX_URL = 2048;
const WEB = /^https?:\/\/[^/?#\\@\s]+(?:[/?#]|$)/i;
const MAIL = /^mailto:([a-z0-9.!#$%&'*+/=^_`{|}~-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?:\?|$)/i;
// Controls, spaces, and what never stands unescaped in an address.
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Zs}\p{Zl}\p{Zp}<>"\\]/u;
// Nothing to see: ignorable code points and blanks that pass for letters.
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Cc}\s\u2800]/gu;
const DOT_ALIKES = /[\u0701\u0702\u06d4\u3002\ua4f8\uff0e\uff61]/g;
// A name with a dot and a plausible end, an IPv4 address, or localhost.
const HOST_LIKE = /^(?:(?:[\p{L}\p{N}\p{M}_-]+\.)+(?:xn--[a-z0-9-]+|[\p{L}\p{M}]{2,})|\d{1,3}(?:\.\d{1,3}){3}|localhost)$/u;
// Ends of file names which are no top-level domains, so that "[app.toml](…)" keeps its words.
const FILE_ENDS = new Set(
  (
    "cpp conf cfg css csv diff doc docx exe gif go gz hpp htm html ini ipynb java jpeg jpg js json jsx kt lock log mjs " +
    "odt patch pdf php png pptx rb sql svelte svg tar toml ts tsx txt vue wasm webp xls xlsx xml yaml yml"
  ).split(" "),
);

/** The link an address makes, or nothing where it is not http, https or mailto. */
export function target(raw: string): Target | undefined {
  const address = stripAllBidi(raw);
  if (address.length > MAX_URL || FORBIDDEN.test(address)) return undefined;
  const mail = MAIL.exec(address);
  if (mail?.[1] !== undefined) {
    // Only the address: a subject or copies to others would be written unseen.
    return { href: `mailto:${mail[1]}`, host: mail[1], url: mail[1] };
  }
  // A user name before the host (`https://bank.example@evil.example`) makes no link.
  if (!WEB.test(address)) return undefined;
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return undefined;
  }
  if ((url.protocol !== "https:" && url.protocol !== "http:") || url.username !== "" || url.password !== "") {
    return undefined;
  }
  const typed = address.replace(/^https?:\/\/[^/?#]+/i, "");
  const rest = typed.replace(INVISIBLE, "") === typed ? typed : url.pathname + url.search + url.hash;
  return { href: url.href, host: url.host, url: `${url.protocol}//${url.host}${rest}` };
}

/**
 * Whether a link may show its own words (with the host behind them) or must show its address, because the words are
 * that address anyway, cannot be seen, or name a host of their own.
 */
export function label(text: string, to: Target): Label {
  const seen = text.normalize("NFKC").replace(INVISIBLE, "");
  if (seen === "") return "url";
  if (isSame(seen, to)) return "url";
  const words = text
    .normalize("NFKC")
    .replace(DOT_ALIKES, ".")
    .split(/[\s()[\]{}<>"'`,;|“”‘’«»*~]+/u)
    .map((word) => word.replace(INVISIBLE, ""));
  return words.some((word) => namesAnother(word, to)) ? "url" : "text";
}

/** The words are the address, with or without what one leaves out when telling it to someone. */
function isSame(text: string, to: Target): boolean {
  const bare = (address: string): string => address.replace(/^(?:https?:\/\/|mailto:)/i, "").replace(/\/$/, "");
  return bare(text) === bare(to.url) || bare(text) === bare(to.href);
}

/** A word with a host in it that is not the true one. Letters beyond ASCII are never the true one: that is punycode. */
function namesAnother(word: string, to: Target): boolean {
  const bare = word.toLowerCase().replace(/^(?:[a-z][a-z0-9+]*:\/\/|mailto:)/, "");
  if (bare.replace(/[.!?:]+$/, "") === to.host.toLowerCase()) return false;
  const own = trueHost(to.host.replace(/:\d+$/, ""));
  // Behind the true host comes a path, which may name what it likes; before an `@` it would be a user name.
  const first = /^([^/?#\\@:]+)(?::\d+)?(?:[/?#]|$)/u.exec(bare)?.[1];
  if (first !== undefined && trueHost(first) === own && !bare.includes("@")) return false;
  return bare
    .split(/[/?#\\@=&:\u2044\u2215\uff0f]+/u)
    .map((part) => part.replace(/^[._!?-]+/u, "").replace(/[.!?_-]+$/u, ""))
    .some((part) => isHostLike(part) && trueHost(part) !== own);
}

function isHostLike(part: string): boolean {
  return HOST_LIKE.test(part) && !FILE_ENDS.has(part.slice(part.lastIndexOf(".") + 1));
}

/** `www.` says nothing about whose host it is. */
function trueHost(host: string): string {
  return host.toLowerCase().replace(/^www\./, "");
}
