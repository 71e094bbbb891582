//! History: what load clients did and saw, and what the log holds in the end. All times are one machine's monotonic
//! microseconds.
//!
//! Written as one JSON object a line, so that several processes can record one run and another can judge it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};
use stonechat_wire::{ClientId, ConversationId, Event, EventBody};
use uuid::Uuid;

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

/// How an attempt ended, as far as its sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Acked {
        seq: u64,
        at_us: u64,
    },
    /// For certain: it may not stand in the log by this attempt.
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

/// What a device's cursor stood for at a moment: it holds every message of a conversation that it may see, from
/// `from_seq` to `to_seq`, both counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub device: DeviceNumber,
    pub conversation: ConversationNumber,
    pub from_seq: u64,
    pub to_seq: u64,
    pub at_us: u64,
}

/// Places of a conversation that a device may see, both ends counted: its user's membership from the join to the
/// removal, open while it lasts. Without any in a conversation a device may see all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    pub device: DeviceNumber,
    pub conversation: ConversationNumber,
    pub from_seq: u64,
    pub to_seq: Option<u64>,
}

/// All that is known of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub attempts: Vec<Attempt>,
    pub deliveries: Vec<Delivery>,
    pub observers: Vec<Observer>,
    pub claims: Vec<Claim>,
    pub intervals: Vec<Interval>,
    /// Every message, in the order of its place.
    pub log: BTreeMap<ConversationNumber, Vec<Entry>>,
    /// Places of events that are no messages (created, joined, renamed …). A conversation that stands here was read
    /// back whole and must begin at 1; of others the places of messages are all that is known.
    pub other_places: BTreeMap<ConversationNumber, Vec<u64>>,
    pub faults: u64,
}

/// One line of a written history.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Attempt(Attempt),
    Delivery(Delivery),
    Observer(Observer),
    Claim(Claim),
    Interval(Interval),
    Entry(ConversationNumber, Entry),
    OtherPlaces(ConversationNumber, Vec<u64>),
    Faults(u64),
}

impl History {
    /// Takes the final log from events, as any door gives them: live, sync, pages or an export. Each event once, in any
    /// order, over one or more calls; a conversation from its first event on. Those without a number are passed over.
    ///
    /// A message without a client id was sent by no client and enters with the nil id, to be told as a ghost. The load
    /// must delete nothing: a deleted message shows no text to compare.
    pub fn take_events<'a>(
        &mut self,
        number: impl Fn(ConversationId) -> Option<ConversationNumber>,
        events: impl IntoIterator<Item = &'a Event>,
    ) {
        for event in events {
            let Some(conversation) = number(event.conversation_id) else { continue };
            let other_places = self.other_places.entry(conversation).or_default();
            match text(&event.body) {
                Some(text) => self.log.entry(conversation).or_default().push(Entry {
                    seq: event.seq.0,
                    client_id: event.client_id.unwrap_or(ClientId(Uuid::nil())),
                    text_hash: text_hash(text.as_bytes()),
                }),
                None => other_places.push(event.seq.0),
            }
        }
        self.log.values_mut().for_each(|entries| entries.sort_by_key(|entry| entry.seq));
    }

    /// Writes all of it as lines.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let log = self
            .log
            .iter()
            .flat_map(|(number, entries)| entries.iter().map(|entry| Line::Entry(*number, *entry)));
        let lines = self.attempts.iter().cloned().map(Line::Attempt);
        let lines = lines.chain(self.deliveries.iter().cloned().map(Line::Delivery));
        let lines = lines.chain(self.observers.iter().copied().map(Line::Observer));
        let lines = lines.chain(self.claims.iter().copied().map(Line::Claim));
        let lines = lines.chain(self.intervals.iter().copied().map(Line::Interval)).chain(log);
        let other_places = self.other_places.iter();
        let lines =
            lines.chain(other_places.map(|(number, places)| Line::OtherPlaces(*number, places.clone())));
        for line in lines.chain([Line::Faults(self.faults)]) {
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Adds what another process wrote of the same run.
    ///
    /// # Errors
    /// When it cannot be read; `InvalidData`, naming the line, when it is no history.
    pub fn read(&mut self, input: impl BufRead) -> std::io::Result<()> {
        for (number, line) in (1..).zip(input.lines()) {
            let line = serde_json::from_str(&line?).map_err(|error| {
                std::io::Error::new(std::io::ErrorKind::InvalidData, format!("line {number}: {error}"))
            })?;
            match line {
                Line::Attempt(attempt) => self.attempts.push(attempt),
                Line::Delivery(delivery) => self.deliveries.push(delivery),
                Line::Observer(observer) => self.observers.push(observer),
                Line::Claim(claim) => self.claims.push(claim),
                Line::Interval(interval) => self.intervals.push(interval),
                Line::Entry(conversation, entry) => self.log.entry(conversation).or_default().push(entry),
                Line::OtherPlaces(conversation, places) => {
                    self.other_places.entry(conversation).or_default().extend(places);
                }
                Line::Faults(faults) => self.faults += faults,
            }
        }
        Ok(())
    }
}

