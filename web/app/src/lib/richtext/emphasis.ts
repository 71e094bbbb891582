// Delimiter runs (`*`, `_`, `~~`) and which of them pair up; CommonMark 0.31 (6.2), linear through its lower bounds.

export type Mark = "*" | "_" | "~";

export interface Pair {
  type: "strong" | "em" | "strike";
  /** Shown in place of the formatting where it lies too deep. */
  mark: string;
  isShown: boolean;
}

const SPACE = /^\s$/;
const SYMBOL = /^[\p{P}\p{S}]$/u;

/** Marks in a row, and the pairs they have become part of, innermost first. */
export class Run {
  readonly type = "run";
  readonly closes: Pair[] = [];
  readonly opens: Pair[] = [];
  readonly canOpen: boolean;
  readonly canClose: boolean;
  readonly length: number;
  /** Which of them belong to no pair yet. */
  count: number;

  constructor(
    readonly mark: Mark,
    length: number,
    before: string,
    after: string,
  ) {
    this.length = length;
    this.count = length;
    const [spaceBefore, spaceAfter] = [before === "" || SPACE.test(before), SPACE.test(after)];
    const [symbolBefore, symbolAfter] = [SYMBOL.test(before), SYMBOL.test(after)];
    const left = !spaceAfter && (!symbolAfter || spaceBefore || symbolBefore);
    const right = !spaceBefore && (!symbolBefore || spaceAfter || symbolAfter);
    // An underscore within a word is part of a name.
    this.canOpen = left && (mark !== "_" || !right || symbolBefore);
    this.canClose = right && (mark !== "_" || !left || symbolAfter);
  }
}

/** The runs of one text in their order. */
export class Runs {
  readonly #open: { run: Run; order: number }[] = [];
  /** For a kind of closing run: openers before this order are known not to fit. */
  readonly #bounds = new Map<string, number>();
  #order = 0;

  add(run: Run): void {
    this.#order += 1;
    if (run.canClose) this.#closeWith(run);
    if (run.canOpen && run.count > 0) this.#open.push({ run, order: this.#order });
  }

  #closeWith(closer: Run): void {
    const kind = `${closer.mark}${closer.canOpen}${closer.length % 3}`;
    while (closer.count > 0) {
      const found = this.#opener(closer, this.#bounds.get(kind) ?? 0);
      if (found === undefined) {
        this.#bounds.set(kind, this.#order);
        return;
      }
      const [opener, index] = found;
      const width = opener.count >= 2 && closer.count >= 2 ? 2 : 1;
      const type = closer.mark === "~" ? "strike" : width === 2 ? "strong" : "em";
      const pair: Pair = { type, mark: closer.mark.repeat(width), isShown: false };
      opener.opens.push(pair);
      closer.closes.push(pair);
      opener.count -= width;
      closer.count -= width;
      this.#open.length = opener.count === 0 ? index : index + 1;
    }
  }

  #opener(closer: Run, bound: number): [Run, number] | undefined {
    for (let index = this.#open.length - 1; index >= 0; index -= 1) {
      const entry = this.#open[index];
      if (entry === undefined || entry.order < bound) return undefined;
      if (entry.run.mark === closer.mark && fit(entry.run, closer)) return [entry.run, index];
    }
    return undefined;
  }
}

/** The rule of three: `*a**b*` is no emphasis around `a` that ends in the middle of a run. */
function fit(opener: Run, closer: Run): boolean {
  if (!opener.canClose && !closer.canOpen) return true;
  return (opener.length + closer.length) % 3 !== 0 || (opener.length % 3 === 0 && closer.length % 3 === 0);
}
