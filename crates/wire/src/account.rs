//! Account: people, their devices, how they come in, and what their devices agree on.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ConversationRef, Cursor, DeviceId, InviteId, ServerFrame, Timestamp, UserId};

/// A person's role on the server, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ServerRole {
    /// Sees only the conversations they were invited to; finds no people and no channels.
    Guest,
    Member,
    Moderator,
    Admin,
}

/// Body of `POST /setup`: makes the first admin. The key comes from the link's fragment and is never in a URL
/// that reaches the server.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Setup {
    pub key: String,
    pub server_name: String,
    pub name: String,
    pub handle: String,
    pub password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
}

/// Body of `POST /auth/login`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Login {
    pub handle: String,
    pub password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
}

/// Body of `POST /auth/refresh`. A browser leaves the token out: its cookie carries it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Refresh {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// Answer of `setup`, `auth/login`, `auth/refresh` and `invites/{token}/accept`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct SignedIn {
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub access_token: String,
    /// How long the access token lives.
    pub expires_in_ms: u64,
    /// Each works once; the answer to its use carries the next.
    pub refresh_token: String,
    /// The conversation to open first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<ConversationRef>,
}

/// Body of `PUT /auth/password`. Signs out the user's other devices.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ChangePassword {
    pub current_password: String,
    pub new_password: String,
}

/// Answer of `POST /admin/users/{id}/reset-password`: a one-use password the person must change.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PasswordReset {
    pub temporary_password: String,
}

/// Answer of `POST /ws-ticket`: opens one socket within 30 s, as `Sec-WebSocket-Protocol: stonechat.v1,
/// ticket.<ticket>`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct WsTicket {
    pub ticket: String,
    pub expires_in_ms: u64,
}

/// A person as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct User {
    pub user_id: UserId,
    pub handle: String,
    pub name: String,
    pub role: ServerRole,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub bot: bool,
    /// Came with an import; nobody signs in as them until an invitation is claimed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub imported: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct UsersPage {
    pub users: Vec<User>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Answer of `GET /me`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Me {
    #[serde(flatten)]
    pub user: User,
    pub device_id: DeviceId,
    pub settings: Settings,
    /// The password was set by an admin and must be changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub must_change_password: bool,
    pub blocked: Vec<UserId>,
    /// How this server is called, as its admin said at setup; empty from servers that do not tell.
    #[serde(default)]
    pub server_name: String,
}

/// Body of `PATCH /me`: what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ChangeMe {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
}

/// What a person decided about what others see of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
#[serde(default)]
pub struct Settings {
    pub share_presence: bool,
    pub share_typing: bool,
    pub share_receipts: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { share_presence: true, share_typing: true, share_receipts: true }
    }
}

/// One of the viewer's own devices.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Device {
    pub device_id: DeviceId,
    pub name: String,
    pub created_at: Timestamp,
    /// In steps of five minutes.
    pub last_seen_at: Timestamp,
    pub current: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_token: Option<bool>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct DevicesPage {
    pub devices: Vec<Device>,
}

/// Body of `POST /devices`: registers the calling device's push target; of `PATCH /devices/{id}`: its name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ChangeDevice {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_token: Option<String>,
}

/// Body of `POST /invites`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CreateInvite {
    /// Seven days unless given; `null` never expires.
    #[serde(default = "seven_days")]
    #[cfg_attr(feature = "typescript", ts(optional = nullable))]
    pub expires_in_s: Option<u64>,
    /// 25 unless given; `null` is without limit.
    #[serde(default = "twenty_five")]
    #[cfg_attr(feature = "typescript", ts(optional = nullable))]
    pub uses: Option<u32>,
    /// Conversations to join at once.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub conversations: Vec<ConversationRef>,
    #[serde(default = "member")]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub role: ServerRole,
    /// The imported person that whoever accepts becomes; such an invitation has one use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<UserId>,
}

