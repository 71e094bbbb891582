//! Tests of the store as a whole: a temporary directory, a started writer, and what readers see.

mod world;
mod log;
mod unread;
mod syncing;
