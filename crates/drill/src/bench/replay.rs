//! Replay: a recorded forum sent live by its authors, each from a socket of their own, while every member receives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use stonechat_client::{Result, Writer};
use stonechat_wire::{ClientId, ConversationId, ConversationRef, SendMessage, Seq, UserId};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::direct::histogram;
use super::people::{self, Person};
use super::wire_scan::{self, Kind};

/// One recorded message.
#[derive(Clone, Debug)]
pub struct Line {
    pub channel: ConversationId,
    /// The topic it belongs to; the first message of an unknown one becomes its root.
    pub topic: String,
    pub sender: usize,
    pub text: String,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub url: String,
    pub people: Vec<Person>,
    /// Members of each channel, as places in `people`.
    pub members: HashMap<ConversationId, Vec<usize>>,
    /// Roots of topics that are there already.
    pub roots: HashMap<(ConversationId, String), Seq>,
    pub lines: Vec<Line>,
    pub messages_per_s: f64,
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub sent: u64,
    pub acked: u64,
    pub expected_deliveries: u64,
    pub deliveries: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub out_of_order: u64,
    pub took: Duration,
    pub delivery_us: Histogram<u64>,
}

struct Shared {
    began: Instant,
    sent_us: Vec<AtomicU64>,
    acks: Mutex<HashMap<usize, oneshot::Sender<Seq>>>,
    acked: AtomicU64,
    deliveries: AtomicU64,
    duplicated: AtomicU64,
    out_of_order: AtomicU64,
    delivery_us: Mutex<Histogram<u64>>,
    in_flight: Semaphore,
}

/// Sent and not acknowledged, at most.
const IN_FLIGHT: usize = 1_000;

/// Runs a plan.
///
/// # Errors
/// When the sockets cannot be opened.
pub async fn run(plan: Plan) -> Result<Seen> {
    let sockets = people::connect_all(&plan.url, &plan.people, 64).await?;
    let shared = Arc::new(Shared {
        began: Instant::now(),
        sent_us: plan.lines.iter().map(|_| AtomicU64::new(0)).collect(),
        acks: Mutex::new(HashMap::new()),
        acked: AtomicU64::new(0),
        deliveries: AtomicU64::new(0),
        duplicated: AtomicU64::new(0),
        out_of_order: AtomicU64::new(0),
        delivery_us: Mutex::new(histogram()),
        in_flight: Semaphore::new(IN_FLIGHT),
    });
    let mut tasks = tokio::task::JoinSet::new();
    let mut writers = Vec::with_capacity(sockets.len());
    for socket in sockets {
        let (reader, writer) = socket.split();
        writers.push(writer.clone());
        tasks.spawn(hear(reader, writer, shared.clone()));
    }
    let sent = send(&plan, &writers, &shared).await?;
    let expected_deliveries: u64 = plan
        .lines
        .iter()
        .map(|line| {
            plan.members.get(&line.channel).map_or(0, |members| members.len().saturating_sub(1)) as u64
        })
        .sum();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let (mut before, mut still) = (0, 0);
    while shared.deliveries.load(Ordering::Relaxed) < expected_deliveries && still < 150 {
        look.tick().await;
        let now = shared.deliveries.load(Ordering::Relaxed);
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    let took = shared.began.elapsed();
    tasks.shutdown().await;
    let deliveries = shared.deliveries.load(Ordering::Relaxed);
    let delivery_us = shared.delivery_us.lock().clone();
    Ok(Seen {
        sent,
        acked: shared.acked.load(Ordering::Relaxed),
        expected_deliveries,
        deliveries,
        lost: expected_deliveries.saturating_sub(deliveries),
        duplicated: shared.duplicated.load(Ordering::Relaxed),
        out_of_order: shared.out_of_order.load(Ordering::Relaxed),
        took,
        delivery_us,
    })
}

async fn send(plan: &Plan, writers: &[Writer], shared: &Arc<Shared>) -> Result<u64> {
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / plan.messages_per_s));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut roots = plan.roots.clone();
    let mut sent = 0;
    for (number, line) in plan.lines.iter().enumerate() {
        tick.tick().await;
        if let Ok(slot) = shared.in_flight.acquire().await {
            slot.forget();
        }
        let topic = (line.channel, line.topic.clone());
        let root = roots.get(&topic).copied();
        // The first of a topic must have its place before a reply can name it.
        let answer = root.is_none().then(|| {
            let (reply, answer) = oneshot::channel();
            shared.acks.lock().insert(number, reply);
            answer
        });
        let message = SendMessage {
            client_id: Some(numbered(number)),
            conversation_id: Some(ConversationRef::Id(line.channel)),
            to: None,
            content: line.text.clone(),
            content_type: None,
            metadata: None,
            reply_to: None,
            thread: root,
            read_seq: None,
        };
        shared.sent_us[number].store(micros(shared.began), Ordering::Relaxed);
        writers[line.sender].send(&stonechat_wire::ClientFrame::Message(message)).await?;
        sent += 1;
        if let Some(answer) = answer
            && let Ok(Ok(seq)) = tokio::time::timeout(Duration::from_secs(10), answer).await
        {
            roots.insert(topic, seq);
        }
    }
    Ok(sent)
}

