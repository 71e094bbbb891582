// The app's pure parts: addresses' meaning aside, ranking, words at the caret, grouping, plurals.
import type { Message, User } from "@stonechat/client";
import { describe, expect, it } from "vitest";
import { suggestHandle, deviceName } from "./account.ts";
import { format } from "./i18n.ts";
import { itemsOf } from "./items.ts";
import { rank, wordAt } from "./mention.ts";
import { match } from "./match.ts";
import type { Row } from "./state/timeline.svelte.ts";

describe("CL-21 the switcher ranks", () => {
  it("exact before a word's beginning before initials before letters in order", () => {
    expect(match("ops", "ops")).toBe(0);
    expect(match("ops", "ops-eu")).toBe(1);
    expect(match("eu", "ops-eu")).toBe(1);
    expect(match("oe", "ops-eu")).toBe(2);
    expect(match("oeu", "ops-eu")).toBe(3);
    expect(match("xyz", "ops-eu")).toBeUndefined();
  });
  it("without caring for case or accents", () => {
    expect(match("zoe", "Zoë Ångström")).toBe(1);
    expect(match("ANGSTROM", "Zoë Ångström")).toBe(1);
  });
});

const user = (handle: string, name: string): User => ({ user_id: handle, handle, name, role: "member" });

describe("CO-11 mentions rank", () => {
  const people = [user("clara", "Clara Arnold"), user("arne", "Arne Berg"), user("mary", "Mary Lark"), user("aria", "Aria Stone")];
  it("`@ar` never offers a name without a part that begins with it", () => {
    const found = rank("ar", people, new Set(["mary", "arne"]), new Map(), "me").map((one) => one.user.handle);
    expect(found).not.toContain("mary");
    expect(new Set(found)).toEqual(new Set(["clara", "arne", "aria"]));
  });
  it("who spoke here lately before members before others, who are marked", () => {
    const members = new Set(["arne", "clara"]);
    const found = rank("ar", people, members, new Map([["clara", 90]]), "me");
    expect(found.map((one) => [one.user.handle, one.outside])).toEqual([["clara", false], ["arne", false], ["aria", true]]);
  });
  it("oneself is not offered", () => {
    expect(rank("ar", people, new Set(), new Map(), "arne").map((one) => one.user.handle)).not.toContain("arne");
  });
});

describe("CO-10 CO-15 the word at the caret", () => {
  it.each([["hello @an", "@", { start: 6, query: "an" }], ["@", "@", { start: 0, query: "" }], ["mail a@b", "@", undefined], ["nice :th", ":", { start: 5, query: "th" }], ["nice :t", ":", undefined], ["12:30", ":", undefined]] as const)("in %j for %s", (text, sign, wanted) => {
    expect(wordAt(text, text.length, sign)).toEqual(wanted);
  });
});

const row = (seq: number, from: string, minute: number, more: Partial<Message> = {}): Row => {
  const timestamp = new Date(Date.UTC(2026, 2, 1, 12, minute)).toISOString();
  const message = { message_id: "", conversation_id: "c", seq, ordinal: seq, from, content: "x", content_type: "text/markdown", version: {}, timestamp, can_delete: false, ...more };
  return { key: `m${seq}`, seq, timestamp, message, state: "sent" };
};
const firsts = (rows: Row[], divider?: { seq: number; count: number }): boolean[] => itemsOf(rows, [], divider, []).flatMap((item) => (item.kind === "row" ? [item.first] : []));

describe("TL-41 messages group", () => {
  it("by author within five minutes", () => {
    expect(firsts([row(1, "ana", 0), row(2, "ana", 4), row(3, "bo", 5), row(4, "bo", 11)])).toEqual([true, false, true, true]);
  });
  it("the divider, a day and a thread marker break a group", () => {
    expect(firsts([row(1, "ana", 0), row(2, "ana", 1)], { seq: 2, count: 1 })).toEqual([true, true]);
    expect(firsts([row(1, "ana", 0), row(2, "ana", 60 * 24)])).toEqual([true, true]);
    const summary = { root_seq: 1, count: 1, last_seq: 9, last_timestamp: "", followed: true, unread: 0, read_generation: 0, read_seq: 0 };
    expect(firsts([row(1, "ana", 0, { thread_summary: summary }), row(2, "ana", 1)])).toEqual([true, true]);
  });
  it("the divider stands before the first unread message, once", () => {
    const kinds = itemsOf([row(1, "ana", 0), row(2, "bo", 1), row(3, "bo", 2)], [], { seq: 2, count: 2 }, []).map((item) => item.kind);
    expect(kinds).toEqual(["day", "row", "divider", "row", "row"]);
  });
});

describe("words", () => {
  it("plurals follow the language's rule", () => {
    const message = "{count, plural, =0 {nothing} one {# reply} other {# replies}} by {name}";
    expect([0, 1, 1_200].map((count) => format(message, { count, name: "Ana" }))).toEqual(["nothing by Ana", "1 reply by Ana", "1,200 replies by Ana"]);
  });
  it("what is missing is left to be seen", () => {
    expect(format("Hello {name}", {})).toBe("Hello {name}");
  });
});

describe("accounts", () => {
  it.each([["Ana Reyes", "ana.reyes"], ["Jürgen Öz", "jurgen.oz"], ["  ", ""], ["李雷", ""]])("FR-02 the handle for %j", (name, handle) => {
    expect(suggestHandle(name)).toBe(handle);
  });
  it("DE-01 a device is called after its browser and system", () => {
    expect(deviceName("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")).toBe("Firefox on Linux");
    expect(deviceName("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15")).toBe("Safari on macOS");
  });
});
