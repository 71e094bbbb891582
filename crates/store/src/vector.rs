//! Vector: what a device has seen, as a position per origin; a cursor is a vector in a sealed envelope.
//!
//! A vector cuts every conversation's log in a prefix (it is closed under "the event before"), so no row can be
//! skipped under concurrent writers. Invariant: a vector only ever copies a node's applied state or one
//! snapshot; it is never merged from frames.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use smallvec::SmallVec;
use stonechat_wire::Cursor;

use crate::{ConversationKey, Origin, Position};

/// `{closing up to which all is seen, positions of the origins after it}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vector {
    /// Origins closed with this number or a lower one are seen whole.
    pub closed: u32,
    pub open: SmallVec<[(Origin, Position); 1]>,
}

impl Vector {
    /// The position seen of an origin that is not closed within the vector.
    pub fn position(&self, origin: Origin) -> Position {
        self.open.iter().find(|(id, _)| *id == origin).map_or(Position(0), |(_, position)| *position)
    }
}

/// Where a device stands: between pages of a walk, or at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncCursor {
    pub vector: Vector,
    pub walk: Option<Walk>,
}

/// A walk in progress from `vector` to `target`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    pub target: Vector,
    /// The conversation served before the others.
    pub first: Option<ConversationKey>,
    pub stage: Stage,
}

/// What was served last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Account state, by origin and position.
    Account(Origin, Position),
    /// The conversation asked for first, up to a seq.
    First(u64),
    /// The others by key, the last one up to a seq.
    Rest(ConversationKey, u64),
}

/// Seals and opens cursors. The seal shows that the server made it; it is bound to no user, for a cursor grants
/// nothing, and so one encoded cursor serves every session of a node.
#[derive(Clone)]
pub struct Sealer {
    key: [u8; 32],
}

const SEAL_BYTES: usize = 8;
const FORMAT: u8 = 1;

impl Sealer {
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    pub fn seal(&self, cursor: &SyncCursor) -> Cursor {
        let mut bytes = vec![FORMAT];
        put_vector(&mut bytes, &cursor.vector);
        if let Some(walk) = &cursor.walk {
            put_vector(&mut bytes, &walk.target);
            bytes.extend(walk.first.map_or(0, |key| key.0).to_be_bytes());
            let (tag, left, right) = match walk.stage {
                Stage::Account(origin, position) => (0, origin.0.cast_unsigned(), position.0),
                Stage::First(seq) => (1, 0, seq),
                Stage::Rest(key, seq) => (2, u64::from(key.0), seq),
            };
            bytes.push(tag);
            bytes.extend(left.to_be_bytes());
            bytes.extend(right.to_be_bytes());
        }
        bytes.extend(self.mac(&bytes));
        Cursor(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The cursor inside, or `None` where the server did not make it.
    pub fn open(&self, cursor: &Cursor) -> Option<SyncCursor> {
        if cursor.0.len() > 64 * 1024 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(&cursor.0).ok()?;
        let (body, seal) = bytes.split_last_chunk::<SEAL_BYTES>()?;
        if self.mac(body) != *seal {
            return None;
        }
        let mut rest = body.strip_prefix(&[FORMAT])?;
        let vector = take_vector(&mut rest)?;
        let walk = if rest.is_empty() { None } else { Some(take_walk(&mut rest)?) };
        rest.is_empty().then_some(SyncCursor { vector, walk })
    }

    fn mac(&self, body: &[u8]) -> [u8; SEAL_BYTES] {
        let mut seal = [0; SEAL_BYTES];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) {
            mac.update(body);
            seal.copy_from_slice(&mac.finalize().into_bytes()[..SEAL_BYTES]);
        }
        seal
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

fn put_vector(bytes: &mut Vec<u8>, vector: &Vector) {
    bytes.extend(vector.closed.to_be_bytes());
    bytes.extend(u16::try_from(vector.open.len()).unwrap_or(u16::MAX).to_be_bytes());
    for (origin, position) in &vector.open {
        bytes.extend(origin.0.to_be_bytes());
        bytes.extend(position.0.to_be_bytes());
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn take_vector(rest: &mut &[u8]) -> Option<Vector> {
    let closed = u32::from_be_bytes(take(rest)?);
    let count = u16::from_be_bytes(take(rest)?);
    let mut open = SmallVec::new();
    for _ in 0..count {
        open.push((Origin(i64::from_be_bytes(take(rest)?)), Position(u64::from_be_bytes(take(rest)?))));
    }
    Some(Vector { closed, open })
}

fn take_walk(rest: &mut &[u8]) -> Option<Walk> {
    let target = take_vector(rest)?;
    let first = Some(u32::from_be_bytes(take(rest)?)).filter(|key| *key != 0).map(ConversationKey);
    let [tag] = take(rest)?;
    let (left, right) = (u64::from_be_bytes(take(rest)?), u64::from_be_bytes(take(rest)?));
    let stage = match tag {
        0 => Stage::Account(Origin(left.cast_signed()), Position(right)),
        1 => Stage::First(right),
        2 => Stage::Rest(ConversationKey(u32::try_from(left).ok()?), right),
        _ => return None,
    };
    Some(Walk { target, first, stage })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector() -> impl Strategy<Value = Vector> {
        (any::<u32>(), prop::collection::vec((any::<i64>(), any::<u64>()), 0..4)).prop_map(
            |(closed, open)| Vector {
                closed,
                open: open.into_iter().map(|(o, p)| (Origin(o), Position(p))).collect(),
            },
        )
    }

    fn stage() -> impl Strategy<Value = Stage> {
        prop_oneof![
            (any::<i64>(), any::<u64>()).prop_map(|(o, p)| Stage::Account(Origin(o), Position(p))),
            any::<u64>().prop_map(Stage::First),
            (any::<u32>(), any::<u64>()).prop_map(|(key, seq)| Stage::Rest(ConversationKey(key), seq)),
        ]
    }

    proptest! {
        #[test]
        fn a_sealed_cursor_opens_to_itself(
            vector in vector(), target in vector(), first in 1_u32.., stage in stage(), walking: bool,
        ) {
            let sealer = Sealer::new([7; 32]);
            let walk = walking.then_some(Walk { target, first: Some(ConversationKey(first)), stage });
            let cursor = SyncCursor { vector, walk };
            prop_assert_eq!(sealer.open(&sealer.seal(&cursor)), Some(cursor));
        }

        #[test]
        fn a_changed_cursor_does_not_open(vector in vector(), at: prop::sample::Index) {
            let sealer = Sealer::new([7; 32]);
            let mut text = sealer.seal(&SyncCursor { vector, walk: None }).0.into_bytes();
            // The last character carries spare bits; change another one.
            let at = at.index(text.len() - 1);
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            prop_assert_eq!(sealer.open(&Cursor(String::from_utf8(text).unwrap())), None);
        }
    }
}
