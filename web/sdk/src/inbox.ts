// From frames to updates: each place of a conversation once, in order, no silent hole. Pure; the caller repairs holes.

import type { Ack, Event, ServerFrame, TimelineRow } from "./wire.js";

/** Places of a conversation that a frame fills. */
interface Span {
  conversation_id: string;
  from: number;
  to: number;
}

/** A frame that may be applied now, or rows that fill a hole. */
export type Update =
  | Exclude<ServerFrame, { type: "hello" | "heartbeat" | "going_away" }>
  | { type: "rows"; conversation_id: string; rows: TimelineRow[]; as_of_seq: number };

/** A hole: read the conversation after `after_seq` if it has not filled by itself. */
export interface Hole {
  conversation_id: string;
  after_seq: number;
}

export class Inbox {
  /** Per conversation the place up to which nothing is missing. */
  private readonly held = new Map<string, number>();
  private readonly aside = new Map<string, ServerFrame[]>();

  /** What is held up to a place without frames: a list row or a page of history says so. Never goes back. */
  hold(conversation_id: string, seq: number): ServerFrame[] {
    this.held.set(conversation_id, Math.max(seq, this.held.get(conversation_id) ?? 0));
    return this.release(conversation_id);
  }

  heldUpTo(conversation_id: string): number | undefined {
    return this.held.get(conversation_id);
  }

  forget(conversation_id: string): void {
    this.held.delete(conversation_id);
    this.aside.delete(conversation_id);
  }

  clear(): void {
    this.held.clear();
    this.aside.clear();
  }

  /** Takes a frame: the frames that may be applied now, and the hole that it leaves. */
  take(frame: ServerFrame): { ready: ServerFrame[]; hole?: Hole } {
    const span = spanOf(frame);
    if (span === undefined) return { ready: [frame] };
    const { conversation_id, from, to } = span;
    const held = this.held.get(conversation_id);
    // Of a conversation that nobody read yet, the stream begins where it begins.
    if (held === undefined || from <= held + 1) {
      if (held !== undefined && to <= held) return { ready: frame.type === "ack" ? [frame] : [] };
      this.held.set(conversation_id, to);
      return { ready: [frame, ...this.release(conversation_id)] };
    }
    const aside = this.aside.get(conversation_id) ?? [];
    aside.push(frame);
    this.aside.set(conversation_id, aside);
    return { ready: [], hole: { conversation_id, after_seq: held } };
  }

  /** What was kept aside and fits now. */
  private release(conversation_id: string): ServerFrame[] {
    const aside = this.aside.get(conversation_id);
    if (aside === undefined) return [];
    this.aside.delete(conversation_id);
    aside.sort((a, b) => (spanOf(a)?.from ?? 0) - (spanOf(b)?.from ?? 0));
    return aside.flatMap((frame) => this.take(frame).ready);
  }
}

function spanOf(frame: ServerFrame): Span | undefined {
  if (frame.type === "gap" || frame.type === "batch") {
    return { conversation_id: frame.conversation_id, from: frame.from_seq, to: frame.to_seq };
  }
  if (frame.type === "ack" || isEvent(frame)) {
    const { conversation_id, seq } = frame as Ack | Event;
    return { conversation_id, from: seq, to: seq };
  }
  return undefined;
}

/** Whether a frame is an event of a conversation's log. */
export function isEvent(frame: { type: string }): frame is Event {
  return "seq" in frame && "from" in frame && "ordinal" in frame;
}
