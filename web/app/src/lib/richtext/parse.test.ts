// TL-46: the Markdown subset, block by block and mark by mark.

import { describe, expect, test } from "vitest";
import { parse } from "./parse.ts";
import type { Block, Inline } from "./tokens.ts";
import { depthOf, inlinesOf, seen } from "./walk.fixture.ts";

const text = (value: string): Inline => ({ type: "text", text: value });
const paragraph = (...children: Inline[]): Block => ({ type: "paragraph", children });
const line = (source: string): Inline[] => {
  const [block, ...more] = parse(source);
  if (block?.type !== "paragraph" || more.length > 0) throw new Error(`no single paragraph: ${JSON.stringify(block)}`);
  return block.children;
};

describe("TL-46 inline marks", () => {
  test.each<[string, Inline[]]>([
    ["plain", [text("plain")]],
    ["**b** *i* _i_ __b__ ~~s~~", [
      { type: "strong", children: [text("b")] }, text(" "),
      { type: "em", children: [text("i")] }, text(" "),
      { type: "em", children: [text("i")] }, text(" "),
      { type: "strong", children: [text("b")] }, text(" "),
      { type: "strike", children: [text("s")] },
    ]],
    ["***both***", [{ type: "em", children: [{ type: "strong", children: [text("both")] }] }]],
    ["*a **b** c*", [{ type: "em", children: [text("a "), { type: "strong", children: [text("b")] }, text(" c")] }]],
    ["snake_case_name 2*3*4 a * b", [text("snake_case_name 2"), { type: "em", children: [text("3")] }, text("4 a * b")]],
    ["**open *never closed", [text("**open *never closed")]],
    ["~one~ ~~~three~~~ x", [text("~one~ ~~~three~~~ x")]],
    ["`a*b*` `` ` `` `open", [{ type: "code", text: "a*b*" }, text(" "), { type: "code", text: "`" }, text(" `open")]],
    ["\\*not\\* \\a \\\\", [text("*not* \\a \\")]],
    ["a\nb  \nc\\\nd", [text("a"), { type: "break" }, text("b"), { type: "break" }, text("c"), { type: "break" }, text("d")]],
    [":tada: 10:30:45 :no_such:", [text("🎉 10:30:45 :no_such:")]],
    ["*a [b*](https://x.example) c*", [{ type: "em", children: [
      text("a "), { type: "link", href: "https://x.example/", host: "x.example", children: [text("b*")] }, text(" c"),
    ] }]],
    ["[a [b](https://x.example) c](https://y.example)", [
      text("[a "), { type: "link", href: "https://x.example/", host: "x.example", children: [text("b")] },
      text(" c]("), { type: "autolink", href: "https://y.example/", host: "y.example", url: "https://y.example" }, text(")"),
    ]],
  ])("%j", (source, expected) => {
    expect(line(source)).toEqual(expected);
  });

  test.each([
    ["see https://x.example/a_b_c.", "https://x.example/a_b_c"],
    ["(https://x.example/a)", "https://x.example/a"],
    ["https://x.example/a_(b)", "https://x.example/a_(b)"],
    ["**https://x.example/**", "https://x.example/"],
    ["看https://x.example。然后", undefined],
    ["看 https://x.example。然后", "https://x.example"],
    ["www.x.example!", "https://www.x.example"],
    ["<https://x.example/?a=<>", undefined],
    ["<https://x.example/>", "https://x.example/"],
    ["<ana@x.example>", "ana@x.example"],
    ["https://x.example/?a[]=1", "https://x.example/?a[]=1"],
  ])("the address in %j is %s", (source, url) => {
    const found = inlinesOf(parse(source)).filter((node) => node.type === "autolink");
    if (url === undefined) expect(found.map((node) => node.url)).not.toContain("https://x.example。然后");
    else expect(found.map((node) => node.url)).toEqual([url]);
  });
});

