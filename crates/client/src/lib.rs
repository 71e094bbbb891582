//! Client: the Rust SDK of Stonechat.
//!
//! [`Chat`] is what most programs want: it stays connected, resumes where it stood, sends each message once and
//! shows each event once, whatever the network does.
//!
//! ```no_run
//! use stonechat_client::{Chat, Result};
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let chat = Chat::connect("http://127.0.0.1:8080", "bot_…").await?;
//!     let mut messages = chat.messages("ops").await?;
//!     while let Some(m) = messages.next().await? {
//!         if m.content == "!ping" {
//!             m.reply("pong").await?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Below it lie the parts it is made of, for programs that want to do it themselves: [`Rest`] (typed calls),
//! [`Connection`] (one bare live connection), and three state machines without clock, randomness or I/O:
//! [`Backoff`], [`Outbox`](outbox::Outbox) and [`Inbox`](inbox::Inbox). [`wire`] is the protocol itself.
//!
//! This build speaks plain HTTP; put it behind a proxy that ends TLS, or on one machine.

#![warn(missing_docs)]

mod backoff;
mod chat;
mod connection;
mod error;
mod frames;
pub mod inbox;
mod naming;
pub mod outbox;
mod rest;
pub mod store;

pub use reqwest::Method;
pub use stonechat_wire as wire;

pub use backoff::{Backoff, Jitter};
pub use chat::{Chat, ChatEvent, ChatMessage, Events, Failed, Messages, Options, Start, StoreAt};
pub use connection::{Closed, ConnectOptions, Connection, Reader, Received, Writer};
pub use error::{Error, Result, Transport};
pub use frames::{decode, decode_event, decode_messages_page, decode_sync_page};
pub use naming::IntoConversationRef;
pub use rest::{MessagesQuery, PageQuery, Rest, RestOptions, SyncQuery, Window};

/// What the SDK calls itself.
const USER_AGENT: &str = concat!("stonechat-client/", env!("CARGO_PKG_VERSION"));
