//! Membership: who is in a conversation, as intervals of seq.
//!
//! Joining and leaving are events; the account state tells the person's own devices. Invariant: after `left_seq`
//! nothing of the conversation is theirs.

use rusqlite::OptionalExtension;
use serde_json::json;
use stonechat_wire::{
    Code, ConversationId, ConversationKind, EventBody, Membership, Role, Seq, ServerRole, UserId,
};

use crate::append::Target;
use crate::batch::{Batch, Draft};
use crate::commit::MemberChange;
use crate::error::{Error, Result};
use crate::event_row::EventKind;
use crate::key::{kind_of, role_number, sql_seq, sql_u64};
use crate::{Actor, ConversationKey, UserKey};

impl crate::Writer {
    /// Joins a channel.
    ///
    /// # Errors
    /// `not_found` where there is no such channel for this person.
    pub async fn join(&self, actor: Actor, target: Target) -> Result<ConversationId> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let conversation = batch.conversation_of(&target)?;
            let state = batch.memory.conversation(batch.sql, conversation)?;
            let (id, is_channel, archived) =
                (state.id, state.kind == ConversationKind::Channel, state.archived);
            let is_member = batch.check_member(conversation, actor.user).is_ok();
            if is_member {
                return Ok(id);
            }
            if !is_channel || batch.server_role(actor.user)? == ServerRole::Guest {
                return Err(Error::refused(Code::NotFound));
            }
            if archived {
                return Err(Error::refused(Code::Archived));
            }
            batch.add_member(&actor, conversation, actor.user, actor.user_id, Role::Member)?;
            Ok(id)
        })
        .await
    }

    /// Invites people. In channels every member may, in groups owners and admins.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `blocked`.
    pub async fn add_members(&self, actor: Actor, target: Target, user_ids: Vec<UserId>) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let conversation = batch.conversation_of(&target)?;
            batch.check_may_invite(conversation, &actor)?;
            let mut users = Vec::new();
            for id in &user_ids {
                let user =
                    batch.user_key(*id)?.ok_or_else(|| Error::invalid("user_ids", "no such person"))?;
                batch.check_not_blocked(actor.user, user)?;
                users.push((user, *id));
            }
            for (user, id) in users {
                if batch.check_member(conversation, user).is_err() {
                    batch.add_member(&actor, conversation, user, id, Role::Member)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Leaves, or removes somebody.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `last_owner`.
    pub async fn remove_member(&self, actor: Actor, target: Target, user_id: UserId) -> Result<Seq> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let conversation = batch.conversation_of(&target)?;
            batch.check_member(conversation, actor.user)?;
            let user = batch.user_key(user_id)?.ok_or_else(|| Error::refused(Code::NotFound))?;
            batch.check_member(conversation, user)?;
            if user != actor.user {
                batch.check_may_manage(conversation, &actor)?;
                batch.check_outranks(conversation, actor.user, user)?;
            } else if batch.memory.conversation(batch.sql, conversation)?.kind == ConversationKind::Direct {
                return Err(Error::refused(Code::Forbidden));
            }
            batch.check_leaves_an_owner(conversation, user)?;
            batch.drop_member(&actor, conversation, user, user_id)
        })
        .await
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `last_owner`.
    pub async fn change_role(&self, actor: Actor, target: Target, user_id: UserId, role: Role) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let conversation = batch.conversation_of(&target)?;
            batch.check_may_manage(conversation, &actor)?;
            let user = batch.user_key(user_id)?.ok_or_else(|| Error::refused(Code::NotFound))?;
            batch.check_member(conversation, user)?;
            let own = batch.role(conversation, actor.user)?;
            let theirs = batch.role(conversation, user)?;
            if role > own || theirs > own || (theirs == own && user != actor.user && own != Role::Owner) {
                return Err(Error::refused(Code::Forbidden));
            }
            if role != Role::Owner {
                batch.check_leaves_an_owner(conversation, user)?;
            }
            batch
                .sql
                .prepare_cached("update members set role = ?3 where conversation = ?1 and user = ?2")?
                .execute((conversation, user, role_number(role)))?;
            batch.memory.member_changed(batch.sql, conversation, user, 0)?;
            batch.append_system(&actor, conversation, EventBody::RoleChanged { user_id, role })?;
            Ok(())
        })
        .await
    }

    /// Blocks a person, or takes that back: no direct messages, typing or presence between the two.
    ///
    /// # Errors
    /// `not_found` for an unknown person.
    pub async fn block(&self, actor: Actor, user_id: UserId, blocked: bool) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let user = batch.user_key(user_id)?.ok_or_else(|| Error::refused(Code::NotFound))?;
            if user == actor.user {
                return Err(Error::invalid("user_id", "that is you"));
            }
            let statement = if blocked {
                "insert or ignore into blocks (user, blocked) values (?1, ?2)"
            } else {
                "delete from blocks where user = ?1 and blocked = ?2"
            };
            batch.sql.prepare_cached(statement)?.execute((actor.user, user))?;
            batch.put_account(actor.user, format!("block/{user_id}"), json!({ "blocked": blocked }))
        })
        .await
    }
}

