//! Tests of the outbox: order, ids and text survive whatever happens on the way.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use stonechat_wire::{Code, ConversationRef, SendMessage};

use super::*;

fn message(content: &str) -> (ClientId, ClientFrame) {
    let mut frame = ClientFrame::Message(SendMessage {
        client_id: None,
        conversation_id: Some(ConversationRef::Handle("ops".into())),
        to: None,
        content: content.into(),
        content_type: None,
        metadata: None,
        reply_to: None,
        thread: None,
        read_seq: None,
    });
    (identify(&mut frame).unwrap(), frame)
}

fn refusal(client_id: ClientId, code: Code, retry_after_ms: Option<u64>) -> ErrorFrame {
    ErrorFrame { code, params: Value::Null, retry_after_ms, client_id: Some(client_id) }
}

fn sent(outputs: &[Output]) -> Vec<ClientId> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Send(frame) => client_id_of(frame),
        Output::Settled(_) | Output::Failed(..) => None,
    });
    sent.collect()
}

fn filled(count: usize, now: Instant) -> (Outbox, Vec<ClientId>) {
    let mut outbox = Outbox::default();
    let mut ids = Vec::new();
    for number in 0..count {
        let (id, frame) = message(&number.to_string());
        assert!(outbox.submit(id, frame, now).is_empty(), "nothing goes out before there is a connection");
        ids.push(id);
    }
    (outbox, ids)
}

/// R-SY-5, TL-24: pending while disconnected, whatever time passes; sent in order on connecting.
#[test]
fn r_sy_5_waits_for_a_connection_and_keeps_order() {
    let now = Instant::now();
    let (mut outbox, ids) = filled(3, now);
    assert!(outbox.next_wake().is_none());
    let later = now + Duration::from_secs(3600);
    assert!(outbox.tick(later).is_empty());
    assert_eq!(sent(&outbox.connected(MAX_IN_FLIGHT, later)), ids);
}

/// R-OR-3: everything without an ack goes again, in order, under the same ids.
#[test]
fn r_or_3_resends_in_order_after_a_reconnect() {
    let now = Instant::now();
    let (mut outbox, ids) = filled(4, now);
    outbox.connected(MAX_IN_FLIGHT, now);
    outbox.acked(ids[0], now);
    outbox.disconnected();
    assert_eq!(sent(&outbox.connected(MAX_IN_FLIGHT, now)), ids[1..]);
}

#[test]
fn a_window_bounds_what_is_on_its_way() {
    let now = Instant::now();
    let (mut outbox, ids) = filled(5, now);
    assert_eq!(sent(&outbox.connected(2, now)), ids[..2]);
    assert_eq!(sent(&outbox.acked(ids[0], now)), ids[2..3]);
}

/// TL-23, TL-26: no ack in 10 s fails it; five retries send once; a late ack settles it.
#[test]
fn tl_23_fails_after_ten_seconds_and_is_retried_once() {
    let now = Instant::now();
    let (mut outbox, ids) = filled(1, now);
    outbox.connected(MAX_IN_FLIGHT, now);
    assert!(outbox.tick(now + ACK_TIMEOUT - Duration::from_millis(1)).is_empty());
    assert_eq!(outbox.next_wake(), Some(now + ACK_TIMEOUT));
    let failed = outbox.tick(now + ACK_TIMEOUT);
    assert!(matches!(&failed[..], [Output::Failed(id, Failure::Unacknowledged)] if *id == ids[0]));
    let retries: Vec<_> = (0..5).flat_map(|_| sent(&outbox.retry(ids[0], now))).collect();
    assert_eq!(retries, ids);
    outbox.tick(now + ACK_TIMEOUT * 3);
    assert!(matches!(&outbox.acked(ids[0], now)[..], [Output::Settled(_)]));
    assert!(outbox.is_empty());
}

