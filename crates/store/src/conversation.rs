//! Conversation: how one begins and changes: direct, group, channel; name, topic, posting, archive.
//!
//! Invariant: one direct conversation per pair, also when both write first at the same moment.

use rusqlite::OptionalExtension;
use stonechat_wire::{
    ChangeConversation, Code, ConversationId, ConversationKind, EventBody, Posting, Role, Seq, ServerRole,
    UserId,
};

use crate::append::Target;
use crate::batch::{Batch, Draft};
use crate::error::{Error, Result, violates};
use crate::event_row::EventKind;
use crate::key::{kind_number, posting_number, role_number, server_role_of, sql_u64};
use crate::{Actor, ConversationKey, UserKey};

/// A group or channel to be made.
#[derive(Clone, Debug)]
pub struct NewConversation {
    pub kind: ConversationKind,
    pub name: Option<String>,
    pub handle: Option<String>,
    pub topic: Option<String>,
    pub posting: Posting,
    /// Besides the maker.
    pub members: Vec<UserId>,
}

impl crate::Writer {
    /// Makes a group or channel, or finds the direct conversation with one person.
    ///
    /// # Errors
    /// `not_found` for unknown people, `handle_taken`, `blocked`, `forbidden` for guests.
    pub async fn create_conversation(&self, actor: Actor, new: NewConversation) -> Result<ConversationId> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let key = match new.kind {
                ConversationKind::Direct => {
                    let [other] = new.members[..] else {
                        return Err(Error::invalid("members", "exactly one"));
                    };
                    batch.direct_with(&actor, other)?
                }
                ConversationKind::Group | ConversationKind::Channel => batch.create(&actor, &new)?,
            };
            Ok(batch.memory.conversation(batch.sql, key)?.id)
        })
        .await
    }

    /// Renames a conversation, sets its topic or who may post, archives it or brings it back.
    ///
    /// # Errors
    /// `not_found` for whoever is not a member, `forbidden` for members without the right.
    pub async fn change_conversation(
        &self,
        actor: Actor,
        target: Target,
        change: ChangeConversation,
    ) -> Result<()> {
        self.call(move |batch| batch.change(&actor, &target, &change)).await
    }

    /// Mutes a conversation: its badges only.
    ///
    /// # Errors
    /// `not_found` for whoever is not a member.
    pub async fn mute(&self, actor: Actor, target: Target, muted: bool) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let conversation = batch.conversation_of(&target)?;
            batch.check_member(conversation, actor.user)?;
            batch
                .sql
                .prepare_cached("update members set muted = ?3 where conversation = ?1 and user = ?2")?
                .execute((conversation, actor.user, muted))?;
            let id = batch.memory.conversation(batch.sql, conversation)?.id;
            batch.put_account(actor.user, format!("mute/{id}"), serde_json::json!({ "muted": muted }))
        })
        .await
    }
}