describe("TL-46 blocks", () => {
  test.each<[string, Block[]]>([
    ["a\n\nb", [paragraph(text("a")), paragraph(text("b"))]],
    ["## Title ##", [{ type: "heading", level: 2, children: [text("Title")] }]],
    ["#ops and #", [paragraph(text("#ops and #"))]],
    ["> a\n> b\nc", [{ type: "quote", children: [paragraph(text("a"), { type: "break" }, text("b"))] }, paragraph(text("c"))]],
    ["a\n---\nb", [paragraph(text("a")), { type: "rule" }, paragraph(text("b"))]],
    ["```Rust ignore\nfn a() {\n\tb\n}\n```", [{ type: "code", lang: "rust", text: "fn a() {\n\tb\n}" }]],
    ["~~~\n```\n~~~", [{ type: "code", lang: "", text: "```" }]],
    ["```\nnever closed\n\nx", [{ type: "code", lang: "", text: "never closed\n\nx" }]],
    ["```one line``` x", [paragraph({ type: "code", text: "one line" }, text(" x"))]],
    ["    indented is no code", [paragraph(text("indented is no code"))]],
    ["- a\n  - b\n- c", [{ type: "list", ordered: false, start: 0, items: [
      { checked: undefined, children: [paragraph(text("a")), { type: "list", ordered: false, start: 0, items: [
        { checked: undefined, children: [paragraph(text("b"))] },
      ] }] },
      { checked: undefined, children: [paragraph(text("c"))] },
    ] }]],
    ["3. a\n4. b\n\tc\nd", [{ type: "list", ordered: true, start: 3, items: [
      { checked: undefined, children: [paragraph(text("a"))] },
      { checked: undefined, children: [paragraph(text("b"), { type: "break" }, text("c"))] },
    ] }, paragraph(text("d"))]],
    ["born in\n1984. What a year", [paragraph(text("born in"), { type: "break" }, text("1984. What a year"))]],
    ["- [x] done\n- [ ] open", [{ type: "list", ordered: false, start: 0, items: [
      { checked: true, children: [paragraph(text("done"))] }, { checked: false, children: [paragraph(text("open"))] },
    ] }]],
    ["- ```sh\n  ls\n  ```", [{ type: "list", ordered: false, start: 0, items: [
      { checked: undefined, children: [{ type: "code", lang: "sh", text: "ls" }] },
    ] }]],
    ["a | b\n:-: | --:\n1 \\| 2 | **3**\nend", [{ type: "table", head: [
      { align: "center", children: [text("a")] }, { align: "end", children: [text("b")] },
    ], rows: [[{ align: "center", children: [text("1 | 2")] }, { align: "end", children: [{ type: "strong", children: [text("3")] }] }]] },
    paragraph(text("end"))]],
    ["a | b\nc | d", [paragraph(text("a | b"), { type: "break" }, text("c | d"))]],
    ["", []],
  ])("%j", (source, expected) => {
    expect(parse(source)).toEqual(expected);
  });
});

describe("TL-46 formulas and money", () => {
  test.each([
    ["$x$", ["x"]],
    ["so $a_1 + b$, and $c$.", ["a_1 + b", "c"]],
    ["$$x$$ in a line", ["x"]],
    ["costs $5 and $10, so $x$", ["x"]],
    ["costs $5 and $10", []],
    ["$5-$10", []],
    ["$5 or 10$", []],
    ["US$5 and A$", []],
    ["$ x$ and $x $", []],
    ["$HOME/bin:$PATH", []],
    ["$a\nb$", []],
    ["\\$x$", []],
    ["`$x$`", []],
    ["$$", []],
  ])("case %#", (source, formulas) => {
    expect(inlinesOf(parse(source)).flatMap((node) => (node.type === "math" ? [node.text] : []))).toEqual(formulas);
  });

  test.each([
    ["$$\\frac{1}{2}$$", "\\frac{1}{2}"],
    ["$$\na\n b\n$$", "a\nb"],
    ["```math\na^2\n```", "a^2"],
  ])("block %#", (source, formula) => {
    expect(parse(source)).toEqual([{ type: "math", text: formula }]);
  });

  test("a formula that never ends is text", () => {
    expect(parse("$$\na\n\nb").every((block) => block.type === "paragraph")).toBe(true);
  });
});

describe("TL-46 mentions are those that notified", () => {
  test.each([
    ["@ana and @Bo.", ["ana", "bo"]],
    ["(@a.b-c!) @ana @ana", ["a.b-c", "ana", "ana"]],
    ["@ana,@bo\n@cy:", ["ana", "bo", "cy"]],
    ["mail ana@example.org", []],
    ["https://x.org/@ana", []],
    ["@ @@ana \\@ana", []],
    ["@ölfass ö@ana 👍@bo", ["bo"]],
    ["@-ana @.ana @_ana", []],
    [`@${"x".repeat(33)} @${"y".repeat(32)}`, ["y".repeat(32)]],
    ["@allan @ALL", ["allan", "all"]],
    ["`@ana` ``x ` @bo`` @cy", ["cy"]],
    ["`open @ana", ["ana"]],
    ["`two\nlines @ana` @bo", ["bo"]],
    ["```\n@ana\n```\n@bo", ["bo"]],
    ["> ```\n> @ana\n> ```\n@bo", ["bo"]],
    ["```\r\n@ana\r\n```\r\n@bo", ["bo"]],
    ["**@ana** _@bo_", ["ana"]],
    ["@ana@bo @cy-@di", []],
  ])("%j names %j", (source, handles) => {
    const found = inlinesOf(parse(source)).filter((node) => node.type === "mention");
    expect(found.map((node) => node.handle)).toEqual(handles);
    for (const node of found) expect(node.all).toBe(node.handle === "all");
  });

  test("O6 of a thousand handles fifty are mentions", () => {
    const source = Array.from({ length: 1_000 }, (_, n) => `@p${n}`).join(" ");
    expect(inlinesOf(parse(source)).filter((node) => node.type === "mention")).toHaveLength(50);
  });
});

