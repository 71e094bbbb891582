//! Checkpoint: copies committed pages from the write-ahead log into the database, beside the writer.
//!
//! Automatic checkpoints would stop the writer for a whole pass; here a thread does the bulk and the writer only
//! the small rest, so that the log starts over and stays bounded.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::Store;
use crate::error::{Failure, Result};

/// The thread copies when the log holds so many pages (16 MiB): small enough to stay in the page cache, large enough
/// that a page written often is copied once.
const CHECKPOINT_PAGES: u32 = 4_096;
/// From here on (512 MiB) the writer waits for a whole pass: the log must not eat the disk.
const MAX_WAL_PAGES: u32 = 131_072;

thread_local! {
    /// Pages in the log after the last commit of this thread, as SQLite told its hook.
    static WAL_PAGES: Cell<u32> = const { Cell::new(0) };
}

pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    wanted: Mutex<bool>,
    wake: Condvar,
    stop: AtomicBool,
    /// Passes done by the thread that the writer has not followed up.
    passes: AtomicU32,
}

impl Checkpointer {
    pub(crate) fn start(store: &Store, writer: &Connection) -> Result<Self> {
        // The hook takes the place of automatic checkpoints.
        writer.wal_hook(Some(|_, pages| {
            WAL_PAGES.set(u32::try_from(pages).unwrap_or(u32::MAX));
            Ok(())
        }));
        let sql = store.writing()?;
        let shared = Arc::<Shared>::default();
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || theirs.copy_when_wanted(&sql))
            .map_err(Failure::from)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Called by the writer between transactions.
    pub(crate) fn after_commit(&mut self, sql: &Connection) {
        if self.shared.passes.swap(0, Ordering::AcqRel) > 0 {
            // Almost all is copied: what came since is little, and the log can start over.
            checkpoint(sql, "passive");
        }
        let pages = WAL_PAGES.get();
        if pages > MAX_WAL_PAGES {
            checkpoint(sql, "truncate");
        } else if pages > CHECKPOINT_PAGES {
            *self.shared.wanted.lock() = true;
            self.shared.wake.notify_one();
        }
    }

    /// The last pass, when the writer stops.
    pub(crate) fn finish(&mut self, sql: &Connection) {
        self.shared.stop.store(true, Ordering::Release);
        *self.shared.wanted.lock() = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpoint thread panicked");
        }
        checkpoint(sql, "truncate");
    }
}

impl Shared {
    fn copy_when_wanted(&self, sql: &Connection) {
        loop {
            let mut wanted = self.wanted.lock();
            while !*wanted {
                self.wake.wait(&mut wanted);
            }
            *wanted = false;
            drop(wanted);
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            checkpoint(sql, "passive");
            self.passes.fetch_add(1, Ordering::AcqRel);
        }
    }
}

fn checkpoint(sql: &Connection, mode: &'static str) {
    // A pass that finds readers or another pass in its way is tried again later.
    if let Err(error) = sql.pragma(None, "wal_checkpoint", mode, |_| Ok(()))
        && !crate::error::is_busy(&error)
    {
        tracing::error!(%error, "checkpoint failed");
    }
}
