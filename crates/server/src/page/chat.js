// Chat: the list of conversations, the open one, and writing in it, kept up to date by the live connection.
"use strict";

import { call, forget, sentence } from "./api.js";
import { announce, element, root, show } from "./element.js";
import { List, People } from "./list.js";
import { Live } from "./live.js";
import { Outbox } from "./outbox.js";
import { Timeline, pendingRow, row as timelineRow } from "./timeline.js";

/** Read positions go out at most this often: many messages, one position. */
const READ_EVERY_MS = 5_000;
/** Rows kept of one conversation; older ones are read again when asked for. */
const MOST_ROWS = 1_000;

export class Chat {
  #me; #signedOut; #people; #list; #live; #outbox; #timeline = new Timeline(); #drafts = new Map();
  /** `{row, entries, head, more, seen, told}`: events up to `head` are in `entries`, `seen` was on screen. */
  #open = null;
  /** `{id, missed}`: being read; what comes meanwhile is applied behind it. */
  #opening = null;
  #readTimer = null;
  #heading; #stateText; #stateAction; #action = null; #composer;

  constructor(me, signedOut) {
    this.#me = me;
    this.#signedOut = signedOut;
    this.#people = new People(me);
    this.#list = new List(this.#people, { chosen: (id) => this.#openByHand(id), isOpen: (id) => this.#isOpen(id) });
    this.#live = new Live({
      handle: (frame) => this.#handle(frame),
      show: (state, text, action) => this.#connection(state, text, action),
      ended: (reason) => this.#leave(reason),
    });
    this.#outbox = new Outbox(me, this.#live, () => this.#draw());
    addEventListener("focus", () => this.#markRead());
    addEventListener("popstate", () => this.#openFromAddress());
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.#tellRead());
    this.#timeline.list.addEventListener("scroll", () => this.#timeline.isAtEnd && this.#markRead());
  }

  /** Draws the list, opens `reference` or else what the address names or else the newest, and goes live. */
  async start(reference) {
    this.#frame();
    await this.#list.load();
    const newest = this.#list.rows[0]?.conversation_id;
    for (const wanted of [reference ?? fromAddress(), newest]) {
      if (!wanted || !await this.#tryOpen(wanted)) continue;
      history.replaceState(null, "", this.#address());
      break;
    }
    if (!this.#open) this.#composer.disabled = true;
    this.#live.connect();
  }

  #frame() {
    this.#heading = element("h1", {});
    this.#stateText = element("span", {});
    this.#stateAction = element("button", { type: "button", hidden: true, onclick: () => this.#action?.run() });
    this.#composer = element("textarea", {
      "aria-label": "Message", rows: "1",
      onkeydown: (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.#send(); }
      },
    });
    const compose = element("form", { class: "compose", onsubmit: (event) => { event.preventDefault(); this.#send(); } },
      this.#composer, element("button", { type: "submit", text: "Send" }));
    show(element("div", { class: "chat" },
      element("nav", { "aria-label": "Conversations" }, ...this.#list.parts,
        element("button", { type: "button", class: "quiet", text: "Sign out", onclick: () => this.#signOut() })),
      element("section", {}, element("header", {}, this.#heading, element("p", { class: "state" }, this.#stateText, " ", this.#stateAction)), this.#timeline.list, compose)));
  }

  // The open conversation.

  #isOpen(reference) { return this.#open && [this.#open.row.conversation_id, this.#open.row.handle].includes(reference); }

  #address() { return `/c/${encodeURIComponent(this.#open.row.handle ?? this.#open.row.conversation_id)}`; }

  async #openByHand(reference) {
    const before = location.pathname;
    if (await this.#tryOpen(reference) && location.pathname !== this.#address()) history.pushState(null, "", this.#address());
    else if (before === location.pathname) this.#composer.focus();
  }

  #openFromAddress() {
    const reference = fromAddress();
    if (reference && !this.#isOpen(reference)) this.#tryOpen(reference);
  }

  /** False, having said why: it was not opened, and the one before stays. */
  async #tryOpen(reference) {
    try {
      return await this.#openConversation(reference);
    } catch (problem) {
      announce(sentence(problem));
      return false;
    }
  }

  /** False: another one was asked for meanwhile. */
  async #openConversation(reference) {
    const row = await call("GET", `/conversations/${encodeURIComponent(reference)}`);
    await this.#people.know([row.with]);
    this.#leaveOpen();
    this.#list.put(row);
    if (!await this.#read(row)) return false;
    this.#heading.textContent = this.#list.title(row);
    document.title = `${this.#list.title(row)} · Stonechat`;
    this.#composer.value = this.#drafts.get(row.conversation_id) ?? "";
    this.#composer.disabled = !row.can_post;
    this.#composer.placeholder = row.can_post ? "Message" : "You cannot write here.";
    this.#timeline.clear();
    this.#draw();
    this.#timeline.toEnd();
    this.#list.draw();
    this.#composer.focus();
    this.#markRead();
    return true;
  }

  /** What was written stays for when one comes back; what was read is told. */
  #leaveOpen() {
    if (!this.#open) return;
    this.#drafts.set(this.#open.row.conversation_id, this.#composer.value);
    this.#tellRead();
    clearTimeout(this.#readTimer);
    this.#readTimer = null;
  }

  async #read(row) {
    const opening = { id: row.conversation_id, missed: [] };
    this.#opening = opening;
    const page = await this.#page(row.conversation_id, "");
    if (this.#opening !== opening) return false;
    this.#opening = null;
    this.#open = { row, entries: new Map(), head: page.as_of_seq, more: page.has_more_before, seen: 0, told: row.read_seq };
    for (const entry of page.messages) this.#open.entries.set(entry.seq, entry);
    for (const event of opening.missed) this.#apply(event);
    return true;
  }

  async #page(conversation_id, query) {
    const page = await call("GET", `/conversations/${conversation_id}/messages?limit=100${query}`);
    await this.#people.know(page.messages.flatMap((entry) => [entry.from, entry.user_id]));
    return page;
  }

  /** The newest page again: something was missed. */
  async #reload() {
    try {
      if (await this.#read(this.#open.row)) this.#draw();
    } catch (problem) {
      if (!["not_found", "forbidden"].includes(problem.code)) throw problem;
      await this.#closed(this.#open.row.conversation_id);
    }
  }

  async #earlier() {
    const open = this.#open;
    if (!open?.more) return;
    const { conversation_id } = open.row;
    try {
      const page = await this.#page(conversation_id, `&before=${Math.min(...open.entries.keys())}`);
      // Read anew meanwhile: these rows belong before others now.
      if (this.#open !== open) return this.#isOpen(conversation_id) ? await this.#earlier() : undefined;
      for (const entry of page.messages) open.entries.set(entry.seq, entry);
      open.more = page.has_more_before;
      this.#timeline.keepPlace(() => this.#draw());
    } catch (problem) {
      announce(sentence(problem));
    }
  }

  #draw() {
    const open = this.#open;
    if (!open) return;
    const { user_id, name } = this.#me;
    const entries = [...open.entries.values()].sort((a, b) => a.seq - b.seq);
    const rows = entries.map((entry) => timelineRow(entry, { name: (id) => this.#people.name(id), own: (id) => id === user_id }));
    const waiting = this.#outbox.items.filter((item) => item.conversation_id === open.row.conversation_id);
    const pending = waiting.map((item) => pendingRow(item, { me: name, again: () => this.#outbox.again(item), remove: () => this.#takeBack(item) }));
    const make = () => element("li", {}, element("button", { type: "button", text: "Show earlier messages", onclick: () => this.#earlier() }));
    this.#timeline.draw([...(open.more ? [{ key: "earlier", state: "", make }] : []), ...rows, ...pending]);
  }

  // Writing and reading.

  #send() {
    const content = this.#composer.value;
    if (!content.trim() || !this.#open) return;
    const { row, head } = this.#open;
    this.#composer.value = "";
    this.#outbox.add({ conversation_id: row.conversation_id, content, read_seq: head });
    this.#timeline.toEnd();
  }

  /** A message that cannot be sent goes back to where it was written, unless something else stands there. */
  #takeBack(item) {
    this.#outbox.take(item.client_id);
    if (!this.#composer.value) this.#composer.value = item.content;
    this.#composer.focus();
  }

  #markRead() {
    const open = this.#open;
    const reading = document.visibilityState === "visible" && document.hasFocus() && this.#timeline.isAtEnd;
    if (!open || !reading || !this.#live.isLive) return;
    open.seen = open.head;
    if (open.row.unread) {
      open.row.unread = 0;
      this.#list.draw();
    }
    if (this.#readTimer) return;
    this.#tellRead();
    this.#readTimer = setTimeout(() => { this.#readTimer = null; this.#tellRead(); }, READ_EVERY_MS);
  }

  #tellRead() {
    const open = this.#open;
    if (!open || open.seen <= open.told) return;
    const { conversation_id, read_generation } = open.row;
    if (this.#live.send({ type: "read", conversation_id, read_generation, read_seq: open.seen })) open.told = open.seen;
  }

  // What comes.

  async #handle(frame) {
    switch (frame.type) {
      case "live":
        this.#outbox.sendWaiting();
        return this.#markRead();
      case "reset":
        await this.#list.load();
        this.#meetList();
        if (this.#open) await this.#reload();
        return;
      case "ack":
        return this.#acked(frame);
      case "error":
        if (frame.client_id) this.#outbox.failed(frame.client_id, sentence(frame));
        return;
      case "account":
        return this.#account(frame);
      case "gap":
      case "batch":
        if (this.#isOpen(frame.conversation_id) && frame.to_seq > this.#open.head) {
          if (frame.from_seq > this.#open.head + 1 || frame.reason === "skipped") await this.#reload();
          else this.#open.head = frame.to_seq;
        }
        return;
      default:
        if (frame.conversation_id && frame.seq) await this.#event(frame);
    }
  }

  /** One's own message is in the log: it stands where the ack says. */
  async #acked({ client_id, conversation_id, seq, timestamp }) {
    const item = this.#outbox.items.find((other) => other.client_id === client_id);
    if (item) await this.#event({ type: "message", client_id, conversation_id, seq, timestamp, from: this.#me.user_id, content: item.content });
  }

  async #event(event) {
    await this.#people.know([event.from, event.user_id]);
    if (this.#opening?.id === event.conversation_id) this.#opening.missed.push(event);
    const isOpen = this.#isOpen(event.conversation_id);
    if (isOpen && event.seq > this.#open.head + 1) await this.#reload();
    else if (isOpen) this.#apply(event);
    // Only now, so that the message is never in neither place.
    if (!event.client_id || !this.#outbox.take(event.client_id)) this.#draw();
    this.#count(event);
    this.#markRead();
  }

  /** An event of the open conversation; one that is in already changes nothing. */
  #apply(event) {
    const { entries } = this.#open;
    if (event.seq <= this.#open.head) return;
    this.#open.head = event.seq;
    const message = entries.get(event.message_seq);
    switch (event.type) {
      case "edit":
        if (message && event.current) Object.assign(message, { content: event.content, edited_at: event.edited_at });
        return;
      case "delete":
        if (message) Object.assign(message, { deleted: true, content: "" });
        return;
      case "reaction":
      case "pin":
        return;
      default:
        if (!event.thread) entries.set(event.seq, event);
    }
    if (entries.size > MOST_ROWS && this.#timeline.isAtEnd) {
      entries.delete(Math.min(...entries.keys()));
      this.#open.more = true;
    }
  }

  /** What an event does to the list. */
  #count(event) {
    const row = this.#list.row(event.conversation_id);
    if (!row) return this.#loadListSoon();
    const isOwn = event.from === this.#me.user_id;
    const isNew = this.#list.count(row, event, isOwn);
    if (isNew && !isOwn && event.type === "message" && !event.thread && this.#isOpen(row.conversation_id)) {
      announce(`${this.#people.name(event.from)}: ${event.content}`);
    }
  }

  #loadListSoon() { this.#list.loadSoon(() => this.#meetList()); }

  /** The open conversation and its row in the list are one. */
  #meetList() {
    if (this.#open) this.#open.row = this.#list.row(this.#open.row.conversation_id) ?? this.#open.row;
  }

  async #account({ key, value }) {
    const [kind, id, thread] = key.split("/");
    const row = this.#list.row(id);
    if (kind === "conversation") {
      if (value && value.type !== "conversation_left") return this.#loadListSoon();
      this.#list.remove(id);
      if (this.#isOpen(id)) await this.#closed(id);
      return;
    }
    if (kind !== "read" || thread || !row) return;
    if (value.read_generation !== row.read_generation && this.#isOpen(id)) this.#open.told = value.read_seq;
    row.read_generation = value.read_generation;
    if (value.read_seq < row.last_seq) return this.#loadListSoon();
    row.unread = 0;
    this.#list.draw();
  }

  /** The open conversation is not there any more. */
  async #closed(id) {
    announce("You are no longer in this conversation.");
    this.#open = null;
    this.#drafts.delete(id);
    this.#timeline.clear();
    this.#heading.textContent = "";
    this.#composer.value = "";
    this.#composer.disabled = true;
    const next = this.#list.rows.find((row) => row.conversation_id !== id);
    if (next && await this.#tryOpen(next.conversation_id)) history.replaceState(null, "", this.#address());
  }

  // The connection and the session.

  #connection(state, text, action = null) {
    if (root().dataset.conn !== state && text) announce(text);
    root().dataset.conn = state;
    this.#stateText.textContent = text;
    this.#action = action;
    this.#stateAction.hidden = !action;
    if (action) this.#stateAction.textContent = action.text;
  }

  async #signOut() {
    if (!confirm("Sign out of this browser?")) return;
    try {
      await call("POST", "/auth/logout");
    } catch (problem) {
      return announce(sentence(problem));
    }
    this.#live.stop();
    this.#outbox.forget();
    this.#leave();
  }

  #leave(reason) {
    forget();
    this.#live.stop();
    this.#open = null;
    this.#signedOut(reason);
  }
}

function fromAddress() {
  const reference = location.pathname.match(/^\/c\/([^/]+)$/)?.[1];
  try { return reference && decodeURIComponent(reference); } catch { return undefined; }
}
