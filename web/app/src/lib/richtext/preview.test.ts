// One-line previews, and the helpers that keep text from reordering its surroundings.

import { describe, expect, test } from "vitest";
import { isolate, stripAllBidi, stripBidi } from "./bidi.ts";
import { plain } from "./preview.ts";

describe("TL-46 plain text of a message", () => {
  test.each([
    ["hello", "hello"],
    ["**a** _b_ ~~c~~ `d` $e$", "a b c d e"],
    ["a\nb\n\nc", "a b c"],
    ["# Title\n\ntext", "Title text"],
    ["> quoted\n\nanswer", "quoted answer"],
    ["- a\n- b\n- [x] c", "a · b · ☑ c"],
    ["```js\nlet a = 1;\nb\n```", "let a = 1; b"],
    ["[docs](https://example.org)", "docs"],
    ["[good.example](https://evil.example)", "https://evil.example"],
    ["![photo](https://example.org/a.png)", "photo"],
    ["a | b\n-|-\n1 | 2", "a b · 1 2"],
    ["<b>x</b>", "<b>x</b>"],
    [":tada:", "🎉"],
    ["---", "---"],
    ["a\u202eb", "ab"],
    ["", ""],
  ])("%j is %j", (source, expected) => {
    expect(plain(source)).toBe(expected);
  });

  test("mentions show names where they are known", () => {
    const mentionName = (handle: string): string | undefined => (handle === "ana" ? "Ana\u202e Reyes" : undefined);
    expect(plain("@ana and @bo", { mentionName })).toBe("@Ana Reyes and @bo");
  });

  test("a long message is cut between characters", () => {
    const cut = plain("👩‍👩‍👧".repeat(1_000));
    expect(cut.length).toBeLessThanOrEqual(401);
    expect(cut.replaceAll("👩‍👩‍👧", "")).toBe("…");
  });
});

describe("IN-05 controls", () => {
  test("embeddings, overrides and isolates go, marks stay but in addresses", () => {
    const all = "a\u202ab\u202bc\u202cd\u202de\u202ef\u2066g\u2067h\u2068i\u2069j\u200ek\u200fl\u061cm";
    expect(stripBidi(all)).toBe("abcdefghij\u200ek\u200fl\u061cm");
    expect(stripAllBidi(all)).toBe("abcdefghijklm");
  });

  test("a name for titles and accessible names stands isolated", () => {
    expect(isolate("a\u202eb\u2069")).toBe("\u2068ab\u2069");
  });
});
