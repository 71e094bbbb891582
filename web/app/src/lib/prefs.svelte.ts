// Preferences of this device: how things look and behave here.

import { setClock } from "./time.ts";

export interface Prefs {
  theme: "system" | "light" | "dark";
  density: "comfortable" | "compact";
  /** In px, 12–24. */
  text_size: number;
  motion: "system" | "on" | "off";
  hour24: "system" | "on" | "off";
  time_zone: string;
  enter_sends: boolean;
  read_mode: "as_i_read" | "when_i_open" | "when_i_say";
  announce: "all" | "mentions" | "off";
  single_keys: boolean;
  pinned: string[];
  collapsed: string[];
  /** Per conversation: what is told on the desktop. */
  levels: Record<string, "everything" | "mentions" | "nothing">;
  /** Conversations that this device muted for a time: until when. */
  mutes: Record<string, number>;
  notifications: boolean;
  dismissed: string[];
}

const DEFAULTS: Prefs = {
  theme: "system",
  density: "comfortable",
  text_size: 15,
  motion: "system",
  hour24: "system",
  time_zone: "",
  enter_sends: true,
  read_mode: "as_i_read",
  announce: "all",
  single_keys: true,
  pinned: [],
  collapsed: [],
  levels: {},
  mutes: {},
  notifications: false,
  dismissed: [],
};

const KEY = "stonechat/prefs";

class PrefsStore {
  #prefs = $state.raw<Prefs>(read());

  constructor() {
    // Another tab changed them.
    window.addEventListener("storage", (event) => {
      if (event.key === KEY) this.take(read());
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show());
    this.show();
  }

  get all(): Prefs {
    return this.#prefs;
  }

  set<K extends keyof Prefs>(key: K, value: Prefs[K]): void {
    const prefs = { ...this.#prefs, [key]: value };
    localStorage.setItem(KEY, JSON.stringify(prefs));
    this.take(prefs);
  }

  toggle(key: "pinned" | "collapsed" | "dismissed", entry: string): void {
    const list = this.#prefs[key];
    this.set(key, list.includes(entry) ? list.filter((one) => one !== entry) : [...list, entry]);
  }

  get dark(): boolean {
    const { theme } = this.#prefs;
    return theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  }

  get reducedMotion(): boolean {
    const { motion } = this.#prefs;
    return motion === "off" || (motion === "system" && matchMedia("(prefers-reduced-motion: reduce)").matches);
  }

  private take(prefs: Prefs): void {
    this.#prefs = prefs;
    this.show();
  }

  private show(): void {
    const root = document.documentElement;
    const { density, text_size, hour24, time_zone } = this.#prefs;
    root.classList.toggle("dark", this.dark);
    root.classList.toggle("compact", density === "compact");
    root.classList.toggle("still", this.reducedMotion);
    root.style.fontSize = text_size === 15 ? "" : `${text_size / 16}rem`;
    document.querySelector('meta[name="theme-color"]')?.setAttribute("content", this.dark ? "#0A0E0F" : "#ECF0EE");
    setClock({ zone: time_zone === "" ? undefined : time_zone, hour12: hour24 === "system" ? undefined : hour24 === "off" });
  }
}

function read(): Prefs {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Prefs>) };
  } catch {
    return { ...DEFAULTS };
  }
}

export const prefs = new PrefsStore();
