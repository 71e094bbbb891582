//! Registry: which sessions exist, whose they are, and up to where everything was offered.
//!
//! Connecting and disconnecting touch only this. Invariant: a session is found by its user exactly as long as it is in
//! the slab; a number of a session that went never names a later one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use hashbrown::HashMap;
use roaring::RoaringBitmap;
use slab::Slab;
use smallvec::SmallVec;
use stonechat_store::commit::Correlation;
use stonechat_store::key::Actor;
use stonechat_store::vector::{Sealer, SyncCursor};
use stonechat_store::{Origin, Position, UserKey, Vector};
use stonechat_wire::{Control, close};

use super::encode;
use super::outbound::Outbound;

/// How a session reaches its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionKind {
    Socket,
    /// Server-sent events.
    Stream,
    /// A long-poll that waits.
    Poll,
}

/// One live connection of a device.
pub(crate) struct Session {
    pub(crate) correlation: Correlation,
    pub(crate) actor: Actor,
    pub(crate) kind: SessionKind,
    pub(crate) outbound: Outbound,
    /// What lies beyond this position is offered; [`NOT_LIVE`] while the session still reads what was before.
    live_from: AtomicU64,
    /// Something was offered since the last cursor.
    cursor_due: AtomicBool,
    /// When something last came from the client, in seconds since the server started.
    last_received_s: AtomicU32,
    /// When its token ends, in seconds since the server started; `u32::MAX` for tokens that do not.
    expires_s: AtomicU32,
    #[cfg(feature = "test-hooks")]
    pub(crate) hooked: crate::test_hooks::Hooked,
}

impl Session {
    /// From here on, what lies beyond `position` is offered.
    pub(crate) fn set_live(&self, position: Position) {
        self.live_from.store(position.0, Ordering::Release);
    }

    fn is_live(&self) -> bool {
        self.live_from.load(Ordering::Acquire) != NOT_LIVE
    }

    /// Whether something at this position is still to be offered to the session.
    pub(crate) fn wants(&self, position: Position) -> bool {
        position.0 > self.live_from.load(Ordering::Acquire)
    }

    /// Offers whole frames of what lies at `position`, unless the session has that or still reads what was before.
    pub(crate) fn offer(&self, position: Position, frames: Bytes, count: u32) {
        if self.wants(position) {
            self.outbound.push(frames, count);
            self.cursor_due.store(true, Ordering::Relaxed);
        }
    }

    /// Gives the client the ack of what it asked for, in its place among everything else.
    pub(crate) fn ack(&self, frame: Bytes) {
        #[cfg(feature = "test-hooks")]
        if self.hooked.withholds_ack(self.correlation, self.actor.user_id, &frame) {
            return;
        }
        self.outbound.push(frame, 1);
    }

    /// Whether everything was offered that a cursor would cover.
    fn is_told(&self) -> bool {
        #[cfg(feature = "test-hooks")]
        return !self.hooked.is_untold();
        #[cfg(not(feature = "test-hooks"))]
        true
    }

