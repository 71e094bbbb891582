//! Batch: one transaction of the writer while it is being filled.
//!
//! Every event and every replaced account-state row takes the next position here, and every event the next seq of
//! its conversation. Invariant: what can refuse an operation runs before anything of it is written.

use rusqlite::Connection;
use serde_json::Value;
use stonechat_wire::{AccountEntry, ClientId, Code, Event, EventBody, Seq, Timestamp, UserId};

use crate::commit::{Correlation, Entry, EventEntry, MemberChange, Recipients};
use crate::error::{Error, Result};
use crate::event_row::EventKind;
use crate::key::{sql_seq, sql_u64};
use crate::memory::Memory;
use crate::{Actor, ConversationKey, Origin, Position, UserKey};

/// An open transaction, what the writer remembers, and what the commit will hand on.
pub(crate) struct Batch<'a> {
    pub(crate) sql: &'a Connection,
    pub(crate) memory: &'a mut Memory,
    pub(crate) now: Timestamp,
    pub(crate) origin: Origin,
    /// The last position given.
    pub(crate) position: Position,
    pub(crate) entries: Vec<Entry>,
    pub(crate) settings: crate::writer::Settings,
}

/// An event before it has its place.
pub(crate) struct Draft<'a> {
    pub(crate) kind: EventKind,
    /// Who did it: key and id.
    pub(crate) sender: (UserKey, UserId),
    /// With which device; `None` where the server did it.
    pub(crate) actor: Option<Actor>,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) created_at: Timestamp,
    /// Whether it is a main-timeline message and so raises the ordinal.
    pub(crate) counts: bool,
    pub(crate) thread: Option<Seq>,
    pub(crate) thread_ordinal: Option<u64>,
    pub(crate) target: Option<Seq>,
    pub(crate) version: Option<i64>,
    pub(crate) detail: Option<&'a str>,
    pub(crate) change: Option<MemberChange>,
    pub(crate) correlation: Correlation,
}

impl<'a> Draft<'a> {
    /// A draft of something that is not a message.
    pub(crate) fn plain(
        kind: EventKind,
        sender: (UserKey, UserId),
        actor: Option<Actor>,
        now: Timestamp,
    ) -> Self {
        Self {
            kind,
            sender,
            actor,
            client_id: None,
            created_at: now,
            counts: false,
            thread: None,
            thread_ordinal: None,
            target: None,
            version: None,
            detail: None,
            change: None,
            correlation: Correlation(0),
        }
    }
}

impl Batch<'_> {
    /// Refuses an actor whose device was revoked or whose account was closed since they signed in.
    pub(crate) fn check_actor(&self, actor: &Actor) -> Result<()> {
        if self.memory.revoked_devices.contains(actor.device.0)
            || self.memory.disabled_users.contains(actor.user.0)
        {
            return Err(Error::refused(Code::Unauthenticated));
        }
        Ok(())
    }

    pub(crate) fn next_position(&mut self) -> Position {
        self.position = Position(self.position.0 + 1);
        self.position
    }

    /// Gives an event its place and writes it. `body` is what the wire shows, given the seq.
    pub(crate) fn append_event(
        &mut self,
        conversation: ConversationKey,
        draft: Draft<'_>,
        body: impl FnOnce(Seq) -> EventBody,
    ) -> Result<Seq> {
        let position = self.next_position();
        let state = self.memory.conversation(self.sql, conversation)?;
        let seq = state.last_seq.next();
        state.last_seq = seq;
        state.head = (self.origin, position);
        state.updated_at = state.updated_at.max(draft.created_at);
        if draft.counts {
            state.ordinal += 1;
            state.last_message_seq = seq;
        }
        let (ordinal, conversation_id) = (state.ordinal, state.id);
        let (recipients, member_count) = (state.recipients.clone(), state.member_count);
        self.memory.touch_conversation(conversation);
        let client_id = draft.client_id.map(|id| *id.0.as_bytes());
        self.sql
            .prepare_cached(
                "insert into events (conversation, seq, origin, position, kind, sender, device, client_id, \
                 created_at, ordinal, thread, thread_ordinal, target, version, detail) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute((
                conversation,
                sql_seq(seq),
                self.origin.0,
                sql_u64(position.0),
                draft.kind as i64,
                draft.sender.0,
                draft.actor.map(|actor| actor.device),
                client_id.as_ref().map(<[u8; 16]>::as_slice),
                draft.created_at.0,
                sql_u64(ordinal),
                draft.thread.map(sql_seq),
                draft.thread_ordinal.map(sql_u64),
                draft.target.map(sql_seq),
                draft.version,
                draft.detail,
            ))?;
        let event = Event {
            conversation_id,
            seq,
            ordinal,
            from: draft.sender.1,
            sender_device: draft.actor.map(|actor| actor.device_id),
            client_id: draft.client_id,
            timestamp: draft.created_at,
            body: body(seq),
        };
        self.entries.push(Entry::Event(Box::new(EventEntry {
            position,
            conversation,
            event,
            recipients,
            change: draft.change,
            actor: draft.actor,
            correlation: draft.correlation,
            member_count,
        })));
        Ok(seq)
    }

    /// Replaces a row of a user's account state.
    pub(crate) fn put_account(&mut self, user: UserKey, key: String, value: Value) -> Result<()> {
        let position = self.next_position();
        self.sql
            .prepare_cached(
                "insert into account_state (user, name, value, origin, position) values (?1, ?2, ?3, ?4, ?5) \
                 on conflict (user, name) do update set value = excluded.value, origin = excluded.origin, \
                 position = excluded.position",
            )?
            .execute((user, &key, value.to_string(), self.origin.0, sql_u64(position.0)))?;
        self.entries.push(Entry::Account { position, user, entry: AccountEntry { key, value } });
        Ok(())
    }

    /// Hands on that a read position moved, for receipts.
    pub(crate) fn put_receipt(
        &mut self,
        conversation: ConversationKey,
        user: UserKey,
        user_id: UserId,
        read_seq: Seq,
    ) -> Result<()> {
        let state = self.memory.conversation(self.sql, conversation)?;
        let (conversation_id, recipients) = (state.id, state.recipients.clone());
        // Receipts are told in direct conversations and groups of up to 50.
        if state.member_count <= 50 && matches!(recipients, Recipients::Few(_)) && !is_channel(state) {
            self.entries.push(Entry::Receipt {
                conversation,
                conversation_id,
                user,
                user_id,
                read_seq,
                recipients,
            });
        }
        Ok(())
    }
}

fn is_channel(state: &crate::memory::ConversationState) -> bool {
    state.kind == stonechat_wire::ConversationKind::Channel
}
