//! Hearing: what the driver does with each frame, and with what REST brings in its stead.

use std::sync::Arc;
use std::time::Duration;

use stonechat_wire::{
    Ack, ClientFrame, Control, ConversationId, ConversationsPage, Event, EventBody, Hello, MessagesPage,
    ServerFrame, SyncPage,
};
use tokio::time::Instant;

use super::{Driver, FRAMES_AT_ONCE};
use crate::chat::door::Door;
use crate::chat::{ChatEvent, Start, errand};
use crate::connection::Received;
use crate::error::{Error, Result, Transport};
use crate::inbox::Output;
use crate::rest::SyncQuery;

impl Driver {
    /// Takes what came, and what else came with it.
    pub(super) async fn heard(&mut self, mut received: Result<Received>, now: Instant) -> Result<()> {
        if let Some(live) = self.door.live() {
            live.heard_at = now;
        }
        let mut left = FRAMES_AT_ONCE;
        loop {
            match received {
                Ok(Received::Frame(ServerFrame::Control(Control::Hello(hello)))) => {
                    self.hello(hello, now).await?;
                }
                Ok(Received::Frame(frame)) => self.frame(frame, now),
                Ok(Received::Closed(closed)) => {
                    self.lose(&Error::Closed { code: closed.code, reason: closed.reason }, now);
                }
                // If it stood in a log, its place is now a hole, and is repaired.
                Err(Error::Transport(Transport::Json(error))) => tracing::warn!(%error, "unreadable frame"),
                Err(error) => self.lose(&error, now),
            }
            left -= 1;
            let next = self.door.live().filter(|_| left > 0).map(|live| live.reader.next_ready());
            match next {
                Some(Ok(Some(next))) => received = Ok(next),
                Some(Err(error)) => received = Err(error),
                Some(Ok(None)) | None => return Ok(()),
            }
        }
    }

    async fn hello(&mut self, hello: Hello, now: Instant) -> Result<()> {
        self.disk.claim(hello.user_id, hello.device_id).await?;
        let Some(live) = self.door.live() else { return Ok(()) };
        let again = live.is_ready();
        live.interval = Some(Duration::from_millis(hello.heartbeat_interval_ms));
        if again {
            return Ok(());
        }
        if !self.named
            && let Some(name) = self.options.device_name.clone()
        {
            self.named = true;
            self.errands.spawn(errand::name_device(self.rest(), hello.device_id, name));
        }
        self.untold.push(ChatEvent::Live(Box::new(hello)));
        self.is_live(now);
        Ok(())
    }

    fn frame(&mut self, frame: ServerFrame, now: Instant) {
        let control = match frame {
            ServerFrame::Event(event) => return self.event(*event, now),
            ServerFrame::Control(control) => control,
        };
        let outputs = match control {
            // Only a live connection says it, and there it is taken before.
            Control::Hello(_) => return,
            Control::Ack(ack) => return self.acked(ack, now),
            Control::Error(error) => {
                if error.client_id.is_none_or(|client_id| !self.awaits(client_id)) {
                    self.untold.push(ChatEvent::Complaint(error));
                    return;
                }
                let outputs = self.outbox.refused(error, now);
                return self.outbox_did(outputs, now);
            }
            Control::Account(entry) => self.inbox.account(entry, now),
            Control::Gap { conversation_id, from_seq, to_seq, reason } => {
                self.inbox.gap(conversation_id, from_seq, to_seq, reason, now)
            }
            Control::Batch { conversation_id, from_seq, to_seq, summary } => {
                self.inbox.batch(conversation_id, from_seq, to_seq, summary, now)
            }
            Control::Cursor { cursor, has_more } => self.inbox.cursor(cursor, has_more),
            Control::Reset { cursor } => self.inbox.reset(cursor),
            Control::Receipt { conversation_id, user_id, read_seq } => {
                return self.untold.push(ChatEvent::Receipt { conversation_id, user_id, read_seq });
            }
            Control::Typing { conversation_id, user_id, thread, action } => {
                return self.untold.push(ChatEvent::Typing { conversation_id, user_id, thread, action });
            }
            Control::Presence { presence, counts } => {
                return self.untold.push(ChatEvent::Presence { presence, counts });
            }
            Control::Heartbeat {} => return self.say(ClientFrame::Heartbeat {}, now),
            Control::GoingAway { retry_after_ms } => {
                if let Some(live) = self.door.live() {
                    live.asked = Some(Duration::from_millis(retry_after_ms));
                }
                return;
            }
        };
        self.inbox_did(outputs);
    }

    /// An event of one's own that waits for its ack is that ack.
    fn event(&mut self, event: Event, now: Instant) {
        if let Some(client_id) = event.client_id.filter(|client_id| self.awaits(*client_id)) {
            let message_id = match &event.body {
                EventBody::Message(body) => Some(body.message_id),
                EventBody::Edit(body) => Some(body.message_id),
                _ => None,
            };
            let Event { conversation_id, seq, timestamp, .. } = event;
            let (durability, repeated) = (None, true);
            let ack = Ack { client_id, message_id, conversation_id, seq, timestamp, durability, repeated };
            return self.acked(ack, now);
        }
        let outputs = self.inbox.event(event, now);
        self.inbox_did(outputs);
    }

