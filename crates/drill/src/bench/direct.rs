//! Direct: pairs of people write to each other's direct conversation, closed loop with a window or at a fixed rate.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use stonechat_client::{Connection, Result};
use stonechat_wire::{ClientId, UserId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::wire_scan::{self, Kind};
use super::{TEXT_BYTES, people};

/// How the senders press.
#[derive(Clone, Copy, Debug)]
pub enum Press {
    /// So many unacknowledged messages per pair at all times.
    Window(usize),
    /// So many messages a second over all pairs.
    Rate(f64),
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub url: String,
    /// Sender and receiver, in turn.
    pub pairs: Vec<(people::Person, people::Person)>,
    pub press: Press,
    pub warm_up: Duration,
    pub measure: Duration,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Acknowledged within the measured time.
    pub acked: u64,
    pub measured: Duration,
    /// Acknowledged over the whole run, and received by the other side.
    pub acked_total: u64,
    pub received_total: u64,
    /// Places that came twice, out of order, or after a hole.
    pub violations: u64,
    pub errors: u64,
    pub ack_us: Histogram<u64>,
    pub delivery_us: Histogram<u64>,
}

struct Shared {
    measuring: AtomicBool,
    stopping: AtomicBool,
    acked: AtomicU64,
    acked_total: AtomicU64,
    received_total: AtomicU64,
    violations: AtomicU64,
    errors: AtomicU64,
    ack_us: Mutex<Histogram<u64>>,
    delivery_us: Mutex<Histogram<u64>>,
}

/// One pair's messages on their way.
#[derive(Default)]
struct Way {
    sent: Mutex<VecDeque<Instant>>,
    undelivered: Mutex<VecDeque<Instant>>,
    acked: Notify,
}

/// Runs a plan.
///
/// # Errors
/// When a socket cannot be opened.
pub async fn run(plan: Plan) -> Result<Seen> {
    let everybody: Vec<_> = plan.pairs.iter().flat_map(|(from, to)| [from.clone(), to.clone()]).collect();
    let mut sockets = people::connect_all(&plan.url, &everybody, 64).await?.into_iter();
    let shared = Arc::new(Shared {
        measuring: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
        acked: AtomicU64::new(0),
        acked_total: AtomicU64::new(0),
        received_total: AtomicU64::new(0),
        violations: AtomicU64::new(0),
        errors: AtomicU64::new(0),
        ack_us: Mutex::new(histogram()),
        delivery_us: Mutex::new(histogram()),
    });
    let mut tasks = tokio::task::JoinSet::new();
    let pairs = plan.pairs.len();
    let ways: Vec<_> = plan.pairs.iter().map(|_| Arc::<Way>::default()).collect();
    let mut senders = tokio::task::JoinSet::new();
    for ((_, to), way) in plan.pairs.iter().zip(&ways) {
        let (Some(from_socket), Some(to_socket)) = (sockets.next(), sockets.next()) else { break };
        let (reader, writer) = from_socket.split();
        tasks.spawn(hear_acks(reader, writer.clone(), way.clone(), shared.clone()));
        tasks.spawn(hear_messages(to_socket, way.clone(), shared.clone()));
        let pace = match plan.press {
            Press::Window(window) => Pace::Window(window),
            Press::Rate(rate) => Pace::Every(Duration::from_secs_f64(pairs as f64 / rate)),
        };
        senders.spawn(send(writer, to.user_id, pace, way.clone(), shared.clone()));
    }
    tokio::time::sleep(plan.warm_up).await;
    let began = Instant::now();
    shared.measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(plan.measure).await;
    shared.measuring.store(false, Ordering::Relaxed);
    let measured = began.elapsed();
    shared.stopping.store(true, Ordering::Relaxed);
    ways.iter().for_each(|way| way.acked.notify_one());
    while senders.join_next().await.is_some() {}
    drain(&ways).await;
    tasks.shutdown().await;
    let Some(shared) = Arc::into_inner(shared) else {
        return Err(std::io::Error::other("a load task outlived its run").into());
    };
    Ok(Seen {
        acked: shared.acked.into_inner(),
        measured,
        acked_total: shared.acked_total.into_inner(),
        received_total: shared.received_total.into_inner(),
        violations: shared.violations.into_inner(),
        errors: shared.errors.into_inner(),
        ack_us: shared.ack_us.into_inner(),
        delivery_us: shared.delivery_us.into_inner(),
    })
}

enum Pace {
    Window(usize),
    Every(Duration),
}

async fn send(writer: stonechat_client::Writer, to: UserId, pace: Pace, way: Arc<Way>, shared: Arc<Shared>) {
    let text = "x".repeat(TEXT_BYTES);
    // Pairs begin at different moments, as people do.
    let mut due = match pace {
        Pace::Every(every) => Instant::now() + every.mul_f64(rand::random()),
        Pace::Window(_) => Instant::now(),
    };
    while !shared.stopping.load(Ordering::Relaxed) {
        let count = match pace {
            Pace::Window(window) => {
                let waiting = way.sent.lock().len();
                if waiting >= window {
                    way.acked.notified().await;
                    continue;
                }
                window - waiting
            }
            Pace::Every(every) => {
                // Timers are a millisecond fine: what became due meanwhile goes together.
                tokio::time::sleep_until(due).await;
                let now = Instant::now();
                let mut count = 0;
                while due <= now {
                    due += every;
                    count += 1;
                }
                count
            }
        };
        for _ in 0..count {
            let client_id = ClientId::new();
            let frame =
                format!(r#"{{"type":"message","client_id":"{client_id}","to":"{to}","content":"{text}"}}"#);
            let now = Instant::now();
            way.sent.lock().push_back(now);
            way.undelivered.lock().push_back(now);
            if writer.queue_text(&frame).is_err() {
                shared.errors.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        if writer.flush().await.is_err() {
            return;
        }
    }
}

async fn hear_acks(
    mut reader: stonechat_client::Reader,
    writer: stonechat_client::Writer,
    way: Arc<Way>,
    shared: Arc<Shared>,
) {
    let mut last = 0;
    loop {
        let mut acked = 0_u64;
        let mut heartbeat = false;
        let closed = reader.recv_raw(|payload| match wire_scan::kind(payload) {
            Kind::Ack => {
                acked += 1;
                check_order(payload, &mut last, &shared);
                if let Some(sent) = way.sent.lock().pop_front()
                    && shared.measuring.load(Ordering::Relaxed)
                {
                    shared.acked.fetch_add(1, Ordering::Relaxed);
                    record(&shared.ack_us, sent);
                }
            }
            Kind::Error => {
                shared.errors.fetch_add(1, Ordering::Relaxed);
            }
            Kind::Heartbeat => heartbeat = true,
            _ => {}
        });
        let ended = !matches!(closed.await, Ok(None));
        shared.acked_total.fetch_add(acked, Ordering::Relaxed);
        if acked > 0 {
            way.acked.notify_one();
        }
        if heartbeat && writer.queue_text(r#"{"type":"heartbeat"}"#).is_err() || ended {
            return;
        }
    }
}

async fn hear_messages(mut socket: Connection, way: Arc<Way>, shared: Arc<Shared>) {
    let mut last = 0;
    loop {
        let mut heartbeat = false;
        let heard = socket.recv_raw(|payload| match wire_scan::kind(payload) {
            Kind::Event => {
                check_order(payload, &mut last, &shared);
                if wire_scan::text_after(payload, br#""type":""#) != Some(b"message") {
                    return;
                }
                shared.received_total.fetch_add(1, Ordering::Relaxed);
                if let Some(sent) = way.undelivered.lock().pop_front()
                    && shared.measuring.load(Ordering::Relaxed)
                {
                    record(&shared.delivery_us, sent);
                }
            }
            Kind::Heartbeat => heartbeat = true,
            _ => {}
        });
        if !matches!(heard.await, Ok(None)) {
            return;
        }
        if heartbeat && socket.send_text(r#"{"type":"heartbeat"}"#).await.is_err() {
            return;
        }
    }
}

fn check_order(payload: &[u8], last: &mut u64, shared: &Shared) {
    let seq = wire_scan::seq(payload).unwrap_or(0);
    if *last != 0 && seq != *last + 1 {
        shared.violations.fetch_add(1, Ordering::Relaxed);
    }
    *last = seq;
}

/// Waits until everything sent has arrived, or nothing moves for two seconds.
async fn drain(ways: &[Arc<Way>]) {
    let waiting =
        || ways.iter().map(|way| way.undelivered.lock().len() + way.sent.lock().len()).sum::<usize>();
    let (mut left, mut since) = (waiting(), Instant::now());
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while left > 0 && since.elapsed() < Duration::from_secs(2) {
        look.tick().await;
        let now = waiting();
        if now != left {
            (left, since) = (now, Instant::now());
        }
    }
}

fn record(histogram: &Mutex<Histogram<u64>>, since: Instant) {
    let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    histogram.lock().saturating_record(micros);
}

/// Microseconds up to ten minutes, to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds and digits are in the histogram's range")
}
