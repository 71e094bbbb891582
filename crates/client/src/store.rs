//! Store: what a device must still know after a crash: its outbox, the events it received and how far it got.
//!
//! SQLite, in a file or in memory. One file belongs to one device of one account and to one process at a time.
//!
//! SQL takes `?1` markers: SQLite numbers `$2` by where it first appears, not by its name.
//!
//! Invariant: events, places and the cursor change in one transaction; a deleted message leaves no text.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use stonechat_wire::{
    AccountEntry, ClientFrame, ClientId, ConversationId, Cursor, DeviceId, Event, EventBody, Seq, UserId,
};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::frames;
use crate::inbox::Place;

/// Events a store in memory keeps; what is older is on the server.
const KEPT_IN_MEMORY: i64 = 10_000;

/// The local store of one device.
#[derive(Debug)]
pub struct Store {
    database: Connection,
    in_memory: bool,
}

/// What was stored, read at the start.
#[derive(Debug, Default)]
pub struct Saved {
    /// How far this device got.
    pub cursor: Option<Cursor>,
    /// Whether lists and windows were read since the last reset.
    pub listed: bool,
    /// Where each conversation stands.
    pub places: Vec<(ConversationId, Place)>,
    /// What had no ack, in order, and whether it had failed.
    pub outbox: Vec<(ClientId, ClientFrame, bool)>,
}

/// What changes together.
#[derive(Debug, Default)]
pub struct Changes {
    /// Forget all events, places and account rows first, and stand here.
    pub reset: Option<Cursor>,
    /// Conversations whose events are forgotten before others are added.
    pub forgotten: Vec<ConversationId>,
    /// Events up to a place are no longer kept.
    pub skipped: Vec<(ConversationId, Seq)>,
    /// Events to keep; one that is there already changes nothing.
    pub events: Vec<Arc<Event>>,
    /// Rows of the account state.
    pub account: Vec<AccountEntry>,
    /// Places that moved; `None`: removed.
    pub places: Vec<(ConversationId, Option<Place>)>,
    /// Everything up to here is stored with this.
    pub cursor: Option<Cursor>,
    /// Lists and windows were read.
    pub listed: bool,
    /// New in the outbox.
    pub queued: Vec<(ClientId, ClientFrame)>,
    /// Failed, with the reason in short; `None`: to be sent again.
    pub failed: Vec<(ClientId, Option<String>)>,
    /// Out of the outbox.
    pub settled: Vec<ClientId>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.reset.is_none()
            && self.forgotten.is_empty()
            && self.skipped.is_empty()
            && self.events.is_empty()
            && self.account.is_empty()
            && self.places.is_empty()
            && self.cursor.is_none()
            && !self.listed
            && self.queued.is_empty()
            && self.failed.is_empty()
            && self.settled.is_empty()
    }

    /// A `reset` came: of what was collected so far only the outbox still counts.
    pub fn start_anew(&mut self, cursor: Cursor) {
        let before = std::mem::take(self);
        *self = Self {
            reset: Some(cursor),
            queued: before.queued,
            failed: before.failed,
            settled: before.settled,
            ..Self::default()
        };
    }
}

