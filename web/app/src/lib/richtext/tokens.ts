// The typed tokens a message's Markdown becomes; nothing here is ever an HTML string.

export type Align = "start" | "center" | "end" | undefined;

export type Inline =
  | { type: "text"; text: string }
  | { type: "break" }
  | { type: "strong"; children: Inline[] }
  | { type: "em"; children: Inline[] }
  | { type: "strike"; children: Inline[] }
  | { type: "code"; text: string }
  | { type: "math"; text: string }
  /** `handle` in lower case as the server reads it; `text` as it was typed, with the `@`. */
  | { type: "mention"; handle: string; all: boolean; text: string }
  /** Own words for an address: `host` stands behind them, so that they cannot pass for another. */
  | { type: "link"; href: string; host: string; children: Inline[] }
  /** An address that shows itself: `url` is the whole visible text. */
  | { type: "autolink"; href: string; host: string; url: string };

export interface Item {
  /** `undefined`: no task. */
  checked: boolean | undefined;
  children: Block[];
}

export interface Cell {
  align: Align;
  children: Inline[];
}

export type Block =
  | { type: "paragraph"; children: Inline[] }
  | { type: "heading"; level: number; children: Inline[] }
  | { type: "quote"; children: Block[] }
  | { type: "list"; ordered: boolean; start: number; items: Item[] }
  | { type: "code"; lang: string; text: string }
  | { type: "math"; text: string }
  | { type: "table"; head: Cell[]; rows: Cell[][] }
  | { type: "rule" };

/** Quotes and lists, and within a line emphasis, nest this deep; what lies deeper is shown as text. */
export const MAX_DEPTH = 8;

/** What the server takes at most; longer text is shown unformatted from there on. */
export const MAX_SOURCE = 16 * 1024;
