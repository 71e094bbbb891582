//! Deliver: one commit to the sessions of its recipients. A conversation's events of one commit travel as one chunk of
//! bytes, encoded once; the sender's session gets its acks in their places.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hashbrown::HashMap;
use roaring::RoaringBitmap;
use smallvec::SmallVec;
use stonechat_store::commit::{Commit, Correlation, Entry, EventEntry, Recipients};
use stonechat_store::{ConversationKey, Position, Readers, UserKey, Vector};
use stonechat_wire::{Control, close};

use super::batches::Batches;
use super::encode;
use super::members::Members;
use super::registry::{Registry, Session};

pub(crate) struct Delivery {
    members: Members,
    batches: Batches,
    relaxed: bool,
}

/// Events of one conversation between two changes of its members.
struct Run {
    conversation: ConversationKey,
    recipients: Recipients,
    frames: Vec<Offered>,
}

struct Offered {
    position: Position,
    frame: Bytes,
    sender: Correlation,
    ack: Option<Bytes>,
}

#[derive(Default)]
struct Runs {
    runs: Vec<Run>,
    places: HashMap<ConversationKey, usize>,
}

impl Delivery {
    pub(crate) fn new(relaxed: bool) -> Self {
        Self { members: Members::new(), batches: Batches::default(), relaxed }
    }

    /// Reads who is in the large conversations of this commit that were not met before.
    pub(crate) async fn load_members(&mut self, readers: &Readers, commit: &Commit) {
        for entry in &commit.entries {
            let Entry::Event(event) = entry else { continue };
            if matches!(event.recipients, Recipients::Few(_)) || self.members.contains(event.conversation) {
                continue;
            }
            let (conversation, seq) = (event.conversation, event.event.seq);
            let read = readers
                .read(move |sql| stonechat_store::reader::member_keys_at(sql, conversation, seq))
                .await;
            match read {
                Ok(bitmap) => self.members.insert(conversation, bitmap),
                // Nobody is offered the event now; sessions find it by their cursor.
                Err(error) => tracing::error!(error = error.chain(), "members could not be read"),
            }
        }
    }

    pub(crate) fn offer(&mut self, registry: &Registry, commit: &Commit) {
        let mut runs = Runs::default();
        for entry in &commit.entries {
            match entry {
                Entry::Event(event) => self.offer_event(registry, &mut runs, event),
                Entry::Account { position, user, entry } => {
                    // What joined or left is told before and after the events it is about.
                    self.flush(registry, &mut runs);
                    let mut sessions = registry.sessions_of(*user).peekable();
                    if sessions.peek().is_some() {
                        let frame = encode::control(&Control::Account(entry.clone()));
                        sessions.for_each(|session| session.offer(*position, frame.clone(), 1));
                    }
                }
                Entry::Revoked { devices } => {
                    for session in registry.all().filter(|session| devices.contains(&session.actor.device)) {
                        session.outbound.end(close::UNAUTHENTICATED, "this device was signed out");
                    }
                }
                Entry::Receipt { .. } => {}
            }
        }
        self.flush(registry, &mut runs);
        for answer in &commit.answers {
            let Some(session) = registry.get(answer.correlation) else { continue };
            match &answer.result {
                Ok(ack) => {
                    let durability = self.relaxed.then(|| "relaxed".to_owned());
                    let ack = Control::Ack(stonechat_wire::Ack { durability, ..ack.clone() });
                    session.ack(encode::control(&ack));
                }
                Err(error) => {
                    let frame = super::error_frame(error.code(), error.params(), answer.client_id);
                    session.outbound.push(frame, 1);
                }
            }
        }
    }

    fn offer_event(&mut self, registry: &Registry, runs: &mut Runs, entry: &EventEntry) {
        if let Some(change) = entry.change {
            self.flush(registry, runs);
            self.members.change(entry.conversation, change);
        }
        let ack = entry
            .event
            .client_id
            .filter(|_| entry.correlation.0 != 0)
            .map(|client_id| encode::ack_of(entry, client_id, self.relaxed));
        if self.batches.take(entry) {
            if let (Some(ack), Some(session)) = (ack, registry.get(entry.correlation)) {
                session.ack(ack);
            }
            return;
        }
        if let Some((_, batch)) = self.batches.flush(entry.conversation) {
            let frame = encode::control(&batch);
            let position = entry.position;
            runs.add(entry, Offered { position, frame, sender: Correlation(0), ack: None });
        }
        let frame = encode::event(&entry.event);
        runs.add(entry, Offered { position: entry.position, frame, sender: entry.correlation, ack });
    }

