//! Invite: how people come in: a link with an end, a number of uses and conversations to join.
//!
//! Invariant: an invitation with n uses lets in exactly n, however many try at once.

use rusqlite::{Connection, OptionalExtension, Row};
use stonechat_wire::{
    Code, ConversationId, ConversationKind, ConversationRef, Invite, InviteId, InviteInfo, Role, ServerRole,
    Timestamp, UserId,
};

use crate::account::{self, FoundDevice, NewUser};
use crate::append::Target;
use crate::batch::Batch;
use crate::device::{NewDevice, TokenHash};
use crate::error::{Error, Result, violates};
use crate::key::{Actor, kind_number, kind_of, role_number, server_role_number, server_role_of, uuid};
use crate::{ConversationKey, UserKey};

/// An invitation to be made.
#[derive(Clone, Debug)]
pub struct NewInvite {
    pub token_hash: TokenHash,
    pub expires_at: Option<Timestamp>,
    pub uses: Option<u32>,
    pub conversations: Vec<ConversationRef>,
    pub role: ServerRole,
    pub claims: Option<UserId>,
}

/// Who accepts: somebody new, by name, handle and password hash.
#[derive(Clone, Debug)]
pub struct Newcomer {
    pub name: String,
    pub handle: String,
    pub password_hash: String,
    pub device: NewDevice,
}

/// Somebody who came in, and the conversation to open first.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    pub device: FoundDevice,
    pub open: Option<ConversationId>,
}

struct Found {
    key: i64,
    created_by: UserKey,
    role: ServerRole,
    claims: Option<UserKey>,
    conversations: Vec<ConversationKey>,
}

/// What somebody without an account may know of an invitation.
///
/// # Errors
/// `not_found`, `invite_expired`, `invite_used_up`, `invite_revoked`.
pub fn info(sql: &Connection, token_hash: &TokenHash, now: Timestamp) -> Result<InviteInfo> {
    let found = find(sql, token_hash, now)?;
    let inviter = account::user(sql, found.created_by)?.map_or_else(String::new, |user| user.name);
    let claims = found.claims.map(|key| account::user(sql, key)).transpose()?.flatten();
    let mut statement =
        sql.prepare_cached("select coalesce(name, handle, '') from conversations where key = ?1")?;
    let names = open_to(sql, &found)?.into_iter().map(|key| statement.query_row([key], |row| row.get(0)));
    let conversations = names.collect::<rusqlite::Result<_>>()?;
    Ok(InviteInfo { server_name: account::server_name(sql)?, inviter, claims, conversations })
}

/// Invitations a person made; all of them for an admin. The newest first.
///
/// # Errors
/// A failure of the store.
pub fn list(sql: &Connection, actor: &Actor, admin: bool) -> Result<Vec<Invite>> {
    let mut statement = sql.prepare_cached(
        "select i.id, u.id, i.created_at, i.expires_at, i.uses_left, i.revoked_at, i.role, c.id from invites i \
         join users u on u.key = i.created_by left join users c on c.key = i.claims \
         where i.created_by = ?1 or ?2 order by i.key desc limit 200",
    )?;
    let invites = statement.query_map((actor.user, admin), shown)?;
    Ok(invites.collect::<rusqlite::Result<_>>()?)
}

fn shown(row: &Row<'_>) -> rusqlite::Result<Invite> {
    Ok(Invite {
        invite_id: InviteId(uuid(row.get_ref(0)?.as_blob()?)),
        token: None,
        url: None,
        created_by: UserId(uuid(row.get_ref(1)?.as_blob()?)),
        created_at: Timestamp(row.get(2)?),
        expires_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
        uses_left: row.get(4)?,
        revoked: row.get::<_, Option<i64>>(5)?.is_some(),
        role: server_role_of(row.get(6)?),
        claims: row.get::<_, Option<Vec<u8>>>(7)?.map(|id| UserId(uuid(&id))),
    })
}

