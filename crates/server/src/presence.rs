//! Presence: who is there, told to those who asked and may know, in windows of a few seconds.
//!
//! What leaves the room is blurred: times in steps of five minutes, large conversations as a count. Invariant: nobody
//! learns of somebody they share no conversation with, or who does not share it.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use stonechat_store::commit::{Correlation, MemberChange};
use stonechat_store::key::Actor;
use stonechat_store::people::PresenceRow;
use stonechat_store::{ConversationKey, Error, Readers, UserKey, Writer, people, reader};
use stonechat_wire::{Code, Control, PresenceCount, PresenceList, PresenceStatus, Subscription, UserId};
use tokio::time::Instant;

use crate::router::registry::{Session, SessionKind};
use crate::router::{Router, encode};

mod board;

use board::Board;

/// Above so many members a conversation tells only how many are online.
const LARGE: u64 = 200;
/// People of one request.
const MAX_ASKED: usize = 200;

/// Handle of the room: cheap to clone.
#[derive(Clone)]
pub(crate) struct Presence {
    readers: Readers,
    writer: Writer,
    router: Router,
    board: Arc<Mutex<Board>>,
    ttl_s: u32,
}

impl Presence {
    pub(crate) fn new(readers: Readers, writer: Writer, router: Router, ttl_s: u32) -> Self {
        Self { readers, writer, router, board: Arc::default(), ttl_s }
    }

    pub(crate) fn came(&self, actor: Actor) {
        self.board.lock().came(actor.user);
    }

    pub(crate) fn went(&self, actor: Actor, kind: SessionKind) {
        let lingers = (kind == SessionKind::Poll).then(|| board::linger(Instant::now(), self.ttl_s));
        self.board.lock().went(actor.user, lingers);
    }

    pub(crate) fn forget_session(&self, session: &Session) {
        self.board.lock().forget(session.correlation);
    }

    pub(crate) fn member_changed(&self, _: ConversationKey, change: MemberChange) {
        if let MemberChange::Left(user) = change {
            self.board.lock().left(user);
        }
    }

    /// Shows oneself as online, away, busy, or not at all.
    ///
    /// # Errors
    /// `invalid` for `unknown`.
    pub(crate) async fn set(&self, actor: &Actor, status: PresenceStatus) -> stonechat_store::Result<()> {
        if status == PresenceStatus::Unknown {
            return Err(Error::invalid("status", "one of online, away, busy, offline"));
        }
        self.board.lock().choose(actor.user, status);
        Ok(())
    }

    /// Presence of people the viewer shares a conversation with; of others as if they were offline.
    ///
    /// # Errors
    /// `invalid` for too many.
    pub(crate) async fn of(
        &self,
        viewer: UserKey,
        users: Vec<UserId>,
    ) -> stonechat_store::Result<Vec<stonechat_wire::Presence>> {
        if users.len() > MAX_ASKED {
            return Err(Error::invalid("user_id", "at most 200"));
        }
        let asked = users.clone();
        let rows = self.readers.read(move |sql| {
            let mut rows = HashMap::new();
            for id in asked {
                let Some(key) = people::key_of(sql, id)? else { continue };
                if people::acquainted(sql, viewer, key)? {
                    rows.extend(people::presence_rows(sql, &[key])?.into_iter().map(|row| (id, row)));
                }
            }
            Ok(rows)
        });
        let rows = rows.await?;
        let hidden = |id| stonechat_wire::Presence {
            user_id: id,
            status: PresenceStatus::Offline,
            last_seen_at: None,
        };
        Ok(users
            .into_iter()
            .map(|id| rows.get(&id).map_or_else(|| hidden(id), |row| self.shown(row)))
            .collect())
    }

    /// Presence of a conversation's members; of a large one only how many are online.
    ///
    /// # Errors
    /// `not_found` for whoever is not a member.
    pub(crate) async fn of_conversation(
        &self,
        viewer: &Actor,
        conversation: ConversationKey,
    ) -> stonechat_store::Result<PresenceList> {
        let user = viewer.user;
        let (members, rows) = self
            .readers
            .read(move |sql| {
                if reader::view(sql, user, conversation)?.is_none() {
                    return Err(Error::refused(Code::NotFound));
                }
                let members = reader::member_keys(sql, conversation)?;
                if members.len() > LARGE {
                    return Ok((members, Vec::new()));
                }
                let keys: Vec<_> = members.iter().map(UserKey).collect();
                let blocked = people::blocked_either_way(sql, user)?;
                let mut rows = people::presence_rows(sql, &keys)?;
                rows.retain(|row| !blocked.contains(&row.user));
                Ok((members, rows))
            })
            .await?;
        let online_count = Some(self.router.online_among(&members));
        Ok(PresenceList { presence: rows.iter().map(|row| self.shown(row)).collect(), online_count })
    }

    fn shown(&self, row: &PresenceRow) -> stonechat_wire::Presence {
        let status = if row.shared { self.board.lock().status(row.user) } else { PresenceStatus::Offline };
        let last_seen_at = row.last_seen_at.filter(|_| row.shared && status == PresenceStatus::Offline);
        stonechat_wire::Presence { user_id: row.user_id, status, last_seen_at }
    }

