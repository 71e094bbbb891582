//! Checker: holds a history against the promises. It has been seen failing: [`self_test`] plants every kind of fault.
//!
//! Invariants (RELIABILITY 1.2): I1 durable ack, I2 no ghost, I3 exactly once, I4 dense and the same for all, I5 order
//! fits time and device, I6 nothing is seen that is not committed, I7 nobody skips.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde::Serialize;
use stonechat_wire::ClientId;

use crate::history::{Attempt, ConversationNumber, DeviceNumber, Entry, History, Outcome};

mod planted;

pub use planted::self_test;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Invariant {
    DurableAck,
    NoGhost,
    ExactlyOnce,
    DenseOrder,
    OrderFitsTime,
    CommittedFirst,
    NoSkip,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    pub invariant: Invariant,
    pub text: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub operations: u64,
    pub acked: u64,
    pub unknown: u64,
    pub refused: u64,
    pub faults: u64,
    pub violations: Vec<Violation>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  operations  {:>12}", self.operations)?;
        writeln!(f, "  acked       {:>12}", self.acked)?;
        writeln!(f, "  unknown     {:>12}", self.unknown)?;
        writeln!(f, "  refused     {:>12}", self.refused)?;
        writeln!(f, "  faults      {:>12}", self.faults)?;
        writeln!(f, "  violations  {:>12}", self.violations.len())?;
        for violation in self.violations.iter().take(20) {
            writeln!(f, "    {:?}: {}", violation.invariant, violation.text)?;
        }
        Ok(())
    }
}

/// All attempts of one message.
struct Operation<'a> {
    first: &'a Attempt,
    invoked_us: u64,
    ack: Option<(u64, u64)>,
    may_stand: bool,
}

/// Checks a history, in O(n log n).
pub fn check(history: &History) -> Report {
    let mut report = Report { faults: history.faults, ..Report::default() };
    let operations = operations(history, &mut report);
    let places = log(history, &operations, &mut report);
    acks(&operations, &places, &mut report);
    observations(history, &places, &mut report);
    time(&operations, &mut report);
    device_order(&operations, &places, &mut report);
    whole(history, &mut report);
    report
}

impl Report {
    fn violation(&mut self, invariant: Invariant, text: String) {
        self.violations.push(Violation { invariant, text });
    }
}

type Operations<'a> = HashMap<(DeviceNumber, ClientId), Operation<'a>>;
/// Where each message stands.
type Places = HashMap<ClientId, (ConversationNumber, Entry)>;

fn operations<'a>(history: &'a History, report: &mut Report) -> Operations<'a> {
    let mut operations: Operations<'a> = HashMap::new();
    for attempt in &history.attempts {
        report.operations += 1;
        let operation = operations.entry((attempt.device, attempt.client_id)).or_insert(Operation {
            first: attempt,
            invoked_us: attempt.invoked_us,
            ack: None,
            may_stand: false,
        });
        operation.invoked_us = operation.invoked_us.min(attempt.invoked_us);
        match attempt.outcome {
            Outcome::Acked { seq, at_us } => {
                report.acked += 1;
                operation.may_stand = true;
                match operation.ack {
                    Some((first, _)) if first != seq => report.violation(
                        Invariant::ExactlyOnce,
                        format!("{} was acknowledged at {first} and at {seq}", attempt.client_id),
                    ),
                    Some((_, at)) => operation.ack = Some((seq, at.min(at_us))),
                    None => operation.ack = Some((seq, at_us)),
                }
            }
            Outcome::Unknown => {
                report.unknown += 1;
                operation.may_stand = true;
            }
            Outcome::Refused => report.refused += 1,
        }
    }
    operations
}

fn log(history: &History, operations: &Operations<'_>, report: &mut Report) -> Places {
    let mut places = Places::new();
    let known: HashMap<ClientId, &Operation<'_>> =
        operations.iter().map(|((_, id), operation)| (*id, operation)).collect();
    for (conversation, entries) in &history.log {
        for pair in entries.windows(2) {
            if pair[1].seq != pair[0].seq + 1 {
                report.violation(
                    Invariant::DenseOrder,
                    format!("conversation {conversation}: {} follows {}", pair[1].seq, pair[0].seq),
                );
            }
        }
        for entry in entries {
            if let Some((_, other)) = places.insert(entry.client_id, (*conversation, *entry)) {
                report.violation(
                    Invariant::ExactlyOnce,
                    format!("{} stands at {} and at {}", entry.client_id, other.seq, entry.seq),
                );
            }
            match known.get(&entry.client_id) {
                Some(operation) if operation.may_stand && operation.first.text_hash == entry.text_hash => {}
                _ => report.violation(
                    Invariant::NoGhost,
                    format!("conversation {conversation} at {}: nobody sent this", entry.seq),
                ),
            }
        }
    }
    places
}