/// An invitation that still works. One whose maker was suspended does not.
fn find(sql: &Connection, token_hash: &TokenHash, now: Timestamp) -> Result<Found> {
    let mut statement = sql.prepare_cached(
        "select i.key, i.created_by, i.role, i.claims, i.conversations, i.expires_at, i.uses_left, \
         i.revoked_at is not null or u.disabled_at is not null from invites i join users u on u.key = i.created_by \
         where i.token_hash = ?1",
    )?;
    let found = statement
        .query_row([token_hash.as_slice()], |row| {
            let conversations: String = row.get(4)?;
            let keys: Vec<u32> = serde_json::from_str(&conversations).unwrap_or_default();
            let found = Found {
                key: row.get(0)?,
                created_by: row.get(1)?,
                role: server_role_of(row.get(2)?),
                claims: row.get(3)?,
                conversations: keys.into_iter().map(ConversationKey).collect(),
            };
            Ok((found, row.get::<_, Option<i64>>(5)?, row.get::<_, Option<i64>>(6)?, row.get::<_, bool>(7)?))
        })
        .optional()?;
    let (found, expires_at, uses_left, revoked) = found.ok_or_else(|| Error::refused(Code::NotFound))?;
    if revoked {
        return Err(Error::refused(Code::InviteRevoked));
    }
    if expires_at.is_some_and(|at| at < now.0) {
        return Err(Error::refused(Code::InviteExpired));
    }
    if uses_left == Some(0) {
        return Err(Error::refused(Code::InviteUsedUp));
    }
    Ok(found)
}

/// The invitation's conversations that its maker may bring people into still: whoever was put out of a group, or made a
/// guest, brings nobody in any more.
fn open_to(sql: &Connection, invite: &Found) -> Result<Vec<ConversationKey>> {
    let mut statement = sql.prepare_cached(
        "select 1 from conversations c where c.key = ?1 and c.archived_at is null and (c.kind = ?3 \
         and exists (select 1 from users u where u.key = ?2 and u.role > ?4) or exists (select 1 from members m \
         where m.conversation = c.key and m.user = ?2 and m.left_seq is null and m.role >= ?5))",
    )?;
    let (channel, guest) = (kind_number(ConversationKind::Channel), server_role_number(ServerRole::Guest));
    let admin = role_number(Role::Admin);
    let mut open = Vec::with_capacity(invite.conversations.len());
    for key in &invite.conversations {
        if statement.exists((key, invite.created_by, channel, guest, admin))? {
            open.push(*key);
        }
    }
    Ok(open)
}

