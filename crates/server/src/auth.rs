//! Auth: who is asking. Passwords, tokens, tickets and the first admin's key.
//!
//! A device shows a short-lived access token or a lasting one; either is looked up, so that a revoked device is out at
//! once. Invariant: no secret is kept or logged in the clear; refusals do not tell a known handle from an unknown one.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use stonechat_store::account::{self, FoundDevice};
use stonechat_store::device::{NewDevice, Refreshed, TokenHash};
use stonechat_store::invite::{Arrived, NewInvite, Newcomer};
use stonechat_store::key::Actor;
use stonechat_store::setup::{self, FirstAdmin};
use stonechat_store::{Error, Readers, Result, Writer, invite};
use stonechat_wire::{
    AcceptInvite, Code, ConversationRef, CreateInvite, DeviceToken, Invite, InviteInfo, ServerRole, Setup,
    SignedIn, Timestamp, UserId,
};

use crate::config::Settings;

mod password;
mod token;
mod ticket;
mod throttle;
mod seen;
pub(crate) mod naming;

use password::Passwords;
use seen::Seen;
use throttle::Throttle;
use ticket::Tickets;
use token::Tokens;

/// How long a setup link works.
const SETUP_LINK_LASTS: Duration = Duration::from_secs(30 * 60);
/// A device that is used at least this often stays signed in.
const SESSION_LASTS: Duration = Duration::from_secs(90 * 24 * 3600);

/// The device behind a token, and until when that token is good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedInDevice {
    pub(crate) actor: Actor,
    pub(crate) role: ServerRole,
    /// `None` for tokens without an end.
    pub(crate) expires_at: Option<Timestamp>,
}

pub(crate) struct Auth {
    readers: Readers,
    writer: Writer,
    passwords: Passwords,
    tokens: Tokens,
    tickets: Tickets,
    throttle: Throttle,
    seen: Seen,
    public_url: Option<String>,
}

impl Auth {
    /// Reads or makes the keys of this data directory.
    ///
    /// # Errors
    /// When they cannot be read or made.
    pub(crate) async fn open(settings: &Settings, readers: Readers, writer: Writer) -> Result<Self> {
        Ok(Self {
            tokens: Tokens::open(&writer).await?,
            passwords: Passwords::new(),
            tickets: Tickets::default(),
            throttle: Throttle::new(settings.limits),
            seen: Seen::default(),
            public_url: settings.url.clone(),
            readers,
            writer,
        })
    }

    /// The device a token belongs to, while it may act.
    ///
    /// # Errors
    /// `unauthenticated` for every token that does not let in, whatever the reason.
    pub(crate) async fn authenticate(&self, text: &str) -> Result<SignedInDevice> {
        let refused = || Error::refused(Code::Unauthenticated);
        if let Some(hash) = token::lasting_hash(text) {
            let found = self.readers.read(move |sql| account::device_by_token(sql, &hash)).await?;
            return Ok(self.used(found.ok_or_else(refused)?, None).await);
        }
        let claims = self.tokens.verify(text).ok_or_else(refused)?;
        let found = self.readers.read(move |sql| account::device_by_id(sql, claims.device_id)).await?;
        let found = found.filter(|found| found.actor.user_id == claims.user_id).ok_or_else(refused)?;
        Ok(self.used(found, Some(claims.expires_at)).await)
    }

    async fn used(&self, found: FoundDevice, expires_at: Option<Timestamp>) -> SignedInDevice {
        let FoundDevice { actor, role, last_seen_at } = found;
        if let Some(devices) = self.seen.note(actor.device, last_seen_at, Timestamp::now())
            && let Err(error) = self.writer.devices_seen(devices).await
        {
            // They are noted again at their next use.
            tracing::warn!(error = error.chain(), "when devices were last used could not be kept");
        }
        SignedInDevice { actor, role, expires_at }
    }

