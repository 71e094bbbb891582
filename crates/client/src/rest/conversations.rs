//! Conversations: the list, making and changing them, who is in them.
//!
//! A conversation is named by its id or, a channel, by its handle; calls take either.

use reqwest::Method;
use serde::Serialize;
use stonechat_wire::{
    AddMembers, ChangeConversation, ChangeMember, Conversation, ConversationRef, ConversationsPage,
    CreateConversation, MembersPage, PresenceList, PublicChannelsPage, Role, SetMute, UserId,
};

use super::{NONE, Rest, segment};
use crate::error::Result;
use crate::naming::IntoConversationRef;

/// Which page of a list.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PageQuery {
    /// Most rows; the server has its own bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// `/conversations/{id}`, as a path.
pub(super) fn path(conversation: impl IntoConversationRef) -> String {
    let reference: ConversationRef = conversation.into_conversation_ref();
    format!("/conversations/{}", segment(&String::from(reference)))
}

/// Every call: `Refused` where the server said no, otherwise `Transport`.
impl Rest {
    /// `GET /conversations`: one's own, newest activity first.
    pub async fn conversations(&self, page: &PageQuery) -> Result<ConversationsPage> {
        self.get("/conversations", page).await
    }

    /// `POST /conversations`. A direct one that exists is the answer.
    pub async fn create_conversation(&self, create: &CreateConversation) -> Result<Conversation> {
        self.call(Method::POST, "/conversations", Some(create)).await
    }

    /// `GET /conversations/public`: channels to join.
    pub async fn public_channels(&self, page: &PageQuery) -> Result<PublicChannelsPage> {
        self.get("/conversations/public", page).await
    }

    /// `GET /conversations/{id}`.
    pub async fn conversation(&self, conversation: impl IntoConversationRef) -> Result<Conversation> {
        self.get(&path(conversation), &()).await
    }

    /// `PATCH /conversations/{id}`: what is absent stays.
    pub async fn change_conversation(
        &self,
        conversation: impl IntoConversationRef,
        change: &ChangeConversation,
    ) -> Result<Conversation> {
        self.call(Method::PATCH, &path(conversation), Some(change)).await
    }

    /// `GET /conversations/{id}/members`, by handle.
    pub async fn members(
        &self,
        conversation: impl IntoConversationRef,
        page: &PageQuery,
    ) -> Result<MembersPage> {
        self.get(&format!("{}/members", path(conversation)), page).await
    }

    /// `POST /conversations/{id}/members`: invites people.
    pub async fn add_members(
        &self,
        conversation: impl IntoConversationRef,
        user_ids: &[UserId],
    ) -> Result<()> {
        let add = AddMembers { user_ids: user_ids.to_vec() };
        self.done(Method::POST, &format!("{}/members", path(conversation)), Some(&add)).await
    }

    /// Joins a channel.
    pub async fn join(&self, conversation: impl IntoConversationRef) -> Result<()> {
        self.add_members(conversation, &[]).await
    }

    /// `PATCH /conversations/{id}/members/{user}`: gives a role.
    pub async fn change_member(
        &self,
        conversation: impl IntoConversationRef,
        user_id: UserId,
        role: Role,
    ) -> Result<()> {
        let path = format!("{}/members/{user_id}", path(conversation));
        self.done(Method::PATCH, &path, Some(&ChangeMember { role })).await
    }

    /// `DELETE /conversations/{id}/members/{user}`: removes somebody; oneself leaves.
    pub async fn remove_member(&self, conversation: impl IntoConversationRef, user_id: UserId) -> Result<()> {
        self.done(Method::DELETE, &format!("{}/members/{user_id}", path(conversation)), NONE).await
    }

    /// `PUT /conversations/{id}/mute`.
    pub async fn mute(&self, conversation: impl IntoConversationRef, muted: bool) -> Result<()> {
        self.done(Method::PUT, &format!("{}/mute", path(conversation)), Some(&SetMute { muted })).await
    }

    /// `GET /conversations/{id}/presence`.
    pub async fn conversation_presence(
        &self,
        conversation: impl IntoConversationRef,
    ) -> Result<PresenceList> {
        self.get(&format!("{}/presence", path(conversation)), &()).await
    }
}
