//! Checker: holds a history against the promises. It has been seen failing: [`self_test`] plants every kind of fault.
//!
//! Invariants: I1 durable ack, I2 no ghost, I3 exactly once, I4 dense and the same for all, I5 order fits time and
//! cause, I6 nothing is seen that is not committed, I7 nobody skips, I9 a removal holds.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde::Serialize;
use stonechat_wire::ClientId;

use crate::history::{Attempt, ConversationNumber, Delivery, DeviceNumber, Entry, History, Outcome};

mod order;
mod sight;
mod planted;

pub use planted::self_test;

/// What is promised: I1 to I7 in this order, and I9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Invariant {
    DurableAck,
    NoGhost,
    ExactlyOnce,
    DenseOrder,
    OrderFitsTime,
    CommittedFirst,
    NoSkip,
    RemovalHolds,
}

/// One broken promise.
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
    ack: Option<Ack>,
    /// Some attempt was not refused for certain.
    may_stand: bool,
}

#[derive(Clone, Copy)]
struct Ack {
    seq: u64,
    at_us: u64,
}

type Operations<'a> = HashMap<(DeviceNumber, ClientId), Operation<'a>>;

/// The final log, by message and by place.
#[derive(Default)]
struct Log {
    by_message: HashMap<ClientId, (ConversationNumber, Entry)>,
    by_place: HashMap<(ConversationNumber, u64), Entry>,
}

impl Log {
    /// Where an operation's message stands, in the conversation it was sent to.
    fn place(&self, operation: &Operation<'_>) -> Option<Entry> {
        let (conversation, entry) = self.by_message.get(&operation.first.client_id)?;
        (*conversation == operation.first.conversation).then_some(*entry)
    }
}

/// Checks a history, in O(n log n).
pub fn check(history: &History) -> Report {
    let mut report = Report { faults: history.faults, ..Report::default() };
    let operations = operations(history, &mut report);
    dense(history, &mut report);
    let log = log(history, &operations, &mut report);
    acks(&operations, &log, &mut report);
    observations(history, &log, &mut report);
    order::check(history, &operations, &log, &mut report);
    sight::check(history, &mut report);
    report
}

impl Report {
    fn violation(&mut self, invariant: Invariant, text: String) {
        self.violations.push(Violation { invariant, text });
    }
}

/// I3: all acks of one message agree.
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
                match &mut operation.ack {
                    Some(first) if first.seq != seq => report.violation(
                        Invariant::ExactlyOnce,
                        format!("{} was acknowledged at {} and at {seq}", attempt.client_id, first.seq),
                    ),
                    Some(first) => first.at_us = first.at_us.min(at_us),
                    None => operation.ack = Some(Ack { seq, at_us }),
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

/// I4: places follow each other without gaps; from 1 on where the whole log is known.
fn dense(history: &History, report: &mut Report) {
    let conversations: BTreeSet<_> = history.log.keys().chain(history.other_places.keys()).collect();
    for conversation in conversations {
        let messages = history.log.get(conversation).into_iter().flatten().map(|entry| entry.seq);
        let others = history.other_places.get(conversation);
        let before_first = others.map(|_| 0);
        let mut places: Vec<u64> = before_first.into_iter().chain(messages).collect();
        places.extend(others.into_iter().flatten());
        places.sort_unstable();
        for pair in places.windows(2) {
            if pair[1] - pair[0] != 1 {
                report.violation(
                    Invariant::DenseOrder,
                    format!("conversation {conversation}: {} follows {}", pair[1], pair[0]),
                );
            }
        }
    }
}

/// I2, I3: the log holds what was sent, once.
fn log(history: &History, operations: &Operations<'_>, report: &mut Report) -> Log {
    let mut log = Log::default();
    let known: HashMap<ClientId, &Operation<'_>> =
        operations.iter().map(|((_, id), operation)| (*id, operation)).collect();
    for (conversation, entries) in &history.log {
        for entry in entries {
            log.by_place.entry((*conversation, entry.seq)).or_insert(*entry);
            let (_, first) = log.by_message.entry(entry.client_id).or_insert((*conversation, *entry));
            if first != entry {
                report.violation(
                    Invariant::ExactlyOnce,
                    format!("{} stands at {} and at {}", entry.client_id, first.seq, entry.seq),
                );
            }
            let sent = known.get(&entry.client_id).is_some_and(|operation| {
                operation.may_stand
                    && operation.first.conversation == *conversation
                    && operation.first.text_hash == entry.text_hash
            });
            if !sent {
                report.violation(
                    Invariant::NoGhost,
                    format!("conversation {conversation} at {}: nobody sent this here", entry.seq),
                );
            }
        }
    }
    log
}

/// I1: what was acknowledged stands where the ack said.
fn acks(operations: &Operations<'_>, log: &Log, report: &mut Report) {
    for operation in operations.values() {
        let Some(ack) = operation.ack else { continue };
        let holds = log
            .place(operation)
            .is_some_and(|entry| entry.seq == ack.seq && entry.text_hash == operation.first.text_hash);
        if !holds {
            report.violation(
                Invariant::DurableAck,
                format!("{} was acknowledged at {} and is not there", operation.first.client_id, ack.seq),
            );
        }
    }
}

/// I4, I6: everybody saw at a place what the log holds there, and nothing that it does not hold at all.
fn observations(history: &History, log: &Log, report: &mut Report) {
    for delivery in &history.deliveries {
        let entry = log.by_place.get(&(delivery.conversation, delivery.seq));
        let same = entry.is_some_and(|entry| {
            entry.client_id == delivery.client_id && entry.text_hash == delivery.text_hash
        });
        if same {
            continue;
        }
        let Delivery { device, conversation, seq, client_id, .. } = delivery;
        match log.by_message.get(client_id) {
            None => report.violation(
                Invariant::CommittedFirst,
                format!("device {device} saw {client_id} at {seq}, which was never committed"),
            ),
            Some((in_log, entry)) => report.violation(
                Invariant::DenseOrder,
                format!(
                    "device {device} saw {client_id} at {seq} of conversation {conversation}, the log has it, \
                     maybe with another text, at {} of {in_log}",
                    entry.seq
                ),
            ),
        }
    }
}
