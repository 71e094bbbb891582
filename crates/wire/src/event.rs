//! Event: one entry of a conversation's log, as every door shows it (socket, SSE, long-poll, sync).
//!
//! Invariant: an event never changes, but that a deletion blanks the text it would show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{ClientId, ConversationId, DeviceId, MessageId, Role, Seq, Timestamp, UserId};

/// Which edits of a message a text has seen: per device, how many of that device's edits.
/// The first text of a message has the empty vector.
pub type Version = BTreeMap<DeviceId, u64>;

/// One entry of a conversation's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Event {
    pub conversation_id: ConversationId,
    pub seq: Seq,
    /// How many main-timeline messages the log holds up to here.
    pub ordinal: u64,
    /// Who did it.
    pub from: UserId,
    /// With which device; absent where the server or an import did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_device: Option<DeviceId>,
    /// The id the sender's device gave the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    pub timestamp: Timestamp,
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened. The wire's `type` is the variant's name in snake case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// Somebody wrote. `content` is the first text; edits follow as events of their own.
    Message(MessageBody),
    /// A message got another text.
    Edit(EditBody),
    /// A message was deleted: every text of it is blank from here on, everywhere.
    Delete {
        message_id: MessageId,
        message_seq: Seq,
    },
    /// A reaction was added or taken back.
    Reaction {
        message_id: MessageId,
        message_seq: Seq,
        emoji: String,
        action: ReactionAction,
    },
    /// A message was pinned or unpinned.
    Pin {
        message_id: MessageId,
        message_seq: Seq,
        pinned: bool,
    },
    /// The conversation began; its first event.
    Created {
        kind: crate::ConversationKind,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        name: Option<String>,
    },
    MemberJoined {
        user_id: UserId,
        role: Role,
    },
    /// `from` differs from `user_id` when somebody was removed.
    MemberLeft {
        user_id: UserId,
    },
    RoleChanged {
        user_id: UserId,
        role: Role,
    },
    Renamed {
        name: String,
    },
    TopicChanged {
        topic: String,
    },
    PostingChanged {
        posting: crate::Posting,
    },
    Archived {
        archived: bool,
    },
}

/// The content of a `message` event.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MessageBody {
    pub message_id: MessageId,
    /// Markdown source as written, or what `content_type` says; empty once deleted.
    pub content: String,
    /// `text/markdown` unless the sender said otherwise.
    pub content_type: String,
    /// The sender's own JSON object, kept as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub metadata: Option<Box<RawValue>>,
    /// The message this one quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The root of the thread this message stands in; absent in the main timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
    /// How many messages the thread holds up to here; with `thread`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_ordinal: Option<u64>,
    #[serde(default, skip_serializing_if = "Mentions::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub mentions: Mentions,
    #[cfg_attr(feature = "typescript", ts(type = "Version"))]
    pub version: Version,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub deleted: bool,
}

/// The content of an `edit` event.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct EditBody {
    pub message_id: MessageId,
    pub message_seq: Seq,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
    /// The text of this edit; empty once the message is deleted.
    pub content: String,
    pub content_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub metadata: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Mentions::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub mentions: Mentions,
    #[cfg_attr(feature = "typescript", ts(type = "Version"))]
    pub version: Version,
    /// The time the edit counts with when it met another one: the device's clock, clamped by the server.
    pub edited_at: Timestamp,
    /// Whether this text became the message's text. A concurrent edit that lost is kept in the history only.
    pub current: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub deleted: bool,
}

/// Who is mentioned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Mentions {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub users: Vec<UserId>,
    /// `@all`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub all: bool,
}

impl Mentions {
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && !self.all
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ReactionAction {
    Add,
    Remove,
}