describe("TL-46 bounds", () => {
  const bombs: [string, string][] = [
    ["quotes", ">".repeat(16_000)],
    ["nested lists", Array.from({ length: 120 }, (_, n) => `${"  ".repeat(n)}- x`).join("\n")],
    ["lists on a line", "- ".repeat(8_000)],
    ["strong", "**a ".repeat(2_000) + " b**".repeat(2_000)],
    ["alternating", "*a _b ".repeat(1_300) + "c_ d* ".repeat(1_300)],
    ["brackets", "[".repeat(16_000)],
    ["bracket pairs", "[](".repeat(5_400)],
    ["titles", '[](a "'.repeat(2_700)],
    ["parenthesised titles", "[](a (".repeat(2_700)],
    ["backticks", Array.from({ length: 175 }, (_, n) => "`".repeat(n)).join(" ")],
    ["dollars", "$a".repeat(8_000)],
    ["double dollars", "$$a\n".repeat(4_000)],
    ["schemes", "http://".repeat(2_300)],
    ["schemes in brackets", "[".repeat(3_000) + "http://a]".repeat(1_400)],
    ["at signs", "@a".repeat(8_000)],
    ["colons", ":a".repeat(8_000)],
    ["table", `${"|a".repeat(32)}\n${"|-".repeat(32)}\n${"|\n".repeat(8_000)}`],
    ["wide table", `${"|a".repeat(2_600)}\n${"|-".repeat(2_600)}\n${"|a".repeat(2_600)}`],
    ["heading", `# ${"#".repeat(15_000)} x`],
    ["spaces", `a${" ".repeat(16_000)}b`],
    ["tabs", `-${"\t".repeat(16_000)}b`],
    ["angles", "<".repeat(16_000)],
    ["escapes", "\\".repeat(16_000)],
    ["rules", "- ".repeat(4_000) + "x"],
  ];

  test.each(bombs)("%s end soon and lie flat", (_, source) => {
    const started = performance.now();
    const blocks = parse(source);
    expect(performance.now() - started).toBeLessThan(1_000);
    // Quotes and lists, and within them emphasis, each with their own eight, and a link.
    expect(depthOf(blocks)).toBeLessThanOrEqual(17);
    expect(blocks.length).toBeGreaterThan(0);
  });

  test("what lies too deep is still to be read", () => {
    const quoted = inlinesOf(parse(`${">".repeat(12)} deep`));
    expect(seen(quoted)).toBe(">>>> deep");
    const strong = line(`${"**a ".repeat(12)}x${" b**".repeat(12)}`);
    expect(depthOf([paragraph(...strong)])).toBe(8);
    expect(seen(strong)).toBe(`${"a ".repeat(8)}${"**a ".repeat(4)}x${" b**".repeat(4)}${" b".repeat(8)}`);
  });

  test("text beyond what a server takes is shown as it is", () => {
    const blocks = parse(`${"a\n".repeat(9_000)}**end**`);
    expect(seen(inlinesOf(blocks.slice(-1)))).toMatch(/a\n\*\*end\*\*$/);
  });

  test("random marks lose no word and never throw", () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = randomFrom(seed);
    const marks = [
      "*", "**", "_", "~~", "`", "```\n", "$", "$$", "[", "](", ")", "!", "<", ">", "> ", "- ", "1. ", "# ", "|", "\n", "\n\n", "\t",
      "  ", "\\", "@", ":", "https://x.example/", "javascript:", "mailto:a@b.example", "|-|\n", "&lt;", "<b>", "\u202e", "é", "👩‍👩‍👧",
    ];
    for (let round = 0; round < 3_000; round += 1) {
      const words: string[] = [];
      let source = "";
      for (let n = 0; n < 40; n += 1) {
        if (random() < 0.3) {
          const word = `w${round}x${n}`;
          words.push(word);
          source += word;
        }
        source += marks[Math.floor(random() * marks.length)] ?? "";
      }
      const blocks = parse(source);
      const shown = JSON.stringify(blocks);
      const where = `seed ${seed}, source ${JSON.stringify(source)}`;
      for (const node of inlinesOf(blocks)) {
        if ("href" in node) expect(node.href, where).toMatch(/^(https?:\/\/|mailto:)/);
      }
      expect(depthOf(blocks), where).toBeLessThanOrEqual(17);
      // Words may go only where a link shows its address instead, or behind a fence's language.
      if (!/https:|mailto:|```|~~~/.test(source)) {
        for (const word of words) expect(shown.includes(word), `${word} lost, ${where}`).toBe(true);
      }
    }
  });
});

/** A small generator (mulberry32), so that a failure can be repeated from its seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
