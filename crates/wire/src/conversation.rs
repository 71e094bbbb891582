//! Conversation: direct (two people), group (named people) or channel (anyone may find and join it).

use serde::{Deserialize, Serialize};

use crate::{ConversationId, ConversationRef, Message, Seq, Timestamp, UserId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    Direct,
    Group,
    Channel,
}

/// A member's role in one conversation, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Member,
    Admin,
    Owner,
}

/// Who may post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Posting {
    Everyone,
    /// Owners and admins post; everyone else reads and reacts.
    Admins,
}

/// Body of `POST /conversations`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CreateConversation {
    pub kind: ConversationKind,
    /// The other person of a direct conversation, or who is in a group or channel from the start.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub members: Vec<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A channel's address: 1–64 characters, lower case letters, digits, `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posting: Option<Posting>,
}

/// Body of `PATCH /conversations/{id}`: what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ChangeConversation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posting: Option<Posting>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// A conversation as one member sees it in the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Conversation {
    pub conversation_id: ConversationId,
    pub kind: ConversationKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The other person of a direct conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<UserId>,
    pub posting: Posting,
    pub archived: bool,
    pub member_count: u64,
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub updated_at: Timestamp,
    pub last_seq: Seq,
    pub ordinal: u64,
    /// Events up to here are already in this row.
    pub as_of_seq: Seq,
    /// The viewer's own part.
    pub role: Role,
    /// The first event the viewer may see.
    pub visible_from: Seq,
    pub read_generation: u64,
    pub read_seq: Seq,
    /// The oldest message in the main timeline that counts as unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_unread_seq: Option<Seq>,
    /// Main timeline and followed threads together.
    pub unread: u64,
    pub mentions: u64,
    pub muted: bool,
    pub can_post: bool,
    pub can_invite: bool,
    pub can_manage: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<Box<Message>>,
}

/// Answer of `GET /conversations`, newest activity first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ConversationsPage {
    pub conversations: Vec<Conversation>,
    /// Give it back as `page=` for the rest; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Over all conversations, not this page: how many, and how much waits in them that are not muted.
    pub totals: ConversationTotals,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ConversationTotals {
    pub conversations: u64,
    pub unread: u64,
    pub mentions: u64,
}

/// A channel as somebody who has not joined it sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PublicChannel {
    pub conversation_id: ConversationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    pub member_count: u64,
    pub joined: bool,
}

/// Answer of `GET /conversations/public`, by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PublicChannelsPage {
    pub channels: Vec<PublicChannel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A member of a conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Member {
    pub user_id: UserId,
    pub handle: String,
    pub name: String,
    pub role: Role,
    pub joined_at: Timestamp,
    /// The newest message they wrote here; ranks suggestions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_spoke_seq: Option<Seq>,
}

/// Answer of `GET /conversations/{id}/members`, by handle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MembersPage {
    pub members: Vec<Member>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Body of `POST /conversations/{id}/members`: invite people, or join oneself with an empty list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct AddMembers {
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub user_ids: Vec<UserId>,
}

/// Body of `PATCH /conversations/{id}/members/{user}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ChangeMember {
    pub role: Role,
}

/// Body of `PUT /conversations/{id}/mute`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct SetMute {
    pub muted: bool,
}

/// Body of `PUT /conversations/{id}/follow`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct SetFollow {
    pub thread: Seq,
    pub follow: bool,
}

/// Body of `PUT /conversations/{id}/read` and the `read` frame. A position is `(read_generation, read_seq)`,
/// compared in that order; within a generation it only moves forward.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Read {
    pub conversation_id: ConversationRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
    pub read_generation: u64,
    pub read_seq: Seq,
}

/// The `mark_unread` frame: everything from `seq` on counts as unread again. Raises the generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MarkUnread {
    pub conversation_id: ConversationRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
    pub seq: Seq,
}

/// A read position as devices of the same user exchange it (account state `read/<conversation_id>`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ReadPosition {
    pub read_generation: u64,
    pub read_seq: Seq,
}
