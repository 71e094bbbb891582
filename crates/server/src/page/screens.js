// Screens: the pages before the chat: set up, join by invitation, sign in, change a password.
"use strict";

import { adopt, call, refresh, sentence } from "./api.js";
import { card, element } from "./element.js";

const NAME = { name: "name", label: "Your name", autocomplete: "name" };
const HANDLE = { name: "handle", label: "Handle", autocomplete: "username", autocapitalize: "none", spellcheck: "false" };
const PASSWORD = { name: "password", label: "Password", type: "password", autocomplete: "current-password" };
const NEW_PASSWORD = { ...PASSWORD, label: "Password (at least 10 characters)", autocomplete: "new-password" };

/** A form of named fields; `submit` gets their values. What was typed stays when it is refused. */
function form(fields, action, submit) {
  const error = element("p", { class: "error", role: "alert" });
  const button = element("button", { class: "primary", type: "submit", text: action });
  const inputs = fields.map(({ label: _, ...field }) => element("input", { type: "text", ...field, id: field.name, required: true }));
  const input = (name) => inputs.find((one) => one.name === name);
  const onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    error.textContent = "";
    inputs.forEach((one) => one.removeAttribute("aria-invalid"));
    try {
      await submit(Object.fromEntries(inputs.map((one) => [one.name, one.value])));
      button.disabled = false;
    } catch (problem) {
      refused(problem, { error, button, at: input(problem.params?.field) ?? inputs.find((one) => one.type === "password") });
    }
  };
  const made = element("form", { onsubmit });
  inputs.forEach((one, index) => made.append(element("label", { for: one.id, text: fields[index].label }), one));
  const passwords = inputs.filter((one) => one.type === "password");
  if (passwords.length) {
    const flip = (event) => passwords.forEach((one) => { one.type = event.target.checked ? "text" : "password"; });
    made.append(element("label", { class: "check" }, element("input", { type: "checkbox", onchange: flip }), "Show password"));
  }
  if (input("name") && input("handle")) suggestHandle(input("name"), input("handle"));
  made.append(button, error);
  queueMicrotask(() => (inputs[0] ?? button).focus());
  return made;
}

function refused(problem, { error, button, at }) {
  at?.setAttribute("aria-invalid", "true");
  at?.focus();
  error.textContent = sentence(problem);
  if (problem.code !== "rate_limited" || !problem.retry_after_ms) {
    button.disabled = false;
    return;
  }
  const until = Date.now() + problem.retry_after_ms;
  const count = setInterval(() => {
    const retry_after_ms = until - Date.now();
    error.textContent = retry_after_ms > 0 ? sentence({ ...problem, retry_after_ms }) : "";
    if (retry_after_ms > 0) return;
    button.disabled = false;
    clearInterval(count);
  }, 1_000);
}

/** Follows the name until somebody writes a handle of their own. */
function suggestHandle(name, handle) {
  let own = false;
  handle.addEventListener("input", () => { own = true; });
  name.addEventListener("input", () => {
    const first = name.value.normalize("NFKD").trim().toLowerCase().split(/\s+/)[0];
    if (!own) handle.value = first.replace(/[^a-z0-9._-]/g, "").replace(/^[^a-z0-9]+/, "").slice(0, 32);
  });
}

export function notSetUp() {
  card("Stonechat", element("p", { text: "This server is not set up yet. Open the setup link printed in the server's terminal." }));
}

export function setupFinished() {
  card("Setup is finished", element("p", {}, element("a", { href: "/", text: "Sign in" })));
}

/** The key stands in the fragment, which no request carries; it leaves the address bar at once. */
export function setUp(enter) {
  const key = new URLSearchParams(location.hash.slice(1)).get("k");
  history.replaceState(null, "", "/setup");
  if (!key) return notSetUp();
  const submit = async (values) => {
    let answer;
    try {
      answer = await call("POST", "/setup", { key, ...values });
    } catch (problem) {
      if (problem.code === "setup_finished") return setupFinished();
      throw problem;
    }
    adopt(answer);
    await enter(answer.open);
  };
  card("Set up this server", form([{ name: "server_name", label: "Server name" }, NAME, HANDLE, NEW_PASSWORD], "Create", submit));
}

export async function join(token, enter) {
  let invite;
  try {
    invite = await call("GET", `/invites/${token}`);
  } catch (problem) {
    const text = problem.code === "not_found" ? "This link leads nowhere. Check that it is whole, or ask whoever sent it." : sentence(problem);
    return card("Invitation", element("p", { text }));
  }
  const accept = async (values) => {
    const answer = await call("POST", `/invites/${token}/accept`, values);
    if (answer.access_token) adopt(answer);
    await enter(answer.open);
  };
  if (await refresh()) {
    return card(`Join ${invite.conversations.join(", ") || invite.server_name}`, form([], "Join", () => accept({})));
  }
  const { claims } = invite;
  card(`Join ${invite.server_name}`,
    element("p", { text: `${invite.inviter} invited you.` }),
    form([{ ...NAME, value: claims?.name }, { ...HANDLE, value: claims?.handle }, NEW_PASSWORD], "Join", accept));
}

export function signIn(enter, notice) {
  const submit = async (values) => {
    const answer = await call("POST", "/auth/login", values);
    adopt(answer);
    await enter(answer.open);
  };
  card("Sign in", ...(notice ? [element("p", { text: notice })] : []), form([HANDLE, PASSWORD], "Sign in", submit));
}

/** A password set by an admin lasts until its owner has chosen one. */
export function changePassword(enter) {
  const submit = async (values) => {
    await call("PUT", "/auth/password", values);
    await enter();
  };
  card("Choose a password", form([
    { ...PASSWORD, name: "current_password", label: "The password you were given" },
    { ...NEW_PASSWORD, name: "new_password" },
  ], "Save", submit));
}
