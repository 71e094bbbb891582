//! Connection: one live connection, owned by whoever opened it. It does not come back by itself; `Chat` does that.
//!
//! Lean on purpose, for a load generator holds fifteen thousand and reads half a million frames a second: reads
//! go through one scratch buffer per thread, an idle connection keeps no buffers, a frame costs no allocation.
//!
//! Invariant: every call may be dropped at any await; no byte is lost, doubled or torn by it.

mod reader;
mod upgrade;
mod writer;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use stonechat_wire::{ClientFrame, ServerFrame, close};

pub use self::reader::Reader;
use self::writer::Shared;
pub use self::writer::Writer;
use crate::error::{Result, Transport};

/// A buffer larger than this is given back when it runs empty.
const KEEP_BYTES: usize = 1024;

/// How to open a connection.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Sent as `Authorization: Bearer`; otherwise the first frame must carry a token or ticket.
    pub token: Option<String>,
    /// Sent as the `ticket.` subprotocol, as a browser does.
    pub ticket: Option<String>,
    /// The address to connect from, as one of `127.0.0.0/8` for many clients on one machine.
    pub local_address: Option<IpAddr>,
    /// Further request headers, as written.
    pub headers: Vec<(String, String)>,
    /// `SO_RCVBUF`, to play a slow reader.
    pub receive_buffer_bytes: Option<u32>,
    /// For all of connecting and the upgrade.
    pub timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            token: None,
            ticket: None,
            local_address: None,
            headers: Vec::new(),
            receive_buffer_bytes: None,
            timeout: Duration::from_secs(10),
        }
    }
}

impl ConnectOptions {
    /// Signs in by the `Authorization` header.
    pub fn with_token(token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..Self::default() }
    }
}

/// What a connection brought.
#[derive(Debug)]
pub enum Received {
    /// A frame. Types this version does not know are skipped.
    Frame(ServerFrame),
    /// The end; every later call says the same.
    Closed(Closed),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 1006 where the connection broke without one.
    pub code: u16,
    /// The server's words, or what broke.
    pub reason: String,
}

/// A live connection.
#[derive(Debug)]
pub struct Connection {
    reader: Reader,
    writer: Writer,
}

impl Connection {
    /// Connects to a server (`http://host:port`, with or without `/api/v1/ws`) and upgrades to a WebSocket.
    /// The first frame to send is `connect`.
    ///
    /// # Errors
    /// `Refused` where the server answered with a problem document, otherwise `Transport`.
    pub async fn open(url: &str, options: &ConnectOptions) -> Result<Self> {
        let opened = tokio::time::timeout(options.timeout, upgrade::open(url, options)).await;
        let (stream, early) = opened.map_err(|_| Transport::Timeout)??;
        let shared = Arc::new(Shared::new(stream));
        Ok(Self { reader: Reader::new(shared.clone(), early), writer: Writer::new(shared) })
    }

    /// Sends a frame; returns when the kernel took it.
    ///
    /// # Errors
    /// `Transport` when the connection is broken; [`Connection::recv`] says how.
    pub async fn send(&self, frame: &ClientFrame) -> Result<()> {
        self.writer.send(frame).await
    }

    /// Sends a text that need not be a frame.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn send_text(&self, text: &str) -> Result<()> {
        self.writer.send_text(text).await
    }

    /// The next frame, or how the connection ended.
    ///
    /// # Errors
    /// `Transport` when the server broke the framing or sent something unreadable.
    pub async fn recv(&mut self) -> Result<Received> {
        self.reader.recv().await
    }

    /// Waits for at least one frame and gives the payload of every frame that one socket read brought, unread.
    /// `Some`: the connection ended.
    ///
    /// # Errors
    /// As [`Connection::recv`].
    pub async fn recv_raw(&mut self, payload: impl FnMut(&[u8])) -> Result<Option<Closed>> {
        self.reader.recv_raw(payload).await
    }

    /// Says goodbye. Dropping a connection instead cuts it.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn close(&self, code: u16, reason: &str) -> Result<()> {
        self.writer.close(code, reason).await
    }

    /// Two halves for two tasks. The socket closes when both are dropped.
    pub fn split(self) -> (Reader, Writer) {
        (self.reader, self.writer)
    }

    /// The address this side has.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn local_address(&self) -> Result<std::net::SocketAddr> {
        self.writer.local_address()
    }
}

/// Whether the SDK comes back by itself after this close code.
pub(crate) fn is_final(code: u16) -> bool {
    matches!(code, close::UNAUTHENTICATED | close::REFUSED | close::OUTDATED | close::REPLACED)
}