/// A client id that carries the line's number, so that a receiver knows it without a look-up.
fn numbered(number: usize) -> ClientId {
    ClientId(Uuid::new_v8((number as u128).to_be_bytes()))
}

fn number_of(client_id: &[u8]) -> Option<usize> {
    let hex = std::str::from_utf8(client_id.get(24..36)?).ok()?;
    usize::from_str_radix(hex, 16).ok()
}

async fn hear(mut reader: stonechat_client::Reader, writer: Writer, shared: Arc<Shared>) {
    // Per channel the newest place this person has seen, their own acks among them.
    let mut last: HashMap<[u8; 36], u64> = HashMap::new();
    let mut seen: HashSet<(u64, usize)> = HashSet::new();
    loop {
        let mut heartbeat = false;
        let heard = reader.recv_raw(|payload| {
            let kind = wire_scan::kind(payload);
            if kind == Kind::Heartbeat {
                heartbeat = true;
            }
            if kind != Kind::Event && kind != Kind::Ack {
                return;
            }
            let Some(seq) = wire_scan::seq(payload) else { return };
            let channel =
                wire_scan::text_after(payload, br#""conversation_id":""#).and_then(|id| id.try_into().ok());
            if let Some(channel) = channel {
                let last = last.entry(channel).or_insert(seq - 1);
                if seq != *last + 1 {
                    shared.out_of_order.fetch_add(1, Ordering::Relaxed);
                }
                *last = seq;
            }
            let number = wire_scan::text_after(payload, br#""client_id":""#).and_then(number_of);
            let Some(number) = number.filter(|number| *number < shared.sent_us.len()) else { return };
            if !seen.insert((seq, number)) {
                shared.duplicated.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if kind == Kind::Ack {
                shared.acked(number, Seq(seq));
            } else {
                shared.delivered(number);
            }
        });
        let ended = !matches!(heard.await, Ok(None));
        if ended || heartbeat && writer.queue_text(r#"{"type":"heartbeat"}"#).is_err() {
            return;
        }
    }
}

impl Shared {
    fn acked(&self, number: usize, seq: Seq) {
        self.acked.fetch_add(1, Ordering::Relaxed);
        self.in_flight.add_permits(1);
        if let Some(reply) = self.acks.lock().remove(&number) {
            // Whoever waited may have given up.
            let _ = reply.send(seq);
        }
    }

    fn delivered(&self, number: usize) {
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        let took = micros(self.began).saturating_sub(self.sent_us[number].load(Ordering::Relaxed));
        self.delivery_us.lock().saturating_record(took);
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The person of an id, by place.
pub fn places(people: &[Person]) -> HashMap<UserId, usize> {
    people.iter().enumerate().map(|(place, person)| (person.user_id, place)).collect()
}
