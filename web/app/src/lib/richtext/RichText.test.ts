// What stands in the page for a message: links, directions, folding, mentions.

import { render } from "svelte/server";
import { describe, expect, test } from "vitest";
import { FOLDED_LINES, folded, MAX_LINES } from "./fold.ts";
import RichText from "./RichText.svelte";

function draw(source: string, mentionName?: (handle: string) => string | undefined, me?: string): string {
  const props = { source, me, ...(mentionName === undefined ? {} : { mentionName }) };
  return render(RichText, { props }).body.replace(/<!--.*?-->/gs, "");
}

/** Without the classes that keep styles within their component. */
function bare(html: string): string {
  return html.replace(/ ?svelte-[a-z0-9]+/g, "").replace(/ class=""/g, "");
}

describe("TL-45", () => {
  test("links open apart, without a way back, and their host stands behind them", () => {
    const html = bare(draw("[docs](https://example.org/a)"));
    expect(html).toContain('<a href="https://example.org/a" target="_blank" rel="noopener noreferrer"><bdi>docs</bdi></a>');
    expect(html).toMatch(/<span class="host" dir="ltr">[\s\S]*\(example\.org\)<\/span>/);
  });
});

describe("IN-04", () => {
  test("every block finds its own direction, code and addresses stay left to right", () => {
    const html = bare(draw("שלום `a` https://example.org\n\n> ציטוט\n\n- one\n\n# Title\n\n```\nx\n```"));
    expect(html).toContain('<p dir="auto">');
    expect(html).toContain('<blockquote dir="auto">');
    expect(html).toContain('<ul dir="auto">');
    expect(html).toContain('<p dir="auto" class="heading">');
    expect(html).toContain('<code dir="ltr">a</code>');
    expect(html).toMatch(/<a class="url" dir="ltr"/);
    expect(html).toMatch(/<div class="code" dir="ltr">/);
  });
});

describe("IN-05", () => {
  test("no control that reorders is left of a message or a name", () => {
    const html = draw("a\u202eb `c\u2066d` [e\u202b](https://example.org/\u202ex) @ana", () => "A\u202ena", "ana");
    expect(html).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
    expect(html).toContain("<bdi>Ana</bdi>");
  });
});

describe("TL-47", () => {
  test("code scrolls by keyboard, has a name and a button", () => {
    const html = bare(draw("```rust\nfn main() {}\n```"));
    expect(html).toMatch(/<button type="button"[^>]*>[^<]+<\/button>/);
    expect(html).toMatch(/<pre role="region" tabindex="0" aria-label="[^"]*rust"><code>fn main\(\) \{\}<\/code><\/pre>/);
  });
});

describe("TL-48", () => {
  const lines = (count: number): string => Array.from({ length: count }, (_, n) => `line ${n + 1}`).join("\n");

  test("a message of 312 lines says so and shows its beginning", () => {
    const html = draw(lines(312));
    expect(html).toMatch(/<button[^>]*aria-expanded="false"[^>]*>[^<]*312[^<]*<\/button>/);
    expect(html).toContain(`line ${FOLDED_LINES}`);
    expect(html).not.toContain(`line ${FOLDED_LINES + 1}`);
  });

  test("forty lines stand whole, one more folds", () => {
    expect(folded(`${lines(MAX_LINES)}\n\n`)).toBeUndefined();
    expect(folded(lines(MAX_LINES + 1))).toEqual({ head: lines(FOLDED_LINES), lines: MAX_LINES + 1 });
    expect(draw(lines(MAX_LINES))).not.toContain("<button");
  });
});

describe("TL-46 mentions", () => {
  const names = (handle: string): string | undefined => (handle === "ana" ? "Ana Reyes" : handle === "bo" ? "Bo" : undefined);

  test("known people show their names, one's own stands out, others stay text", () => {
    const html = bare(draw("@Ana @bo @eve @all", names, "ana"));
    expect(html).toContain('<span class="mention me" title="@ana">@<bdi>Ana Reyes</bdi></span>');
    expect(html).toContain('<span class="mention" title="@bo">@<bdi>Bo</bdi></span>');
    expect(html).toContain("<bdi>@eve</bdi>");
    expect(html).toContain('<span class="mention me">@all</span>');
  });
});
