// The colour tokens keep their contrast, computed from the file that the app uses.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("./tokens.css", import.meta.url), "utf8");

function tokens(selector: string): Map<string, string> {
  const start = css.indexOf(`${selector} {`);
  const block = css.slice(start, css.indexOf("}", start));
  return new Map([...block.matchAll(/--([a-z0-9-]+): (#[0-9a-f]{6})/g)].map((found) => [found[1] ?? "", found[2] ?? ""]));
}

/** Relative luminance of WCAG 2.2. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
}

function ratio(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return ((high ?? 0) + 0.05) / ((low ?? 0) + 0.05);
}

const SURFACES = ["paper", "sheet", "sunk", "hover", "sel", "mention"];
/** Text on any surface; controls and the rail's marks need 3. */
const TEXT = ["ink", "ink-2", "ink-3", "accent", "signal", "danger", "ok", "warn"];
const PAIRS: [string, string][] = [["on-accent", "accent"], ["on-accent", "accent-hover"], ["on-signal", "signal"], ["on-danger", "danger"], ["note-ink", "note"], ["fail-ink", "fail"], ["ink", "hit"], ["ink", "hit-now"]];

describe.each([["light", ":root"], ["dark", ":root.dark"]])("TH-02 the tokens of the %s theme", (_, selector) => {
  const found = tokens(selector);
  const of = (name: string): string => {
    const value = found.get(name);
    if (value === undefined) throw new Error(`--${name} is missing in ${selector}`);
    return value;
  };

  it.each(TEXT.flatMap((text) => SURFACES.map((surface) => [text, surface])))("%s reads on %s", (text, surface) => {
    expect(ratio(of(text), of(surface))).toBeGreaterThanOrEqual(4.5);
  });
  it.each(PAIRS)("%s reads on %s", (text, ground) => {
    expect(ratio(of(text), of(ground))).toBeGreaterThanOrEqual(4.5);
  });
  it.each(SURFACES)("controls are seen on %s", (surface) => {
    expect(ratio(of("ctrl"), of(surface))).toBeGreaterThanOrEqual(3);
  });
  it.each(Array.from({ length: 8 }, (_, n) => [`author-${n}`]))("%s reads on every surface", (author) => {
    for (const surface of SURFACES) expect(ratio(of(author), of(surface))).toBeGreaterThanOrEqual(4.5);
  });
});
