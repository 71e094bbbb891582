//! Planted: a correct history made at random, then one fault after another, each of which must be told as what it is.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use stonechat_wire::ClientId;
use uuid::Uuid;

use super::{Invariant, check};
use crate::history::{Attempt, Delivery, Entry, History, Observer, Outcome};

/// A fault, and how it must be told.
type Fault = (&'static str, Invariant, fn(&mut History, &mut SmallRng));

const FAULTS: &[Fault] = &[
    ("an acknowledged message is lost", Invariant::DurableAck, |history, random| {
        let acked: Vec<ClientId> = acked(history).iter().map(|attempt| attempt.client_id).collect();
        let lost = acked.choose(random).copied();
        history.log.values_mut().for_each(|entries| entries.retain(|entry| Some(entry.client_id) != lost));
    }),
    ("the log holds what nobody sent", Invariant::NoGhost, |history, random| {
        if let Some(entries) = history.log.get_mut(&0) {
            let seq = entries.last().map_or(2, |entry| entry.seq + 1);
            entries.push(Entry { seq, client_id: id(random), text_hash: 1 });
        }
    }),
    ("a message stands twice", Invariant::ExactlyOnce, |history, _| {
        if let Some(entries) = history.log.get_mut(&0) {
            let again = Entry { seq: entries.last().map_or(2, |entry| entry.seq + 1), ..entries[0] };
            entries.push(again);
        }
    }),
    ("a repeat got another ack", Invariant::ExactlyOnce, |history, random| {
        let acked = acked(history);
        let Some(mut repeat) = acked.choose(random).map(|attempt| (*attempt).clone()) else { return };
        if let Outcome::Acked { seq, at_us } = repeat.outcome {
            repeat.outcome = Outcome::Acked { seq: seq + 1, at_us: at_us + 5 };
        }
        history.attempts.push(repeat);
    }),
    ("the log has a hole", Invariant::DenseOrder, |history, _| {
        if let Some(entries) = history.log.get_mut(&0) {
            let middle = entries.len() / 2;
            entries[middle..].iter_mut().for_each(|entry| entry.seq += 1);
        }
    }),
    ("two messages stand at one place", Invariant::DenseOrder, |history, _| {
        if let Some(entries) = history.log.get_mut(&0) {
            entries[1].seq = entries[0].seq;
        }
    }),
    ("what was acknowledged first stands last", Invariant::OrderFitsTime, |history, _| {
        for attempt in &mut history.attempts {
            if let Outcome::Acked { seq: 3, at_us } = &mut attempt.outcome {
                *at_us = 0;
                attempt.invoked_us = 0;
            }
        }
    }),
    ("a device's messages changed places", Invariant::OrderFitsTime, |history, _| {
        let last = history.attempts.iter().map(|attempt| attempt.invoked_us).max().unwrap_or(0);
        let of_device = |attempt: &&Attempt| attempt.device == 0 && attempt.conversation == 0;
        let single =
            |id: ClientId| history.attempts.iter().filter(|attempt| attempt.client_id == id).count() == 1;
        let acked = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Acked { .. });
        let first =
            history.attempts.iter().filter(of_device).filter(acked).find(|attempt| single(attempt.client_id));
        let first = first.map(|attempt| attempt.client_id);
        if let Some(attempt) = history.attempts.iter_mut().find(|attempt| Some(attempt.client_id) == first) {
            attempt.invoked_us = last + 1;
        }
    }),
    ("an observer saw another text", Invariant::DenseOrder, |history, random| {
        let at = random.random_range(0..history.deliveries.len());
        history.deliveries[at].text_hash ^= 1;
    }),
    ("an observer was never given a message", Invariant::NoSkip, |history, random| {
        let at = random.random_range(0..history.deliveries.len());
        history.deliveries.remove(at);
    }),
    ("something was delivered and never committed", Invariant::CommittedFirst, |history, random| {
        let ghost = Delivery { client_id: id(random), seq: 999_999, ..history.deliveries[0].clone() };
        history.deliveries.push(ghost);
    }),
];