impl Batch<'_> {
    pub(crate) fn put_membership(
        &mut self,
        user: UserKey,
        id: ConversationId,
        visible_from: Seq,
        last_seq: Seq,
    ) -> Result<()> {
        let value = serde_json::to_value(Membership::ConversationJoined { visible_from, last_seq })?;
        self.put_account(user, format!("conversation/{id}"), value)
    }

    /// Puts somebody in. Nothing before is unread to them.
    pub(crate) fn add_member(
        &mut self,
        actor: &Actor,
        conversation: ConversationKey,
        user: UserKey,
        user_id: UserId,
        role: Role,
    ) -> Result<()> {
        let state = self.memory.conversation(self.sql, conversation)?;
        let (id, seq, ordinal) = (state.id, state.last_seq.next(), state.ordinal);
        let visible_from = if state.history_since_join { seq } else { Seq(1) };
        let archive = "insert or ignore into past_members (conversation, user, joined_seq, left_seq) \
             select conversation, user, joined_seq, left_seq from members \
             where conversation = ?1 and user = ?2 and left_seq is not null";
        self.sql.prepare_cached(archive)?.execute((conversation, user))?;
        self.sql
            .prepare_cached(
                "insert into members (conversation, user, role, joined_seq, joined_at, read_seq, read_ordinal) \
                 values (?1, ?2, ?3, ?4, ?5, ?4, ?6) on conflict (conversation, user) do update set \
                 role = excluded.role, joined_seq = excluded.joined_seq, left_seq = null, \
                 joined_at = excluded.joined_at, read_generation = read_generation + 1, \
                 read_seq = excluded.read_seq, read_ordinal = excluded.read_ordinal, read_own = own_total, muted = 0",
            )?
            .execute((conversation, user, role_number(role), sql_seq(seq), self.now.0, sql_u64(ordinal)))?;
        self.memory.member_changed(self.sql, conversation, user, 1)?;
        self.put_membership(user, id, visible_from, seq)?;
        self.append_change(
            actor,
            conversation,
            MemberChange::Joined(user),
            EventBody::MemberJoined { user_id, role },
        )?;
        Ok(())
    }

    fn drop_member(
        &mut self,
        actor: &Actor,
        conversation: ConversationKey,
        user: UserKey,
        user_id: UserId,
    ) -> Result<Seq> {
        let state = self.memory.conversation(self.sql, conversation)?;
        let (id, seq) = (state.id, state.last_seq.next());
        self.sql
            .prepare_cached("update members set left_seq = ?3 where conversation = ?1 and user = ?2")?
            .execute((conversation, user, sql_seq(seq)))?;
        self.sql
            .prepare_cached("delete from follows where conversation = ?1 and user = ?2")?
            .execute((conversation, user))?;
        self.sql
            .prepare_cached("delete from mentions where conversation = ?1 and user = ?2")?
            .execute((conversation, user))?;
        self.memory.member_changed(self.sql, conversation, user, -1)?;
        self.put_account(
            user,
            format!("conversation/{id}"),
            serde_json::to_value(Membership::ConversationLeft { seq })?,
        )?;
        self.append_change(actor, conversation, MemberChange::Left(user), EventBody::MemberLeft { user_id })
    }

    fn append_change(
        &mut self,
        actor: &Actor,
        conversation: ConversationKey,
        change: MemberChange,
        body: EventBody,
    ) -> Result<Seq> {
        let detail = serde_json::to_string(&body)?;
        let draft = Draft {
            detail: Some(&detail),
            change: Some(change),
            ..Draft::plain(EventKind::System, (actor.user, actor.user_id), Some(*actor), self.now)
        };
        self.append_event(conversation, draft, |_| body)
    }

    fn role(&mut self, conversation: ConversationKey, user: UserKey) -> Result<Role> {
        Ok(self.memory.member(self.sql, conversation, user)?.map_or(Role::Member, |member| member.role))
    }

    pub(crate) fn check_may_invite(&mut self, conversation: ConversationKey, actor: &Actor) -> Result<()> {
        self.check_member(conversation, actor.user)?;
        let role = self.role(conversation, actor.user)?;
        let is_guest = self.server_role(actor.user)? == ServerRole::Guest;
        let state = self.memory.conversation(self.sql, conversation)?;
        if state.archived {
            return Err(Error::refused(Code::Archived));
        }
        let may = match state.kind {
            ConversationKind::Direct => false,
            ConversationKind::Group => role >= Role::Admin,
            ConversationKind::Channel => !is_guest,
        };
        if may { Ok(()) } else { Err(Error::refused(Code::Forbidden)) }
    }

    fn check_outranks(&mut self, conversation: ConversationKey, user: UserKey, other: UserKey) -> Result<()> {
        let (own, theirs) = (self.role(conversation, user)?, self.role(conversation, other)?);
        if theirs >= own && own != Role::Owner {
            return Err(Error::refused(Code::Forbidden));
        }
        Ok(())
    }

    /// The last owner of a conversation with other members cannot go.
    fn check_leaves_an_owner(&mut self, conversation: ConversationKey, user: UserKey) -> Result<()> {
        if self.role(conversation, user)? != Role::Owner {
            return Ok(());
        }
        let others: Option<i64> = self
            .sql
            .prepare_cached(
                "select role from members where conversation = ?1 and user <> ?2 and left_seq is null \
                 order by role desc limit 1",
            )?
            .query_row((conversation, user), |row| row.get(0))
            .optional()?;
        match others {
            Some(role) if role < role_number(Role::Owner) => Err(Error::refused(Code::LastOwner)),
            _ => Ok(()),
        }
    }

    /// Conversations an invitation brings somebody into; those that are gone or archived are left out.
    pub(crate) fn join_all(
        &mut self,
        actor: &Actor,
        keys: &[ConversationKey],
    ) -> Result<Option<ConversationId>> {
        let mut first = None;
        for key in keys {
            let state: Option<i64> = self
                .sql
                .prepare_cached("select kind from conversations where key = ?1 and archived_at is null")?
                .query_row([key], |row| row.get(0))
                .optional()?;
            let Some(kind) = state.map(kind_of) else { continue };
            if kind == ConversationKind::Direct {
                continue;
            }
            if self.check_member(*key, actor.user).is_err() {
                self.add_member(actor, *key, actor.user, actor.user_id, Role::Member)?;
            }
            first = first.or(Some(self.memory.conversation(self.sql, *key)?.id));
        }
        Ok(first)
    }
}
