//! Thread: replies under a root message. They take a seq like every event but stand in the thread.
//!
//! Authors of root and replies and the mentioned follow a thread; whoever left it does until they write again.

use rusqlite::OptionalExtension;
use stonechat_wire::{Seq, Timestamp};

use crate::append::Target;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::key::{seq, sql_seq, sql_u64, unsigned};
use crate::{Actor, ConversationKey, UserKey};

/// What the store knows of one person's following of one thread.
pub(crate) struct Follow {
    pub(crate) read_generation: u64,
    pub(crate) read_seq: Seq,
}

impl Batch<'_> {
    pub(crate) fn follow(
        &self,
        user: UserKey,
        conversation: ConversationKey,
        root: Seq,
    ) -> Result<Option<Follow>> {
        let mut statement = self.sql.prepare_cached(
            "select read_generation, read_seq from follows \
             where user = ?1 and conversation = ?2 and root_seq = ?3 and following = 1",
        )?;
        let follow = statement.query_row((user, conversation, sql_seq(root)), |row| {
            Ok(Follow { read_generation: unsigned(row.get(0)?), read_seq: seq(row.get(1)?) })
        });
        Ok(follow.optional()?)
    }

    /// Counts a reply into its thread; gives the thread's ordinal at it.
    pub(crate) fn reply_in_thread(
        &mut self,
        conversation: ConversationKey,
        root: Seq,
        reply: Seq,
        at: Timestamp,
        actor: &Actor,
        mentioned: &[UserKey],
    ) -> Result<u64> {
        let mut statement = self.sql.prepare_cached(
            "insert into threads (conversation, root_seq, ordinal, last_seq, last_at) values (?1, ?2, 1, ?3, ?4) \
             on conflict (conversation, root_seq) do update set ordinal = ordinal + 1, last_seq = excluded.last_seq, \
             last_at = excluded.last_at returning ordinal",
        )?;
        let ordinal: i64 =
            statement.query_row((conversation, sql_seq(root), sql_seq(reply), at.0), |row| row.get(0))?;
        let before = unsigned(ordinal) - 1;
        if before == 0 {
            let author = self.author_of(conversation, root)?;
            self.start_following(author, conversation, root, Seq(reply.0 - 1), before)?;
        }
        for user in mentioned {
            self.start_following(*user, conversation, root, Seq(reply.0 - 1), before)?;
        }
        self.follow_by_writing(actor.user, conversation, root, Seq(reply.0 - 1), before)?;
        Ok(unsigned(ordinal))
    }

    fn author_of(&self, conversation: ConversationKey, message: Seq) -> Result<UserKey> {
        let mut statement =
            self.sql.prepare_cached("select sender from events where conversation = ?1 and seq = ?2")?;
        Ok(statement.query_row((conversation, sql_seq(message)), |row| row.get(0))?)
    }

    /// Somebody named or answered follows, unless they once stopped following.
    fn start_following(
        &self,
        user: UserKey,
        conversation: ConversationKey,
        root: Seq,
        read_seq: Seq,
        read_ordinal: u64,
    ) -> Result<()> {
        self.sql
            .prepare_cached(
                "insert or ignore into follows (user, conversation, root_seq, following, read_seq, read_ordinal) \
                 values (?1, ?2, ?3, 1, ?4, ?5)",
            )?
            .execute((user, conversation, sql_seq(root), sql_seq(read_seq), sql_u64(read_ordinal)))?;
        Ok(())
    }

    /// Whoever writes follows; what they wrote is their own and never unread to them.
    fn follow_by_writing(
        &self,
        user: UserKey,
        conversation: ConversationKey,
        root: Seq,
        read_seq: Seq,
        read_ordinal: u64,
    ) -> Result<()> {
        self.sql
            .prepare_cached(
                "insert into follows (user, conversation, root_seq, following, read_seq, read_ordinal, own_total) \
                 values (?1, ?2, ?3, 1, ?4, ?5, 1) on conflict (user, conversation, root_seq) do update set \
                 read_seq = case when following then read_seq else excluded.read_seq end, \
                 read_ordinal = case when following then read_ordinal else excluded.read_ordinal end, \
                 read_own = case when following then read_own else own_total end, \
                 own_total = own_total + 1, following = 1",
            )?
            .execute((user, conversation, sql_seq(root), sql_seq(read_seq), sql_u64(read_ordinal)))?;
        Ok(())
    }

    fn set_follow(
        &mut self,
        actor: &Actor,
        conversation: ConversationKey,
        root: Seq,
        follow: bool,
    ) -> Result<()> {
        let is_root = self
            .sql
            .prepare_cached(
                "select 1 from events where conversation = ?1 and seq = ?2 and kind = 0 and thread is null",
            )?
            .exists((conversation, sql_seq(root)))?;
        if !is_root {
            return Err(Error::invalid("thread", "not a message of the main timeline"));
        }
        let head = self.memory.conversation(self.sql, conversation)?.last_seq;
        self.sql
            .prepare_cached(
                "insert into follows (user, conversation, root_seq, following, read_seq, read_ordinal, own_total, read_own) \
                 select ?1, ?2, ?3, ?4, ?5, coalesce((select ordinal from threads where conversation = ?2 and \
                 root_seq = ?3), 0), n, n from (select count(*) as n from events where conversation = ?2 and \
                 thread = ?3 and sender = ?1 and kind = 0) \
                 where true on conflict (user, conversation, root_seq) do update set \
                 read_seq = case when following then read_seq else excluded.read_seq end, \
                 read_ordinal = case when following then read_ordinal else excluded.read_ordinal end, \
                 own_total = excluded.own_total, \
                 read_own = case when following then read_own else excluded.read_own end, \
                 following = excluded.following",
            )?
            .execute((actor.user, conversation, sql_seq(root), follow, sql_seq(head)))?;
        let id = self.memory.conversation(self.sql, conversation)?.id;
        self.put_account(actor.user, format!("follow/{id}/{root}"), serde_json::json!({ "follow": follow }))
    }
}

impl crate::Writer {
    /// Follows a thread, or stops.
    ///
    /// # Errors
    /// `not_found` for whoever is not a member, `invalid` where there is no such root.
    pub async fn follow(&self, actor: Actor, target: Target, root: Seq, follow: bool) -> Result<()> {
        self.call(move |batch| {
            batch.check_actor(&actor)?;
            let conversation = batch.conversation_of(&target)?;
            batch.check_member(conversation, actor.user)?;
            batch.set_follow(&actor, conversation, root, follow)
        })
        .await
    }
}
