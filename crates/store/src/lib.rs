//! Store: the log on disk. SQL lives here alone; it knows no socket.
//!
//! One writer takes every change, commits what waits in one transaction with one fsync, and hands each commit
//! to the consumer; readers see snapshots. Invariant: nothing is answered or handed on before its commit.

pub mod key;
pub mod error;
pub mod open;
pub mod vector;
pub mod commit;
pub mod writer;
mod batch;
mod memory;
mod checkpoint;
pub mod append;
pub mod amend;
pub mod conversation;
pub mod membership;
pub mod read_position;
pub mod thread;
pub mod account;
pub mod device;
pub mod invite;
pub mod setup;
pub mod bench;
pub mod import;
pub mod reader;
pub mod event_row;
pub mod sync;
pub mod timeline;
pub mod list;
pub mod people;

pub use commit::{Commit, Entry, Recipients};
pub use error::{Error, Refusal, Result};
pub use key::*;
pub use open::{Durability, Store};
pub use reader::Readers;
pub use vector::{SyncCursor, Vector};
pub use writer::Writer;

#[cfg(test)]
mod tests;
