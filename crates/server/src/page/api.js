// API: requests to the server, the access token and its renewal. The refresh token is a cookie no script can read.
"use strict";

export const API = "/api/v1";
/** Longest wait a browser's timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

let token = null;
let renewal;
let refreshing = null;
let renewed = () => {};

export const accessToken = () => token;

/** `then` is called with each token that replaces one about to end. */
export function onRenewed(then) { renewed = then; }

/** Takes the answer of signing in. */
export function adopt(signedIn) {
  token = signedIn.access_token;
  clearTimeout(renewal);
  // Before it ends, so that nobody notices; a failure is made good when the token is next refused.
  renewal = setTimeout(() => refresh().then((done) => done && renewed(token), () => {}),
    Math.min(signedIn.expires_in_ms * 0.8, MAX_TIMER_MS));
}

export function forget() {
  token = null;
  clearTimeout(renewal);
}

/** Calls the API; refusals are thrown as problem documents. A token that ended is refreshed once. */
export async function call(method, path, body, retried = false) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(API + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.status === 401 && token && !retried && await refresh()) return call(method, path, body, true);
  if (!answer.ok) throw await problem(answer);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

async function problem(answer) {
  try { return await answer.json(); } catch { return { code: "internal", title: "The server does not answer." }; }
}

/**
 * A new access token by the cookie. False: there is no session any more; a server that does not answer throws.
 * A refresh token works once, so whoever asks meanwhile gets the same answer, and tabs take turns.
 */
export function refresh() {
  refreshing ??= (navigator.locks ? navigator.locks.request("stonechat-refresh", ask) : ask())
    .finally(() => { refreshing = null; });
  return refreshing;
}

async function ask() {
  const answer = await fetch(`${API}/auth/refresh`, { method: "POST" });
  if (answer.status === 401 || answer.status === 403) return false;
  if (!answer.ok) throw await problem(answer);
  adopt(await answer.json());
  return true;
}

const SENTENCES = {
  wrong_credentials: "Handle or password is wrong.",
  handle_taken: "This handle is taken; choose another.",
  password_too_short: "A password has at least 10 characters.",
  password_too_long: "A password has at most 256 bytes.",
  password_too_common: "This password is one of the most used ones; choose another.",
  setup_key_expired: "This setup link is no longer valid. Run `stonechat admin setup-link` on the server for a new one.",
  invite_expired: "This invitation has expired. Ask whoever sent it for a new one.",
  invite_used_up: "This invitation has been used up. Ask whoever sent it for a new one.",
  invite_revoked: "This invitation was withdrawn. Ask whoever sent it.",
  too_large: "This is longer than the server takes.",
};

/** One sentence for people. */
export function sentence(problem) {
  if (problem.code === "rate_limited" && problem.retry_after_ms) {
    return `Too many tries. Wait ${Math.ceil(problem.retry_after_ms / 1000)} seconds.`;
  }
  if (problem.code === "invalid" && problem.params?.field) return `${problem.params.field}: ${problem.params.reason}`;
  return SENTENCES[problem.code] ?? problem.title ?? (problem.code ? `Refused: ${problem.code}.` : "The server does not answer. Try again.");
}
