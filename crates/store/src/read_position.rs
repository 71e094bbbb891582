//! Read position: `(generation, seq)` per member, moved forward by reading, started anew by marking unread.
//!
//! Unread is arithmetic on ordinals, never counted up and down. Invariant: within a generation a position only
//! moves forward, and never beyond the head.

use rusqlite::OptionalExtension;
use stonechat_wire::{Code, ReadPosition, Seq};

use crate::append::Target;
use crate::batch::Batch;
use crate::commit::{Answer, Correlation};
use crate::error::{Error, Result};
use crate::key::{sql_seq, sql_u64, unsigned};
use crate::{Actor, ConversationKey, UserKey};

/// "I have read up to here", of the main timeline or of one thread.
#[derive(Debug)]
pub struct Reading {
    pub actor: Actor,
    pub target: Target,
    pub thread: Option<Seq>,
    pub position: ReadPosition,
    pub correlation: Correlation,
}

impl Reading {
    pub(crate) fn run(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        batch.check_actor(&self.actor)?;
        let conversation = batch.conversation_of(&self.target)?;
        batch.check_member(conversation, self.actor.user)?;
        match self.thread {
            None => batch.read_timeline(conversation, &self.actor, self.position),
            Some(root) => batch.read_thread(conversation, &self.actor, root, self.position),
        }
    }

    pub(crate) fn answer(self, result: Result<()>, answers: &mut Vec<Answer>) {
        // A position that moved shows itself in the account state; only a refusal is told.
        if let Err(error) = result {
            answers.push(Answer { correlation: self.correlation, client_id: None, result: Err(error) });
        }
    }
}

