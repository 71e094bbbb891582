// Whether and how well a name answers a query: without case and accents; exact, then the beginning of a word, then initials,
// then letters in order (CL-21).

/** A text without case and accents, to compare. */
export function fold(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** How well a text answers a query: smaller is better; `undefined`: not at all. */
export function match(query: string, text: string): number | undefined {
  const wanted = fold(query.trim());
  const given = fold(text);
  if (wanted === "") return 4;
  if (given === wanted) return 0;
  const words = given.split(/[\s._-]+/).filter((word) => word !== "");
  if (given.startsWith(wanted) || words.some((word) => word.startsWith(wanted))) return 1;
  const initials = words.map((word) => word[0]).join("");
  if (initials.startsWith(wanted)) return 2;
  let at = 0;
  for (const char of given) if (char === wanted[at]) at++;
  return at === wanted.length ? 3 : undefined;
}
