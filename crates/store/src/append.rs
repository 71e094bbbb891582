//! Append: a message takes its place in a conversation's log. The hot path of the store.
//!
//! Invariant: membership, role, block and the request key are judged in the transaction that writes.

use rusqlite::OptionalExtension;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use stonechat_wire::{
    Ack, ClientId, Code, ConversationId, ConversationKind, EventBody, Mentions, MessageBody, MessageId,
    Posting, Role, Seq, Timestamp, UserId, Version,
};
use tokio::sync::oneshot;

use crate::batch::{Batch, Draft};
use crate::commit::{Answer, Correlation};
use crate::error::{Error, Failure, Result};
use crate::event_row::{DEFAULT_CONTENT_TYPE, EventKind, MessageDetail};
use crate::key::{seq, sql_seq, uuid};
use crate::{Actor, ConversationKey, UserKey};

/// A message on its way into the log.
pub struct Append {
    pub actor: Actor,
    pub client_id: ClientId,
    pub target: Target,
    pub content: String,
    /// `None`: `text/markdown`.
    pub content_type: Option<String>,
    pub metadata: Option<Box<RawValue>>,
    pub reply_to: Option<Seq>,
    pub thread: Option<Seq>,
    /// The newest event the sender had on screen.
    pub read_seq: Option<Seq>,
    /// People named in the text; those who are members are mentioned.
    pub mentioned: Vec<(UserKey, UserId)>,
    pub mentions_all: bool,
    /// Of imports: when it was sent. `None`: now.
    pub sent_at: Option<Timestamp>,
    /// How the socket that sent it is told; see [`Correlation`].
    pub correlation: Correlation,
    /// Whoever else waits for the answer.
    pub reply: Option<oneshot::Sender<Result<Ack>>>,
}

impl Append {
    /// A plain message of the main timeline, sent now, for whose answer nobody waits; the rest is set by who needs it.
    pub fn new(actor: Actor, client_id: ClientId, target: Target, content: String) -> Self {
        Self {
            actor,
            client_id,
            target,
            content,
            content_type: None,
            metadata: None,
            reply_to: None,
            thread: None,
            read_seq: None,
            mentioned: Vec::new(),
            mentions_all: false,
            sent_at: None,
            correlation: Correlation(0),
            reply: None,
        }
    }
}

/// An answer to whoever waits for it, sent after the commit was handed on.
pub(crate) struct Reply {
    reply: oneshot::Sender<Result<Ack>>,
    result: Result<Ack>,
}

impl Reply {
    pub(crate) fn send(self) {
        // The asker may have gone; the message stands all the same.
        drop(self.reply.send(self.result));
    }
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Conversation(ConversationId),
    Channel(String),
    /// The direct conversation with this person, which is made where there is none.
    Person(UserId),
}

/// Identifies the body of a request, so that the same `client_id` with another body is noticed.
/// The first eight bytes of SHA-256 over the fields, each with its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHash(pub i64);

impl BodyHash {
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(i64::from_be_bytes(first))
    }
}

