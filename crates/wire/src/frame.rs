//! Frame: one JSON text on a live connection, in either direction; the same shapes fill a sync page.
//!
//! Invariant: a frame that cannot be read never ends the connection by itself; it gets an `error`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{
    AccountEntry, ClientId, Code, ConversationId, ConversationRef, Cursor, DeviceId, Event, MarkUnread,
    MessageId, Presence, Read, Seq, SessionId, SetPresence, Timestamp, UserId, Version,
};

/// The WebSocket subprotocol spoken here.
pub const SUBPROTOCOL: &str = "stonechat.v1";
/// Deepest nesting of a client's JSON.
pub const MAX_JSON_DEPTH: usize = 32;
/// Largest frame a client may send.
pub const MAX_CLIENT_FRAME_BYTES: usize = 64 * 1024;
/// Largest message text.
pub const MAX_CONTENT_BYTES: usize = 16 * 1024;

/// Close codes of the socket.
pub mod close {
    pub const GOING_AWAY: u16 = 1012;
    pub const TOO_BIG: u16 = 1009;
    pub const INTERNAL: u16 = 1011;
    pub const PROTOCOL: u16 = 1002;
    pub const INVALID_DATA: u16 = 1007;
    pub const NORMAL: u16 = 1000;
    pub const UNAUTHENTICATED: u16 = 4001;
    pub const REFUSED: u16 = 4003;
    pub const OUTDATED: u16 = 4004;
    pub const HEARTBEAT_TIMEOUT: u16 = 4005;
    pub const SLOW_CONSUMER: u16 = 4008;
    pub const REPLACED: u16 = 4009;
    pub const RATE_LIMITED: u16 = 4029;
}

/// What a client says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    Connect(Connect),
    Message(SendMessage),
    Edit(EditMessage),
    Delete(DeleteMessage),
    React(React),
    Pin(PinMessage),
    Read(Read),
    MarkUnread(MarkUnread),
    /// This device holds everything up to the cursor.
    Received {
        cursor: Cursor,
    },
    Typing(Typing),
    Presence(SetPresence),
    Subscribe(Subscription),
    Unsubscribe(Subscription),
    Heartbeat {},
}

/// Always the first frame, within 10 s; sent again it renews the token.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Connect {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Where this device stands; without one it starts anew (`reset`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

/// Sends a message to a conversation, or `to` a person (which opens the direct conversation).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct SendMessage {
    /// May come as the `Idempotency-Key` header instead on REST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UserId>,
    pub content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub metadata: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
    /// The newest event the device had on screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_seq: Option<Seq>,
}

/// Gives a message another text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct EditMessage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_seq: Option<Seq>,
    pub content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub metadata: Option<Box<RawValue>>,
    /// The versions the editor saw.
    #[cfg_attr(feature = "typescript", ts(type = "Version"))]
    pub version: Version,
    /// The device's clock when the edit was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct DeleteMessage {
    pub client_id: ClientId,
    pub conversation_id: ConversationRef,
    pub message_seq: Seq,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct React {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_seq: Option<Seq>,
    pub emoji: String,
    pub action: crate::ReactionAction,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PinMessage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_seq: Option<Seq>,
    pub pinned: bool,
}

/// Somebody started or stopped typing. Never stored; expires 6 s after the last start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Typing {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
    pub action: TypingAction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum TypingAction {
    Start,
    Stop,
}

/// Whose presence and which conversations' typing a client wants. Durable events come without asking.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Subscription {
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub users: Vec<UserId>,
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub conversations: Vec<ConversationRef>,
}

/// What the server says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(untagged)]
pub enum ServerFrame {
    Control(Control),
    Event(Box<Event>),
}

