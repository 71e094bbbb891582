//! Socket: one TCP connection that speaks WebSocket, read and written by one task.
//!
//! An idle socket holds no buffers: it is read into a scratch buffer of the worker, and only an incomplete tail is
//! kept. Invariant: frames are written whole and in order; a close frame only between frames.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use stonechat_wire::websocket::{self, Decoder, Incoming, Side, Violation};
use stonechat_wire::{ClientFrame, ClientId, DecodeError};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::router::outbound::{End, Outbound};

/// Before a client has said who it is.
pub(crate) const MAX_UNAUTHENTICATED_BYTES: usize = 4 * 1024;
/// One read takes at most this much; a frame's tail fits beside it.
const SCRATCH_BYTES: usize = 192 * 1024;
/// Slices of one write call; Linux takes up to 1,024, and more than a few dozen gain nothing.
const MAX_SLICES: usize = 64;
/// How long a peer has to take the rest of a frame and the close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(crate) struct Socket {
    stream: TcpStream,
    decoder: Decoder,
    /// The beginning of a frame whose rest has not come.
    tail: Vec<u8>,
    writing: VecDeque<Bytes>,
    /// How much of the first of `writing` is written.
    offset: usize,
}

/// What happens next on a socket.
pub(crate) enum Next {
    /// The client said something.
    Heard(Vec<Heard>),
    /// All that was given to write is written.
    Drained,
    /// The session is to end.
    End(End),
    /// The connection is gone.
    Gone,
}

/// What a client said, or got wrong.
pub(crate) enum Heard {
    Frame(ClientFrame),
    /// Not understood; the connection lives on.
    Unreadable {
        reason: String,
        client_id: Option<ClientId>,
    },
    Ping(Bytes),
    Close(u16),
    /// The protocol was broken; the connection ends with this code.
    Violation(Violation),
}

impl Socket {
    /// A connection that just switched protocols; `read_ahead` is what came with the request.
    pub(crate) fn new(stream: TcpStream, read_ahead: &[u8]) -> Self {
        Self {
            stream,
            decoder: Decoder::new(Side::Server, MAX_UNAUTHENTICATED_BYTES),
            tail: read_ahead.to_vec(),
            writing: VecDeque::new(),
            offset: 0,
        }
    }

    /// The client said who it is: it may send whole messages.
    pub(crate) fn authenticated(&mut self) {
        self.decoder.set_max_message_bytes(stonechat_wire::MAX_CLIENT_FRAME_BYTES);
    }

    /// Puts frames before everything that waits elsewhere.
    pub(crate) fn write(&mut self, frame: Bytes) {
        self.writing.push_back(frame);
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.writing.is_empty()
    }

    /// Before anybody may send to this connection: what the client says first.
    pub(crate) async fn hear(&mut self) -> Next {
        std::future::poll_fn(|context| self.poll_hear(context)).await
    }

