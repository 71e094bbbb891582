//! Bench: load on a running server, measured from outside. The server is always its own process.
//!
//! Texts are 100 bytes. Receivers check what they get: a place that is missing or comes twice is counted, not assumed.

pub mod people;
pub mod wire_scan;
pub mod direct;
pub mod fanout;
pub mod idle;
pub mod storm;
pub mod syncing;
pub mod replay;

/// Bytes of every text sent.
pub const TEXT_BYTES: usize = 100;
pub mod run;
