//! Board: presence as a pure state machine: who is there, who wants to know, what changed since the last window.
//!
//! Transitions are told, not signs of life: a second device changes nothing. Invariant: nobody is offline while a
//! device of theirs is there.

use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;
use stonechat_store::commit::Correlation;
use stonechat_store::{ConversationKey, UserKey};
use stonechat_wire::PresenceStatus;
use tokio::time::Instant;

/// People one session may ask about.
pub(crate) const MAX_SUBSCRIBED: usize = 1_000;

#[derive(Default)]
pub(crate) struct Board {
    present: HashMap<UserKey, Present>,
    /// Who asked about a person.
    watchers: HashMap<UserKey, SmallVec<[(UserKey, Correlation); 2]>>,
    watched: HashMap<Correlation, Watching>,
    sessions: HashMap<UserKey, SmallVec<[Correlation; 1]>>,
    /// Sessions that asked how many are online in a large conversation, and what they were told last.
    counting: HashMap<ConversationKey, HashMap<Correlation, Option<u64>>>,
    changed: HashSet<UserKey>,
    went: Vec<UserKey>,
    /// Who watches whom, to be looked at again: one of the two left a conversation.
    recheck: HashSet<Watch>,
    any_transition: bool,
}

struct Watching {
    watcher: UserKey,
    users: HashSet<UserKey>,
}

/// One session's watching of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Watch {
    pub(crate) watcher: UserKey,
    pub(crate) session: Correlation,
    pub(crate) user: UserKey,
}

struct Present {
    chosen: PresenceStatus,
    /// Long-polling clients are between requests: they count until then.
    lingers_until: Option<Instant>,
    connected: bool,
}

/// What a window is to be told.
pub(crate) struct Window {
    pub(crate) changed: Vec<UserKey>,
    pub(crate) went: Vec<UserKey>,
    pub(crate) recheck: HashSet<Watch>,
    pub(crate) counting: Vec<ConversationKey>,
}

impl Board {
    pub(crate) fn came(&mut self, user: UserKey) {
        let present = self.present.entry(user).or_insert(Present {
            chosen: PresenceStatus::Online,
            lingers_until: None,
            connected: false,
        });
        let was_there = present.connected || present.lingers_until.is_some();
        present.connected = true;
        present.lingers_until = None;
        if !was_there {
            self.transition(user);
        }
    }

    /// The last connection went. With `lingers` they count as there until that is over.
    pub(crate) fn went(&mut self, user: UserKey, lingers_until: Option<Instant>) {
        let Some(present) = self.present.get_mut(&user) else { return };
        present.connected = false;
        present.lingers_until = lingers_until;
        if lingers_until.is_none() {
            self.leave(user);
        }
    }

