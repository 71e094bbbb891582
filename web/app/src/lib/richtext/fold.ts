// Long messages show their beginning until asked for all of it (TL-48).

/** More lines than this fold. */
export const MAX_LINES = 40;
/** What a folded message shows: enough to judge by, and fewer than would spare only a line or two. */
export const FOLDED_LINES = 24;

export interface Fold {
  /** The beginning, itself Markdown: a block of code cut in two is still one. */
  head: string;
  /** Lines of the whole message. */
  lines: number;
}

/** How a message folds, or nothing where it is short enough to stand whole. */
export function folded(source: string): Fold | undefined {
  const lines = source.trimEnd().split(/\r\n?|\n/);
  if (lines.length <= MAX_LINES) return undefined;
  return { head: lines.slice(0, FOLDED_LINES).join("\n"), lines: lines.length };
}
