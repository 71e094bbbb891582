// Times as people read them: by the language and the time zone of the settings, on the server's clock.

import { language, t } from "./i18n.ts";

let skewMs = 0;
let zone: string | undefined;
let hour12: boolean | undefined;

/** What the server's clock shows now: the order of things and "today" do not follow a wrong clock of this machine. */
export function now(): number {
  return Date.now() + skewMs;
}

/** Takes the server's time as a `Date` header or a message's timestamp told it. */
export function learnServerTime(server: number): void {
  const skew = server - Date.now();
  // Below a minute it is the way there, not the clock.
  skewMs = Math.abs(skew) < 60_000 ? 0 : skew;
}

export function setClock(options: { zone?: string | undefined; hour12?: boolean | undefined }): void {
  zone = options.zone;
  hour12 = options.hour12;
  formats.clear();
  dayKeys.clear();
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${name}/${language()}`;
  let made = formats.get(key);
  if (made === undefined) {
    const all = { ...options, ...(zone === undefined ? {} : { timeZone: zone }) };
    if (hour12 !== undefined && options.hour !== undefined) all.hour12 = hour12;
    formats.set(key, (made = new Intl.DateTimeFormat(language(), all)));
  }
  return made;
}

/** 14:02 */
export function clock(at: string | number): string {
  return format("clock", { hour: "2-digit", minute: "2-digit", hourCycle: hour12 === true ? "h12" : "h23" }).format(new Date(at));
}

/** Tuesday 24 November; with the year where it is another. */
export function day(at: string | number): string {
  const date = new Date(at);
  const sameYear = date.getFullYear() === new Date(now()).getFullYear();
  return sameYear
    ? format("day", { weekday: "long", day: "numeric", month: "long" }).format(date)
    : format("day-year", { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(date);
}

/** The calendar day a time falls on, to compare. Asked for every row of a window: remembered by the quarter hour, which no zone divides. */
export function dayKey(at: string | number): string {
  const quarter = Math.floor(new Date(at).getTime() / 900_000);
  let key = dayKeys.get(quarter);
  if (key === undefined) {
    if (dayKeys.size > 5_000) dayKeys.clear();
    dayKeys.set(quarter, (key = format("key", { year: "numeric", month: "2-digit", day: "2-digit" }).format(new Date(at))));
  }
  return key;
}

const dayKeys = new Map<number, string>();

/** The full date and time, for tooltips and accessible names. */
export function full(at: string | number): string {
  return format("full", { dateStyle: "full", timeStyle: "short" }).format(new Date(at));
}

/** Short: the time today, otherwise the day. */
export function brief(at: string | number): string {
  return dayKey(at) === dayKey(now()) ? clock(at) : format("brief", { day: "numeric", month: "short" }).format(new Date(at));
}

/** When somebody was last there, in steps that give nobody away (PR-01). */
export function lastSeen(at: string | undefined): string {
  if (at === undefined) return "";
  const age = now() - Date.parse(at);
  if (age < 15 * 60_000) return t("presence.recently");
  if (dayKey(at) === dayKey(now())) return t("presence.today");
  return age < 7 * 86_400_000 ? t("presence.week") : t("presence.while");
}
