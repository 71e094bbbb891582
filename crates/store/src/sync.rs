//! Sync: what lies between a device's vector and a target, page by page.
//!
//! A conversation is dirty when its head lies beyond the vector; the first event of it that the vector does not
//! hold is found by binary search, for a vector cuts every log in a prefix. Invariant: what lies between two cursors
//! of a device is in the pages between them, whole and in order, or named by a `gap`.

use rusqlite::{Connection, OptionalExtension};
use stonechat_wire::{AccountEntry, Control, GapReason, Seq, ServerFrame};

use crate::error::Result;
use crate::event_row::{self, EVENTS_BETWEEN};
use crate::key::{seq, sql_seq, sql_u64, unsigned};
use crate::reader::{Origins, View, view};
use crate::vector::{Stage, SyncCursor, Walk};
use crate::{ConversationKey, Origin, Position, UserKey, Vector};

/// A page ends when its events, as the wire would show them, pass this many bytes.
pub const PAGE_BYTES: usize = 128 * 1024;
/// What a device asks for.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    pub user: UserKey,
    /// `None` starts anew.
    pub cursor: Option<SyncCursor>,
    /// Events of one page, besides the bound in bytes.
    pub limit: usize,
    /// The conversation to serve before the others.
    pub first: Option<ConversationKey>,
    /// Of each conversation only the newest so many events.
    pub window: Option<u64>,
    /// Go to here at most, as a session does that hears what lies beyond by itself. `None`: to the snapshot.
    pub target: Option<Vector>,
}

/// What it gets.
#[derive(Clone, Debug)]
pub struct SyncPage {
    pub frames: Vec<ServerFrame>,
    pub cursor: SyncCursor,
    pub has_more: bool,
    /// The cursor was of no use: forget everything and read lists and windows anew.
    pub reset: bool,
}

/// Reads the next page.
///
/// # Errors
/// A failure of the store.
pub fn page(sql: &Connection, sealer: &crate::vector::Sealer, request: &SyncRequest) -> Result<SyncPage> {
    let closed = request.cursor.as_ref().map_or(u32::MAX, |cursor| cursor.vector.closed);
    let origins = Origins::after(sql, closed)?;
    let snapshot = origins.snapshot();
    let Some(cursor) = request.cursor.as_ref().filter(|cursor| valid(&origins, cursor)) else {
        let cursor = SyncCursor { vector: request.target.clone().unwrap_or(snapshot), walk: None };
        let frames = vec![Control::Reset { cursor: sealer.seal(&cursor) }.into()];
        return Ok(SyncPage { frames, cursor, has_more: false, reset: true });
    };
    let walk = cursor.walk.clone().unwrap_or_else(|| Walk {
        target: request.target.clone().unwrap_or_else(|| snapshot.clone()),
        first: request.first,
        stage: Stage::Account(Origin(i64::MIN), Position(0)),
    });
    let mut page = Filling {
        sql,
        origins: &origins,
        user: request.user,
        from: &cursor.vector,
        walk,
        window: request.window,
        room: request.limit.max(1),
        bytes: 0,
        frames: Vec::new(),
    };
    let done = page.fill()?;
    let Filling { walk, frames, .. } = page;
    let cursor = if done {
        SyncCursor { vector: walk.target, walk: None }
    } else {
        SyncCursor { vector: cursor.vector.clone(), walk: Some(walk) }
    };
    let has_more = !done || (request.target.is_none() && origins.unseen(&cursor.vector).next().is_some());
    Ok(SyncPage { frames, cursor, has_more, reset: false })
}

/// The vector of what the database holds now.
///
/// # Errors
/// A failure of the store.
pub fn snapshot_vector(sql: &Connection) -> Result<Vector> {
    Ok(Origins::after(sql, u32::MAX)?.snapshot())
}

fn valid(origins: &Origins, cursor: &SyncCursor) -> bool {
    origins.could_give(&cursor.vector)
        && cursor.walk.as_ref().is_none_or(|walk| could_target(origins, &walk.target))
}

/// A target may name origins that closed since; they are among the recent ones, for the base vector is older.
fn could_target(origins: &Origins, target: &Vector) -> bool {
    origins.could_give(target)
}

struct Filling<'a> {
    sql: &'a Connection,
    origins: &'a Origins,
    user: UserKey,
    from: &'a Vector,
    walk: Walk,
    window: Option<u64>,
    room: usize,
    bytes: usize,
    frames: Vec<ServerFrame>,
}

