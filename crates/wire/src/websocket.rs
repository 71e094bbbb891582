//! WebSocket: RFC 6455 framing over byte slices, for loops that own their sockets and hold no buffers.
//!
//! Headers are read by tungstenite's codec; what is here finds frame boundaries, masks, and joins fragments.
//! Invariant: nothing is allocated by the length a peer claims.

use bytes::{BufMut, Bytes, BytesMut};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Longest payload of a control frame (RFC 6455, 5.5).
const MAX_CONTROL_BYTES: usize = 125;

/// Which side of the connection reads: a server demands masks, a client forbids them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Server,
    Client,
}

/// A whole message or control frame, borrowed from the buffer it was read into.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    /// The peer closes, with its code (1005 where it gave none).
    Close(u16, &'a str),
}

/// What a peer did wrong; the connection ends with the close code of [`Violation::close_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("malformed frame")]
    Protocol,
    #[error("text is not UTF-8")]
    NotUtf8,
    #[error("larger than the limit")]
    TooBig,
}

impl Violation {
    pub fn close_code(self) -> u16 {
        match self {
            Self::Protocol => crate::close::PROTOCOL,
            Self::NotUtf8 => crate::close::INVALID_DATA,
            Self::TooBig => crate::close::TOO_BIG,
        }
    }
}

/// Joins fragments into messages. Holds memory only between the fragments of one message.
#[derive(Debug)]
pub struct Decoder {
    side: Side,
    max_message_bytes: usize,
    /// Opcode and payload so far of a message whose last fragment has not come.
    fragments: Option<Box<(Data, Vec<u8>)>>,
}

impl Decoder {
    pub fn new(side: Side, max_message_bytes: usize) -> Self {
        Self { side, max_message_bytes, fragments: None }
    }

    /// Lowers or raises the limit, as when a connection becomes authenticated.
    pub fn set_max_message_bytes(&mut self, max_message_bytes: usize) {
        self.max_message_bytes = max_message_bytes;
    }

    /// Reads one frame from the front of `buffer`, unmasking it in place, and gives its length and what it
    /// completed to `handle`. `Ok(None)`: the frame is not whole yet.
    ///
    /// # Errors
    /// [`Violation`] as soon as the header shows it; the payload need not have come.
    pub fn read<R>(
        &mut self,
        buffer: &mut [u8],
        handle: impl FnOnce(Incoming<'_>) -> R,
    ) -> Result<Option<(usize, Option<R>)>, Violation> {
        let mut cursor = std::io::Cursor::new(&*buffer);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol)?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let start = usize::try_from(cursor.position()).map_err(|_| Violation::TooBig)?;
        let length = usize::try_from(length).map_err(|_| Violation::TooBig)?;
        self.check(&header, length)?;
        let Some(payload) = buffer.get_mut(start..start.saturating_add(length)) else { return Ok(None) };
        if let Some(mask) = header.mask {
            unmask(payload, mask);
        }
        let result = match header.opcode {
            OpCode::Control(Control::Ping) => Some(handle(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => Some(handle(Incoming::Pong)),
            OpCode::Control(_) => {
                let (code, reason) = close_reason(payload)?;
                Some(handle(Incoming::Close(code, reason)))
            }
            OpCode::Data(data) => self.join(data, header.is_final, payload, handle)?,
        };
        Ok(Some((start + length, result)))
    }

    fn check(&self, header: &FrameHeader, length: usize) -> Result<(), Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 || header.mask.is_some() != (self.side == Side::Server) {
            return Err(Violation::Protocol);
        }
        match header.opcode {
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                Err(Violation::Protocol)
            }
            OpCode::Control(_) if length > MAX_CONTROL_BYTES || !header.is_final => Err(Violation::Protocol),
            OpCode::Control(_) => Ok(()),
            OpCode::Data(data) => {
                if (data == Data::Continue) != self.fragments.is_some() {
                    return Err(Violation::Protocol);
                }
                let held = self.fragments.as_ref().map_or(0, |held| held.1.len());
                if length > self.max_message_bytes - held.min(self.max_message_bytes) {
                    return Err(Violation::TooBig);
                }
                Ok(())
            }
        }
    }

