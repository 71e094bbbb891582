//! Amend: what happens to a message after it was sent: edit, delete, reaction, pin.
//!
//! A message keeps its id and place. Invariant: a deletion blanks every text of the message in its own
//! transaction, and the winner of concurrent edits is decided in theirs, the same for everybody.

use rusqlite::OptionalExtension;
use serde_json::value::RawValue;
use stonechat_wire::{
    Ack, ClientId, Code, ConversationKind, EditBody, EventBody, Mentions, MessageId, ReactionAction, Role,
    Seq, Timestamp, UserId, Version,
};

use crate::append::{BodyHash, Target};
use crate::batch::{Batch, Draft};
use crate::commit::Correlation;
use crate::error::{Error, Result};
use crate::event_row::{DEFAULT_CONTENT_TYPE, EditDetail, EventKind, MessageDetail};
use crate::key::{seq, sql_seq};
use crate::{Actor, ConversationKey, UserKey};

/// Who wants something done to which message.
#[derive(Clone, Debug)]
pub struct Amendment {
    pub actor: Actor,
    pub client_id: ClientId,
    pub target: Target,
    pub message_seq: Seq,
    /// How the socket that asked is told.
    pub correlation: Correlation,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Change {
    Edit(Edit),
    Delete,
    React { emoji: String, action: ReactionAction },
    Pin { pinned: bool },
}

#[derive(Clone, Debug)]
pub struct Edit {
    pub content: String,
    pub content_type: Option<String>,
    pub metadata: Option<Box<RawValue>>,
    /// The versions the editor saw.
    pub version: Version,
    /// The device's clock when it was made.
    pub edited_at: Option<Timestamp>,
    pub mentioned: Vec<(UserKey, UserId)>,
    pub mentions_all: bool,
}

/// At most so many different emoji under one message.
const MAX_EMOJI: i64 = 50;

impl crate::Writer {
    /// Edits, deletes, reacts to or pins a message.
    ///
    /// # Errors
    /// The refusals of each change: `not_found`, `forbidden`, `edit_window_closed`, `message_deleted`,
    /// `version_ahead`, `idempotency_mismatch` …
    pub async fn amend(&self, amendment: Amendment, change: Change) -> Result<Ack> {
        self.call(move |batch| amendment.run(batch, &change)).await
    }
}

impl Amendment {
    fn run(&self, batch: &mut Batch<'_>, change: &Change) -> Result<Ack> {
        let hash = self.body_hash(change);
        if let Some(ack) = batch.first_ack(&self.actor, self.client_id, hash)? {
            return Ok(ack);
        }
        batch.check_actor(&self.actor)?;
        let conversation = batch.conversation_of(&self.target)?;
        batch.check_member(conversation, self.actor.user)?;
        let message = batch.find_message(conversation, self.message_seq, self.actor.user)?;
        let head = batch.memory.conversation(batch.sql, conversation)?.last_seq;
        let seq = match change {
            Change::Edit(edit) => self.edit(batch, &message, edit)?,
            Change::Delete => self.delete(batch, &message)?,
            Change::React { emoji, action } => self.react(batch, &message, emoji, *action)?,
            Change::Pin { pinned } => self.pin(batch, &message, *pinned)?,
        };
        batch.claim_request(
            &self.actor,
            self.client_id,
            conversation,
            seq,
            Some(self.message_seq),
            hash,
            batch.now,
        )?;
        let conversation_id = batch.memory.conversation(batch.sql, conversation)?.id;
        Ok(Ack {
            client_id: self.client_id,
            message_id: Some(MessageId::of(conversation_id, self.message_seq)),
            conversation_id,
            seq,
            timestamp: batch.now,
            durability: None,
            // It was as asked already: an earlier event is the answer.
            repeated: seq <= head,
        })
    }

    fn body_hash(&self, change: &Change) -> BodyHash {
        let (name, parts): (&str, Vec<String>) = match change {
            Change::Edit(edit) => (
                "edit",
                vec![
                    edit.content.clone(),
                    edit.content_type.clone().unwrap_or_default(),
                    edit.metadata.as_ref().map_or(String::new(), |json| json.get().to_owned()),
                    format!("{:?}", edit.version),
                ],
            ),
            Change::Delete => ("delete", vec![]),
            Change::React { emoji, action } => ("react", vec![emoji.clone(), format!("{action:?}")]),
            Change::Pin { pinned } => ("pin", vec![pinned.to_string()]),
        };
        let target = format!("{name} {:?} {}", self.target, self.message_seq);
        let parts: Vec<&[u8]> =
            std::iter::once(target.as_bytes()).chain(parts.iter().map(String::as_bytes)).collect();
        BodyHash::of(&parts)
    }