    /// A ticket that opens one socket of this device.
    ///
    /// # Errors
    /// `overloaded` while too many wait.
    pub(crate) fn ticket(&self, device: &SignedInDevice) -> Result<(String, Duration)> {
        self.tickets.issue(*device)
    }

    /// Uses a ticket up.
    ///
    /// # Errors
    /// `unauthenticated` where it does not work or its device no longer does.
    pub(crate) async fn redeem_ticket(&self, ticket: &str) -> Result<SignedInDevice> {
        let device = self.tickets.redeem(ticket).ok_or_else(|| Error::refused(Code::Unauthenticated))?;
        let id = device.actor.device_id;
        let found = self.readers.read(move |sql| account::device_by_id(sql, id)).await?;
        found.map(|_| device).ok_or_else(|| Error::refused(Code::Unauthenticated))
    }

    /// A new setup link while there is no admin; the one before works no more.
    ///
    /// # Errors
    /// A failure of the store.
    pub(crate) async fn setup_link(&self, address: SocketAddr) -> Result<Option<String>> {
        let key = token::setup_key();
        let expires_at = Timestamp::now().plus(SETUP_LINK_LASTS);
        let open = self.writer.set_setup_key(token::hash(&key), expires_at).await?;
        let base = self.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        Ok(open.then(|| format!("{base}/setup#k={key}")))
    }

    /// Makes the first admin.
    ///
    /// # Errors
    /// `setup_finished`, `setup_key_expired`, `not_found` for a wrong key; what is wrong with the form.
    pub(crate) async fn set_up(&self, form: Setup, peer: IpAddr) -> Result<SignedIn> {
        self.throttle.check_address(peer)?;
        let key_hash = token::hash(form.key.trim());
        let checked = self.readers.read(move |sql| setup::check_key(sql, &key_hash, Timestamp::now())).await;
        // Only a wrong key is a guess: a late or second admin must not be kept from signing in.
        if matches!(&checked, Err(error) if error.code() == Code::NotFound) {
            self.throttle.failed(peer);
        }
        checked?;
        let name = naming::person(&form.name)?;
        let handle = naming::handle(&form.handle)?;
        let server_name = naming::title("server_name", &form.server_name)?;
        let password_hash = self.passwords.hash(&form.password).await?;
        let (device, refresh_token) = self.new_device(form.device_name.as_deref())?;
        let first = FirstAdmin { key_hash, server_name, name, handle, password_hash, device };
        let arrived = self.writer.set_up(first).await?;
        self.arrived(arrived, refresh_token, Some(ConversationRef::Handle(setup::LOBBY.to_owned())))
    }

    /// Signs in by handle and password.
    ///
    /// # Errors
    /// `wrong_credentials`, for an unknown handle as for a wrong password; `rate_limited` after too many failures.
    pub(crate) async fn log_in(
        &self,
        handle: &str,
        password: &str,
        device: Option<&str>,
        peer: IpAddr,
    ) -> Result<SignedIn> {
        let handle = handle.trim().trim_start_matches('@').to_lowercase();
        self.throttle.check(peer, &handle)?;
        let wanted = handle.clone();
        let found = self.readers.read(move |sql| account::credentials(sql, &wanted)).await?;
        let hash = found.as_ref().and_then(|found| found.password_hash.clone());
        // An unknown handle costs the same work as a wrong password.
        let matches = self.check_password(password, hash, peer, &handle).await?;
        let found = found.filter(|_| matches).ok_or_else(|| Error::refused(Code::WrongCredentials))?;
        let (device, refresh_token) = self.new_device(device)?;
        let actor = self.writer.sign_in(found, device).await?;
        self.signed_in(actor, refresh_token, None)
    }

