//! Storm: everybody is cut at once and comes back by the SDK's own back-off, while messages flow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use rand::SeedableRng;
use stonechat_client::{Backoff, Connection, Jitter, Result};
use stonechat_wire::{ClientId, ConversationId, Cursor};
use tokio::sync::watch;
use tokio::time::Instant;

use super::TEXT_BYTES;
use super::direct::histogram;
use super::people::{self, Person};
use super::wire_scan::{self, Kind};

#[derive(Clone, Debug)]
pub struct Plan {
    pub url: String,
    /// Clients with the one conversation in which they check that nothing is missing.
    pub clients: Vec<(Person, ConversationId)>,
    /// Senders with the conversations they write to in turn.
    pub senders: Vec<(Person, Vec<ConversationId>)>,
    pub messages_per_s: f64,
    pub jitter: bool,
    /// Of calm before the cut, and after the last one is back.
    pub calm: Duration,
    /// Longer than this it has failed.
    pub deadline: Duration,
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub back_us: Histogram<u64>,
    pub all_back: Option<Duration>,
    pub received: u64,
    pub acked: u64,
    pub violations: u64,
    pub sender_ack_us: Histogram<u64>,
    pub retries: u64,
}

struct Shared {
    url: String,
    jitter: bool,
    cut: watch::Receiver<Option<Instant>>,
    back: AtomicU64,
    retries: AtomicU64,
    received: AtomicU64,
    violations: AtomicU64,
    stopping: AtomicBool,
    back_us: Mutex<Histogram<u64>>,
}

