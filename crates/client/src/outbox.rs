//! Outbox: what this device wants done and has no ack for yet, in the order it was asked.
//!
//! Pure: `input + now -> outputs`. Frames go out pipelined; after a reconnect everything without an ack goes out
//! again in the same order under the same ids, so the server sees each once. What fails keeps its text until it
//! is sent again or discarded.
//!
//! Invariant: nothing leaves but by an ack or by [`Outbox::discard`]; a frame never overtakes a pending one.

use std::collections::VecDeque;
use std::time::Duration;

use stonechat_wire::{ClientFrame, ClientId, ErrorFrame};
use tokio::time::Instant;

use crate::error::is_transient;

/// Most entries: more than anybody types in a week offline, and small enough to search through.
pub const MAX_ENTRIES: usize = 1024;
/// Most frames without ack on one connection; with the largest texts this is 1 MiB on its way.
pub const MAX_IN_FLIGHT: usize = 64;
/// How long an ack may take while connected.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(10);
/// A refusal that passes by itself (`rate_limited`, `overloaded`, `unavailable`) is waited out this often.
const MAX_TRIES: u32 = 5;
/// The wait where the server named none; doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// What the outbox asks for.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this on the current connection.
    Send(ClientFrame),
    /// It is done: forget it.
    Settled(ClientId),
    /// It failed: tell people, keep the text.
    Failed(ClientId, Failure),
}

/// Why an entry failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// No ack came in time while connected. It may be done all the same; sending again is safe.
    Unacknowledged,
    /// The server said no.
    Refused(ErrorFrame),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending { not_before: Option<Instant> },
    Sent { at: Instant },
    Failed,
}

#[derive(Clone, Debug)]
struct Entry {
    client_id: ClientId,
    frame: ClientFrame,
    state: State,
    refusals: u32,
}

/// The outbox of one device.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    entries: VecDeque<Entry>,
    /// How many frames may be on their way; 0 while there is no connection.
    window: usize,
    /// After a passing refusal one frame goes at a time until all is out: what is already on its way behind a
    /// refused frame may overtake it, so less is put on its way.
    careful: bool,
}

