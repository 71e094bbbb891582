// The page inside the binary: set up, sign in, read and send live. No build step, no library, text only by
// textContent. The full web app replaces it where it is built in.
"use strict";

const api = "/api/v1";
const root = document.getElementById("root");
const announcer = document.getElementById("announcer");
const state = {
  token: null, me: null, people: new Map(), conversations: [], open: null,
  rows: new Map(), outbox: [], socket: null, cursor: null, attempt: 0, stopped: false,
};

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "text") made.textContent = value;
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function announce(text) { announcer.textContent = text; }

/** Calls the API; refusals are thrown as problem documents. A token that ended is refreshed once. */
async function call(method, path, body, retried = false) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (state.token) headers.authorization = `Bearer ${state.token}`;
  const answer = await fetch(api + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.status === 401 && state.token && !retried && await refresh()) return call(method, path, body, true);
  const text = await answer.text();
  const value = text ? JSON.parse(text) : null;
  if (!answer.ok) throw value ?? { code: "internal", title: "The server does not answer." };
  return value;
}

/** A new access token by the cookie that scripts cannot read. Tabs take turns: a refresh token works once. */
async function refresh() {
  const ask = async () => {
    const answer = await fetch(`${api}/auth/refresh`, { method: "POST" });
    if (!answer.ok) return false;
    state.token = (await answer.json()).access_token;
    return true;
  };
  return navigator.locks ? navigator.locks.request("stonechat-refresh", ask) : ask();
}

const SENTENCES = {
  wrong_credentials: "Handle or password is wrong.",
  handle_taken: "This handle is taken; choose another.",
  password_too_short: "A password has at least 10 characters.",
  password_too_common: "This password is one of the most used ones; choose another.",
  setup_key_expired: "This setup link is no longer valid. Run `stonechat admin setup-link` on the server for a new one.",
  invite_expired: "This invitation has expired. Ask whoever sent it for a new one.",
  invite_used_up: "This invitation has been used up. Ask whoever sent it for a new one.",
  invite_revoked: "This invitation was withdrawn. Ask whoever sent it.",
  not_found: "This link leads nowhere. Check that it is whole, or ask whoever sent it.",
};

function sentence(problem) {
  if (problem.retry_after_ms) return `Too many tries. Wait ${Math.ceil(problem.retry_after_ms / 1000)} seconds.`;
  if (problem.code === "invalid" && problem.params) return `${problem.params.field}: ${problem.params.reason}`;
  return SENTENCES[problem.code] ?? problem.title ?? "The server does not answer. Try again.";
}

function show(...children) { root.replaceChildren(...children); }

function card(title, ...children) {
  document.title = `${title} · Stonechat`;
  show(element("div", { class: "card" }, element("h1", { text: title }), ...children));
}

/** A form of named fields; `submit` gets their values. */
function form(fields, action, submit) {
  const error = element("p", { class: "error", role: "alert" });
  const button = element("button", { class: "primary", type: "submit", text: action });
  const inputs = [];
  const made = element("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      error.textContent = "";
      inputs.forEach((input) => input.removeAttribute("aria-invalid"));
      try {
        await submit(Object.fromEntries(inputs.map((input) => [input.name, input.value])));
      } catch (problem) {
        error.textContent = sentence(problem);
        const at = inputs.find((input) => input.name === problem.params?.field) ?? inputs.find((input) => input.type === "password");
        at?.setAttribute("aria-invalid", "true");
        at?.focus();
      }
      button.disabled = false;
    },
  });
  for (const { name, label, type = "text", autocomplete, value } of fields) {
    const input = element("input", { id: name, name, type, autocomplete, required: true, value });
    inputs.push(input);
    made.append(element("label", { for: name, text: label }), input);
  }
  const handle = inputs.find((input) => input.name === "handle");
  const person = inputs.find((input) => input.name === "name");
  if (handle && person) {
    let own = false;
    handle.addEventListener("input", () => { own = true; });
    person.addEventListener("input", () => {
      if (!own) handle.value = person.value.trim().toLowerCase().split(/\s+/)[0].replace(/[^a-z0-9._-]/g, "");
    });
  }
  made.append(button, error);
  queueMicrotask(() => inputs[0]?.focus());
  return made;
}

