//! Reader: the receiving half of a connection.
//!
//! Bytes are read into a scratch buffer that all connections of a thread share; only what is not a whole frame
//! yet, or was not asked for yet, is kept with the connection.

use std::cell::Cell;
use std::io::ErrorKind;
use std::sync::Arc;

use stonechat_wire::websocket::{Decoder, Incoming, Side, Violation, put_masked_close, put_masked_pong};

use super::writer::Shared;
use super::{Closed, KEEP_BYTES, Received};
use crate::error::{Result, Transport};
use crate::frames;

/// Read from a socket at once: a full receive window on loopback is not much more.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Largest frame taken from a server. Pages are at most 128 KiB, texts 16 KiB.
const MAX_SERVER_FRAME_BYTES: usize = 1024 * 1024;

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
    pub(super) fn new(shared: Arc<Shared>, early: Vec<u8>) -> Self {
        let decoder = Decoder::new(Side::Client, MAX_SERVER_FRAME_BYTES);
        Self { shared, decoder, tail: early, start: 0, closed: None }
    }

    /// As [`super::Connection::recv`].
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

    /// As [`super::Connection::recv_raw`].
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

    fn violated(&mut self, violation: Violation) -> Transport {
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
