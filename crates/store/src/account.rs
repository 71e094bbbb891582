//! Account: people: who they are, their settings and passwords.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;
use stonechat_wire::{Code, DeviceId, ServerRole, Settings, Timestamp, User, UserId};

use crate::batch::Batch;
use crate::commit::Entry;
use crate::error::{Error, Failure, Result, violates};
use crate::key::{Actor, server_role_number, server_role_of, uuid};
use crate::{DeviceKey, UserKey};

/// A person to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub handle: String,
    pub name: String,
    pub role: ServerRole,
    pub password_hash: Option<String>,
    pub imported: bool,
}

/// What signing in needs to know.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub user: UserKey,
    pub user_id: UserId,
    pub password_hash: Option<String>,
}

/// A device that may act, as found by its token.
#[derive(Clone, Copy, Debug)]
pub struct FoundDevice {
    pub actor: Actor,
    pub role: ServerRole,
    /// In steps of five minutes once it was used again.
    pub last_seen_at: Timestamp,
}

/// Whether anybody can sign in yet.
///
/// # Errors
/// A failure of the store.
pub fn has_users(sql: &Connection) -> Result<bool> {
    Ok(sql.prepare_cached("select 1 from users where password_hash is not null limit 1")?.exists([])?)
}

/// The name of this server.
///
/// # Errors
/// A failure of the store.
pub fn server_name(sql: &Connection) -> Result<String> {
    let mut statement = sql.prepare_cached("select value from meta where name = 'server_name'")?;
    let name: Option<Vec<u8>> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(name.and_then(|name| String::from_utf8(name).ok()).unwrap_or_else(|| "Stonechat".to_owned()))
}

/// The password hash of a handle; `None` for an unknown, suspended or imported person.
///
/// # Errors
/// A failure of the store.
pub fn credentials(sql: &Connection, handle: &str) -> Result<Option<Credentials>> {
    let mut statement = sql.prepare_cached(
        "select key, id, password_hash from users where handle = ?1 and disabled_at is null",
    )?;
    let found = statement.query_row([handle], |row| {
        Ok(Credentials {
            user: row.get(0)?,
            user_id: UserId(uuid(row.get_ref(1)?.as_blob()?)),
            password_hash: row.get(2)?,
        })
    });
    Ok(found.optional()?)
}

/// The password hash of somebody signed in.
///
/// # Errors
/// A failure of the store.
pub fn password_hash(sql: &Connection, user: UserKey) -> Result<Option<String>> {
    let mut statement = sql.prepare_cached("select password_hash from users where key = ?1")?;
    Ok(statement.query_row([user], |row| row.get(0)).optional()?.flatten())
}

/// A device by its id, while it may act.
///
/// # Errors
/// A failure of the store.
pub fn device_by_id(sql: &Connection, id: DeviceId) -> Result<Option<FoundDevice>> {
    let mut statement = sql.prepare_cached(
        "select u.key, u.id, d.key, d.id, u.role, d.last_seen_at from devices d join users u on u.key = d.user \
         where d.id = ?1 and d.revoked_at is null and u.disabled_at is null",
    )?;
    Ok(statement.query_row([id.0.as_bytes().as_slice()], found_device).optional()?)
}

/// A device by the hash of its lasting token, while it may act.
///
/// # Errors
/// A failure of the store.
pub fn device_by_token(sql: &Connection, token_hash: &[u8; 32]) -> Result<Option<FoundDevice>> {
    let mut statement = sql.prepare_cached(
        "select u.key, u.id, d.key, d.id, u.role, d.last_seen_at from devices d join users u on u.key = d.user \
         where d.token_hash = ?1 and d.revoked_at is null and u.disabled_at is null",
    )?;
    Ok(statement.query_row([token_hash.as_slice()], found_device).optional()?)
}

fn found_device(row: &Row<'_>) -> rusqlite::Result<FoundDevice> {
    Ok(FoundDevice {
        actor: Actor {
            user: row.get(0)?,
            user_id: UserId(uuid(row.get_ref(1)?.as_blob()?)),
            device: row.get(2)?,
            device_id: DeviceId(uuid(row.get_ref(3)?.as_blob()?)),
        },
        role: server_role_of(row.get(4)?),
        last_seen_at: Timestamp(row.get(5)?),
    })
}

/// A person as others see them.
///
/// # Errors
/// A failure of the store.
pub fn user(sql: &Connection, key: UserKey) -> Result<Option<User>> {
    let mut statement =
        sql.prepare_cached("select id, handle, name, role, bot, imported from users where key = ?1")?;
    Ok(statement.query_row([key], shown_user).optional()?)
}

