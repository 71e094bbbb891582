// The announcer: one polite voice for people who do not see the screen, rarely and never for history.

import { t } from "./i18n.ts";

const EVERY_MS = 2_000;

class Announcer {
  text = $state("");
  private sentences: string[] = [];
  private messages: string[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = 0;

  /** Says what was done or went wrong; nothing said here is left out. */
  say(sentence: string): void {
    if (!this.sentences.includes(sentence)) this.sentences.push(sentence);
    this.soon();
  }

  /** Tells a new message; those that come faster than one in 2 s are counted and told in one. */
  message(sentence: string): void {
    this.messages.push(sentence);
    this.soon();
  }

  private soon(): void {
    this.timer ??= setTimeout(() => this.speak(), Math.max(0, this.last + EVERY_MS - Date.now()));
  }

  private speak(): void {
    this.timer = undefined;
    this.last = Date.now();
    const [first, ...more] = this.messages;
    const told = first === undefined ? [] : [more.length === 0 ? first : t("announce.batch", { count: more.length + 1 })];
    const next = [...this.sentences, ...told].join(" · ");
    this.sentences = [];
    this.messages = [];
    // The same words again are said again.
    this.text = next === this.text ? `${next}\u00a0` : next;
  }
}

export const announcer = new Announcer();
