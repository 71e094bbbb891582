// The announcer: one polite voice for people who do not see the screen, rarely and never for history.

import { t } from "./i18n.ts";

const EVERY_MS = 2_000;

class Announcer {
  text = $state("");
  private waiting: string[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = 0;

  /** Says a sentence; those that come faster than one in 2 s are counted and said in one. */
  say(sentence: string): void {
    this.waiting.push(sentence);
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => this.speak(), Math.max(0, this.last + EVERY_MS - Date.now()));
  }

  private speak(): void {
    this.timer = undefined;
    this.last = Date.now();
    const [first, ...more] = this.waiting;
    this.waiting = [];
    if (first === undefined) return;
    const next = more.length === 0 ? first : t("announce.batch", { count: more.length + 1 });
    // The same words again are said again.
    this.text = next === this.text ? `${next}\u00a0` : next;
  }
}

export const announcer = new Announcer();
