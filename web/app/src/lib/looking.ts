// The tabs of a browser among themselves: one of them tells of messages, and none of what another one shows.

interface Question {
  asks: string;
  conversation_id: string;
}
interface Answer {
  answers: string;
}

/** How long the others may take to say that they show it. */
const PATIENCE_MS = 150;

let leading = navigator.locks === undefined;
const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("stonechat-looking");
let shows: (conversation_id: string) => boolean = () => false;
const waiting = new Map<string, () => void>();

// Held until the tab is closed; then the next in line tells.
void navigator.locks?.request("stonechat-notices", () => {
  leading = true;
  return new Promise<void>(() => undefined);
});

channel?.addEventListener("message", ({ data }: MessageEvent<Question | Answer>) => {
  if ("answers" in data) waiting.get(data.answers)?.();
  else if (shows(data.conversation_id)) channel.postMessage({ answers: data.asks } satisfies Answer);
});

/** Says how this tab finds out whether somebody looks at a conversation in it. */
export function showing(looks: (conversation_id: string) => boolean): void {
  shows = looks;
}

/** Whether this tab is the one that tells. */
export function tells(): boolean {
  return leading;
}

/** Whether somebody looks at a conversation in this tab or in another one. */
export async function lookedAt(conversation_id: string): Promise<boolean> {
  if (shows(conversation_id)) return true;
  if (channel === undefined) return false;
  const asks = `${Date.now()}/${Math.random()}`;
  return new Promise((resolve) => {
    const done = (seen: boolean): void => {
      waiting.delete(asks);
      clearTimeout(timer);
      resolve(seen);
    };
    const timer = setTimeout(() => done(false), PATIENCE_MS);
    waiting.set(asks, () => done(true));
    channel.postMessage({ asks, conversation_id } satisfies Question);
  });
}
