//! Open: the data directory, its database, migrations, the durability in force, and this run's origin.
//!
//! Invariant: a database that does not do what was asked (journal, synchronous) is not served.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use stonechat_wire::Timestamp;

use crate::error::{Failure, Result};
use crate::vector::{Sealer, Vector};
use crate::{Origin, Position};

/// Forward-only migrations; `user_version` counts those done.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_the_log.sql")];

/// Whether an acknowledged message survives the loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `synchronous=FULL`: it does.
    Full,
    /// `synchronous=NORMAL`: the last ones may not. Only when asked for by name.
    Relaxed,
}

impl Durability {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Relaxed => "relaxed",
        }
    }
}

/// An opened database: where it is, how durable, and the seal of its cursors.
#[derive(Clone, Debug)]
pub struct Store {
    path: Arc<PathBuf>,
    durability: Durability,
    sealer: Sealer,
}

/// What the database itself says about how it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealDurability {
    pub synchronous: String,
    pub journal_mode: String,
}

impl Store {
    /// Opens or creates `chat.db` in a directory and brings its schema up to date, in one transaction.
    ///
    /// # Errors
    /// When the file cannot be opened, belongs to a newer version, or refuses WAL.
    pub fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let path = directory.join("chat.db");
        let mut connection = Connection::open(&path).map_err(Failure::from)?;
        prepare(&connection, durability)?;
        migrate(&mut connection)?;
        let sealer = Sealer::new(secret(&connection, "cursor_key")?);
        let store = Self { path: Arc::new(path), durability, sealer };
        Ok(store)
    }

    pub fn durability(&self) -> Durability {
        self.durability
    }

    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A connection that writes; there is one at a time (and one that checkpoints).
    pub(crate) fn writing(&self) -> Result<Connection> {
        let connection = Connection::open(&*self.path)?;
        prepare(&connection, self.durability)?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(connection)
    }

    /// A connection that only reads.
    pub(crate) fn reading(&self) -> Result<Connection> {
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(&*self.path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", READER_CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(connection)
    }
}

/// Page cache of the writer, in KiB as SQLite's negative numbers mean it.
const WRITER_CACHE_KIB: i64 = -16_384;
/// Page cache of each reader: the operating system's cache holds the rest.
const READER_CACHE_KIB: i64 = -2_048;

fn prepare(connection: &Connection, durability: Durability) -> Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let mode: String = connection.query_row("pragma journal_mode = wal", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Failure::Corrupt("the database does not take journal_mode=wal").into());
    }
    let synchronous = match durability {
        Durability::Full => "full",
        Durability::Relaxed => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "cache_size", WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(())
}

/// Reads back what `prepare` asked for: a pragma that was not understood is ignored in silence.
fn real_durability(connection: &Connection) -> Result<RealDurability> {
    let number: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    let synchronous = match number {
        0 => "off",
        1 => "normal",
        2 => "full",
        _ => "extra",
    };
    let journal_mode = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok(RealDurability { synchronous: synchronous.to_owned(), journal_mode })
}

impl crate::Writer {
    /// How the writer's own connection writes, as the database says.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn real_durability(&self) -> Result<RealDurability> {
        self.call(|batch| real_durability(batch.sql)).await
    }
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let done: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if done > MIGRATIONS.len() {
        return Err(Failure::Corrupt("the data was written by a newer version of stonechat").into());
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", index + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// A 32-byte secret of this data directory, made on first use.
pub(crate) fn secret(connection: &Connection, name: &str) -> Result<[u8; 32]> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(Failure::Random)?;
    connection.execute(
        "insert into meta (name, value) values (?1, ?2) on conflict (name) do nothing",
        (name, fresh.as_slice()),
    )?;
    let value: Vec<u8> =
        connection.query_row("select value from meta where name = ?1", [name], |row| row.get(0))?;
    value.try_into().map_err(|_| Failure::Corrupt("a secret has the wrong length").into())
}

/// Closes what earlier runs left open, in the order they began, and starts an origin of our own.
pub(crate) fn start_origin(connection: &mut Connection, now: Timestamp) -> Result<(Origin, Vector)> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(Failure::Random)?;
    let origin = Origin(i64::from_be_bytes(random));
    let transaction = connection.transaction()?;
    let mut closed: u32 =
        transaction.query_row("select coalesce(max(closing), 0) from origins", [], |row| row.get(0))?;
    loop {
        let left: Option<i64> = transaction
            .query_row(
                "select id from origins where closing is null order by started_at, id limit 1",
                [],
                |row| row.get(0),
            )
            .optional()?;
        let Some(left) = left else { break };
        closed += 1;
        transaction.execute("update origins set closing = ?1 where id = ?2", (closed, left))?;
    }
    transaction
        .execute("insert into origins (id, position, started_at) values (?1, 0, ?2)", (origin.0, now.0))?;
    transaction.commit()?;
    let vector = Vector { closed, open: smallvec::smallvec![(origin, Position(0))] };
    Ok((origin, vector))
}

impl crate::Writer {
    /// A 32-byte secret of this data directory, made on first use.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn secret(&self, name: &'static str) -> Result<[u8; 32]> {
        self.call(move |batch| secret(batch.sql, name)).await
    }
}
