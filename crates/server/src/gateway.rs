//! Gateway: the doors for live connections: the WebSocket and server-sent events.
//!
//! Invariant: every session that was registered is unregistered, however its connection ends.

pub(crate) mod upgrade;
pub(crate) mod socket;
pub(crate) mod session;
pub(crate) mod connect;
pub(crate) mod catch_up;
pub(crate) mod events;
pub(crate) mod guard;