    fn draft(&self, kind: EventKind, now: Timestamp) -> Draft<'static> {
        Draft {
            client_id: Some(self.client_id),
            target: Some(self.message_seq),
            correlation: self.correlation,
            ..Draft::plain(kind, (self.actor.user, self.actor.user_id), Some(self.actor), now)
        }
    }

    fn edit(&self, batch: &mut Batch<'_>, message: &FoundMessage, edit: &Edit) -> Result<Seq> {
        if message.sender != self.actor.user {
            return Err(Error::refused(Code::Forbidden));
        }
        message.check_not_deleted()?;
        batch.check_may_post(message.conversation, &self.actor)?;
        if batch.now > message.created_at.plus(batch.settings.edit_window) {
            return Err(Error::refused(Code::EditWindowClosed));
        }
        let mut state = batch.message_state(message)?;
        if edit.version.iter().any(|(device, count)| state.vector.get(device).copied().unwrap_or(0) < *count)
        {
            return Err(Error::refused(Code::VersionAhead));
        }
        // The server counts this device's edit; what the editor saw plus that is the new text's version.
        let count = state.vector.entry(self.actor.device_id).or_insert(0);
        *count += 1;
        let mut version = edit.version.clone();
        version.insert(self.actor.device_id, *count);
        let edited_at =
            edit.edited_at.unwrap_or(batch.now).clamp(state.current_edited_at.min(batch.now), batch.now);
        let current = wins(&version, edited_at, self.actor.device_id, &state);

        let conversation_id = batch.memory.conversation(batch.sql, message.conversation)?.id;
        let event_seq = batch.memory.conversation(batch.sql, message.conversation)?.last_seq.next();
        let mentions = batch.members_among(message.conversation, &edit.mentioned, edit.mentions_all)?;
        let text = batch.insert_version(
            message.conversation,
            message.seq,
            event_seq,
            &edit.content,
            edit.content_type.as_deref(),
            edit.metadata.as_deref(),
        )?;
        if current {
            batch.move_mentions(message, event_seq, &state.mentions, &mentions)?;
            state.current_version = text;
            state.current_vector = version.clone();
            state.current_edited_at = edited_at;
            state.current_device = Some(self.actor.device);
            state.mentions = mentions.wire.clone();
        }
        batch.put_message_state(message, &state)?;
        let detail = EditDetail {
            thread: message.thread,
            mentions: mentions.wire.clone(),
            version: version.clone(),
            edited_at,
            current,
        };
        let detail = serde_json::to_string(&detail)?;
        let draft =
            Draft { version: Some(text), detail: Some(&detail), ..self.draft(EventKind::Edit, batch.now) };
        let body = EditBody {
            message_id: MessageId::of(conversation_id, message.seq),
            message_seq: message.seq,
            thread: message.thread,
            content: edit.content.clone(),
            content_type: edit.content_type.clone().unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
            metadata: edit.metadata.clone(),
            mentions: mentions.wire,
            version,
            edited_at,
            current,
            deleted: false,
        };
        batch.append_event(message.conversation, draft, |_| EventBody::Edit(body))
    }

    fn delete(&self, batch: &mut Batch<'_>, message: &FoundMessage) -> Result<Seq> {
        if message.sender != self.actor.user && !batch.may_moderate(message.conversation, self.actor.user)? {
            return Err(Error::refused(Code::Forbidden));
        }
        message.check_not_deleted()?;
        batch.blank(message)?;
        let body = EventBody::Delete { message_id: message.id(batch)?, message_seq: message.seq };
        let detail = serde_json::to_string(&body)?;
        let draft = Draft { detail: Some(&detail), ..self.draft(EventKind::Delete, batch.now) };
        batch.append_event(message.conversation, draft, |_| body)
    }