impl Default for CreateInvite {
    fn default() -> Self {
        Self {
            expires_in_s: seven_days(),
            uses: twenty_five(),
            conversations: Vec::new(),
            role: member(),
            claims: None,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "serde's default gives the field's type")]
fn seven_days() -> Option<u64> {
    Some(7 * 24 * 3600)
}

#[expect(clippy::unnecessary_wraps, reason = "serde's default gives the field's type")]
fn twenty_five() -> Option<u32> {
    Some(25)
}

fn member() -> ServerRole {
    ServerRole::Member
}

/// An invitation; `token` only in the answer to its creation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Invite {
    pub invite_id: InviteId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// `<server>/join/<token>`; only in the answer to its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub created_by: UserId,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u32>,
    pub revoked: bool,
    pub role: ServerRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<UserId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct InvitesPage {
    pub invites: Vec<Invite>,
}

/// Answer of `GET /invites/{token}`: what somebody without an account may know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct InviteInfo {
    pub server_name: String,
    pub inviter: String,
    /// Name and handle of the person this claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<User>,
    /// Names of the conversations that will be joined.
    pub conversations: Vec<String>,
}

/// Body of `POST /invites/{token}/accept`. Somebody signed in sends none of it but joins the conversations.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct AcceptInvite {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
}

/// What others see of somebody's being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    Online,
    Away,
    Busy,
    Offline,
    /// The server does not know just now; never shown as offline.
    Unknown,
}

/// One person's presence, blurred before it leaves the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Presence {
    pub user_id: UserId,
    pub status: PresenceStatus,
    /// In steps of five minutes; absent while online and for those who do not share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
}

/// Answer of `GET /presence?user_id=…&user_id=…` and of `GET /conversations/{id}/presence`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PresenceList {
    pub presence: Vec<Presence>,
    /// How many are online; in a conversation of more than 200 members the only thing told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online_count: Option<u64>,
}

/// Body of `PUT /presence` and the `presence` frame of a client.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct SetPresence {
    /// `online`, `away`, `busy`, or `offline` to appear offline.
    pub status: PresenceStatus,
}

/// One row of the account state, replaced in place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct AccountEntry {
    /// `read/<conversation>`, `read/<conversation>/<root seq>`, `conversation/<id>`, `mute/<conversation>`,
    /// `follow/<conversation>/<root seq>`, `block/<user>`, `settings`, `profile`, `device/<id>`.
    pub key: String,
    /// `null` where the thing is gone.
    #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
    pub value: Value,
}

/// Value of the account state's `conversation/<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Membership {
    /// Start this conversation anew from `visible_from`.
    ConversationJoined { visible_from: crate::Seq, last_seq: crate::Seq },
    /// Remove it.
    ConversationLeft { seq: crate::Seq },
}

/// Answer of `GET /sync`: the frames a socket would have brought, in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct SyncPage {
    pub frames: Vec<ServerFrame>,
    pub cursor: Cursor,
    /// False: caught up.
    pub has_more: bool,
}

/// Body of `POST /admin/bench-users`: people with device tokens, for load runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CreateBenchUsers {
    pub count: u32,
    /// Handles are `<prefix>-<n>`.
    pub prefix: String,
}

/// Body of `POST /admin/bench-conversations`: groups of the given people, without events of their joining
/// for each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CreateBenchConversations {
    pub conversations: Vec<Vec<UserId>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct BenchConversations {
    pub conversation_ids: Vec<crate::ConversationId>,
}

/// People with tokens that sign in as a device of theirs.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct DeviceTokens {
    pub users: Vec<DeviceToken>,
}

#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct DeviceToken {
    pub user_id: UserId,
    pub handle: String,
    pub device_id: DeviceId,
    pub token: String,
}

/// Body of `POST /admin/device-tokens`: for people who came with an import, and nobody else.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct CreateDeviceTokens {
    /// All imported people when empty.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(as = "Option<_>"))]
    pub user_ids: Vec<UserId>,
}

/// Answer of `GET /ready`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Ready {
    pub ready: bool,
    pub version: String,
    pub store: String,
    /// `full`, or `relaxed`: acknowledged messages may be lost with the power.
    pub durability: String,
    /// What the database itself says it does.
    pub synchronous: String,
    pub journal_mode: String,
    pub needs_setup: bool,
}
