// One paragraph's text → inline tokens: leaves and links in one pass, emphasis in a second, as CommonMark 0.31 (6) has it.

import { destination, linked } from "./link-parts.ts";
import { type Mark, type Pair, Run, Runs } from "./emphasis.ts";
import type { Target } from "./links.ts";
import { before, Leaves, type Read } from "./scan.ts";
import { type Inline, MAX_DEPTH } from "./tokens.ts";

/** What one message's paragraphs share. */
export interface Shared {
  handles: Set<string>;
}

interface Bracket {
  type: "bracket";
  text: string;
  isLink: boolean;
}

/** A leaf, a delimiter run, or one end of a link. */
type Piece = Inline | Run | Bracket | { type: "end"; to: Target };

const PUNCTUATION = /[!-/:-@[-`{-~]/;

export function inline(text: string, shared: Shared): Inline[] {
  const pieces = new Scanner(text, shared).pieces();
  pairEmphasis(pieces);
  return build(pieces);
}

class Scanner {
  readonly #text: string;
  readonly #leaves: Leaves;
  readonly #pieces: Piece[] = [];
  #brackets: Bracket[] = [];
  /** Start of text that has not become a piece. */
  #from = 0;

  constructor(text: string, shared: Shared) {
    this.#text = text;
    this.#leaves = new Leaves(text, shared.handles);
  }

  pieces(): Piece[] {
    let at = 0;
    while (at < this.#text.length) at = this.#step(at);
    this.#flush(at);
    return this.#pieces;
  }

  /** Reads what stands at a position and returns where to go on. */
  #step(at: number): number {
    const text = this.#text;
    switch (text[at]) {
      case "\\":
        return this.#escape(at);
      case "\n":
        return this.#break(at, at);
      case "`":
        return this.#take(at, this.#leaves.code(at));
      case "$":
        return this.#take(at, this.#leaves.math(at));
      case "@":
        return this.#take(at, this.#leaves.mention(at));
      case ":":
        return this.#take(at, this.#leaves.emoji(at));
      case "<":
        return this.#take(at, this.#leaves.angled(at));
      case "h":
      case "H":
      case "m":
      case "M":
      case "w":
      case "W": {
        const read = this.#leaves.bare(at, this.#brackets.length > 0);
        return read === undefined ? at + 1 : this.#take(at, read);
      }
      case "*":
      case "_":
      case "~":
        return this.#run(at, text[at] as Mark);
      case "!":
        return text[at + 1] === "[" ? this.#open(at, "![") : at + 1;
      case "[":
        return this.#open(at, "[");
      case "]":
        return this.#close(at);
      default:
        return at + 1;
    }
  }

  #take(at: number, read: Read): number {
    if (read.node !== undefined) {
      this.#flush(at);
      this.#pieces.push(read.node);
      this.#from = read.end;
    }
    return read.end;
  }

  #flush(end: number): void {
    if (end > this.#from) this.#pieces.push({ type: "text", text: this.#text.slice(this.#from, end) });
    this.#from = end;
  }

  #escape(at: number): number {
    const next = this.#text[at + 1] ?? "";
    if (next === "\n") return this.#break(at, at + 1);
    if (!PUNCTUATION.test(next)) return at + 1;
    this.#flush(at);
    this.#from = at + 1;
    return at + 2;
  }

  #break(at: number, newline: number): number {
    let [end, next] = [at, newline + 1];
    while (end > this.#from && isBlank(this.#text[end - 1])) end -= 1;
    while (isBlank(this.#text[next])) next += 1;
    this.#flush(end);
    this.#pieces.push({ type: "break" });
    this.#from = next;
    return next;
  }

  #run(at: number, mark: Mark): number {
    let end = at;
    while (this.#text[end] === mark) end += 1;
    if (mark === "~" && end - at !== 2) return end;
    this.#flush(at);
    const after = String.fromCodePoint(this.#text.codePointAt(end) ?? 0x20);
    this.#pieces.push(new Run(mark, end - at, before(this.#text, at), after));
    this.#from = end;
    return end;
  }

  #open(at: number, text: string): number {
    this.#flush(at);
    const bracket: Bracket = { type: "bracket", text, isLink: false };
    this.#brackets.push(bracket);
    this.#pieces.push(bracket);
    this.#from = at + text.length;
    return this.#from;
  }

  #close(at: number): number {
    const bracket = this.#brackets.pop();
    if (bracket === undefined) return at + 1;
    const found = destination(this.#text, at + 1);
    if (found === undefined) return at + 1;
    this.#flush(at);
    bracket.isLink = true;
    this.#pieces.push({ type: "end", to: found.to });
    // No link stands in a link, so whatever is still open stays a bracket.
    this.#brackets = [];
    this.#from = found.end;
    return found.end;
  }
}

function isBlank(c: string | undefined): boolean {
  return c === " " || c === "\t";
}

/** Emphasis pairs up within a link or outside of it, never across its ends. */
function pairEmphasis(pieces: Piece[]): void {
  const outside = new Runs();
  let runs = outside;
  for (const piece of pieces) {
    if (piece instanceof Run) runs.add(piece);
    else if (piece.type === "bracket" && piece.isLink) runs = new Runs();
    else if (piece.type === "end") runs = outside;
  }
}

interface Frame {
  pair: Pair | undefined;
  children: Inline[];
}

function build(pieces: Piece[]): Inline[] {
  const root: Inline[] = [];
  const frames: Frame[] = [];
  const here = (): Inline[] => frames[frames.length - 1]?.children ?? root;
  const push = (node: Inline): void => {
    const children = here();
    const last = children[children.length - 1];
    if (node.type === "text" && last?.type === "text") children[children.length - 1] = { type: "text", text: last.text + node.text };
    else if (node.type !== "text" || node.text !== "") children.push(node);
  };
  const closePair = (pair: Pair): void => {
    const frame = pair.isShown ? frames.pop() : undefined;
    if (frame === undefined) push({ type: "text", text: pair.mark });
    else push({ type: pair.type, children: frame.children });
  };
  const openPair = (pair: Pair): void => {
    pair.isShown = frames.length < MAX_DEPTH;
    if (pair.isShown) frames.push({ pair, children: [] });
    else push({ type: "text", text: pair.mark });
  };
  for (const piece of pieces) {
    if (piece instanceof Run) {
      piece.closes.forEach(closePair);
      push({ type: "text", text: piece.mark.repeat(piece.count) });
      piece.opens.reverse().forEach(openPair);
    } else if (piece.type === "bracket") {
      if (piece.isLink) frames.push({ pair: undefined, children: [] });
      else push({ type: "text", text: piece.text });
    } else if (piece.type === "end") {
      const children = frames.pop()?.children ?? [];
      push(linked(children, piece.to));
    } else {
      push(piece);
    }
  }
  return root;
}
