// What is suggested while a word is written: people after `@`, emoji after `:`, from local data at once.

import type { Conversation } from "@stonechat/client";
import { settled } from "./compose.ts";
import type { Emoji } from "./emoji-data.ts";
import { t } from "./i18n.ts";
import { rank, wordAt, type Candidate } from "./mention.ts";
import { app } from "./state/app.svelte.ts";

export interface Suggestion {
  key: string;
  text: string;
  hint: string;
  note?: string;
  symbol?: string;
}

const MOST = 8;

export class Suggest {
  private word = $state.raw<{ sign: "@" | ":"; start: number; query: string }>();
  private emoji = $state.raw<Emoji[]>([]);
  chosen = $state(0);
  private shown: Candidate[] = [];

  constructor(private readonly conversation: () => Conversation) {}

  private readonly people = $derived.by<Candidate[]>(() => {
    if (this.word?.sign !== "@") return (this.shown = []);
    const members = app.people.members.get(this.conversation().conversation_id);
    const found = rank(this.word.query, app.people.all(), new Set(members?.user_ids ?? []), members?.last_spoke ?? new Map(), app.me?.user_id ?? "");
    // People found later come after those who are shown: what is highlighted stays what is inserted.
    return (this.shown = settled(this.shown, found, (one) => one.user.user_id, MOST));
  });

  readonly suggestions = $derived.by<Suggestion[]>(() => {
    if (this.word === undefined) return [];
    if (this.word.sign === ":") return this.emoji.map(({ emoji, name }) => ({ key: emoji, text: name, hint: "", symbol: emoji }));
    return this.people.map(({ user, outside }) => ({ key: user.user_id, text: user.name, hint: `@${user.handle}`, ...(outside ? { note: t("composer.outside") } : {}) }));
  });

  get open(): boolean {
    return this.suggestions.length > 0;
  }

  get label(): string {
    return this.word?.sign === "@" ? t("composer.mentions") : t("composer.emoji");
  }

  get looking(): boolean {
    return this.word !== undefined;
  }

  /** Looks at the word before the caret. */
  look(text: string, caret: number): void {
    const mention = wordAt(text, caret, "@");
    const emoji = mention === undefined ? wordAt(text, caret, ":") : undefined;
    const next = mention !== undefined ? { sign: "@" as const, ...mention } : emoji !== undefined ? { sign: ":" as const, ...emoji } : undefined;
    if (next?.query === this.word?.query && next?.sign === this.word?.sign && next?.start === this.word?.start) return;
    this.chosen = 0;
    this.shown = [];
    if (next?.sign !== this.word?.sign) this.emoji = [];
    this.word = next;
    if (next?.sign === ":") void this.findEmoji(next.query);
    if (next?.sign === "@" && next.query.length >= 2) void app.people.search(next.query).catch(() => undefined);
  }

  close(): void {
    this.word = undefined;
  }

  step(direction: 1 | -1): void {
    const count = this.suggestions.length;
    this.chosen = (this.chosen + direction + count) % count;
  }

  /** What choosing puts in, and where what it replaces begins. */
  take(at: number): { start: number; text: string } | undefined {
    const { word } = this;
    const one = this.suggestions[at];
    if (word === undefined || one === undefined) return undefined;
    if (word.sign === ":") void import("./emoji-data.ts").then(({ used }) => used(one.key));
    this.word = undefined;
    return { start: word.start, text: `${one.symbol ?? one.hint} ` };
  }

  private async findEmoji(query: string): Promise<void> {
    const { search } = await import("./emoji-data.ts");
    if (this.word?.query === query) this.emoji = search(query).slice(0, MOST);
  }
}