    /// Watches people and conversations, and tells at once how it stands.
    ///
    /// # Errors
    /// `not_found` for people the viewer does not know and conversations they are not in; `invalid` for too many.
    pub(crate) async fn subscribe(
        &self,
        session: &Session,
        wanted: Subscription,
    ) -> stonechat_store::Result<()> {
        let (people, large) = self.resolve(session.actor.user, wanted, true).await?;
        let users: Vec<_> = people.iter().map(|row| row.user).collect();
        let mut counts = Vec::new();
        {
            let mut board = self.board.lock();
            if !board.watch(session.actor.user, session.correlation, &users) {
                return Err(Error::invalid("users", "too many"));
            }
            for (conversation, conversation_id, members) in &large {
                let online = self.router.online_among(members);
                board.count(session.correlation, *conversation, online);
                counts.push(PresenceCount { conversation_id: *conversation_id, online });
            }
        }
        let presence: Vec<_> = people.iter().map(|row| self.shown(row)).collect();
        if !presence.is_empty() || !counts.is_empty() {
            session.outbound.push(encode::control(&Control::Presence { presence, counts }), 1);
        }
        Ok(())
    }

    /// Watches them no longer.
    ///
    /// # Errors
    /// A failure of the store.
    pub(crate) async fn unsubscribe(
        &self,
        session: &Session,
        wanted: Subscription,
    ) -> stonechat_store::Result<()> {
        let (people, large) = self.resolve(session.actor.user, wanted, false).await?;
        let users: Vec<_> = people.iter().map(|row| row.user).collect();
        let mut board = self.board.lock();
        board.unwatch(session.correlation, &users);
        for (conversation, ..) in large {
            board.uncount(session.correlation, conversation);
        }
        Ok(())
    }

    async fn resolve(
        &self,
        viewer: UserKey,
        wanted: Subscription,
        strict: bool,
    ) -> stonechat_store::Result<Resolved> {
        if wanted.users.len() > board::MAX_SUBSCRIBED || wanted.conversations.len() > MAX_ASKED {
            return Err(Error::invalid("users", "too many"));
        }
        let read = self.readers.read(move |sql| {
            let (mut keys, mut large) = (Vec::new(), Vec::new());
            for id in &wanted.users {
                match people::key_of(sql, *id)? {
                    Some(key) if people::acquainted(sql, viewer, key)? => keys.push(key),
                    _ if strict => return Err(Error::refused(Code::NotFound)),
                    _ => {}
                }
            }
            for reference in &wanted.conversations {
                let key = reader::conversation_key(sql, reference)?;
                let Some(view) = key.map(|key| reader::view(sql, viewer, key)).transpose()?.flatten() else {
                    if strict {
                        return Err(Error::refused(Code::NotFound));
                    }
                    continue;
                };
                let members = reader::member_keys(sql, view.conversation)?;
                if members.len() > LARGE {
                    large.push((view.conversation, view.id, members));
                } else {
                    keys.extend(members.iter().map(UserKey).filter(|key| *key != viewer));
                }
            }
            keys.sort_unstable();
            keys.dedup();
            let blocked = people::blocked_either_way(sql, viewer)?;
            keys.retain(|key| !blocked.contains(key));
            Ok((people::presence_rows(sql, &keys)?, large))
        });
        read.await
    }

    /// Tells what changed, window by window; runs as long as the server.
    pub(crate) async fn tell(self, window: Duration) {
        let mut tick = tokio::time::interval(window);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = tick.tick().await;
            if let Err(error) = self.tell_window(now).await {
                tracing::error!(error = error.chain(), "presence could not be told");
            }
        }
    }

    /// Keeps when those were last there who just went, as when the server stops.
    pub(crate) async fn keep_last_seen(&self) {
        if let Err(error) = self.tell_window(Instant::now()).await {
            tracing::error!(error = error.chain(), "last seen could not be kept");
        }
    }

    async fn tell_window(&self, now: Instant) -> stonechat_store::Result<()> {
        let window = {
            let mut board = self.board.lock();
            board.expire(now);
            board.take()
        };
        if !window.went.is_empty() {
            self.writer.last_seen(window.went).await?;
        }
        let recheck: Vec<_> = window.recheck.into_iter().collect();
        let (changed, counting) = (window.changed, window.counting);
        if recheck.is_empty() && changed.is_empty() && counting.is_empty() {
            return Ok(());
        }
        let (strangers, rows, members) = self
            .readers
            .read(move |sql| {
                let mut strangers = Vec::new();
                for watch in recheck {
                    if !people::acquainted(sql, watch.watcher, watch.user)? {
                        strangers.push(watch);
                    }
                }
                let mut members = Vec::new();
                for conversation in counting {
                    let id = reader::conversation_id(sql, conversation)?;
                    members.push((conversation, id, reader::member_keys(sql, conversation)?));
                }
                Ok((strangers, people::presence_rows(sql, &changed)?, members))
            })
            .await?;
        let mut told: HashMap<Correlation, (Vec<stonechat_wire::Presence>, Vec<PresenceCount>)> =
            HashMap::new();
        for watch in strangers {
            self.board.lock().unwatch(watch.session, &[watch.user]);
        }
        for row in &rows {
            let shown = self.shown(row);
            for (_, session) in self.board.lock().watchers(row.user) {
                told.entry(session).or_default().0.push(shown.clone());
            }
        }
        for (conversation, conversation_id, members) in members {
            let online = self.router.online_among(&members);
            for session in self.board.lock().told(conversation, online) {
                told.entry(session).or_default().1.push(PresenceCount { conversation_id, online });
            }
        }
        for (session, (presence, counts)) in told {
            let frame = encode::control(&Control::Presence { presence, counts });
            self.router.offer_to(&[session], &frame);
        }
        Ok(())
    }
}

type Resolved =
    (Vec<PresenceRow>, Vec<(ConversationKey, stonechat_wire::ConversationId, roaring::RoaringBitmap)>);
