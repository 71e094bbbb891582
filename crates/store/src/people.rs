//! People: who is in a conversation, and who may be named in it.

use rusqlite::{Connection, OptionalExtension};
use stonechat_wire::{Member, Role, Timestamp, UserId};

use crate::UserKey;
use crate::error::Result;
use crate::key::{role_of, seq, uuid};
use crate::reader::View;

/// Members by handle after a place.
///
/// # Errors
/// A failure of the store.
pub fn members(sql: &Connection, view: &View, after: &str, limit: usize) -> Result<Vec<Member>> {
    let mut statement = sql.prepare_cached(
        "select u.id, u.handle, u.name, m.role, m.joined_at, m.last_spoke_seq from members m \
         join users u on u.key = m.user where m.conversation = ?1 and m.left_seq is null and u.handle > ?2 \
         order by u.handle limit ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let members = statement.query_map((view.conversation, after, limit), |row| {
        Ok(Member {
            user_id: UserId(uuid(row.get_ref(0)?.as_blob()?)),
            handle: row.get(1)?,
            name: row.get(2)?,
            role: role_of(row.get(3)?),
            joined_at: Timestamp(row.get(4)?),
            last_spoke_seq: row.get::<_, Option<i64>>(5)?.map(seq),
        })
    })?;
    Ok(members.collect::<rusqlite::Result<_>>()?)
}

/// The person a handle names; for mentions.
///
/// # Errors
/// A failure of the store.
pub fn by_handle(sql: &Connection, handle: &str) -> Result<Option<(UserKey, UserId)>> {
    let mut statement = sql.prepare_cached("select key, id from users where handle = ?1")?;
    let found =
        statement.query_row([handle], |row| Ok((row.get(0)?, UserId(uuid(row.get_ref(1)?.as_blob()?)))));
    Ok(found.optional()?)
}

/// The key of a person who has not left the server.
///
/// # Errors
/// A failure of the store.
pub fn key_of(sql: &Connection, id: UserId) -> Result<Option<UserKey>> {
    let mut statement = sql.prepare_cached("select key from users where id = ?1 and disabled_at is null")?;
    Ok(statement.query_row([id.0.as_bytes().as_slice()], |row| row.get(0)).optional()?)
}

/// A person's id by key.
///
/// # Errors
/// A failure of the store.
pub fn id_of(sql: &Connection, key: UserKey) -> Result<Option<UserId>> {
    let mut statement = sql.prepare_cached("select id from users where key = ?1")?;
    Ok(statement.query_row([key], |row| Ok(UserId(uuid(row.get_ref(0)?.as_blob()?)))).optional()?)
}

/// Whether two people may know of each other: they share a conversation and neither blocked the other.
///
/// # Errors
/// A failure of the store.
pub fn acquainted(sql: &Connection, one: UserKey, other: UserKey) -> Result<bool> {
    if one == other {
        return Ok(true);
    }
    let mut statement = sql.prepare_cached(
        "select 1 from members a join members b on b.conversation = a.conversation and b.user = ?2 \
         and b.left_seq is null where a.user = ?1 and a.left_seq is null \
         and not exists (select 1 from blocks where (user = ?1 and blocked = ?2) or (user = ?2 and blocked = ?1)) \
         limit 1",
    )?;
    Ok(statement.exists((one, other))?)
}

/// Everybody who blocked this person or was blocked by them.
///
/// # Errors
/// A failure of the store.
pub fn blocked_either_way(sql: &Connection, user: UserKey) -> Result<Vec<UserKey>> {
    let mut statement = sql.prepare_cached(
        "select blocked from blocks where user = ?1 union select user from blocks where blocked = ?1",
    )?;
    let keys = statement.query_map([user], |row| row.get(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

/// A person's role in a conversation, for rights that are judged outside the writer.
///
/// # Errors
/// A failure of the store.
pub fn role(sql: &Connection, user: UserKey, conversation: crate::ConversationKey) -> Result<Option<Role>> {
    let mut statement = sql.prepare_cached(
        "select role from members where conversation = ?1 and user = ?2 and left_seq is null",
    )?;
    Ok(statement.query_row((conversation, user), |row| row.get(0).map(role_of)).optional()?)
}

/// Those of these people who let others see how far they read.
///
/// # Errors
/// A failure of the store.
pub fn sharing_receipts(sql: &Connection, users: &[UserKey]) -> Result<roaring::RoaringBitmap> {
    let mut statement = sql.prepare_cached("select share_receipts from users where key = ?1")?;
    let mut sharing = roaring::RoaringBitmap::new();
    for user in users {
        if statement.query_row([user], |row| row.get(0)).optional()?.unwrap_or(false) {
            sharing.insert(user.0);
        }
    }
    Ok(sharing)
}

/// Whether a person lets others see them typing.
///
/// # Errors
/// A failure of the store.
pub fn shares_typing(sql: &Connection, user: UserKey) -> Result<bool> {
    let mut statement = sql.prepare_cached("select share_typing from users where key = ?1")?;
    Ok(statement.query_row([user], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// The direct conversation of two people, where there is one.
///
/// # Errors
/// A failure of the store.
pub fn direct_of(sql: &Connection, user: UserKey, other: UserId) -> Result<Option<crate::ConversationKey>> {
    let Some(other) = key_of(sql, other)? else { return Ok(None) };
    let mut statement =
        sql.prepare_cached("select key from conversations where direct_low = ?1 and direct_high = ?2")?;
    Ok(statement.query_row((user.min(other), user.max(other)), |row| row.get(0)).optional()?)
}

/// What presence needs to know of a person.
#[derive(Clone, Copy, Debug)]
pub struct PresenceRow {
    pub user: UserKey,
    pub user_id: UserId,
    pub shared: bool,
    pub last_seen_at: Option<Timestamp>,
}

/// The presence rows of people, by key; unknown ones are left out.
///
/// # Errors
/// A failure of the store.
pub fn presence_rows(sql: &Connection, users: &[UserKey]) -> Result<Vec<PresenceRow>> {
    let mut statement =
        sql.prepare_cached("select id, share_presence, last_seen_at from users where key = ?1")?;
    let mut rows = Vec::with_capacity(users.len());
    for user in users {
        let row = statement.query_row([user], |row| {
            Ok(PresenceRow {
                user: *user,
                user_id: UserId(uuid(row.get_ref(0)?.as_blob()?)),
                shared: row.get(1)?,
                last_seen_at: row.get::<_, Option<i64>>(2)?.map(Timestamp),
            })
        });
        rows.extend(row.optional()?);
    }
    Ok(rows)
}

impl crate::Writer {
    /// Keeps when people were last there, in steps of five minutes.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn last_seen(&self, users: Vec<UserKey>) -> Result<()> {
        self.call(move |batch| {
            let step = crate::account::coarse(batch.now).0;
            let mut statement =
                batch.sql.prepare_cached("update users set last_seen_at = ?2 where key = ?1")?;
            for user in &users {
                statement.execute((user, step))?;
            }
            Ok(())
        })
        .await
    }

    /// A device holds everything up to a cursor.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn received(&self, actor: crate::key::Actor, cursor: stonechat_wire::Cursor) -> Result<()> {
        self.call(move |batch| {
            batch
                .sql
                .prepare_cached(
                    "insert into received (device, cursor, received_at) values (?1, ?2, ?3) \
                     on conflict (device) do update set cursor = excluded.cursor, received_at = excluded.received_at",
                )?
                .execute((actor.device, &cursor.0, batch.now.0))?;
            Ok(())
        })
        .await
    }
}
