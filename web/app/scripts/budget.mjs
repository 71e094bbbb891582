// Fails the build when the app has grown beyond its budgets (PF-01, PF-02, PF-03), in bytes after gzip.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const html = readFileSync("dist/index.html", "utf8");
const assets = readdirSync("dist/assets").filter((name) => !/\.(br|gz)$/.test(name));
const size = (name) => gzipSync(readFileSync(join("dist/assets", name)), { level: 9 }).length;
const first = (kind) => assets.filter((name) => name.endsWith(kind) && html.includes(name));
const sum = (names, measure = size) => names.reduce((total, name) => total + measure(name), 0);
const raw = (name) => statSync(join("dist/assets", name)).size;
// What the entry imports at once counts as the first screen too.
const eager = new Set(first(".js"));
for (const name of eager) {
  const text = readFileSync(join("dist/assets", name), "utf8");
  for (const [, other] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g)) eager.add(other);
}
// Highlighting of single languages and formulas load on demand, like emoji data and locales.
const optional = /^(lang-|highlight|temml|formula|emoji|locale-)/i;

const budgets = [
  ["PF-01 JavaScript of the first screen", sum([...eager]), 90 * 1024],
  ["PF-02 CSS", sum(assets.filter((name) => name.endsWith(".css"))), 16 * 1024],
  ["PF-02 fonts of the first load", sum(assets.filter((name) => /latin-(?!ext).*\.woff2$/.test(name)), raw), 60 * 1024],
  ["PF-03 the whole app", sum(assets.filter((name) => name.endsWith(".js") && !optional.test(name))), 220 * 1024],
];
let over = false;
for (const [name, bytes, budget] of budgets) {
  const state = bytes > budget ? "OVER" : "ok";
  over ||= bytes > budget;
  console.log(`${state.padEnd(5)}${name}: ${(bytes / 1024).toFixed(1)} of ${(budget / 1024).toFixed(0)} KiB`);
}
if (over) process.exit(1);
