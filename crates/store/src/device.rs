//! Device: one signed-in client: its tokens, its name, its end.
//!
//! Tokens are kept as SHA-256 only. Invariant: a refresh token works once; its second use, once its successor was
//! used, ends the device.

use rusqlite::{Connection, OptionalExtension};
use serde_json::json;
use stonechat_wire::{Code, Device, DeviceId, Timestamp, UserId};

use crate::account::{Credentials, FoundDevice, coarse};
use crate::batch::Batch;
use crate::error::{Error, Failure, Result};
use crate::key::{Actor, server_role_of, uuid};
use crate::{DeviceKey, UserKey};

/// The SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// A device to be made, with what lets it in again.
#[derive(Clone, Debug)]
pub struct NewDevice {
    pub name: String,
    pub refresh_hash: TokenHash,
    pub refresh_expires_at: Timestamp,
}

/// What became of a refresh token.
#[derive(Clone, Copy, Debug)]
pub enum Refreshed {
    /// The successor works from now on.
    Rotated(FoundDevice),
    /// It was used before its successor was: the same successor again, for whoever lost the answer.
    Again(FoundDevice),
}

/// How long the token before the current one is answered with the current one.
const LOST_ANSWER_MS: i64 = 60_000;
/// How long a used refresh token is remembered: later it would have ended by its age.
const REMEMBERED_MS: i64 = 90 * 24 * 3_600_000;

/// `users.must_change_password`: a temporary password, and one that somebody has signed in by.
const TEMPORARY: i64 = 1;
const TEMPORARY_USED: i64 = 2;

/// A person's devices that may act, the last seen first.
///
/// # Errors
/// A failure of the store.
pub fn devices(sql: &Connection, actor: &Actor) -> Result<Vec<Device>> {
    let mut statement = sql.prepare_cached(
        "select id, name, created_at, last_seen_at, key, push_token is not null from devices \
         where user = ?1 and revoked_at is null and (token_hash is not null or refresh_hash is not null) \
         order by last_seen_at desc, key desc limit 200",
    )?;
    let devices = statement.query_map([actor.user], |row| {
        Ok(Device {
            device_id: DeviceId(uuid(row.get_ref(0)?.as_blob()?)),
            name: row.get(1)?,
            created_at: Timestamp(row.get(2)?),
            last_seen_at: coarse(Timestamp(row.get(3)?)),
            current: row.get::<_, DeviceKey>(4)? == actor.device,
            push_token: Some(row.get(5)?),
        })
    })?;
    Ok(devices.collect::<rusqlite::Result<_>>()?)
}

