//! Turns: how the driver gets from one door to the next: connecting, losing, polling, stopping.

use std::sync::Arc;
use std::time::Duration;

use stonechat_wire::{ClientFrame, Connect, Cursor, close};
use tokio::time::Instant;

use super::{Driver, RECEIVED_EVERY};
use crate::chat::door::{Door, Live, POLL_PAUSE, POLL_WAIT, POLLING_FOR, Verdict, verdict};
use crate::chat::errand::{self, Outcome};
use crate::chat::stream::stopped;
use crate::chat::{ChatEvent, Start};
use crate::connection::{ConnectOptions, Connection};
use crate::error::{Error, Result};
use crate::outbox::{self, MAX_IN_FLIGHT};
use crate::rest::SyncQuery;

/// Asked for where a device without a stored position wants no list.
const FROM_NOW: &str = "now";
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

impl Driver {
    pub(super) fn tick(&mut self, now: Instant) {
        match &self.door {
            Door::Waiting { until } if *until <= now => self.open(now),
            Door::Live(live) if live.silent_until() <= now => {
                let reason = String::from("nothing heard");
                self.lose(&Error::Closed { code: close::HEARTBEAT_TIMEOUT, reason }, now);
            }
            Door::Polling { next: Some(next), .. } if *next <= now => self.poll(now),
            Door::Waiting { .. } | Door::Opening | Door::Live(_) | Door::Polling { .. } | Door::Stopped => {}
        }
        let outputs = self.outbox.tick(now);
        self.outbox_did(outputs, now);
        let outputs = self.inbox.tick(now);
        self.inbox_did(outputs);
        self.report(now);
    }

    /// Says how far this device got.
    fn report(&mut self, now: Instant) {
        let ready = matches!(&self.door, Door::Live(live) if live.is_ready());
        let Some(cursor) = self.cursor.clone() else { return };
        if ready && self.report_at <= now && self.reported.as_ref() != Some(&cursor) {
            self.report_at = now + RECEIVED_EVERY;
            self.reported = Some(cursor.clone());
            self.say(ClientFrame::Received { cursor }, now);
        }
    }

    fn turn_to(&mut self, door: Door) {
        self.turn += 1;
        self.door = door;
    }

    fn open(&mut self, now: Instant) {
        if self.polling_until.is_some_and(|until| now < until) {
            return self.start_polling(now);
        }
        let rest = self.rest();
        let options = ConnectOptions {
            token: rest.token().map(str::to_owned),
            local_address: self.options.local_address,
            headers: self
                .options
                .user_agent
                .iter()
                .map(|name| ("User-Agent".to_owned(), name.clone()))
                .collect(),
            ..ConnectOptions::default()
        };
        self.turn_to(Door::Opening);
        self.errands.spawn(errand::open(rest.base_url().to_owned(), options));
    }

    pub(super) fn opened(&mut self, connection: Result<Box<Connection>>, now: Instant) {
        if !matches!(self.door, Door::Opening) {
            return;
        }
        match connection {
            Ok(connection) => {
                self.polling_until = None;
                self.turn_to(Door::Live(Box::new(Live::new(*connection, now))));
                let cursor = self.cursor_to_ask();
                self.say(ClientFrame::Connect(Connect { token: None, ticket: None, cursor }), now);
            }
            Err(error) => match verdict(&error) {
                Verdict::Later => self.failed(error, now),
                Verdict::Poll => {
                    self.polling_until = Some(now + POLLING_FOR);
                    self.start_polling(now);
                }
                Verdict::Never => self.stop(error),
            },
        }
    }

    fn cursor_to_ask(&self) -> Option<Cursor> {
        let from_now = self.options.start == Start::Now;
        self.cursor.clone().or_else(|| from_now.then(|| Cursor(FROM_NOW.to_owned())))
    }

    /// `hello` came, or the first long poll.
    pub(super) fn is_open(&mut self, window: usize, now: Instant) {
        if let Some(opened) = self.opened.take() {
            let _unheard = opened.send(Ok(()));
        }
        let outputs = self.outbox.connected(window, now);
        self.outbox_did(outputs, now);
        if let Some(subscription) = self.subscription() {
            self.say(ClientFrame::Subscribe(subscription), now);
        }
    }

    /// `hello` came.
    pub(super) fn is_live(&mut self, now: Instant) {
        self.reported = None;
        self.is_open(MAX_IN_FLIGHT, now);
        if self.cursor.is_some() && !self.listed {
            self.start_listing();
        }
    }

    /// The connection is gone; comes back by itself unless the server said not to.
    pub(super) fn lose(&mut self, error: &Error, now: Instant) {
        let Door::Live(live) = &self.door else { return };
        let (lived, asked, was_ready) = (now - live.since, live.asked, live.is_ready());
        tracing::debug!(%error, lived_ms = lived.as_millis(), "connection lost");
        let copy = || match error {
            Error::Closed { code, reason } => Error::Closed { code: *code, reason: reason.clone() },
            _ => Error::Closed { code: 1006, reason: error.to_string() },
        };
        if verdict(error) == Verdict::Never {
            return self.stop(copy());
        }
        if !was_ready {
            // Let in and not greeted is no connection yet.
            return self.failed(copy(), now);
        }
        self.outbox.disconnected();
        let retry_in = self.backoff.lost(lived, asked, &mut self.random);
        self.wait(retry_in, now);
    }

