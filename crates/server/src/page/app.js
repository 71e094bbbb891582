// The page inside the binary: set up, join, sign in, read and send live. No build step, no library, nothing from
// elsewhere. The full web app replaces it where it is built in. This file decides which screen comes first.
"use strict";

import { call, refresh } from "./api.js";
import { Chat } from "./chat.js";
import { card, element } from "./element.js";
import { changePassword, join, notSetUp, setUp, setupFinished, signIn } from "./screens.js";

/** Into the chat, with the session there is now. */
async function enter(open) {
  const me = await call("GET", "/me");
  if (me.must_change_password) return changePassword(() => enter(open));
  await new Chat(me, (reason) => signIn(enter, reason)).start(open);
}

async function start() {
  if (location.pathname === "/setup" && location.hash) return setUp(enter);
  const ready = await (await fetch("/ready")).json();
  if (ready.needs_setup) return notSetUp();
  if (location.pathname === "/setup") return setupFinished();
  const invitation = location.pathname.match(/^\/join\/(.+)$/)?.[1];
  if (invitation) return join(invitation, enter);
  if (await refresh()) return enter();
  signIn(enter);
}

start().catch((error) => {
  console.error(error);
  const again = element("button", { class: "primary", type: "button", text: "Try again", onclick: () => location.reload() });
  card("Stonechat", element("p", { text: "The server cannot be reached." }), again);
  again.focus();
});
