//! Stream: what a program reads from a chat.

use std::collections::VecDeque;
use std::sync::Arc;

use stonechat_wire::{
    Ack, ClientFrame, ConversationId, ConversationRef, DeviceId, Event, EventBody, GapReason, Mentions,
    Message, MessageBody, MessageId, SendMessage, Seq, TimelineRow, Timestamp, UserId,
};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{ChatEvent, Handle};
use crate::error::{Error, Result};
use crate::rest::{MessagesQuery, Window};

/// Messages read at once when a reader fell behind.
const REPAIR_ROWS: u32 = 100;

/// Everything that happens in a chat.
#[derive(Debug)]
pub struct Events {
    events: Option<broadcast::Receiver<Arc<ChatEvent>>>,
}

impl Events {
    pub(super) fn new(events: Option<broadcast::Receiver<Arc<ChatEvent>>>) -> Self {
        Self { events }
    }

    /// The next event; `None` once the chat is closed. May be dropped at any time without losing one.
    ///
    /// # Errors
    /// `Lagged` when this reader was too slow; the stream goes on after what it missed.
    pub async fn next(&mut self) -> Result<Option<Arc<ChatEvent>>> {
        let Some(events) = &mut self.events else { return Ok(None) };
        match events.recv().await {
            Ok(event) => Ok(Some(event)),
            Err(RecvError::Lagged(missed)) => Err(Error::Lagged(missed)),
            Err(RecvError::Closed) => {
                self.events = None;
                Ok(None)
            }
        }
    }
}

/// The messages of one conversation. What a slow reader missed it reads from the local store; after a reset, or
/// where the server left older ones out, what the main timeline holds of them is read from the server.
#[derive(Debug)]
pub struct Messages {
    handle: Handle,
    events: Events,
    conversation_id: ConversationId,
    /// The last place given out, or where the conversation stood at the start.
    last: Seq,
    device_id: DeviceId,
    /// Read again and not given out yet.
    repaired: VecDeque<ChatMessage>,
    behind: Behind,
}

/// Where what was missed is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Not,
    InStore,
    OnServer,
}

impl Messages {
    pub(super) async fn open(handle: &Handle, conversation: ConversationRef) -> Result<Self> {
        // Listen first: what comes while the conversation is read must not be lost.
        let events = handle.events();
        let rest = handle.rest();
        let device_id = rest.me().await?.device_id;
        let conversation = rest.conversation(&conversation).await?;
        Ok(Self {
            handle: handle.clone(),
            events,
            conversation_id: conversation.conversation_id,
            last: conversation.as_of_seq,
            device_id,
            repaired: VecDeque::new(),
            behind: Behind::Not,
        })
    }

    /// The conversation they are of.
    pub fn conversation_id(&self) -> ConversationId {
        self.conversation_id
    }

    /// The next message; `None` once the chat is closed. May be dropped at any time without losing one.
    ///
    /// # Errors
    /// When the chat stopped for good, or what was missed cannot be read; a later call tries again.
    pub async fn next(&mut self) -> Result<Option<ChatMessage>> {
        loop {
            if let Some(message) = self.repaired.pop_front() {
                return Ok(Some(message));
            }
            match self.behind {
                Behind::InStore => self.repair_from_store().await?,
                Behind::OnServer => self.repair_from_server().await?,
                Behind::Not => match self.events.next().await {
                    Ok(Some(event)) => {
                        if let Some(message) = self.take(&event)? {
                            return Ok(Some(message));
                        }
                    }
                    Ok(None) => return Ok(None),
                    Err(Error::Lagged(_)) => self.behind = Behind::InStore,
                    Err(error) => return Err(error),
                },
            }
        }
    }

    fn take(&mut self, event: &ChatEvent) -> Result<Option<ChatMessage>> {
        match event {
            ChatEvent::Event(event) if event.conversation_id == self.conversation_id => {
                Ok(self.take_event(event))
            }
            // The stream does not go on from where it was.
            ChatEvent::Reset => {
                self.behind = Behind::OnServer;
                Ok(None)
            }
            ChatEvent::Gap { conversation_id, reason: GapReason::Skipped, .. }
                if *conversation_id == self.conversation_id =>
            {
                self.behind = Behind::OnServer;
                Ok(None)
            }
            ChatEvent::Stopped(error) => Err(stopped(error)),
            _ => Ok(None),
        }
    }