    /// Those whose time without a sign of life is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        let over: Vec<_> = self
            .present
            .iter()
            .filter(|(_, present)| {
                !present.connected && present.lingers_until.is_some_and(|until| until <= now)
            })
            .map(|(user, _)| *user)
            .collect();
        over.into_iter().for_each(|user| self.leave(user));
    }

    fn leave(&mut self, user: UserKey) {
        self.present.remove(&user);
        self.went.push(user);
        self.transition(user);
    }

    fn transition(&mut self, user: UserKey) {
        self.changed.insert(user);
        self.any_transition = true;
    }

    /// What a person chose to show; nothing changes for somebody who is not there.
    pub(crate) fn choose(&mut self, user: UserKey, status: PresenceStatus) {
        if let Some(present) = self.present.get_mut(&user)
            && present.chosen != status
        {
            present.chosen = status;
            self.changed.insert(user);
        }
    }

    pub(crate) fn status(&self, user: UserKey) -> PresenceStatus {
        self.present.get(&user).map_or(PresenceStatus::Offline, |present| present.chosen)
    }

    /// `false`: the session asks about too many people.
    pub(crate) fn watch(&mut self, watcher: UserKey, session: Correlation, users: &[UserKey]) -> bool {
        let watching = self.watched.entry(session).or_insert_with(|| {
            self.sessions.entry(watcher).or_default().push(session);
            Watching { watcher, users: HashSet::new() }
        });
        if watching.users.len() + users.len() > MAX_SUBSCRIBED {
            return false;
        }
        for user in users {
            if watching.users.insert(*user) {
                self.watchers.entry(*user).or_default().push((watcher, session));
            }
        }
        true
    }

    pub(crate) fn unwatch(&mut self, session: Correlation, users: &[UserKey]) {
        for user in users {
            if let Some(watchers) = self.watchers.get_mut(user) {
                watchers.retain(|(_, other)| *other != session);
                if watchers.is_empty() {
                    self.watchers.remove(user);
                }
            }
        }
        if let Some(watching) = self.watched.get_mut(&session) {
            users.iter().for_each(|user| {
                watching.users.remove(user);
            });
        }
    }

    pub(crate) fn count(&mut self, session: Correlation, conversation: ConversationKey, told: u64) {
        self.counting.entry(conversation).or_default().insert(session, Some(told));
    }

    pub(crate) fn uncount(&mut self, session: Correlation, conversation: ConversationKey) {
        if let Some(sessions) = self.counting.get_mut(&conversation) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.counting.remove(&conversation);
            }
        }
    }

    pub(crate) fn forget(&mut self, session: Correlation) {
        if let Some(Watching { watcher, users }) = self.watched.remove(&session) {
            let users: Vec<_> = users.into_iter().collect();
            self.unwatch(session, &users);
            if let Some(sessions) = self.sessions.get_mut(&watcher) {
                sessions.retain(|other| *other != session);
                if sessions.is_empty() {
                    self.sessions.remove(&watcher);
                }
            }
        }
        self.counting.retain(|_, sessions| {
            sessions.remove(&session);
            !sessions.is_empty()
        });
    }

    /// Somebody left a conversation: whoever knew them only from there hears no more, and they of others.
    pub(crate) fn left(&mut self, user: UserKey) {
        for (watcher, session) in self.watchers.get(&user).into_iter().flatten() {
            self.recheck.insert(Watch { watcher: *watcher, session: *session, user });
        }
        for session in self.sessions.get(&user).into_iter().flatten() {
            let Some(watching) = self.watched.get(session) else { continue };
            for other in &watching.users {
                self.recheck.insert(Watch { watcher: user, session: *session, user: *other });
            }
        }
    }

    /// Takes what gathered; the next window starts empty.
    pub(crate) fn take(&mut self) -> Window {
        let changed = std::mem::take(&mut self.changed);
        let counting = if std::mem::take(&mut self.any_transition) {
            self.counting.keys().copied().collect()
        } else {
            Vec::new()
        };
        Window {
            changed: changed.into_iter().filter(|user| self.watchers.contains_key(user)).collect(),
            went: std::mem::take(&mut self.went),
            recheck: std::mem::take(&mut self.recheck),
            counting,
        }
    }

    pub(crate) fn watchers(&self, user: UserKey) -> SmallVec<[(UserKey, Correlation); 2]> {
        self.watchers.get(&user).cloned().unwrap_or_default()
    }

    /// Sessions to be told a conversation's count, where it differs from what they know.
    pub(crate) fn told(&mut self, conversation: ConversationKey, online: u64) -> Vec<Correlation> {
        let Some(sessions) = self.counting.get_mut(&conversation) else { return Vec::new() };
        let mut differs = Vec::new();
        for (session, told) in sessions {
            if *told != Some(online) {
                *told = Some(online);
                differs.push(*session);
            }
        }
        differs
    }
}

/// How long a client may be away between two long polls.
pub(crate) fn linger(now: Instant, ttl_s: u32) -> Instant {
    now + Duration::from_secs(u64::from(ttl_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: UserKey = UserKey(1);
    const BO: UserKey = UserKey(2);
    const SESSION: Correlation = Correlation(7);

    #[test]
    fn d_10_only_transitions_are_told() {
        let mut board = Board::default();
        assert!(board.watch(BO, SESSION, &[ANA]));
        board.came(ANA);
        assert_eq!(board.take().changed, [ANA]);
        board.came(ANA);
        assert!(board.take().changed.is_empty());
        board.went(ANA, None);
        let window = board.take();
        assert_eq!((window.changed, window.went), (vec![ANA], vec![ANA]));
    }

    #[test]
    fn r_pr_1_a_long_poll_client_counts_until_its_time_is_over() {
        let mut board = Board::default();
        let now = Instant::now();
        board.came(ANA);
        board.went(ANA, Some(linger(now, 60)));
        board.expire(now + Duration::from_secs(59));
        assert_eq!(board.status(ANA), PresenceStatus::Online);
        board.came(ANA);
        board.went(ANA, Some(linger(now, 120)));
        board.expire(now + Duration::from_secs(121));
        assert_eq!(board.status(ANA), PresenceStatus::Offline);
    }

    #[test]
    fn a_forgotten_session_watches_nobody() {
        let mut board = Board::default();
        board.watch(BO, SESSION, &[ANA]);
        board.count(SESSION, ConversationKey(1), 3);
        board.forget(SESSION);
        assert!(board.watchers(ANA).is_empty());
        assert!(board.told(ConversationKey(1), 4).is_empty());
    }

    #[test]
    fn too_many_people_are_refused() {
        let mut board = Board::default();
        let people: Vec<_> = (0..=MAX_SUBSCRIBED as u32).map(UserKey).collect();
        assert!(!board.watch(BO, SESSION, &people));
    }
}