const NAME = { name: "name", label: "Your name", autocomplete: "name" };
const HANDLE = { name: "handle", label: "Handle", autocomplete: "username" };
const NEW_PASSWORD = { name: "password", label: "Password (at least 10 characters)", type: "password", autocomplete: "new-password" };

function finished(text) {
  card(text, element("p", {}, element("a", { href: "/", text: "Sign in" })));
}

function setUp() {
  // The key stands in the fragment, which no request carries; it leaves the address bar at once.
  const key = new URLSearchParams(location.hash.slice(1)).get("k");
  history.replaceState(null, "", "/setup");
  if (!key) return notSetUp();
  card("Set up this server", form(
    [{ name: "server_name", label: "Server name" }, NAME, HANDLE, NEW_PASSWORD], "Create",
    async (values) => {
      try {
        await signedIn(await call("POST", "/setup", { key, ...values }));
      } catch (problem) {
        if (problem.code === "setup_finished") finished("Setup is finished");
        else throw problem;
      }
    },
  ));
}

function notSetUp() {
  card("Stonechat", element("p", { text: "This server is not set up yet. Open the setup link printed in the server's terminal." }));
}

async function join(token) {
  let info;
  try {
    info = await call("GET", `/invites/${token}`);
  } catch (problem) {
    return card("Invitation", element("p", { text: sentence(problem) }));
  }
  if (await refresh()) {
    const title = `Join ${info.conversations.join(", ") || info.server_name}`;
    return card(title, form([], "Join", async () => {
      const { open } = await call("POST", `/invites/${token}/accept`);
      await enter(open);
    }));
  }
  card(`Join ${info.server_name}`,
    element("p", { text: `${info.inviter} invited you.` }),
    form([NAME, HANDLE, NEW_PASSWORD], "Join", async (values) => signedIn(await call("POST", `/invites/${token}/accept`, values))));
}

function signIn() {
  card("Sign in", form(
    [HANDLE, { name: "password", label: "Password", type: "password", autocomplete: "current-password" }], "Sign in",
    async (values) => signedIn(await call("POST", "/auth/login", values)),
  ));
}

async function signedIn(answer) {
  state.token = answer.access_token;
  await enter(answer.open);
}

/** Into the chat: the list, then the conversation asked for or the first one. */
async function enter(open) {
  state.me = await call("GET", "/me");
  await list();
  draw();
  connect();
  const path = location.pathname.match(/^\/c\/(.+)$/)?.[1];
  const wanted = open ?? (path && decodeURIComponent(path)) ?? state.conversations[0]?.conversation_id;
  if (wanted) await openConversation(wanted);
}

async function list() {
  const page = await call("GET", "/conversations?limit=200");
  state.conversations = page.conversations;
  for (const row of page.conversations) if (row.with) await person(row.with);
}

async function person(id) {
  if (!state.people.has(id)) {
    state.people.set(id, null);
    try { state.people.set(id, await call("GET", `/users/${id}`)); } catch { state.people.delete(id); }
  }
  return state.people.get(id);
}

function titleOf(row) {
  if (row.with) return state.people.get(row.with)?.name ?? "…";
  return row.handle ? `#${row.handle}` : row.name ?? "Group";
}

let nav, timeline, composer, heading, status;

function draw() {
  nav = element("ul", {});
  timeline = element("ol", { tabindex: "0", "aria-label": "Messages" });
  heading = element("h2", {});
  status = element("span", { class: "state" });
  composer = element("textarea", {
    "aria-label": "Message", placeholder: "Message",
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); sendTyped(); }
    },
  });
  show(element("div", { class: "chat" },
    element("nav", { "aria-label": "Conversations" }, element("h1", { text: "Stonechat" }), nav),
    element("section", {},
      element("header", {}, heading, status), timeline,
      element("form", { class: "compose", onsubmit: (event) => { event.preventDefault(); sendTyped(); } },
        composer, element("button", { type: "submit", text: "Send" })))));
  drawList();
}

function drawList() {
  nav.replaceChildren(...state.conversations.map((row) => element("li", {},
    element("button", {
      "data-testid": `conv-${row.conversation_id}`,
      "aria-current": String(state.open?.conversation_id === row.conversation_id),
      onclick: () => openConversation(row.conversation_id),
    }, element("span", { text: titleOf(row) }), element("span", { class: "badge", text: row.unread ? String(row.unread) : "" })))));
}

