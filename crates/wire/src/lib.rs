//! Wire: everything that crosses the network, and nothing else.
//!
//! Ids, events, frames, REST bodies, error codes and the WebSocket framing that server, client and load
//! generator share. Pure: no clock, no I/O. A name here is the name on the wire, in SQL and in the docs.

pub mod account;
pub mod conversation;
pub mod error;
pub mod event;
pub mod frame;
pub mod id;
pub mod message;
pub mod timestamp;
pub mod websocket;

pub use account::*;
pub use conversation::*;
pub use error::{Code, Problem};
pub use event::*;
pub use frame::*;
pub use id::*;
pub use message::*;
pub use timestamp::Timestamp;