fn acked(history: &History) -> Vec<&Attempt> {
    history.attempts.iter().filter(|attempt| matches!(attempt.outcome, Outcome::Acked { .. })).collect()
}

fn id(random: &mut SmallRng) -> ClientId {
    ClientId(Uuid::from_u128(random.random()))
}

/// What a correct server could have done with a few devices, with unknown outcomes and repeats among it.
fn correct(random: &mut SmallRng) -> History {
    let mut history = History::default();
    let mut now = 1;
    for conversation in 0..3 {
        let mut entries = Vec::new();
        for seq in 2..60_u64 {
            let device = random.random_range(0..4);
            let (client_id, text_hash) = (id(random), random.random());
            let stands = Entry { seq, client_id, text_hash };
            let (invoked_us, at_us) = (now, now + random.random_range(1..5));
            now = at_us + 1;
            let attempt = |outcome, invoked_us| Attempt {
                device,
                conversation,
                client_id,
                text_hash,
                invoked_us,
                outcome,
            };
            if random.random_bool(0.2) {
                // The answer was lost; a repeat got it, or nobody ever asked.
                history.attempts.push(attempt(Outcome::Unknown, invoked_us));
                if random.random_bool(0.5) {
                    history.attempts.push(attempt(Outcome::Acked { seq, at_us }, invoked_us + 1));
                }
            } else {
                history.attempts.push(attempt(Outcome::Acked { seq, at_us }, invoked_us));
            }
            for other in 0..4 {
                if other != device || random.random_bool(0.1) {
                    let seen = Delivery { device: other, conversation, seq, client_id, text_hash, at_us };
                    history.deliveries.push(seen);
                }
            }
            entries.push(stands);
        }
        // A refused one leaves nothing.
        history.attempts.push(Attempt {
            device: 0,
            conversation,
            client_id: id(random),
            text_hash: 0,
            invoked_us: now,
            outcome: Outcome::Refused,
        });
        history.log.insert(conversation, entries);
        // A device that never heard the ack of its own message need not hold it here.
        let heard = |device| {
            history.attempts.iter().all(|attempt| {
                attempt.device != device
                    || attempt.conversation != conversation
                    || attempt.outcome != Outcome::Unknown
            })
        };
        let whole: Vec<u32> = (0..4).filter(|device| heard(*device)).collect();
        history.observers.extend(whole.iter().map(|device| Observer {
            device: *device,
            conversation,
            from_seq: 2,
        }));
        history.observers.push(Observer { device: 9, conversation, from_seq: 2 });
        let rest = history.log[&conversation].clone();
        history.deliveries.extend(rest.iter().map(|entry| Delivery {
            device: 9,
            conversation,
            seq: entry.seq,
            client_id: entry.client_id,
            text_hash: entry.text_hash,
            at_us: now,
        }));
    }
    history
}

/// Shows that the checker passes what is right and tells each fault.
///
/// # Errors
/// The fault that was not told, or the false alarm, with the seed that shows it.
pub fn self_test(seed: u64) -> Result<usize, String> {
    let mut random = SmallRng::seed_from_u64(seed);
    let right = check(&correct(&mut random));
    if !right.violations.is_empty() {
        return Err(format!("seed {seed}: a correct history was blamed: {}", right.violations[0].text));
    }
    for (name, invariant, plant) in FAULTS {
        let mut history = correct(&mut random);
        // Only the observer that holds everything must miss something by a removed delivery.
        if *invariant == Invariant::NoSkip {
            history.deliveries.retain(|delivery| delivery.device == 9);
            history.observers.retain(|observer| observer.device == 9);
        }
        plant(&mut history, &mut random);
        let report = check(&history);
        if !report.violations.iter().any(|violation| violation.invariant == *invariant) {
            return Err(format!("seed {seed}: \"{name}\" was not told as {invariant:?}"));
        }
    }
    Ok(FAULTS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RELIABILITY: a checker never seen failing proves nothing.
    #[test]
    fn every_planted_fault_is_told_and_nothing_else() {
        for seed in 0..50 {
            self_test(seed).unwrap();
        }
    }
}
