//! Message: a message as it stands now, for history and lists (an event says what happened; this, what is).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    ClientId, ConversationId, DeviceId, Event, Mentions, MessageId, Seq, Timestamp, UserId, Version,
};

/// A message with its current text and all that hangs on it, as one viewer sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Message {
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub seq: Seq,
    pub ordinal: u64,
    pub from: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_device: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    pub content: String,
    pub content_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub metadata: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
    #[serde(default, skip_serializing_if = "Mentions::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub mentions: Mentions,
    #[cfg_attr(feature = "typescript", ts(type = "Version"))]
    pub version: Version,
    pub timestamp: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub deleted: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub pinned: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub reactions: Vec<ReactionCount>,
    /// On a thread's root: what hangs under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_summary: Option<ThreadSummary>,
    /// Until when the viewer may edit it; absent where they may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can_edit_until: Option<Timestamp>,
    pub can_delete: bool,
}

/// One emoji under a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ReactionCount {
    pub emoji: String,
    pub count: u64,
    /// Whether the viewer is among them.
    pub me: bool,
}

/// A thread in short, as it stands on its root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ThreadSummary {
    pub root_seq: Seq,
    /// Replies that are not deleted.
    pub count: u64,
    pub last_seq: Seq,
    pub last_timestamp: Timestamp,
    pub followed: bool,
    /// Replies the viewer has not read; 0 unless followed.
    pub unread: u64,
    pub read_generation: u64,
    pub read_seq: Seq,
}

/// A row of a timeline: a message, or what else happened in the conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "row", rename_all = "snake_case")]
pub enum TimelineRow {
    Message(Box<Message>),
    Event(Box<Event>),
}

impl TimelineRow {
    /// Where the row stands.
    pub fn seq(&self) -> Seq {
        match self {
            Self::Message(message) => message.seq,
            Self::Event(event) => event.seq,
        }
    }
}

/// Answer of `GET /conversations/{id}/messages`: rows in order of `seq`, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MessagesPage {
    pub messages: Vec<TimelineRow>,
    pub has_more_before: bool,
    pub has_more_after: bool,
    /// Events up to here are already in the rows.
    pub as_of_seq: Seq,
}

/// One text a message had; answer of `GET /conversations/{id}/messages/{seq}/history`, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MessageVersion {
    pub seq: Seq,
    pub content: String,
    pub content_type: String,
    #[cfg_attr(feature = "typescript", ts(type = "Version"))]
    pub version: Version,
    #[cfg_attr(feature = "typescript", ts(optional = false))]
    pub by_device: Option<DeviceId>,
    pub edited_at: Timestamp,
    /// Whether it is the message's text now.
    pub current: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MessageHistory {
    pub versions: Vec<MessageVersion>,
}

/// Answer of `GET /conversations/{id}/messages/{seq}/reactions`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ReactionList {
    pub reactions: Vec<Reaction>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Reaction {
    pub emoji: String,
    pub user_id: UserId,
}

/// Answer of `GET /conversations/{id}/messages/{seq}/read-by`: members whose read position reached it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ReadBy {
    pub user_ids: Vec<UserId>,
    pub total: u64,
}

/// Answer of `GET /conversations/{id}/threads`, newest activity first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ThreadsPage {
    pub threads: Vec<ThreadRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ThreadRow {
    pub root: Message,
}

/// Answer of `GET /conversations/{id}/pins`, newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PinsPage {
    pub messages: Vec<Message>,
}
