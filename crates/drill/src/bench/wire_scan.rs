//! Wire scan: what a load client needs of a frame, found without parsing it.
//!
//! The server writes a control frame's `type` first and an event's `conversation_id` first; a load client sees half a
//! million frames a second and must not be what is measured.

/// What a frame is, as far as a load client cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Event,
    Ack,
    Error,
    Heartbeat,
    Cursor,
    Reset,
    Other,
}

pub fn kind(payload: &[u8]) -> Kind {
    const STARTS: [(&[u8], Kind); 6] = [
        (br#"{"conversation_id""#, Kind::Event),
        (br#"{"type":"ack""#, Kind::Ack),
        (br#"{"type":"error""#, Kind::Error),
        (br#"{"type":"heartbeat""#, Kind::Heartbeat),
        (br#"{"type":"cursor""#, Kind::Cursor),
        (br#"{"type":"reset""#, Kind::Reset),
    ];
    STARTS.iter().find(|(start, _)| payload.starts_with(start)).map_or(Kind::Other, |(_, kind)| *kind)
}

/// The `seq` of an event or ack. The name cannot stand in a text before it: texts come after.
pub fn seq(payload: &[u8]) -> Option<u64> {
    number_after(payload, b"\"seq\":")
}

/// The number after the first occurrence of `name`.
pub fn number_after(payload: &[u8], name: &[u8]) -> Option<u64> {
    let start = find(payload, name)? + name.len();
    let digits = payload[start..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |number, digit| Some(number.unwrap_or(0) * 10 + u64::from(digit - b'0')))
}

/// The text after the first occurrence of `name`, up to a quote.
pub fn text_after<'a>(payload: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = &payload[find(payload, name)? + name.len()..];
    let end = rest.iter().position(|byte| *byte == b'"')?;
    Some(&rest[..end])
}

/// Whether a payload holds a text.
pub fn contains(payload: &[u8], text: &[u8]) -> bool {
    find(payload, text).is_some()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(found) = haystack[from..].iter().position(|byte| *byte == first) {
        let at = from + found;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_what_the_server_writes() {
        let event = br#"{"conversation_id":"x","seq":17,"ordinal":3,"content":"\"seq\":4"}"#;
        assert_eq!((kind(event), seq(event)), (Kind::Event, Some(17)));
        assert_eq!(kind(br#"{"type":"ack","client_id":"x"}"#), Kind::Ack);
        assert_eq!(text_after(event, br#""conversation_id":""#), Some(&b"x"[..]));
        assert_eq!(seq(b"{}"), None);
    }
}
