//! Import: messages of another system, with their people and times, through the same writer as everything else.
//!
//! Every imported message has a request key made from its id, so an import that was cut short is simply run again.

use hashbrown::HashMap;
use rusqlite::OptionalExtension;
use stonechat_wire::{Ack, ConversationId, ConversationKind, DeviceId, Posting, Role, ServerRole, UserId};

use crate::account::NewUser;
use crate::append::Append;
use crate::batch::Batch;
use crate::conversation::NewConversation;
use crate::error::{Error, Failure, Result};
use crate::key::{Actor, uuid};
use crate::{DeviceKey, UserKey};

/// A channel to be there, with the people who wrote in it.
#[derive(Clone, Debug)]
pub struct ImportChannel {
    pub name: String,
    pub handle: String,
    /// Handles.
    pub people: Vec<String>,
}

impl crate::Writer {
    /// Makes or finds imported people by handle, each with a device to write as.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn import_people(&self, handles: Vec<String>) -> Result<HashMap<String, Actor>> {
        self.call(move |batch| {
            handles.iter().map(|handle| Ok((handle.clone(), batch.import_person(handle)?))).collect()
        })
        .await
    }

    /// Makes or finds a channel and puts people in; without events for those who are there from its start.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn import_channel(
        &self,
        channel: ImportChannel,
        people: HashMap<String, Actor>,
    ) -> Result<ConversationId> {
        self.call(move |batch| batch.import_channel(&channel, &people)).await
    }

    /// Appends messages in order; repeats get their first acks.
    ///
    /// # Errors
    /// The first that was refused.
    pub async fn import_messages(&self, mut messages: Vec<Append>) -> Result<Vec<Ack>> {
        self.call(move |batch| {
            let mut acks = Vec::with_capacity(messages.len());
            for message in &mut messages {
                acks.push(message.run_for_ack(batch)?);
            }
            Ok(acks)
        })
        .await
    }

    /// Nothing imported is unread to imported people, and channels stand where their last message does.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn finish_import(&self) -> Result<()> {
        self.call(|batch| {
            for statement in [
                "update members set read_seq = c.last_seq, read_ordinal = c.ordinal, read_own = own_total \
                 from conversations c where c.key = members.conversation and members.left_seq is null \
                 and exists (select 1 from users u where u.key = members.user and u.imported = 1)",
                "update follows set read_seq = t.last_seq, read_ordinal = t.ordinal, read_own = own_total from threads t \
                 where t.conversation = follows.conversation and t.root_seq = follows.root_seq \
                 and exists (select 1 from users u where u.key = follows.user and u.imported = 1)",
                "update conversations set updated_at = e.created_at from events e \
                 where e.conversation = conversations.key and e.seq = conversations.last_seq",
            ] {
                batch.sql.execute(statement, [])?;
            }
            batch.memory.forget();
            Ok(())
        })
        .await
    }
}

impl Batch<'_> {
    fn import_person(&mut self, handle: &str) -> Result<Actor> {
        // Known from an earlier import, whatever they are called since somebody claimed them.
        let mut statement = self.sql.prepare_cached(
            "select u.key, u.id, d.key, d.id from devices d join users u on u.key = d.user where d.name = ?1",
        )?;
        let known = statement
            .query_row([import_device_name(handle)], |row| {
                Ok(Actor {
                    user: row.get(0)?,
                    user_id: UserId(uuid(row.get_ref(1)?.as_blob()?)),
                    device: row.get(2)?,
                    device_id: DeviceId(uuid(row.get_ref(3)?.as_blob()?)),
                })
            })
            .optional()?;
        if let Some(actor) = known {
            return Ok(actor);
        }
        // Somebody of that name who is here already is another person.
        let taken = self.sql.prepare_cached("select 1 from users where handle = ?1")?.exists([handle])?;
        let new = NewUser {
            handle: if taken { format!("{handle}.imported") } else { handle.to_owned() },
            name: handle.to_owned(),
            role: ServerRole::Member,
            password_hash: None,
            imported: true,
        };
        let (user, user_id) = self.insert_user(&new)?;
        self.import_device(user, user_id, handle)
    }

    /// The device imported messages were sent with: nobody can sign in by it. It outlives a claim, so that the request
    /// keys of its messages stay those of the next import.
    fn import_device(&mut self, user: UserKey, user_id: UserId, handle: &str) -> Result<Actor> {
        let device_id = DeviceId::new();
        self.sql
            .prepare_cached(
                "insert into devices (id, user, name, created_at, last_seen_at) values (?1, ?2, ?4, ?3, ?3)",
            )?
            .execute((device_id.0.as_bytes().as_slice(), user, self.now.0, import_device_name(handle)))?;
        let key = u32::try_from(self.sql.last_insert_rowid())
            .map_err(|_| Failure::Corrupt("out of device keys"))?;
        Ok(Actor { user, user_id, device: DeviceKey(key), device_id })
    }

    fn import_channel(
        &mut self,
        channel: &ImportChannel,
        people: &HashMap<String, Actor>,
    ) -> Result<ConversationId> {
        let actors: Vec<Actor> =
            channel.people.iter().filter_map(|handle| people.get(handle)).copied().collect();
        let Some(first) = actors.first() else { return Err(Error::invalid("channel", "nobody wrote in it")) };
        let key = match self.channel_by_handle(&channel.handle)? {
            Some(key) => {
                for actor in &actors {
                    if self.check_member(key, actor.user).is_err() {
                        self.add_member(actor, key, actor.user, actor.user_id, Role::Member)?;
                    }
                }
                key
            }
            None => {
                let new = NewConversation {
                    kind: ConversationKind::Channel,
                    name: Some(channel.name.clone()),
                    handle: Some(channel.handle.clone()),
                    topic: None,
                    posting: Posting::Everyone,
                    members: actors[1..].iter().map(|actor| actor.user_id).collect(),
                };
                self.create(first, &new)?
            }
        };
        Ok(self.memory.conversation(self.sql, key)?.id)
    }
}

/// Holds a character no device's name can have, so that nobody can pose as an import.
fn import_device_name(handle: &str) -> String {
    format!("import\n{handle}")
}