    /// A try came to nothing.
    fn failed(&mut self, error: Error, now: Instant) {
        self.outbox.disconnected();
        let retry_in = self.backoff.failed(error.retry_after(), &mut self.random);
        if let Some(opened) = self.opened.take() {
            let _unheard = opened.send(Err(error));
            self.ended = true;
        }
        self.wait(retry_in, now);
    }

    fn wait(&mut self, retry_in: Duration, now: Instant) {
        self.turn_to(Door::Waiting { until: now + retry_in });
        self.repairing = false;
        self.untold.push(ChatEvent::Offline { retry_in });
    }

    /// Does not come back by itself. What waits is told; what is in the outbox stays.
    pub(super) fn stop(&mut self, error: Error) {
        self.outbox.disconnected();
        self.turn_to(Door::Stopped);
        if let Some(opened) = self.opened.take() {
            // Nobody has this chat yet: whoever waits for it hears why there is none.
            self.ended = true;
            let _unheard = opened.send(Err(error));
            return;
        }
        let error = Arc::new(error);
        for done in self.waiting.drain().flat_map(|(_, waiting)| waiting) {
            let _unheard = done.send(Err(stopped(&error)));
        }
        self.untold.push(ChatEvent::Stopped(error));
    }

    pub(super) fn renew(&mut self, token: String, now: Instant) {
        let rest = self.rest().with_token(token.clone());
        *self.rest.write() = rest;
        match &self.door {
            Door::Stopped => self.open(now),
            Door::Live(_) => {
                let cursor = None;
                self.say(ClientFrame::Connect(Connect { token: Some(token), ticket: None, cursor }), now);
            }
            Door::Waiting { .. } | Door::Opening | Door::Polling { .. } => {}
        }
    }

    pub(super) async fn close(&mut self) {
        if let Door::Live(live) = &self.door {
            let goodbye = live.writer.close(close::NORMAL, "");
            if tokio::time::timeout(GOODBYE, goodbye).await.is_err() {
                tracing::debug!("the server did not take the goodbye");
            }
        }
        self.ended = true;
    }

    fn start_polling(&mut self, now: Instant) {
        let until = self.polling_until.unwrap_or(now);
        self.turn_to(Door::Polling { until, next: None });
        // The first answer comes at once: it tells whether this door is open at all.
        self.spawn_poll(0);
    }

    fn poll(&mut self, now: Instant) {
        let Door::Polling { until, next } = &mut self.door else { return };
        *next = None;
        if *until <= now {
            self.outbox.disconnected();
            return self.open(now);
        }
        self.spawn_poll(u64::try_from(POLL_WAIT.as_millis()).unwrap_or(u64::MAX));
    }

    fn spawn_poll(&mut self, wait_ms: u64) {
        let query =
            SyncQuery { cursor: self.cursor_to_ask(), wait_ms: Some(wait_ms), ..SyncQuery::default() };
        self.errands.spawn(errand::poll(self.rest(), self.turn, query));
    }

    pub(super) fn done(&mut self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Opened(connection) => self.opened(connection, now),
            Outcome::Listed { epoch, page } if epoch == self.epoch => self.listed(page, now),
            Outcome::Windowed { epoch, conversation_id, page } if epoch == self.epoch => {
                self.windowed(conversation_id, page, now);
            }
            Outcome::Repaired { epoch, page } if epoch == self.epoch => self.repaired(page, now),
            Outcome::Polled { turn, page } if turn == self.turn => match page {
                Ok(page) => self.polled(page, now),
                Err(error) if verdict(&error) == Verdict::Never => self.stop(error),
                Err(error) => {
                    // What stood in the way of both may be gone for both.
                    self.polling_until = None;
                    self.failed(error, now);
                }
            },
            Outcome::Posted { turn, client_id, ack } => match ack {
                Ok(ack) => self.acked(ack, now),
                Err(error) => match errand::as_frame(&error, client_id) {
                    Some(frame) => {
                        let outputs = self.outbox.refused(frame, now);
                        self.outbox_did(outputs, now);
                    }
                    None if turn == self.turn => self.failed(error, now),
                    None => {}
                },
            },
            Outcome::Listed { .. }
            | Outcome::Windowed { .. }
            | Outcome::Repaired { .. }
            | Outcome::Polled { .. }
            | Outcome::Nothing => {}
        }
    }

    fn polled(&mut self, page: stonechat_wire::SyncPage, now: Instant) {
        let before = self.cursor.clone();
        if !self.outbox.is_connected() {
            self.untold.push(ChatEvent::Polling);
            self.is_open(1, now);
        }
        self.synced(page, now);
        // Whatever cursor came, it moved on only if nothing is missing.
        let pause = if self.cursor == before { POLL_PAUSE } else { Duration::ZERO };
        if let Door::Polling { next, .. } = &mut self.door {
            *next = Some(now + pause);
        }
    }

    /// Something this device asked for is done.
    pub(super) fn acked(&mut self, ack: stonechat_wire::Ack, now: Instant) {
        let outputs = self.outbox.acked(ack.client_id, now);
        self.outbox_did(outputs, now);
        let outputs = self.inbox.acked(ack.conversation_id, ack.seq, now);
        self.inbox_did(outputs);
        for done in self.waiting.remove(&ack.client_id).unwrap_or_default() {
            let _unheard = done.send(Ok(ack.clone()));
        }
        self.untold.push(ChatEvent::Acked(ack));
    }

    /// Whether this device waits for an ack of this id.
    pub(super) fn awaits(&self, client_id: stonechat_wire::ClientId) -> bool {
        self.outbox.entries().any(|(frame, _)| outbox::client_id_of(frame) == Some(client_id))
    }
}