    fn react(
        &self,
        batch: &mut Batch<'_>,
        message: &FoundMessage,
        emoji: &str,
        action: ReactionAction,
    ) -> Result<Seq> {
        message.check_not_deleted()?;
        let row = (message.conversation, sql_seq(message.seq), emoji, self.actor.user);
        let has = batch
            .sql
            .prepare_cached(
                "select seq from reactions where conversation = ?1 and message_seq = ?2 and emoji = ?3 and user = ?4",
            )?
            .query_row(row, |row| row.get::<_, i64>(0))
            .optional()?;
        match (action, has) {
            // It is as asked already: the event that made it so is the answer.
            (ReactionAction::Add, Some(since)) => return Ok(seq(since)),
            (ReactionAction::Remove, None) => {
                return Err(Error::invalid("emoji", "no such reaction of yours"));
            }
            (ReactionAction::Add, None) => batch.check_emoji_room(message, emoji)?,
            (ReactionAction::Remove, Some(_)) => {}
        }
        let body = EventBody::Reaction {
            message_id: message.id(batch)?,
            message_seq: message.seq,
            emoji: emoji.to_owned(),
            action,
        };
        let detail = serde_json::to_string(&body)?;
        let draft = Draft { detail: Some(&detail), ..self.draft(EventKind::Reaction, batch.now) };
        let event_seq = batch.append_event(message.conversation, draft, |_| body)?;
        match action {
            ReactionAction::Add => batch
                .sql
                .prepare_cached(
                    "insert into reactions (conversation, message_seq, emoji, user, seq) values (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((message.conversation, sql_seq(message.seq), emoji, self.actor.user, sql_seq(event_seq)))?,
            ReactionAction::Remove => batch
                .sql
                .prepare_cached(
                    "delete from reactions where conversation = ?1 and message_seq = ?2 and emoji = ?3 and user = ?4",
                )?
                .execute(row)?,
        };
        Ok(event_seq)
    }

    fn pin(&self, batch: &mut Batch<'_>, message: &FoundMessage, pinned: bool) -> Result<Seq> {
        message.check_not_deleted()?;
        batch.check_may_post(message.conversation, &self.actor)?;
        let since = batch
            .sql
            .prepare_cached("select seq from pins where conversation = ?1 and message_seq = ?2")?
            .query_row((message.conversation, sql_seq(message.seq)), |row| row.get::<_, i64>(0))
            .optional()?;
        match (pinned, since) {
            (true, Some(since)) => return Ok(seq(since)),
            (false, None) => return Err(Error::invalid("pinned", "the message is not pinned")),
            _ => {}
        }
        let body = EventBody::Pin { message_id: message.id(batch)?, message_seq: message.seq, pinned };
        let detail = serde_json::to_string(&body)?;
        let draft = Draft { detail: Some(&detail), ..self.draft(EventKind::Pin, batch.now) };
        let event_seq = batch.append_event(message.conversation, draft, |_| body)?;
        batch
            .sql
            .prepare_cached("delete from pins where conversation = ?1 and message_seq = ?2")?
            .execute((message.conversation, sql_seq(message.seq)))?;
        if pinned {
            batch
                .sql
                .prepare_cached("insert into pins (conversation, seq, message_seq) values (?1, ?2, ?3)")?
                .execute((message.conversation, sql_seq(event_seq), sql_seq(message.seq)))?;
        }
        Ok(event_seq)
    }
}

/// Whether an edit's text becomes the message's text: a newer version always, a concurrent one by time, then
/// device.
fn wins(
    version: &Version,
    edited_at: Timestamp,
    device: stonechat_wire::DeviceId,
    state: &MessageState,
) -> bool {
    let dominates = state
        .current_vector
        .iter()
        .all(|(device, count)| version.get(device).is_some_and(|seen| seen >= count));
    if dominates {
        return true;
    }
    (edited_at, Some(device)) > (state.current_edited_at, state.current_device_id)
}

/// The row of a message in the log, and what matters to those who change it.
pub(crate) struct FoundMessage {
    pub(crate) conversation: ConversationKey,
    pub(crate) seq: Seq,
    pub(crate) sender: UserKey,
    pub(crate) created_at: Timestamp,
    pub(crate) thread: Option<Seq>,
    first_version: i64,
    first_mentions: Mentions,
    deleted: bool,
}

/// A row of `message_states`, or what it would hold.
struct MessageState {
    current_version: i64,
    vector: Version,
    current_vector: Version,
    current_edited_at: Timestamp,
    current_device: Option<crate::DeviceKey>,
    current_device_id: Option<stonechat_wire::DeviceId>,
    mentions: Mentions,
}

impl FoundMessage {
    fn check_not_deleted(&self) -> Result<()> {
        if self.deleted { Err(Error::refused(Code::MessageDeleted)) } else { Ok(()) }
    }

