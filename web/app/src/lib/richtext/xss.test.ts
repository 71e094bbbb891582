// TL-46: a corpus of attempts to run code; each stays text, and no link leads anywhere but the web and mail.

import { render } from "svelte/server";
import { describe, expect, test } from "vitest";
import { plain } from "./preview.ts";
import { parse } from "./parse.ts";
import RichText from "./RichText.svelte";
import { inlinesOf, seen } from "./walk.fixture.ts";

const CORPUS = [
  "<script>alert(1)</script>",
  "<ScRiPt src=//evil.example/x.js></sCrIpT>",
  "<img src=x onerror=alert(1)>",
  "<img/src=x/onerror=alert(1)>",
  "<svg onload=alert(1)>",
  "<svg><script>alert(1)</script></svg>",
  "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
  "<math><mi xlink:href=javascript:alert(1)>x</mi></math>",
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  "<iframe src=javascript:alert(1)></iframe>",
  "<iframe srcdoc='<script>alert(1)</script>'>",
  "<object data=javascript:alert(1)>",
  "<embed src=javascript:alert(1)>",
  "<body onload=alert(1)>",
  "<a href=javascript:alert(1)>x</a>",
  "<form action=javascript:alert(1)><button>x</button></form>",
  "<input autofocus onfocus=alert(1)>",
  "<details open ontoggle=alert(1)>",
  "<video><source onerror=alert(1)></video>",
  "<style>@import 'javascript:alert(1)'</style>",
  "<link rel=stylesheet href=//evil.example/x.css>",
  "<base href=//evil.example/>",
  "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
  "<!--><img src=x onerror=alert(1)>-->",
  "<![CDATA[<script>alert(1)</script>]]>",
  "</p><script>alert(1)</script>",
  "\"><script>alert(1)</script>",
  "'-alert(1)-'",
  "{{constructor.constructor('alert(1)')()}}",
  "{@html '<script>alert(1)</script>'}",
  "${alert(1)}",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](java\tscript:alert(1))",
  "[x](java\u0000script:alert(1))",
  "[x](\u0001javascript:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x](javascript&colon;alert(1))",
  "[x](<javascript:alert(1)>)",
  "[x]( javascript:alert(1) 'title')",
  "[x](\\javascript:alert(1))",
  "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
  "[x](vbscript:msgbox(1))",
  "[x](file:///etc/passwd)",
  "[x](blob:https://example.org/1)",
  "[x](//evil.example)",
  "[x](https://example.org/\"onmouseover=\"alert(1))",
  "[x](https://example.org/ \"t\\\" onmouseover=alert(1)\")",
  "[x][1]\n\n[1]: javascript:alert(1)",
  "<javascript:alert(1)>",
  "<https://example.org/\"onmouseover=alert(1)>",
  "https://example.org/\"onmouseover=\"alert(1)",
  "https://example.org/<script>alert(1)</script>",
  "mailto:a@b.example\"onclick=alert(1)",
  "![x](javascript:alert(1))",
  "![x\"onerror=\"alert(1)](https://example.org/x.png)",
  "![<img src=x onerror=alert(1)>](https://example.org/x.png)",
  "`<img src=x onerror=alert(1)>`",
  "```<img src=x onerror=alert(1)>\n<script>alert(1)</script>\n```",
  "```\"><script>alert(1)</script>\nx\n```",
  "$\\href{javascript:alert(1)}{x}$",
  "$$\\class{x\"onclick=alert(1)}{y}\\unicode{<script>}$$",
  "```math\n\\includegraphics{javascript:alert(1)}\n```",
  "|<script>|b|\n|-|-|\n|[x](javascript:alert(1))|<img src=x onerror=alert(1)>|",
  "- [ ] <script>alert(1)</script>",
  "> <script>alert(1)</script>",
  "# <script>alert(1)</script>",
  "@ana\"onclick=alert(1)",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "\u2028<script>alert(1)</script>\u2029",
  "**<b onmouseover=alert(1)>x</b>**",
  "[<script>alert(1)</script>](https://example.org)",
];

/** What the markup of a message may consist of; attributes with the values they may have. */
const TAGS = new Set(
  "a bdi blockquote br button code div em hr li ol p pre s span strong table tbody td th thead tr ul".split(" "),
);
const ATTRIBUTES: Readonly<Record<string, RegExp>> = {
  "aria-label": /^/,
  class: /^[\w\s-]*$/,
  dir: /^(?:auto|ltr)$/,
  href: /^(?:https?:\/\/|mailto:)/,
  rel: /^noopener noreferrer$/,
  role: /^(?:region|img)$/,
  scope: /^col$/,
  start: /^\d+$/,
  tabindex: /^0$/,
  target: /^_blank$/,
  title: /^@[a-z0-9._-]+$/,
  type: /^button$/,
};

describe("TL-46 XSS corpus", () => {
  test("the corpus is as large as promised", () => {
    expect(new Set(CORPUS).size).toBeGreaterThanOrEqual(40);
  });

  test.each(CORPUS)("%j", (source) => {
    const blocks = parse(source);
    expect(blocks.length).toBeGreaterThan(0);
    for (const node of inlinesOf(blocks)) {
      if ("href" in node) expect(node.href).toMatch(/^(?:https?:\/\/|mailto:)[^\s"'<>]+$/);
    }
    for (const [, name = "", attributes = ""] of markup(source).matchAll(/<([a-z0-9]+)((?:\s+[^\s=>]+(?:="[^"]*")?)*)\s*\/?>/gi)) {
      expect(TAGS, source).toContain(name);
      for (const [, key = "", value = ""] of attributes.matchAll(/\s([^\s=]+)(?:="([^"]*)")?/g)) {
        expect(Object.keys(ATTRIBUTES), source).toContain(key);
        expect(value).toMatch(ATTRIBUTES[key] ?? /$^/);
      }
    }
    expect(plain(source)).not.toBe("");
  });

  test("raw HTML is shown as it was typed", () => {
    for (const source of CORPUS.filter((entry) => entry.startsWith("<") && !entry.includes("https:") && !entry.includes("'"))) {
      expect(seen(inlinesOf(parse(source)))).toBe(source);
    }
  });

  test("every tag of the markup is one this corpus looks at", () => {
    // The pattern above must see what it guards: all that opens a tag, and what lies between is escaped.
    for (const source of CORPUS) {
      const opened = markup(source).match(/<[a-z]/gi)?.length ?? 0;
      const seenTags = [...markup(source).matchAll(/<([a-z0-9]+)((?:\s+[^\s=>]+(?:="[^"]*")?)*)\s*\/?>/gi)].length;
      expect(seenTags, source).toBe(opened);
      expect(opened, source).toBeGreaterThan(0);
    }
  });
});

/** The message as a server would draw it, without the marks Svelte leaves for itself. */
function markup(source: string): string {
  return render(RichText, { props: { source, mentionName: (handle: string) => handle.toUpperCase(), me: "ana" } }).body.replace(/<!--.*?-->/gs, "");
}
