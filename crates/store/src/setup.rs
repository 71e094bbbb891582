//! Setup: the first admin of a new server, by a one-use key that is only printed where the server runs.

use rusqlite::{Connection, OptionalExtension};
use stonechat_wire::{Code, ConversationId, ConversationKind, Posting, ServerRole, Timestamp};

use crate::account::{FoundDevice, NewUser, has_users};
use crate::conversation::NewConversation;
use crate::device::{NewDevice, TokenHash};
use crate::error::{Error, Result};
use crate::invite::Arrived;

/// The first admin.
#[derive(Clone, Debug)]
pub struct FirstAdmin {
    pub key_hash: TokenHash,
    pub server_name: String,
    pub name: String,
    pub handle: String,
    pub password_hash: String,
    pub device: NewDevice,
}

/// The handle of the conversation every server begins with.
pub const LOBBY: &str = "lobby";

/// Refuses a key before anything costly is done with the rest of the form.
///
/// # Errors
/// `setup_finished`, `setup_key_expired`; `not_found` for a wrong key.
pub fn check_key(sql: &Connection, key_hash: &TokenHash, now: Timestamp) -> Result<()> {
    if has_users(sql)? {
        return Err(Error::refused(Code::SetupFinished));
    }
    let stored: Option<Vec<u8>> = sql
        .prepare_cached("select value from meta where name = 'setup_key'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some((hash, expires)) = stored.as_deref().and_then(|value| value.split_first_chunk::<32>()) else {
        return Err(Error::refused(Code::NotFound));
    };
    if hash != key_hash {
        return Err(Error::refused(Code::NotFound));
    }
    let expires_at = expires.try_into().map_or(0, i64::from_be_bytes);
    if now.0 > expires_at { Err(Error::refused(Code::SetupKeyExpired)) } else { Ok(()) }
}

impl crate::Writer {
    /// Sets the key that lets the first admin in; the one before works no more. `false`: there is an admin already.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn set_setup_key(&self, key_hash: TokenHash, expires_at: Timestamp) -> Result<bool> {
        self.call(move |batch| {
            if has_users(batch.sql)? {
                return Ok(false);
            }
            let value = [&key_hash[..], &expires_at.0.to_be_bytes()].concat();
            batch
                .sql
                .prepare_cached(
                    "insert into meta (name, value) values ('setup_key', ?1) \
                     on conflict (name) do update set value = excluded.value",
                )?
                .execute([value])?;
            Ok(true)
        })
        .await
    }

    /// Makes the first admin, the server's name and the lobby, once.
    ///
    /// # Errors
    /// As [`check_key`].
    pub async fn set_up(&self, first: FirstAdmin) -> Result<Arrived> {
        self.call(move |batch| {
            check_key(batch.sql, &first.key_hash, batch.now)?;
            let (user, user_id) = batch.insert_user(&NewUser {
                handle: first.handle.clone(),
                name: first.name.clone(),
                role: ServerRole::Admin,
                password_hash: Some(first.password_hash.clone()),
                imported: false,
            })?;
            batch.sql.prepare_cached("delete from meta where name = 'setup_key'")?.execute([])?;
            batch
                .sql
                .prepare_cached("insert or replace into meta (name, value) values ('server_name', ?1)")?
                .execute([first.server_name.as_bytes()])?;
            let actor = batch.insert_device(user, user_id, &first.device)?;
            let open = batch.open_lobby(&actor)?;
            Ok(Arrived {
                device: FoundDevice { actor, role: ServerRole::Admin, last_seen_at: batch.now },
                open: Some(open),
            })
        })
        .await
    }
}

impl crate::batch::Batch<'_> {
    fn open_lobby(&mut self, actor: &crate::key::Actor) -> Result<ConversationId> {
        // An import before the set-up may have made it.
        let key = match self.channel_by_handle(LOBBY)? {
            Some(key) => {
                self.join_all(actor, &[key])?;
                key
            }
            None => self.create(
                actor,
                &NewConversation {
                    kind: ConversationKind::Channel,
                    name: Some("Lobby".to_owned()),
                    handle: Some(LOBBY.to_owned()),
                    topic: None,
                    posting: Posting::Everyone,
                    members: Vec::new(),
                },
            )?,
        };
        Ok(self.memory.conversation(self.sql, key)?.id)
    }
}
