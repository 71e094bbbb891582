// Tables with pipes, as GitHub writes them; a row has the cells it has, so that a short text stays a small table.

import { inline, type Shared } from "./inline.ts";
import type { Align, Block, Cell } from "./tokens.ts";

const MAX_COLUMNS = 32;
const DELIMITER = /^(:?)-+(:?)$/;

export function table(lines: string[], at: number, shared: Shared): { block: Block; next: number } | undefined {
  const header = lines[at] ?? "";
  if (!isRow(header)) return undefined;
  const names = cells(header);
  const aligns = alignments(lines[at + 1] ?? "", names.length);
  if (aligns === undefined) return undefined;
  const row = (texts: string[]): Cell[] =>
    texts.map((text, column) => ({ align: aligns[column], children: inline(text, shared) }));
  const rows: Cell[][] = [];
  let next = at + 2;
  for (; next < lines.length && isRow(lines[next] ?? ""); next += 1) rows.push(row(cells(lines[next] ?? "")));
  return { block: { type: "table", head: row(names), rows }, next };
}

function isRow(line: string): boolean {
  return line.includes("|");
}

/** The line of dashes under the names; without as many columns as they have, there is no table. */
function alignments(line: string, columns: number): Align[] | undefined {
  if (columns > MAX_COLUMNS || !line.includes("-")) return undefined;
  const found: Align[] = [];
  for (const cell of cells(line)) {
    const [all, start, end] = DELIMITER.exec(cell) ?? [];
    if (all === undefined) return undefined;
    found.push(end === ":" ? (start === ":" ? "center" : "end") : start === ":" ? "start" : undefined);
  }
  return found.length === columns ? found : undefined;
}

/** Cells of a row; `\|` is a pipe within one. */
function cells(line: string): string[] {
  const found: string[] = [];
  let cell = "";
  for (let at = 0; at < line.length; at += 1) {
    const c = line[at] ?? "";
    if (c === "\\" && line[at + 1] === "|") {
      cell += "|";
      at += 1;
    } else if (c === "|") {
      found.push(cell.trim());
      cell = "";
    } else {
      cell += c;
    }
  }
  found.push(cell.trim());
  if (found[0] === "") found.shift();
  if (found[found.length - 1] === "") found.pop();
  return found;
}
