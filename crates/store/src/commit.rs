//! Commit: what one transaction of the writer put on disk, as its consumers get it.

use std::sync::Arc;

use stonechat_wire::{AccountEntry, Ack, ClientId, Event, Seq, UserId};

use crate::{Actor, ConversationKey, DeviceKey, Error, Origin, Position, UserKey};

/// A number the asker chose to recognise the answer by; the store only hands it back. 0: nobody waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Correlation(pub u64);

/// One transaction: entries in the order of their positions, then answers that brought no entry.
#[derive(Debug)]
pub struct Commit {
    pub origin: Origin,
    /// The last position given; unchanged where the commit brought no entries.
    pub last: Position,
    pub entries: Vec<Entry>,
    pub answers: Vec<Answer>,
}

/// A repeat's first ack, or why a request was not done.
#[derive(Debug)]
pub struct Answer {
    pub correlation: Correlation,
    pub client_id: Option<ClientId>,
    pub result: Result<Ack, Error>,
}

#[derive(Debug)]
pub enum Entry {
    Event(Box<EventEntry>),
    Account {
        position: Position,
        user: UserKey,
        entry: AccountEntry,
    },
    /// A read position moved; others of the conversation may be told.
    Receipt {
        conversation: ConversationKey,
        conversation_id: stonechat_wire::ConversationId,
        user: UserKey,
        user_id: UserId,
        read_seq: Seq,
        recipients: Recipients,
    },
    /// Close every connection of these devices.
    Revoked {
        devices: Vec<DeviceKey>,
    },
}

/// An event and where it goes.
#[derive(Debug)]
pub struct EventEntry {
    pub position: Position,
    pub conversation: ConversationKey,
    pub event: Event,
    pub recipients: Recipients,
    /// Takes effect before the event is offered.
    pub change: Option<MemberChange>,
    pub actor: Option<Actor>,
    pub correlation: Correlation,
    pub member_count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    Joined(UserKey),
    Left(UserKey),
}

/// Who is in the conversation at this event.
#[derive(Clone, Debug)]
pub enum Recipients {
    /// All of them, in conversations of up to [`FEW`] members.
    Few(Arc<[UserKey]>),
    /// Look them up: the conversation is larger.
    Many,
}

/// Conversations of up to this many members carry their recipients with each commit: a lookup would cost more.
pub const FEW: u64 = 64;