/// The text of a message; no other event has one of its own.
fn text(body: &EventBody) -> Option<&str> {
    match body {
        EventBody::Message(message) => Some(&message.content),
        EventBody::Edit(_)
        | EventBody::Delete { .. }
        | EventBody::Reaction { .. }
        | EventBody::Pin { .. }
        | EventBody::Created { .. }
        | EventBody::MemberJoined { .. }
        | EventBody::MemberLeft { .. }
        | EventBody::RoleChanged { .. }
        | EventBody::Renamed { .. }
        | EventBody::TopicChanged { .. }
        | EventBody::PostingChanged { .. }
        | EventBody::Archived { .. } => None,
    }
}

/// Identifies a text within a run.
pub fn text_hash(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(device: DeviceNumber) -> History {
        let (client_id, text_hash) = (ClientId::new(), u64::MAX);
        let attempt =
            |outcome| Attempt { device, conversation: 1, client_id, text_hash, invoked_us: 5, outcome };
        History {
            attempts: [Outcome::Unknown, Outcome::Refused, Outcome::Acked { seq: 2, at_us: 9 }]
                .map(attempt)
                .into(),
            deliveries: vec![Delivery { device, conversation: 1, seq: 2, client_id, text_hash, at_us: 8 }],
            observers: vec![Observer { device, conversation: 1, from_seq: 2 }],
            claims: vec![Claim { device, conversation: 1, from_seq: 1, to_seq: 2, at_us: 8 }],
            intervals: vec![Interval { device, conversation: 1, from_seq: 1, to_seq: None }],
            other_places: [(device, vec![1])].into(),
            log: [(device, vec![Entry { seq: 2, client_id, text_hash }])].into(),
            faults: 3,
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_two_parts_are_one_run() {
        let (one, two) = (sample(1), sample(2));
        let mut read = History::default();
        for part in [&one, &two] {
            let mut lines = Vec::new();
            part.write(&mut lines).unwrap();
            read.read(lines.as_slice()).unwrap();
        }
        assert_eq!(read.attempts, [one.attempts, two.attempts].concat());
        assert_eq!(read.deliveries, [one.deliveries, two.deliveries].concat());
        assert_eq!(read.observers, [one.observers, two.observers].concat());
        assert_eq!(read.claims, [one.claims, two.claims].concat());
        assert_eq!(read.intervals, [one.intervals, two.intervals].concat());
        assert_eq!(read.other_places, [(1, vec![1]), (2, vec![1])].into());
        assert_eq!((read.log[&1].len(), read.log[&2].len(), read.faults), (1, 1, 6));
    }

    #[test]
    fn a_torn_line_is_told_by_its_number() {
        let mut lines = Vec::new();
        sample(1).write(&mut lines).unwrap();
        lines.truncate(lines.len() - 4);
        let error = History::default().read(lines.as_slice()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        assert!(error.to_string().starts_with("line 10"), "{error}");
    }

    #[test]
    fn i4_events_become_the_final_log_and_other_events_keep_their_places() {
        let (conversation_id, client_id) = (ConversationId::new(), ClientId::new());
        let head = |seq: u64| {
            format!(
                r#"{{"conversation_id":"{conversation_id}","seq":{seq},"ordinal":1,"from":"{}",
                    "timestamp":"2026-03-01T09:30:00.125Z","#,
                Uuid::nil()
            )
        };
        let message = |id: &str| {
            format!(
                r#"{id}"type":"message","message_id":"{}","content":"hello","content_type":"text/markdown",
                    "version":{{}}}}"#,
                Uuid::nil()
            )
        };
        let texts = [
            head(3) + &message(""),
            head(2) + &message(&format!(r#""client_id":"{client_id}","#)),
            head(1) + r#""type":"created","kind":"group"}"#,
        ];
        let events = texts.map(|text| serde_json::from_str::<Event>(&text).unwrap());
        let mut history = History::default();
        history.take_events(|id| (id == conversation_id).then_some(7), &events);
        history.take_events(|_| None, &events);
        let entry = |seq, client_id| Entry { seq, client_id, text_hash: text_hash(b"hello") };
        assert_eq!(history.log, [(7, vec![entry(2, client_id), entry(3, ClientId(Uuid::nil()))])].into());
        assert_eq!(history.other_places, [(7, vec![1])].into());
    }
}
