// Timeline: the rows of the open conversation on screen. Only rows that changed are made anew, so that focus and
// place stay where they are.
"use strict";

import { element } from "./element.js";

/** Nearer to the end than this counts as reading along. */
const NEAR_PX = 40;

export class Timeline {
  #made = new Map();

  constructor() {
    this.list = element("ol", { tabindex: "0", "aria-label": "Messages" });
  }

  get isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  toEnd() { this.list.scrollTop = this.list.scrollHeight; }

  clear() {
    this.#made.clear();
    this.list.replaceChildren();
  }

  /** Shows rows `{key, state, make}` in this order; a row is made anew where its `state` differs. */
  draw(rows) {
    const atEnd = this.isAtEnd;
    const made = new Map();
    for (const { key, state, make } of rows) {
      const before = this.#made.get(key);
      made.set(key, before?.state === state ? before : { state, node: make() });
    }
    // What goes must go first: a row that is only passed over is not moved, and keeps the focus.
    for (const [key, { node }] of this.#made) if (made.get(key)?.node !== node) node.remove();
    let at = this.list.firstChild;
    for (const { node } of made.values()) {
      if (node === at) at = at.nextSibling;
      else this.list.insertBefore(node, at);
    }
    this.#made = made;
    if (atEnd) this.toEnd();
  }

  /** Rows that came in above leave what is on screen where it is. */
  keepPlace(change) {
    const below = this.list.scrollHeight - this.list.scrollTop;
    change();
    this.list.scrollTop = this.list.scrollHeight - below;
  }
}

const when = (timestamp) => element("time", { class: "when", datetime: timestamp, text: new Date(timestamp).toLocaleString() });

/** A message or what else happened, as `name` names people. */
export function row(entry, { name, own }) {
  const who = name(entry.from);
  if (entry.content === undefined) {
    return {
      key: entry.seq, state: who + name(entry.user_id),
      make: () => element("li", { class: "event", "data-seq": entry.seq }, element("span", { text: `${who} ${happened(entry, name)} ` }), when(entry.timestamp)),
    };
  }
  const text = entry.deleted ? "This message was deleted." : entry.content + (entry.edited_at ? " (edited)" : "");
  return {
    key: entry.seq, state: JSON.stringify([who, text]),
    make: () => element("li", {
      class: own(entry.from) ? "own" : "", "data-seq": entry.seq, "data-testid": `msg-${entry.seq}`,
      "data-state": entry.deleted ? "deleted" : "sent",
    }, element("span", { class: "who", text: who }), when(entry.timestamp), element("div", { class: entry.deleted ? "event" : "text", text })),
  };
}

/** A message of one's own that is not in the log yet. */
export function pendingRow(item, { me, again, remove }) {
  const failed = item.state === "failed";
  return {
    key: item.client_id, state: item.state + (item.reason ?? ""),
    make: () => element("li", { class: "own", "data-state": item.state },
      element("span", { class: "who", text: me }),
      element("span", { class: "when", role: failed ? "alert" : null, text: failed ? `Not sent: ${item.reason}` : "sending" }),
      element("div", { class: "text", text: item.content }),
      ...(failed ? [element("button", { type: "button", text: "Try again", onclick: again }), element("button", { type: "button", text: "Remove", onclick: remove })] : [])),
  };
}

function happened(entry, name) {
  const self = entry.user_id === entry.from;
  switch (entry.type) {
    case "created": return "began this conversation";
    case "member_joined": return self ? "joined" : `added ${name(entry.user_id)}`;
    case "member_left": return self ? "left" : `removed ${name(entry.user_id)}`;
    case "role_changed": return `made ${name(entry.user_id)} ${entry.role}`;
    case "renamed": return `renamed this to “${entry.name}”`;
    case "topic_changed": return entry.topic ? `set the topic to “${entry.topic}”` : "removed the topic";
    case "posting_changed": return entry.posting === "admins" ? "lets only admins post" : "lets everyone post";
    case "archived": return entry.archived ? "archived this conversation" : "brought this conversation back";
    default: return entry.type.replaceAll("_", " ");
  }
}