impl Store {
    /// Opens or makes a store in a file.
    ///
    /// # Errors
    /// `Store`; also when another process has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let database = Connection::open(path)?;
        database.busy_timeout(Duration::from_millis(500))?;
        // One process at a time: two would send the same outbox and overwrite each other's cursor.
        database.pragma_update(None, "locking_mode", "exclusive")?;
        database.pragma_update(None, "journal_mode", "wal")?;
        // An outbox that forgets with the power is none.
        database.pragma_update(None, "synchronous", "full")?;
        Self::prepared(database, false)
    }

    /// A store that lives as long as the process.
    ///
    /// # Errors
    /// `Store`.
    pub fn in_memory() -> Result<Self> {
        Self::prepared(Connection::open_in_memory()?, true)
    }

    fn prepared(database: Connection, in_memory: bool) -> Result<Self> {
        // Deleted text must not stay in free pages.
        database.pragma_update(None, "secure_delete", "on")?;
        database.execute_batch(include_str!("store/schema.sql"))?;
        Ok(Self { database, in_memory })
    }

    /// Whether nothing reaches a disk, so that writing never blocks for long.
    pub fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// Ties the store to a device at the first call.
    ///
    /// # Errors
    /// `StoreOfAnother` when it is another's.
    pub fn claim(&mut self, user_id: UserId, device_id: DeviceId) -> Result<()> {
        let mine = format!("{user_id}/{device_id}");
        match state(&self.database, "device")? {
            Some(device) if device == mine => Ok(()),
            Some(_) => Err(Error::StoreOfAnother),
            None => Ok(set_state(&self.database, "device", &mine)?),
        }
    }

    /// Everything needed to go on.
    ///
    /// # Errors
    /// `Store`, or `Transport` where a stored frame cannot be read.
    pub fn load(&self) -> Result<Saved> {
        let cursor = state(&self.database, "cursor")?.map(Cursor);
        let listed = state(&self.database, "listed")?.is_some();
        let mut statement =
            self.database.prepare("select conversation_id, next_seq, visible_from, last_seq from place")?;
        let places = statement.query_map([], place)?.collect::<Result<_, _>>()?;
        let mut statement =
            self.database.prepare("select client_id, frame, failed from outbox order by place")?;
        let rows = statement.query_map([], |row| {
            let failed: Option<String> = row.get(2)?;
            Ok((ClientId(uuid(row, 0)?), row.get::<_, String>(1)?, failed.is_some()))
        })?;
        let mut outbox = Vec::new();
        for row in rows {
            let (client_id, frame, failed) = row?;
            outbox.push((client_id, read_frame(&frame)?, failed));
        }
        Ok(Saved { cursor, listed, places, outbox })
    }

    /// Writes changes in one transaction.
    ///
    /// # Errors
    /// `Store`; then nothing was written.
    pub fn write(&mut self, changes: &Changes) -> Result<()> {
        let transaction = self.database.transaction()?;
        forget(&transaction, changes)?;
        for event in &changes.events {
            insert_event(&transaction, event)?;
        }
        for entry in &changes.account {
            transaction
                .prepare_cached("insert or replace into account (key, value) values (?1, ?2)")?
                .execute(params![entry.key, entry.value.to_string()])?;
        }
        for (id, place) in &changes.places {
            set_place(&transaction, *id, *place)?;
        }
        if let Some(cursor) = &changes.cursor {
            set_state(&transaction, "cursor", &cursor.0)?;
        }
        if changes.listed {
            set_state(&transaction, "listed", "yes")?;
        }
        write_outbox(&transaction, changes)?;
        if self.in_memory && !changes.events.is_empty() {
            let newest = "delete from event where arrival <= (select max(arrival) from event) - ?1";
            transaction.prepare_cached(newest)?.execute([KEPT_IN_MEMORY])?;
        }
        Ok(transaction.commit()?)
    }

    /// Received events of a conversation after a place, in order. What this device sent itself is not among
    /// them unless another door brought it.
    ///
    /// # Errors
    /// `Store`, or `Transport` where a stored event cannot be read.
    pub fn events_after(
        &self,
        conversation_id: ConversationId,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let mut statement = self.database.prepare_cached(
            "select frame from event where conversation_id = ?1 and seq > ?2 order by seq limit ?3",
        )?;
        let rows = statement
            .query_map(params![conversation_id.0.as_bytes(), number(after), limit], |row| {
                row.get::<_, String>(0)
            })?;
        let mut events = Vec::new();
        for frame in rows {
            events.extend(frames::decode_event(&frame?)?);
        }
        Ok(events)
    }

    /// A row of the account state, as JSON.
    ///
    /// # Errors
    /// `Store`.
    pub fn account(&self, key: &str) -> Result<Option<AccountEntry>> {
        let mut statement = self.database.prepare_cached("select value from account where key = ?1")?;
        let value: Option<String> = statement.query_row([key], |row| row.get(0)).optional()?;
        value
            .map(|value| Ok(AccountEntry { key: key.to_owned(), value: serde_json::from_str(&value)? }))
            .transpose()
    }
}

fn forget(transaction: &Transaction<'_>, changes: &Changes) -> Result<()> {
    if let Some(cursor) = &changes.reset {
        transaction.execute_batch(
            "delete from event; delete from place; delete from account; delete from state where key = 'listed'",
        )?;
        set_state(transaction, "cursor", &cursor.0)?;
    }
    for id in &changes.forgotten {
        transaction.execute("delete from event where conversation_id = ?1", [id.0.as_bytes()])?;
    }
    for (id, seq) in &changes.skipped {
        let older = "delete from event where conversation_id = ?1 and seq <= ?2";
        transaction.execute(older, params![id.0.as_bytes(), number(*seq)])?;
    }
    Ok(())
}

fn insert_event(transaction: &Transaction<'_>, event: &Event) -> Result<()> {
    let about = message_seq(&event.body);
    if let EventBody::Delete { message_seq, .. } = event.body {
        blank(transaction, event.conversation_id, message_seq)?;
    }
    transaction
        .prepare_cached(
            "insert into event (conversation_id, seq, message_seq, frame) values (?1, ?2, ?3, ?4)
             on conflict (conversation_id, seq) do nothing",
        )?
        .execute(params![
            event.conversation_id.0.as_bytes(),
            number(event.seq),
            about.map(number),
            serde_json::to_string(event)?
        ])?;
    Ok(())
}

