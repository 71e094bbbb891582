// Formulas as far as the typesetter is at hand: loaded with the first one, at once for all that follow.

type Typesetter = typeof import("./math.ts");

let loaded: Typesetter | undefined;

/** The formula in the first frame, where the typesetter has been loaded before. */
export function formulaNow(text: string, isBlock: boolean): Element | undefined {
  return loaded?.typeset(text, isBlock);
}

export async function formula(text: string, isBlock: boolean): Promise<Element | undefined> {
  try {
    loaded ??= await import("./math.ts");
  } catch {
    // Offline before the first formula: its source is readable, too.
    return undefined;
  }
  return loaded.typeset(text, isBlock);
}
