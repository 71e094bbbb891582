//! Router: takes each commit in order and offers it to the sessions of those who may see it.
//!
//! One task applies all of it, so a removal takes the user out at its seq and no later event is offered. Nobody is
//! waited for: every session has a bounded queue, and one that overflows is closed. Invariant: only what is committed
//! is offered, and a conversation's events only in the order of their seq.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use stonechat_store::commit::{Commit, Correlation, Entry};
use stonechat_store::key::Actor;
use stonechat_store::vector::Sealer;
use stonechat_store::{Position, Readers, Vector};
use stonechat_wire::{Code, Control, SessionId, close};
use tokio::sync::mpsc;

pub(crate) mod encode;
pub(crate) mod outbound;
pub(crate) mod registry;
mod members;
mod batches;
mod receipts;
mod deliver;
#[cfg(feature = "test-hooks")]
mod hooked;

use registry::{Registry, Session, SessionKind};

use crate::presence::Presence;
use crate::typing::Typing;

/// Commits that may wait for the router: at thousands a second about a second; then the writer waits.
pub(crate) const MAX_WAITING_COMMITS: usize = 1_024;

/// Handle of the router: cheap to clone.
#[derive(Clone)]
pub(crate) struct Router {
    shared: Arc<Shared>,
}

struct Shared {
    registry: RwLock<Registry>,
    started: tokio::time::Instant,
    heartbeat_s: u32,
    heartbeat_timeout_s: u32,
}

/// What the router's task works with.
pub(crate) struct Task {
    pub(crate) router: Router,
    pub(crate) commits: mpsc::Receiver<Commit>,
    pub(crate) readers: Readers,
    pub(crate) presence: Presence,
    pub(crate) typing: Typing,
    pub(crate) batch_window: Duration,
    pub(crate) relaxed: bool,
}

