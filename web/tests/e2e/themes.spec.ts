// Themes (TH-01 … TH-03).
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "./fixtures.ts";

const css = readFileSync(resolve(import.meta.dirname, "../../app/src/styles/tokens.css"), "utf8");

/** The colours of a rule of the tokens. */
function tokens(selector: string): Record<string, string> {
  const from = css.indexOf(`${selector} {`);
  expect(from, selector).toBeGreaterThanOrEqual(0);
  const body = css.slice(from, css.indexOf("}", from));
  return Object.fromEntries([...body.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})\b/gi)].map((found) => [found[1] ?? "", found[2] ?? ""]));
}

function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function ratio(a: string, b: string): number {
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

const SURFACES = ["paper", "sheet", "sunk", "hover", "sel", "mention"];
/** On every surface, in the light and the dark theme. */
const ON_SURFACES: [string, number, number][] = [
  ["ink", 14.2, 10.85], ["ink-2", 6.21, 6.27], ["ink-3", 4.65, 4.89], ["accent", 6.32, 6.71], ["signal", 4.99, 6.09],
  ["danger", 6.39, 6.13], ["ok", 5.33, 6.83], ["warn", 5.69, 7.05], ["ctrl", 3.25, 3.44],
  ...Array.from({ length: 8 }, (_, n): [string, number, number] => [`author-${n}`, 5.67, 6.69]),
];
const PAIRS: [string, string, number, number][] = [
  ["on-accent", "accent", 7.83, 7.89], ["on-accent", "accent-hover", 10.3, 9.46], ["on-signal", "signal", 6.18, 8.33],
  ["on-danger", "danger", 7.92, 8.49], ["ink", "hit", 13.64, 9.07], ["ink", "hit-now", 11.11, 6.31],
  ["note-ink", "note", 8.98, 11.11], ["fail-ink", "fail", 9.28, 11.28],
];

for (const [n, selector] of [":root", ":root.dark"].entries()) {
  test(`TH-02 every pair of colours has its ratio, in ${selector}`, () => {
    const colours = tokens(selector);
    const get = (name: string): string => {
      expect(colours[name], name).toBeDefined();
      return colours[name] ?? "";
    };
    for (const [name, ...least] of ON_SURFACES) {
      const worst = Math.min(...SURFACES.map((surface) => ratio(get(name), get(surface))));
      expect(worst, name).toBeGreaterThanOrEqual((least[n] ?? 0) - 0.005);
    }
    for (const [front, back, ...least] of PAIRS) {
      expect(ratio(get(front), get(back)), `${front} on ${back}`).toBeGreaterThanOrEqual((least[n] ?? 0) - 0.005);
    }
  });
}

test("TH-01 the theme is there before the first paint, whatever the system says", async ({ server, ana, ops }) => {
  await ana.open(ops.handle);
  const set = (theme: string): Promise<void> => ana.page.evaluate((theme) => localStorage.setItem("stonechat/prefs", JSON.stringify({ theme })), theme);
  // The app itself never arrives: what is painted is what the page alone decides.
  await set("dark");
  await ana.page.route("**/*.js", (route) => route.abort());
  const colour = async (): Promise<string> => {
    await ana.page.goto(`${server.url}/c/${ops.handle}`);
    return ana.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  };
  const [dark, light] = ["rgb(14, 19, 20)", "rgb(246, 248, 247)"];
  expect(await ana.page.emulateMedia({ colorScheme: "light" }).then(colour)).toBe(dark);
  await set("light");
  expect(await ana.page.emulateMedia({ colorScheme: "dark" }).then(colour)).toBe(light);
  await set("system");
  expect(await colour()).toBe(dark);
  expect(await ana.page.emulateMedia({ colorScheme: "light" }).then(colour)).toBe(light);
  // The script is named by its hash, not waved through.
  const policy = (await fetch(`${server.url}/`, { headers: { accept: "text/html" } })).headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/script-src 'self' 'sha256-/);
  expect(policy).not.toContain("unsafe-inline");
});

test("TH-01 no frame of the other theme while the app starts", async ({ server, ana, ops }) => {
  await ana.open(ops.handle);
  await ana.page.evaluate(() => localStorage.setItem("stonechat/prefs", JSON.stringify({ theme: "dark" })));
  await ana.page.addInitScript(() => {
    const seen = new Set<string>();
    Object.assign(window, { seen });
    const look = (): void => {
      if (document.body !== null && document.styleSheets.length > 0) seen.add(getComputedStyle(document.body).backgroundColor);
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await ana.page.goto(`${server.url}/c/${ops.handle}`);
  await expect(ana.composer).toBeVisible();
  await ana.online();
  expect(await ana.page.evaluate(() => [...(window as unknown as { seen: Set<string> }).seen])).toEqual(["rgb(14, 19, 20)"]);
});
