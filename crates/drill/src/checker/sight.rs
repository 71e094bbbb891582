//! Sight: what a device was given, against what it may see. I7: nothing below its cursor is missing. I9: nothing
//! outside its user's membership is there.
//!
//! Invariant: membership is judged by place in the log, never by time.

use std::collections::{BTreeMap, HashMap};

use super::{Invariant, Report};
use crate::history::{Claim, ConversationNumber, DeviceNumber, History, Interval, Outcome};

type Pair = (DeviceNumber, ConversationNumber);

pub(super) fn check(history: &History, report: &mut Report) {
    let memberships = Memberships::of(&history.intervals);
    removed(history, &memberships, report);
    skipped(history, &memberships, report);
}

/// The intervals of every device and conversation that has any, in the order of their places.
struct Memberships(HashMap<Pair, Vec<Interval>>);

impl Memberships {
    fn of(intervals: &[Interval]) -> Self {
        let mut memberships: HashMap<Pair, Vec<Interval>> = HashMap::new();
        for interval in intervals {
            memberships.entry((interval.device, interval.conversation)).or_default().push(*interval);
        }
        memberships.values_mut().for_each(|intervals| intervals.sort_by_key(|interval| interval.from_seq));
        Self(memberships)
    }

    fn may_see(&self, pair: Pair, seq: u64) -> bool {
        let Some(intervals) = self.0.get(&pair) else { return true };
        let begun = intervals.partition_point(|interval| interval.from_seq <= seq);
        intervals[..begun].last().is_some_and(|interval| interval.to_seq.is_none_or(|end| seq <= end))
    }
}

/// I9: nothing after a removal reaches who was removed.
fn removed(history: &History, memberships: &Memberships, report: &mut Report) {
    for delivery in &history.deliveries {
        if !memberships.may_see((delivery.device, delivery.conversation), delivery.seq) {
            report.violation(
                Invariant::RemovalHolds,
                format!(
                    "device {} was given {} of conversation {}, outside its membership",
                    delivery.device, delivery.seq, delivery.conversation
                ),
            );
        }
    }
}

/// What one device knew of one conversation when.
#[derive(Default)]
struct Sight {
    /// When it held which place.
    held: Vec<(u64, u64)>,
    claims: Vec<Claim>,
}

/// I7: at the moment of a claim everything it covers was held. An observer claims everything at the end.
fn skipped(history: &History, memberships: &Memberships, report: &mut Report) {
    let mut sights: BTreeMap<Pair, Sight> = BTreeMap::new();
    let at_the_end = history.observers.iter().map(|observer| Claim {
        device: observer.device,
        conversation: observer.conversation,
        from_seq: observer.from_seq,
        to_seq: u64::MAX,
        at_us: u64::MAX,
    });
    for claim in history.claims.iter().copied().chain(at_the_end) {
        sights.entry((claim.device, claim.conversation)).or_default().claims.push(claim);
    }
    let delivered = history
        .deliveries
        .iter()
        .map(|delivery| ((delivery.device, delivery.conversation), (delivery.at_us, delivery.seq)));
    // What a device sent itself it holds with the ack.
    let acked = history.attempts.iter().filter_map(|attempt| match attempt.outcome {
        Outcome::Acked { seq, at_us } => Some(((attempt.device, attempt.conversation), (at_us, seq))),
        Outcome::Unknown | Outcome::Refused => None,
    });
    for (pair, held) in delivered.chain(acked) {
        if let Some(sight) = sights.get_mut(&pair) {
            sight.held.push(held);
        }
    }
    for (pair, sight) in sights {
        let entries = history.log.get(&pair.1).map(Vec::as_slice).unwrap_or_default();
        let mut places: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
        places.retain(|seq| memberships.may_see(pair, *seq));
        places.sort_unstable();
        places.dedup();
        if let Some(text) = sight.lacks(&places) {
            report.violation(Invariant::NoSkip, text);
        }
    }
}

impl Sight {
    /// The first claim, in time, that does not hold over `places`, which ascend.
    fn lacks(mut self, places: &[u64]) -> Option<String> {
        self.held.sort_unstable();
        self.claims.sort_by_key(|claim| claim.at_us);
        let mut held = self.held.into_iter().peekable();
        let mut missing = Missing::all(places.len());
        for claim in self.claims {
            while let Some((_, seq)) = held.next_if(|(at_us, _)| *at_us <= claim.at_us) {
                if let Ok(index) = places.binary_search(&seq) {
                    missing.remove(index);
                }
            }
            let from = places.partition_point(|seq| *seq < claim.from_seq);
            let to = places.partition_point(|seq| *seq <= claim.to_seq);
            let first = missing.at_or_after(from);
            if first < to {
                let count = (first..to).filter(|index| missing.contains(*index)).count();
                return Some(format!(
                    "device {} lacks {count} of conversation {}, the first at {}, at {} us",
                    claim.device, claim.conversation, places[first], claim.at_us
                ));
            }
        }
        None
    }
}

