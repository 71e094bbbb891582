// Colours code: loaded with the first block that names a language, each language apart. Tokens, never markup.

import type { LanguageFn } from "highlight.js";
import { createLowlight } from "lowlight";
import type { Colour, Coloured } from "./colours.ts";

type Load = () => Promise<{ default: LanguageFn }>;

const LANGUAGES: Readonly<Record<string, Load>> = {
  bash: () => import("highlight.js/lib/languages/bash"),
  c: () => import("highlight.js/lib/languages/c"),
  cpp: () => import("highlight.js/lib/languages/cpp"),
  css: () => import("highlight.js/lib/languages/css"),
  diff: () => import("highlight.js/lib/languages/diff"),
  dockerfile: () => import("highlight.js/lib/languages/dockerfile"),
  go: () => import("highlight.js/lib/languages/go"),
  ini: () => import("highlight.js/lib/languages/ini"),
  java: () => import("highlight.js/lib/languages/java"),
  javascript: () => import("highlight.js/lib/languages/javascript"),
  json: () => import("highlight.js/lib/languages/json"),
  python: () => import("highlight.js/lib/languages/python"),
  rust: () => import("highlight.js/lib/languages/rust"),
  sql: () => import("highlight.js/lib/languages/sql"),
  typescript: () => import("highlight.js/lib/languages/typescript"),
  xml: () => import("highlight.js/lib/languages/xml"),
  yaml: () => import("highlight.js/lib/languages/yaml"),
};

const ALIASES: Readonly<Record<string, string>> = {
  "c++": "cpp",
  cc: "cpp",
  console: "bash",
  docker: "dockerfile",
  h: "c",
  hpp: "cpp",
  html: "xml",
  js: "javascript",
  jsx: "javascript",
  mjs: "javascript",
  patch: "diff",
  postgresql: "sql",
  py: "python",
  rs: "rust",
  sh: "bash",
  shell: "bash",
  sqlite: "sql",
  svelte: "xml",
  svg: "xml",
  toml: "ini",
  ts: "typescript",
  tsx: "typescript",
  vue: "xml",
  yml: "yaml",
  zsh: "bash",
};

/** Classes of the highlighter → our few colours; the rest stays ink. */
const COLOURS: Readonly<Record<string, Colour>> = {
  addition: "string",
  attr: "name",
  attribute: "name",
  built_in: "name",
  comment: "comment",
  deletion: "changed",
  doctag: "comment",
  keyword: "keyword",
  literal: "number",
  meta: "comment",
  name: "keyword",
  number: "number",
  property: "name",
  quote: "comment",
  regexp: "string",
  section: "keyword",
  "selector-tag": "keyword",
  string: "string",
  symbol: "number",
  tag: "keyword",
  title: "name",
  type: "name",
  variable: "changed",
};

type Tree = ReturnType<ReturnType<typeof createLowlight>["highlight"]>["children"][number];

const lowlight = createLowlight();

/** The parts of a text with their colours, or nothing for a language that is not known. */
export async function highlight(lang: string, text: string): Promise<Coloured[] | undefined> {
  const name = Object.hasOwn(ALIASES, lang) ? ALIASES[lang] : lang;
  if (name === undefined || !Object.hasOwn(LANGUAGES, name)) return undefined;
  if (!lowlight.registered(name)) {
    const language = await LANGUAGES[name]?.();
    if (language === undefined) return undefined;
    lowlight.register(name, language.default);
  }
  const parts: Coloured[] = [];
  for (const node of lowlight.highlight(name, text).children) flatten(node, undefined, parts);
  return parts;
}

function flatten(node: Tree, outer: Colour | undefined, parts: Coloured[]): void {
  if (node.type === "text") {
    const last = parts[parts.length - 1];
    if (last?.colour === outer && last !== undefined) last.text += node.value;
    else parts.push({ text: node.value, colour: outer });
  } else if (node.type === "element") {
    const colour = colourOf(node.properties.className) ?? outer;
    for (const child of node.children) flatten(child, colour, parts);
  }
}

function colourOf(classes: unknown): Colour | undefined {
  const [name] = Array.isArray(classes) ? (classes as unknown[]) : [];
  const key = typeof name === "string" ? name.replace(/^hljs-/, "") : "";
  return Object.hasOwn(COLOURS, key) ? COLOURS[key] : undefined;
}