impl Batch<'_> {
    /// Signs a person in on a new device. Their other devices are told.
    pub(crate) fn insert_device(&mut self, user: UserKey, user_id: UserId, new: &NewDevice) -> Result<Actor> {
        let device_id = DeviceId::new();
        self.sql
            .prepare_cached(
                "insert into devices (id, user, name, created_at, last_seen_at, refresh_hash, refreshed_at, \
                 refresh_expires_at) values (?1, ?2, ?3, ?4, ?4, ?5, ?4, ?6)",
            )?
            .execute((
                device_id.0.as_bytes().as_slice(),
                user,
                &new.name,
                self.now.0,
                new.refresh_hash.as_slice(),
                new.refresh_expires_at.0,
            ))?;
        let device = self.last_device()?;
        let notice = json!({ "name": new.name, "created_at": self.now });
        self.put_account(user, format!("device/{device_id}"), notice)?;
        Ok(Actor { user, user_id, device, device_id })
    }

    fn last_device(&self) -> Result<DeviceKey> {
        let key = u32::try_from(self.sql.last_insert_rowid())
            .map_err(|_| Failure::Corrupt("out of device keys"))?;
        Ok(DeviceKey(key))
    }

    /// A device that signs in by a token without end: for bots, load runs and imported people.
    pub(crate) fn insert_token_device(
        &mut self,
        user: UserKey,
        name: &str,
        token_hash: &TokenHash,
    ) -> Result<DeviceId> {
        let id = DeviceId::new();
        self.sql
            .prepare_cached(
                "insert into devices (id, user, name, created_at, last_seen_at, token_hash) \
                 values (?1, ?2, ?3, ?4, ?4, ?5)",
            )?
            .execute((id.0.as_bytes().as_slice(), user, name, self.now.0, token_hash.as_slice()))?;
        Ok(id)
    }

    fn refresh(&mut self, old: &TokenHash, next: &TokenHash, expires_at: Timestamp) -> Result<Refreshed> {
        let mut statement = self.sql.prepare_cached(
            "select d.key, d.id, u.key, u.id, u.role, d.refresh_hash = ?1, d.refreshed_at, d.refresh_expires_at \
             from devices d join users u on u.key = d.user where (d.refresh_hash = ?1 or d.previous_refresh_hash = ?1) \
             and d.revoked_at is null and u.disabled_at is null",
        )?;
        let found = statement
            .query_row([old.as_slice()], |row| {
                let actor = Actor {
                    device: row.get(0)?,
                    device_id: DeviceId(uuid(row.get_ref(1)?.as_blob()?)),
                    user: row.get(2)?,
                    user_id: UserId(uuid(row.get_ref(3)?.as_blob()?)),
                };
                let device = FoundDevice { actor, role: server_role_of(row.get(4)?), last_seen_at: self.now };
                let (current, at): (bool, i64) = (row.get(5)?, row.get(6)?);
                Ok((device, current, at, row.get::<_, i64>(7)?))
            })
            .optional()?;
        let Some((device, current, refreshed_at, old_expires_at)) = found else {
            return self.refuse_refresh(old);
        };
        if self.now.0 > old_expires_at {
            return Err(Error::refused(Code::Unauthenticated));
        }
        if !current {
            // The one before: its successor was not used, or this row would not know it any more.
            if self.now.0 <= refreshed_at + LOST_ANSWER_MS {
                return Ok(Refreshed::Again(device));
            }
            return self.refuse_refresh(old);
        }
        let key = device.actor.device;
        // Using the current one proves that the one before it is done with.
        self.sql
            .prepare_cached(
                "insert or ignore into used_refresh_tokens (hash, device, used_at) \
                 select previous_refresh_hash, key, ?2 from devices where key = ?1 and previous_refresh_hash is not null",
            )?
            .execute((key, self.now.0))?;
        self.sql
            .prepare_cached("delete from used_refresh_tokens where device = ?1 and used_at < ?2")?
            .execute((key, self.now.0 - REMEMBERED_MS))?;
        self.sql
            .prepare_cached(
                "update devices set previous_refresh_hash = refresh_hash, refresh_hash = ?2, refreshed_at = ?3, \
                 last_seen_at = max(last_seen_at, ?5), refresh_expires_at = ?4 where key = ?1",
            )?
            .execute((key, next.as_slice(), self.now.0, expires_at.0, coarse(self.now).0))?;
        Ok(Refreshed::Rotated(device))
    }

    /// A token that works no more. If it once did, somebody has a copy: the device ends.
    fn refuse_refresh(&mut self, old: &TokenHash) -> Result<Refreshed> {
        let mut statement = self.sql.prepare_cached(
            "select d.user, d.key, d.id from devices d where d.revoked_at is null and (d.previous_refresh_hash = ?1 \
             or d.key = (select device from used_refresh_tokens where hash = ?1))",
        )?;
        let stolen = statement
            .query_row([old.as_slice()], |row| {
                Ok((
                    row.get::<_, UserKey>(0)?,
                    row.get::<_, DeviceKey>(1)?,
                    DeviceId(uuid(row.get_ref(2)?.as_blob()?)),
                ))
            })
            .optional()?;
        let Some((user, device, id)) = stolen else { return Err(Error::refused(Code::Unauthenticated)) };
        tracing::warn!(device.id = %id, "a used refresh token came again; the device was signed out");
        self.end_devices(user, &[(device, id)])?;
        // A refusal would undo the revocation: the caller turns this into one after the commit.
        Err(Error::refused(Code::RefreshReused))
    }

    fn end_devices(&mut self, user: UserKey, devices: &[(DeviceKey, DeviceId)]) -> Result<()> {
        for (device, _) in devices {
            self.sql
                .prepare_cached(
                    "update devices set revoked_at = ?2, token_hash = null, refresh_hash = null, push_token = null \
                     where key = ?1",
                )?
                .execute((device, self.now.0))?;
        }
        self.put_revoked(user, devices)
    }
}

impl crate::Writer {
    /// Signs a person in on a new device, by credentials whose password was verified. A temporary password works once.
    ///
    /// # Errors
    /// `wrong_credentials` where the password was changed, used up or its account closed since it was read.
    pub async fn sign_in(&self, verified: Credentials, device: NewDevice) -> Result<Actor> {
        self.call(move |batch| {
            let mut statement = batch.sql.prepare_cached(
                "select must_change_password from users where key = ?1 and password_hash = ?2 and disabled_at is null",
            )?;
            let temporary: Option<i64> = statement
                .query_row((verified.user, &verified.password_hash), |row| row.get(0))
                .optional()?;
            match temporary {
                None | Some(TEMPORARY_USED) => return Err(Error::refused(Code::WrongCredentials)),
                Some(TEMPORARY) => {
                    batch
                        .sql
                        .prepare_cached("update users set must_change_password = ?2 where key = ?1")?
                        .execute((verified.user, TEMPORARY_USED))?;
                }
                Some(_) => {}
            }
            batch.insert_device(verified.user, verified.user_id, &device)
        })
        .await
    }