    fn id(&self, batch: &mut Batch<'_>) -> Result<MessageId> {
        Ok(MessageId::of(batch.memory.conversation(batch.sql, self.conversation)?.id, self.seq))
    }
}

impl Batch<'_> {
    fn find_message(
        &mut self,
        conversation: ConversationKey,
        message_seq: Seq,
        viewer: UserKey,
    ) -> Result<FoundMessage> {
        let member = self.memory.member(self.sql, conversation, viewer)?.cloned();
        let state = self.memory.conversation(self.sql, conversation)?;
        let visible = member.is_some_and(|member| message_seq >= state.visible_from(&member));
        if state.archived {
            return Err(Error::refused(Code::Archived));
        }
        let mut statement = self.sql.prepare_cached(
            "select e.sender, e.created_at, e.thread, e.version, e.detail, coalesce(s.deleted, 0) from events e \
             left join message_states s on s.conversation = e.conversation and s.message_seq = e.seq \
             where e.conversation = ?1 and e.seq = ?2 and e.kind = 0",
        )?;
        let found = statement
            .query_row((conversation, sql_seq(message_seq)), |row| {
                let detail: Option<String> = row.get(4)?;
                let detail = detail.and_then(|json| serde_json::from_str::<MessageDetail>(&json).ok());
                Ok(FoundMessage {
                    conversation,
                    seq: message_seq,
                    sender: row.get(0)?,
                    created_at: Timestamp(row.get(1)?),
                    thread: row.get::<_, Option<i64>>(2)?.map(seq),
                    first_version: row.get(3)?,
                    first_mentions: detail.unwrap_or_default().mentions,
                    deleted: row.get(5)?,
                })
            })
            .optional()?;
        found.filter(|_| visible).ok_or_else(|| Error::refused(Code::NotFound))
    }

    fn message_state(&self, message: &FoundMessage) -> Result<MessageState> {
        let mut statement = self.sql.prepare_cached(
            "select s.current_version, s.vector, s.current_vector, s.current_edited_at, s.current_device, s.mentions, \
             d.id from message_states s left join devices d on d.key = s.current_device \
             where s.conversation = ?1 and s.message_seq = ?2",
        )?;
        let found = statement
            .query_row((message.conversation, sql_seq(message.seq)), |row| {
                let json = |text: Option<String>| text.unwrap_or_default();
                Ok(MessageState {
                    current_version: row.get(0)?,
                    vector: serde_json::from_str(&json(row.get(1)?)).unwrap_or_default(),
                    current_vector: serde_json::from_str(&json(row.get(2)?)).unwrap_or_default(),
                    current_edited_at: row.get::<_, Option<i64>>(3)?.map_or(message.created_at, Timestamp),
                    current_device: row.get(4)?,
                    current_device_id: row
                        .get::<_, Option<Vec<u8>>>(6)?
                        .map(|id| stonechat_wire::DeviceId(crate::key::uuid(&id))),
                    mentions: serde_json::from_str(&json(row.get(5)?)).unwrap_or_default(),
                })
            })
            .optional()?;
        Ok(found.unwrap_or_else(|| MessageState {
            current_version: message.first_version,
            vector: Version::new(),
            current_vector: Version::new(),
            current_edited_at: message.created_at,
            current_device: None,
            current_device_id: None,
            mentions: message.first_mentions.clone(),
        }))
    }

    fn put_message_state(&self, message: &FoundMessage, state: &MessageState) -> Result<()> {
        self.sql
            .prepare_cached(
                "insert into message_states (conversation, message_seq, current_version, vector, current_vector, \
                 current_edited_at, current_device, mentions) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                 on conflict (conversation, message_seq) do update set current_version = excluded.current_version, \
                 vector = excluded.vector, current_vector = excluded.current_vector, \
                 current_edited_at = excluded.current_edited_at, current_device = excluded.current_device, \
                 mentions = excluded.mentions",
            )?
            .execute((
                message.conversation,
                sql_seq(message.seq),
                state.current_version,
                serde_json::to_string(&state.vector)?,
                serde_json::to_string(&state.current_vector)?,
                (!state.current_vector.is_empty()).then_some(state.current_edited_at.0),
                state.current_device,
                serde_json::to_string(&state.mentions)?,
            ))?;
        Ok(())
    }