impl Batch<'_> {
    fn use_up(&self, invite: &Found) -> Result<()> {
        self.sql
            .prepare_cached("update invites set uses_left = uses_left - 1 where key = ?1")?
            .execute([invite.key])?;
        Ok(())
    }

    fn is_in_all(&self, user: UserKey, conversations: &[ConversationKey]) -> Result<bool> {
        let mut statement = self.sql.prepare_cached(
            "select 1 from members where conversation = ?1 and user = ?2 and left_seq is null",
        )?;
        for key in conversations {
            if !statement.exists((key, user))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn claimable(&self, id: UserId) -> Result<UserKey> {
        let mut statement = self
            .sql
            .prepare_cached("select key, imported from users where id = ?1 and disabled_at is null")?;
        let found: Option<(UserKey, bool)> = statement
            .query_row([id.0.as_bytes().as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (key, imported) = found.ok_or_else(|| Error::refused(Code::NotFound))?;
        if imported { Ok(key) } else { Err(Error::invalid("claims", "not an imported person")) }
    }

    /// An imported person becomes the newcomer's: the same person, with a name to sign in by.
    fn claim(&mut self, user: UserKey, role: ServerRole, newcomer: &Newcomer) -> Result<(UserKey, UserId)> {
        let mut statement = self.sql.prepare_cached(
            "update users set handle = ?2, name = ?3, password_hash = ?4, role = ?5, imported = 0 \
             where key = ?1 and imported = 1 and disabled_at is null returning id",
        )?;
        let role = server_role_number(role);
        let claimed = statement
            .query_row((user, &newcomer.handle, &newcomer.name, &newcomer.password_hash, role), |row| {
                Ok(UserId(uuid(row.get_ref(0)?.as_blob()?)))
            })
            .optional();
        match claimed {
            Ok(Some(id)) => {
                // Whoever acted for the imported person until now does so no more.
                self.revoke_devices(user, None)?;
                Ok((user, id))
            }
            Ok(None) => Err(Error::refused(Code::InviteUsedUp)),
            Err(error) if violates(&error, "users.handle") => Err(Error::refused(Code::HandleTaken)),
            Err(error) => Err(error.into()),
        }
    }
}

impl crate::Writer {
    /// Makes an invitation.
    ///
    /// # Errors
    /// `forbidden` for guests and for a role above one's own; `not_found` for a conversation the inviter cannot invite to;
    /// `invalid` where the person to be claimed was not imported.
    pub async fn create_invite(&self, actor: Actor, new: NewInvite) -> Result<(InviteId, Timestamp)> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let own = batch.server_role(actor.user)?;
            if own == ServerRole::Guest || new.role > own {
                return Err(Error::refused(Code::Forbidden));
            }
            let mut keys = Vec::new();
            for reference in &new.conversations {
                let target = match reference {
                    ConversationRef::Id(id) => Target::Conversation(*id),
                    ConversationRef::Handle(handle) => Target::Channel(handle.clone()),
                };
                let key = batch.conversation_of(&target)?;
                let kind: i64 = batch
                    .sql
                    .prepare_cached("select kind from conversations where key = ?1")?
                    .query_row([key], |row| row.get(0))?;
                if kind_of(kind) == ConversationKind::Direct {
                    return Err(Error::refused(Code::NotFound));
                }
                batch.check_may_invite(key, &actor)?;
                keys.push(key.0);
            }
            let claims = match new.claims {
                None => None,
                Some(id) => {
                    batch.check_admin(&actor)?;
                    Some(batch.claimable(id)?)
                }
            };
            let id = InviteId::new();
            batch
                .sql
                .prepare_cached(
                    "insert into invites (id, token_hash, created_by, created_at, expires_at, uses_left, role, claims, \
                     conversations) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute((
                    id.0.as_bytes().as_slice(),
                    new.token_hash.as_slice(),
                    actor.user,
                    batch.now.0,
                    new.expires_at.map(|at| at.0),
                    if claims.is_some() { Some(1) } else { new.uses },
                    server_role_number(new.role),
                    claims,
                    serde_json::to_string(&keys)?,
                ))?;
            Ok((id, batch.now))
        })
        .await
    }

    /// Withdraws an invitation: one's own, or any for an admin.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn revoke_invite(&self, actor: Actor, id: InviteId) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let admin = batch.server_role(actor.user)? == ServerRole::Admin;
            let changed = batch
                .sql
                .prepare_cached(
                    "update invites set revoked_at = coalesce(revoked_at, ?2) where id = ?1 and (created_by = ?3 or ?4)",
                )?
                .execute((id.0.as_bytes().as_slice(), batch.now.0, actor.user, admin))?;
            if changed == 0 { Err(Error::refused(Code::NotFound)) } else { Ok(()) }
        })
        .await
    }

    /// Lets somebody new in.
    ///
    /// # Errors
    /// `not_found`, the `invite_…` codes, `handle_taken`.
    pub async fn accept_invite(&self, token_hash: TokenHash, newcomer: Newcomer) -> Result<Arrived> {
        self.call(move |batch| {
            let invite = find(batch.sql, &token_hash, batch.now)?;
            let (user, user_id) = match invite.claims {
                Some(claimed) => batch.claim(claimed, invite.role, &newcomer)?,
                None => batch.insert_user(&NewUser {
                    handle: newcomer.handle.clone(),
                    name: newcomer.name.clone(),
                    role: invite.role,
                    password_hash: Some(newcomer.password_hash.clone()),
                    imported: false,
                })?,
            };
            batch.use_up(&invite)?;
            let actor = batch.insert_device(user, user_id, &newcomer.device)?;
            let conversations = open_to(batch.sql, &invite)?;
            let open = batch.join_all(&actor, &conversations)?;
            let role = batch.server_role(user)?;
            Ok(Arrived { device: FoundDevice { actor, role, last_seen_at: batch.now }, open })
        })
        .await
    }

    /// Somebody who is in already joins the invitation's conversations. Where they are members of all of them, as at a
    /// second click, no use is taken.
    ///
    /// # Errors
    /// `not_found`, the `invite_…` codes.
    pub async fn join_by_invite(
        &self,
        actor: Actor,
        token_hash: TokenHash,
    ) -> Result<Option<ConversationId>> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let invite = find(batch.sql, &token_hash, batch.now)?;
            if invite.claims.is_some() {
                return Err(Error::invalid("token", "this invitation is for a new account"));
            }
            let conversations = open_to(batch.sql, &invite)?;
            if !batch.is_in_all(actor.user, &conversations)? {
                batch.use_up(&invite)?;
            }
            batch.join_all(&actor, &conversations)
        })
        .await
    }
}
