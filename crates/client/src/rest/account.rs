//! Account: signing in and out, oneself, other people, devices, invitations and presence.

use reqwest::Method;
use stonechat_wire::{
    AcceptInvite, ChangeDevice, ChangeMe, ChangePassword, CreateInvite, DeviceId, DevicesPage, Invite,
    InviteId, InviteInfo, InvitesPage, Login, Me, Presence, PresenceList, Refresh, SetPresence, Setup,
    SignedIn, User, UserId, UsersPage, WsTicket,
};

use super::{NONE, PageQuery, Rest, segment};
use crate::error::Result;

/// Every call: `Refused` where the server said no, otherwise `Transport`.
impl Rest {
    /// `POST /setup`: makes the first admin.
    pub async fn setup(&self, setup: &Setup) -> Result<SignedIn> {
        self.call(Method::POST, "/setup", Some(setup)).await
    }

    /// `POST /auth/login`.
    pub async fn login(&self, login: &Login) -> Result<SignedIn> {
        self.call(Method::POST, "/auth/login", Some(login)).await
    }

    /// `POST /auth/refresh`: the old refresh token is used up.
    pub async fn refresh(&self, refresh_token: &str) -> Result<SignedIn> {
        let refresh = Refresh { refresh_token: Some(refresh_token.to_owned()) };
        self.call(Method::POST, "/auth/refresh", Some(&refresh)).await
    }

    /// `POST /auth/logout`: ends this device.
    pub async fn logout(&self) -> Result<()> {
        self.done(Method::POST, "/auth/logout", NONE).await
    }

    /// `PUT /auth/password`: signs out the other devices.
    pub async fn change_password(&self, change: &ChangePassword) -> Result<()> {
        self.done(Method::PUT, "/auth/password", Some(change)).await
    }

    /// `POST /ws-ticket`: opens one socket within 30 s.
    pub async fn ws_ticket(&self) -> Result<WsTicket> {
        self.call(Method::POST, "/ws-ticket", NONE).await
    }

    /// `GET /me`.
    pub async fn me(&self) -> Result<Me> {
        self.get("/me", &()).await
    }

    /// `PATCH /me`: what is absent stays.
    pub async fn change_me(&self, change: &ChangeMe) -> Result<Me> {
        self.call(Method::PATCH, "/me", Some(change)).await
    }

    /// `GET /users?q=`: people whose name or handle matches.
    pub async fn users(&self, text: &str, page: &PageQuery) -> Result<UsersPage> {
        let request = self.request(Method::GET, "/users").query(&[("q", text)]).query(page);
        super::read(request).await
    }

    /// `GET /users/{id}`.
    pub async fn user(&self, user_id: UserId) -> Result<User> {
        self.get(&format!("/users/{user_id}"), &()).await
    }

    /// `PUT /users/{id}/block`.
    pub async fn block(&self, user_id: UserId) -> Result<()> {
        self.done(Method::PUT, &format!("/users/{user_id}/block"), NONE).await
    }

    /// `DELETE /users/{id}/block`.
    pub async fn unblock(&self, user_id: UserId) -> Result<()> {
        self.done(Method::DELETE, &format!("/users/{user_id}/block"), NONE).await
    }

    /// `GET /devices`: one's own.
    pub async fn devices(&self) -> Result<DevicesPage> {
        self.get("/devices", &()).await
    }

    /// `POST /devices`: registers the calling device's push target.
    pub async fn register_device(&self, change: &ChangeDevice) -> Result<()> {
        self.done(Method::POST, "/devices", Some(change)).await
    }

    /// `PATCH /devices/{id}`: renames one.
    pub async fn change_device(&self, device_id: DeviceId, change: &ChangeDevice) -> Result<()> {
        self.done(Method::PATCH, &format!("/devices/{device_id}"), Some(change)).await
    }

    /// `DELETE /devices/{id}`: signs it out and closes its sockets.
    pub async fn revoke_device(&self, device_id: DeviceId) -> Result<()> {
        self.done(Method::DELETE, &format!("/devices/{device_id}"), NONE).await
    }

    /// `POST /invites`.
    pub async fn create_invite(&self, invite: &CreateInvite) -> Result<Invite> {
        self.call(Method::POST, "/invites", Some(invite)).await
    }

    /// `GET /invites`: those one may manage.
    pub async fn invites(&self) -> Result<InvitesPage> {
        self.get("/invites", &()).await
    }

    /// `DELETE /invites/{id}`.
    pub async fn revoke_invite(&self, invite_id: InviteId) -> Result<()> {
        self.done(Method::DELETE, &format!("/invites/{invite_id}"), NONE).await
    }

    /// `GET /invites/{token}`: what somebody without an account may know.
    pub async fn invite_info(&self, token: &str) -> Result<InviteInfo> {
        self.get(&format!("/invites/{}", segment(token)), &()).await
    }

    /// `POST /invites/{token}/accept`: makes an account.
    pub async fn accept_invite(&self, token: &str, accept: &AcceptInvite) -> Result<SignedIn> {
        self.call(Method::POST, &format!("/invites/{}/accept", segment(token)), Some(accept)).await
    }

    /// `POST /invites/{token}/accept` by somebody signed in: joins the invitation's conversations.
    pub async fn join_by_invite(&self, token: &str) -> Result<()> {
        let accept = AcceptInvite::default();
        self.done(Method::POST, &format!("/invites/{}/accept", segment(token)), Some(&accept)).await
    }

    /// `GET /presence/{user}`.
    pub async fn presence(&self, user_id: UserId) -> Result<Presence> {
        self.get(&format!("/presence/{user_id}"), &()).await
    }

    /// `GET /presence?user_id=…&user_id=…`.
    pub async fn presence_of(&self, user_ids: &[UserId]) -> Result<PresenceList> {
        let query: Vec<_> = user_ids.iter().map(|user_id| ("user_id", user_id)).collect();
        self.get("/presence", &query).await
    }

    /// `PUT /presence`.
    pub async fn set_presence(&self, presence: &SetPresence) -> Result<()> {
        self.done(Method::PUT, "/presence", Some(presence)).await
    }
}
