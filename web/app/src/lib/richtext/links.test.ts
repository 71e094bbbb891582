// TL-45: only http, https and mailto are links, and no words hide where one leads.

import { describe, expect, test } from "vitest";
import { label, target } from "./links.ts";
import { parse } from "./parse.ts";
import { inlinesOf, seen } from "./walk.fixture.ts";

describe("TL-45 what becomes a link", () => {
  test.each([
    ["https://example.org/a?b=c#d", "https://example.org/a?b=c#d", "example.org"],
    ["HTTP://Example.ORG", "http://example.org/", "example.org"],
    ["https://example.org:8443/x", "https://example.org:8443/x", "example.org:8443"],
    ["https://münchen.example/", "https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example"],
    ["https://аpple.com", "https://xn--pple-43d.com/", "xn--pple-43d.com"],
    ["https://good.example。evil.example/", "https://good.example.evil.example/", "good.example.evil.example"],
    ["http://0x7f.1/", "http://127.0.0.1/", "127.0.0.1"],
    ["mailto:ana@example.org", "mailto:ana@example.org", "ana@example.org"],
    ["mailto:ana@example.org?bcc=eve@evil.example&body=x", "mailto:ana@example.org", "ana@example.org"],
  ])("%s leads to %s", (raw, href, host) => {
    expect(target(raw)).toMatchObject({ href, host });
    expect(target(raw)?.url).toContain(host);
  });

  test.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "\u0001javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://example.org",
    "blob:https://example.org/1",
    "view-source:https://example.org",
    "//example.org",
    "/admin",
    "#top",
    "https:",
    "https://",
    "https:///example.org",
    "https:example.org",
    "https:/\\example.org",
    "https://good.example\\@evil.example",
    "https://user@evil.example",
    "https://good.example:443@evil.example",
    "https://exa mple.org",
    "https://example.org/\nx",
    "https://[::1",
    "mailto:",
    "mailto:a@b.example,eve@evil.example",
    "mailto:%0abcc:eve@evil.example",
    "",
    `https://example.org/${"x".repeat(3000)}`,
  ])("%j is no link", (raw) => {
    expect(target(raw)).toBeUndefined();
  });
});

describe("TL-45 what a link shows", () => {
  const lies: [words: string, href: string][] = [
    ["https://good.example", "https://evil.example"],
    ["good.example", "https://evil.example"],
    ["www.good.example", "https://evil.example"],
    ["GOOD.EXAMPLE", "https://evil.example"],
    ["Go to good.example now", "https://evil.example"],
    ["(good.example)", "https://evil.example"],
    ["\u201cgood.example\u201d", "https://evil.example"],
    ["good.example.", "https://evil.example"],
    ["good.example/login", "https://evil.example"],
    ["good.example:443", "https://evil.example"],
    ["https://good.example@evil.example", "https://evil.example"],
    ["evil.example@good.example", "https://evil.example"],
    ["good.example", "https://good.example.evil.example"],
    ["good.example", "https://evil.example/good.example"],
    ["good.example", "https://evil.example?good.example"],
    ["good\u200b.example", "https://evil.example"],
    ["good\u00ad.exam\u2060ple", "https://evil.example"],
    ["good\u3002example", "https://evil.example"],
    ["good\uff0eexample", "https://evil.example"],
    ["good\u2024example", "https://evil.example"],
    ["\u{1d420}\u{1d428}\u{1d428}\u{1d41d}.example", "https://evil.example"],
    ["аpple.com", "https://xn--pple-43d.com"],
    ["münchen.example", "https://xn--mnchen-3ya.example"],
    ["аpple.com", "https://apple.com"],
    ["127.0.0.1", "https://evil.example"],
    ["localhost", "https://evil.example"],
    ["x/good.example", "https://evil.example"],
    ["https:\u2215\u2215good.example", "https://evil.example"],
    ["main.rs", "https://evil.example"],
    ["evil.example at good.example", "https://evil.example"],
    ["ana@good.example", "mailto:ana@evil.example"],
    ["evil.example/@good.example", "https://evil.example"],
    ["", "https://evil.example"],
    ["  ", "https://evil.example"],
    ["\u3164\u2800\u200b", "https://evil.example"],
  ];

  test.each(lies)("the lie %j gives way to its address %s", (words, href) => {
    const to = target(href);
    expect(to).toBeDefined();
    if (to !== undefined) expect(label(words, to)).toBe("url");
  });

  test.each([
    ["the docs", "https://example.org"],
    ["v1.2.3", "https://example.org"],
    ["app.toml", "https://example.org"],
    ["e.g. this one", "https://example.org"],
    ["Node.js", "https://example.org"],
    ["docs at example.org/good.example", "https://example.org"],
    ["www.example.org today", "https://example.org"],
    ["mail ana@example.org", "mailto:ana@example.org"],
  ])("the words %j stay, with the host behind them", (words, href) => {
    const to = target(href);
    expect(to).toBeDefined();
    if (to !== undefined) expect(label(words, to)).toBe("text");
  });

  test("an address as its own words is shown once", () => {
    for (const words of ["https://example.org/a", "example.org/a"]) {
      expect(inlinesOf(parse(`[${words}](https://example.org/a)`))).toEqual([
        { type: "autolink", href: "https://example.org/a", host: "example.org", url: "https://example.org/a" },
      ]);
    }
  });

  test.each([
    ["[goo**d.exa**mple](https://evil.example)", "https://evil.example"],
    ["[`good.example`](https://evil.example)", "https://evil.example"],
    ["[https://good.example](https://evil.example)", "https://evil.example"],
    ["[<https://good.example>](https://evil.example)", "https://evil.example"],
    ["[good\\.example](https://evil.example)", "https://evil.example"],
    ["[the docs](https://evil.example)", "the docs (evil.example)"],
    ["[**the** docs](https://evil.example \"good.example\")", "the docs (evil.example)"],
    ["![good.example](https://evil.example/x.png)", "https://evil.example/x.png"],
    ["https://аpple.com/x", "https://xn--pple-43d.com/x"],
    ["https://example.org/a\u200bb", "https://example.org/a%E2%80%8Bb"],
  ])("%s is read as %s", (source, expected) => {
    expect(seen(firstChildren(source))).toBe(expected);
  });
});

function firstChildren(source: string): Parameters<typeof seen>[0] {
  const [block] = parse(source);
  if (block?.type !== "paragraph") throw new Error("no paragraph");
  return block.children;
}
