//! Encode: frames as bytes for the socket, made once and shared by every recipient.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use stonechat_store::commit::EventEntry;
use stonechat_wire::{Ack, ClientId, Control, Event, EventBody, MessageId, websocket};

/// A control frame as an unmasked text frame.
pub(crate) fn control(control: &Control) -> Bytes {
    text_frame(control)
}

/// An event as an unmasked text frame.
pub(crate) fn event(event: &Event) -> Bytes {
    text_frame(event)
}

fn text_frame(value: &impl Serialize) -> Bytes {
    let mut json = Vec::with_capacity(512);
    if let Err(error) = serde_json::to_writer(&mut json, value) {
        // Wire types hold nothing JSON cannot; an empty frame is skipped by clients as unknown.
        tracing::error!(%error, "a frame could not be encoded");
        json = b"{}".to_vec();
    }
    let mut frame = BytesMut::with_capacity(json.len() + 10);
    websocket::put_text(&mut frame, &json);
    frame.freeze()
}

/// The sender's ack, in the place where others get the event.
pub(crate) fn ack_of(entry: &EventEntry, client_id: ClientId, relaxed: bool) -> Bytes {
    let message_seq = match &entry.event.body {
        EventBody::Edit(body) => body.message_seq,
        EventBody::Delete { message_seq, .. }
        | EventBody::Reaction { message_seq, .. }
        | EventBody::Pin { message_seq, .. } => *message_seq,
        _ => entry.event.seq,
    };
    control(&Control::Ack(Ack {
        client_id,
        message_id: Some(MessageId::of(entry.event.conversation_id, message_seq)),
        conversation_id: entry.event.conversation_id,
        seq: entry.event.seq,
        timestamp: entry.event.timestamp,
        durability: relaxed.then(|| "relaxed".to_owned()),
        repeated: false,
    }))
}