    /// Writes what waits, and hears what comes. With `hold` nothing is taken from the queue: the session is still
    /// being told what was before.
    pub(crate) async fn next(&mut self, outbound: &Outbound, hold: bool) -> Next {
        std::future::poll_fn(|context| self.poll_next(context, outbound, hold)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>, outbound: &Outbound, hold: bool) -> Poll<Next> {
        loop {
            if !self.writing.is_empty() {
                match self.poll_write(context) {
                    Poll::Ready(Ok(())) if hold => return Poll::Ready(Next::Drained),
                    Poll::Ready(Ok(())) => outbound.wrote(0),
                    Poll::Ready(Err(_)) => return Poll::Ready(Next::Gone),
                    Poll::Pending => {
                        if !hold {
                            outbound.wrote(self.writing.iter().map(Bytes::len).sum::<usize>() - self.offset);
                        }
                        if let Poll::Ready(end) = outbound.poll_end(context) {
                            return Poll::Ready(Next::End(end));
                        }
                        break;
                    }
                }
                continue;
            }
            if hold {
                if let Poll::Ready(end) = outbound.poll_end(context) {
                    return Poll::Ready(Next::End(end));
                }
                return Poll::Ready(Next::Drained);
            }
            match outbound.poll_take(context) {
                Poll::Ready(Ok(frames)) => self.writing = frames,
                Poll::Ready(Err(end)) => return Poll::Ready(Next::End(end)),
                Poll::Pending => break,
            }
        }
        self.poll_hear(context)
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while !self.writing.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut count = 0;
            for (slice, frame) in slices.iter_mut().zip(&self.writing) {
                let start = if count == 0 { self.offset } else { 0 };
                *slice = IoSlice::new(&frame[start..]);
                count += 1;
            }
            let mut written =
                ready!(Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            while let Some(first) = self.writing.front() {
                let left = first.len() - self.offset;
                if written < left {
                    self.offset += written;
                    break;
                }
                written -= left;
                self.offset = 0;
                self.writing.pop_front();
            }
        }
        // Nothing waits: nothing is held.
        self.writing = VecDeque::new();
        Poll::Ready(Ok(()))
    }

    fn poll_hear(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.resize(SCRATCH_BYTES, 0);
            loop {
                let mut held = self.tail.len();
                // What came with the request may be whole frames already.
                if held > 0 {
                    scratch[..held].copy_from_slice(&self.tail);
                    let heard = self.decode(&mut scratch[..held]);
                    if !heard.is_empty() {
                        return Poll::Ready(Next::Heard(heard));
                    }
                    held = self.tail.len();
                }
                let mut buffer = ReadBuf::new(&mut scratch[held..]);
                let read = match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                    Poll::Ready(Ok(())) => buffer.filled().len(),
                    Poll::Ready(Err(_)) => return Poll::Ready(Next::Gone),
                    Poll::Pending => return Poll::Pending,
                };
                if read == 0 {
                    return Poll::Ready(Next::Gone);
                }
                // The tail was unmasked nowhere: `decode` gives back untouched bytes only.
                scratch[..held].copy_from_slice(&self.tail);
                let heard = self.decode(&mut scratch[..held + read]);
                if !heard.is_empty() {
                    return Poll::Ready(Next::Heard(heard));
                }
            }
        })
    }

    /// Decodes whole frames and keeps the rest as the tail.
    fn decode(&mut self, mut buffer: &mut [u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        loop {
            match self.decoder.read(buffer, understand) {
                Ok(Some((used, message))) => {
                    heard.extend(message);
                    buffer = &mut buffer[used..];
                }
                Ok(None) => break,
                Err(violation) => {
                    heard.push(Heard::Violation(violation));
                    buffer = &mut [];
                    break;
                }
            }
        }
        if buffer.is_empty() {
            self.tail = Vec::new();
        } else {
            self.tail.clear();
            self.tail.extend_from_slice(buffer);
        }
        heard
    }

    /// Finishes the frame that is half written, says why, and closes.
    pub(crate) async fn close(mut self, end: End) {
        if self.offset > 0
            && let Some(first) = self.writing.front()
        {
            let boundary = frame_end(first, self.offset);
            let rest = first.slice(self.offset..boundary);
            self.writing = VecDeque::from([rest]);
            self.offset = 0;
        } else {
            self.writing.clear();
        }
        // 1005 and 1006 are never sent; the peer sees the connection end.
        if end.code >= 1000 && end.code != 1005 && end.code != 1006 {
            self.writing.push_back(websocket::close(end.code, end.reason));
        }
        let flush = async {
            std::future::poll_fn(|context| self.poll_write(context)).await?;
            self.stream.shutdown().await?;
            // Reading to the end lets the peer take the close frame before a reset could overtake it.
            let mut drain = [0; 1024];
            while tokio::io::AsyncReadExt::read(&mut self.stream, &mut drain).await? > 0 {}
            std::io::Result::Ok(())
        };
        if !matches!(tokio::time::timeout(CLOSE_TIMEOUT, flush).await, Ok(Ok(()))) {
            tracing::debug!(code = end.code, "a connection did not take its close frame");
        }
    }
}

/// Where the frame that holds byte `offset` ends, in a chunk of whole frames.
fn frame_end(chunk: &[u8], offset: usize) -> usize {
    let mut end = 0;
    for payload in websocket::payloads(chunk) {
        // Header and payload lie side by side: the payload's end is the frame's.
        end = payload.as_ptr() as usize - chunk.as_ptr() as usize + payload.len();
        if end >= offset {
            return end;
        }
    }
    end.max(offset)
}

fn understand(incoming: Incoming<'_>) -> Heard {
    match incoming {
        Incoming::Text(text) => match ClientFrame::decode(text) {
            Ok(frame) => Heard::Frame(frame),
            Err(error) => {
                Heard::Unreadable { reason: reason(&error), client_id: ClientFrame::client_id_of(text) }
            }
        },
        Incoming::Binary(_) => {
            Heard::Unreadable { reason: "frames are JSON text".to_owned(), client_id: None }
        }
        Incoming::Ping(payload) => Heard::Ping(Bytes::copy_from_slice(payload)),
        Incoming::Pong => Heard::Frame(ClientFrame::Heartbeat {}),
        Incoming::Close(code, _) => Heard::Close(code),
    }
}

fn reason(error: &DecodeError) -> String {
    error.to_string()
}

/// What a refused client is told before the close.
pub(crate) fn end(code: u16, reason: &'static str) -> End {
    End { code, reason }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn a_half_written_frame_is_finished_and_no_more() {
        let mut chunk = BytesMut::new();
        websocket::put_text(&mut chunk, b"one");
        let first = chunk.len();
        websocket::put_text(&mut chunk, &[b'2'; 300]);
        assert_eq!(frame_end(&chunk, 1), first);
        assert_eq!(frame_end(&chunk, first), first);
        assert_eq!(frame_end(&chunk, first + 1), chunk.len());
    }
}