async function openConversation(reference) {
  const row = await call("GET", `/conversations/${encodeURIComponent(reference)}`);
  state.open = row;
  state.rows = new Map();
  const page = await call("GET", `/conversations/${row.conversation_id}/messages?limit=100`);
  if (state.open !== row) return;
  for (const entry of page.messages) state.rows.set(entry.seq, entry);
  heading.textContent = titleOf(row);
  document.title = `${titleOf(row)} · Stonechat`;
  history.replaceState(null, "", `/c/${row.handle ?? row.conversation_id}`);
  drawList();
  await drawTimeline();
  timeline.scrollTop = timeline.scrollHeight;
  composer.focus();
  markRead();
}

async function drawTimeline() {
  const sorted = [...state.rows.values()].sort((a, b) => a.seq - b.seq);
  await Promise.all([...new Set(sorted.map((row) => row.from))].map(person));
  const atEnd = timeline.scrollHeight - timeline.scrollTop - timeline.clientHeight < 40;
  const pending = state.outbox.filter((item) => item.conversation_id === state.open.conversation_id);
  timeline.replaceChildren(...sorted.map(drawRow), ...pending.map(drawPending));
  if (atEnd) timeline.scrollTop = timeline.scrollHeight;
}

function drawRow(row) {
  const who = state.people.get(row.from)?.name ?? "…";
  const when = element("time", { class: "when", datetime: row.timestamp, text: new Date(row.timestamp).toLocaleString() });
  if (row.type !== "message" && row.row !== "message") {
    return element("li", { class: "event", "data-seq": row.seq }, element("span", { text: `${who}: ${row.type.replaceAll("_", " ")} ` }), when);
  }
  const text = row.deleted ? "This message was deleted." : row.content;
  return element("li", {
    class: row.from === state.me.user_id ? "own" : "", "data-seq": row.seq, "data-testid": `msg-${row.seq}`,
    "data-state": row.deleted ? "deleted" : "sent",
  },
    element("span", { class: "who", text: who }), when,
    element("div", { class: row.deleted ? "event" : "text", text: row.edited_at && !row.deleted ? `${text} (edited)` : text }));
}

function drawPending(item) {
  return element("li", { class: "own", "data-state": item.state },
    element("span", { class: "who", text: state.me.name }),
    element("span", { class: "when", text: item.state === "failed" ? item.reason : "sending" }),
    element("div", { class: "text", text: item.content }),
    ...(item.state === "failed" ? [element("button", { text: "Try again", onclick: () => { item.state = "pending"; transmit(item); drawTimeline(); } })] : []));
}

function sendTyped() {
  const content = composer.value;
  if (!content.trim() || !state.open) return;
  const item = { client_id: crypto.randomUUID(), conversation_id: state.open.conversation_id, content, state: "pending", read_seq: newest() };
  state.outbox.push(item);
  composer.value = "";
  transmit(item);
  drawTimeline();
  timeline.scrollTop = timeline.scrollHeight;
}

/** The same id each time: the server answers a repeat with the first ack. */
function transmit(item) {
  if (state.socket?.readyState !== WebSocket.OPEN || !state.live) return;
  const { client_id, conversation_id, content, read_seq } = item;
  state.socket.send(JSON.stringify({ type: "message", client_id, conversation_id, content, read_seq }));
  clearTimeout(item.timer);
  item.timer = setTimeout(() => {
    if (state.outbox.includes(item) && state.live) { item.state = "failed"; item.reason = "not acknowledged in time"; drawTimeline(); }
  }, 10_000);
}

function newest() { return Math.max(0, ...state.rows.keys()); }

function markRead() {
  if (!state.open || document.visibilityState !== "visible" || !document.hasFocus() || !state.live) return;
  const read_seq = newest();
  if (!read_seq) return;
  state.socket.send(JSON.stringify({ type: "read", conversation_id: state.open.conversation_id, read_generation: state.open.read_generation, read_seq }));
  const row = state.conversations.find((other) => other.conversation_id === state.open.conversation_id);
  if (row) { row.unread = 0; drawList(); }
}

function connected(name, text) {
  root.dataset.conn = name;
  if (status) status.textContent = text;
}

