//! Tests of the inbox: whatever a connection does, each event is given out once and in its place.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use stonechat_wire::{EventBody, Timestamp, UserId};

use super::*;

fn event(conversation_id: ConversationId, seq: u64) -> Event {
    Event {
        conversation_id,
        seq: Seq(seq),
        ordinal: seq,
        from: UserId(uuid::Uuid::nil()),
        sender_device: None,
        client_id: None,
        timestamp: Timestamp(0),
        body: EventBody::Renamed { name: seq.to_string() },
    }
}

/// What was given out, in short.
fn short(outputs: &[Output]) -> String {
    let words = outputs.iter().map(|output| match output {
        Output::Event(event) => event.seq.to_string(),
        Output::Gap { from_seq, to_seq, .. } => format!("gap {from_seq}-{to_seq}"),
        Output::Batch { from_seq, to_seq, .. } => format!("batch {from_seq}-{to_seq}"),
        Output::Account(_) => "account".into(),
        Output::Joined(..) => "joined".into(),
        Output::Left(_) => "left".into(),
        Output::Cursor(cursor) => format!("cursor {cursor}"),
        Output::CaughtUp => "caught up".into(),
        Output::Reset(cursor) => format!("reset {cursor}"),
        Output::Repair(_) => "repair".into(),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn joined(id: ConversationId, visible_from: u64, last_seq: u64) -> AccountEntry {
    let value = json!({"type": "conversation_joined", "visible_from": visible_from, "last_seq": last_seq});
    AccountEntry { key: format!("conversation/{id}"), value }
}

/// R-SY-1: a hole holds what follows and the cursor, is asked for after a second, and again ever more rarely.
#[test]
fn r_sy_1_a_hole_is_held_and_asked_for() {
    let (mut inbox, id, now) = (Inbox::default(), ConversationId::new(), Instant::now());
    inbox.start(id, Seq(0), now);
    assert_eq!(short(&inbox.event(event(id, 1), now)), "1");
    assert_eq!(short(&inbox.event(event(id, 3), now)), "");
    assert_eq!(short(&inbox.cursor(Cursor("c".into()), false)), "caught up");
    assert_eq!(inbox.next_wake(), Some(now + REPAIR_AFTER));
    assert_eq!(short(&inbox.tick(now + REPAIR_AFTER)), "repair");
    assert_eq!(inbox.next_wake(), Some(now + REPAIR_AFTER * 3));
    assert_eq!(short(&inbox.event(event(id, 2), now)), "2, 3, cursor c");
    assert_eq!(short(&inbox.event(event(id, 2), now)), "");
    assert_eq!(inbox.next_wake(), None);
}

/// R-SY-1: `gap`, `batch` and acks fill the sequence.
#[test]
fn r_sy_1_gaps_batches_and_acks_fill() {
    let (mut inbox, id, now) = (Inbox::default(), ConversationId::new(), Instant::now());
    inbox.start(id, Seq(0), now);
    assert_eq!(short(&inbox.event(event(id, 9), now)), "");
    assert_eq!(short(&inbox.batch(id, Seq(5), Seq(7), BatchSummary::default(), now)), "");
    assert_eq!(short(&inbox.acked(id, Seq(8), now)), "");
    assert_eq!(short(&inbox.gap(id, Seq(1), Seq(4), GapReason::Hidden, now)), "gap 1-4, batch 5-7, 9");
}

/// An ack in a conversation nothing is known of does not hide what stands before it.
#[test]
fn r_sy_1_an_early_ack_hides_nothing() {
    let (mut inbox, id, now) = (Inbox::default(), ConversationId::new(), Instant::now());
    assert_eq!(short(&inbox.acked(id, Seq(2), now)), "");
    assert_eq!(short(&inbox.event(event(id, 1), now)), "1");
    assert_eq!(short(&inbox.event(event(id, 2), now)), "");
    assert_eq!(short(&inbox.event(event(id, 3), now)), "3");
}

/// The row of the account state may come before or after the first event, and again after a resume.
#[test]
fn r_sy_1_joining_starts_anew_once() {
    let (id, now) = (ConversationId::new(), Instant::now());
    let mut inbox = Inbox::default();
    assert_eq!(short(&inbox.account(joined(id, 7, 7), now)), "account, joined");
    assert_eq!(short(&inbox.event(event(id, 7), now)), "7");
    assert_eq!(short(&inbox.account(joined(id, 7, 7), now)), "account");
    assert_eq!(short(&inbox.event(event(id, 7), now)), "");

    let mut inbox = Inbox::default();
    assert_eq!(short(&inbox.event(event(id, 7), now)), "7");
    assert_eq!(short(&inbox.account(joined(id, 7, 7), now)), "account");
    assert_eq!(short(&inbox.event(event(id, 7), now)), "");

    // What the row told of bounds where the stream may begin.
    let mut inbox = Inbox::default();
    inbox.account(joined(id, 7, 7), now);
    assert_eq!(short(&inbox.event(event(id, 9), now)), "");
    assert_eq!(short(&inbox.event(event(id, 8), now)), "8, 9");
}

#[test]
fn r_sy_1_rejoining_while_away_keeps_what_came_first() {
    let (mut inbox, id, now) = (Inbox::default(), ConversationId::new(), Instant::now());
    inbox.account(joined(id, 1, 1), now);
    inbox.event(event(id, 1), now);
    assert_eq!(short(&inbox.event(event(id, 20), now)), "");
    assert_eq!(short(&inbox.account(joined(id, 20, 20), now)), "account, joined, 20");
}

#[test]
fn r_sy_1_leaving_removes_and_frees_the_cursor() {
    let (mut inbox, id, now) = (Inbox::default(), ConversationId::new(), Instant::now());
    inbox.start(id, Seq(0), now);
    inbox.event(event(id, 4), now);
    inbox.cursor(Cursor("c".into()), true);
    let value = json!({"type": "conversation_left", "seq": 5});
    let left = AccountEntry { key: format!("conversation/{id}"), value };
    assert_eq!(short(&inbox.account(left.clone(), now)), "account, left, cursor c");
    assert_eq!(short(&inbox.account(left, now)), "account");
    assert_eq!(short(&inbox.event(event(id, 4), now)), "");
    assert_eq!(inbox.held, 0);
}

#[test]
fn r_sy_1_reset_forgets() {
    let (mut inbox, id, now) = (Inbox::default(), ConversationId::new(), Instant::now());
    inbox.start(id, Seq(5), now);
    assert_eq!(short(&inbox.reset(Cursor("s".into()))), "reset s");
    assert_eq!(inbox.place(id), None);
    inbox.start(id, Seq(2), now);
    assert_eq!(short(&inbox.event(event(id, 2), now)), "");
    assert_eq!(short(&inbox.event(event(id, 3), now)), "3");
}

/// An entry of the server's log, as one device sees it.
#[derive(Clone)]
enum Entry {
    Event(Event),
    Own(Event),
    Gap(ConversationId, Seq, Seq),
    Batch(ConversationId, Seq, Seq),
}

impl Entry {
    fn conversation_id(&self) -> ConversationId {
        match self {
            Self::Event(event) | Self::Own(event) => event.conversation_id,
            Self::Gap(id, ..) | Self::Batch(id, ..) => *id,
        }
    }
}

/// A device: what is in memory, what is on disk, and the connection's place in the log.
struct Device {
    inbox: Inbox,
    places: HashMap<ConversationId, Place>,
    cursor: usize,
    seen: Vec<Event>,
    at: usize,
    /// Conversations in which something was dropped that nothing later has shown to be missing yet.
    unshown: HashSet<ConversationId>,
    repairs: usize,
    doubles: usize,
}

impl Device {
    fn feed(&mut self, entry: &Entry, live: bool, now: Instant) {
        self.unshown.remove(&entry.conversation_id());
        let outputs = match entry.clone() {
            Entry::Own(event) if live => self.inbox.acked(event.conversation_id, event.seq, now),
            Entry::Event(event) | Entry::Own(event) => self.inbox.event(event, now),
            Entry::Gap(id, from, to) => self.inbox.gap(id, from, to, GapReason::Hidden, now),
            Entry::Batch(id, from, to) => self.inbox.batch(id, from, to, BatchSummary::default(), now),
        };
        self.store(outputs);
    }

    /// What the driver does in one transaction.
    fn store(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Event(event) => self.seen.push(*event),
                Output::Cursor(cursor) => self.cursor = cursor.0.parse().unwrap(),
                Output::Repair(_) => self.repairs += 1,
                Output::Gap { .. } | Output::Batch { .. } | Output::CaughtUp => {}
                Output::Account(_) | Output::Joined(..) | Output::Left(_) | Output::Reset(_) => {
                    panic!("nothing of that was sent")
                }
            }
        }
        for (id, place) in self.inbox.take_changed() {
            self.places.insert(id, place.unwrap());
        }
    }

    fn say_cursor(&mut self, at: usize) {
        if self.unshown.is_empty() {
            let outputs = self.inbox.cursor(Cursor(at.to_string()), true);
            self.store(outputs);
        }
    }

    fn restart(&mut self) {
        self.inbox = Inbox::default();
        for (id, place) in &self.places {
            self.inbox.restore(*id, *place);
        }
    }

    fn reconnect(&mut self) {
        self.at = self.cursor;
        self.unshown.clear();
    }
}

fn random_log(conversations: &[ConversationId], random: &mut StdRng) -> Vec<Entry> {
    let mut last: HashMap<ConversationId, u64> = HashMap::new();
    let entries = (0..150).map(|_| {
        let id = *conversations.choose(random).unwrap();
        let last = last.entry(id).or_default();
        let from = *last + 1;
        let kind = random.random_range(0..10);
        *last = if kind < 8 { from } else { from + random.random_range(0..4) };
        match kind {
            0..6 => Entry::Event(event(id, from)),
            6..8 => Entry::Own(event(id, from)),
            8 => Entry::Gap(id, Seq(from), Seq(*last)),
            _ => Entry::Batch(id, Seq(from), Seq(*last)),
        }
    });
    entries.collect()
}

/// R-SY-1, R-PF-2: random drops, doubles, swaps, reconnects and restarts; every event is on disk once, in order,
/// and so is everything the cursor claims.
#[test]
fn r_sy_1_r_pf_2_random_connections() {
    let (mut repairs, mut doubles) = (0, 0);
    for seed in 0..400 {
        eprintln!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let conversations: Vec<_> =
            (0..3).map(|_| ConversationId(uuid::Uuid::from_u128(random.random()))).collect();
        let log = random_log(&conversations, &mut random);
        let mut now = Instant::now();
        let mut device = Device {
            inbox: Inbox::default(),
            places: HashMap::new(),
            cursor: 0,
            seen: Vec::new(),
            at: 0,
            unshown: HashSet::new(),
            repairs: 0,
            doubles: 0,
        };
        for id in &conversations {
            let outputs = device.inbox.start(*id, Seq(0), now);
            device.store(outputs);
        }
        while device.at < log.len() {
            now += Duration::from_millis(100);
            step(&mut device, &log, &mut random, now);
            let asked = device.repairs;
            let outputs = device.inbox.tick(now);
            device.store(outputs);
            if device.repairs > asked {
                let at = device.at;
                repair(&mut device, &log, at, now);
            }
        }
        device.reconnect();
        repair(&mut device, &log, log.len(), now);
        check(&device, &log, seed);
        repairs += device.repairs;
        doubles += device.doubles;
    }
    assert!(repairs > 100 && doubles > 1000, "the faults must happen: {repairs} repairs, {doubles} doubles");
}

fn step(device: &mut Device, log: &[Entry], random: &mut StdRng, now: Instant) {
    let entry = &log[device.at];
    match random.random_range(0..40) {
        0 => device.reconnect(),
        1 => {
            device.restart();
            device.reconnect();
        }
        2..5 => {
            device.unshown.insert(entry.conversation_id());
            device.at += 1;
        }
        5..9 => {
            device.feed(entry, true, now);
            device.feed(entry, true, now);
            device.doubles += 1;
            device.at += 1;
        }
        9..13 if device.at + 1 < log.len() => {
            device.feed(&log[device.at + 1], true, now);
            device.feed(entry, true, now);
            device.at += 2;
        }
        13..18 => device.say_cursor(device.at),
        _ => {
            device.feed(entry, true, now);
            device.at += 1;
        }
    }
}

/// What `GET /sync` from the stored cursor brings, up to `end`.
fn repair(device: &mut Device, log: &[Entry], end: usize, now: Instant) {
    let end = end.max(device.cursor);
    for entry in &log[device.cursor..end] {
        device.feed(entry, false, now);
    }
    device.unshown.clear();
    device.say_cursor(end);
}

fn check(device: &Device, log: &[Entry], seed: u64) {
    assert_eq!(device.cursor, log.len(), "seed {seed}: the cursor did not arrive");
    assert!(device.inbox.holes.is_empty() && device.inbox.held == 0, "seed {seed}");
    let mut last: HashMap<ConversationId, Seq> = HashMap::new();
    for event in &device.seen {
        let before = last.insert(event.conversation_id, event.seq);
        assert!(before.is_none_or(|before| before < event.seq), "seed {seed}: {} twice or late", event.seq);
    }
    for entry in log {
        let Entry::Event(event) = entry else { continue };
        let seen = |seen: &&Event| seen.conversation_id == event.conversation_id && seen.seq == event.seq;
        assert_eq!(device.seen.iter().filter(seen).count(), 1, "seed {seed}: {} lost", event.seq);
    }
}
