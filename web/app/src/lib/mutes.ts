// Muting for a time: the server knows muted or not; this device ends what it muted for an hour or until tomorrow.

import { prefs } from "./prefs.svelte.ts";
import { app } from "./state/app.svelte.ts";

export type MuteFor = "off" | "hour" | "tomorrow" | "always";

const CHECK_EVERY_MS = 20_000;
const MORNING = 8;

export async function mute(conversation_id: string, how: MuteFor): Promise<void> {
  const muted = how !== "off";
  await app.chat.rest.request("PUT", `conversations/${conversation_id}/mute`, { body: { muted } });
  app.conversations.change(conversation_id, { muted });
  // A list that is being read just now may still have it the other way.
  app.conversations.refresh(conversation_id);
  const { [conversation_id]: _, ...mutes } = prefs.all.mutes;
  const until = untilWhen(how);
  prefs.set("mutes", until === undefined ? mutes : { ...mutes, [conversation_id]: until });
}

/** How a conversation is muted now. */
export function muted(conversation_id: string): MuteFor {
  if (app.conversations.get(conversation_id)?.muted !== true) return "off";
  const until = prefs.all.mutes[conversation_id];
  if (until === undefined) return "always";
  return until - Date.now() > 3_600_000 ? "tomorrow" : "hour";
}

function untilWhen(how: MuteFor): number | undefined {
  if (how === "hour") return Date.now() + 3_600_000;
  if (how !== "tomorrow") return undefined;
  const morning = new Date();
  morning.setDate(morning.getDate() + 1);
  morning.setHours(MORNING, 0, 0, 0);
  return morning.getTime();
}

/** Ends what is over, now and from time to time. */
export function watchMutes(): void {
  const check = (): void => {
    if (app.phase !== "in") return;
    for (const [id, until] of Object.entries(prefs.all.mutes)) {
      if (until <= Date.now()) void mute(id, "off").catch(() => undefined);
    }
  };
  setInterval(check, CHECK_EVERY_MS);
  check();
}
