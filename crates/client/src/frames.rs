//! Frames: reads what the server says, from the text itself.
//!
//! The derived `Deserialize` of tagged and flattened types buffers its input, and raw JSON (`metadata`, kept as
//! written) cannot be read from that buffer. Here the `type` is read first and the rest straight from the text.
//!
//! Invariant: a type this version does not know is skipped, but its place in a log is not lost.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use stonechat_wire::{
    ClientId, Control, ConversationId, Cursor, DeviceId, Event, EventBody, GapReason, MessagesPage, Seq,
    ServerFrame, SyncPage, TimelineRow, Timestamp, UserId,
};

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// Everything of an event but its body.
#[derive(Deserialize)]
struct Head {
    conversation_id: ConversationId,
    seq: Seq,
    ordinal: u64,
    from: UserId,
    #[serde(default)]
    sender_device: Option<DeviceId>,
    #[serde(default)]
    client_id: Option<ClientId>,
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct Place {
    conversation_id: ConversationId,
    seq: Seq,
}

/// Reads a frame. `None`: a type this version does not know and that stands in no log. An unknown *event*
/// comes as a `gap` over its place, so that the sequence stays whole.
///
/// # Errors
/// When the text is not JSON, or a known type lacks a field.
pub fn decode(text: &str) -> Result<Option<ServerFrame>, serde_json::Error> {
    let Tag { kind } = serde_json::from_str(text)?;
    match kind.as_ref() {
        "hello" | "ack" | "error" | "account" | "gap" | "batch" | "cursor" | "reset" | "receipt"
        | "typing" | "presence" | "heartbeat" | "going_away" => {
            serde_json::from_str::<Control>(text).map(|control| Some(ServerFrame::Control(control)))
        }
        kind => match body(kind, text)? {
            Some(body) => Ok(Some(ServerFrame::from(event(body, text)?))),
            None => Ok(serde_json::from_str::<Place>(text).ok().map(|place| {
                let Place { conversation_id, seq } = place;
                Control::Gap { conversation_id, from_seq: seq, to_seq: seq, reason: GapReason::Hidden }.into()
            })),
        },
    }
}

/// Reads one event; `None` where its type is unknown.
///
/// # Errors
/// As [`decode`].
pub fn decode_event(text: &str) -> Result<Option<Event>, serde_json::Error> {
    let Tag { kind } = serde_json::from_str(text)?;
    body(&kind, text)?.map(|body| event(body, text)).transpose()
}

fn event(body: EventBody, text: &str) -> Result<Event, serde_json::Error> {
    let Head { conversation_id, seq, ordinal, from, sender_device, client_id, timestamp } =
        serde_json::from_str(text)?;
    Ok(Event { conversation_id, seq, ordinal, from, sender_device, client_id, timestamp, body })
}

fn body(kind: &str, text: &str) -> Result<Option<EventBody>, serde_json::Error> {
    Ok(Some(match kind {
        "message" => EventBody::Message(serde_json::from_str(text)?),
        "edit" => EventBody::Edit(serde_json::from_str(text)?),
        // The others hold no raw JSON, so the derived reading serves.
        "delete" | "reaction" | "pin" | "created" | "member_joined" | "member_left" | "role_changed"
        | "renamed" | "topic_changed" | "posting_changed" | "archived" => serde_json::from_str(text)?,
        _ => return Ok(None),
    }))
}

#[derive(Deserialize)]
struct RawSyncPage<'a> {
    #[serde(borrow)]
    frames: Vec<&'a RawValue>,
    cursor: Cursor,
    has_more: bool,
}

/// Reads the answer of `GET /sync`.
///
/// # Errors
/// As [`decode`].
pub fn decode_sync_page(text: &str) -> Result<SyncPage, serde_json::Error> {
    let RawSyncPage { frames, cursor, has_more } = serde_json::from_str(text)?;
    let frames = frames.into_iter().filter_map(|frame| decode(frame.get()).transpose());
    Ok(SyncPage { frames: frames.collect::<Result<_, _>>()?, cursor, has_more })
}

#[derive(Deserialize)]
struct RawMessagesPage<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    has_more_before: bool,
    has_more_after: bool,
    as_of_seq: Seq,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    row: Cow<'a, str>,
}