function connect() {
  if (state.stopped) return;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}${api}/ws`, "stonechat.v1");
  state.socket = socket;
  state.live = false;
  let silent;
  const heard = () => { clearTimeout(silent); silent = setTimeout(() => socket.close(), 40_000); };
  socket.onopen = () => socket.send(JSON.stringify({ type: "connect", token: state.token, cursor: state.cursor ?? undefined }));
  socket.onmessage = (event) => { heard(); frame(JSON.parse(event.data)); };
  socket.onclose = async (event) => {
    clearTimeout(silent);
    state.live = false;
    if (event.code === 4009) { state.stopped = true; return connected("offline", "Open in another window. Reload to use this one."); }
    if (event.code === 4001 && !(await refresh())) { state.stopped = true; return signIn(); }
    connected(navigator.onLine ? "reconnecting" : "offline", navigator.onLine ? "Reconnecting…" : "You are offline.");
    state.attempt += 1;
    // Full jitter: a server that comes back must not meet everybody at once.
    const wait = state.returnIn ?? Math.random() * Math.min(30_000, 2_000 * 2 ** Math.min(state.attempt - 1, 4));
    state.returnIn = undefined;
    setTimeout(connect, wait);
  };
}

async function frame(message) {
  switch (message.type) {
    case "heartbeat": return state.socket.send('{"type":"heartbeat"}');
    case "going_away": state.returnIn = message.retry_after_ms; return;
    case "reset":
      state.cursor = message.cursor;
      caughtUp();
      await list();
      drawList();
      if (state.open) await openConversation(state.open.conversation_id);
      return;
    case "cursor":
      state.cursor = message.cursor;
      if (!message.has_more && !state.live) caughtUp();
      return;
    case "ack": {
      const item = state.outbox.find((other) => other.client_id === message.client_id);
      if (!item) return;
      clearTimeout(item.timer);
      state.outbox.splice(state.outbox.indexOf(item), 1);
      if (state.open?.conversation_id === message.conversation_id) {
        state.rows.set(message.seq, { type: "message", seq: message.seq, from: state.me.user_id, content: item.content, timestamp: message.timestamp });
        await drawTimeline();
      }
      return;
    }
    case "error": {
      const item = state.outbox.find((other) => other.client_id && other.client_id === message.client_id);
      if (item) { clearTimeout(item.timer); item.state = "failed"; item.reason = sentence(message); await drawTimeline(); }
      return;
    }
    case "account":
      if (message.key.startsWith("conversation/")) { await list(); drawList(); }
      return;
    default:
      if (message.conversation_id && message.seq) await apply(message);
  }
}

function caughtUp() {
  state.live = true;
  state.attempt = 0;
  connected("online", "");
  state.outbox.filter((item) => item.state === "pending").forEach(transmit);
}

/** An event of a log. */
async function apply(event) {
  const row = state.conversations.find((other) => other.conversation_id === event.conversation_id);
  if (!row) return;
  const open = state.open?.conversation_id === event.conversation_id;
  if (event.type === "edit" || event.type === "delete") {
    const at = open && state.rows.get(event.message_seq);
    if (at && event.type === "delete") Object.assign(at, { deleted: true, content: "" });
    if (at && event.type === "edit" && event.current) Object.assign(at, { content: event.content, edited_at: event.edited_at });
  } else if (event.type === "reaction" || event.type === "pin" || event.thread) {
    return;
  } else if (open) {
    state.rows.set(event.seq, event);
  }
  if (event.type === "message" && event.from !== state.me.user_id) {
    await person(event.from);
    if (!open || !document.hasFocus()) row.unread += 1;
    if (open) announce(`${state.people.get(event.from)?.name ?? "Somebody"}: ${event.content}`);
  }
  state.conversations = [row, ...state.conversations.filter((other) => other !== row)];
  drawList();
  if (open) { await drawTimeline(); markRead(); }
}

addEventListener("focus", () => state.live && markRead());

async function start() {
  const ready = await (await fetch("/ready")).json();
  if (location.pathname === "/setup" && location.hash) return setUp();
  if (ready.needs_setup) return notSetUp();
  if (location.pathname === "/setup") return finished("Setup is finished");
  const invite = location.pathname.match(/^\/join\/(.+)$/)?.[1];
  if (invite) return join(invite);
  if (await refresh()) return enter();
  signIn();
}

start().catch(() => card("Stonechat", element("p", { text: "The server cannot be reached. Reload to try again." })));
