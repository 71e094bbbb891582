// Lines → blocks. Chat's reading of Markdown: a line break is a line break, and no line belongs to a quote or list lazily.

import { inline, type Shared } from "./inline.ts";
import { table } from "./table.ts";
import { type Block, type Item, MAX_DEPTH } from "./tokens.ts";

/** What a block took: itself and the line after it. */
interface Taken {
  block: Block;
  next: number;
}

interface Marker {
  /** `-`, `*`, `+`, `.` or `)`: another one starts another list. */
  kind: string;
  indent: number;
  /** Column at which its text starts. */
  content: number;
  start: number;
  rest: string;
}

const FENCE = /^(\s*)(`{3,}|~{3,})(.*)$/;
const HEADING = /^\s{0,3}(#{1,6})(?=[ \t]|$)/;
const QUOTE = /^\s{0,3}>/;
const MARKER = /^([-*+]|\d{1,9}[.)])(?=[ \t]|$)/;
const TASK = /^\[([ xX])\](?=\s|$)/;
const LANGUAGE = /^[\w+#.-]{1,32}/;
/** Spaces behind a list's mark that still belong to it. */
const MAX_MARKER_SPACES = 4;
const TAB = 4;

export function blocks(lines: string[], depth: number, shared: Shared): Block[] {
  const found: Block[] = [];
  const math = new MathBlocks(lines);
  let paragraph: string[] = [];
  const flush = (): void => {
    if (paragraph.length > 0) found.push({ type: "paragraph", children: inline(paragraph.join("\n"), shared) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? "";
    if (line.trim() === "") {
      flush();
      at += 1;
      continue;
    }
    const taken =
      fence(lines, at) ??
      math.take(at) ??
      heading(line, at, shared) ??
      rule(line, at) ??
      table(lines, at, shared) ??
      (depth < MAX_DEPTH ? (quote(lines, at, depth, shared) ?? list(lines, at, depth, shared, paragraph.length > 0)) : undefined);
    if (taken === undefined) {
      paragraph.push(line.trim());
      at += 1;
    } else {
      flush();
      found.push(taken.block);
      at = taken.next;
    }
  }
  flush();
  return found;
}

function fence(lines: string[], at: number): Taken | undefined {
  const [, indent = "", marks = "", info = ""] = FENCE.exec(lines[at] ?? "") ?? [];
  const mark = marks[0];
  // Backticks behind three backticks: a code span within one line.
  if (mark === undefined || (mark === "`" && info.includes("`"))) return undefined;
  const body: string[] = [];
  let next = at + 1;
  for (; next < lines.length; next += 1) {
    const line = lines[next] ?? "";
    if (isFenceEnd(line, mark, marks.length)) {
      next += 1;
      break;
    }
    body.push(outdented(line, indentOf(indent)));
  }
  const lang = (LANGUAGE.exec(info.trim())?.[0] ?? "").toLowerCase();
  const text = body.join("\n");
  return { block: lang === "math" ? { type: "math", text } : { type: "code", lang, text }, next };
}

function isFenceEnd(line: string, mark: string, length: number): boolean {
  const marks = line.trim();
  return marks.length >= length && marks === mark.repeat(marks.length);
}

/** `$$` on a line of its own up to the next, or both on one line, with no blank line between. */
class MathBlocks {
  readonly #lines: string[];
  /** Before this line no formula ends: it has been looked for. */
  #endlessTo = -1;

  constructor(lines: string[]) {
    this.#lines = lines;
  }

  take(at: number): Taken | undefined {
    const line = this.#lines[at]?.trim() ?? "";
    if (!line.startsWith("$$")) return undefined;
    const first = line.slice(2);
    const close = first.indexOf("$$");
    if (close !== -1) {
      const text = first.slice(0, close).trim();
      return close + 2 === first.length && text !== "" ? { block: { type: "math", text }, next: at + 1 } : undefined;
    }
    if (at < this.#endlessTo) return undefined;
    const body = [first];
    for (let next = at + 1; next < this.#lines.length; next += 1) {
      const line = this.#lines[next]?.trim() ?? "";
      if (line === "") {
        this.#endlessTo = next;
        return undefined;
      }
      if (line.endsWith("$$")) {
        body.push(line.slice(0, -2));
        return { block: { type: "math", text: body.join("\n").trim() }, next: next + 1 };
      }
      body.push(line);
    }
    this.#endlessTo = this.#lines.length;
    return undefined;
  }
}

function heading(line: string, at: number, shared: Shared): Taken | undefined {
  const [all = "", marks = ""] = HEADING.exec(line) ?? [];
  if (marks === "") return undefined;
  const text = withoutClosing(line.slice(all.length).trim());
  if (text === "") return undefined;
  return { block: { type: "heading", level: marks.length, children: inline(text, shared) }, next: at + 1 };
}

/** `# Title #`: the closing marks are not part of it. */
function withoutClosing(text: string): string {
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  if (end === 0) return "";
  const before = text[end - 1];
  return before === " " || before === "\t" ? text.slice(0, end).trim() : text;
}

function rule(line: string, at: number): Taken | undefined {
  const marks = line.replace(/[ \t]/g, "");
  const [mark = ""] = marks;
  if (marks.length < 3 || !"-*_".includes(mark) || marks !== mark.repeat(marks.length)) return undefined;
  return { block: { type: "rule" }, next: at + 1 };
}

function quote(lines: string[], at: number, depth: number, shared: Shared): Taken | undefined {
  const body: string[] = [];
  let next = at;
  for (; next < lines.length && QUOTE.test(lines[next] ?? ""); next += 1) {
    body.push((lines[next] ?? "").replace(/^\s*> ?/, ""));
  }
  return next === at ? undefined : { block: { type: "quote", children: blocks(body, depth + 1, shared) }, next };
}

function list(lines: string[], at: number, depth: number, shared: Shared, inParagraph: boolean): Taken | undefined {
  const first = marker(lines[at] ?? "");
  if (first === undefined) return undefined;
  const ordered = first.kind === "." || first.kind === ")";
  // "I was born in⏎1984. What a year": within a paragraph only a list's plain beginning is one.
  if (inParagraph && (first.rest === "" || (ordered && first.start !== 1))) return undefined;
  const items: Item[] = [];
  let next = at;
  let bullet: Marker | undefined = first;
  while (bullet !== undefined) {
    const end = itemEnd(lines, next + 1, bullet);
    const { content } = bullet;
    const body = lines.slice(next + 1, end).map((line) => outdented(line, content));
    items.push(item(bullet.rest, body, depth, shared));
    next = skipBlankLines(lines, end);
    const sibling = marker(lines[next] ?? "");
    bullet = sibling?.kind === first.kind && !isRule(lines[next] ?? "") ? sibling : undefined;
    if (bullet === undefined) next = end;
  }
  return { block: { type: "list", ordered, start: first.start, items }, next };
}

/** An item goes on as long as lines stand further in than its mark, by two columns at least. */
function itemEnd(lines: string[], from: number, bullet: Marker): number {
  const least = Math.min(bullet.content, bullet.indent + 2);
  let end = from;
  while (end < lines.length) {
    const next = skipBlankLines(lines, end);
    const line = lines[next];
    if (line === undefined || indentOf(line) < least) break;
    end = next + 1;
  }
  return end;
}

function item(first: string, body: string[], depth: number, shared: Shared): Item {
  const [task = "", state] = TASK.exec(first) ?? [];
  const lines = [first.slice(task.length), ...body];
  return { checked: state === undefined ? undefined : state !== " ", children: blocks(lines, depth + 1, shared) };
}

function marker(line: string): Marker | undefined {
  const text = line.trimStart();
  const mark = MARKER.exec(text)?.[1];
  if (mark === undefined) return undefined;
  const indent = indentOf(line);
  const behind = text.slice(mark.length);
  const rest = behind.trim();
  const spaces = rest === "" ? 1 : indentOf(behind);
  return {
    kind: mark.slice(-1),
    indent,
    content: indent + mark.length + (spaces > MAX_MARKER_SPACES ? 1 : spaces),
    start: Number.parseInt(mark, 10) || 0,
    rest,
  };
}

function isRule(line: string): boolean {
  return rule(line, 0) !== undefined;
}

function skipBlankLines(lines: string[], at: number): number {
  let next = at;
  while (next < lines.length && lines[next]?.trim() === "") next += 1;
  return next;
}

/** Columns of white space before the text. */
function indentOf(line: string): number {
  let columns = 0;
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === "\t") columns += TAB - (columns % TAB);
    else if (line[at] === " ") columns += 1;
    else break;
  }
  return columns;
}

/** A line moved out by that many columns, or by all it has; a tab that reaches beyond leaves spaces. */
function outdented(line: string, columns: number): string {
  let [at, column] = [0, 0];
  for (; column < columns && at < line.length; at += 1) {
    if (line[at] === "\t") column += TAB - (column % TAB);
    else if (line[at] === " ") column += 1;
    else break;
  }
  return " ".repeat(Math.max(column - columns, 0)) + line.slice(at);
}
