// What day it is for who looks, kept as the clock goes on: what was today is yesterday after midnight (TL-40).

import { t } from "./i18n.ts";
import { day, dayKey, now } from "./time.ts";

const DAY_MS = 86_400_000;
const EVERY_MS = 30_000;

class Today {
  private key = $state(dayKey(now()));

  constructor() {
    const look = (): void => {
      this.key = dayKey(now());
    };
    setInterval(look, EVERY_MS);
    document.addEventListener("visibilitychange", look);
  }

  /** Today, yesterday, or the day with its date. */
  name(at: string | number): string {
    const key = dayKey(at);
    if (key === this.key) return t("day.today");
    return key === dayKey(now() - DAY_MS) ? t("day.yesterday") : day(at);
  }
}

export const today = new Today();