fn shown_user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        user_id: UserId(uuid(row.get_ref("id")?.as_blob()?)),
        handle: row.get("handle")?,
        name: row.get("name")?,
        role: server_role_of(row.get("role")?),
        bot: row.get("bot")?,
        imported: row.get("imported")?,
    })
}

/// Settings, and whether the password must be changed.
///
/// # Errors
/// A failure of the store.
pub fn settings(sql: &Connection, key: UserKey) -> Result<(Settings, bool)> {
    let mut statement = sql.prepare_cached(
        "select share_presence, share_typing, share_receipts, must_change_password from users where key = ?1",
    )?;
    Ok(statement.query_row([key], |row| {
        let settings =
            Settings { share_presence: row.get(0)?, share_typing: row.get(1)?, share_receipts: row.get(2)? };
        Ok((settings, row.get(3)?))
    })?)
}

/// Whom a person has blocked.
///
/// # Errors
/// A failure of the store.
pub fn blocked(sql: &Connection, key: UserKey) -> Result<Vec<UserId>> {
    let mut statement =
        sql.prepare_cached("select u.id from blocks b join users u on u.key = b.blocked where b.user = ?1")?;
    let ids = statement.query_map([key], |row| Ok(UserId(uuid(row.get_ref(0)?.as_blob()?))))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// People whose handle, or a word of whose name, begins with a text, by handle after a place. Guests find those they
/// share a conversation with; nobody finds who blocked them.
///
/// # Errors
/// A failure of the store.
pub fn search(
    sql: &Connection,
    viewer: UserKey,
    guest: bool,
    text: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<User>> {
    let mut statement = sql.prepare_cached(
        "select id, handle, name, role, bot, imported from users u where handle > ?1 and disabled_at is null \
         and not exists (select 1 from blocks b where b.user = u.key and b.blocked = ?2) \
         and (?3 = 0 or u.key = ?2 or exists (select 1 from members a join members b on b.conversation = a.conversation \
         and b.user = u.key and b.left_seq is null where a.user = ?2 and a.left_seq is null)) order by handle",
    )?;
    let wanted = text.to_lowercase();
    let mut rows = statement.query((after, viewer, guest))?;
    let mut users = Vec::new();
    while users.len() < limit
        && let Some(row) = rows.next()?
    {
        let begins = |column| Ok::<_, Failure>(begins(text_of(row, column)?, &wanted));
        if begins("handle")? || begins("name")? {
            users.push(shown_user(row)?);
        }
    }
    Ok(users)
}

fn text_of<'row>(row: &'row Row<'_>, column: &'static str) -> std::result::Result<&'row str, Failure> {
    row.get_ref(column)?.as_str().map_err(|_| Failure::Corrupt("a name is no text"))
}

/// Whether a text or a word in it begins with what is wanted, in any case. Not left to SQL: SQLite folds ASCII alone.
fn begins(text: &str, wanted: &str) -> bool {
    let text = text.to_lowercase();
    text.starts_with(wanted) || text.match_indices(' ').any(|(at, _)| text[at + 1..].starts_with(wanted))
}

impl Batch<'_> {
    pub(crate) fn insert_user(&mut self, new: &NewUser) -> Result<(UserKey, UserId)> {
        let id = UserId::new();
        let inserted = self
            .sql
            .prepare_cached(
                "insert into users (id, handle, name, role, password_hash, imported, created_at) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                id.0.as_bytes().as_slice(),
                &new.handle,
                &new.name,
                server_role_number(new.role),
                &new.password_hash,
                new.imported,
                self.now.0,
            ));
        match inserted {
            Ok(_) => {}
            Err(error) if violates(&error, "users.handle") => return Err(Error::refused(Code::HandleTaken)),
            Err(error) => return Err(error.into()),
        }
        let key =
            u32::try_from(self.sql.last_insert_rowid()).map_err(|_| Failure::Corrupt("out of user keys"))?;
        Ok((UserKey(key), id))
    }

    /// Ends all devices of a person that somebody can sign in by, but one.
    pub(crate) fn revoke_devices(&mut self, user: UserKey, but: Option<DeviceKey>) -> Result<()> {
        let mut statement = self.sql.prepare_cached(
            "update devices set revoked_at = ?3, token_hash = null, refresh_hash = null, push_token = null \
             where user = ?1 and revoked_at is null and (token_hash is not null or refresh_hash is not null) \
             and key is not ?2 returning key, id",
        )?;
        let revoked = statement.query_map((user, but, self.now.0), |row| {
            Ok((row.get::<_, DeviceKey>(0)?, DeviceId(uuid(row.get_ref(1)?.as_blob()?))))
        })?;
        let revoked = revoked.collect::<rusqlite::Result<Vec<_>>>()?;
        self.put_revoked(user, &revoked)
    }

    pub(crate) fn put_revoked(&mut self, user: UserKey, revoked: &[(DeviceKey, DeviceId)]) -> Result<()> {
        if revoked.is_empty() {
            return Ok(());
        }
        for (key, id) in revoked {
            self.memory.revoked_devices.insert(key.0);
            // None of its tokens works: which of them were used tells nothing any more.
            self.sql.prepare_cached("delete from used_refresh_tokens where device = ?1")?.execute([key])?;
            self.put_account(user, format!("device/{id}"), serde_json::Value::Null)?;
        }
        self.entries.push(Entry::Revoked { devices: revoked.iter().map(|(key, _)| *key).collect() });
        Ok(())
    }
}

