//! Event row: an entry of the log as it is stored, and as the wire shows it.

use std::collections::BTreeMap;

use rusqlite::Row;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stonechat_wire::{
    ClientId, ConversationId, DeviceId, EditBody, Event, EventBody, Mentions, MessageBody, MessageId, Seq,
    Timestamp, UserId, Version,
};

use crate::error::Result;
use crate::key::{seq, unsigned, uuid};

/// What a text is when its sender did not say.
pub const DEFAULT_CONTENT_TYPE: &str = "text/markdown";

/// SQL's number of an event's kind. Only what SQL must tell apart has its own; the rest is `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub(crate) enum EventKind {
    Message = 0,
    Edit = 1,
    Delete = 2,
    Reaction = 3,
    Pin = 4,
    /// Shown in the timeline, described whole by `detail`: membership, names, archive.
    System = 5,
}

/// `detail` of a message: what few messages have.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct MessageDetail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<Seq>,
    #[serde(default, skip_serializing_if = "Mentions::is_empty")]
    pub(crate) mentions: Mentions,
}

/// `detail` of an edit.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EditDetail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<Seq>,
    #[serde(default, skip_serializing_if = "Mentions::is_empty")]
    pub(crate) mentions: Mentions,
    pub(crate) version: Version,
    pub(crate) edited_at: Timestamp,
    pub(crate) current: bool,
}

/// Events of one conversation with their texts; `?1` conversation, `?2` and `?3` the bounds of seq, `?4` a limit.
pub(crate) const EVENTS_BETWEEN: &str = "\
    select e.seq, e.kind, e.ordinal, e.created_at, e.client_id, e.thread, e.thread_ordinal, e.target, e.detail, \
           u.id as user_id, d.id as device_id, v.content, v.content_type, v.metadata \
    from events e \
    join users u on u.key = e.sender \
    left join devices d on d.key = e.device \
    left join versions v on v.id = e.version \
    where e.conversation = ?1 and e.seq between ?2 and ?3 \
    order by e.seq limit ?4";

/// Reads a row of [`EVENTS_BETWEEN`]. `Ok(None)`: a row of a kind or shape this version does not know; it is
/// skipped, so that one bad row cannot stop everybody's sync.
pub(crate) fn event(row: &Row<'_>, conversation_id: ConversationId) -> Result<Option<Event>> {
    let event_seq = seq(row.get("seq")?);
    let Some(body) = body(row, conversation_id, event_seq)? else {
        tracing::warn!(conversation.id = %conversation_id, seq = event_seq.0, "an event could not be read; skipped");
        return Ok(None);
    };
    Ok(Some(Event {
        conversation_id,
        seq: event_seq,
        ordinal: unsigned(row.get("ordinal")?),
        from: UserId(uuid(row.get_ref("user_id")?.as_blob().unwrap_or_default())),
        sender_device: blob(row, "device_id")?.map(DeviceId),
        client_id: blob(row, "client_id")?.map(ClientId),
        timestamp: Timestamp(row.get("created_at")?),
        body,
    }))
}

pub(crate) fn blob(row: &Row<'_>, column: &str) -> Result<Option<uuid::Uuid>> {
    Ok(row.get_ref(column)?.as_blob_or_null().unwrap_or_default().map(uuid))
}

fn body(row: &Row<'_>, conversation_id: ConversationId, event_seq: Seq) -> Result<Option<EventBody>> {
    let kind: i64 = row.get("kind")?;
    let detail = row.get_ref("detail")?.as_str_or_null().unwrap_or_default();
    match kind {
        0 => message(row, conversation_id, event_seq, detail),
        1 => edit(row, conversation_id, detail),
        // The whole body stands in `detail`.
        _ => Ok(detail.and_then(|detail| serde_json::from_str(detail).ok())),
    }
}

fn message(
    row: &Row<'_>,
    conversation_id: ConversationId,
    event_seq: Seq,
    detail: Option<&str>,
) -> Result<Option<EventBody>> {
    let Ok(detail) = detail.map(serde_json::from_str::<MessageDetail>).transpose() else { return Ok(None) };
    let MessageDetail { reply_to, mentions } = detail.unwrap_or_default();
    let text = Text::of(row)?;
    Ok(Some(EventBody::Message(MessageBody {
        message_id: MessageId::of(conversation_id, event_seq),
        deleted: text.deleted,
        content: text.content,
        content_type: text.content_type,
        metadata: text.metadata,
        reply_to,
        thread: row.get::<_, Option<i64>>("thread")?.map(seq),
        thread_ordinal: row.get::<_, Option<i64>>("thread_ordinal")?.map(unsigned),
        mentions: if text.deleted { Mentions::default() } else { mentions },
        version: BTreeMap::new(),
    })))
}

fn edit(row: &Row<'_>, conversation_id: ConversationId, detail: Option<&str>) -> Result<Option<EventBody>> {
    let Some(Ok(detail)) = detail.map(serde_json::from_str::<EditDetail>) else { return Ok(None) };
    let Some(message_seq) = row.get::<_, Option<i64>>("target")?.map(seq) else { return Ok(None) };
    let text = Text::of(row)?;
    Ok(Some(EventBody::Edit(EditBody {
        message_id: MessageId::of(conversation_id, message_seq),
        message_seq,
        thread: detail.thread,
        deleted: text.deleted,
        content: text.content,
        content_type: text.content_type,
        metadata: text.metadata,
        mentions: if text.deleted { Mentions::default() } else { detail.mentions },
        version: detail.version,
        edited_at: detail.edited_at,
        current: detail.current,
    })))
}

/// A row of `versions`: blank once the message is deleted.
pub(crate) struct Text {
    pub(crate) content: String,
    pub(crate) content_type: String,
    pub(crate) metadata: Option<Box<RawValue>>,
    pub(crate) deleted: bool,
}

impl Text {
    pub(crate) fn of(row: &Row<'_>) -> Result<Self> {
        let content: Option<String> = row.get("content")?;
        let content_type: Option<String> = row.get("content_type")?;
        let metadata: Option<String> = row.get("metadata")?;
        Ok(Self {
            deleted: content.is_none(),
            content: content.unwrap_or_default(),
            content_type: content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
            metadata: metadata.and_then(|json| RawValue::from_string(json).ok()),
        })
    }
}