    fn join<R>(
        &mut self,
        data: Data,
        is_final: bool,
        payload: &[u8],
        handle: impl FnOnce(Incoming<'_>) -> R,
    ) -> Result<Option<R>, Violation> {
        if self.fragments.is_none() && is_final {
            return Ok(Some(handle(whole(data, payload)?)));
        }
        let held = self.fragments.get_or_insert_with(|| Box::new((data, Vec::new())));
        held.1.extend_from_slice(payload);
        if !is_final {
            return Ok(None);
        }
        let Some(held) = self.fragments.take() else { return Ok(None) };
        Ok(Some(handle(whole(held.0, &held.1)?)))
    }
}

fn whole(data: Data, payload: &[u8]) -> Result<Incoming<'_>, Violation> {
    if data == Data::Text {
        return std::str::from_utf8(payload).map(Incoming::Text).map_err(|_| Violation::NotUtf8);
    }
    Ok(Incoming::Binary(payload))
}

/// RFC 6455, 5.5.1 and 7.4: a code of two bytes, then UTF-8.
fn close_reason(payload: &[u8]) -> Result<(u16, &str), Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok((1005, "")) } else { Err(Violation::Protocol) };
    };
    let code = u16::from_be_bytes(*code);
    let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    if allowed { Ok((code, reason)) } else { Err(Violation::Protocol) }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(bytes) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// Appends an unmasked (server) text frame.
pub fn put_text(out: &mut BytesMut, text: &[u8]) {
    put_header(out, 0x81, text.len(), None);
    out.put_slice(text);
}

/// Appends a masked (client) text frame. RFC 6455, 10.3 asks for a mask an attacker cannot predict.
pub fn put_masked_text(out: &mut BytesMut, text: &[u8], mask: [u8; 4]) {
    put_masked(out, 0x81, text, mask);
}

/// An unmasked pong that answers a ping.
pub fn pong(payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 2);
    put_header(&mut out, 0x8a, payload.len(), None);
    out.put_slice(payload);
    out.freeze()
}

/// A masked pong that answers a ping.
pub fn put_masked_pong(out: &mut BytesMut, payload: &[u8], mask: [u8; 4]) {
    put_masked(out, 0x8a, payload, mask);
}

/// An unmasked close frame; the reason is cut at 123 bytes.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(2 + MAX_CONTROL_BYTES);
    let payload = close_payload(code, reason);
    put_header(&mut out, 0x88, payload.len(), None);
    out.put_slice(&payload);
    out.freeze()
}

/// A masked close frame.
pub fn put_masked_close(out: &mut BytesMut, code: u16, reason: &str, mask: [u8; 4]) {
    put_masked(out, 0x88, &close_payload(code, reason), mask);
}

fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(MAX_CONTROL_BYTES - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    // 1005 means "no code" and may not be sent.
    if code == 1005 {
        return Vec::new();
    }
    [&code.to_be_bytes()[..], &reason.as_bytes()[..end]].concat()
}

fn put_masked(out: &mut BytesMut, first: u8, payload: &[u8], mask: [u8; 4]) {
    put_header(out, first, payload.len(), Some(mask));
    let start = out.len();
    out.put_slice(payload);
    unmask(&mut out[start..], mask);
}

fn put_header(out: &mut BytesMut, first: u8, length: usize, mask: Option<[u8; 4]>) {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    out.put_u8(first);
    match length {
        0..=125 => out.put_u8(masked | length as u8),
        126..=0xffff => {
            out.put_u8(masked | 126);
            out.put_u16(length as u16);
        }
        _ => {
            out.put_u8(masked | 127);
            out.put_u64(length as u64);
        }
    }
    if let Some(mask) = mask {
        out.put_slice(&mask);
    }
}

