//! Load: clients that write, resend, repeat and reconnect through whatever happens, and record all of it.
//!
//! As the SDK does: what was not acknowledged is sent again, in order, with the same ids.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use stonechat_client::{Connection, Result};
use stonechat_wire::{ClientId, ConversationId, Cursor};
use tokio::time::Instant;

use crate::bench::people::{self, Person};
use crate::bench::wire_scan::{self, Kind};
use crate::history::{Attempt, Delivery, Entry, History, Observer, Outcome, text_hash};

/// What the clients of a run share.
pub struct Load {
    pub url: String,
    pub conversations: Vec<ConversationId>,
    /// Sent and not acknowledged by one client, at most.
    pub window: usize,
    began: Instant,
    stopping: AtomicBool,
    acked: AtomicU64,
    /// Per client and conversation the newest place it holds.
    heads: Vec<Vec<AtomicU64>>,
}

/// One in so many acknowledged messages is sent once more.
const REPEAT_ONE_IN: u64 = 40;

impl Load {
    pub fn new(url: &str, conversations: Vec<ConversationId>, clients: usize, window: usize) -> Arc<Self> {
        let heads = (0..clients).map(|_| conversations.iter().map(|_| AtomicU64::new(0)).collect()).collect();
        Arc::new(Self {
            url: url.to_owned(),
            conversations,
            window,
            began: Instant::now(),
            stopping: AtomicBool::new(false),
            acked: AtomicU64::new(0),
            heads,
        })
    }

    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// From here on nothing new is sent; what is unanswered is still seen through.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether every client holds every conversation up to its head.
    pub fn is_quiet(&self, heads: &[u64]) -> bool {
        self.heads
            .iter()
            .all(|held| held.iter().zip(heads).all(|(held, head)| held.load(Ordering::Relaxed) >= *head))
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// One device under load.
pub struct Client {
    load: Arc<Load>,
    number: u32,
    person: Person,
    random: SmallRng,
    cursor: Option<Cursor>,
    numbers: HashMap<[u8; 36], u32>,
    unacked: VecDeque<Sent>,
    /// Attempts that wait for an answer, by message.
    waiting: HashMap<ClientId, VecDeque<usize>>,
    seen: HashSet<(u32, u64)>,
    attempts: Vec<Attempt>,
    deliveries: Vec<Delivery>,
    serial: u64,
}

#[derive(Clone)]
struct Sent {
    client_id: ClientId,
    conversation: u32,
    frame: String,
    text_hash: u64,
}

impl Client {
    /// A client that stands at `cursor`: everything after it is its to see.
    pub fn new(load: &Arc<Load>, number: u32, person: Person, cursor: Cursor, seed: u64) -> Self {
        let numbers = load.conversations.iter().zip(0..).filter_map(|(id, number)| {
            let text: [u8; 36] = id.to_string().into_bytes().try_into().ok()?;
            Some((text, number))
        });
        Self {
            numbers: numbers.collect(),
            load: load.clone(),
            number,
            person,
            random: SmallRng::seed_from_u64(seed ^ u64::from(number)),
            cursor: Some(cursor),
            unacked: VecDeque::new(),
            waiting: HashMap::new(),
            seen: HashSet::new(),
            attempts: Vec::new(),
            deliveries: Vec::new(),
            serial: 0,
        }
    }

    /// Runs until it is aborted from outside by `finished`; gives what it recorded.
    pub async fn run(
        mut self,
        mut finished: tokio::sync::watch::Receiver<bool>,
    ) -> (Vec<Attempt>, Vec<Delivery>) {
        loop {
            tokio::select! {
                biased;
                _ = finished.wait_for(|finished| *finished) => return (self.attempts, self.deliveries),
                _ = self.session() => {}
            }
            // The connection is gone: every answer that was owed is unknown now.
            self.waiting.clear();
            let wait = Duration::from_millis(self.random.random_range(5..60));
            tokio::time::sleep(wait).await;
        }
    }

    async fn session(&mut self) -> Result<()> {
        let number = self.number as usize;
        let mut socket = people::open(&self.load.url, number, &self.person, self.cursor.clone()).await?;
        for sent in self.unacked.clone() {
            self.transmit(&socket, &sent).await?;
        }
        loop {
            while !self.load.stopping.load(Ordering::Relaxed) && self.unacked.len() < self.load.window {
                let sent = self.compose();
                self.unacked.push_back(sent.clone());
                self.transmit(&socket, &sent).await?;
            }
            self.hear(&mut socket).await?;
        }
    }

    fn compose(&mut self) -> Sent {
        let conversation = self.random.random_range(0..self.load.conversations.len() as u32);
        self.serial += 1;
        let text =
            format!("{:<100}", format!("{} {} {}", self.number, self.serial, self.random.random::<u64>()));
        let client_id = ClientId::new();
        let id = self.load.conversations[conversation as usize];
        Sent {
            client_id,
            conversation,
            text_hash: text_hash(text.as_bytes()),
            frame: format!(
                r#"{{"type":"message","client_id":"{client_id}","conversation_id":"{id}","content":"{text}"}}"#
            ),
        }
    }

    async fn transmit(&mut self, socket: &Connection, sent: &Sent) -> Result<()> {
        self.waiting.entry(sent.client_id).or_default().push_back(self.attempts.len());
        self.attempts.push(Attempt {
            device: self.number,
            conversation: sent.conversation,
            client_id: sent.client_id,
            text_hash: sent.text_hash,
            invoked_us: self.load.now_us(),
            outcome: Outcome::Unknown,
        });
        socket.send_text(&sent.frame).await
    }

    async fn hear(&mut self, socket: &mut Connection) -> Result<()> {
        let mut heard = Heard::default();
        let ended = socket.recv_raw(|payload| heard.take(payload)).await?;
        let now = self.load.now_us();
        for (client_id, conversation, seq) in heard.acks {
            if let Some(repeat) = self.acked(client_id, &conversation, seq, now) {
                self.transmit(socket, &repeat).await?;
            }
        }
        for client_id in heard.errors {
            self.refused(client_id);
        }
        for event in heard.events {
            self.delivered(event, now);
        }
        if let Some(cursor) = heard.cursor {
            self.cursor = Some(cursor);
        }
        if heard.heartbeat {
            socket.send_text(r#"{"type":"heartbeat"}"#).await?;
        }
        match ended {
            Some(closed) => Err(std::io::Error::other(format!("{} {}", closed.code, closed.reason)).into()),
            None => Ok(()),
        }
    }

    /// Notes an ack; gives the message back when it is to be repeated.
    fn acked(&mut self, client_id: ClientId, conversation: &[u8; 36], seq: u64, now: u64) -> Option<Sent> {
        let attempt = self.waiting.get_mut(&client_id)?.pop_front()?;
        self.attempts[attempt].outcome = Outcome::Acked { seq, at_us: now };
        if let Some(conversation) = self.numbers.get(conversation).copied() {
            self.hold(conversation, seq);
        }
        let place = self.unacked.iter().position(|sent| sent.client_id == client_id)?;
        let sent = self.unacked.remove(place)?;
        self.load.acked.fetch_add(1, Ordering::Relaxed);
        (self.random.random_range(0..REPEAT_ONE_IN) == 0).then_some(sent)
    }

    fn refused(&mut self, client_id: ClientId) {
        if let Some(attempt) = self.waiting.get_mut(&client_id).and_then(VecDeque::pop_front) {
            self.attempts[attempt].outcome = Outcome::Refused;
        }
        self.unacked.retain(|sent| sent.client_id != client_id);
    }

    fn delivered(&mut self, event: Event, now: u64) {
        let Some(conversation) = self.numbers.get(&event.conversation).copied() else { return };
        self.hold(conversation, event.seq);
        if self.seen.insert((conversation, event.seq)) {
            self.deliveries.push(Delivery {
                device: self.number,
                conversation,
                seq: event.seq,
                client_id: event.client_id,
                text_hash: event.text_hash,
                at_us: now,
            });
        }
    }

    fn hold(&self, conversation: u32, seq: u64) {
        self.load.heads[self.number as usize][conversation as usize].fetch_max(seq, Ordering::Relaxed);
    }
}

struct Event {
    conversation: [u8; 36],
    seq: u64,
    client_id: ClientId,
    text_hash: u64,
}

#[derive(Default)]
struct Heard {
    acks: Vec<(ClientId, [u8; 36], u64)>,
    errors: Vec<ClientId>,
    events: Vec<Event>,
    cursor: Option<Cursor>,
    heartbeat: bool,
}

impl Heard {
    fn take(&mut self, payload: &[u8]) {
        let text = |name: &[u8]| wire_scan::text_after(payload, name);
        let client_id = || std::str::from_utf8(text(br#""client_id":""#)?).ok()?.parse::<ClientId>().ok();
        let conversation = || text(br#""conversation_id":""#)?.try_into().ok();
        match wire_scan::kind(payload) {
            Kind::Ack => {
                if let (Some(id), Some(conversation), Some(seq)) =
                    (client_id(), conversation(), wire_scan::seq(payload))
                {
                    self.acks.push((id, conversation, seq));
                }
            }
            Kind::Event => {
                let content = text(br#""content":""#);
                if let (Some(client_id), Some(conversation), Some(seq), Some(content)) =
                    (client_id(), conversation(), wire_scan::seq(payload), content)
                {
                    self.events.push(Event { conversation, seq, client_id, text_hash: text_hash(content) });
                }
            }
            Kind::Error => self.errors.extend(client_id()),
            Kind::Cursor | Kind::Reset => {
                let cursor =
                    text(br#""cursor":""#).and_then(|cursor| String::from_utf8(cursor.to_vec()).ok());
                self.cursor = cursor.map(Cursor);
            }
            Kind::Heartbeat => self.heartbeat = true,
            Kind::Other => {}
        }
    }
}

/// The place of the newest message of each of the run's conversations.
///
/// # Errors
/// When it cannot be read.
pub fn read_heads(database: &std::path::Path, load: &Load) -> rusqlite::Result<Vec<u64>> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let sql = rusqlite::Connection::open_with_flags(database, flags)?;
    let mut statement = sql.prepare("select last_message_seq from conversations where id = ?1")?;
    let head =
        |id: &ConversationId| statement.query_row([id.0.as_bytes().as_slice()], |row| row.get::<_, u64>(0));
    load.conversations.iter().map(head).collect()
}

/// Every message of the run's conversations, as the database holds them.
///
/// # Errors
/// When it cannot be read.
pub fn read_log(database: &std::path::Path, load: &Load, history: &mut History) -> rusqlite::Result<()> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let sql = rusqlite::Connection::open_with_flags(database, flags)?;
    let mut statement = sql.prepare(
        "select e.seq, e.client_id, v.content from conversations c join events e on e.conversation = c.key \
         join versions v on v.id = e.version where c.id = ?1 and e.kind = 0 order by e.seq",
    )?;
    for (id, number) in load.conversations.iter().zip(0..) {
        let entries = statement.query_map([id.0.as_bytes().as_slice()], |row| {
            let client_id: Vec<u8> = row.get(1)?;
            let text: String = row.get(2)?;
            Ok(Entry {
                seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                client_id: ClientId(uuid::Uuid::from_slice(&client_id).unwrap_or_default()),
                text_hash: text_hash(text.as_bytes()),
            })
        })?;
        history.log.insert(number, entries.collect::<rusqlite::Result<_>>()?);
    }
    Ok(())
}

/// Every client observes every conversation from its first message on.
pub fn observers(load: &Load, first_seq: u64) -> Vec<Observer> {
    let clients = 0..load.heads.len() as u32;
    let all = |device| {
        (0..load.conversations.len() as u32).map(move |conversation| Observer {
            device,
            conversation,
            from_seq: first_seq,
        })
    };
    clients.flat_map(all).collect()
}
