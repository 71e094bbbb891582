//! Order: I5. What was acknowledged, sent or seen before something was sent stands before it.
//!
//! Judged over every message that stands in the log, whether or not its sender heard so. A message is sent when its
//! first attempt begins. Of two things at one microsecond neither is before the other.

use std::collections::BTreeMap;

use super::{Invariant, Log, Operations, Report};
use crate::history::{ConversationNumber, DeviceNumber, History};

/// Something that happened, in the order in which things of one moment are taken: what began did not yet know what
/// ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happened {
    Sent,
    Known,
}

/// When, what, and the place it concerns.
type Moment = (u64, Happened, u64);

pub(super) fn check(history: &History, operations: &Operations<'_>, log: &Log, report: &mut Report) {
    in_time(operations, log, report);
    by_device(history, operations, log, report);
}

/// I5a: whoever acknowledged it, what was acknowledged before a send stands before what was sent.
fn in_time(operations: &Operations<'_>, log: &Log, report: &mut Report) {
    let mut conversations: BTreeMap<ConversationNumber, Vec<Moment>> = BTreeMap::new();
    for operation in operations.values() {
        let Some(entry) = log.place(operation) else { continue };
        let moments = conversations.entry(operation.first.conversation).or_default();
        moments.push((operation.invoked_us, Happened::Sent, entry.seq));
        moments.extend(operation.ack.map(|ack| (ack.at_us, Happened::Known, entry.seq)));
    }
    for (conversation, mut moments) in conversations {
        moments.sort_unstable();
        let mut acked = 0;
        for (_, happened, seq) in moments {
            match happened {
                Happened::Known => acked = acked.max(seq),
                Happened::Sent if seq < acked => report.violation(
                    Invariant::OrderFitsTime,
                    format!("conversation {conversation}: {seq} was sent after {acked} was acknowledged"),
                ),
                Happened::Sent => {}
            }
        }
    }
}

/// I5b, I5c: a device's messages stand in the order it sent them, and after those it had seen.
fn by_device(history: &History, operations: &Operations<'_>, log: &Log, report: &mut Report) {
    let mut devices: BTreeMap<(DeviceNumber, ConversationNumber), Vec<Moment>> = BTreeMap::new();
    for ((device, _), operation) in operations {
        if let Some(entry) = log.place(operation) {
            let moments = devices.entry((*device, operation.first.conversation)).or_default();
            moments.push((operation.invoked_us, Happened::Sent, entry.seq));
        }
    }
    for delivery in &history.deliveries {
        // A reader who sends nothing proves nothing here.
        let Some(moments) = devices.get_mut(&(delivery.device, delivery.conversation)) else { continue };
        if let Some((conversation, entry)) = log.by_message.get(&delivery.client_id)
            && *conversation == delivery.conversation
        {
            moments.push((delivery.at_us, Happened::Known, entry.seq));
        }
    }
    for ((device, conversation), mut moments) in devices {
        moments.sort_unstable();
        let (mut sent, mut seen) = (0, 0);
        for (_, happened, seq) in moments {
            match happened {
                Happened::Known => seen = seen.max(seq),
                Happened::Sent if seq < sent => report.violation(
                    Invariant::OrderFitsTime,
                    format!("device {device} in {conversation}: {sent} was sent before {seq}"),
                ),
                Happened::Sent if seq < seen => report.violation(
                    Invariant::OrderFitsTime,
                    format!("device {device} in {conversation}: {seq} was sent after it had seen {seen}"),
                ),
                Happened::Sent => sent = seq,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use stonechat_wire::ClientId;

    use super::super::check;
    use super::*;
    use crate::history::{Attempt, Delivery, Entry, Outcome};

    /// Two messages at 2 and 3, by devices 0 and `second`; the one at 3 was sent at 10, the one at 2 at 20.
    fn crossed(second: DeviceNumber) -> History {
        let (early, late) = (ClientId::new(), ClientId::new());
        let attempt = |device, client_id, invoked_us| Attempt {
            device,
            conversation: 0,
            client_id,
            text_hash: 7,
            invoked_us,
            outcome: Outcome::Unknown,
        };
        let entry = |seq, client_id| Entry { seq, client_id, text_hash: 7 };
        History {
            attempts: vec![attempt(0, early, 10), attempt(second, late, 20)],
            log: [(0, vec![entry(2, late), entry(3, early)])].into(),
            ..History::default()
        }
    }

    fn acked(mut history: History, at_us: u64) -> History {
        history.attempts[0].outcome = Outcome::Acked { seq: 3, at_us };
        history
    }

    fn seen(mut history: History, at_us: u64) -> History {
        let client_id = history.attempts[0].client_id;
        history.deliveries =
            vec![Delivery { device: 1, conversation: 0, seq: 3, client_id, text_hash: 7, at_us }];
        history
    }

    #[track_caller]
    fn told(history: &History, wanted: &str) {
        let report = check(history);
        let [violation] = &report.violations[..] else { panic!("{:?}", report.violations) };
        assert_eq!(violation.invariant, Invariant::OrderFitsTime);
        assert!(violation.text.contains(wanted), "{}", violation.text);
    }

    #[test]
    fn i5a_sent_after_an_ack_stands_after_it_even_when_its_own_outcome_is_unknown() {
        told(&acked(crossed(1), 19), "2 was sent after 3 was acknowledged");
    }

    #[test]
    fn i5b_a_device_is_first_in_first_out_also_without_acks() {
        told(&crossed(0), "3 was sent before 2");
    }

    #[test]
    fn i5c_an_answer_stands_after_what_it_answers() {
        told(&seen(crossed(1), 19), "2 was sent after it had seen 3");
    }

    #[test]
    fn i5_what_overlaps_may_stand_either_way() {
        for history in [crossed(1), acked(crossed(1), 20), seen(crossed(1), 20)] {
            assert_eq!(check(&history).violations, []);
        }
    }
}
