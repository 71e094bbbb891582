//! Writer: the sending half of a connection, and the one buffer everything sent passes through.
//!
//! Invariant: a frame is in that buffer whole or not at all, so no dropped future tears the stream.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use stonechat_wire::ClientFrame;
use stonechat_wire::websocket::{put_masked_close, put_masked_text};
use tokio::net::TcpStream;

use super::KEEP_BYTES;
use crate::error::{Result, Transport};

/// Sixteen of the largest frames. A peer that has not read that much does not read at all.
const MAX_UNSENT_BYTES: usize = 16 * stonechat_wire::MAX_CLIENT_FRAME_BYTES;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) stream: TcpStream,
    /// Whole frames, the first of which may be half written. Everything sent passes here, pongs too, so that
    /// frames never mix, whoever is dropped in mid-send.
    unsent: Mutex<BytesMut>,
}

impl Shared {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, unsent: Mutex::new(BytesMut::new()) }
    }

    pub(super) fn queue(&self, put: impl FnOnce(&mut BytesMut)) -> Result<()> {
        let mut unsent = self.unsent.lock();
        if unsent.len() > MAX_UNSENT_BYTES {
            return Err(Transport::Stalled.into());
        }
        put(&mut unsent);
        Ok(())
    }

    /// Writes what the kernel takes. `true`: everything.
    pub(super) fn write_some(&self) -> std::io::Result<bool> {
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
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn local_address(&self) -> Result<SocketAddr> {
        Ok(self.shared.stream.local_addr()?)
    }

    /// As [`super::Connection::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&self, frame: &ClientFrame) -> Result<()> {
        self.queue(frame)?;
        self.flush().await
    }

    /// As [`super::Connection::send_text`].
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

    /// As [`super::Connection::close`].
    ///
    /// # Errors
    /// As there.
    pub async fn close(&self, code: u16, reason: &str) -> Result<()> {
        self.shared.queue(|out| put_masked_close(out, code, reason, rand::random()))?;
        self.flush().await
    }
}
