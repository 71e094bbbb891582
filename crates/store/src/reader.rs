//! Reader: a small pool of connections that only read, each use one snapshot.
//!
//! Reads run on blocking threads. Invariant: one use sees one state of the database, whatever is written beside.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension};
use stonechat_wire::{ConversationId, Seq};
use tokio::sync::Semaphore;

use crate::error::{Failure, Result};
use crate::key::{kind_of, role_of, seq, unsigned, uuid};
use crate::{ConversationKey, Origin, Position, Store, UserKey, Vector};

/// Readers at a time: reading is processor work, and the cores are shared with sockets and writer.
const READERS: usize = 4;

/// Handle of the pool: cheap to clone.
#[derive(Clone)]
pub struct Readers {
    store: Store,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), idle: Arc::default(), permits: Arc::new(Semaphore::new(READERS)) }
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Runs `work` in one read transaction on a blocking thread.
    ///
    /// # Errors
    /// What `work` refuses, or a failure of the store.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Failure::Stopped)?;
        let readers = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let result = readers.read_now(work);
            drop(permit);
            result
        });
        work.await.map_err(|_| Failure::Corrupt("a read panicked"))?
    }

    /// As [`Readers::read`], on this thread: for what runs outside the async runtime.
    ///
    /// # Errors
    /// As [`Readers::read`].
    pub fn read_now<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.store.reading()?,
        };
        connection.prepare_cached("begin")?.execute([])?;
        let result = work(&connection);
        // A connection that cannot end its transaction is not used again.
        if connection.prepare_cached("commit")?.execute([]).is_ok() {
            self.idle.lock().push(connection);
        }
        result
    }
}

/// What a member needs to know of a conversation to be served from it.
#[derive(Clone, Debug)]
pub struct View {
    pub conversation: ConversationKey,
    pub id: ConversationId,
    pub kind: stonechat_wire::ConversationKind,
    pub role: stonechat_wire::Role,
    pub posting: stonechat_wire::Posting,
    pub archived: bool,
    pub visible_from: Seq,
    pub joined_seq: Seq,
    pub last_seq: Seq,
    pub read_seq: Seq,
    pub member_count: u64,
}

/// The conversation as its member sees it; `None` for everybody else.
///
/// # Errors
/// A failure of the store.
pub fn view(sql: &Connection, user: UserKey, conversation: ConversationKey) -> Result<Option<View>> {
    let mut statement = sql.prepare_cached(
        "select c.id, c.kind, m.role, c.posting, c.archived_at, c.history_since_join, m.joined_seq, c.last_seq, \
         m.read_seq, c.member_count from members m join conversations c on c.key = m.conversation \
         where m.conversation = ?1 and m.user = ?2 and m.left_seq is null",
    )?;
    let view = statement.query_row((conversation, user), |row| {
        let joined_seq = seq(row.get(6)?);
        Ok(View {
            conversation,
            id: ConversationId(uuid(row.get_ref(0)?.as_blob()?)),
            kind: kind_of(row.get(1)?),
            role: role_of(row.get(2)?),
            posting: crate::key::posting_of(row.get(3)?),
            archived: row.get::<_, Option<i64>>(4)?.is_some(),
            visible_from: if row.get(5)? { joined_seq } else { Seq(1) },
            joined_seq,
            last_seq: seq(row.get(7)?),
            read_seq: seq(row.get(8)?),
            member_count: unsigned(row.get(9)?),
        })
    });
    Ok(view.optional()?)
}

/// The key of a conversation named on the wire.
///
/// # Errors
/// A failure of the store.
pub fn conversation_key(
    sql: &Connection,
    reference: &stonechat_wire::ConversationRef,
) -> Result<Option<ConversationKey>> {
    let key = match reference {
        stonechat_wire::ConversationRef::Id(id) => sql
            .prepare_cached("select key from conversations where id = ?1")?
            .query_row([id.0.as_bytes().as_slice()], |row| row.get(0)),
        stonechat_wire::ConversationRef::Handle(handle) => sql
            .prepare_cached("select key from conversations where handle = ?1")?
            .query_row([handle], |row| row.get(0)),
    };
    Ok(key.optional()?)
}