    pub(super) fn inbox_did(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Event(event) => {
                    let event = Arc::<Event>::from(event);
                    self.changes.events.push(event.clone());
                    self.untold.push(ChatEvent::Event(event));
                }
                Output::Gap { conversation_id, from_seq, to_seq, reason } => {
                    if reason == stonechat_wire::GapReason::Skipped {
                        self.changes.skipped.push((conversation_id, to_seq));
                    }
                    self.untold.push(ChatEvent::Gap { conversation_id, from_seq, to_seq, reason });
                }
                Output::Batch { conversation_id, from_seq, to_seq, summary } => {
                    self.untold.push(ChatEvent::Batch { conversation_id, from_seq, to_seq, summary });
                }
                Output::Account(entry) => {
                    self.changes.account.push(entry.clone());
                    self.untold.push(ChatEvent::Account(entry));
                }
                Output::Joined(conversation_id, membership) => {
                    self.forget(conversation_id);
                    self.untold.push(ChatEvent::Joined(conversation_id, membership));
                }
                Output::Left(conversation_id) => {
                    self.forget(conversation_id);
                    self.untold.push(ChatEvent::Left(conversation_id));
                }
                Output::Cursor(cursor) => {
                    self.cursor = Some(cursor.clone());
                    self.changes.cursor = Some(cursor);
                }
                Output::CaughtUp => self.untold.push(ChatEvent::CaughtUp),
                Output::Reset(cursor) => self.reset(cursor),
                Output::Repair(conversation_id) => self.repair(conversation_id),
            }
        }
    }

    fn forget(&mut self, conversation_id: ConversationId) {
        self.changes.events.retain(|event| event.conversation_id != conversation_id);
        self.changes.forgotten.push(conversation_id);
    }

    fn reset(&mut self, cursor: stonechat_wire::Cursor) {
        self.epoch += 1;
        self.repairing = false;
        self.windows.clear();
        self.changes.start_anew(cursor.clone());
        self.cursor = Some(cursor);
        self.untold.push(ChatEvent::Reset);
        self.start_listing();
    }

    /// Reads the list anew.
    pub(super) fn start_listing(&mut self) {
        self.listed = self.options.start == Start::Now;
        self.changes.listed = self.listed;
        if !self.listed {
            self.epoch += 1;
            self.errands.spawn(errand::list(self.rest(), self.epoch, None));
        }
    }

    pub(super) fn listed(&mut self, page: Result<ConversationsPage>, now: Instant) {
        let page = match page {
            Ok(page) => page,
            // Without its list a device shows nothing: begin again, and the list with it.
            Err(error) => return self.lose(&error, now),
        };
        for conversation in &page.conversations {
            if self.windows.len() < self.options.windows {
                self.windows.push_back(conversation.conversation_id);
            }
            let outputs = self.inbox.start(conversation.conversation_id, conversation.as_of_seq, now);
            self.inbox_did(outputs);
        }
        let complete = page.next.is_none();
        self.untold.push(ChatEvent::Listed { conversations: page.conversations, complete });
        match page.next {
            Some(next) => {
                self.errands.spawn(errand::list(self.rest(), self.epoch, Some(next)));
            }
            None => {
                self.listed = true;
                self.changes.listed = true;
                self.next_window();
            }
        }
    }

    fn next_window(&mut self) {
        if let Some(conversation_id) = self.windows.pop_front() {
            let rows = self.options.window_rows;
            self.errands.spawn(errand::window(self.rest(), self.epoch, conversation_id, rows));
        }
    }

    pub(super) fn windowed(
        &mut self,
        conversation_id: ConversationId,
        page: Result<MessagesPage>,
        now: Instant,
    ) {
        match page {
            Ok(page) => {
                let outputs = self.inbox.start(conversation_id, page.as_of_seq, now);
                self.inbox_did(outputs);
                self.untold.push(ChatEvent::Window(conversation_id, Box::new(page)));
            }
            // Whoever opens the conversation reads it then.
            Err(error) => tracing::debug!(%error, conversation.id = %conversation_id, "window not read"),
        }
        self.next_window();
    }

    /// Reads again from the stored cursor; one repair at a time fills all holes.
    fn repair(&mut self, first: ConversationId) {
        if self.repairing || !matches!(self.door, Door::Live(_)) {
            return;
        }
        let Some(cursor) = self.cursor.clone() else { return };
        self.repairing = true;
        let query = SyncQuery { cursor: Some(cursor), first: Some(first), ..SyncQuery::default() };
        self.errands.spawn(errand::repair(self.rest(), self.epoch, query));
    }

    pub(super) fn repaired(&mut self, page: Result<SyncPage>, now: Instant) {
        self.repairing = false;
        match page {
            Ok(page) => {
                let next = page.has_more.then(|| page.cursor.clone());
                self.synced(page, now);
                if let (Some(cursor), true) = (next, self.inbox.next_wake().is_some()) {
                    self.repairing = true;
                    let query = SyncQuery { cursor: Some(cursor), ..SyncQuery::default() };
                    self.errands.spawn(errand::repair(self.rest(), self.epoch, query));
                }
            }
            Err(error) => tracing::debug!(%error, "a hole stays for now"),
        }
    }

    /// A page holds the frames a socket would have brought.
    pub(super) fn synced(&mut self, page: SyncPage, now: Instant) {
        for frame in page.frames {
            self.frame(frame, now);
        }
        let outputs = self.inbox.cursor(page.cursor, page.has_more);
        self.inbox_did(outputs);
    }
}
