//! Messages: reading a conversation, writing to it, and what hangs on a message.

use reqwest::Method;
use serde::Serialize;
use stonechat_wire::{
    Ack, ClientId, EditMessage, MarkUnread, MessageHistory, MessagesPage, PinMessage, PinsPage, React,
    ReactionList, Read, ReadBy, SendMessage, Seq, SetFollow, ThreadsPage,
};

use super::conversations::path;
use super::{PageQuery, Rest, checked, read};
use crate::error::Result;
use crate::frames;
use crate::naming::IntoConversationRef;

/// The header that may carry a `client_id`.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Which part of a timeline.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The newest.
    #[default]
    Newest,
    /// Older than this place.
    Before(Seq),
    /// Newer than this place.
    After(Seq),
    /// Around this place.
    Around(Seq),
}

/// Query of `GET /conversations/{id}/messages`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagesQuery {
    /// Which part.
    pub window: Window,
    /// Most rows; the server has its own bound.
    pub limit: Option<u32>,
    /// The root of the thread to read; the main timeline without one.
    pub thread: Option<Seq>,
}

impl MessagesQuery {
    fn pairs(&self) -> Vec<(&'static str, u64)> {
        let window = match self.window {
            Window::Newest => None,
            Window::Before(seq) => Some(("before", seq.0)),
            Window::After(seq) => Some(("after", seq.0)),
            Window::Around(seq) => Some(("around", seq.0)),
        };
        let limit = self.limit.map(|limit| ("limit", u64::from(limit)));
        let thread = self.thread.map(|root| ("thread", root.0));
        window.into_iter().chain(limit).chain(thread).collect()
    }
}

/// Every call: `Refused` where the server said no, otherwise `Transport`.
impl Rest {
    /// `GET /conversations/{id}/messages`: rows oldest first.
    pub async fn messages(
        &self,
        conversation: impl IntoConversationRef,
        query: &MessagesQuery,
    ) -> Result<MessagesPage> {
        let path = format!("{}/messages", path(conversation));
        let text = checked(self.request(Method::GET, &path).query(&query.pairs()).send().await?)
            .await?
            .text()
            .await?;
        Ok(frames::decode_messages_page(&text)?)
    }

    /// `POST /conversations/{id}/messages`. Give it a `client_id` where it may be sent again.
    pub async fn send(&self, conversation: impl IntoConversationRef, message: &SendMessage) -> Result<Ack> {
        self.call(Method::POST, &format!("{}/messages", path(conversation)), Some(message)).await
    }

    /// `PATCH /conversations/{id}/messages/{seq}`: another text.
    pub async fn edit(
        &self,
        conversation: impl IntoConversationRef,
        seq: Seq,
        edit: &EditMessage,
    ) -> Result<Ack> {
        self.call(Method::PATCH, &format!("{}/messages/{seq}", path(conversation)), Some(edit)).await
    }

    /// `DELETE /conversations/{id}/messages/{seq}`; the `client_id` travels as `Idempotency-Key`.
    pub async fn delete(
        &self,
        conversation: impl IntoConversationRef,
        seq: Seq,
        client_id: ClientId,
    ) -> Result<Ack> {
        let request = self.request(Method::DELETE, &format!("{}/messages/{seq}", path(conversation)));
        read(request.header(IDEMPOTENCY_KEY, client_id.to_string())).await
    }

    /// `GET …/messages/{seq}/history`: every text a message had.
    pub async fn history(&self, conversation: impl IntoConversationRef, seq: Seq) -> Result<MessageHistory> {
        self.get(&format!("{}/messages/{seq}/history", path(conversation)), &()).await
    }

    /// `GET …/messages/{seq}/reactions`: who reacted.
    pub async fn reactions(&self, conversation: impl IntoConversationRef, seq: Seq) -> Result<ReactionList> {
        self.get(&format!("{}/messages/{seq}/reactions", path(conversation)), &()).await
    }

    /// `POST …/messages/{seq}/reactions`: adds or takes back a reaction.
    pub async fn react(
        &self,
        conversation: impl IntoConversationRef,
        seq: Seq,
        react: &React,
    ) -> Result<Ack> {
        self.call(Method::POST, &format!("{}/messages/{seq}/reactions", path(conversation)), Some(react))
            .await
    }

    /// `PUT …/messages/{seq}/pin`: pins or unpins.
    pub async fn pin(
        &self,
        conversation: impl IntoConversationRef,
        seq: Seq,
        pin: &PinMessage,
    ) -> Result<Ack> {
        self.call(Method::PUT, &format!("{}/messages/{seq}/pin", path(conversation)), Some(pin)).await
    }

    /// `GET …/messages/{seq}/read-by`: who has read it.
    pub async fn read_by(&self, conversation: impl IntoConversationRef, seq: Seq) -> Result<ReadBy> {
        self.get(&format!("{}/messages/{seq}/read-by", path(conversation)), &()).await
    }

    /// `GET …/pins`: pinned messages, newest first.
    pub async fn pins(&self, conversation: impl IntoConversationRef) -> Result<PinsPage> {
        self.get(&format!("{}/pins", path(conversation)), &()).await
    }

    /// `GET …/threads`: newest activity first.
    pub async fn threads(
        &self,
        conversation: impl IntoConversationRef,
        page: &PageQuery,
    ) -> Result<ThreadsPage> {
        self.get(&format!("{}/threads", path(conversation)), page).await
    }

    /// `PUT …/read`: moves the read position forward.
    pub async fn read(&self, read: &Read) -> Result<()> {
        self.done(Method::PUT, &format!("{}/read", path(&read.conversation_id)), Some(read)).await
    }

    /// `PUT …/mark-unread`: everything from a place on counts as unread again.
    pub async fn mark_unread(&self, mark: &MarkUnread) -> Result<()> {
        self.done(Method::PUT, &format!("{}/mark-unread", path(&mark.conversation_id)), Some(mark)).await
    }

    /// `PUT …/follow`: follows a thread, or no longer.
    pub async fn follow(&self, conversation: impl IntoConversationRef, follow: &SetFollow) -> Result<()> {
        self.done(Method::PUT, &format!("{}/follow", path(conversation)), Some(follow)).await
    }
}