/// The keys of everybody in a conversation.
///
/// # Errors
/// A failure of the store.
pub fn member_keys(sql: &Connection, conversation: ConversationKey) -> Result<roaring::RoaringBitmap> {
    let mut statement = sql.prepare_cached(
        "select user from members where conversation = ?1 and left_seq is null order by user",
    )?;
    let keys = statement.query_map([conversation], |row| row.get::<_, u32>(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

/// The origins after a closing number, and the snapshot's own vector.
pub(crate) struct Origins {
    /// Every origin open now, or closed later than the vector asked about.
    recent: Vec<(Origin, Position, Option<u32>)>,
    max_closed: u32,
}

impl Origins {
    pub(crate) fn after(sql: &Connection, closed: u32) -> Result<Self> {
        let mut statement = sql.prepare_cached(
            "select id, position, closing from origins where closing is null or closing > ?1",
        )?;
        let rows = statement.query_map([closed], |row| {
            Ok((Origin(row.get(0)?), Position(unsigned(row.get(1)?)), row.get::<_, Option<u32>>(2)?))
        })?;
        let recent = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let max: Option<u32> =
            sql.prepare_cached("select max(closing) from origins")?.query_row([], |row| row.get(0))?;
        Ok(Self { recent, max_closed: max.unwrap_or(0) })
    }

    /// Everything this snapshot holds, as a vector.
    pub(crate) fn snapshot(&self) -> Vector {
        let open = self.recent.iter().filter(|(_, _, closing)| closing.is_none());
        Vector {
            closed: self.max_closed,
            open: open.map(|(origin, position, _)| (*origin, *position)).collect(),
        }
    }

    /// Whether the database can have given this vector: nothing in it lies ahead, no origin is unknown.
    pub(crate) fn could_give(&self, vector: &Vector) -> bool {
        vector.closed <= self.max_closed
            && vector.open.iter().all(|(origin, position)| {
                self.recent.iter().any(|(recent, real, _)| recent == origin && position <= real)
            })
    }

    pub(crate) fn contains(&self, vector: &Vector, origin: Origin, position: Position) -> bool {
        let recent = self.recent.iter().find(|(recent, ..)| *recent == origin);
        match recent {
            // Closed before what we asked about: seen whole by whoever has this closing number.
            None => true,
            Some((_, _, Some(closing))) if *closing <= vector.closed => true,
            Some(_) => vector.open.iter().any(|(open, seen)| *open == origin && position <= *seen),
        }
    }

    /// Per origin not seen whole, the position up to which it is.
    pub(crate) fn unseen(&self, vector: &Vector) -> impl Iterator<Item = (Origin, Position)> {
        self.recent.iter().filter_map(|(origin, real, closing)| {
            if closing.is_some_and(|closing| closing <= vector.closed) {
                return None;
            }
            let seen = vector.position(*origin);
            (seen < *real).then_some((*origin, seen))
        })
    }
}

/// The keys of everybody who was in a conversation at an event: a snapshot may already hold later joins and leaves.
///
/// # Errors
/// A failure of the store.
pub fn member_keys_at(
    sql: &Connection,
    conversation: ConversationKey,
    at: Seq,
) -> Result<roaring::RoaringBitmap> {
    let mut statement = sql.prepare_cached(
        "select user from members where conversation = ?1 and joined_seq <= ?2 \
         and (left_seq is null or left_seq > ?2) order by user",
    )?;
    let keys = statement.query_map((conversation, crate::key::sql_seq(at)), |row| row.get::<_, u32>(0))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

/// A conversation's id by key.
///
/// # Errors
/// A failure of the store.
pub fn conversation_id(sql: &Connection, conversation: ConversationKey) -> Result<ConversationId> {
    let mut statement = sql.prepare_cached("select id from conversations where key = ?1")?;
    Ok(statement.query_row([conversation], |row| Ok(ConversationId(uuid(row.get_ref(0)?.as_blob()?))))?)
}

/// Whether everybody but guests may join a conversation.
///
/// # Errors
/// A failure of the store.
pub fn is_open_channel(sql: &Connection, conversation: ConversationKey) -> Result<bool> {
    let mut statement = sql.prepare_cached("select 1 from conversations where key = ?1 and kind = 2")?;
    Ok(statement.exists([conversation])?)
}