impl Batch<'_> {
    /// The direct conversation of two people, made on first use.
    pub(crate) fn direct_with(&mut self, actor: &Actor, other_id: UserId) -> Result<ConversationKey> {
        let other = self.user_key(other_id)?.ok_or_else(|| Error::refused(Code::NotFound))?;
        let (low, high) = (actor.user.min(other), actor.user.max(other));
        let existing = self
            .sql
            .prepare_cached("select key from conversations where direct_low = ?1 and direct_high = ?2")?
            .query_row((low, high), |row| row.get(0))
            .optional()?;
        if let Some(key) = existing {
            return Ok(key);
        }
        if self.server_role(actor.user)? == ServerRole::Guest
            && !self.share_a_conversation(actor.user, other)?
        {
            return Err(Error::refused(Code::NotFound));
        }
        if low != high {
            self.check_not_blocked(actor.user, other)?;
        }
        let new = Row { kind: ConversationKind::Direct, direct: Some((low, high)), ..Row::default() };
        let key = self.insert_conversation(&new)?;
        let mut users = vec![(actor.user, Role::Member)];
        if low != high {
            users.push((other, Role::Member));
        }
        self.begin(actor, key, &users, None)?;
        Ok(key)
    }

    pub(crate) fn create(&mut self, actor: &Actor, new: &NewConversation) -> Result<ConversationKey> {
        if self.server_role(actor.user)? == ServerRole::Guest {
            return Err(Error::refused(Code::Forbidden));
        }
        let mut users = vec![(actor.user, Role::Owner)];
        for id in &new.members {
            let user = self.user_key(*id)?.ok_or_else(|| Error::invalid("members", "no such person"))?;
            self.check_not_blocked(actor.user, user)?;
            if users.iter().all(|(key, _)| *key != user) {
                users.push((user, Role::Member));
            }
        }
        let row = Row {
            kind: new.kind,
            name: new.name.as_deref(),
            handle: new.handle.as_deref(),
            topic: new.topic.as_deref(),
            posting: new.posting,
            direct: None,
        };
        let key = self.insert_conversation(&row)?;
        self.begin(actor, key, &users, new.name.clone())?;
        Ok(key)
    }

    /// A group with these members, the first its owner.
    pub(crate) fn begin_group(&mut self, actor: &Actor, users: &[UserKey]) -> Result<ConversationKey> {
        let key = self.insert_conversation(&Row::default())?;
        let roles = std::iter::once(Role::Owner).chain(std::iter::repeat(Role::Member));
        let users: Vec<_> = users.iter().copied().zip(roles).collect();
        self.begin(actor, key, &users, None)?;
        Ok(key)
    }

    fn insert_conversation(&self, row: &Row<'_>) -> Result<ConversationKey> {
        let inserted = self
            .sql
            .prepare_cached(
                "insert into conversations (id, kind, handle, name, topic, posting, history_since_join, direct_low, \
                 direct_high, created_at, updated_at, member_count, last_seq, ordinal, head_origin, head_position) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, 0, 0, 0, ?11, ?12)",
            )?
            .execute((
                ConversationId::new().0.as_bytes().as_slice(),
                kind_number(row.kind),
                row.handle,
                row.name,
                row.topic,
                posting_number(row.posting),
                row.kind != ConversationKind::Channel,
                row.direct.map(|(low, _)| low),
                row.direct.map(|(_, high)| high),
                self.now.0,
                self.origin.0,
                sql_u64(self.position.0),
            ));
        match inserted {
            Ok(_) => {}
            Err(error) if violates(&error, "conversations.handle") => {
                return Err(Error::refused(Code::HandleTaken));
            }
            Err(error) => return Err(error.into()),
        }
        u32::try_from(self.sql.last_insert_rowid())
            .map(ConversationKey)
            .map_err(|_| crate::error::Failure::Corrupt("out of conversation keys").into())
    }

    /// Puts in the first members and writes the first event.
    fn begin(
        &mut self,
        actor: &Actor,
        key: ConversationKey,
        users: &[(UserKey, Role)],
        name: Option<String>,
    ) -> Result<()> {
        let mut insert = self.sql.prepare_cached(
            "insert into members (conversation, user, role, joined_seq, joined_at, read_seq, read_ordinal) \
             values (?1, ?2, ?3, 1, ?4, 1, 0)",
        )?;
        for (user, role) in users {
            insert.execute((key, user, role_number(*role), self.now.0))?;
        }
        self.sql
            .prepare_cached("update conversations set member_count = ?2 where key = ?1")?
            .execute((key, users.len()))?;
        self.memory.evict_conversation(key);
        let state = self.memory.conversation(self.sql, key)?;
        let (id, kind) = (state.id, state.kind);
        for (user, _) in users {
            self.put_membership(*user, id, Seq(1), Seq(1))?;
        }
        let body = EventBody::Created { kind, name };
        let detail = serde_json::to_string(&body)?;
        let draft = Draft {
            detail: Some(&detail),
            ..Draft::plain(EventKind::System, (actor.user, actor.user_id), Some(*actor), self.now)
        };
        self.append_event(key, draft, |_| body)?;
        Ok(())
    }

    fn change(&mut self, actor: &Actor, target: &Target, change: &ChangeConversation) -> Result<()> {
        self.check_actor(actor)?;
        let conversation = self.conversation_of(target)?;
        self.check_may_manage(conversation, actor)?;
        let archived_now = self.memory.conversation(self.sql, conversation)?.archived;
        if archived_now && change.archived != Some(false) {
            return Err(Error::refused(Code::Archived));
        }
        let mut bodies = Vec::new();
        if let Some(archived) = change.archived {
            let at = archived.then_some(self.now.0);
            self.sql
                .prepare_cached("update conversations set archived_at = ?2 where key = ?1")?
                .execute((conversation, at))?;
            bodies.push(EventBody::Archived { archived });
        }
        if let Some(name) = &change.name {
            self.sql
                .prepare_cached("update conversations set name = ?2 where key = ?1")?
                .execute((conversation, name))?;
            bodies.push(EventBody::Renamed { name: name.clone() });
        }
        if let Some(topic) = &change.topic {
            self.sql
                .prepare_cached("update conversations set topic = ?2 where key = ?1")?
                .execute((conversation, topic))?;
            bodies.push(EventBody::TopicChanged { topic: topic.clone() });
        }
        if let Some(posting) = change.posting {
            self.sql
                .prepare_cached("update conversations set posting = ?2 where key = ?1")?
                .execute((conversation, posting_number(posting)))?;
            bodies.push(EventBody::PostingChanged { posting });
        }
        self.memory.evict_conversation(conversation);
        for body in bodies {
            self.append_system(actor, conversation, body)?;
        }
        Ok(())
    }

    pub(crate) fn append_system(
        &mut self,
        actor: &Actor,
        conversation: ConversationKey,
        body: EventBody,
    ) -> Result<Seq> {
        let detail = serde_json::to_string(&body)?;
        let draft = Draft {
            detail: Some(&detail),
            ..Draft::plain(EventKind::System, (actor.user, actor.user_id), Some(*actor), self.now)
        };
        self.append_event(conversation, draft, |_| body)
    }

    pub(crate) fn check_may_manage(&mut self, conversation: ConversationKey, actor: &Actor) -> Result<()> {
        self.check_member(conversation, actor.user)?;
        let role = self
            .memory
            .member(self.sql, conversation, actor.user)?
            .map_or(Role::Member, |member| member.role);
        let is_direct = self.memory.conversation(self.sql, conversation)?.kind == ConversationKind::Direct;
        if is_direct || role < Role::Admin {
            return Err(Error::refused(Code::Forbidden));
        }
        Ok(())
    }

    pub(crate) fn user_key(&self, id: UserId) -> Result<Option<UserKey>> {
        let mut statement =
            self.sql.prepare_cached("select key from users where id = ?1 and disabled_at is null")?;
        Ok(statement.query_row([id.0.as_bytes().as_slice()], |row| row.get(0)).optional()?)
    }

    pub(crate) fn server_role(&self, user: UserKey) -> Result<ServerRole> {
        let mut statement = self.sql.prepare_cached("select role from users where key = ?1")?;
        Ok(server_role_of(statement.query_row([user], |row| row.get(0))?))
    }

    fn share_a_conversation(&self, one: UserKey, other: UserKey) -> Result<bool> {
        let mut statement = self.sql.prepare_cached(
            "select 1 from members a join members b on b.conversation = a.conversation and b.user = ?2 \
             and b.left_seq is null where a.user = ?1 and a.left_seq is null limit 1",
        )?;
        Ok(statement.exists((one, other))?)
    }
}

struct Row<'a> {
    kind: ConversationKind,
    name: Option<&'a str>,
    handle: Option<&'a str>,
    topic: Option<&'a str>,
    posting: Posting,
    direct: Option<(UserKey, UserKey)>,
}

impl Default for Row<'_> {
    fn default() -> Self {
        Self {
            kind: ConversationKind::Group,
            name: None,
            handle: None,
            topic: None,
            posting: Posting::Everyone,
            direct: None,
        }
    }
}