    fn flush(&mut self, registry: &Registry, runs: &mut Runs) {
        runs.places.clear();
        for run in runs.runs.drain(..) {
            match &run.recipients {
                Recipients::Few(users) => run.offer(registry, users.iter().copied()),
                Recipients::Many => {
                    if let Some(members) = self.members.get(run.conversation) {
                        let online: RoaringBitmap = members & registry.online();
                        run.offer(registry, online.iter().map(UserKey));
                    }
                }
            }
        }
    }

    /// Summaries whose window is over.
    pub(crate) fn flush_batches(&mut self, registry: &Registry) {
        for conversation in self.batches.tick() {
            let Some((position, batch)) = self.batches.flush(conversation) else { continue };
            let frame = encode::control(&batch);
            if let Some(members) = self.members.get(conversation) {
                for user in (members & registry.online()).iter().map(UserKey) {
                    registry.sessions_of(user).for_each(|session| session.offer(position, frame.clone(), 1));
                }
            }
        }
    }

    /// Up to where every session was told everything: before the oldest event of a summary that is still gathered.
    pub(crate) fn told(&self, applied: &Vector) -> Vector {
        match (self.batches.oldest(), applied.open.first()) {
            (Some(oldest), Some((origin, _))) => super::at(applied, *origin, Position(oldest.0 - 1)),
            _ => applied.clone(),
        }
    }
}

impl Runs {
    fn add(&mut self, entry: &EventEntry, offered: Offered) {
        let place = *self.places.entry(entry.conversation).or_insert_with(|| {
            self.runs.push(Run {
                conversation: entry.conversation,
                recipients: entry.recipients.clone(),
                frames: Vec::new(),
            });
            self.runs.len() - 1
        });
        if let Some(run) = self.runs.get_mut(place) {
            run.frames.push(offered);
        }
    }
}

impl Run {
    fn offer(&self, registry: &Registry, users: impl Iterator<Item = UserKey>) {
        let senders: SmallVec<[Correlation; 8]> = self
            .frames
            .iter()
            .filter(|offered| offered.ack.is_some())
            .map(|offered| offered.sender)
            .collect();
        let count = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        // Joined when the first session wants all of it.
        let mut joined = None;
        let mut acked: SmallVec<[Correlation; 8]> = SmallVec::new();
        for user in users {
            for session in registry.sessions_of(user) {
                if senders.contains(&session.correlation) {
                    self.offer_singly(session);
                    acked.push(session.correlation);
                } else if self.frames.first().is_some_and(|first| !session.wants(first.position)) {
                    // It just went live and has some of these.
                    self.offer_singly(session);
                } else if let Some(first) = self.frames.first() {
                    session.offer(first.position, joined.get_or_insert_with(|| self.join()).clone(), count);
                }
            }
        }
        // Whoever wrote and was removed in the same commit still learns that it stands.
        for offered in &self.frames {
            if let Some(ack) = &offered.ack
                && !acked.contains(&offered.sender)
                && let Some(session) = registry.get(offered.sender)
            {
                session.ack(ack.clone());
            }
        }
    }

    fn offer_singly(&self, session: &Arc<Session>) {
        for offered in &self.frames {
            match &offered.ack {
                Some(ack) if offered.sender == session.correlation => session.ack(ack.clone()),
                _ => session.offer(offered.position, offered.frame.clone(), 1),
            }
        }
    }

    fn join(&self) -> Bytes {
        if let [only] = &self.frames[..] {
            return only.frame.clone();
        }
        let mut joined = BytesMut::with_capacity(self.frames.iter().map(|offered| offered.frame.len()).sum());
        for offered in &self.frames {
            joined.extend_from_slice(&offered.frame);
        }
        joined.freeze()
    }
}