impl Batch<'_> {
    pub(crate) fn conversation_of(&mut self, target: &Target) -> Result<ConversationKey> {
        let key = match target {
            Target::Conversation(id) => self.memory.key_of(self.sql, *id)?,
            Target::Channel(handle) => self.channel_by_handle(handle)?,
            Target::Person(_) => None,
        };
        key.ok_or_else(|| Error::refused(Code::NotFound))
    }

    /// Absent to whoever is not in it now.
    pub(crate) fn check_member(&mut self, conversation: ConversationKey, user: UserKey) -> Result<()> {
        match self.memory.member(self.sql, conversation, user)? {
            Some(member) if !member.left => Ok(()),
            _ => Err(Error::refused(Code::NotFound)),
        }
    }

    fn read_timeline(
        &mut self,
        conversation: ConversationKey,
        actor: &Actor,
        to: ReadPosition,
    ) -> Result<()> {
        let head = self.memory.conversation(self.sql, conversation)?.last_seq;
        let Some(member) = self.memory.member(self.sql, conversation, actor.user)?.cloned() else {
            return Ok(());
        };
        check_generation(to, member.read_generation)?;
        let seq = to.read_seq.min(head);
        if to.read_generation < member.read_generation || seq <= member.read_seq {
            return Ok(());
        }
        self.set_read(conversation, actor, member.read_generation, seq)
    }

    /// Sending carries what was on screen; it moves the position of the current generation.
    pub(crate) fn read_along(
        &mut self,
        conversation: ConversationKey,
        actor: &Actor,
        read_seq: Seq,
    ) -> Result<()> {
        let head = self.memory.conversation(self.sql, conversation)?.last_seq;
        let Some(member) = self.memory.member(self.sql, conversation, actor.user)?.cloned() else {
            return Ok(());
        };
        let seq = read_seq.min(head);
        if seq <= member.read_seq {
            return Ok(());
        }
        self.set_read(conversation, actor, member.read_generation, seq)
    }

    /// Everything from `seq` on is unread again: the generation rises, so that a late `read` cannot undo it.
    pub(crate) fn mark_timeline_unread(
        &mut self,
        conversation: ConversationKey,
        actor: &Actor,
        from: Seq,
    ) -> Result<()> {
        let head = self.memory.conversation(self.sql, conversation)?.last_seq;
        let Some(member) = self.memory.member(self.sql, conversation, actor.user)?.cloned() else {
            return Ok(());
        };
        let visible_from = self.memory.conversation(self.sql, conversation)?.visible_from(&member);
        if from < visible_from || from > head {
            return Err(Error::invalid("seq", "no such message"));
        }
        self.set_read(conversation, actor, member.read_generation + 1, Seq(from.0 - 1))
    }

    fn set_read(
        &mut self,
        conversation: ConversationKey,
        actor: &Actor,
        generation: u64,
        seq: Seq,
    ) -> Result<()> {
        let state = self.memory.conversation(self.sql, conversation)?;
        let (id, head, ordinal) = (state.id, state.last_seq, state.ordinal);
        let read_ordinal = if seq == head { ordinal } else { self.ordinal_at(conversation, seq)? };
        let own_after = if seq == head { 0 } else { self.own_messages_after(conversation, actor.user, seq)? };
        let Some(member) = self.memory.member(self.sql, conversation, actor.user)? else { return Ok(()) };
        member.read_generation = generation;
        member.read_seq = seq;
        member.read_ordinal = read_ordinal;
        member.read_own = member.own_total.saturating_sub(own_after);
        self.memory.touch_member(conversation, actor.user);
        self.put_account(actor.user, format!("read/{id}"), position_value(generation, seq))?;
        self.put_receipt(conversation, actor.user, actor.user_id, seq)
    }

    fn ordinal_at(&self, conversation: ConversationKey, seq: Seq) -> Result<u64> {
        let mut statement = self.sql.prepare_cached(
            "select ordinal from events where conversation = ?1 and seq <= ?2 order by seq desc limit 1",
        )?;
        Ok(statement
            .query_row((conversation, sql_seq(seq)), |row| row.get(0))
            .optional()?
            .map_or(0, unsigned))
    }

    fn own_messages_after(&self, conversation: ConversationKey, user: UserKey, seq: Seq) -> Result<u64> {
        let mut statement = self.sql.prepare_cached(
            "select count(*) from events where conversation = ?1 and seq > ?2 and sender = ?3 and kind = 0 \
             and thread is null",
        )?;
        Ok(unsigned(statement.query_row((conversation, sql_seq(seq), user), |row| row.get(0))?))
    }

    fn read_thread(
        &mut self,
        conversation: ConversationKey,
        actor: &Actor,
        root: Seq,
        to: ReadPosition,
    ) -> Result<()> {
        let Some(follow) = self.follow(actor.user, conversation, root)? else {
            // Nothing is unread in a thread that is not followed.
            return Ok(());
        };
        check_generation(to, follow.read_generation)?;
        let head = self.memory.conversation(self.sql, conversation)?.last_seq;
        let seq = to.read_seq.min(head);
        if to.read_generation < follow.read_generation || seq <= follow.read_seq {
            return Ok(());
        }
        self.set_thread_read(conversation, actor, root, follow.read_generation, seq)
    }

    pub(crate) fn mark_thread_unread(
        &mut self,
        conversation: ConversationKey,
        actor: &Actor,
        root: Seq,
        from: Seq,
    ) -> Result<()> {
        let Some(follow) = self.follow(actor.user, conversation, root)? else {
            return Err(Error::invalid("thread", "not followed"));
        };
        if from <= root || from > self.memory.conversation(self.sql, conversation)?.last_seq {
            return Err(Error::invalid("seq", "no such message"));
        }
        self.set_thread_read(conversation, actor, root, follow.read_generation + 1, Seq(from.0 - 1))
    }

    fn set_thread_read(
        &mut self,
        conversation: ConversationKey,
        actor: &Actor,
        root: Seq,
        generation: u64,
        seq: Seq,
    ) -> Result<()> {
        let mut statement = self.sql.prepare_cached(
            "select count(*), coalesce(sum(sender = ?4), 0) from events where conversation = ?1 and thread = ?2 \
             and seq > ?3 and kind = 0",
        )?;
        let after = statement.query_row((conversation, sql_seq(root), sql_seq(seq), actor.user), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        self.sql
            .prepare_cached(
                "update follows set read_generation = ?4, read_seq = ?5, read_own = own_total - ?7, read_ordinal = \
                 (select ordinal from threads where conversation = ?2 and root_seq = ?3) - ?6 \
                 where user = ?1 and conversation = ?2 and root_seq = ?3",
            )?
            .execute((
                actor.user,
                conversation,
                sql_seq(root),
                sql_u64(generation),
                sql_seq(seq),
                after.0,
                after.1,
            ))?;
        let id = self.memory.conversation(self.sql, conversation)?.id;
        self.put_account(actor.user, format!("read/{id}/{root}"), position_value(generation, seq))
    }
}

/// A device cannot know a generation the server has not made.
fn check_generation(to: ReadPosition, current: u64) -> Result<()> {
    if to.read_generation > current {
        return Err(Error::invalid("read_generation", "ahead of the server"));
    }
    Ok(())
}

fn position_value(read_generation: u64, read_seq: Seq) -> serde_json::Value {
    serde_json::json!({ "read_generation": read_generation, "read_seq": read_seq })
}

impl crate::Writer {
    /// Moves a read position and waits for its commit.
    ///
    /// # Errors
    /// `not_found` for whoever is not a member, `invalid` for a generation the server has not made.
    pub async fn read_and_wait(&self, mut reading: Reading) -> Result<()> {
        self.call(move |batch| reading.run(batch)).await
    }

    /// Marks everything from `seq` on as unread, in the main timeline or a thread.
    ///
    /// # Errors
    /// `not_found` for whoever is not a member, `invalid` for a seq that is not there.
    pub async fn mark_unread(
        &self,
        actor: Actor,
        target: Target,
        thread: Option<Seq>,
        seq: Seq,
    ) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let conversation = batch.conversation_of(&target)?;
            batch.check_member(conversation, actor.user)?;
            match thread {
                None => batch.mark_timeline_unread(conversation, &actor, seq),
                Some(root) => batch.mark_thread_unread(conversation, &actor, root, seq),
            }
        })
        .await
    }
}
