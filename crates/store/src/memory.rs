//! Memory: what the writer remembers of conversations and members between batches.
//!
//! The writer is the only writer, so what it remembers is what the database holds. Invariant: everything in here
//! can be thrown away and read again; what a batch changed is written before its commit.

use std::sync::Arc;

use hashbrown::HashMap;
use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, Row};
use stonechat_wire::{ConversationId, ConversationKind, Posting, Role, Seq, Timestamp};

use crate::commit::{FEW, Recipients};
use crate::error::{Failure, Result};
use crate::key::{kind_of, posting_of, role_of, seq, sql_seq, sql_u64, unsigned, uuid};
use crate::{ConversationKey, Origin, Position, UserKey};

/// When the writer remembers more conversations than this it forgets all of them between batches.
const MAX_CONVERSATIONS: usize = 50_000;
const MAX_MEMBERS: usize = 200_000;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    keys: HashMap<ConversationId, ConversationKey>,
    conversations: HashMap<ConversationKey, ConversationState>,
    members: HashMap<(ConversationKey, UserKey), MemberState>,
    dirty_conversations: Vec<ConversationKey>,
    dirty_members: Vec<(ConversationKey, UserKey)>,
    /// Devices and users that may change nothing any more. Kept whole: bitmaps of the dense keys.
    pub(crate) revoked_devices: RoaringBitmap,
    pub(crate) disabled_users: RoaringBitmap,
}

#[derive(Clone, Debug)]
pub(crate) struct ConversationState {
    pub(crate) id: ConversationId,
    pub(crate) kind: ConversationKind,
    pub(crate) posting: Posting,
    pub(crate) history_since_join: bool,
    pub(crate) direct: Option<(UserKey, UserKey)>,
    pub(crate) archived: bool,
    pub(crate) updated_at: Timestamp,
    pub(crate) member_count: u64,
    pub(crate) last_seq: Seq,
    pub(crate) ordinal: u64,
    pub(crate) last_message_seq: Seq,
    pub(crate) last_tombstone_seq: Seq,
    pub(crate) head: (Origin, Position),
    pub(crate) recipients: Recipients,
    dirty: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct MemberState {
    pub(crate) role: Role,
    pub(crate) joined_seq: Seq,
    pub(crate) left: bool,
    pub(crate) read_generation: u64,
    pub(crate) read_seq: Seq,
    pub(crate) read_ordinal: u64,
    pub(crate) own_total: u64,
    pub(crate) read_own: u64,
    pub(crate) last_spoke_seq: Option<Seq>,
    dirty: bool,
}

impl ConversationState {
    /// The first event a member may see.
    pub(crate) fn visible_from(&self, member: &MemberState) -> Seq {
        if self.history_since_join { member.joined_seq } else { Seq(1) }
    }
}

impl Memory {
    pub(crate) fn load(sql: &Connection) -> Result<Self> {
        let mut memory = Self::default();
        memory.reload_revoked(sql)?;
        Ok(memory)
    }

    pub(crate) fn reload_revoked(&mut self, sql: &Connection) -> Result<()> {
        self.revoked_devices = bitmap(sql, "select key from devices where revoked_at is not null")?;
        self.disabled_users = bitmap(sql, "select key from users where disabled_at is not null")?;
        Ok(())
    }

    /// Forgets everything read from the database; also what was not written yet, as after a rollback.
    pub(crate) fn forget(&mut self) {
        self.keys.clear();
        self.conversations.clear();
        self.members.clear();
        self.dirty_conversations.clear();
        self.dirty_members.clear();
    }

    pub(crate) fn forget_when_large(&mut self) {
        if self.conversations.len() > MAX_CONVERSATIONS || self.members.len() > MAX_MEMBERS {
            self.forget();
        }
    }

    pub(crate) fn key_of(&mut self, sql: &Connection, id: ConversationId) -> Result<Option<ConversationKey>> {
        if let Some(key) = self.keys.get(&id) {
            return Ok(Some(*key));
        }
        let key = sql
            .prepare_cached("select key from conversations where id = ?1")?
            .query_row([id.0.as_bytes().as_slice()], |row| row.get(0))
            .optional()?;
        if let Some(key) = key {
            self.keys.insert(id, key);
        }
        Ok(key)
    }

    pub(crate) fn conversation(
        &mut self,
        sql: &Connection,
        key: ConversationKey,
    ) -> Result<&mut ConversationState> {
        if !self.conversations.contains_key(&key) {
            let state = load_conversation(sql, key)?;
            self.keys.insert(state.id, key);
            self.conversations.insert(key, state);
        }
        self.conversations.get_mut(&key).ok_or_else(|| Failure::Corrupt("a conversation vanished").into())
    }

    /// The member's row, also of one who left; `None` for a stranger.
    pub(crate) fn member(
        &mut self,
        sql: &Connection,
        conversation: ConversationKey,
        user: UserKey,
    ) -> Result<Option<&mut MemberState>> {
        if !self.members.contains_key(&(conversation, user)) {
            let Some(state) = load_member(sql, conversation, user)? else { return Ok(None) };
            self.members.insert((conversation, user), state);
        }
        Ok(self.members.get_mut(&(conversation, user)))
    }

    pub(crate) fn touch_conversation(&mut self, key: ConversationKey) {
        if let Some(state) = self.conversations.get_mut(&key)
            && !state.dirty
        {
            state.dirty = true;
            self.dirty_conversations.push(key);
        }
    }

    pub(crate) fn touch_member(&mut self, conversation: ConversationKey, user: UserKey) {
        if let Some(state) = self.members.get_mut(&(conversation, user))
            && !state.dirty
        {
            state.dirty = true;
            self.dirty_members.push((conversation, user));
        }
    }