/// Reads the answer of `GET /conversations/{id}/messages`. Rows of an unknown kind are left out.
///
/// # Errors
/// As [`decode`].
pub fn decode_messages_page(text: &str) -> Result<MessagesPage, serde_json::Error> {
    let RawMessagesPage { messages, has_more_before, has_more_after, as_of_seq } =
        serde_json::from_str(text)?;
    let messages = messages.into_iter().filter_map(|row| decode_row(row.get()).transpose());
    Ok(MessagesPage {
        messages: messages.collect::<Result<_, _>>()?,
        has_more_before,
        has_more_after,
        as_of_seq,
    })
}

fn decode_row(text: &str) -> Result<Option<TimelineRow>, serde_json::Error> {
    let Row { row } = serde_json::from_str(text)?;
    match row.as_ref() {
        "message" => serde_json::from_str(text).map(|message| Some(TimelineRow::Message(Box::new(message)))),
        "event" => Ok(decode_event(text)?.map(|event| TimelineRow::Event(Box::new(event)))),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-000000000001";

    fn message() -> String {
        format!(
            r#"{{"type":"message","conversation_id":"{ID}","seq":4,"ordinal":2,"from":"{ID}",
            "timestamp":"2020-03-01T00:03:20.125Z","message_id":"{ID}","content":"x",
            "content_type":"text/markdown","metadata":{{"b": 1,  "a":2}},"version":{{}},"new_field":1}}"#
        )
    }

    /// R-WS-1: a message's metadata arrives as written, and survives being written and read again.
    #[test]
    fn r_ws_1_metadata_is_kept_as_written() {
        let Some(ServerFrame::Event(event)) = decode(&message()).unwrap() else { panic!("not an event") };
        let again = serde_json::to_string(&event).unwrap();
        let Some(ServerFrame::Event(event)) = decode(&again).unwrap() else { panic!("not an event") };
        let EventBody::Message(body) = event.body else { panic!("not a message") };
        assert_eq!(body.metadata.unwrap().get(), r#"{"b": 1,  "a":2}"#);
    }

    /// DX-07: unknown types are skipped, and an unknown event fills its place.
    #[test]
    fn dx_07_unknown_types_are_skipped() {
        assert!(decode(r#"{"type":"confetti","colour":"red"}"#).unwrap().is_none());
        let poll = message().replace("\"message\",", "\"poll\",");
        let Some(ServerFrame::Control(Control::Gap { from_seq, to_seq, .. })) = decode(&poll).unwrap() else {
            panic!("not a gap")
        };
        assert_eq!((from_seq, to_seq), (Seq(4), Seq(4)));
    }

    #[test]
    fn r_sy_4_pages_are_read() {
        let page = format!(
            r#"{{"frames":[{},{{"type":"confetti"}},{{"type":"heartbeat"}}],"cursor":"c","has_more":true}}"#,
            message()
        );
        let page = decode_sync_page(&page).unwrap();
        assert_eq!((page.frames.len(), page.cursor.0.as_str(), page.has_more), (2, "c", true));
        let row = message().replace("\"type\":\"message\"", "\"row\":\"message\",\"can_delete\":true");
        let event = message()
            .replace("\"type\":\"message\"", "\"row\":\"event\",\"type\":\"renamed\",\"name\":\"n\"");
        let page = format!(
            r#"{{"messages":[{row},{event}],"has_more_before":false,"has_more_after":true,"as_of_seq":9}}"#
        );
        let page = decode_messages_page(&page).unwrap();
        assert!(matches!(&page.messages[..], [TimelineRow::Message(_), TimelineRow::Event(_)]));
        assert_eq!(page.as_of_seq, Seq(9));
    }

    #[test]
    fn every_control_frame_is_known() {
        let frames = [
            Control::Heartbeat {},
            Control::GoingAway { retry_after_ms: 1 },
            Control::Reset { cursor: Cursor("c".into()) },
            Control::Cursor { cursor: Cursor("c".into()), has_more: false },
            Control::Presence { presence: Vec::new(), counts: Vec::new() },
        ];
        for frame in frames {
            let text = serde_json::to_string(&frame).unwrap();
            assert!(matches!(decode(&text), Ok(Some(ServerFrame::Control(_)))), "{text}");
        }
    }
}
