//! Connection: one live connection, owned by whoever opened it. It does not come back by itself; `Chat` does that.
//!
//! Lean on purpose, for a load generator holds fifteen thousand and reads half a million frames a second: reads
//! go through one scratch buffer per thread, an idle connection keeps no buffers, a frame costs no allocation.
//!
//! Invariant: every call may be dropped at any await; no byte is lost, doubled or torn by it.

mod upgrade;

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use stonechat_wire::websocket::{
    Decoder, Incoming, Side, put_masked_close, put_masked_pong, put_masked_text,
};
use stonechat_wire::{ClientFrame, ServerFrame, close};
use tokio::net::TcpStream;

use crate::error::{Result, Transport};
use crate::frames;

/// Read from a socket at once: a full receive window on loopback is not much more.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Largest frame taken from a server. Pages are at most 128 KiB, texts 16 KiB.
const MAX_SERVER_FRAME_BYTES: usize = 1024 * 1024;
/// Sixteen of the largest frames. A peer that has not read that much does not read at all.
const MAX_UNSENT_BYTES: usize = 16 * stonechat_wire::MAX_CLIENT_FRAME_BYTES;
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
        let shared = Arc::new(Shared { stream, unsent: Mutex::new(BytesMut::new()) });
        let reader = Reader {
            shared: shared.clone(),
            decoder: Decoder::new(Side::Client, MAX_SERVER_FRAME_BYTES),
            tail: early,
            start: 0,
            closed: None,
        };
        Ok(Self { reader, writer: Writer { shared } })
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
        Ok(self.reader.shared.stream.local_addr()?)
    }
}

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    /// Whole frames, the first of which may be half written. Everything sent passes here, pongs too, so that
    /// frames never mix, whoever is dropped in mid-send.
    unsent: Mutex<BytesMut>,
}

impl Shared {
    fn queue(&self, put: impl FnOnce(&mut BytesMut)) -> Result<()> {
        let mut unsent = self.unsent.lock();
        if unsent.len() > MAX_UNSENT_BYTES {
            return Err(Transport::Stalled.into());
        }
        put(&mut unsent);
        Ok(())
    }

    /// Writes what the kernel takes. `true`: everything.
    fn write_some(&self) -> std::io::Result<bool> {
        let mut unsent = self.unsent.lock();
        while !unsent.is_empty() {
            match self.stream.try_write(&unsent) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => unsent.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if unsent.capacity() > KEEP_BYTES {
            *unsent = BytesMut::new();
        }
        Ok(true)
    }
}

/// The sending half; clones send on the same connection.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    /// As [`Connection::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&self, frame: &ClientFrame) -> Result<()> {
        self.queue(frame)?;
        self.flush().await
    }

    /// As [`Connection::send_text`].
    ///
    /// # Errors
    /// As there.
    pub async fn send_text(&self, text: &str) -> Result<()> {
        self.queue_text(text)?;
        self.flush().await
    }

    /// Takes a frame without waiting; what the kernel does not take at once goes with [`Writer::flush`] or the
    /// next send.
    ///
    /// # Errors
    /// `Transport::Stalled` when the peer has stopped reading.
    pub fn queue(&self, frame: &ClientFrame) -> Result<()> {
        self.queue_text(&serde_json::to_string(frame)?)
    }

    /// As [`Writer::queue`], for any text.
    ///
    /// # Errors
    /// As there.
    pub fn queue_text(&self, text: &str) -> Result<()> {
        self.shared.queue(|out| put_masked_text(out, text.as_bytes(), rand::random()))?;
        self.shared.write_some()?;
        Ok(())
    }

    /// Waits until everything taken is with the kernel.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn flush(&self) -> Result<()> {
        while !self.shared.write_some()? {
            self.shared.stream.writable().await?;
        }
        Ok(())
    }

    /// Whether everything taken is with the kernel.
    pub fn is_flushed(&self) -> bool {
        self.shared.unsent.lock().is_empty()
    }

    /// As [`Connection::close`].
    ///
    /// # Errors
    /// As there.
    pub async fn close(&self, code: u16, reason: &str) -> Result<()> {
        self.shared.queue(|out| put_masked_close(out, code, reason, rand::random()))?;
        self.flush().await
    }
}

/// The receiving half.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    decoder: Decoder,
    /// Read but not decoded, from `start` on.
    tail: Vec<u8>,
    start: usize,
    closed: Option<Closed>,
}

impl Reader {
    /// As [`Connection::recv`].
    ///
    /// # Errors
    /// As there.
    pub async fn recv(&mut self) -> Result<Received> {
        loop {
            if let Some(received) = self.next_ready()? {
                return Ok(received);
            }
            self.fill().await?;
        }
    }

    /// The next frame that needs no waiting.
    pub(crate) fn next_ready(&mut self) -> Result<Option<Received>> {
        loop {
            if let Some(closed) = &self.closed {
                return Ok(Some(Received::Closed(closed.clone())));
            }
            let read =
                self.decoder.read(&mut self.tail[self.start..], |incoming| take(incoming, frames::decode));
            let Some((used, taken)) = read.map_err(|violation| self.violated(violation))? else {
                self.compact();
                return Ok(None);
            };
            self.start += used;
            match taken {
                Some(Taken::Text(frame)) => {
                    if let Some(frame) = frame? {
                        return Ok(Some(Received::Frame(frame)));
                    }
                }
                Some(Taken::Ping(payload)) => self.pong(&payload)?,
                Some(Taken::Closed(closed)) => self.ended(closed),
                Some(Taken::Nothing) | None => {}
            }
        }
    }