/// The numbers below a bound that were not removed, as a forest of pointers to the next one that is left (union-find
/// with path halving, so that all claims of a device together take near linear time).
struct Missing(Vec<usize>);

impl Missing {
    fn all(bound: usize) -> Self {
        Self((0..=bound).collect())
    }

    fn contains(&self, index: usize) -> bool {
        self.0[index] == index
    }

    fn remove(&mut self, index: usize) {
        if self.contains(index) {
            self.0[index] = index + 1;
        }
    }

    /// The bound, when none is left.
    fn at_or_after(&mut self, mut index: usize) -> usize {
        while self.0[index] != index {
            self.0[index] = self.0[self.0[index]];
            index = self.0[index];
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use stonechat_wire::ClientId;

    use super::*;
    use crate::history::{Delivery, Entry};

    const MEMBER: Pair = (1, 0);

    /// Messages at 2 to 9; the device holds place n from 10 n on, but for `without`.
    fn history(without: &[u64]) -> History {
        let entries: Vec<Entry> =
            (2..=9).map(|seq| Entry { seq, client_id: ClientId::new(), text_hash: seq }).collect();
        let held = entries.iter().filter(|entry| !without.contains(&entry.seq));
        let deliveries = held.map(|entry| Delivery {
            device: MEMBER.0,
            conversation: MEMBER.1,
            seq: entry.seq,
            client_id: entry.client_id,
            text_hash: entry.text_hash,
            at_us: entry.seq * 10,
        });
        History { deliveries: deliveries.collect(), log: [(0, entries.clone())].into(), ..History::default() }
    }

    fn claim(from_seq: u64, to_seq: u64, at_us: u64) -> Claim {
        Claim { device: MEMBER.0, conversation: MEMBER.1, from_seq, to_seq, at_us }
    }

    fn interval(from_seq: u64, to_seq: Option<u64>) -> Interval {
        Interval { device: MEMBER.0, conversation: MEMBER.1, from_seq, to_seq }
    }

    #[track_caller]
    fn told(history: &History, wanted: &[Invariant]) {
        let mut report = Report::default();
        check(history, &mut report);
        let told: Vec<Invariant> = report.violations.iter().map(|violation| violation.invariant).collect();
        assert_eq!(told, wanted, "{:?}", report.violations);
    }

    #[test]
    fn i7_a_claim_holds_from_the_moment_its_last_message_came() {
        told(&History { claims: vec![claim(1, 5, 50), claim(1, 9, 90)], ..history(&[]) }, &[]);
        told(&History { claims: vec![claim(1, 5, 49)], ..history(&[]) }, &[Invariant::NoSkip]);
    }

    #[test]
    fn i7_a_hole_is_told_only_by_claims_that_cover_it() {
        told(&History { claims: vec![claim(1, 4, 99), claim(6, 9, 99)], ..history(&[5]) }, &[]);
        told(&History { claims: vec![claim(1, 5, 99)], ..history(&[5]) }, &[Invariant::NoSkip]);
        told(&History { claims: vec![claim(5, 9, 99)], ..history(&[5]) }, &[Invariant::NoSkip]);
    }

    #[test]
    fn i7_a_member_need_not_hold_what_came_while_it_was_away() {
        let away = vec![interval(2, Some(4)), interval(7, None)];
        told(&History { claims: vec![claim(1, 9, 99)], intervals: away, ..history(&[5, 6]) }, &[]);
    }

    #[test]
    fn i9_the_place_of_the_removal_is_the_last_one_seen() {
        told(&History { intervals: vec![interval(2, Some(9))], ..history(&[]) }, &[]);
        told(&History { intervals: vec![interval(2, Some(8))], ..history(&[]) }, &[Invariant::RemovalHolds]);
        told(&History { intervals: vec![interval(3, None)], ..history(&[]) }, &[Invariant::RemovalHolds]);
    }

    #[test]
    fn i9_a_conversation_never_joined_is_judged_by_its_own_intervals_only() {
        let elsewhere = Interval { conversation: 1, ..interval(1, Some(1)) };
        told(&History { intervals: vec![elsewhere], ..history(&[]) }, &[]);
    }
}
