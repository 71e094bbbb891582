//! Id: the names of things on the wire. Every id is a newtype, so that no two can be swapped.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id: a version 7 UUID, so that ids made later sort later.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// A person or a bot.
    UserId
);
uuid_id!(
    /// One signed-in client of a user: browser, terminal, phone, bot token.
    DeviceId
);
uuid_id!(
    /// A direct, group or channel conversation.
    ConversationId
);
uuid_id!(
    /// A message. It keeps its id through edits and deletion.
    MessageId
);
uuid_id!(
    /// The id a device gives each request that changes something; a repeat gets the first answer.
    ClientId
);
uuid_id!(
    /// One live connection, as told in `hello`.
    SessionId
);
uuid_id!(
    /// An invitation, as listed by those who may manage it. The token in its link is a secret, not this.
    InviteId
);

impl MessageId {
    /// The id of the message at `seq` of a conversation: a version 5 UUID (RFC 9562) over the sequence number
    /// in the conversation's namespace. It is derived, so the log need not store it, and it never changes.
    pub fn of(conversation_id: ConversationId, seq: Seq) -> Self {
        Self(Uuid::new_v5(&conversation_id.0, &seq.0.to_be_bytes()))
    }
}

/// An event's place in its conversation's log: 1, 2, 3 … without gaps; 0 stands before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "number"))]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The place after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An opaque position of a device in everything its user may see. Only the server reads what is inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
#[serde(transparent)]
pub struct Cursor(pub String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a request names a conversation: by id, or a channel by its handle (`ops`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
#[serde(from = "String", into = "String")]
pub enum ConversationRef {
    Id(ConversationId),
    Handle(String),
}

impl From<String> for ConversationRef {
    fn from(text: String) -> Self {
        match text.parse() {
            Ok(id) => Self::Id(id),
            Err(_) => Self::Handle(text),
        }
    }
}

impl From<ConversationRef> for String {
    fn from(reference: ConversationRef) -> Self {
        match reference {
            ConversationRef::Id(id) => id.to_string(),
            ConversationRef::Handle(handle) => handle,
        }
    }
}

impl From<ConversationId> for ConversationRef {
    fn from(id: ConversationId) -> Self {
        Self::Id(id)
    }
}
