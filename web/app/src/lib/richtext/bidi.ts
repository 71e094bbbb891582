// Bidirectional control characters, kept from reordering what stands around a text (IN-05).

/** Embeddings, overrides and isolates: each can reach past the end of its text. */
const CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;
/** Marks without such reach, of use to people who write right to left, but not in an address. */
const CONTROLS_AND_MARKS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A name or message without the controls that reorder; direction marks stay. */
export function stripBidi(text: string): string {
  return text.replace(CONTROLS, "");
}

/** For addresses and code-like names, where no mark has a purpose either. */
export function stripAllBidi(text: string): string {
  return text.replace(CONTROLS_AND_MARKS, "");
}

/** A text for places without markup (titles, accessible names), where `<bdi>` cannot stand. */
export function isolate(text: string): string {
  return `\u2068${stripBidi(text)}\u2069`;
}
