// Drafts: what was typed and not sent, per conversation and thread, on this device. Never lost, never in two places.

import { conversationOf } from "./place.ts";

/** What is kept, under a `placeKey`. */
export interface Draft {
  text: string;
  reply_to?: number;
  /** The message that is being edited; `text` is its new text. */
  edit?: number;
  /** What was in the composer before that edit began, to come back after it. */
  before?: { text: string; reply_to?: number };
  /** When it was last changed: the last edit wins over all tabs. */
  at: number;
}

const PREFIX = "stonechat/draft/";
const OWNER = "stonechat/drafts-of";

class Drafts {
  /** Conversations with a draft, for the list's mark. */
  marked = $state.raw<ReadonlySet<string>>(new Set());

  constructor() {
    this.mark();
    window.addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(PREFIX)) this.mark();
    });
  }

  get(key: string): Draft | undefined {
    return this.parse(localStorage.getItem(PREFIX + key));
  }

  parse(stored: string | null): Draft | undefined {
    try {
      return stored === null ? undefined : (JSON.parse(stored) as Draft);
    } catch {
      return undefined;
    }
  }

  /** Writes at once: the page may be gone the next moment. */
  set(key: string, draft: Omit<Draft, "at">): void {
    if (draft.text.trim() === "" && draft.reply_to === undefined && draft.edit === undefined) {
      this.clear(key);
      return;
    }
    localStorage.setItem(PREFIX + key, JSON.stringify({ ...draft, at: Date.now() }));
    if (this.marked.has(conversationOf(key)) !== (draft.text.trim() !== "")) this.mark();
  }

  clear(key: string): void {
    localStorage.removeItem(PREFIX + key);
    if (this.marked.has(conversationOf(key))) this.mark();
  }

  /** Stores what is written before the page may go, and tells what other tabs store; ends with what it returns. */
  watch(flush: () => void, other: (event: StorageEvent) => void): () => void {
    window.addEventListener("pagehide", flush);
    document.addEventListener("visibilitychange", flush);
    window.addEventListener("storage", other);
    return () => {
      flush();
      window.removeEventListener("pagehide", flush);
      document.removeEventListener("visibilitychange", flush);
      window.removeEventListener("storage", other);
    };
  }

  /** All of them, to be offered as a file when the device was signed out elsewhere. */
  all(): { key: string; text: string }[] {
    return keys().flatMap((key) => {
      const text = this.get(key)?.text ?? "";
      return text === "" ? [] : [{ key, text }];
    });
  }

  /** Whose drafts are here: those of somebody else who signed in here before go. */
  belongTo(user_id: string): void {
    const owner = localStorage.getItem(OWNER);
    if (owner !== null && owner !== user_id) this.wipe();
    localStorage.setItem(OWNER, user_id);
  }

  wipe(): void {
    localStorage.removeItem(OWNER);
    for (const key of keys()) localStorage.removeItem(PREFIX + key);
    this.mark();
  }

  private mark(): void {
    const marked = keys().filter((key) => (this.get(key)?.text.trim() ?? "") !== "");
    this.marked = new Set(marked.map(conversationOf));
  }
}

function keys(): string[] {
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(PREFIX))
    .map((key) => key.slice(PREFIX.length));
}

export const drafts = new Drafts();
