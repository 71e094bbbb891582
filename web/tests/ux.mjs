// Holds docs/ux.md to the truth: each line it calls shown has a test that names it, and each test's line stands there.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const web = resolve(import.meta.dirname, "..");
const document = readFileSync(resolve(web, "../docs/ux.md"), "utf8");

function* files(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (["node_modules", "dist", "results"].includes(entry.name)) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (/\.(spec|test)\.(ts|js)$/.test(entry.name)) yield path;
  }
}

/** Sections that docs/ux.md has; the server's and the SDK's own rows stand in docs/requirements.md. */
const SECTIONS = new Set([...document.matchAll(/^\| ([A-Z]{2,3})-\d\d \|/gm)].map(([, section]) => section));
const named = new Map();
for (const path of files(web)) {
  // Titles begin with the lines they show.
  for (const [, ids] of readFileSync(path, "utf8").matchAll(/["'`]((?:[A-Z]{2,3}-\d\d )+)/g)) {
    for (const id of ids.trim().split(" ")) {
      if (!SECTIONS.has(id.split("-")[0])) continue;
      if (!named.has(id)) named.set(id, new Set());
      named.get(id).add(relative(web, path));
    }
  }
}

const wrong = [];
const rows = new Map();
for (const [, id, by] of document.matchAll(/^\| ([A-Z]{2,3}-\d\d) \|[^|]*\| ([^|]*) \|$/gm)) {
  rows.set(id, by);
  for (const [, file] of by.matchAll(/`([^`]+\.(?:ts|js))`/g)) {
    if (!named.get(id)?.has(file)) wrong.push(`${id}: no test of ${file} names it`);
  }
}
for (const [id, where] of named) {
  for (const file of where) {
    if (rows.get(id)?.includes(`\`${file}\``) !== true) wrong.push(`${id}: docs/ux.md does not name ${file}`);
  }
}
if (rows.size < 100) wrong.push("docs/ux.md has too few rows to be whole");
if (wrong.length > 0) {
  console.error(wrong.join("\n"));
  process.exit(1);
}
console.log(`docs/ux.md: ${rows.size} lines, ${named.size} shown by tests`);