impl Router {
    /// A router whose sessions start from `vector`.
    pub(crate) fn new(vector: Vector, heartbeat_s: u32, heartbeat_timeout_s: u32) -> Self {
        let shared = Shared {
            registry: RwLock::new(Registry::new(vector)),
            started: tokio::time::Instant::now(),
            heartbeat_s,
            heartbeat_timeout_s,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Makes a device's session known, not yet live: it hears endings, but no events. A socket takes the place of the
    /// device's older one. The second value: the user had no session before.
    pub(crate) fn register(&self, actor: Actor, kind: SessionKind) -> (Arc<Session>, bool) {
        let now = self.now_s();
        let mut registry = self.shared.registry.write();
        if kind == SessionKind::Socket {
            for older in registry.sessions_of(actor.user) {
                if older.actor.device == actor.device && older.kind == SessionKind::Socket {
                    older.outbound.end(close::REPLACED, "a newer connection of this device took over");
                }
            }
        }
        registry.insert(actor, kind, now)
    }

    /// From here on the session is offered everything after the returned vector: what this node has applied, or where
    /// the session stands already when that is further (a page may have come from a newer snapshot).
    pub(crate) fn go_live(&self, session: &Session, stands: Option<&Vector>) -> Vector {
        let registry = self.shared.registry.write();
        let applied = registry.applied();
        let position = |vector: &Vector| {
            applied.open.first().map_or(Position(0), |(origin, _)| vector.position(*origin))
        };
        let further = stands.filter(|stands| position(stands) > position(applied));
        let vector = further.unwrap_or(applied).clone();
        session.set_live(position(&vector));
        vector
    }

    /// Forgets a session. `true`: it was the user's last.
    pub(crate) fn unregister(&self, session: &Session) -> bool {
        self.shared.registry.write().remove(session)
    }

    /// Seconds since the server started, by the monotonic clock.
    pub(crate) fn now_s(&self) -> u32 {
        u32::try_from(self.shared.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// How many of these users are online.
    pub(crate) fn online_among(&self, users: &roaring::RoaringBitmap) -> u64 {
        self.shared.registry.read().online().intersection_len(users)
    }

    pub(crate) fn session_count(&self) -> usize {
        self.shared.registry.read().len()
    }

    /// Offers a frame to the sessions these numbers name, where they still exist.
    pub(crate) fn offer_to(&self, sessions: &[Correlation], frame: &Bytes) {
        let registry = self.shared.registry.read();
        for correlation in sessions {
            if let Some(session) = registry.get(*correlation) {
                session.outbound.push(frame.clone(), 1);
            }
        }
    }

    /// Tells every client to come back at a random time within `spread`, and ends the connections.
    pub(crate) fn going_away(&self, spread: Duration) {
        let registry = self.shared.registry.read();
        for session in registry.all() {
            let wait = rand_below(u64::try_from(spread.as_millis()).unwrap_or(u64::MAX));
            let frame = encode::control(&Control::GoingAway { retry_after_ms: wait });
            session.outbound.push(frame, 1);
            session.outbound.finish(close::GOING_AWAY, "the server is stopping");
        }
    }
}

/// A random number below `bound`; 0 where randomness is not to be had.
fn rand_below(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes) % bound.max(1),
        Err(_) => 0,
    }
}

impl Task {
    /// Applies commits until the writer is gone. Ticks come from here, so that what they send stands in order with
    /// what was offered.
    pub(crate) async fn run(mut self) {
        let sealer = self.readers.store().sealer().clone();
        let mut delivery = deliver::Delivery::new(self.relaxed);
        let mut receipts = receipts::Receipts::default();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seconds = 0_u32;
        let mut window_began = tokio::time::Instant::now();
        loop {
            tokio::select! {
                commit = self.commits.recv() => match commit {
                    Some(commit) => self.apply(commit, &mut delivery, &mut receipts).await,
                    None => return,
                },
                _ = tick.tick() => {
                    seconds = seconds.wrapping_add(1);
                    self.tick(seconds, &sealer, &mut delivery);
                    if window_began.elapsed() >= self.batch_window {
                        window_began = tokio::time::Instant::now();
                        receipts.flush(&self.router, &self.readers).await;
                    }
                }
            }
        }
    }

    fn tick(&self, second: u32, sealer: &Sealer, delivery: &mut deliver::Delivery) {
        let shared = &self.router.shared;
        let registry = shared.registry.read();
        delivery.flush_batches(&registry);
        registry.heartbeat(second, self.router.now_s(), shared.heartbeat_s, shared.heartbeat_timeout_s);
        registry.offer_cursors(sealer, &delivery.told(registry.applied()), second);
    }

    async fn apply(
        &self,
        commit: Commit,
        delivery: &mut deliver::Delivery,
        receipts: &mut receipts::Receipts,
    ) {
        delivery.load_members(&self.readers, &commit).await;
        for entry in &commit.entries {
            match entry {
                Entry::Receipt { conversation_id, user, user_id, read_seq, recipients, .. } => {
                    receipts.add(*conversation_id, *user, *user_id, *read_seq, recipients);
                }
                Entry::Event(event) => {
                    if let Some(change) = event.change {
                        self.typing.member_changed(event.conversation, change);
                        self.presence.member_changed(event.conversation, change);
                    }
                }
                Entry::Account { .. } | Entry::Revoked { .. } => {}
            }
        }
        let mut registry = self.router.shared.registry.write();
        delivery.offer(&registry, &commit);
        registry.set_applied(commit.origin, commit.last);
    }
}

/// The vector a fresh origin starts from, moved to a position.
pub(crate) fn at(vector: &Vector, origin: stonechat_store::Origin, position: Position) -> Vector {
    let mut moved = vector.clone();
    for entry in &mut moved.open {
        if entry.0 == origin {
            entry.1 = position;
        }
    }
    moved
}

/// A session's id on the wire.
pub(crate) fn session_id() -> SessionId {
    SessionId::new()
}

/// The code of an error as an `error` frame.
pub(crate) fn error_frame(
    code: Code,
    params: serde_json::Value,
    client_id: Option<stonechat_wire::ClientId>,
) -> Bytes {
    let retry_after_ms =
        matches!(code, Code::Overloaded | Code::Unavailable | Code::RateLimited).then_some(1_000);
    encode::control(&Control::Error(stonechat_wire::ErrorFrame { code, params, retry_after_ms, client_id }))
}
