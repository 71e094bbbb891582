//! Event: what a chat tells those who listen.

use std::sync::Arc;
use std::time::Duration;

use stonechat_wire::{
    AccountEntry, Ack, BatchSummary, ClientId, Conversation, ConversationId, ErrorFrame, Event, GapReason,
    Hello, Membership, MessagesPage, Presence, PresenceCount, Seq, TypingAction, UserId,
};

use crate::error::Error;
use crate::outbox::Failure;

/// What a chat tells those who listen.
#[derive(Debug)]
pub enum ChatEvent {
    /// A live connection is up.
    Live(Box<Hello>),
    /// Live connections do not get through; long polls do.
    Polling,
    /// The connection is gone; the next try comes after this long.
    Offline {
        /// How long.
        retry_in: Duration,
    },
    /// Nothing newer is on the server.
    CaughtUp,
    /// An event of a conversation, once and in its place.
    Event(Arc<Event>),
    /// Nothing of these places is for this device.
    Gap {
        /// Where.
        conversation_id: ConversationId,
        /// The first place.
        from_seq: Seq,
        /// The last place.
        to_seq: Seq,
        /// Why.
        reason: GapReason,
    },
    /// Membership and reaction events of a large conversation, summed up.
    Batch {
        /// Where.
        conversation_id: ConversationId,
        /// The first place.
        from_seq: Seq,
        /// The last place.
        to_seq: Seq,
        /// What happened.
        summary: BatchSummary,
    },
    /// A row of the account state was replaced.
    Account(AccountEntry),
    /// A conversation was joined: start it anew.
    Joined(ConversationId, Membership),
    /// A conversation was left: remove it.
    Left(ConversationId),
    /// Forget what is shown; lists and windows follow.
    Reset,
    /// A page of the list after a reset.
    Listed {
        /// Newest activity first, going on from the page before.
        conversations: Vec<Conversation>,
        /// Whether this was the last page.
        complete: bool,
    },
    /// The newest messages of a conversation after a reset.
    Window(ConversationId, Box<MessagesPage>),
    /// Something this device did is on the server's disk.
    Acked(Ack),
    /// Something this device did failed; its text is kept.
    Failed(Failed),
    /// The server complained of something that is no request with an id.
    Complaint(ErrorFrame),
    /// Somebody read up to here.
    Receipt {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
        /// How far.
        read_seq: Seq,
    },
    /// Somebody types, or no longer.
    Typing {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        user_id: UserId,
        /// In which thread.
        thread: Option<Seq>,
        /// Started or stopped.
        action: TypingAction,
    },
    /// Presence of those asked for changed.
    Presence {
        /// Of people.
        presence: Vec<Presence>,
        /// Of large conversations.
        counts: Vec<PresenceCount>,
    },
    /// The chat does not come back by itself: signed out, replaced, outdated, or its store failed. After a
    /// sign-out `Chat::renew_token` brings it back.
    Stopped(Arc<Error>),
}

/// Something this device did failed; its text is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Which.
    pub client_id: ClientId,
    /// Why.
    pub failure: Failure,
}