impl crate::Writer {
    /// Changes a person's name or settings.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn change_me(
        &self,
        actor: Actor,
        name: Option<String>,
        settings: Option<Settings>,
    ) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            if let Some(name) = &name {
                batch.sql.prepare_cached("update users set name = ?2 where key = ?1")?.execute((actor.user, name))?;
                batch.put_account(actor.user, "profile".to_owned(), json!({ "name": name }))?;
            }
            if let Some(settings) = settings {
                batch
                    .sql
                    .prepare_cached(
                        "update users set share_presence = ?2, share_typing = ?3, share_receipts = ?4 where key = ?1",
                    )?
                    .execute((actor.user, settings.share_presence, settings.share_typing, settings.share_receipts))?;
                batch.put_account(actor.user, "settings".to_owned(), serde_json::to_value(settings)?)?;
            }
            Ok(())
        })
        .await
    }

    /// Sets a person's own new password and signs out their other devices.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn change_password(&self, actor: Actor, password_hash: String) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            batch
                .sql
                .prepare_cached(
                    "update users set password_hash = ?2, must_change_password = 0 where key = ?1",
                )?
                .execute((actor.user, &password_hash))?;
            batch.revoke_devices(actor.user, Some(actor.device))
        })
        .await
    }

    /// Sets a temporary password for somebody and signs out all their devices. Admins only.
    ///
    /// # Errors
    /// `forbidden`, `not_found`; `invalid` for imported people, who are claimed by an invitation instead.
    pub async fn reset_password(&self, actor: Actor, user_id: UserId, password_hash: String) -> Result<()> {
        self.call(move |batch| {
            batch.check_admin(&actor)?;
            let user = batch.user_key(user_id)?.ok_or_else(|| Error::refused(Code::NotFound))?;
            let changed = batch
                .sql
                .prepare_cached(
                    "update users set password_hash = ?2, must_change_password = 1 where key = ?1 and imported = 0",
                )?
                .execute((user, &password_hash))?;
            if changed == 0 {
                return Err(Error::invalid("user_id", "imported people are claimed by an invitation"));
            }
            batch.revoke_devices(user, None)
        })
        .await
    }

    /// Closes or reopens somebody's account. Admins only.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn suspend(&self, actor: Actor, user_id: UserId, suspended: bool) -> Result<()> {
        self.call(move |batch| {
            batch.check_admin(&actor)?;
            let at = suspended.then_some(batch.now.0);
            let mut statement = batch.sql.prepare_cached(
                "update users set disabled_at = ?2 where id = ?1 and key <> ?3 returning key",
            )?;
            let user = statement
                .query_row((user_id.0.as_bytes().as_slice(), at, actor.user), |row| row.get::<_, UserKey>(0))
                .optional()?
                .ok_or_else(|| Error::refused(Code::NotFound))?;
            if suspended {
                batch.memory.disabled_users.insert(user.0);
                batch.revoke_devices(user, None)?;
            } else {
                batch.memory.disabled_users.remove(user.0);
            }
            Ok(())
        })
        .await
    }
}

impl Batch<'_> {
    pub(crate) fn check_admin(&self, actor: &Actor) -> Result<()> {
        self.check_actor(actor)?;
        if self.server_role(actor.user)? != ServerRole::Admin {
            return Err(Error::refused(Code::Forbidden));
        }
        Ok(())
    }
}

/// Rounded down to the five minutes others may see.
pub(crate) fn coarse(time: Timestamp) -> Timestamp {
    const STEP_MS: i64 = 5 * 60 * 1_000;
    Timestamp(time.0 - time.0.rem_euclid(STEP_MS))
}
