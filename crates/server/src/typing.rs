//! Typing: who is writing just now, told to those who asked and are members. Never stored.
//!
//! A signal lasts 6 s from the last start. Invariant: a signal reaches members of its conversation only, judged when it
//! is offered.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use smallvec::SmallVec;
use stonechat_store::commit::{Correlation, MemberChange};
use stonechat_store::reader::{self, View};
use stonechat_store::{ConversationKey, Error, Readers, UserKey, people};
use stonechat_wire::{
    Code, Control, ConversationId, ConversationRef, Seq, Typing as Signal, TypingAction, UserId,
};
use tokio::time::Instant;

use crate::router::registry::Session;
use crate::router::{Router, encode};

/// How long somebody types after their last signal.
const LASTS: Duration = Duration::from_secs(6);
/// A client signals at most so often; more is not relayed.
const RELAY_EVERY: Duration = Duration::from_secs(1);
/// Conversations one session may watch.
const MAX_WATCHED: usize = 200;
/// People typing at a time, over all conversations.
const MAX_TYPING: usize = 100_000;

/// Handle of the room: cheap to clone.
#[derive(Clone)]
pub(crate) struct Typing {
    readers: Readers,
    router: Router,
    board: Arc<Mutex<Board>>,
}

/// Who watches and who types: `input + now → outputs`, without a clock of its own.
#[derive(Default)]
struct Board {
    watchers: HashMap<ConversationKey, Vec<(UserKey, Correlation)>>,
    watched: HashMap<Correlation, SmallVec<[ConversationKey; 4]>>,
    typing: HashMap<(ConversationKey, UserKey, Option<Seq>), Writing>,
}

struct Writing {
    conversation_id: ConversationId,
    user_id: UserId,
    relayed_at: Instant,
    ends_at: Instant,
    /// Watchers the signal does not reach: blocked either way.
    hidden_from: Arc<[UserKey]>,
}

/// A frame and the sessions it goes to.
type Relay = (Control, Vec<Correlation>);

impl Typing {
    pub(crate) fn new(readers: Readers, router: Router) -> Self {
        Self { readers, router, board: Arc::default() }
    }

    /// Ends signals whose time is over; runs as long as the server.
    pub(crate) async fn expire(self) {
        let mut tick = tokio::time::interval(Duration::from_millis(500));
        loop {
            let now = tick.tick().await;
            let relays = self.board.lock().expire(now);
            self.relay(relays);
        }
    }

    /// Somebody started or stopped.
    ///
    /// # Errors
    /// `not_found` for whoever is not a member of the conversation.
    pub(crate) async fn signal(&self, session: &Session, signal: Signal) -> stonechat_store::Result<()> {
        let user = session.actor.user;
        let (conversation_id, to) = (signal.conversation_id, signal.to);
        let found = self.readers.read(move |sql| {
            let key = match (conversation_id, to) {
                (Some(reference), None) => reader::conversation_key(sql, &reference)?,
                (None, Some(other)) => people::direct_of(sql, user, other)?,
                _ => return Err(Error::invalid("conversation_id", "exactly one of conversation_id and to")),
            };
            let Some(view) = key.map(|key| reader::view(sql, user, key)).transpose()?.flatten() else {
                return Err(Error::refused(Code::NotFound));
            };
            let hidden = people::blocked_either_way(sql, user)?;
            Ok((view, hidden, people::shares_typing(sql, user)?))
        });
        let (view, hidden, shares) = found.await?;
        if !shares || !may_post(&view) {
            return Ok(());
        }
        let relay = {
            let now = Instant::now();
            let mut board = self.board.lock();
            match signal.action {
                TypingAction::Start => board.start(now, &view, session, signal.thread, hidden.into()),
                TypingAction::Stop => board.stop(&view, session.actor.user, signal.thread),
            }
        };
        self.relay(relay);
        Ok(())
    }

    /// Watches conversations; the session's user must be in them.
    ///
    /// # Errors
    /// `not_found` for the first they are not in; nothing is watched then.
    pub(crate) async fn subscribe(
        &self,
        session: &Session,
        wanted: &[ConversationRef],
    ) -> stonechat_store::Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let keys = self.keys(session.actor.user, wanted).await?;
        self.board.lock().watch(session, &keys)
    }

    /// Watches no longer.
    ///
    /// # Errors
    /// `not_found` for a conversation the user is not in.
    pub(crate) async fn unsubscribe(
        &self,
        session: &Session,
        wanted: &[ConversationRef],
    ) -> stonechat_store::Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let keys = self.keys(session.actor.user, wanted).await?;
        self.board.lock().unwatch(session.correlation, &keys);
        Ok(())
    }

    async fn keys(
        &self,
        user: UserKey,
        wanted: &[ConversationRef],
    ) -> stonechat_store::Result<Vec<ConversationKey>> {
        if wanted.len() > MAX_WATCHED {
            return Err(Error::invalid("conversations", "too many"));
        }
        let wanted = wanted.to_vec();
        let read = self.readers.read(move |sql| {
            let mut keys = Vec::new();
            for reference in &wanted {
                let key = reader::conversation_key(sql, reference)?;
                let view = key.map(|key| reader::view(sql, user, key)).transpose()?.flatten();
                keys.push(view.ok_or_else(|| Error::refused(Code::NotFound))?.conversation);
            }
            Ok(keys)
        });
        read.await
    }

    /// Whoever left a conversation hears nothing of it and types no more in it.
    pub(crate) fn member_changed(&self, conversation: ConversationKey, change: MemberChange) {
        if let MemberChange::Left(user) = change {
            self.board.lock().left(conversation, user);
        }
    }

    pub(crate) fn forget_session(&self, session: &Session) {
        self.board.lock().forget(session.correlation);
    }

    fn relay(&self, relays: Vec<Relay>) {
        for (control, sessions) in relays {
            if !sessions.is_empty() {
                self.router.offer_to(&sessions, &encode::control(&control));
            }
        }
    }
}