impl Outbox {
    /// Puts back what was stored, in its order, before anything is submitted.
    pub fn restore(&mut self, client_id: ClientId, frame: ClientFrame, failed: bool) {
        let state = if failed { State::Failed } else { State::Pending { not_before: None } };
        self.entries.push_back(Entry { client_id, frame, state, refusals: 0 });
    }

    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MAX_ENTRIES
    }

    /// How many entries have no ack, failed ones among them.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether everything has its ack.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.window > 0
    }

    /// The frames without ack, in order, and whether each failed.
    pub fn entries(&self) -> impl Iterator<Item = (&ClientFrame, bool)> {
        self.entries.iter().map(|entry| (&entry.frame, entry.state == State::Failed))
    }

    /// Takes a frame. The same id again changes nothing. The caller has checked [`Outbox::is_full`].
    pub fn submit(&mut self, client_id: ClientId, frame: ClientFrame, now: Instant) -> Vec<Output> {
        if self.entry(client_id).is_none() {
            self.restore(client_id, frame, false);
        }
        self.pump(now)
    }

    /// A connection is up, on which up to `window` frames may be on their way.
    pub fn connected(&mut self, window: usize, now: Instant) -> Vec<Output> {
        self.disconnected();
        self.window = window;
        self.pump(now)
    }

    /// The connection is gone: what was sent on it is pending again.
    pub fn disconnected(&mut self) {
        self.window = 0;
        for entry in &mut self.entries {
            if let State::Sent { .. } = entry.state {
                entry.state = State::Pending { not_before: None };
            }
        }
    }

    /// The server did it. A late ack settles a failed entry too.
    pub fn acked(&mut self, client_id: ClientId, now: Instant) -> Vec<Output> {
        let mut outputs = self.discard(client_id);
        outputs.extend(self.pump(now));
        outputs
    }

    /// The server said no.
    pub fn refused(&mut self, error: ErrorFrame, now: Instant) -> Vec<Output> {
        let Some(entry) = error.client_id.and_then(|client_id| self.entry(client_id)) else {
            return Vec::new();
        };
        let client_id = entry.client_id;
        entry.refusals += 1;
        if is_transient(error.code) && entry.refusals <= MAX_TRIES {
            let wait = FIRST_WAIT * (1 << (entry.refusals - 1));
            let wait = error.retry_after_ms.map_or(wait, Duration::from_millis);
            entry.state = State::Pending { not_before: Some(now + wait) };
            self.careful = true;
            return self.pump(now);
        }
        entry.state = State::Failed;
        let mut outputs = vec![Output::Failed(client_id, Failure::Refused(error))];
        outputs.extend(self.pump(now));
        outputs
    }

    /// Sends a failed entry again under its id. Asking twice sends once.
    pub fn retry(&mut self, client_id: ClientId, now: Instant) -> Vec<Output> {
        if let Some(entry) = self.entry(client_id).filter(|entry| entry.state == State::Failed) {
            entry.state = State::Pending { not_before: None };
            entry.refusals = 0;
        }
        self.pump(now)
    }

    /// Takes an entry out, whatever its state.
    pub fn discard(&mut self, client_id: ClientId) -> Vec<Output> {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.client_id != client_id);
        if self.entries.len() < before { vec![Output::Settled(client_id)] } else { Vec::new() }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Output> {
        let mut outputs = Vec::new();
        for entry in &mut self.entries {
            if matches!(entry.state, State::Sent { at } if at + ACK_TIMEOUT <= now) {
                entry.state = State::Failed;
                outputs.push(Output::Failed(entry.client_id, Failure::Unacknowledged));
            }
        }
        outputs.extend(self.pump(now));
        outputs
    }

    /// When [`Outbox::tick`] has something to do.
    pub fn next_wake(&self) -> Option<Instant> {
        if self.window == 0 {
            return None;
        }
        let sent = self.entries.iter().filter_map(|entry| match entry.state {
            State::Sent { at } => Some(at + ACK_TIMEOUT),
            State::Pending { .. } | State::Failed => None,
        });
        let waiting = self.entries.iter().find_map(|entry| match entry.state {
            State::Pending { not_before } => Some(not_before),
            State::Sent { .. } | State::Failed => None,
        });
        // Where the window is full an ack comes first, or its timeout.
        let waiting = waiting.flatten().filter(|_| self.in_flight() < self.window());
        sent.chain(waiting).min()
    }

    fn in_flight(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.state, State::Sent { .. })).count()
    }

    fn window(&self) -> usize {
        if self.careful { self.window.min(1) } else { self.window }
    }

    fn entry(&mut self, client_id: ClientId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.client_id == client_id)
    }

    /// Sends pending entries in order, up to the window; stops at one that has to wait.
    fn pump(&mut self, now: Instant) -> Vec<Output> {
        let mut outputs = Vec::new();
        let pending = |entry: &Entry| matches!(entry.state, State::Pending { .. });
        self.careful &= self.entries.iter().any(pending);
        let (mut in_flight, window) = (self.in_flight(), self.window());
        for entry in &mut self.entries {
            match entry.state {
                State::Pending { .. } if in_flight >= window => break,
                State::Pending { not_before: Some(time) } if time > now => break,
                State::Pending { .. } => {
                    entry.state = State::Sent { at: now };
                    in_flight += 1;
                    outputs.push(Output::Send(entry.frame.clone()));
                }
                State::Sent { .. } | State::Failed => {}
            }
        }
        outputs
    }
}

/// The id a frame is acknowledged by; `None` for frames that get no ack.
pub fn client_id_of(frame: &ClientFrame) -> Option<ClientId> {
    match frame {
        ClientFrame::Message(message) => message.client_id,
        ClientFrame::Edit(edit) => edit.client_id,
        ClientFrame::Delete(delete) => Some(delete.client_id),
        ClientFrame::React(react) => react.client_id,
        ClientFrame::Pin(pin) => pin.client_id,
        ClientFrame::Connect(_)
        | ClientFrame::Read(_)
        | ClientFrame::MarkUnread(_)
        | ClientFrame::Received { .. }
        | ClientFrame::Typing(_)
        | ClientFrame::Presence(_)
        | ClientFrame::Subscribe(_)
        | ClientFrame::Unsubscribe(_)
        | ClientFrame::Heartbeat {} => None,
    }
}

/// Gives a frame that is acknowledged an id if it has none, and says which it is; `None` for the others.
pub fn identify(frame: &mut ClientFrame) -> Option<ClientId> {
    match frame {
        ClientFrame::Message(message) => Some(*message.client_id.get_or_insert_with(ClientId::new)),
        ClientFrame::Edit(edit) => Some(*edit.client_id.get_or_insert_with(ClientId::new)),
        ClientFrame::React(react) => Some(*react.client_id.get_or_insert_with(ClientId::new)),
        ClientFrame::Pin(pin) => Some(*pin.client_id.get_or_insert_with(ClientId::new)),
        other => client_id_of(other),
    }
}

#[cfg(test)]
mod tests;