    /// As [`Connection::recv_raw`].
    ///
    /// # Errors
    /// As there.
    pub async fn recv_raw(&mut self, mut payload: impl FnMut(&[u8])) -> Result<Option<Closed>> {
        if self.start < self.tail.len() {
            let mut early = self.tail.split_off(self.start);
            self.compact_all();
            if self.drain(&mut early, &mut payload)? {
                return Ok(self.closed.clone());
            }
        }
        loop {
            if self.closed.is_some() {
                return Ok(self.closed.clone());
            }
            self.readable().await?;
            if with_scratch(|scratch| self.read_and_drain(scratch, &mut payload))? {
                return Ok(self.closed.clone());
            }
        }
    }

    /// `true`: something came.
    fn read_and_drain(&mut self, scratch: &mut Vec<u8>, payload: &mut impl FnMut(&[u8])) -> Result<bool> {
        let held = self.tail.len();
        if scratch.len() < held + SCRATCH_BYTES {
            scratch.resize(held + SCRATCH_BYTES, 0);
        }
        let Some(count) = self.try_read(&mut scratch[held..])? else { return Ok(self.closed.is_some()) };
        scratch[..held].copy_from_slice(&self.tail);
        self.compact_all();
        self.drain(&mut scratch[..held + count], payload)
    }

    /// Decodes all whole frames and keeps the rest. `true`: something came.
    fn drain(&mut self, buffer: &mut [u8], payload: &mut impl FnMut(&[u8])) -> Result<bool> {
        let (mut start, mut came) = (0, false);
        while self.closed.is_none() {
            let read = self.decoder.read(&mut buffer[start..], |incoming| {
                take(incoming, |text| {
                    payload(text.as_bytes());
                    came = true;
                })
            });
            let Some((used, taken)) = read.map_err(|violation| self.violated(violation))? else { break };
            start += used;
            match taken {
                Some(Taken::Ping(payload)) => self.pong(&payload)?,
                Some(Taken::Closed(closed)) => self.ended(closed),
                Some(Taken::Text(()) | Taken::Nothing) | None => {}
            }
        }
        self.tail.extend_from_slice(&buffer[start..]);
        Ok(came || self.closed.is_some())
    }

    /// Waits for bytes and appends them to `tail`, or notes the end.
    async fn fill(&mut self) -> Result<()> {
        self.readable().await?;
        with_scratch(|scratch| {
            if let Some(count) = self.try_read(scratch)? {
                self.tail.extend_from_slice(&scratch[..count]);
            }
            Ok(())
        })
    }

    async fn readable(&self) -> Result<()> {
        // A socket that always has more must not starve the other tasks of its thread.
        tokio::task::consume_budget().await;
        Ok(self.shared.stream.readable().await?)
    }

    /// `None`: nothing there after all, or the end, which is noted.
    fn try_read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        match self.shared.stream.try_read(buffer) {
            Ok(0) => self.ended(Closed { code: ABNORMAL, reason: String::from("end of stream") }),
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.ended(Closed { code: ABNORMAL, reason: error.to_string() }),
        }
        Ok(None)
    }

    fn pong(&self, payload: &[u8]) -> Result<()> {
        self.shared.queue(|out| put_masked_pong(out, payload, rand::random()))?;
        self.shared.write_some()?;
        Ok(())
    }

    /// Notes the end, and answers a close as RFC 6455, 5.5.1 asks.
    fn ended(&mut self, closed: Closed) {
        if closed.code != ABNORMAL {
            self.say_close(closed.code, "");
        }
        self.closed = Some(closed);
    }

    fn violated(&mut self, violation: stonechat_wire::websocket::Violation) -> Transport {
        self.say_close(violation.close_code(), "");
        self.closed = Some(Closed { code: violation.close_code(), reason: violation.to_string() });
        Transport::Framing(violation)
    }

    /// Best effort: the connection is over either way.
    fn say_close(&self, code: u16, reason: &str) {
        let queued = self.shared.queue(|out| put_masked_close(out, code, reason, rand::random()));
        if queued.is_ok() && self.shared.write_some().is_err() {
            tracing::trace!(code, "the close was not answered");
        }
    }

    fn compact(&mut self) {
        self.tail.drain(..self.start);
        self.start = 0;
        if self.tail.is_empty() && self.tail.capacity() > KEEP_BYTES {
            self.tail = Vec::new();
        }
    }

    fn compact_all(&mut self) {
        self.start = self.tail.len();
        self.compact();
    }
}

/// RFC 6455, 7.4.1: what a peer that said nothing counts as; never sent.
const ABNORMAL: u16 = 1006;

enum Taken<T> {
    Text(T),
    Ping(Vec<u8>),
    Closed(Closed),
    Nothing,
}

fn take<T>(incoming: Incoming<'_>, text: impl FnOnce(&str) -> T) -> Taken<T> {
    match incoming {
        Incoming::Text(payload) => Taken::Text(text(payload)),
        Incoming::Ping(payload) => Taken::Ping(payload.to_vec()),
        Incoming::Close(code, reason) => Taken::Closed(Closed { code, reason: reason.to_owned() }),
        Incoming::Binary(_) | Incoming::Pong => Taken::Nothing,
    }
}

/// Lends the thread's scratch buffer. It is taken out meanwhile, so a callback that reads again gets its own.
fn with_scratch<R>(read: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    let mut scratch = SCRATCH.take();
    scratch.resize(SCRATCH_BYTES, 0);
    scratch.shrink_to(2 * SCRATCH_BYTES);
    let result = read(&mut scratch);
    SCRATCH.set(scratch);
    result
}

/// Whether the SDK comes back by itself after this close code.
pub(crate) fn is_final(code: u16) -> bool {
    matches!(code, close::UNAUTHENTICATED | close::REFUSED | close::OUTDATED | close::REPLACED)
}