/// Frames that are not events of a log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    Hello(Hello),
    Ack(Ack),
    Error(ErrorFrame),
    Account(AccountEntry),
    /// Nothing between these places is for this device; fills the sequence.
    Gap {
        conversation_id: ConversationId,
        from_seq: Seq,
        to_seq: Seq,
        reason: GapReason,
    },
    /// Membership and reaction events of a large conversation, summed up.
    Batch {
        conversation_id: ConversationId,
        from_seq: Seq,
        to_seq: Seq,
        summary: BatchSummary,
    },
    /// The device may store this once it has stored all before it. `has_more: false`: caught up.
    Cursor {
        cursor: Cursor,
        has_more: bool,
    },
    /// Forget what is stored and read lists and windows anew; the stream goes on from the cursor.
    Reset {
        cursor: Cursor,
    },
    /// How far somebody has read.
    Receipt {
        conversation_id: ConversationId,
        user_id: UserId,
        read_seq: Seq,
    },
    Typing {
        conversation_id: ConversationId,
        user_id: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        thread: Option<Seq>,
        action: TypingAction,
    },
    /// Changes of the last 5 s among those subscribed to.
    Presence {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
        presence: Vec<Presence>,
        /// Conversations of more than 200 members: only how many are online.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "typescript", ts(as = "Option<_>", optional))]
        counts: Vec<PresenceCount>,
    },
    Heartbeat {},
    GoingAway {
        retry_after_ms: u64,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Hello {
    pub session_id: SessionId,
    pub user_id: UserId,
    pub device_id: DeviceId,
    /// A client answers each `heartbeat`; it may give up on the connection after this and 10 s of silence.
    pub heartbeat_interval_ms: u64,
    pub server_time: Timestamp,
    pub server_version: String,
    /// Present when acknowledged messages may be lost with the power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<String>,
    pub max_content_bytes: u64,
}

/// The event is on disk at this place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Ack {
    pub client_id: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    pub conversation_id: ConversationId,
    pub seq: Seq,
    pub timestamp: Timestamp,
    /// `relaxed` where the operator gave up durability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<String>,
    /// Whether this answers a repeat.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub repeated: bool,
}

/// A request was refused or failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ErrorFrame {
    pub code: Code,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub params: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The request this answers, when it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Not for this user.
    Hidden,
    /// No longer kept.
    Pruned,
    /// Older than the window asked for.
    Skipped,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct BatchSummary {
    pub joined: u64,
    pub left: u64,
    pub reactions: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PresenceCount {
    pub conversation_id: ConversationId,
    pub online: u64,
}

/// Why a client's frame was not understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("nested deeper than {MAX_JSON_DEPTH}")]
    TooDeep,
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("unknown type")]
    UnknownType,
}

impl ClientFrame {
    /// Reads a client's frame.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is not JSON, nests too deep, has an unknown `type` or lacks a field.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        if deeper_than(text.as_bytes(), MAX_JSON_DEPTH) {
            return Err(DecodeError::TooDeep);
        }
        // Two passes over the text cost less than serde's buffering of a tagged enum, and keep raw `metadata`.
        let Tag { kind } = serde_json::from_str(text)?;
        Ok(match kind.as_ref() {
            "message" => Self::Message(serde_json::from_str(text)?),
            "read" => Self::Read(serde_json::from_str(text)?),
            "heartbeat" => Self::Heartbeat {},
            "received" => {
                let Received { cursor } = serde_json::from_str(text)?;
                Self::Received { cursor }
            }
            "typing" => Self::Typing(serde_json::from_str(text)?),
            "connect" => Self::Connect(serde_json::from_str(text)?),
            "edit" => Self::Edit(serde_json::from_str(text)?),
            "delete" => Self::Delete(serde_json::from_str(text)?),
            "react" => Self::React(serde_json::from_str(text)?),
            "pin" => Self::Pin(serde_json::from_str(text)?),
            "mark_unread" => Self::MarkUnread(serde_json::from_str(text)?),
            "presence" => Self::Presence(serde_json::from_str(text)?),
            "subscribe" => Self::Subscribe(serde_json::from_str(text)?),
            "unsubscribe" => Self::Unsubscribe(serde_json::from_str(text)?),
            _ => return Err(DecodeError::UnknownType),
        })
    }

    /// The `client_id` of a text that could not be read as a frame, so that the error can name it.
    pub fn client_id_of(text: &str) -> Option<ClientId> {
        #[derive(Deserialize)]
        struct Named {
            client_id: ClientId,
        }
        if deeper_than(text.as_bytes(), MAX_JSON_DEPTH) {
            return None;
        }
        serde_json::from_str::<Named>(text).ok().map(|named| named.client_id)
    }
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct Received {
    cursor: Cursor,
}

/// Whether brackets outside strings nest deeper than `limit`.
pub fn deeper_than(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

impl From<Control> for ServerFrame {
    fn from(control: Control) -> Self {
        Self::Control(control)
    }
}

impl From<Event> for ServerFrame {
    fn from(event: Event) -> Self {
        Self::Event(Box::new(event))
    }
}
