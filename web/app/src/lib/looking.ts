// Whether somebody looks at a conversation in any tab of this browser.

interface Question {
  asks: string;
  conversation_id: string;
}
interface Answer {
  answers: string;
}

/** How long the others may take to say that they show it. */
const PATIENCE_MS = 150;

const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("stonechat-looking");
let shows: (conversation_id: string) => boolean = () => false;
const waiting = new Map<string, () => void>();

channel?.addEventListener("message", ({ data }: MessageEvent<Question | Answer>) => {
  if ("answers" in data) waiting.get(data.answers)?.();
  else if (shows(data.conversation_id)) channel.postMessage({ answers: data.asks } satisfies Answer);
});

/** Says how this tab finds out whether somebody looks at a conversation in it. */
export function showing(looks: (conversation_id: string) => boolean): void {
  shows = looks;
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