    fn take_event(&mut self, event: &Event) -> Option<ChatMessage> {
        if event.seq <= self.last {
            return None;
        }
        self.last = event.seq;
        match &event.body {
            EventBody::Message(body) if !body.deleted && event.sender_device != Some(self.device_id) => {
                Some(ChatMessage::from_event(event, body, &self.handle))
            }
            _ => None,
        }
    }

    async fn repair_from_store(&mut self) -> Result<()> {
        let disk = self.handle.disk.clone();
        let events = disk.events_after(self.conversation_id, self.last, REPAIR_ROWS).await?;
        if events.is_empty() {
            self.behind = Behind::Not;
        }
        for event in events {
            let message = self.take_event(&event);
            self.repaired.extend(message);
        }
        Ok(())
    }

    async fn repair_from_server(&mut self) -> Result<()> {
        let query =
            MessagesQuery { window: Window::After(self.last), limit: Some(REPAIR_ROWS), thread: None };
        let page = self.handle.rest().messages(self.conversation_id, &query).await?;
        // A server restored from a backup may stand before us: go on from where it is.
        self.last = self.last.min(page.as_of_seq);
        if !page.has_more_after || page.messages.is_empty() {
            self.behind = Behind::Not;
        }
        for row in page.messages {
            if row.seq() <= self.last {
                continue;
            }
            self.last = row.seq();
            if let TimelineRow::Message(row) = row
                && !row.deleted
                && row.sender_device != Some(self.device_id)
            {
                self.repaired.push_back(ChatMessage::from_row(*row, &self.handle));
            }
        }
        Ok(())
    }
}

/// The reason a chat stopped, for one of several readers of it.
pub(super) fn stopped(error: &Error) -> Error {
    match error {
        Error::Refused(problem) => Error::Refused(problem.clone()),
        Error::Closed { code, reason } => Error::Closed { code: *code, reason: reason.clone() },
        Error::StoreOfAnother => Error::StoreOfAnother,
        Error::Transport(_)
        | Error::Unacknowledged(_)
        | Error::OutboxFull
        | Error::Lagged(_)
        | Error::Store(_)
        | Error::Stopped
        | Error::Setting(_) => Error::Stopped,
    }
}

/// A message that came, and a way to answer it.
#[derive(Debug)]
pub struct ChatMessage {
    /// The message's id; it keeps it through edits.
    pub message_id: MessageId,
    /// Where it stands.
    pub conversation_id: ConversationId,
    /// Its place there.
    pub seq: Seq,
    /// Who wrote it.
    pub from: UserId,
    /// When the server took it.
    pub timestamp: Timestamp,
    /// The text as written.
    pub content: String,
    /// What the text is; Markdown unless the sender said otherwise.
    pub content_type: String,
    /// The sender's own JSON.
    pub metadata: Option<Box<serde_json::value::RawValue>>,
    /// The message it quotes.
    pub reply_to: Option<Seq>,
    /// The root of the thread it stands in.
    pub thread: Option<Seq>,
    /// Who is mentioned.
    pub mentions: Mentions,
    handle: Handle,
}

impl ChatMessage {
    /// Answers it: a message that quotes it, in the same thread if it stands in one.
    ///
    /// # Errors
    /// As `Chat::send`.
    pub async fn reply(&self, text: impl Into<String>) -> Result<Ack> {
        let conversation_id = Some(ConversationRef::Id(self.conversation_id));
        let (reply_to, thread) = (Some(self.seq), self.thread);
        let message = SendMessage { reply_to, thread, ..super::message(conversation_id, None, text.into()) };
        self.handle.submit(ClientFrame::Message(message)).await
    }

    fn from_event(event: &Event, body: &MessageBody, handle: &Handle) -> Self {
        Self {
            message_id: body.message_id,
            conversation_id: event.conversation_id,
            seq: event.seq,
            from: event.from,
            timestamp: event.timestamp,
            content: body.content.clone(),
            content_type: body.content_type.clone(),
            metadata: body.metadata.clone(),
            reply_to: body.reply_to,
            thread: body.thread,
            mentions: body.mentions.clone(),
            handle: handle.clone(),
        }
    }

    fn from_row(message: Message, handle: &Handle) -> Self {
        Self {
            message_id: message.message_id,
            conversation_id: message.conversation_id,
            seq: message.seq,
            from: message.from,
            timestamp: message.timestamp,
            content: message.content,
            content_type: message.content_type,
            metadata: message.metadata,
            reply_to: message.reply_to,
            thread: message.thread,
            mentions: message.mentions,
            handle: handle.clone(),
        }
    }
}