impl Append {
    fn body_hash(&self) -> BodyHash {
        let target = match &self.target {
            Target::Conversation(id) => id.to_string(),
            Target::Channel(handle) => handle.clone(),
            Target::Person(id) => format!("to {id}"),
        };
        let number = |seq: Option<Seq>| seq.map_or([0; 8], |seq| seq.0.to_be_bytes());
        BodyHash::of(&[
            target.as_bytes(),
            self.content.as_bytes(),
            self.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE).as_bytes(),
            self.metadata.as_ref().map_or("", |json| json.get()).as_bytes(),
            &number(self.reply_to),
            &number(self.thread),
        ])
    }

    /// Writes the message, or finds the ack of the first time. Whoever waits on a channel of their own is answered by
    /// the ack; a socket, of what was written now, by its entry.
    pub(crate) fn run(&mut self, batch: &mut Batch<'_>) -> Result<Option<Ack>> {
        match self.write_once(batch)? {
            Written::Now(_) if self.reply.is_none() => Ok(None),
            Written::Now(ack) | Written::Before(ack) => Ok(Some(ack)),
        }
    }

    /// The ack, written now or before.
    pub(crate) fn run_for_ack(&mut self, batch: &mut Batch<'_>) -> Result<Ack> {
        let (Written::Now(ack) | Written::Before(ack)) = self.write_once(batch)?;
        Ok(ack)
    }

    fn write_once(&mut self, batch: &mut Batch<'_>) -> Result<Written> {
        let hash = self.body_hash();
        match self.check(batch) {
            Ok(checked) => self.write(batch, &checked, hash),
            // Whoever may no longer write here still learns what became of what they wrote.
            Err(error @ Error::Refused(_)) => {
                batch.first_ack(&self.actor, self.client_id, hash)?.map(Written::Before).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Where the answer goes: to whoever waits, or with the commit to the socket that asked.
    pub(crate) fn answer(
        self,
        result: Result<Option<Ack>>,
        answers: &mut Vec<Answer>,
        replies: &mut Vec<Reply>,
    ) {
        match (self.reply, result) {
            // A socket's own message is acknowledged by its entry, in its place.
            (None, Ok(None)) => {}
            (None, result) => {
                let result = result.and_then(|ack| ack.ok_or(Error::refused(Code::Internal)));
                answers.push(Answer {
                    correlation: self.correlation,
                    client_id: Some(self.client_id),
                    result,
                });
            }
            (Some(reply), result) => {
                let result = result.and_then(|ack| ack.ok_or(Error::refused(Code::Internal)));
                replies.push(Reply { reply, result });
            }
        }
    }

    fn check(&self, batch: &mut Batch<'_>) -> Result<Checked> {
        batch.check_actor(&self.actor)?;
        let conversation = match &self.target {
            Target::Conversation(id) => batch.memory.key_of(batch.sql, *id)?,
            Target::Channel(handle) => batch.channel_by_handle(handle)?,
            Target::Person(id) => Some(batch.direct_with(&self.actor, *id)?),
        };
        let conversation = conversation.ok_or_else(|| Error::refused(Code::NotFound))?;
        let visible_from = batch.check_may_post(conversation, &self.actor)?;
        let head = batch.memory.conversation(batch.sql, conversation)?.last_seq;
        if self.reply_to.is_some_and(|to| to < visible_from || to > head) {
            return Err(Error::invalid("reply_to", "no such message"));
        }
        if let Some(root) = self.thread {
            batch.check_thread_root(conversation, root, visible_from)?;
        }
        Ok(Checked { conversation })
    }

    fn write(&mut self, batch: &mut Batch<'_>, checked: &Checked, hash: BodyHash) -> Result<Written> {
        let conversation = checked.conversation;
        let state = batch.memory.conversation(batch.sql, conversation)?;
        let (conversation_id, seq) = (state.id, state.last_seq.next());
        let created_at = self.sent_at.unwrap_or(batch.now);
        if !batch.claim_request(&self.actor, self.client_id, conversation, seq, None, hash, created_at)? {
            let first = batch.first_ack(&self.actor, self.client_id, hash)?;
            return first
                .map(Written::Before)
                .ok_or_else(|| Failure::Corrupt("a request key has no row").into());
        }
        if let Some(read_seq) = self.read_seq {
            batch.read_along(conversation, &self.actor, read_seq)?;
        }
        let mentions = batch.members_among(conversation, &self.mentioned, self.mentions_all)?;
        let version = batch.insert_version(
            conversation,
            seq,
            seq,
            &self.content,
            self.content_type.as_deref(),
            self.metadata.as_deref(),
        )?;
        let thread_ordinal = match self.thread {
            Some(root) => Some(batch.reply_in_thread(
                conversation,
                root,
                seq,
                created_at,
                &self.actor,
                &mentions.keys,
            )?),
            None => None,
        };
        let detail = MessageDetail { reply_to: self.reply_to, mentions: mentions.wire.clone() };
        let detail = (detail.reply_to.is_some() || !detail.mentions.is_empty())
            .then(|| serde_json::to_string(&detail))
            .transpose()?;
        let draft = Draft {
            client_id: Some(self.client_id),
            created_at,
            counts: self.thread.is_none(),
            thread: self.thread,
            thread_ordinal,
            version: Some(version),
            detail: detail.as_deref(),
            correlation: self.correlation,
            ..Draft::plain(
                EventKind::Message,
                (self.actor.user, self.actor.user_id),
                Some(self.actor),
                created_at,
            )
        };
        let body = MessageBody {
            message_id: MessageId::of(conversation_id, seq),
            content: self.content.clone(),
            content_type: self.content_type.clone().unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
            metadata: self.metadata.clone(),
            reply_to: self.reply_to,
            thread: self.thread,
            thread_ordinal,
            mentions: mentions.wire.clone(),
            version: Version::new(),
            deleted: false,
        };
        batch.append_event(conversation, draft, |_| EventBody::Message(body))?;
        batch.insert_mentions(conversation, seq, seq, self.thread, self.actor.user, &mentions)?;
        batch.count_own(conversation, self.actor.user, seq, self.thread.is_none())?;
        let ack = Ack {
            client_id: self.client_id,
            message_id: Some(MessageId::of(conversation_id, seq)),
            conversation_id,
            seq,
            timestamp: created_at,
            durability: None,
            repeated: false,
        };
        Ok(Written::Now(ack))
    }
}

/// What became of a message.
enum Written {
    Now(Ack),
    Before(Ack),
}

struct Checked {
    conversation: ConversationKey,
}

/// Mentioned members by key and as the wire names them.
pub(crate) struct MentionedMembers {
    pub(crate) keys: Vec<UserKey>,
    pub(crate) all: bool,
    pub(crate) wire: Mentions,
}

/// Of more mentions than this in one message the rest stays text.
const MAX_MENTIONS: usize = 50;

impl Batch<'_> {
    /// Refuses whoever may not write here; gives the first seq they may see.
    pub(crate) fn check_may_post(&mut self, conversation: ConversationKey, actor: &Actor) -> Result<Seq> {
        let Some(member) = self.memory.member(self.sql, conversation, actor.user)? else {
            return Err(Error::refused(Code::NotFound));
        };
        if member.left {
            return Err(Error::refused(Code::NotFound));
        }
        let member = member.clone();
        let state = self.memory.conversation(self.sql, conversation)?;
        if state.archived {
            return Err(Error::refused(Code::Archived));
        }
        if state.posting == Posting::Admins && member.role == Role::Member {
            return Err(Error::refused(Code::PostingRestricted));
        }
        let visible_from = state.visible_from(&member);
        if let (ConversationKind::Direct, Some((low, high))) = (state.kind, state.direct) {
            let other = if low == actor.user { high } else { low };
            self.check_not_blocked(actor.user, other)?;
        }
        Ok(visible_from)
    }

    pub(crate) fn check_not_blocked(&self, one: UserKey, other: UserKey) -> Result<()> {
        let mut statement = self.sql.prepare_cached(
            "select 1 from blocks where (user = ?1 and blocked = ?2) or (user = ?2 and blocked = ?1)",
        )?;
        if statement.exists((one, other))? { Err(Error::refused(Code::Blocked)) } else { Ok(()) }
    }

    /// Writes the request key. `false`: this device used this `client_id` before.
    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    pub(crate) fn claim_request(
        &self,
        actor: &Actor,
        client_id: ClientId,
        conversation: ConversationKey,
        seq: Seq,
        message_seq: Option<Seq>,
        hash: BodyHash,
        created_at: Timestamp,
    ) -> Result<bool> {
        let inserted = self
            .sql
            .prepare_cached(
                "insert into requests (device, client_id, conversation, seq, message_seq, body_hash, created_at) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict (client_id, device) do nothing",
            )?
            .execute((
                actor.device,
                client_id.0.as_bytes().as_slice(),
                conversation,
                sql_seq(seq),
                message_seq.map(sql_seq),
                hash.0,
                created_at.0,
            ))?;
        Ok(inserted == 1)
    }

    /// The ack a request got the first time.
    ///
    /// # Errors
    /// `idempotency_mismatch` where the body was another.
    pub(crate) fn first_ack(
        &self,
        actor: &Actor,
        client_id: ClientId,
        hash: BodyHash,
    ) -> Result<Option<Ack>> {
        let mut statement = self.sql.prepare_cached(
            "select c.id, r.seq, r.message_seq, r.body_hash, r.created_at, e.kind from requests r \
             join conversations c on c.key = r.conversation \
             left join events e on e.conversation = r.conversation and e.seq = r.seq \
             where r.device = ?1 and r.client_id = ?2",
        )?;
        let found = statement
            .query_row((actor.device, client_id.0.as_bytes().as_slice()), |row| {
                Ok((
                    ConversationId(uuid(row.get_ref(0)?.as_blob()?)),
                    seq(row.get(1)?),
                    row.get::<_, Option<i64>>(2)?.map(seq),
                    row.get::<_, i64>(3)?,
                    Timestamp(row.get(4)?),
                ))
            })
            .optional()?;
        let Some((conversation_id, seq, message_seq, first_hash, timestamp)) = found else { return Ok(None) };
        if first_hash != hash.0 {
            return Err(Error::refused(Code::IdempotencyMismatch));
        }
        let message_id = Some(MessageId::of(conversation_id, message_seq.unwrap_or(seq)));
        Ok(Some(Ack {
            client_id,
            message_id,
            conversation_id,
            seq,
            timestamp,
            durability: None,
            repeated: true,
        }))
    }

    pub(crate) fn insert_version(
        &self,
        conversation: ConversationKey,
        message_seq: Seq,
        seq: Seq,
        content: &str,
        content_type: Option<&str>,
        metadata: Option<&RawValue>,
    ) -> Result<i64> {
        self.sql
            .prepare_cached(
                "insert into versions (conversation, message_seq, seq, content, content_type, metadata) \
                 values (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                conversation,
                sql_seq(message_seq),
                sql_seq(seq),
                content,
                content_type.filter(|kind| *kind != DEFAULT_CONTENT_TYPE),
                metadata.map(RawValue::get),
            ))?;
        Ok(self.sql.last_insert_rowid())
    }

    /// Those of the named people who are members now.
    pub(crate) fn members_among(
        &mut self,
        conversation: ConversationKey,
        named: &[(UserKey, UserId)],
        all: bool,
    ) -> Result<MentionedMembers> {
        let mut mentioned =
            MentionedMembers { keys: Vec::new(), all, wire: Mentions { users: Vec::new(), all } };
        for (user, user_id) in named {
            let is_member =
                self.memory.member(self.sql, conversation, *user)?.is_some_and(|member| !member.left);
            if is_member && !mentioned.keys.contains(user) && mentioned.keys.len() < MAX_MENTIONS {
                mentioned.keys.push(*user);
                mentioned.wire.users.push(*user_id);
            }
        }
        Ok(mentioned)
    }

    pub(crate) fn insert_mentions(
        &self,
        conversation: ConversationKey,
        event_seq: Seq,
        message_seq: Seq,
        thread: Option<Seq>,
        sender: UserKey,
        mentioned: &MentionedMembers,
    ) -> Result<()> {
        let everybody = mentioned.all.then_some(UserKey(0));
        for user in mentioned.keys.iter().copied().chain(everybody) {
            self.sql
                .prepare_cached(
                    "insert or ignore into mentions (user, conversation, event_seq, message_seq, sender, thread) \
                     values (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute((
                    user,
                    conversation,
                    sql_seq(event_seq),
                    sql_seq(message_seq),
                    sender,
                    thread.map(sql_seq),
                ))?;
        }
        Ok(())
    }

    /// Counts a message as its sender's own, so that it is never unread to them.
    fn count_own(
        &mut self,
        conversation: ConversationKey,
        user: UserKey,
        seq: Seq,
        in_timeline: bool,
    ) -> Result<()> {
        if let Some(member) = self.memory.member(self.sql, conversation, user)? {
            member.last_spoke_seq = Some(seq);
            if in_timeline {
                member.own_total += 1;
            }
            self.memory.touch_member(conversation, user);
        }
        Ok(())
    }

    pub(crate) fn channel_by_handle(&self, handle: &str) -> Result<Option<ConversationKey>> {
        let mut statement = self.sql.prepare_cached("select key from conversations where handle = ?1")?;
        Ok(statement.query_row([handle], |row| row.get(0)).optional()?)
    }

    /// Refuses a thread whose root is not a main-timeline message the sender may see.
    fn check_thread_root(&self, conversation: ConversationKey, root: Seq, visible_from: Seq) -> Result<()> {
        let mut statement = self.sql.prepare_cached(
            "select 1 from events where conversation = ?1 and seq = ?2 and kind = 0 and thread is null",
        )?;
        if root < visible_from || !statement.exists((conversation, sql_seq(root)))? {
            let params = json!({"field": "thread", "reason": "not a message of the main timeline"});
            return Err(Error::Refused(crate::Refusal { code: Code::Invalid, params }));
        }
        Ok(())
    }
}
