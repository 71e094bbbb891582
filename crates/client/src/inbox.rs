//! Inbox: turns what connections bring (doubled, torn, out of order) into each event once and in its place.
//!
//! Pure: `input + now -> outputs`. Per conversation it knows the next place; what comes before it is a double,
//! what comes beyond it is held until the hole is filled, and after 1 s the hole is asked for.
//!
//! Invariant: an event is given out at most once, in order of `seq`; a cursor only when nothing before it is
//! missing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use stonechat_wire::{AccountEntry, BatchSummary, ConversationId, Cursor, Event, GapReason, Membership, Seq};
use tokio::time::Instant;

/// How long a hole may last before it is asked for; doubles with every asking.
const REPAIR_AFTER: Duration = Duration::from_secs(1);
/// No wait between askings grows beyond this.
const REPAIR_AT_MOST: Duration = Duration::from_secs(30);
/// Most events held behind holes, over all conversations. What does not fit is dropped: the cursor stands before
/// it, so the repair brings it again.
const MAX_HELD: usize = 8192;

/// What the inbox asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// Store and show.
    Event(Box<Event>),
    /// Nothing of these places is for this device. With `Skipped` its older window is to be dropped.
    Gap {
        /// Where.
        conversation_id: ConversationId,
        /// The first place.
        from_seq: Seq,
        /// The last place.
        to_seq: Seq,
        /// Why.
        reason: GapReason,
    },
    /// These places summed up.
    Batch {
        /// Where.
        conversation_id: ConversationId,
        /// The first place.
        from_seq: Seq,
        /// The last place.
        to_seq: Seq,
        /// What happened.
        summary: BatchSummary,
    },
    /// A row of the account state.
    Account(AccountEntry),
    /// Start this conversation anew: drop what is stored of it.
    Joined(ConversationId, Membership),
    /// Remove this conversation.
    Left(ConversationId),
    /// Everything up to here was given out; to be stored together with it.
    Cursor(Cursor),
    /// The server has nothing newer.
    CaughtUp,
    /// Forget everything, store this cursor, read lists and windows anew.
    Reset(Cursor),
    /// A hole in this conversation stays: read from the stored cursor, this conversation first.
    Repair(ConversationId),
}

/// What is to be stored of a conversation's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The next event to come; unknown until the first one came.
    pub next: Option<Seq>,
    /// `visible_from` and `last_seq` of the joining that this place counts from.
    pub joined: Option<(Seq, Seq)>,
}

#[derive(Clone, Debug)]
enum Item {
    Event(Box<Event>),
    Gap(GapReason),
    Batch(BatchSummary),
    /// This device's own event, which came as an ack.
    Own,
}

#[derive(Clone, Debug, Default)]
struct Conversation {
    place: Place,
    /// By first place, with the last.
    held: BTreeMap<Seq, (Seq, Item)>,
    /// Events up to here belong to an earlier membership.
    left: Option<Seq>,
}

#[derive(Clone, Copy, Debug)]
struct Hole {
    ask_at: Instant,
    wait: Duration,
}

/// The inbox of one device.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    conversations: HashMap<ConversationId, Conversation>,
    holes: HashMap<ConversationId, Hole>,
    held: usize,
    /// The newest cursor that came while something before it was missing.
    waiting_cursor: Option<Cursor>,
    changed: HashSet<ConversationId>,
}

impl Inbox {
    /// Puts back a stored place.
    pub fn restore(&mut self, conversation_id: ConversationId, place: Place) {
        self.conversations.insert(conversation_id, Conversation { place, ..Conversation::default() });
    }

    /// The place of a conversation, `None` where nothing of it is known.
    pub fn place(&self, conversation_id: ConversationId) -> Option<Place> {
        self.conversations.get(&conversation_id).map(|conversation| conversation.place)
    }