/// Runs a plan.
///
/// # Errors
/// When the first connections cannot be opened.
pub async fn run(plan: Plan) -> Result<Seen> {
    let (cut, hearing) = watch::channel(None);
    let shared = Arc::new(Shared {
        url: plan.url.clone(),
        jitter: plan.jitter,
        cut: hearing,
        back: AtomicU64::new(0),
        retries: AtomicU64::new(0),
        received: AtomicU64::new(0),
        violations: AtomicU64::new(0),
        stopping: AtomicBool::new(false),
        back_us: Mutex::new(histogram()),
    });
    let everybody: Vec<_> = plan.clients.iter().map(|(person, _)| person.clone()).collect();
    let sockets = people::connect_all_with_cursors(&plan.url, &everybody, 64).await?;
    let mut clients = tokio::task::JoinSet::new();
    for (n, ((socket, cursor), (person, conversation))) in
        sockets.into_iter().zip(plan.clients.clone()).enumerate()
    {
        let client = Client {
            n,
            person,
            conversation: conversation.to_string(),
            cursor,
            last: 0,
            shared: shared.clone(),
        };
        clients.spawn(client.run(socket));
    }
    let acks = Arc::new((AtomicU64::new(0), Mutex::new(histogram())));
    let mut senders = tokio::task::JoinSet::new();
    let pause = Duration::from_secs_f64(plan.senders.len() as f64 / plan.messages_per_s);
    for (n, (person, conversations)) in plan.senders.iter().cloned().enumerate() {
        let (connection, _) = people::connect(&plan.url, plan.clients.len() + n, &person, None).await?;
        senders.spawn(send(connection, conversations, pause, shared.clone(), acks.clone()));
    }
    tokio::time::sleep(plan.calm).await;
    let began = Instant::now();
    cut.send_replace(Some(began));
    let wanted = plan.clients.len() as u64;
    let mut look = tokio::time::interval(Duration::from_millis(10));
    // Ticks that passed while nobody looked are not counted as quiet.
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut all_back = None;
    while began.elapsed() < plan.deadline {
        look.tick().await;
        if shared.back.load(Ordering::Relaxed) == wanted {
            all_back = Some(began.elapsed());
            break;
        }
    }
    tokio::time::sleep(plan.calm).await;
    shared.stopping.store(true, Ordering::Relaxed);
    while senders.join_next().await.is_some() {}
    // What was acknowledged must arrive everywhere: let it.
    let (mut before, mut still) = (0, 0);
    while still < 100 {
        look.tick().await;
        let now = shared.received.load(Ordering::Relaxed);
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    clients.shutdown().await;
    let acked = acks.0.load(Ordering::Relaxed);
    let sender_ack_us = acks.1.lock().clone();
    let back_us = shared.back_us.lock().clone();
    Ok(Seen {
        back_us,
        all_back,
        received: shared.received.load(Ordering::Relaxed),
        acked,
        violations: shared.violations.load(Ordering::Relaxed),
        sender_ack_us,
        retries: shared.retries.load(Ordering::Relaxed),
    })
}

/// One client: it checks the places of its one conversation, over the cut as well.
struct Client {
    n: usize,
    person: Person,
    conversation: String,
    cursor: Cursor,
    last: u64,
    shared: Arc<Shared>,
}

impl Client {
    async fn run(mut self, socket: Connection) {
        let mut cut = self.shared.cut.clone();
        let mut socket = Some(socket);
        if let Some(mut open) = socket.take() {
            tokio::select! {
                _ = cut.changed() => {}
                () = self.hear(&mut open) => {}
            }
        }
        let Some(began) = *cut.borrow() else { return };
        let jitter = if self.shared.jitter { Jitter::Full } else { Jitter::Off };
        let mut random = rand::rngs::SmallRng::seed_from_u64(self.n as u64);
        let mut backoff = Backoff::new(jitter);
        let mut wait = backoff.lost(Duration::from_secs(60), None, &mut random);
        loop {
            tokio::time::sleep(wait).await;
            match self.return_at(began).await {
                Ok(()) => return,
                Err(_) => {
                    self.shared.retries.fetch_add(1, Ordering::Relaxed);
                    wait = backoff.failed(None, &mut random);
                }
            }
        }
    }

    /// Connects with the cursor, and is back when the server says it is caught up.
    async fn return_at(&mut self, began: Instant) -> Result<()> {
        let mut socket =
            people::open(&self.shared.url, self.n, &self.person, Some(self.cursor.clone())).await?;
        let mut caught_up = false;
        loop {
            let (mut heartbeat, mut cursor) = (false, None);
            let ended = {
                let heard = socket.recv_raw(|payload| match wire_scan::kind(payload) {
                    Kind::Heartbeat => heartbeat = true,
                    Kind::Cursor => {
                        cursor = wire_scan::text_after(payload, br#""cursor":""#).map(<[u8]>::to_vec);
                        caught_up |= wire_scan::contains(payload, br#""has_more":false"#);
                    }
                    Kind::Event => self.place(payload),
                    Kind::Reset => {
                        self.shared.violations.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => {}
                });
                heard.await?.is_some()
            };
            if let Some(cursor) = cursor.and_then(|cursor| String::from_utf8(cursor).ok()) {
                self.cursor = Cursor(cursor);
            }
            if caught_up {
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.shared.back_us.lock().saturating_record(micros);
                self.shared.back.fetch_add(1, Ordering::Relaxed);
                self.hear(&mut socket).await;
                return Ok(());
            }
            if ended {
                return Err(std::io::Error::other("closed while coming back").into());
            }
            if heartbeat {
                socket.send_text(r#"{"type":"heartbeat"}"#).await?;
            }
        }
    }

    /// Hears until the connection ends.
    async fn hear(&mut self, socket: &mut Connection) {
        loop {
            let (mut heartbeat, mut cursor) = (false, None);
            let heard = socket.recv_raw(|payload| match wire_scan::kind(payload) {
                Kind::Heartbeat => heartbeat = true,
                Kind::Cursor => cursor = wire_scan::text_after(payload, br#""cursor":""#).map(<[u8]>::to_vec),
                Kind::Event => self.place(payload),
                _ => {}
            });
            let ended = !matches!(heard.await, Ok(None));
            if let Some(cursor) = cursor.and_then(|cursor| String::from_utf8(cursor).ok()) {
                self.cursor = Cursor(cursor);
            }
            if ended || heartbeat && socket.send_text(r#"{"type":"heartbeat"}"#).await.is_err() {
                return;
            }
        }
    }

    fn place(&mut self, payload: &[u8]) {
        if wire_scan::text_after(payload, br#""conversation_id":""#) != Some(self.conversation.as_bytes()) {
            return;
        }
        let seq = wire_scan::seq(payload).unwrap_or(0);
        // After a return, what lies between the stored cursor and the cut comes again: that is no violation.
        if self.last != 0 && seq > self.last + 1 {
            self.shared.violations.fetch_add(1, Ordering::Relaxed);
        }
        if seq > self.last {
            self.last = seq;
            self.shared.received.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn send(
    mut connection: Connection,
    conversations: Vec<ConversationId>,
    pause: Duration,
    shared: Arc<Shared>,
    acks: Arc<(AtomicU64, Mutex<Histogram<u64>>)>,
) {
    let text = "x".repeat(TEXT_BYTES);
    let mut tick = tokio::time::interval_at(Instant::now() + pause.mul_f64(rand::random()), pause);
    let mut waiting = std::collections::VecDeque::new();
    let mut next = 0;
    let mut quiet_since = None;
    loop {
        let stopping = shared.stopping.load(Ordering::Relaxed);
        if stopping {
            let since = *quiet_since.get_or_insert_with(Instant::now);
            if waiting.is_empty() || since.elapsed() > Duration::from_secs(5) {
                return;
            }
        }
        let (mut heartbeat, mut acked) = (false, 0_u64);
        let ended = tokio::select! {
            heard = connection.recv_raw(|payload| match wire_scan::kind(payload) {
                Kind::Ack => acked += 1,
                Kind::Heartbeat => heartbeat = true,
                _ => {}
            }) => !matches!(heard, Ok(None)),
            _ = tick.tick(), if !stopping => {
                let conversation = conversations[next % conversations.len()];
                next += 1;
                let client_id = ClientId::new();
                let frame = format!(
                    r#"{{"type":"message","client_id":"{client_id}","conversation_id":"{conversation}","content":"{text}"}}"#
                );
                waiting.push_back(Instant::now());
                connection.send_text(&frame).await.is_err()
            }
            () = tokio::time::sleep(Duration::from_millis(100)), if stopping => false,
        };
        for _ in 0..acked {
            let Some(sent): Option<Instant> = waiting.pop_front() else { break };
            let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
            acks.1.lock().saturating_record(micros);
            acks.0.fetch_add(1, Ordering::Relaxed);
        }
        if ended || heartbeat && connection.send_text(r#"{"type":"heartbeat"}"#).await.is_err() {
            shared.violations.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
}
