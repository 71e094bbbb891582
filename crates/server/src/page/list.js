// List: the conversations on the left with what is unread in them, and the people they are with.
"use strict";

import { call } from "./api.js";
import { element } from "./element.js";

/** A burst of changes asks for the list once. */
const SOON_MS = 300;
const PAGE = "/conversations?limit=200";

/** People by id, looked up once. */
export class People {
  #known = new Map();

  constructor(me) { this.#known.set(me.user_id, me); }

  name(user_id) { return this.#known.get(user_id)?.name ?? "…"; }

  /** Who cannot be found is asked for again another time. */
  async know(ids) {
    const unknown = [...new Set(ids)].filter((id) => id && !this.#known.has(id));
    await Promise.all(unknown.map(async (id) => {
      try { this.#known.set(id, await call("GET", `/users/${id}`)); } catch { /* Stays "…". */ }
    }));
  }
}

export class List {
  #people; #open; #chosen; #next = null; #soon = null;
  #items = element("ul", {});
  #more = element("button", { type: "button", hidden: true, text: "Show more", onclick: () => this.#loadMore() });
  rows = [];

  /** `chosen(id)`: somebody picked a conversation; `isOpen(id)` tells which one is on screen. */
  constructor(people, { chosen, isOpen }) {
    this.#people = people;
    this.#chosen = chosen;
    this.#open = isOpen;
    this.parts = [this.#items, this.#more];
  }

  row(id) { return this.rows.find((row) => row.conversation_id === id); }

  title(row) {
    if (row.with) return this.#people.name(row.with);
    return row.handle ? `#${row.handle}` : row.name ?? "Group";
  }

  async load() {
    const page = await call("GET", PAGE);
    await this.#people.know(page.conversations.map((row) => row.with));
    this.rows = page.conversations;
    this.#next = page.next ?? null;
    this.draw();
  }

  async #loadMore() {
    const page = await call("GET", `${PAGE}&page=${encodeURIComponent(this.#next)}`);
    await this.#people.know(page.conversations.map((row) => row.with));
    this.rows.push(...page.conversations.filter((row) => !this.row(row.conversation_id)));
    this.#next = page.next ?? null;
    this.draw();
  }

  /** `then` follows when the list was read again. */
  loadSoon(then) {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      // What failed is made good when the connection is next live.
      this.load().then(then, (error) => console.error(error));
    }, SOON_MS);
  }

  /** Takes a row that was read by itself. */
  put(row) {
    const at = this.rows.findIndex((other) => other.conversation_id === row.conversation_id);
    if (at < 0) this.rows.push(row);
    else this.rows[at] = row;
  }

  remove(id) {
    this.rows = this.rows.filter((row) => row.conversation_id !== id);
    this.draw();
  }

  /** Counts an event; false: it was counted before. */
  count(row, event, isOwn) {
    if (event.seq <= row.last_seq) return false;
    row.last_seq = event.seq;
    if (event.type === "renamed") row.name = event.name;
    if (event.type === "message") {
      this.rows = [row, ...this.rows.filter((other) => other !== row)];
      if (!event.thread && !isOwn) row.unread += 1;
    }
    this.draw();
    return true;
  }

  draw() {
    const focused = this.#items.contains(document.activeElement) ? document.activeElement.dataset.testid : null;
    this.#items.replaceChildren(...this.rows.map((row) => {
      const button = element("button", {
        type: "button", "data-testid": `conv-${row.conversation_id}`, "aria-current": this.#open(row.conversation_id) ? "true" : null,
        onclick: () => this.#chosen(row.conversation_id),
      }, element("span", { text: this.title(row) }));
      if (row.unread) button.append(element("span", { class: "badge" }, String(row.unread), element("span", { class: "hidden", text: " unread" })));
      return element("li", {}, button);
    }));
    this.#more.hidden = !this.#next;
    if (focused) this.#items.querySelector(`[data-testid="${focused}"]`)?.focus();
  }
}