    /// An edit drops the mentions it no longer has; one it adds stands at the edit's seq.
    fn move_mentions(
        &self,
        message: &FoundMessage,
        event_seq: Seq,
        before: &Mentions,
        after: &crate::append::MentionedMembers,
    ) -> Result<()> {
        let mut added = crate::append::MentionedMembers {
            keys: Vec::new(),
            all: after.all && !before.all,
            wire: Mentions::default(),
        };
        for (key, id) in after.keys.iter().zip(&after.wire.users) {
            if !before.users.contains(id) {
                added.keys.push(*key);
            }
        }
        let kept: Vec<String> =
            after.keys.iter().map(|key| key.0.to_string()).chain(after.all.then(|| "0".to_owned())).collect();
        self.sql
            .prepare_cached(
                "delete from mentions where conversation = ?1 and message_seq = ?2 \
                 and user not in (select value from json_each(?3))",
            )?
            .execute((message.conversation, sql_seq(message.seq), format!("[{}]", kept.join(","))))?;
        self.insert_mentions(
            message.conversation,
            event_seq,
            message.seq,
            message.thread,
            message.sender,
            &added,
        )
    }

    /// Blanks every text of a message and takes off what hangs on it.
    fn blank(&mut self, message: &FoundMessage) -> Result<()> {
        let state = self.message_state(message)?;
        self.put_message_state(message, &state)?;
        let place = (message.conversation, sql_seq(message.seq));
        for statement in [
            "update message_states set deleted = 1, mentions = null where conversation = ?1 and message_seq = ?2",
            "update versions set content = null, content_type = null, metadata = null \
             where conversation = ?1 and message_seq = ?2 and seq <> message_seq",
            "delete from mentions where conversation = ?1 and message_seq = ?2",
            "delete from reactions where conversation = ?1 and message_seq = ?2",
            "delete from pins where conversation = ?1 and message_seq = ?2",
        ] {
            self.sql.prepare_cached(statement)?.execute(place)?;
        }
        self.sql
            .prepare_cached(
                "update versions set content = null, content_type = null, metadata = null where id = ?1",
            )?
            .execute([message.first_version])?;
        self.sql
            .prepare_cached(
                "insert into tombstones (conversation, message_seq, sender, thread) values (?1, ?2, ?3, ?4)",
            )?
            .execute((
                message.conversation,
                sql_seq(message.seq),
                message.sender,
                message.thread.map(sql_seq),
            ))?;
        match message.thread {
            None => {
                let conversation = self.memory.conversation(self.sql, message.conversation)?;
                conversation.last_tombstone_seq = conversation.last_tombstone_seq.max(message.seq);
                self.memory.touch_conversation(message.conversation);
            }
            Some(root) => {
                self.sql
                    .prepare_cached(
                        "update threads set deleted = deleted + 1, last_tombstone_seq = max(last_tombstone_seq, ?3) \
                         where conversation = ?1 and root_seq = ?2",
                    )?
                    .execute((message.conversation, sql_seq(root), sql_seq(message.seq)))?;
            }
        }
        Ok(())
    }

    fn may_moderate(&mut self, conversation: ConversationKey, user: UserKey) -> Result<bool> {
        let is_direct = self.memory.conversation(self.sql, conversation)?.kind == ConversationKind::Direct;
        let role =
            self.memory.member(self.sql, conversation, user)?.map_or(Role::Member, |member| member.role);
        Ok(!is_direct && role >= Role::Admin)
    }

    fn check_emoji_room(&self, message: &FoundMessage, emoji: &str) -> Result<()> {
        let mut statement = self.sql.prepare_cached(
            "select count(distinct emoji) from reactions where conversation = ?1 and message_seq = ?2 and emoji <> ?3",
        )?;
        let others: i64 =
            statement.query_row((message.conversation, sql_seq(message.seq), emoji), |row| row.get(0))?;
        if others >= MAX_EMOJI {
            return Err(Error::invalid("emoji", "too many different reactions on this message"));
        }
        Ok(())
    }
}
