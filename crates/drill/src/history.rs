//! History: what load clients did and saw, and what the log holds in the end. All times are one machine's monotonic
//! microseconds.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use stonechat_wire::ClientId;

/// A conversation's number in a run.
pub type ConversationNumber = u32;
/// A device's number in a run.
pub type DeviceNumber = u32;

/// One attempt to send. A resend is an attempt of its own, with the same client id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub device: DeviceNumber,
    pub conversation: ConversationNumber,
    pub client_id: ClientId,
    pub text_hash: u64,
    pub invoked_us: u64,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Acked {
        seq: u64,
        at_us: u64,
    },
    Refused,
    /// The connection ended before an answer.
    Unknown,
}

/// A message as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub device: DeviceNumber,
    pub conversation: ConversationNumber,
    pub seq: u64,
    pub client_id: ClientId,
    pub text_hash: u64,
    pub at_us: u64,
}

/// A message as the log holds it in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub seq: u64,
    pub client_id: ClientId,
    pub text_hash: u64,
}

/// Who must hold a conversation whole at the end, from which place on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observer {
    pub device: DeviceNumber,
    pub conversation: ConversationNumber,
    pub from_seq: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    pub attempts: Vec<Attempt>,
    pub deliveries: Vec<Delivery>,
    pub observers: Vec<Observer>,
    /// Every message, in the order of its place.
    pub log: BTreeMap<ConversationNumber, Vec<Entry>>,
    pub faults: u64,
}

/// Identifies a text within a run.
pub fn text_hash(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