/// The payloads of the unmasked text frames in `frames`, which holds whole frames only.
pub fn payloads(frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = frames;
    std::iter::from_fn(move || {
        let mut cursor = std::io::Cursor::new(rest);
        let (_, length) = FrameHeader::parse(&mut cursor).ok()??;
        let start = usize::try_from(cursor.position()).ok()?;
        let payload = rest.get(start..start + usize::try_from(length).ok()?)?;
        rest = &rest[start + payload.len()..];
        Some(payload)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(decoder: &mut Decoder, mut buffer: Vec<u8>) -> Result<Vec<String>, Violation> {
        let mut seen = Vec::new();
        while let Some((used, message)) = decoder.read(&mut buffer, |incoming| format!("{incoming:?}"))? {
            seen.extend(message);
            buffer.drain(..used);
        }
        Ok(seen)
    }

    #[test]
    fn text_of_every_length_class_survives() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let text = "x".repeat(length);
            let mut out = BytesMut::new();
            put_masked_text(&mut out, text.as_bytes(), [1, 2, 3, 4]);
            let mut decoder = Decoder::new(Side::Server, 70_000);
            assert_eq!(
                read_all(&mut decoder, out.to_vec()).unwrap(),
                vec![format!("{:?}", Incoming::Text(&text))]
            );
        }
    }

    /// RFC 6455, 5.7, and masks put on byte by byte: a round trip through our own code would hide an error in both.
    #[test]
    fn masks_are_those_of_the_rfc_at_every_length() {
        let hello = vec![0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let mut decoder = Decoder::new(Side::Server, 100);
        assert_eq!(read_all(&mut decoder, hello).unwrap(), ["Text(\"Hello\")"]);
        let mask = [0x11, 0xa2, 0x33, 0xc4];
        for length in 0..=33_u8 {
            let text: String = (0..length).map(|n| char::from(b'a' + n % 26)).collect();
            let masked = text.bytes().enumerate().map(|(at, byte)| byte ^ mask[at % 4]);
            let frame: Vec<u8> = [0x81, 0x80 | length].into_iter().chain(mask).chain(masked).collect();
            assert_eq!(read_all(&mut decoder, frame.clone()).unwrap(), [format!("Text({text:?})")]);
            let mut out = BytesMut::new();
            put_masked_text(&mut out, text.as_bytes(), mask);
            assert_eq!(out.to_vec(), frame);
        }
    }

    #[test]
    fn w4_a_claimed_length_allocates_nothing_and_is_refused() {
        let mut decoder = Decoder::new(Side::Server, 65_536);
        let header = [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert_eq!(read_all(&mut decoder, header.to_vec()), Err(Violation::TooBig));
    }

    #[test]
    fn w4_endless_fragments_end_at_the_limit() {
        let mut decoder = Decoder::new(Side::Client, 10);
        let mut frames = vec![0x01, 1, b'a'];
        for _ in 0..20 {
            frames.extend([0x00, 1, b'a']);
        }
        assert_eq!(read_all(&mut decoder, frames), Err(Violation::TooBig));
    }

    #[test]
    fn w5_fragments_join_around_a_ping() {
        let mut decoder = Decoder::new(Side::Client, 10);
        let frames = vec![0x01, 1, b'a', 0x89, 0, 0x80, 1, b'b'];
        assert_eq!(read_all(&mut decoder, frames).unwrap(), vec!["Ping([])", "Text(\"ab\")"]);
    }

    #[test]
    fn w5_protocol_errors() {
        for (frame, violation) in [
            (vec![0x81, 0x01, b'a'], Violation::Protocol), // unmasked to a server
            (vec![0xc1, 0x80, 0, 0, 0, 0], Violation::Protocol), // RSV1 without an extension
            (vec![0x83, 0x80, 0, 0, 0, 0], Violation::Protocol), // reserved opcode
            (vec![0x09, 0x80, 0, 0, 0, 0], Violation::Protocol), // fragmented ping
            (vec![0x89, 0xfe, 0, 126, 0, 0, 0, 0], Violation::Protocol), // ping over 125 bytes
            (vec![0x80, 0x80, 0, 0, 0, 0], Violation::Protocol), // continuation of nothing
            (vec![0x88, 0x81, 0, 0, 0, 0, 3], Violation::Protocol), // close with half a code
            (vec![0x81, 0x81, 0, 0, 0, 0, 0xff], Violation::NotUtf8),
        ] {
            let mut decoder = Decoder::new(Side::Server, 100);
            assert_eq!(read_all(&mut decoder, frame.clone()), Err(violation), "{frame:x?}");
        }
    }

    #[test]
    fn payloads_walk_joined_frames() {
        let mut out = BytesMut::new();
        put_text(&mut out, b"one");
        put_text(&mut out, &[b'2'; 300]);
        assert_eq!(payloads(&out).map(<[u8]>::len).collect::<Vec<_>>(), vec![3, 300]);
    }
}