fn acks(operations: &Operations<'_>, places: &Places, report: &mut Report) {
    for operation in operations.values() {
        let Some((seq, _)) = operation.ack else { continue };
        let stands = places.get(&operation.first.client_id);
        let holds = stands.is_some_and(|(conversation, entry)| {
            *conversation == operation.first.conversation
                && entry.seq == seq
                && entry.text_hash == operation.first.text_hash
        });
        if !holds {
            report.violation(
                Invariant::DurableAck,
                format!("{} was acknowledged at {seq} and is not there", operation.first.client_id),
            );
        }
    }
}

fn observations(history: &History, places: &Places, report: &mut Report) {
    for delivery in &history.deliveries {
        match places.get(&delivery.client_id) {
            None => report.violation(
                Invariant::CommittedFirst,
                format!(
                    "device {} saw {} at {}, which was never committed",
                    delivery.device, delivery.client_id, delivery.seq
                ),
            ),
            Some((conversation, entry)) => {
                let same = *conversation == delivery.conversation
                    && entry.seq == delivery.seq
                    && entry.text_hash == delivery.text_hash;
                if !same {
                    report.violation(
                        Invariant::DenseOrder,
                        format!(
                            "device {} saw {} at {}, the log has it at {}",
                            delivery.device, delivery.client_id, delivery.seq, entry.seq
                        ),
                    );
                }
            }
        }
    }
}

/// What was acknowledged before something else was sent stands before it.
fn time(operations: &Operations<'_>, report: &mut Report) {
    let mut by_conversation: BTreeMap<ConversationNumber, Vec<(u64, bool, u64)>> = BTreeMap::new();
    for operation in operations.values() {
        if let Some((seq, at_us)) = operation.ack {
            let events = by_conversation.entry(operation.first.conversation).or_default();
            events.push((operation.invoked_us, false, seq));
            events.push((at_us, true, seq));
        }
    }
    for (conversation, mut events) in by_conversation {
        // At one moment, what began there did not yet know what ended there.
        events.sort_unstable();
        let mut acked = 0;
        for (_, is_ack, seq) in events {
            if is_ack {
                acked = acked.max(seq);
            } else if seq <= acked {
                report.violation(
                    Invariant::OrderFitsTime,
                    format!("conversation {conversation}: {seq} was sent after {acked} was acknowledged"),
                );
            }
        }
    }
}

/// One device's messages stand in the order it sent them.
fn device_order(operations: &Operations<'_>, places: &Places, report: &mut Report) {
    let mut by_device: BTreeMap<(DeviceNumber, ConversationNumber), Vec<(u64, u64)>> = BTreeMap::new();
    for ((device, client_id), operation) in operations {
        if let Some((conversation, entry)) = places.get(client_id) {
            by_device.entry((*device, *conversation)).or_default().push((operation.invoked_us, entry.seq));
        }
    }
    for ((device, conversation), mut sent) in by_device {
        sent.sort_unstable();
        for pair in sent.windows(2) {
            if pair[1].1 < pair[0].1 && pair[1].0 != pair[0].0 {
                report.violation(
                    Invariant::OrderFitsTime,
                    format!("device {device} in {conversation}: {} was sent before {}", pair[0].1, pair[1].1),
                );
            }
        }
    }
}

/// Every observer holds everything from its first place to the head.
fn whole(history: &History, report: &mut Report) {
    let mut seen: HashMap<(DeviceNumber, ConversationNumber), HashSet<u64>> = HashMap::new();
    for delivery in &history.deliveries {
        seen.entry((delivery.device, delivery.conversation)).or_default().insert(delivery.seq);
    }
    for attempt in &history.attempts {
        if let Outcome::Acked { seq, .. } = attempt.outcome {
            seen.entry((attempt.device, attempt.conversation)).or_default().insert(seq);
        }
    }
    for observer in &history.observers {
        let seen = seen.get(&(observer.device, observer.conversation));
        let entries = history.log.get(&observer.conversation).map(Vec::as_slice).unwrap_or_default();
        let missing = entries.iter().filter(|entry| {
            entry.seq >= observer.from_seq && !seen.is_some_and(|seen| seen.contains(&entry.seq))
        });
        let missing: Vec<u64> = missing.map(|entry| entry.seq).collect();
        if let Some(first) = missing.first() {
            report.violation(
                Invariant::NoSkip,
                format!(
                    "device {} lacks {} of conversation {}, the first at {first}",
                    observer.device,
                    missing.len(),
                    observer.conversation
                ),
            );
        }
    }
}