    /// Keeps when devices were last used, in steps of five minutes.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn devices_seen(&self, devices: Vec<DeviceKey>) -> Result<()> {
        self.call(move |batch| {
            let step = coarse(batch.now).0;
            let mut statement = batch.sql.prepare_cached(
                "update devices set last_seen_at = ?2 where key = ?1 and last_seen_at < ?2",
            )?;
            for device in &devices {
                statement.execute((device, step))?;
            }
            Ok(())
        })
        .await
    }

    /// Uses a refresh token up; `next` is its successor.
    ///
    /// # Errors
    /// `unauthenticated` for a token that never worked, is too old, or whose device was revoked; `refresh_reused`, and
    /// the device is signed out, for one whose successor was used.
    pub async fn refresh(&self, old: TokenHash, next: TokenHash, expires_at: Timestamp) -> Result<Refreshed> {
        let refreshed = self
            .call(move |batch| match batch.refresh(&old, &next, expires_at) {
                // The revocation stands although the answer is a refusal.
                Err(Error::Refused(refusal)) if refusal.code == Code::RefreshReused => Ok(None),
                result => result.map(Some),
            })
            .await?;
        refreshed.ok_or_else(|| Error::refused(Code::RefreshReused))
    }

    /// Ends one of a person's own devices.
    ///
    /// # Errors
    /// `not_found` where it is not theirs or gone already.
    pub async fn revoke_device(&self, actor: Actor, id: DeviceId) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let mut statement = batch.sql.prepare_cached(
                "select key from devices where id = ?1 and user = ?2 and revoked_at is null \
                 and (token_hash is not null or refresh_hash is not null)",
            )?;
            let device = statement
                .query_row((id.0.as_bytes().as_slice(), actor.user), |row| row.get::<_, DeviceKey>(0))
                .optional()?
                .ok_or_else(|| Error::refused(Code::NotFound))?;
            batch.end_devices(actor.user, &[(device, id)])
        })
        .await
    }

    /// Ends the device whose refresh token this is, for signing out without an access token.
    ///
    /// # Errors
    /// `unauthenticated` for an unknown token.
    pub async fn revoke_by_refresh(&self, hash: TokenHash) -> Result<()> {
        self.call(move |batch| {
            let mut statement = batch.sql.prepare_cached(
                "select user, key, id from devices where revoked_at is null and (refresh_hash = ?1 or previous_refresh_hash = ?1)",
            )?;
            let found = statement
                .query_row([hash.as_slice()], |row| {
                    Ok((row.get::<_, UserKey>(0)?, row.get::<_, DeviceKey>(1)?, DeviceId(uuid(row.get_ref(2)?.as_blob()?))))
                })
                .optional()?;
            let (user, key, id) = found.ok_or_else(|| Error::refused(Code::Unauthenticated))?;
            batch.end_devices(user, &[(key, id)])
        })
        .await
    }

    /// Names one of a person's own devices.
    ///
    /// # Errors
    /// `not_found` where it is not theirs.
    pub async fn rename_device(&self, actor: Actor, id: DeviceId, name: String) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let changed = batch
                .sql
                .prepare_cached(
                    // The device imported messages were sent with is known by its name.
                    "update devices set name = ?3 where id = ?1 and user = ?2 and revoked_at is null \
                     and (token_hash is not null or refresh_hash is not null)",
                )?
                .execute((id.0.as_bytes().as_slice(), actor.user, &name))?;
            if changed == 0 {
                return Err(Error::refused(Code::NotFound));
            }
            batch.put_account(actor.user, format!("device/{id}"), json!({ "name": name }))
        })
        .await
    }

    /// Sets where pushes of the acting device go. A target that another device had moves to this one.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn set_push_token(&self, actor: Actor, token: String) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            batch
                .sql
                .prepare_cached("update devices set push_token = null where push_token = ?1")?
                .execute([&token])?;
            batch
                .sql
                .prepare_cached("update devices set push_token = ?2 where key = ?1")?
                .execute((actor.device, &token))?;
            Ok(())
        })
        .await
    }
}