impl Filling<'_> {
    /// `true`: all is served up to the target.
    fn fill(&mut self) -> Result<bool> {
        if matches!(self.walk.stage, Stage::Account(..)) {
            if !self.account()? {
                return Ok(false);
            }
            self.walk.stage = Stage::First(0);
        }
        if let Stage::First(after) = self.walk.stage {
            if let Some(first) = self.walk.first
                && !self.conversation(first, after, Stage::First)?
            {
                return Ok(false);
            }
            self.walk.stage = Stage::Rest(ConversationKey(0), 0);
        }
        let Stage::Rest(mut key, mut after) = self.walk.stage else { return Ok(true) };
        if after > 0 && !self.conversation(key, after, |seq| Stage::Rest(key, seq))? {
            return Ok(false);
        }
        for dirty in self.dirty_after(key)? {
            (key, after) = (dirty, 0);
            if self.walk.first == Some(key) {
                continue;
            }
            if self.is_full() {
                // Nothing of this one yet: come back to it, after the one before.
                self.walk.stage = Stage::Rest(ConversationKey(key.0 - 1), 0);
                return Ok(false);
            }
            if !self.conversation(key, after, |seq| Stage::Rest(key, seq))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_full(&self) -> bool {
        self.room == 0 || self.bytes >= PAGE_BYTES
    }

    /// Account state replaced since the vector, origin by origin in the order of positions.
    fn account(&mut self) -> Result<bool> {
        let Stage::Account(mut at_origin, mut at) = self.walk.stage else { return Ok(true) };
        let mut unseen: Vec<_> = self.origins.unseen(self.from).collect();
        unseen.sort_unstable();
        for (origin, seen) in unseen {
            if origin < at_origin {
                continue;
            }
            let from = if origin == at_origin { at.max(seen) } else { seen };
            let mut statement = self.sql.prepare_cached(
                "select name, value, position from account_state where user = ?1 and origin = ?2 and position > ?3 \
                 order by position",
            )?;
            let mut rows = statement.query((self.user, origin.0, sql_u64(from.0)))?;
            while let Some(row) = rows.next()? {
                let position = Position(unsigned(row.get(2)?));
                if !self.origins.contains(&self.walk.target, origin, position) {
                    break;
                }
                if self.is_full() {
                    self.walk.stage = Stage::Account(at_origin.max(origin), at);
                    return Ok(false);
                }
                let value: String = row.get(1)?;
                let entry = AccountEntry { key: row.get(0)?, value: serde_json::from_str(&value)? };
                self.bytes += entry.key.len() + value.len() + 40;
                self.room = self.room.saturating_sub(1);
                self.frames.push(Control::Account(entry).into());
                (at_origin, at) = (origin, position);
            }
        }
        Ok(true)
    }

    /// Conversations of the user whose head lies beyond the vector, by key, after `key`. Looks at the changed heads or
    /// at the user's own conversations, whichever are fewer.
    fn dirty_after(&self, key: ConversationKey) -> Result<Vec<ConversationKey>> {
        let own = self.count_memberships()?;
        let mut dirty = Vec::new();
        for (origin, seen) in self.origins.unseen(self.from) {
            let mut statement = self.sql.prepare_cached(
                "select key from conversations where head_origin = ?1 and head_position > ?2 limit ?3",
            )?;
            let keys = statement.query_map((origin.0, sql_u64(seen.0), own + 1), |row| row.get(0))?;
            dirty.extend(keys.collect::<rusqlite::Result<Vec<ConversationKey>>>()?);
            if dirty.len() as i64 > own {
                return self.dirty_memberships_after(key);
            }
        }
        dirty.retain(|dirty| *dirty > key);
        dirty.sort_unstable();
        dirty.dedup();
        let mut is_member = self.sql.prepare_cached(
            "select 1 from members where conversation = ?1 and user = ?2 and left_seq is null",
        )?;
        let mut own = Vec::new();
        for conversation in dirty {
            if is_member.exists((conversation, self.user))? {
                own.push(conversation);
            }
        }
        Ok(own)
    }

    fn count_memberships(&self) -> Result<i64> {
        let mut statement =
            self.sql.prepare_cached("select count(*) from members where user = ?1 and left_seq is null")?;
        Ok(statement.query_row([self.user], |row| row.get(0))?)
    }

    fn dirty_memberships_after(&self, key: ConversationKey) -> Result<Vec<ConversationKey>> {
        let mut statement = self.sql.prepare_cached(
            "select c.key, c.head_origin, c.head_position from members m join conversations c on c.key = m.conversation \
             where m.user = ?1 and m.left_seq is null and m.conversation > ?2 order by m.conversation",
        )?;
        let mut rows = statement.query((self.user, key))?;
        let mut dirty = Vec::new();
        while let Some(row) = rows.next()? {
            let head = (Origin(row.get(1)?), Position(unsigned(row.get(2)?)));
            if !self.origins.contains(self.from, head.0, head.1) {
                dirty.push(row.get(0)?);
            }
        }
        Ok(dirty)
    }

    /// Events of one conversation after `after` up to the target. `true`: all of them are served.
    fn conversation(
        &mut self,
        key: ConversationKey,
        after: u64,
        stage: impl Fn(u64) -> Stage,
    ) -> Result<bool> {
        let Some(view) = view(self.sql, self.user, key)? else { return Ok(true) };
        let last = self.last_within(&view, &self.walk.target)?;
        let mut next = if after > 0 { Seq(after).next() } else { self.last_within(&view, self.from)?.next() };
        // Who joined since starts the conversation anew, and loads what was before by windows.
        if view.joined_seq > next && self.is_unseen(key, view.joined_seq)? {
            next = view.joined_seq;
        }
        next = next.max(view.visible_from);
        if next > last {
            return Ok(true);
        }
        if let Some(window) = self.window
            && after == 0
            && last.0 - next.0 + 1 > window
        {
            let start = Seq(last.0 - window + 1);
            self.frames.push(
                Control::Gap {
                    conversation_id: view.id,
                    from_seq: next,
                    to_seq: Seq(start.0 - 1),
                    reason: GapReason::Skipped,
                }
                .into(),
            );
            next = start;
        }
        self.events(&view, next, last, stage)
    }

    fn events(&mut self, view: &View, from: Seq, to: Seq, stage: impl Fn(u64) -> Stage) -> Result<bool> {
        let mut statement = self.sql.prepare_cached(EVENTS_BETWEEN)?;
        let limit = i64::try_from(self.room).unwrap_or(i64::MAX).saturating_add(1);
        let mut rows = statement.query((view.conversation, sql_seq(from), sql_seq(to), limit))?;
        let mut expected = from;
        while let Some(row) = rows.next()? {
            let found = seq(row.get(0)?);
            if self.is_full() {
                self.walk.stage = stage(expected.0 - 1);
                return Ok(false);
            }
            if found > expected {
                self.gap(view, expected, Seq(found.0 - 1), GapReason::Pruned);
            }
            expected = found.next();
            match event_row::event(row, view.id)? {
                Some(event) => {
                    self.bytes += approximate_bytes(&event);
                    self.frames.push(event.into());
                }
                None => self.gap(view, found, found, GapReason::Hidden),
            }
            self.room = self.room.saturating_sub(1);
        }
        if expected <= to {
            self.gap(view, expected, to, GapReason::Pruned);
        }
        Ok(true)
    }

    fn gap(&mut self, view: &View, from_seq: Seq, to_seq: Seq, reason: GapReason) {
        self.frames.push(Control::Gap { conversation_id: view.id, from_seq, to_seq, reason }.into());
    }

    fn is_unseen(&self, key: ConversationKey, seq: Seq) -> Result<bool> {
        Ok(self
            .place_of(key, seq)?
            .is_some_and(|(origin, position)| !self.origins.contains(self.from, origin, position)))
    }

    fn place_of(&self, key: ConversationKey, seq: Seq) -> Result<Option<(Origin, Position)>> {
        let mut statement = self.sql.prepare_cached(
            "select origin, position from events where conversation = ?1 and seq >= ?2 order by seq limit 1",
        )?;
        let place = statement
            .query_row((key, sql_seq(seq)), |row| Ok((Origin(row.get(0)?), Position(unsigned(row.get(1)?)))));
        Ok(place.optional()?)
    }

    /// The newest event of a conversation that a vector holds; 0 where it holds none.
    fn last_within(&self, view: &View, vector: &Vector) -> Result<Seq> {
        if let Some((origin, position)) = self.place_of(view.conversation, view.last_seq)?
            && self.origins.contains(vector, origin, position)
        {
            return Ok(view.last_seq);
        }
        let (mut held, mut beyond) = (0, view.last_seq.0);
        while beyond - held > 1 {
            let middle = held + (beyond - held) / 2;
            match self.place_of(view.conversation, Seq(middle))? {
                Some((origin, position)) if self.origins.contains(vector, origin, position) => held = middle,
                _ => beyond = middle,
            }
        }
        Ok(Seq(held))
    }
}

/// How long an event is on the wire, nearly: enough to bound a page.
fn approximate_bytes(event: &stonechat_wire::Event) -> usize {
    use stonechat_wire::EventBody;
    const FRAME: usize = 360;
    FRAME
        + match &event.body {
            EventBody::Message(body) => {
                body.content.len() + body.metadata.as_ref().map_or(0, |json| json.get().len())
            }
            EventBody::Edit(body) => {
                body.content.len() + body.metadata.as_ref().map_or(0, |json| json.get().len())
            }
            _ => 0,
        }
}
