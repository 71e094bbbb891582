// A timeline's rows: of messages, of events, and of what waits to be sent.

import type { Event, Failure, Message, OutboxItem, TimelineRow } from "@stonechat/client";

/** One row. `key` never changes while it is shown, not even when a message gets its place. */
export interface Row {
  key: string;
  seq: number;
  timestamp: string;
  message?: Message;
  event?: Event;
  state: "sent" | "pending" | "failed" | "deleted";
  failure?: Failure;
}

/** A time without connection, and how many messages came in it. */
export interface Absence {
  from: number;
  to: number;
  after_seq: number;
  count: number;
}

/** Who looks: their user and this device. */
export interface Viewer {
  user_id: string;
  device_id: string;
}

export function rowOf(message: Message, me: Viewer): Row {
  const mine = message.from === me.user_id && message.sender_device === me.device_id;
  const key = mine && message.client_id !== undefined ? message.client_id : `m${message.seq}`;
  return { key, seq: message.seq, timestamp: message.timestamp, message, state: message.deleted === true ? "deleted" : "sent" };
}

export function pendingMessage(item: OutboxItem, conversation_id: string, me: Viewer): Message {
  const frame = item.frame as Extract<OutboxItem["frame"], { type: "message" }>;
  const message: Message = {
    message_id: "",
    conversation_id,
    seq: 0,
    ordinal: 0,
    from: me.user_id,
    sender_device: me.device_id,
    client_id: item.client_id,
    content: frame.content,
    content_type: frame.content_type ?? "text/markdown",
    version: {},
    timestamp: new Date(item.order).toISOString(),
    can_delete: false,
  };
  if (frame.reply_to !== undefined) message.reply_to = frame.reply_to;
  if (frame.thread !== undefined) message.thread = frame.thread;
  return message;
}

/** The rows of a page of history. */
export function rowsOf(page: readonly TimelineRow[], me: Viewer): Row[] {
  return page.map((row) => {
    if (row.row === "message") return rowOf(row, me);
    return { key: `e${row.seq}`, seq: row.seq, timestamp: row.timestamp, event: row as Event, state: "sent" };
  });
}