    /// Whether a password is right. A wrong one counts against the account and the address.
    async fn check_password(
        &self,
        password: &str,
        hash: Option<String>,
        peer: IpAddr,
        account: &str,
    ) -> Result<bool> {
        // Paid for once it is this one's turn: right passwords that wait beside each other stand in nobody's way.
        let turn = self.passwords.turn().await?;
        self.throttle.attempt(peer, account)?;
        let matches = self.passwords.verify(turn, password, hash).await?;
        if matches {
            self.throttle.succeeded(peer, account);
        }
        Ok(matches)
    }

    /// The next access and refresh token.
    ///
    /// # Errors
    /// `unauthenticated`, `refresh_reused`.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<SignedIn> {
        let next = self.tokens.successor(refresh_token);
        let expires_at = Timestamp::now().plus(SESSION_LASTS);
        let refreshed =
            self.writer.refresh(token::hash(refresh_token), token::hash(&next), expires_at).await?;
        let (Refreshed::Rotated(device) | Refreshed::Again(device)) = refreshed;
        self.signed_in(device.actor, next, None)
    }

    /// Signs a device out by its refresh token.
    ///
    /// # Errors
    /// `unauthenticated` for an unknown one.
    pub(crate) async fn log_out(&self, refresh_token: &str) -> Result<()> {
        self.writer.revoke_by_refresh(token::hash(refresh_token)).await
    }

    /// Changes one's own password; other devices are signed out.
    ///
    /// # Errors
    /// `wrong_credentials`, `rate_limited`, what is wrong with the new password.
    pub(crate) async fn change_password(
        &self,
        actor: Actor,
        current: &str,
        new: &str,
        peer: IpAddr,
    ) -> Result<()> {
        let account = actor.user_id.to_string();
        self.throttle.check(peer, &account)?;
        let hash = self.readers.read(move |sql| account::password_hash(sql, actor.user)).await?;
        if !self.check_password(current, hash, peer, &account).await? {
            return Err(Error::refused(Code::WrongCredentials));
        }
        let hash = self.passwords.hash(new).await?;
        self.writer.change_password(actor, hash).await
    }

    /// Gives somebody a temporary password.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub(crate) async fn reset_password(&self, actor: Actor, user_id: UserId) -> Result<String> {
        let temporary = token::temporary_password();
        let hash = self.passwords.hash(&temporary).await?;
        self.writer.reset_password(actor, user_id, hash).await?;
        Ok(temporary)
    }

    /// Makes an invitation; `base` is the server's address where none is configured.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub(crate) async fn create_invite(
        &self,
        actor: Actor,
        wanted: CreateInvite,
        base: &str,
    ) -> Result<Invite> {
        if wanted.expires_in_s == Some(0)
            || wanted.expires_in_s.is_some_and(|seconds| seconds > 366 * 24 * 3600)
        {
            return Err(Error::invalid("expires_in_s", "between 1 second and 366 days, or null"));
        }
        if wanted.uses.is_some_and(|uses| uses == 0 || uses > 10_000) {
            return Err(Error::invalid("uses", "between 1 and 10,000, or null"));
        }
        if wanted.conversations.len() > 50 {
            return Err(Error::invalid("conversations", "at most 50"));
        }
        let secret = token::invite();
        let new = NewInvite {
            token_hash: token::hash(&secret),
            expires_at: wanted
                .expires_in_s
                .map(|seconds| Timestamp::now().plus(Duration::from_secs(seconds))),
            uses: wanted.uses,
            conversations: wanted.conversations.clone(),
            role: wanted.role,
            claims: wanted.claims,
        };
        let expires_at = new.expires_at;
        let (invite_id, created_at) = self.writer.create_invite(actor, new).await?;
        let base = self.public_url.as_deref().unwrap_or(base);
        Ok(Invite {
            invite_id,
            url: Some(format!("{base}/join/{secret}")),
            token: Some(secret),
            created_by: actor.user_id,
            created_at,
            expires_at,
            uses_left: if wanted.claims.is_some() { Some(1) } else { wanted.uses },
            revoked: false,
            role: wanted.role,
            claims: wanted.claims,
        })
    }

    /// What an invitation is for.
    ///
    /// # Errors
    /// `not_found`, the `invite_…` codes.
    pub(crate) async fn invite_info(&self, secret: &str, peer: IpAddr) -> Result<InviteInfo> {
        self.throttle.check_address(peer)?;
        let hash = token::hash(secret);
        let info = self.readers.read(move |sql| invite::info(sql, &hash, Timestamp::now())).await;
        if matches!(&info, Err(error) if error.code() == Code::NotFound) {
            self.throttle.failed(peer);
        }
        info
    }

    /// Comes in by an invitation.
    ///
    /// # Errors
    /// `not_found`, the `invite_…` codes, `handle_taken`; what is wrong with the form.
    pub(crate) async fn accept_invite(
        &self,
        secret: &str,
        form: AcceptInvite,
        peer: IpAddr,
    ) -> Result<SignedIn> {
        // A dead invitation is told before the form is looked at.
        self.invite_info(secret, peer).await?;
        let missing = |field| move || Error::invalid(field, "missing");
        let name = naming::person(&form.name.ok_or_else(missing("name"))?)?;
        let handle = naming::handle(&form.handle.ok_or_else(missing("handle"))?)?;
        let password = form.password.ok_or_else(missing("password"))?;
        let password_hash = self.passwords.hash(&password).await?;
        let (device, refresh_token) = self.new_device(form.device_name.as_deref())?;
        let newcomer = Newcomer { name, handle, password_hash, device };
        let arrived = self.writer.accept_invite(token::hash(secret), newcomer).await?;
        let open = arrived.open.map(ConversationRef::Id);
        self.arrived(arrived, refresh_token, open)
    }

    /// Somebody signed in joins an invitation's conversations.
    ///
    /// # Errors
    /// `not_found`, the `invite_…` codes.
    pub(crate) async fn join_by_invite(&self, actor: Actor, secret: &str) -> Result<Option<ConversationRef>> {
        Ok(self.writer.join_by_invite(actor, token::hash(secret)).await?.map(ConversationRef::Id))
    }

    /// Fills tokens into what the store made for their hashes, in the same order.
    pub(crate) fn lasting_tokens(count: usize) -> (Vec<String>, Vec<TokenHash>) {
        let tokens: Vec<_> = (0..count).map(|_| token::lasting()).collect();
        let hashes = tokens.iter().map(|token| token::hash(token)).collect();
        (tokens, hashes)
    }

    fn new_device(&self, name: Option<&str>) -> Result<(NewDevice, String)> {
        let name = name.map(naming::device).transpose()?.unwrap_or_else(|| "Browser".to_owned());
        let refresh_token = token::refresh();
        let refresh_expires_at = Timestamp::now().plus(SESSION_LASTS);
        Ok((NewDevice { name, refresh_hash: token::hash(&refresh_token), refresh_expires_at }, refresh_token))
    }

    fn arrived(
        &self,
        arrived: Arrived,
        refresh_token: String,
        open: Option<ConversationRef>,
    ) -> Result<SignedIn> {
        self.signed_in(arrived.device.actor, refresh_token, open)
    }

    fn signed_in(
        &self,
        actor: Actor,
        refresh_token: String,
        open: Option<ConversationRef>,
    ) -> Result<SignedIn> {
        let (access_token, lives) = self.tokens.issue(actor.user_id, actor.device_id)?;
        Ok(SignedIn {
            user_id: actor.user_id,
            device_id: actor.device_id,
            access_token,
            expires_in_ms: u64::try_from(lives.as_millis()).unwrap_or(u64::MAX),
            refresh_token,
            open,
        })
    }
}

/// Puts the tokens beside the people they are for.
pub(crate) fn with_tokens(mut people: Vec<DeviceToken>, tokens: Vec<String>) -> Vec<DeviceToken> {
    for (person, token) in people.iter_mut().zip(tokens) {
        person.token = token;
    }
    people
}