/// TL-27: a lasting refusal fails that entry with its code and blocks nothing.
#[test]
fn tl_27_a_refusal_does_not_block_the_next() {
    let now = Instant::now();
    let (mut outbox, ids) = filled(2, now);
    outbox.connected(1, now);
    let outputs = outbox.refused(refusal(ids[0], Code::PostingRestricted, None), now);
    let [Output::Failed(id, Failure::Refused(error)), Output::Send(_)] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!((*id, error.code), (ids[0], Code::PostingRestricted));
    assert_eq!(outbox.entries().map(|(_, failed)| failed).collect::<Vec<_>>(), [true, false]);
}

/// R-OR-3: a refusal that passes is waited out, and nothing overtakes meanwhile.
#[test]
fn r_or_3_waits_out_a_rate_limit_in_order() {
    let now = Instant::now();
    let (mut outbox, ids) = filled(3, now);
    outbox.connected(2, now);
    assert!(outbox.refused(refusal(ids[0], Code::RateLimited, Some(700)), now).is_empty());
    assert!(outbox.refused(refusal(ids[1], Code::RateLimited, Some(700)), now).is_empty());
    assert_eq!(outbox.next_wake(), Some(now + Duration::from_millis(700)));
    let later = now + Duration::from_millis(700);
    assert_eq!(sent(&outbox.tick(later)), ids[..1], "one at a time now");
    assert_eq!(sent(&outbox.acked(ids[0], later)), ids[1..2]);
    assert_eq!(sent(&outbox.acked(ids[1], later)), ids[2..]);
}

#[test]
fn an_endless_rate_limit_ends_as_a_failure() {
    let mut now = Instant::now();
    let (mut outbox, ids) = filled(1, now);
    outbox.connected(1, now);
    for _ in 0..MAX_TRIES {
        assert!(outbox.refused(refusal(ids[0], Code::Overloaded, Some(1)), now).is_empty());
        now += Duration::from_millis(1);
        assert_eq!(sent(&outbox.tick(now)), ids);
    }
    let outputs = outbox.refused(refusal(ids[0], Code::Overloaded, Some(1)), now);
    assert!(matches!(&outputs[..], [Output::Failed(..)]));
    assert_eq!(outbox.len(), 1, "its text is kept");
}

/// R-SY-5, R-OR-3, I3: against a server that loses frames and acks at random cuts, each message is in the log
/// once and in sending order.
#[test]
fn r_sy_5_random_cuts_lose_and_double_nothing() {
    for seed in 0..200 {
        eprintln!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut now = Instant::now();
        let (mut outbox, mut ids) = filled(5, now);
        let mut log: Vec<ClientId> = Vec::new();
        let mut wire: VecDeque<ClientId> = VecDeque::new();
        for step in 0.. {
            now += Duration::from_millis(50);
            let outputs = match random.random_range(0..10) {
                0 if step < 300 => {
                    outbox.disconnected();
                    wire.clear();
                    outbox.connected(random.random_range(1..8), now)
                }
                1 if step < 300 => {
                    let (id, frame) = message("more");
                    ids.push(id);
                    outbox.submit(id, frame, now)
                }
                _ if step == 300 => {
                    wire.clear();
                    outbox.connected(MAX_IN_FLIGHT, now)
                }
                _ => match wire.pop_front() {
                    Some(id) => {
                        if !log.contains(&id) {
                            log.push(id);
                        }
                        // The ack may be cut off with the connection.
                        if step < 300 && random.random_bool(0.2) {
                            outbox.disconnected();
                            wire.clear();
                            outbox.connected(4, now)
                        } else {
                            outbox.acked(id, now)
                        }
                    }
                    None if outbox.is_empty() && step > 300 => break,
                    None => outbox.tick(now),
                },
            };
            wire.extend(sent(&outputs));
        }
        assert!(ids.len() > 5, "seed {seed} sent too little");
        assert_eq!(log, ids, "seed {seed}");
    }
}
