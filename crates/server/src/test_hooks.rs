//! Test hooks: what a test makes go wrong on purpose: acks that wait or get lost, refusals, a server that is gone.
//!
//! Here stand the state and its rules; the routes are in `rest/test_hooks.rs`, what is done to sessions in
//! `router/hooked.rs`. Invariant: whatever is withheld from a session, no cursor tells it that it has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use stonechat_store::commit::Correlation;
use stonechat_wire::{ClientId, Code, ErrorFrame, UserId};
use tokio::sync::watch;

pub(crate) mod door;
pub(crate) mod fill;

#[cfg(not(debug_assertions))]
compile_error!("`test-hooks` lets anybody disturb the server: it is for debug builds only");

/// Acks kept back at once; a test that holds more gets the rest dropped.
const MAX_HELD: usize = 10_000;

/// What becomes of the acks of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AckMode {
    #[default]
    Pass,
    /// Kept, and sent when they are to pass again.
    Hold,
    /// Lost after the commit.
    Drop,
}

/// An answer to the next messages that somebody sends.
#[derive(Clone, Debug)]
pub(crate) struct Rejection {
    /// `None`: everybody's.
    pub(crate) user: Option<UserId>,
    pub(crate) code: Code,
    pub(crate) params: Value,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) times: u32,
}

impl Rejection {
    pub(crate) fn frame(self, client_id: Option<ClientId>) -> ErrorFrame {
        let Self { code, params, retry_after_ms, .. } = self;
        ErrorFrame { code, params, retry_after_ms, client_id }
    }
}

/// An ack that waits.
pub(crate) struct HeldAck {
    pub(crate) session: Correlation,
    user: UserId,
    pub(crate) frame: Bytes,
}

/// What goes wrong on this server.
pub(crate) struct Hooks {
    state: Mutex<State>,
    sockets_refused: AtomicBool,
    down: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    everybodys_acks: AckMode,
    acks_of: HashMap<UserId, AckMode>,
    held: Vec<HeldAck>,
    rejections: Vec<Rejection>,
}

impl Hooks {
    pub(crate) fn new() -> Arc<Self> {
        let (down, _) = watch::channel(false);
        Arc::new(Self { state: Mutex::default(), sockets_refused: AtomicBool::new(false), down })
    }

    /// Sets what becomes of somebody's acks, or of everybody's; gives back those that are to be sent now.
    pub(crate) fn set_acks(&self, user: Option<UserId>, mode: AckMode) -> Vec<HeldAck> {
        let mut state = self.state.lock();
        match user {
            Some(user) => drop(state.acks_of.insert(user, mode)),
            None => {
                state.everybodys_acks = mode;
                state.acks_of.clear();
            }
        }
        let is_theirs = |held: &HeldAck| user.is_none_or(|user| held.user == user);
        let (theirs, others) = std::mem::take(&mut state.held).into_iter().partition(is_theirs);
        state.held = others;
        match mode {
            AckMode::Pass => theirs,
            AckMode::Drop => Vec::new(),
            AckMode::Hold => {
                state.held.extend(theirs);
                Vec::new()
            }
        }
    }

    /// Whether an ack is not to be sent now.
    fn withholds_ack(&self, session: Correlation, user: UserId, frame: &Bytes) -> bool {
        let mut state = self.state.lock();
        match state.acks_of.get(&user).copied().unwrap_or(state.everybodys_acks) {
            AckMode::Pass => false,
            AckMode::Drop => true,
            AckMode::Hold => {
                if state.held.len() < MAX_HELD {
                    state.held.push(HeldAck { session, user, frame: frame.clone() });
                }
                true
            }
        }
    }

    /// Refuses the next messages of somebody, or of everybody; takes the place of what was said before of the same.
    pub(crate) fn reject(&self, rejection: Rejection) {
        let mut state = self.state.lock();
        state.rejections.retain(|other| other.user != rejection.user);
        state.rejections.push(rejection);
    }

    /// The refusal that a message of this person gets, if one is due.
    pub(crate) fn rejection(&self, user: UserId) -> Option<Rejection> {
        let mut state = self.state.lock();
        state.rejections.retain(|rejection| rejection.times > 0);
        let due = state.rejections.iter_mut().find(|rejection| rejection.user.is_none_or(|of| of == user))?;
        due.times -= 1;
        Some(due.clone())
    }

    pub(crate) fn refuse_sockets(&self, refused: bool) {
        self.sockets_refused.store(refused, Ordering::Relaxed);
    }

    pub(crate) fn refuses_sockets(&self) -> bool {
        self.sockets_refused.load(Ordering::Relaxed)
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.send_replace(down);
    }

    pub(crate) fn is_down(&self) -> bool {
        *self.down.borrow()
    }

    /// Returns while the server plays dead.
    async fn until_down(&self) {
        // The sender is ours: it cannot go first.
        drop(self.down.subscribe().wait_for(|down| *down).await);
    }
}

/// What the hooks do to one session.
pub(crate) struct Hooked {
    hooks: Arc<Hooks>,
    /// Something that a cursor would cover was kept from it.
    untold: AtomicBool,
}

impl Hooked {
    pub(crate) fn new(hooks: Arc<Hooks>) -> Self {
        Self { hooks, untold: AtomicBool::new(false) }
    }

    pub(crate) fn withholds_ack(&self, session: Correlation, user: UserId, frame: &Bytes) -> bool {
        let withheld = self.hooks.withholds_ack(session, user, frame);
        if withheld {
            self.set_untold(true);
        }
        withheld
    }

    pub(crate) fn set_untold(&self, untold: bool) {
        self.untold.store(untold, Ordering::Relaxed);
    }

    pub(crate) fn is_untold(&self) -> bool {
        self.untold.load(Ordering::Relaxed)
    }
}
