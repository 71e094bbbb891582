// What lies over the page: one overlay at a time, toasts, and the targets that keys and buttons act on.

import type { Message } from "@stonechat/client";
import { tick } from "svelte";
import type { Row } from "./state/timeline.svelte.ts";

export interface MenuItem {
  id: string;
  label: string;
  /** As `shown()` writes it. */
  key?: string;
  danger?: boolean;
  checked?: boolean;
  run: () => void;
}

export type Overlay =
  | { kind: "switcher"; text?: string }
  | { kind: "shortcuts" }
  | { kind: "menu"; label: string; items: MenuItem[]; at: { x: number; y: number } }
  | { kind: "emoji"; at: { x: number; y: number }; pick: (emoji: string) => void }
  | { kind: "invite"; conversation_id?: string }
  | { kind: "new_conversation" }
  | { kind: "browse" }
  | { kind: "members"; conversation_id: string }
  | { kind: "people"; title: string; user_ids: string[] }
  | { kind: "history"; conversation_id: string; seq: number }
  | { kind: "confirm"; title: string; text: string; action: string; run: () => Promise<void> | void }
  | { kind: "text"; title: string; text: string }
  | { kind: "notification_level"; conversation_id: string };

/** A conversation's (or thread's) pane: what the rest of the page may ask of it. */
export interface Pane {
  focusNewest(): void;
  focusComposer(): void;
  jump(seq: number): void;
  latest(): void;
  page(direction: 1 | -1): void;
  start(): void;
  insert(text: string): void;
  emoji(): void;
  reply(message: Message): void;
  edit(message: Message): void;
  restore(row: Row): void;
}

export interface Toast {
  text: string;
  undo?: () => void;
}

class Ui {
  overlay = $state.raw<Overlay | undefined>(undefined);
  toast = $state.raw<Toast | undefined>(undefined);
  /** Narrow screens show one pane at a time. */
  narrow = $state(matchMedia("(max-width: 719px)").matches);
  main: Pane | undefined;
  side: Pane | undefined;
  private came: HTMLElement | undefined;

  constructor() {
    matchMedia("(max-width: 719px)").addEventListener("change", (event) => (this.narrow = event.matches));
  }

  open(overlay: Overlay): void {
    // From one overlay to the next, focus goes back to where it was before the first.
    if (this.overlay === undefined) this.came = document.activeElement instanceof HTMLElement ? document.activeElement : undefined;
    this.overlay = overlay;
  }

  close(how: "restore" | "leave" = "restore"): void {
    if (this.overlay === undefined) return;
    this.overlay = undefined;
    const { came } = this;
    this.came = undefined;
    if (how === "leave") return;
    // Before the next key is heard.
    void tick().then(() => {
      if (came?.isConnected === true && came !== document.body) came.focus();
      else if (document.activeElement === document.body) this.somewhere();
    });
  }

  /** Focus is never nowhere (AX-06). */
  somewhere(): void {
    if (this.main !== undefined) this.main.focusComposer();
    else document.querySelector<HTMLElement>("main [tabindex], main button, nav [tabindex='0']")?.focus();
  }

  say(text: string, undo?: () => void): void {
    this.toast = undo === undefined ? { text } : { text, undo };
  }
}

export const ui = new Ui();