/// Takes the text out of a message and all its edits.
fn blank(transaction: &Transaction<'_>, id: ConversationId, seq: Seq) -> Result<()> {
    let mut statement = transaction.prepare_cached(
        "select arrival, frame from event where conversation_id = ?1 and (seq = ?2 or message_seq = ?2)",
    )?;
    let rows = statement.query_map(params![id.0.as_bytes(), number(seq)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
    for (arrival, frame) in rows {
        let Some(mut event) = frames::decode_event(&frame)? else { continue };
        match &mut event.body {
            EventBody::Message(body) => {
                body.content.clear();
                body.metadata = None;
                body.deleted = true;
            }
            EventBody::Edit(body) => {
                body.content.clear();
                body.metadata = None;
                body.deleted = true;
            }
            _ => continue,
        }
        let frame = serde_json::to_string(&event)?;
        transaction.execute("update event set frame = ?2 where arrival = ?1", params![arrival, frame])?;
    }
    Ok(())
}

fn message_seq(body: &EventBody) -> Option<Seq> {
    match body {
        EventBody::Edit(edit) => Some(edit.message_seq),
        EventBody::Delete { message_seq, .. }
        | EventBody::Reaction { message_seq, .. }
        | EventBody::Pin { message_seq, .. } => Some(*message_seq),
        EventBody::Message(_)
        | EventBody::Created { .. }
        | EventBody::MemberJoined { .. }
        | EventBody::MemberLeft { .. }
        | EventBody::RoleChanged { .. }
        | EventBody::Renamed { .. }
        | EventBody::TopicChanged { .. }
        | EventBody::PostingChanged { .. }
        | EventBody::Archived { .. } => None,
    }
}

fn set_place(
    transaction: &Transaction<'_>,
    id: ConversationId,
    place: Option<Place>,
) -> rusqlite::Result<()> {
    let Some(Place { next, joined }) = place else {
        transaction.execute("delete from place where conversation_id = ?1", [id.0.as_bytes()])?;
        return Ok(());
    };
    transaction
        .prepare_cached(
            "insert or replace into place (conversation_id, next_seq, visible_from, last_seq)
             values (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            id.0.as_bytes(),
            next.map(number),
            joined.map(|joined| number(joined.0)),
            joined.map(|joined| number(joined.1))
        ])?;
    Ok(())
}

fn write_outbox(transaction: &Transaction<'_>, changes: &Changes) -> Result<()> {
    for (client_id, frame) in &changes.queued {
        transaction
            .prepare_cached(
                "insert into outbox (client_id, frame) values (?1, ?2) on conflict (client_id) do nothing",
            )?
            .execute(params![client_id.0.as_bytes(), serde_json::to_string(frame)?])?;
    }
    for (client_id, reason) in &changes.failed {
        let failed = "update outbox set failed = ?2 where client_id = ?1";
        transaction.prepare_cached(failed)?.execute(params![client_id.0.as_bytes(), reason])?;
    }
    for client_id in &changes.settled {
        let settled = "delete from outbox where client_id = ?1";
        transaction.prepare_cached(settled)?.execute([client_id.0.as_bytes()])?;
    }
    Ok(())
}

fn place(row: &Row<'_>) -> rusqlite::Result<(ConversationId, Place)> {
    let seq = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(seq));
    let joined = seq(2)?.zip(seq(3)?);
    Ok((ConversationId(uuid(row, 0)?), Place { next: seq(1)?, joined }))
}

fn read_frame(text: &str) -> Result<ClientFrame> {
    ClientFrame::decode(text).map_err(|error| match error {
        stonechat_wire::DecodeError::Json(error) => error.into(),
        stonechat_wire::DecodeError::TooDeep | stonechat_wire::DecodeError::UnknownType => {
            crate::error::Transport::Handshake("a stored frame is of another version").into()
        }
    })
}

fn uuid(row: &Row<'_>, index: usize) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(index).map(Uuid::from_bytes)
}

/// SQLite has no unsigned integers; no log grows to 2^63.
fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

fn seq(number: i64) -> Seq {
    Seq(u64::try_from(number).unwrap_or_default())
}

fn state(database: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    database.query_row("select value from state where key = ?1", [key], |row| row.get(0)).optional()
}

fn set_state(database: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    database
        .prepare_cached("insert or replace into state (key, value) values (?1, ?2)")?
        .execute([key, value])?;
    Ok(())
}

#[cfg(test)]
mod tests;
