//! Fan-out: one sender, many recipients of one conversation, until the last one has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use stonechat_client::{Connection, Result};
use stonechat_wire::{ClientId, ConversationId};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::direct::histogram;
use super::wire_scan::{self, Kind};
use super::{TEXT_BYTES, people};

#[derive(Clone, Debug)]
pub struct Plan {
    pub url: String,
    pub sender: people::Person,
    pub recipients: Vec<people::Person>,
    pub conversation: ConversationId,
    /// Messages that not everybody has, at most.
    pub in_flight: u64,
    /// Messages a second; `None`: as many as fit in flight.
    pub rate: Option<f64>,
    pub warm_up: Duration,
    pub measure: Duration,
}

#[derive(Clone, Debug)]
pub struct Seen {
    /// Received within the measured time, over all recipients.
    pub deliveries: u64,
    pub measured: Duration,
    pub sent_total: u64,
    pub deliveries_total: u64,
    pub violations: u64,
    /// Messages that did not reach everybody.
    pub incomplete: u64,
    pub last_recipient_us: Histogram<u64>,
    /// Bytes of one frame as recipients got it, its header included.
    pub frame_bytes: u64,
}

/// Room for messages in flight, by seq.
const SLOTS: usize = 4_096;

struct Shared {
    /// Of the message in this slot: how many have it, and when it was sent (microseconds of the run).
    counts: Vec<AtomicU32>,
    sent_us: Vec<AtomicU64>,
    began: Instant,
    recipients: u32,
    complete: AtomicU64,
    complete_changed: Notify,
    measuring: AtomicBool,
    deliveries: AtomicU64,
    deliveries_total: AtomicU64,
    violations: AtomicU64,
    frame_bytes: AtomicU64,
    last_recipient_us: Mutex<Histogram<u64>>,
}

/// Runs a plan.
///
/// # Errors
/// When a socket cannot be opened.
pub async fn run(plan: Plan) -> Result<Seen> {
    let sockets = people::connect_all(&plan.url, &plan.recipients, 64).await?;
    let (sender, _) = people::connect(&plan.url, plan.recipients.len(), &plan.sender, None).await?;
    let shared = Arc::new(Shared {
        counts: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(),
        sent_us: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        began: Instant::now(),
        recipients: u32::try_from(plan.recipients.len()).unwrap_or(u32::MAX),
        complete: AtomicU64::new(0),
        complete_changed: Notify::new(),
        measuring: AtomicBool::new(false),
        deliveries: AtomicU64::new(0),
        deliveries_total: AtomicU64::new(0),
        violations: AtomicU64::new(0),
        frame_bytes: AtomicU64::new(0),
        last_recipient_us: Mutex::new(histogram()),
    });
    let mut tasks = tokio::task::JoinSet::new();
    for socket in sockets {
        tasks.spawn(receive(socket, shared.clone()));
    }
    let stop_at = Instant::now() + plan.warm_up + plan.measure;
    let sending = tokio::spawn(send(sender, plan.clone(), shared.clone(), stop_at));
    tokio::time::sleep(plan.warm_up).await;
    let began = Instant::now();
    shared.measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(plan.measure).await;
    shared.measuring.store(false, Ordering::Relaxed);
    let measured = began.elapsed();
    let sent_total = sending.await.unwrap_or(0);
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while shared.complete.load(Ordering::Relaxed) < sent_total && Instant::now() < deadline {
        look.tick().await;
    }
    tasks.shutdown().await;
    let Some(shared) = Arc::into_inner(shared) else {
        return Err(std::io::Error::other("a load task outlived its run").into());
    };
    Ok(Seen {
        deliveries: shared.deliveries.into_inner(),
        measured,
        sent_total,
        deliveries_total: shared.deliveries_total.into_inner(),
        violations: shared.violations.into_inner(),
        incomplete: sent_total.saturating_sub(shared.complete.into_inner()),
        last_recipient_us: shared.last_recipient_us.into_inner(),
        frame_bytes: shared.frame_bytes.into_inner(),
    })
}

