//! Errand: work on the outside world that a chat's task sends off and hears of later.
//!
//! One at a time of each kind, so there are never more than a handful.

use std::future::Future;
use std::time::Duration;

use stonechat_wire::{
    Ack, ClientFrame, ClientId, ConversationId, ConversationKind, ConversationsPage, CreateConversation,
    ErrorFrame, MessagesPage, SendMessage, SyncPage, UserId,
};

use crate::connection::{ConnectOptions, Connection};
use crate::error::{Error, Result, Transport};
use crate::rest::{MessagesQuery, PageQuery, Rest, SyncQuery, Window};

/// Tries of an errand that meets trouble that passes.
const TRIES: u32 = 4;
/// The first wait between them; doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Rows of a page of the list.
const LIST_ROWS: u32 = 200;

/// What came of an errand.
pub(super) enum Outcome {
    /// A connection was tried.
    Opened(Result<Box<Connection>>),
    /// A page of the list after reset number `epoch`.
    Listed { epoch: u64, page: Result<ConversationsPage> },
    /// A window after reset number `epoch`.
    Windowed { epoch: u64, conversation_id: ConversationId, page: Result<MessagesPage> },
    /// A page to repair a hole.
    Repaired { epoch: u64, page: Result<SyncPage> },
    /// A long poll came back, begun when the door had this number.
    Polled { turn: u64, page: Result<SyncPage> },
    /// An outbox entry went by REST, when the door had this number.
    Posted { turn: u64, client_id: ClientId, ack: Result<Ack> },
    /// Nothing to tell.
    Nothing,
}

pub(super) async fn open(url: String, options: ConnectOptions) -> Outcome {
    Outcome::Opened(Connection::open(&url, &options).await.map(Box::new))
}

pub(super) async fn list(rest: Rest, epoch: u64, page: Option<String>) -> Outcome {
    let query = PageQuery { limit: Some(LIST_ROWS), page };
    Outcome::Listed { epoch, page: patiently(|| rest.conversations(&query)).await }
}

pub(super) async fn window(rest: Rest, epoch: u64, conversation_id: ConversationId, rows: u32) -> Outcome {
    let query = MessagesQuery { window: Window::Newest, limit: Some(rows), thread: None };
    let page = patiently(|| rest.messages(conversation_id, &query)).await;
    Outcome::Windowed { epoch, conversation_id, page }
}

pub(super) async fn repair(rest: Rest, epoch: u64, query: SyncQuery) -> Outcome {
    Outcome::Repaired { epoch, page: patiently(|| rest.sync(&query)).await }
}

pub(super) async fn poll(rest: Rest, turn: u64, query: SyncQuery) -> Outcome {
    Outcome::Polled { turn, page: rest.sync(&query).await }
}

pub(super) async fn post(rest: Rest, turn: u64, client_id: ClientId, frame: ClientFrame) -> Outcome {
    let ack = post_frame(&rest, frame).await;
    Outcome::Posted { turn, client_id, ack }
}

/// Sends once what needs no ack.
pub(super) async fn say(rest: Rest, frame: ClientFrame) -> Outcome {
    let said = match frame {
        ClientFrame::Read(read) => rest.read(&read).await,
        ClientFrame::MarkUnread(mark) => rest.mark_unread(&mark).await,
        ClientFrame::Presence(presence) => rest.set_presence(&presence).await,
        _ => Ok(()),
    };
    if let Err(error) = said {
        tracing::debug!(%error, "a frame without ack was not taken");
    }
    Outcome::Nothing
}

pub(super) async fn name_device(rest: Rest, device_id: stonechat_wire::DeviceId, name: String) -> Outcome {
    let change = stonechat_wire::ChangeDevice { name: Some(name), push_token: None };
    if let Err(error) = rest.change_device(device_id, &change).await {
        tracing::debug!(%error, "the device keeps its old name");
    }
    Outcome::Nothing
}

async fn post_frame(rest: &Rest, frame: ClientFrame) -> Result<Ack> {
    let incomplete = || Error::from(Transport::Address("the request does not say where"));
    match frame {
        ClientFrame::Message(message) => match (&message.conversation_id, message.to) {
            (Some(conversation), _) => rest.send(conversation, &message).await,
            (None, Some(user_id)) => post_to(rest, user_id, message).await,
            (None, None) => Err(incomplete()),
        },
        ClientFrame::Edit(edit) => {
            let (conversation, seq) =
                edit.conversation_id.as_ref().zip(edit.message_seq).ok_or_else(incomplete)?;
            rest.edit(conversation, seq, &edit).await
        }
        ClientFrame::Delete(delete) => {
            rest.delete(&delete.conversation_id, delete.message_seq, delete.client_id).await
        }
        ClientFrame::React(react) => {
            let (conversation, seq) =
                react.conversation_id.as_ref().zip(react.message_seq).ok_or_else(incomplete)?;
            rest.react(conversation, seq, &react).await
        }
        ClientFrame::Pin(pin) => {
            let (conversation, seq) =
                pin.conversation_id.as_ref().zip(pin.message_seq).ok_or_else(incomplete)?;
            rest.pin(conversation, seq, &pin).await
        }
        _ => Err(incomplete()),
    }
}

/// A message to a person: by REST the direct conversation is opened first.
async fn post_to(rest: &Rest, user_id: UserId, mut message: SendMessage) -> Result<Ack> {
    let create = CreateConversation {
        kind: ConversationKind::Direct,
        members: vec![user_id],
        name: None,
        handle: None,
        topic: None,
        posting: None,
    };
    let conversation = rest.create_conversation(&create).await?;
    message.conversation_id = Some(conversation.conversation_id.into());
    message.to = None;
    rest.send(conversation.conversation_id, &message).await
}

/// Waits out trouble that passes, as long as the server asks.
async fn patiently<T, F: Future<Output = Result<T>>>(mut call: impl FnMut() -> F) -> Result<T> {
    for attempt in 0..TRIES {
        match call().await {
            Err(error) if error.is_transient() => {
                tokio::time::sleep(error.retry_after().unwrap_or(FIRST_WAIT * (1 << attempt))).await;
            }
            other => return other,
        }
    }
    call().await
}

/// A refusal by REST as the frame the socket would have brought; `None` where the server refused nothing.
pub(super) fn as_frame(error: &Error, client_id: ClientId) -> Option<ErrorFrame> {
    let Error::Refused(problem) = error else { return None };
    Some(ErrorFrame {
        code: problem.code,
        params: problem.params.clone(),
        retry_after_ms: problem.retry_after_ms,
        client_id: Some(client_id),
    })
}
