// One connection per browser: the tabs of a device choose a leader, which holds the socket; the others hear it.

import type { ConnectionStatus } from "./live.js";
import type { OutboxChange } from "./outbox.js";
import type { ClientFrame, Hello, ServerFrame } from "./wire.js";

/** What tabs tell each other. */
export type TabMessage =
  | { kind: "frames"; frames: ServerFrame[]; cursor: string | undefined }
  | { kind: "status"; status: ConnectionStatus }
  | { kind: "caught_up"; anew: boolean }
  | { kind: "hello"; hello: Hello }
  | { kind: "outbox"; change: OutboxChange }
  | { kind: "send"; frame: ClientFrame }
  | { kind: "wake" }
  | { kind: "who" }
  | { kind: "signed_out" };

export class Tabs {
  private readonly channel: BroadcastChannel | undefined;
  private release: (() => void) | undefined;
  private leading = false;

  /**
   * @param name one per account and server; `undefined` (Node): alone, leading
   * @param lead is called when this tab becomes the leader
   */
  constructor(
    name: string | undefined,
    private readonly heard: (message: TabMessage) => void,
    private readonly lead: () => void,
  ) {
    const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
    if (name === undefined || locks === undefined || typeof BroadcastChannel === "undefined") return;
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = (message: MessageEvent<TabMessage>) => this.heard(message.data);
    void locks.request(name, () => {
      if (this.channel === undefined) return undefined;
      this.leading = true;
      this.lead();
      // Held until this tab is closed or signs out; then the next in line leads.
      return new Promise<void>((resolve) => (this.release = resolve));
    });
    this.tell({ kind: "who" });
  }

  get alone(): boolean {
    return this.channel === undefined;
  }

  get leads(): boolean {
    return this.alone || this.leading;
  }

  tell(message: TabMessage): void {
    this.channel?.postMessage(message);
  }

  close(): void {
    this.release?.();
    this.leading = false;
    this.channel?.close();
  }
}