async fn send(sender: Connection, plan: Plan, shared: Arc<Shared>, stop_at: Instant) -> u64 {
    let (mut reader, writer) = sender.split();
    let seq_of_last = Arc::new(AtomicU64::new(0));
    let acks = tokio::spawn({
        let (writer, seq_of_last) = (writer.clone(), seq_of_last.clone());
        async move {
            loop {
                let mut heartbeat = false;
                let heard = reader.recv_raw(|payload| match wire_scan::kind(payload) {
                    Kind::Ack => seq_of_last.store(wire_scan::seq(payload).unwrap_or(0), Ordering::Relaxed),
                    Kind::Heartbeat => heartbeat = true,
                    _ => {}
                });
                let ended = !matches!(heard.await, Ok(None));
                if ended || heartbeat && writer.queue_text(r#"{"type":"heartbeat"}"#).is_err() {
                    return;
                }
            }
        }
    });
    let text = "x".repeat(TEXT_BYTES);
    let conversation = plan.conversation;
    let mut tick = plan.rate.map(|rate| {
        let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        tick
    });
    let mut sent = 0_u64;
    while Instant::now() < stop_at {
        if let Some(tick) = &mut tick {
            tick.tick().await;
        } else if sent - shared.complete.load(Ordering::Relaxed) >= plan.in_flight {
            let changed = shared.complete_changed.notified();
            if sent - shared.complete.load(Ordering::Relaxed) >= plan.in_flight
                && tokio::time::timeout(Duration::from_secs(5), changed).await.is_err()
            {
                break;
            }
            continue;
        }
        // The number stands first in the text, so that recipients know the message without its seq.
        let number = sent;
        let slot = slot(number);
        shared.counts[slot].store(0, Ordering::Relaxed);
        shared.sent_us[slot].store(micros(shared.began), Ordering::Relaxed);
        let client_id = ClientId::new();
        let frame = format!(
            r##"{{"type":"message","client_id":"{client_id}","conversation_id":"{conversation}","content":"#{number:020}{}"}}"##,
            &text[21..]
        );
        if writer.queue_text(&frame).is_err() {
            break;
        }
        sent += 1;
        // Let the socket take what fits before asking how many are in flight.
        if !writer.is_flushed() && writer.flush().await.is_err() {
            break;
        }
        if sent.is_multiple_of(16) {
            tokio::task::yield_now().await;
        }
    }
    acks.abort();
    sent
}

async fn receive(mut socket: Connection, shared: Arc<Shared>) {
    let mut last = 0;
    loop {
        let (mut heartbeat, mut events) = (false, 0_u64);
        let heard = socket.recv_raw(|payload| match wire_scan::kind(payload) {
            Kind::Event => {
                let seq = wire_scan::seq(payload).unwrap_or(0);
                if last != 0 && seq != last + 1 {
                    shared.violations.fetch_add(1, Ordering::Relaxed);
                }
                last = seq;
                let Some(number) = wire_scan::number_after(payload, br##""content":"#"##) else { return };
                events += 1;
                shared.frame_bytes.store(payload.len() as u64 + 4, Ordering::Relaxed);
                shared.received(number);
            }
            Kind::Heartbeat => heartbeat = true,
            _ => {}
        });
        let ended = !matches!(heard.await, Ok(None));
        shared.deliveries_total.fetch_add(events, Ordering::Relaxed);
        if shared.measuring.load(Ordering::Relaxed) {
            shared.deliveries.fetch_add(events, Ordering::Relaxed);
        }
        if ended || heartbeat && socket.send_text(r#"{"type":"heartbeat"}"#).await.is_err() {
            return;
        }
    }
}

impl Shared {
    fn received(&self, number: u64) {
        let slot = slot(number);
        if self.counts[slot].fetch_add(1, Ordering::Relaxed) + 1 < self.recipients {
            return;
        }
        self.complete.fetch_add(1, Ordering::Relaxed);
        self.complete_changed.notify_one();
        if self.measuring.load(Ordering::Relaxed) {
            let took = micros(self.began).saturating_sub(self.sent_us[slot].load(Ordering::Relaxed));
            self.last_recipient_us.lock().saturating_record(took);
        }
    }
}

fn slot(number: u64) -> usize {
    number as usize % SLOTS
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
