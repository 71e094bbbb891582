//! Live: the SDK against servers that misbehave on purpose.

mod chat;
mod connection;
mod fake;