    pub(crate) fn set_expiry(&self, expires_s: Option<u32>) {
        self.expires_s.store(expires_s.unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    pub(crate) fn received(&self, now_s: u32) {
        self.last_received_s.store(now_s, Ordering::Relaxed);
    }
}

/// Beyond every position.
const NOT_LIVE: u64 = u64::MAX;

pub(crate) struct Registry {
    sessions: Slab<Arc<Session>>,
    by_user: HashMap<UserKey, SmallVec<[u32; 2]>>,
    online: RoaringBitmap,
    /// Makes the numbers of sessions unique although the slab's places are used again.
    generation: u32,
    applied: Vector,
    #[cfg(feature = "test-hooks")]
    pub(crate) hooks: Arc<crate::test_hooks::Hooks>,
}

/// A session whose token ended has so long to renew it.
const EXPIRY_GRACE_S: u32 = 5;
/// Cursors go out at most so often while something happens.
const CURSOR_EVERY_S: u32 = 5;

impl Registry {
    pub(crate) fn new(applied: Vector) -> Self {
        Self {
            sessions: Slab::new(),
            by_user: HashMap::new(),
            online: RoaringBitmap::new(),
            generation: 0,
            applied,
            #[cfg(feature = "test-hooks")]
            hooks: crate::test_hooks::Hooks::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn insert(&mut self, actor: Actor, kind: SessionKind, now_s: u32) -> (Arc<Session>, bool) {
        self.generation = self.generation.wrapping_add(1).max(1);
        let entry = self.sessions.vacant_entry();
        let place = u32::try_from(entry.key()).unwrap_or(u32::MAX);
        let session = Arc::new(Session {
            correlation: Correlation(u64::from(self.generation) << 32 | u64::from(place)),
            actor,
            kind,
            outbound: Outbound::default(),
            live_from: AtomicU64::new(NOT_LIVE),
            cursor_due: AtomicBool::new(false),
            last_received_s: AtomicU32::new(now_s),
            expires_s: AtomicU32::new(u32::MAX),
            #[cfg(feature = "test-hooks")]
            hooked: crate::test_hooks::Hooked::new(self.hooks.clone()),
        });
        entry.insert(session.clone());
        let own = self.by_user.entry(actor.user).or_default();
        own.push(place);
        let first = own.len() == 1;
        self.online.insert(actor.user.0);
        (session, first)
    }

    pub(crate) fn remove(&mut self, session: &Session) -> bool {
        let place = place_of(session.correlation);
        let is_same = self.sessions.get(place).is_some_and(|other| other.correlation == session.correlation);
        if !is_same {
            return false;
        }
        self.sessions.remove(place);
        let user = session.actor.user;
        let Some(own) = self.by_user.get_mut(&user) else { return false };
        own.retain(|other| *other as usize != place);
        if !own.is_empty() {
            return false;
        }
        self.by_user.remove(&user);
        self.online.remove(user.0);
        true
    }

    pub(crate) fn get(&self, correlation: Correlation) -> Option<&Arc<Session>> {
        self.sessions.get(place_of(correlation)).filter(|session| session.correlation == correlation)
    }

    pub(crate) fn sessions_of(&self, user: UserKey) -> impl Iterator<Item = &Arc<Session>> {
        let places = self.by_user.get(&user).map(SmallVec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.sessions.get(*place as usize))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions.iter().map(|(_, session)| session)
    }

    pub(crate) fn online(&self) -> &RoaringBitmap {
        &self.online
    }

    pub(crate) fn applied(&self) -> &Vector {
        &self.applied
    }

    pub(crate) fn set_applied(&mut self, origin: Origin, position: Position) {
        self.applied = super::at(&self.applied, origin, position);
    }

    /// Sends this second's share of the sessions a heartbeat and a cursor, and ends those that fell silent. Every
    /// session has its turn once in `interval_s`; all are spread over it.
    pub(crate) fn heartbeat(&self, second: u32, now_s: u32, interval_s: u32, timeout_s: u32) {
        let frame = encode::control(&Control::Heartbeat {});
        for (place, session) in &self.sessions {
            if now_s > session.expires_s.load(Ordering::Relaxed).saturating_add(EXPIRY_GRACE_S) {
                session.outbound.end(close::UNAUTHENTICATED, "the token expired");
            }
            if session.kind == SessionKind::Poll || session.outbound.is_silent() {
                continue;
            }
            let silent_s = now_s.saturating_sub(session.last_received_s.load(Ordering::Relaxed));
            if session.kind == SessionKind::Socket && silent_s > timeout_s {
                session.outbound.end(close::HEARTBEAT_TIMEOUT, "nothing came from the client in time");
            } else if place as u32 % interval_s == second % interval_s {
                session.outbound.push(frame.clone(), 1);
                session.cursor_due.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Gives sessions that were offered something the cursor that covers it.
    pub(crate) fn offer_cursors(&self, sealer: &Sealer, told: &Vector, second: u32) {
        let mut frame = None;
        for (place, session) in &self.sessions {
            if place as u32 % CURSOR_EVERY_S != second % CURSOR_EVERY_S
                || !session.is_live()
                || !session.is_told()
                || !session.cursor_due.swap(false, Ordering::Relaxed)
            {
                continue;
            }
            let frame = frame.get_or_insert_with(|| {
                let cursor = sealer.seal(&SyncCursor { vector: told.clone(), walk: None });
                encode::control(&Control::Cursor { cursor, has_more: false })
            });
            session.outbound.push(frame.clone(), 1);
        }
    }
}

fn place_of(correlation: Correlation) -> usize {
    (correlation.0 & 0xffff_ffff) as usize
}