    /// The places that changed since the last call, to be stored with what was given out; `None`: removed.
    pub fn take_changed(&mut self) -> Vec<(ConversationId, Option<Place>)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .map(|id| (id, self.place(id).filter(|place| *place != Place::default())))
            .collect()
    }

    /// An event came.
    pub fn event(&mut self, event: Event, now: Instant) -> Vec<Output> {
        let (id, seq) = (event.conversation_id, event.seq);
        self.insert(id, seq, seq, Item::Event(Box::new(event)), now)
    }

    /// A `gap` came.
    pub fn gap(
        &mut self,
        id: ConversationId,
        from: Seq,
        to: Seq,
        reason: GapReason,
        now: Instant,
    ) -> Vec<Output> {
        self.insert(id, from, to, Item::Gap(reason), now)
    }

    /// A `batch` came.
    pub fn batch(
        &mut self,
        id: ConversationId,
        from: Seq,
        to: Seq,
        summary: BatchSummary,
        now: Instant,
    ) -> Vec<Output> {
        self.insert(id, from, to, Item::Batch(summary), now)
    }

    /// An ack came: that place is seen. It never starts a conversation, for what stands before it may still come.
    pub fn acked(&mut self, id: ConversationId, seq: Seq, now: Instant) -> Vec<Output> {
        let conversation = self.conversations.entry(id).or_default();
        if conversation.place.next.is_none() {
            if self.held < MAX_HELD && conversation.held.insert(seq, (seq, Item::Own)).is_none() {
                self.held += 1;
            }
            return Vec::new();
        }
        self.insert(id, seq, seq, Item::Own, now)
    }

    /// The list or a window of a conversation was read: events up to `as_of_seq` are in it.
    pub fn start(&mut self, id: ConversationId, as_of_seq: Seq, now: Instant) -> Vec<Output> {
        let conversation = self.conversations.entry(id).or_default();
        let next = conversation.place.next.map_or(as_of_seq.next(), |next| next.max(as_of_seq.next()));
        conversation.place.next = Some(next);
        self.changed.insert(id);
        self.drain(id, now)
    }

    /// A row of the account state came.
    pub fn account(&mut self, entry: AccountEntry, now: Instant) -> Vec<Output> {
        let id = entry.key.strip_prefix("conversation/").and_then(|id| id.parse().ok());
        let membership = serde_json::from_value::<Membership>(entry.value.clone()).ok();
        let mut outputs = vec![Output::Account(entry)];
        match (id, membership) {
            (Some(id), Some(membership @ Membership::ConversationJoined { visible_from, last_seq })) => {
                if self.joined(id, visible_from, last_seq) {
                    outputs.push(Output::Joined(id, membership));
                    outputs.extend(self.drain(id, now));
                }
            }
            (Some(id), Some(Membership::ConversationLeft { seq })) => outputs.extend(self.leave(id, seq)),
            (None, _) | (_, None) => {}
        }
        outputs
    }

    /// A `cursor` came.
    pub fn cursor(&mut self, cursor: Cursor, has_more: bool) -> Vec<Output> {
        self.waiting_cursor = Some(cursor);
        let mut outputs = self.ready_cursor();
        if !has_more {
            outputs.push(Output::CaughtUp);
        }
        outputs
    }

    /// A `reset` came.
    pub fn reset(&mut self, cursor: Cursor) -> Vec<Output> {
        *self = Self::default();
        vec![Output::Reset(cursor)]
    }

    /// Time passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Output> {
        let mut outputs = Vec::new();
        for (id, hole) in &mut self.holes {
            if hole.ask_at <= now {
                hole.wait = (hole.wait * 2).min(REPAIR_AT_MOST);
                hole.ask_at = now + hole.wait;
                outputs.push(Output::Repair(*id));
            }
        }
        outputs
    }

    /// When [`Inbox::tick`] has something to do.
    pub fn next_wake(&self) -> Option<Instant> {
        self.holes.values().map(|hole| hole.ask_at).min()
    }

    fn insert(&mut self, id: ConversationId, from: Seq, to: Seq, item: Item, now: Instant) -> Vec<Output> {
        let conversation = self.conversations.entry(id).or_default();
        let next = *conversation.place.next.get_or_insert_with(|| {
            // The first to come says where we are, but not beyond what the joining told.
            let beyond = conversation.place.joined.map_or(from, |(_, last_seq)| last_seq.next());
            from.min(beyond)
        });
        self.changed.insert(id);
        if to < next || conversation.left.is_some_and(|left| to <= left) {
            return self.drain(id, now);
        }
        if self.held >= MAX_HELD && from > next {
            return Vec::new();
        }
        // What is held stays: of a longer one that starts alike only the rest is news.
        let from = match conversation.held.get(&from) {
            Some((held_to, _)) if *held_to >= to => return self.drain(id, now),
            Some((held_to, _)) => held_to.next(),
            None => from,
        };
        if conversation.held.insert(from, (to, item)).is_none() {
            self.held += 1;
        }
        self.drain(id, now)
    }

    /// Gives out what is next, again and again; notes or closes the hole.
    fn drain(&mut self, id: ConversationId, now: Instant) -> Vec<Output> {
        let Some(conversation) = self.conversations.get_mut(&id) else { return Vec::new() };
        let Some(mut next) = conversation.place.next else { return Vec::new() };
        let mut outputs = Vec::new();
        while let Some(first) = conversation.held.first_entry().filter(|first| *first.key() <= next) {
            let (from, (to, item)) = first.remove_entry();
            self.held -= 1;
            if to < next {
                continue;
            }
            next = to.next();
            outputs.extend(item.output(id, from, to));
        }
        conversation.place.next = Some(next);
        if conversation.held.is_empty() {
            self.holes.remove(&id);
            outputs.extend(self.ready_cursor());
        } else {
            let hole = Hole { ask_at: now + REPAIR_AFTER, wait: REPAIR_AFTER };
            self.holes.entry(id).or_insert(hole);
        }
        outputs
    }

    fn ready_cursor(&mut self) -> Vec<Output> {
        if !self.holes.is_empty() {
            return Vec::new();
        }
        self.waiting_cursor.take().map(Output::Cursor).into_iter().collect()
    }

    /// Whether this joining is news. The row comes again after every resume from before it.
    fn joined(&mut self, id: ConversationId, visible_from: Seq, last_seq: Seq) -> bool {
        let conversation = self.conversations.entry(id).or_default();
        let before = conversation.place.joined.replace((visible_from, last_seq));
        conversation.left = None;
        self.changed.insert(id);
        match before {
            Some(before) if before == (visible_from, last_seq) => false,
            // Its first events came before the row did: they stand.
            None if conversation.place.next.is_some_and(|next| next > visible_from) => false,
            Some(_) | None => {
                let behind = conversation.held.split_off(&visible_from);
                self.held -= conversation.held.len();
                conversation.place.next =
                    behind.keys().next().copied().map(|first| first.min(last_seq.next()));
                conversation.held = behind;
                self.holes.remove(&id);
                true
            }
        }
    }

    fn leave(&mut self, id: ConversationId, seq: Seq) -> Vec<Output> {
        let conversation = self.conversations.entry(id).or_default();
        if conversation.left == Some(seq) {
            return Vec::new();
        }
        self.held -= conversation.held.len();
        *conversation = Conversation { left: Some(seq), ..Conversation::default() };
        self.holes.remove(&id);
        self.changed.insert(id);
        let mut outputs = vec![Output::Left(id)];
        outputs.extend(self.ready_cursor());
        outputs
    }
}

impl Item {
    fn output(self, conversation_id: ConversationId, from_seq: Seq, to_seq: Seq) -> Option<Output> {
        match self {
            Self::Event(event) => Some(Output::Event(event)),
            Self::Gap(reason) => Some(Output::Gap { conversation_id, from_seq, to_seq, reason }),
            Self::Batch(summary) => Some(Output::Batch { conversation_id, from_seq, to_seq, summary }),
            Self::Own => None,
        }
    }
}

#[cfg(test)]
mod tests;
