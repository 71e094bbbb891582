//! Bench: people, devices and conversations made in bulk, for load runs and for replaying an import.
//!
//! Invariant: a token without end is only ever made for people made here and for imported ones.

use rusqlite::{Connection, OptionalExtension};
use stonechat_wire::{ConversationId, DeviceToken, UserId};

use crate::account::NewUser;
use crate::device::TokenHash;
use crate::error::{Error, Result};
use crate::key::{Actor, uuid};

impl crate::Writer {
    /// Makes people for load runs, each with a device and the token of that hash. Admins only.
    ///
    /// # Errors
    /// `forbidden`, `handle_taken`.
    pub async fn create_bench_users(
        &self,
        actor: Actor,
        people: Vec<(NewUser, TokenHash)>,
    ) -> Result<Vec<DeviceToken>> {
        self.call(move |batch| {
            batch.check_admin(&actor)?;
            let mut made = Vec::with_capacity(people.len());
            for (person, hash) in &people {
                let (key, user_id) = batch.insert_user(person)?;
                let device_id = batch.insert_token_device(key, "bench", hash)?;
                made.push(DeviceToken {
                    user_id,
                    handle: person.handle.clone(),
                    device_id,
                    token: String::new(),
                });
            }
            Ok(made)
        })
        .await
    }

    /// Makes a device with a lasting token for each imported person, and nobody else. Admins only.
    ///
    /// # Errors
    /// `forbidden`; `invalid` where one of them was not imported.
    pub async fn create_import_devices(
        &self,
        actor: Actor,
        people: Vec<(UserId, TokenHash)>,
    ) -> Result<Vec<DeviceToken>> {
        self.call(move |batch| {
            batch.check_admin(&actor)?;
            let mut made = Vec::with_capacity(people.len());
            for (user_id, hash) in &people {
                let mut statement = batch
                    .sql
                    .prepare_cached("select key, handle from users where id = ?1 and imported = 1")?;
                let found = statement
                    .query_row([user_id.0.as_bytes().as_slice()], |row| {
                        Ok((row.get(0)?, row.get::<_, String>(1)?))
                    })
                    .optional()?;
                let (key, handle) =
                    found.ok_or_else(|| Error::invalid("user_ids", "not an imported person"))?;
                let device_id = batch.insert_token_device(key, "import", hash)?;
                made.push(DeviceToken { user_id: *user_id, handle, device_id, token: String::new() });
            }
            Ok(made)
        })
        .await
    }

    /// Makes groups of people for load runs, the first of each its owner. Admins only.
    ///
    /// # Errors
    /// `forbidden`; `invalid` for an unknown person and one named twice.
    pub async fn create_bench_conversations(
        &self,
        actor: Actor,
        groups: Vec<Vec<UserId>>,
    ) -> Result<Vec<ConversationId>> {
        self.call(move |batch| {
            batch.check_admin(&actor)?;
            let mut made = Vec::with_capacity(groups.len());
            for group in &groups {
                let mut users = Vec::with_capacity(group.len());
                for id in group {
                    users.push(
                        batch
                            .user_key(*id)?
                            .ok_or_else(|| Error::invalid("conversations", "no such person"))?,
                    );
                }
                if users.iter().collect::<hashbrown::HashSet<_>>().len() < users.len() {
                    return Err(Error::invalid("conversations", "a person is named twice"));
                }
                let key = batch.begin_group(&actor, &users)?;
                made.push(batch.memory.conversation(batch.sql, key)?.id);
            }
            Ok(made)
        })
        .await
    }
}

/// All imported people.
///
/// # Errors
/// A failure of the store.
pub fn imported(sql: &Connection) -> Result<Vec<UserId>> {
    let mut statement = sql.prepare_cached("select id from users where imported = 1 order by key")?;
    let ids = statement.query_map([], |row| Ok(UserId(uuid(row.get_ref(0)?.as_blob()?))))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}
