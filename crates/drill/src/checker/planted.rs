//! Planted: a correct history made at random, then one fault after another, each of which must be told as what it is
//! and as nothing else.

use std::collections::{BTreeSet, HashMap};

use rand::rngs::SmallRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use stonechat_wire::ClientId;
use uuid::Uuid;

use super::{Invariant, check};
use crate::history::{Attempt, Claim, Delivery, Entry, History, Interval, Observer, Outcome};

/// A fault, how it must be told, and the change that makes it; `None` when the history has no place for it.
type Fault = (&'static str, Invariant, fn(&mut History, &mut SmallRng) -> Option<()>);

const FAULTS: &[Fault] = &[
    ("an acknowledged message is lost", Invariant::DurableAck, |history, _| {
        // The last one leaves no hole, and nobody saw it.
        let lost = history.log.get_mut(&0)?.pop()?;
        history.deliveries.retain(|delivery| delivery.client_id != lost.client_id);
        Some(())
    }),
    (
        "an acknowledged message stands elsewhere than its ack said",
        Invariant::DurableAck,
        |history, random| {
            let id = attempts(history, is_acked).choose(random)?.client_id;
            for attempt in history.attempts.iter_mut().filter(|attempt| attempt.client_id == id) {
                if let Outcome::Acked { seq, .. } = &mut attempt.outcome {
                    *seq += 1;
                }
            }
            Some(())
        },
    ),
    ("the log holds what nobody sent", Invariant::NoGhost, |history, random| {
        let ghost = Entry { seq: next(history), client_id: id(random), text_hash: 1 };
        history.log.get_mut(&0)?.push(ghost);
        see(history, 0, ghost);
        Some(())
    }),
    ("the log holds what was refused", Invariant::NoGhost, |history, random| {
        let id = attempts(history, is_acked).choose(random)?.client_id;
        for attempt in history.attempts.iter_mut().filter(|attempt| attempt.client_id == id) {
            attempt.outcome = Outcome::Refused;
        }
        Some(())
    }),
    ("the log holds another text than was sent", Invariant::NoGhost, |history, random| {
        let id = unanswered(history).choose(random)?;
        let entries = history.log.values_mut().flatten();
        entries.filter(|entry| entry.client_id == id).for_each(|entry| entry.text_hash ^= 1);
        let deliveries = history.deliveries.iter_mut();
        deliveries.filter(|delivery| delivery.client_id == id).for_each(|delivery| delivery.text_hash ^= 1);
        Some(())
    }),
    ("a message stands in a conversation it was not sent to", Invariant::NoGhost, |history, random| {
        let id = unanswered(history).choose(random)?;
        for attempt in history.attempts.iter_mut().filter(|attempt| attempt.client_id == id) {
            attempt.conversation += 1;
        }
        Some(())
    }),
    ("a message stands twice", Invariant::ExactlyOnce, |history, random| {
        let seq = next(history);
        let again = Entry { seq, ..*history.log.get(&0)?.iter().choose(random)? };
        history.log.get_mut(&0)?.push(again);
        see(history, 0, again);
        Some(())
    }),
    ("a repeat got another ack", Invariant::ExactlyOnce, |history, random| {
        let mut repeat = attempts(history, is_acked).choose(random)?.clone();
        if let Outcome::Acked { seq, .. } = &mut repeat.outcome {
            *seq += 1;
        }
        history.attempts.push(repeat);
        Some(())
    }),
    ("the log has a hole", Invariant::DenseOrder, |history, random| {
        let mut after = history.log.get(&0)?.clone();
        let from = random.random_range(1..after.len());
        for entry in after.split_off(from) {
            place(history, entry.client_id, entry.seq + 1);
        }
        Some(())
    }),
    ("two messages stand at one place", Invariant::DenseOrder, |history, random| {
        let entries = history.log.get(&0)?;
        let at = random.random_range(1..entries.len());
        let (first, second) = (entries[at - 1], entries[at]);
        place(history, second.client_id, first.seq);
        Some(())
    }),
    ("an observer saw another text", Invariant::DenseOrder, |history, random| {
        history.deliveries.iter_mut().choose(random)?.text_hash ^= 1;
        Some(())
    }),
    ("an observer saw a message at another place", Invariant::DenseOrder, |history, random| {
        let seen = history.deliveries.iter().filter(|delivery| delivery.device != GUEST).choose(random)?;
        let elsewhere = Delivery { seq: seen.seq + 1, ..seen.clone() };
        history.deliveries.push(elsewhere);
        Some(())
    }),
    (
        "what was sent last stands before what was acknowledged",
        Invariant::OrderFitsTime,
        |history, random| {
            let late = history.attempts.iter().map(|attempt| attempt.invoked_us).max()? + 1_000;
            let (head, once) = (next(history) - 1, sent_once(history));
            let attempts = history.attempts.iter_mut().filter(|attempt| once.contains(&attempt.client_id));
            let below_head = attempts
                .filter(|attempt| matches!(attempt.outcome, Outcome::Acked { seq, .. } if seq < head));
            let attempt = below_head.choose(random)?;
            attempt.invoked_us = late;
            if let Outcome::Acked { at_us, .. } = &mut attempt.outcome {
                *at_us = late + 1;
            }
            Some(())
        },
    ),
    ("a device's messages changed places", Invariant::OrderFitsTime, |history, _| {
        // Nobody hears any answer: only the order of sending is left to judge by.
        history.attempts.iter_mut().for_each(|attempt| attempt.outcome = Outcome::Unknown);
        history.deliveries.iter_mut().for_each(|delivery| delivery.at_us = u64::MAX);
        history.claims.clear();
        let once = sent_once(history);
        let attempts = history.attempts.iter_mut().filter(|attempt| once.contains(&attempt.client_id));
        let mut own = attempts.filter(|attempt| attempt.device == 0);
        let (first, second) = (own.next()?, own.next()?);
        std::mem::swap(&mut first.invoked_us, &mut second.invoked_us);
        Some(())
    }),
    ("a device answered before what it had seen", Invariant::OrderFitsTime, |history, _| {
        let once = sent_once(history);
        let own = |attempt: &&Attempt| attempt.device == 0 && once.contains(&attempt.client_id);
        let sent = history.attempts.iter().find(own)?.client_id;
        let place = history.log.get(&0)?.iter().find(|entry| entry.client_id == sent)?.seq;
        let mut seen = history.deliveries.iter_mut();
        seen.find(|seen| seen.device == 0 && seen.conversation == 0 && seen.seq > place)?.at_us = 0;
        Some(())
    }),
    ("something was delivered and never committed", Invariant::CommittedFirst, |history, random| {
        let ghost = Delivery { client_id: id(random), ..history.deliveries.iter().choose(random)?.clone() };
        history.deliveries.push(ghost);
        Some(())
    }),
    ("an observer was never given a message", Invariant::NoSkip, |history, random| {
        let given = history.deliveries.iter().enumerate().filter(|(_, delivery)| delivery.device == READER);
        let (at, _) = given.choose(random)?;
        history.deliveries.remove(at);
        Some(())
    }),
    ("a cursor ran ahead of what its device held", Invariant::NoSkip, |history, random| {
        let given = history.deliveries.iter().filter(|delivery| delivery.device == READER);
        let late = given.choose(random)?;
        history.claims.push(Claim {
            device: READER,
            conversation: late.conversation,
            from_seq: FIRST_SEQ,
            to_seq: late.seq,
            at_us: late.at_us - 1,
        });
        Some(())
    }),
    ("a removed member was given what came later", Invariant::RemovalHolds, |history, random| {
        let later = history
            .deliveries
            .iter()
            .filter(|delivery| delivery.conversation == GUEST_IN && delivery.seq > GUEST_STAYS.1);
        let leaked = Delivery { device: GUEST, ..later.choose(random)?.clone() };
        history.deliveries.push(leaked);
        Some(())
    }),
    ("the log lost its beginning", Invariant::DenseOrder, |history, _| {
        history.other_places.get_mut(&0)?.clear();
        Some(())
    }),
];

/// Devices that send, by number from 0.
const SENDERS: u32 = 4;
/// A device that only reads, and holds everything by deliveries alone.
const READER: u32 = 9;
const CONVERSATIONS: u32 = 3;
/// A reader who joined late and was removed; not in conversation 0, where faults move places.
const GUEST: u32 = 10;
const GUEST_IN: u32 = 2;
const GUEST_STAYS: (u64, u64) = (10, 30);
/// The first messages of a conversation stand behind the event that began it.
const FIRST_SEQ: u64 = 2;
const LAST_SEQ: u64 = 60;
/// Between two commits of a conversation; answers and deliveries take several times as long, so that much overlaps.
const COMMIT_EVERY_US: u64 = 10;
const LONGEST_WAY_US: u64 = 40;

/// What a correct server could have done, with overlapping sends, unknown outcomes, refusals and repeats among it.
fn correct(random: &mut SmallRng) -> History {
    let mut history = History::default();
    for conversation in 0..CONVERSATIONS {
        let mut last_invoked: HashMap<u32, u64> = HashMap::new();
        for seq in FIRST_SEQ..=LAST_SEQ {
            let committed_us = 1_000 + seq * COMMIT_EVERY_US;
            let device = random.random_range(0..SENDERS);
            let entry = Entry { seq, client_id: id(random), text_hash: random.random() };
            // Sent before it was committed, and after what the device sent before.
            let earliest = last_invoked.get(&device).map_or(0, |before| before + 1);
            let invoked_us = (committed_us - random.random_range(1..=LONGEST_WAY_US)).max(earliest);
            last_invoked.insert(device, invoked_us);
            let at_us = committed_us + random.random_range(1..=LONGEST_WAY_US);
            let attempt = |invoked_us, outcome| Attempt {
                device,
                conversation,
                client_id: entry.client_id,
                text_hash: entry.text_hash,
                invoked_us,
                outcome,
            };
            let acked = Outcome::Acked { seq, at_us };
            // The last one is acknowledged, so that there is something to lose without a hole.
            let outcomes = match random.random_range(0..10) {
                0 if seq < LAST_SEQ => vec![Outcome::Unknown],
                1 if seq < LAST_SEQ => vec![Outcome::Unknown, acked],
                2 => vec![acked, Outcome::Acked { seq, at_us: at_us + 50 }],
                _ => vec![acked],
            };
            let attempts = (invoked_us..).zip(outcomes);
            history.attempts.extend(attempts.map(|(invoked_us, outcome)| attempt(invoked_us, outcome)));
            history.log.entry(conversation).or_default().push(entry);
            for device in (0..SENDERS).chain([READER]) {
                history.deliveries.push(Delivery {
                    device,
                    conversation,
                    seq,
                    client_id: entry.client_id,
                    text_hash: entry.text_hash,
                    at_us: committed_us + random.random_range(1..=LONGEST_WAY_US),
                });
            }
        }
        history.attempts.push(Attempt {
            device: 0,
            conversation,
            client_id: id(random),
            text_hash: 0,
            invoked_us: 1,
            outcome: Outcome::Refused,
        });
        history.other_places.insert(conversation, (1..FIRST_SEQ).collect());
        let devices = (0..SENDERS).chain([READER]);
        history.observers.extend(devices.map(|device| Observer {
            device,
            conversation,
            from_seq: FIRST_SEQ,
        }));
        claim(&mut history, READER, conversation);
    }
    let stay = |delivery: &&Delivery| {
        delivery.device == READER
            && delivery.conversation == GUEST_IN
            && (GUEST_STAYS.0..=GUEST_STAYS.1).contains(&delivery.seq)
    };
    let given: Vec<Delivery> = history.deliveries.iter().filter(stay).cloned().collect();
    history.deliveries.extend(given.into_iter().map(|delivery| Delivery { device: GUEST, ..delivery }));
    let (from_seq, to_seq) = (GUEST_STAYS.0, Some(GUEST_STAYS.1));
    history.intervals.push(Interval { device: GUEST, conversation: GUEST_IN, from_seq, to_seq });
    history.observers.push(Observer { device: GUEST, conversation: GUEST_IN, from_seq: FIRST_SEQ });
    history
}

/// The device's cursor follows what it holds without a hole, moment by moment.
fn claim(history: &mut History, device: u32, conversation: u32) {
    let given = history.deliveries.iter();
    let given = given.filter(|delivery| delivery.device == device && delivery.conversation == conversation);
    let mut given: Vec<(u64, u64)> = given.map(|delivery| (delivery.at_us, delivery.seq)).collect();
    given.sort_unstable();
    let mut held = BTreeSet::new();
    let mut to_seq = FIRST_SEQ - 1;
    for (at_us, seq) in given {
        held.insert(seq);
        while held.contains(&(to_seq + 1)) {
            to_seq += 1;
        }
        history.claims.push(Claim { device, conversation, from_seq: FIRST_SEQ, to_seq, at_us });
    }
}

fn id(random: &mut SmallRng) -> ClientId {
    ClientId(Uuid::from_u128(random.random()))
}

fn is_acked(attempt: &Attempt) -> bool {
    matches!(attempt.outcome, Outcome::Acked { .. })
}

fn attempts(history: &History, wanted: fn(&Attempt) -> bool) -> impl Iterator<Item = &Attempt> {
    history.attempts.iter().filter(move |attempt| wanted(attempt))
}

/// Messages that stand and whose senders never heard so.
fn unanswered(history: &History) -> impl Iterator<Item = ClientId> {
    let entries = history.log.values().flatten().map(|entry| entry.client_id);
    let heard: BTreeSet<ClientId> = attempts(history, is_acked).map(|attempt| attempt.client_id).collect();
    entries.filter(move |id| !heard.contains(id))
}

/// Messages of conversation 0 that took one attempt.
fn sent_once(history: &History) -> BTreeSet<ClientId> {
    let mut attempts: HashMap<ClientId, u32> = HashMap::new();
    history.attempts.iter().for_each(|attempt| *attempts.entry(attempt.client_id).or_default() += 1);
    let entries = history.log.get(&0).into_iter().flatten().map(|entry| entry.client_id);
    entries.filter(|id| attempts.get(id) == Some(&1)).collect()
}

/// The place after the last of conversation 0.
fn next(history: &History) -> u64 {
    history.log.get(&0).and_then(|entries| entries.last()).map_or(FIRST_SEQ, |entry| entry.seq + 1)
}

/// Every device is given an entry.
fn see(history: &mut History, conversation: u32, entry: Entry) {
    let Entry { seq, client_id, text_hash } = entry;
    history.deliveries.extend((0..SENDERS).chain([READER]).map(|device| Delivery {
        device,
        conversation,
        seq,
        client_id,
        text_hash,
        at_us: u64::MAX,
    }));
}

/// Gives a message of conversation 0 another place, in the eyes of all.
fn place(history: &mut History, client_id: ClientId, seq: u64) {
    let entries = history.log.values_mut().flatten();
    entries.filter(|entry| entry.client_id == client_id).for_each(|entry| entry.seq = seq);
    let deliveries = history.deliveries.iter_mut();
    deliveries.filter(|delivery| delivery.client_id == client_id).for_each(|delivery| delivery.seq = seq);
    for attempt in history.attempts.iter_mut().filter(|attempt| attempt.client_id == client_id) {
        if let Outcome::Acked { seq: acked, .. } = &mut attempt.outcome {
            *acked = seq;
        }
    }
}

/// Shows that the checker passes what is right and tells each fault; gives how many faults it told.
///
/// # Errors
/// The fault that was told wrongly, or the false alarm, with the seed that shows it.
pub fn self_test(seed: u64) -> Result<usize, String> {
    let mut random = SmallRng::seed_from_u64(seed);
    let right = check(&correct(&mut random));
    if let Some(violation) = right.violations.first() {
        return Err(format!("seed {seed}: a correct history was blamed: {}", violation.text));
    }
    for (name, invariant, plant) in FAULTS {
        let mut history = correct(&mut random);
        plant(&mut history, &mut random).ok_or_else(|| format!("seed {seed}: no place for \"{name}\""))?;
        let report = check(&history);
        let told: BTreeSet<Invariant> =
            report.violations.iter().map(|violation| violation.invariant).collect();
        if told != BTreeSet::from([*invariant]) {
            let texts: Vec<&str> =
                report.violations.iter().take(5).map(|violation| violation.text.as_str()).collect();
            return Err(format!(
                "seed {seed}: \"{name}\" is {invariant:?} and was told as {told:?}: {texts:?}"
            ));
        }
    }
    Ok(FAULTS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checker never seen failing proves nothing.
    #[test]
    fn i1_to_i7_and_i9_every_planted_fault_is_told_and_nothing_else() {
        let first = u64::from(rand::random::<u32>());
        for seed in first..first + 40 {
            self_test(seed).unwrap();
        }
    }
}