fn may_post(view: &View) -> bool {
    !view.archived
        && (view.posting == stonechat_wire::Posting::Everyone || view.role >= stonechat_wire::Role::Admin)
}

impl Board {
    fn start(
        &mut self,
        now: Instant,
        view: &View,
        session: &Session,
        thread: Option<Seq>,
        hidden_from: Arc<[UserKey]>,
    ) -> Vec<Relay> {
        let user = session.actor.user;
        let key = (view.conversation, user, thread);
        let ends_at = now + LASTS;
        if let Some(writing) = self.typing.get_mut(&key) {
            writing.ends_at = ends_at;
            if now < writing.relayed_at + RELAY_EVERY {
                return Vec::new();
            }
            writing.relayed_at = now;
        } else if self.typing.len() < MAX_TYPING {
            let user_id = session.actor.user_id;
            let writing =
                Writing { conversation_id: view.id, user_id, relayed_at: now, ends_at, hidden_from };
            self.typing.insert(key, writing);
        }
        self.relay(key, TypingAction::Start)
    }

    fn stop(&mut self, view: &View, user: UserKey, thread: Option<Seq>) -> Vec<Relay> {
        let key = (view.conversation, user, thread);
        let relays = self.relay(key, TypingAction::Stop);
        self.typing.remove(&key);
        relays
    }

    fn expire(&mut self, now: Instant) -> Vec<Relay> {
        let over: Vec<_> =
            self.typing.iter().filter(|(_, writing)| writing.ends_at <= now).map(|(key, _)| *key).collect();
        let mut relays = Vec::new();
        for key in over {
            relays.extend(self.relay(key, TypingAction::Stop));
            self.typing.remove(&key);
        }
        relays
    }

    fn relay(&self, key: (ConversationKey, UserKey, Option<Seq>), action: TypingAction) -> Vec<Relay> {
        let (Some(writing), Some(watchers)) = (self.typing.get(&key), self.watchers.get(&key.0)) else {
            return Vec::new();
        };
        let sessions = watchers
            .iter()
            .filter(|(user, _)| *user != key.1 && !writing.hidden_from.contains(user))
            .map(|(_, session)| *session)
            .collect();
        let control = Control::Typing {
            conversation_id: writing.conversation_id,
            user_id: writing.user_id,
            thread: key.2,
            action,
        };
        vec![(control, sessions)]
    }

    fn watch(&mut self, session: &Session, keys: &[ConversationKey]) -> stonechat_store::Result<()> {
        let watched = self.watched.entry(session.correlation).or_default();
        if watched.len() + keys.len() > MAX_WATCHED {
            return Err(Error::invalid("conversations", "too many"));
        }
        for key in keys {
            if !watched.contains(key) {
                watched.push(*key);
                self.watchers.entry(*key).or_default().push((session.actor.user, session.correlation));
            }
        }
        Ok(())
    }

    fn unwatch(&mut self, session: Correlation, keys: &[ConversationKey]) {
        for key in keys {
            if let Some(watchers) = self.watchers.get_mut(key) {
                watchers.retain(|(_, other)| *other != session);
                if watchers.is_empty() {
                    self.watchers.remove(key);
                }
            }
        }
        if let Some(watched) = self.watched.get_mut(&session) {
            watched.retain(|key| !keys.contains(key));
        }
    }

    fn forget(&mut self, session: Correlation) {
        if let Some(watched) = self.watched.remove(&session) {
            self.unwatch(session, &watched);
        }
    }

    fn left(&mut self, conversation: ConversationKey, user: UserKey) {
        self.typing.retain(|(other, who, _), _| *other != conversation || *who != user);
        let Some(watchers) = self.watchers.get(&conversation) else { return };
        let sessions: Vec<_> =
            watchers.iter().filter(|(who, _)| *who == user).map(|(_, session)| *session).collect();
        for session in sessions {
            self.unwatch(session, &[conversation]);
        }
    }
}