    /// Follows a change of one member's row that was made by SQL. `delta` is what it did to the member count.
    pub(crate) fn member_changed(
        &mut self,
        sql: &Connection,
        key: ConversationKey,
        user: UserKey,
        delta: i64,
    ) -> Result<()> {
        self.members.remove(&(key, user));
        let state = self.conversation(sql, key)?;
        state.member_count = state.member_count.saturating_add_signed(delta);
        let count = state.member_count;
        let recipients = recipients(sql, key, count)?;
        self.conversation(sql, key)?.recipients = recipients;
        self.touch_conversation(key);
        Ok(())
    }

    pub(crate) fn evict_conversation(&mut self, key: ConversationKey) {
        self.conversations.remove(&key);
    }

    /// Writes what changed in memory since the last flush.
    pub(crate) fn flush(&mut self, sql: &Connection) -> Result<()> {
        if !self.dirty_conversations.is_empty() {
            let mut statement = sql.prepare_cached(
                "update conversations set updated_at = ?2, member_count = ?3, last_seq = ?4, ordinal = ?5, \
                 last_message_seq = ?6, last_tombstone_seq = ?7, head_origin = ?8, head_position = ?9 where key = ?1",
            )?;
            // In key order neighbouring rows meet on one page while it is hot.
            self.dirty_conversations.sort_unstable();
            for key in self.dirty_conversations.drain(..) {
                let Some(state) = self.conversations.get_mut(&key) else { continue };
                state.dirty = false;
                statement.execute((
                    key,
                    state.updated_at.0,
                    sql_u64(state.member_count),
                    sql_seq(state.last_seq),
                    sql_u64(state.ordinal),
                    sql_seq(state.last_message_seq),
                    sql_seq(state.last_tombstone_seq),
                    state.head.0.0,
                    sql_u64(state.head.1.0),
                ))?;
            }
        }
        if !self.dirty_members.is_empty() {
            let mut statement = sql.prepare_cached(
                "update members set read_generation = ?3, read_seq = ?4, read_ordinal = ?5, own_total = ?6, \
                 read_own = ?7, last_spoke_seq = ?8 where conversation = ?1 and user = ?2",
            )?;
            self.dirty_members.sort_unstable();
            for (conversation, user) in self.dirty_members.drain(..) {
                let Some(state) = self.members.get_mut(&(conversation, user)) else { continue };
                state.dirty = false;
                statement.execute((
                    conversation,
                    user,
                    sql_u64(state.read_generation),
                    sql_seq(state.read_seq),
                    sql_u64(state.read_ordinal),
                    sql_u64(state.own_total),
                    sql_u64(state.read_own),
                    state.last_spoke_seq.map(sql_seq),
                ))?;
            }
        }
        Ok(())
    }
}

fn bitmap(sql: &Connection, query: &'static str) -> Result<RoaringBitmap> {
    let mut statement = sql.prepare(query)?;
    let keys = statement.query_map([], |row| row.get::<_, u32>(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

fn load_conversation(sql: &Connection, key: ConversationKey) -> Result<ConversationState> {
    let read = |row: &Row<'_>| {
        let low: Option<UserKey> = row.get("direct_low")?;
        let high: Option<UserKey> = row.get("direct_high")?;
        Ok(ConversationState {
            id: ConversationId(uuid(row.get_ref("id")?.as_blob()?)),
            kind: kind_of(row.get("kind")?),
            posting: posting_of(row.get("posting")?),
            history_since_join: row.get("history_since_join")?,
            direct: low.zip(high),
            archived: row.get::<_, Option<i64>>("archived_at")?.is_some(),
            updated_at: Timestamp(row.get("updated_at")?),
            member_count: unsigned(row.get("member_count")?),
            last_seq: seq(row.get("last_seq")?),
            ordinal: unsigned(row.get("ordinal")?),
            last_message_seq: seq(row.get("last_message_seq")?),
            last_tombstone_seq: seq(row.get("last_tombstone_seq")?),
            head: (Origin(row.get("head_origin")?), Position(unsigned(row.get("head_position")?))),
            recipients: Recipients::Many,
            dirty: false,
        })
    };
    let mut state =
        sql.prepare_cached("select * from conversations where key = ?1")?.query_row([key], read)?;
    state.recipients = recipients(sql, key, state.member_count)?;
    Ok(state)
}

fn recipients(sql: &Connection, key: ConversationKey, member_count: u64) -> Result<Recipients> {
    if member_count > FEW {
        return Ok(Recipients::Many);
    }
    let mut statement =
        sql.prepare_cached("select user from members where conversation = ?1 and left_seq is null")?;
    let users = statement.query_map([key], |row| row.get(0))?;
    Ok(Recipients::Few(users.collect::<rusqlite::Result<Arc<[UserKey]>>>()?))
}

fn load_member(
    sql: &Connection,
    conversation: ConversationKey,
    user: UserKey,
) -> Result<Option<MemberState>> {
    let read = |row: &Row<'_>| {
        Ok(MemberState {
            role: role_of(row.get("role")?),
            joined_seq: seq(row.get("joined_seq")?),
            left: row.get::<_, Option<i64>>("left_seq")?.is_some(),
            read_generation: unsigned(row.get("read_generation")?),
            read_seq: seq(row.get("read_seq")?),
            read_ordinal: unsigned(row.get("read_ordinal")?),
            own_total: unsigned(row.get("own_total")?),
            read_own: unsigned(row.get("read_own")?),
            last_spoke_seq: row.get::<_, Option<i64>>("last_spoke_seq")?.map(seq),
            dirty: false,
        })
    };
    let mut statement = sql.prepare_cached("select * from members where conversation = ?1 and user = ?2")?;
    Ok(statement.query_row((conversation, user), read).optional()?)
}
