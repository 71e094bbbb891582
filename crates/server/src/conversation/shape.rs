//! Shape: what a text, a reaction, a name or a topic may look like, whoever sends it.
//!
//! Pure. Invariant: what passes here is stored as it is; nothing is cut to fit.

use serde_json::json;
use serde_json::value::RawValue;
use stonechat_store::{Error, Refusal, Result};
use stonechat_wire::{Code, MAX_CONTENT_BYTES};
use unicode_normalization::UnicodeNormalization;

use crate::auth::naming;

/// The sender's own JSON.
const MAX_METADATA_BYTES: usize = 4 * 1024;
const MAX_CONTENT_TYPE_BYTES: usize = 100;
const MAX_EMOJI_BYTES: usize = 64;
const MAX_EMOJI_SIGNS: usize = 8;
const MAX_TOPIC_CHARACTERS: usize = 500;

/// A message's text, what kind of text it is, and the sender's own JSON.
///
/// # Errors
/// `too_large` with the limit, `invalid`.
pub(super) fn text(content: &str, content_type: Option<&str>, metadata: Option<&RawValue>) -> Result<()> {
    if content.len() > MAX_CONTENT_BYTES {
        return too_large("content", MAX_CONTENT_BYTES);
    }
    if content.trim().is_empty() {
        return Err(Error::invalid("content", "empty"));
    }
    if content.as_bytes().contains(&0) {
        return Err(Error::invalid("content", "holds a NUL character"));
    }
    if content_type.is_some_and(|kind| !is_media_type(kind)) {
        return Err(Error::invalid(
            "content_type",
            "a media type such as text/plain, at most 100 characters",
        ));
    }
    let Some(json) = metadata else { return Ok(()) };
    if json.get().len() > MAX_METADATA_BYTES {
        return too_large("metadata", MAX_METADATA_BYTES);
    }
    if !json.get().starts_with('{') {
        return Err(Error::invalid("metadata", "a JSON object"));
    }
    Ok(())
}

fn too_large(field: &str, limit: usize) -> Result<()> {
    let params = json!({ "field": field, "limit": limit });
    Err(Error::Refused(Refusal { code: Code::TooLarge, params }))
}

/// `type/subtype`, parameters after it allowed (RFC 9110, 8.3.1).
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
        part.starts_with(|first: char| first.is_ascii_alphanumeric()) && part.chars().all(known)
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let Some((kind, subtype)) = essence.trim_end().split_once('/') else { return false };
    let printable = parameters.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    text.len() <= MAX_CONTENT_TYPE_BYTES && token(kind) && token(subtype) && printable
}

/// A reaction: one emoji, a sign or a few letters, or `:name:`.
///
/// # Errors
/// `invalid`.
pub(super) fn emoji(emoji: &str) -> Result<()> {
    let name = emoji.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    let is_name = name.is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
    });
    let is_signs = (1..=MAX_EMOJI_SIGNS).contains(&emoji.chars().filter(|c| !extends(*c)).count());
    let odd = |c: char| c.is_whitespace() || c == '<' || (naming::is_hidden(c) && c != JOINER);
    if emoji.len() > MAX_EMOJI_BYTES || !(is_name || is_signs) || emoji.chars().any(odd) {
        return Err(Error::invalid("emoji", "one emoji or :name:, at most 64 bytes"));
    }
    Ok(())
}

/// Joins emoji to one, as in families.
const JOINER: char = '\u{200d}';

/// Belongs to the sign before it: joiner, variation, skin tone, tag, or a mark that combines (Unicode TR 51).
fn extends(c: char) -> bool {
    c == JOINER
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}')
        || unicode_normalization::char::is_combining_mark(c)
}

/// A conversation's name: 1–80 characters, composed, so that equal names are equal bytes.
///
/// # Errors
/// `invalid`.
pub(super) fn name(name: &str) -> Result<String> {
    naming::title("name", &composed(name))
}

/// A conversation's topic; an empty one is none.
///
/// # Errors
/// `invalid`.
pub(super) fn topic(topic: &str) -> Result<String> {
    let topic = composed(topic.trim());
    if topic.chars().count() > MAX_TOPIC_CHARACTERS || topic.chars().any(naming::is_hidden) {
        return Err(Error::invalid("topic", "at most 500 characters on one line"));
    }
    Ok(topic)
}

fn composed(text: &str) -> String {
    text.nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(refused: Result<()>) -> String {
        refused.unwrap_err().params()["field"].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn o6_texts_that_are_refused() {
        assert!(text("hello", None, None).is_ok());
        assert!(text(&"x".repeat(MAX_CONTENT_BYTES), None, None).is_ok());
        let long = text(&"x".repeat(MAX_CONTENT_BYTES + 1), None, None).unwrap_err();
        assert_eq!((long.code(), long.params()["limit"].as_u64()), (Code::TooLarge, Some(16_384)));
        for bad in ["", " \n", "\u{3000}", "a\0b"] {
            assert_eq!(field(text(bad, None, None)), "content", "{bad:?}");
        }
    }

    #[test]
    fn content_types() {
        for good in ["text/plain", "text/markdown; charset=utf-8", "application/vnd.x.y+json"] {
            assert!(text("x", Some(good), None).is_ok(), "{good}");
        }
        let long = format!("text/{}", "x".repeat(100));
        for bad in
            ["", "plain", "/", "text/", "/plain", "text/pl ain", "text/plain; a=\nb", "täxt/plain", &long]
        {
            assert_eq!(field(text("x", Some(bad), None)), "content_type", "{bad:?}");
        }
    }

    #[test]
    fn o6_metadata_is_a_small_object() {
        let json = |text: String| RawValue::from_string(text).unwrap();
        assert!(text("x", None, Some(&json("{\"a\":1}".into()))).is_ok());
        assert_eq!(field(text("x", None, Some(&json("[]".into())))), "metadata");
        let large = json(format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_METADATA_BYTES)));
        assert_eq!(text("x", None, Some(&large)).unwrap_err().code(), Code::TooLarge);
    }

    #[test]
    fn reactions() {
        for good in ["👍", "👍🏽", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️", "🇩🇪", "+1", "é", "e\u{301}", ":party-parrot_2:"]
        {
            assert!(emoji(good).is_ok(), "{good}");
        }
        let long = format!(":{}:", "x".repeat(63));
        let marks = format!("e{}", "\u{301}".repeat(40));
        for bad in ["", " ", "a b", "\u{200d}", "\u{202e}x", "<b>", "a\u{7}", "sentences", &long, &marks] {
            assert_eq!(field(emoji(bad)), "emoji", "{bad:?}");
        }
    }

    #[test]
    fn o6_names_and_topics() {
        assert_eq!(name(" Cafe\u{301} ").unwrap(), "Café");
        assert_eq!(topic("").unwrap(), "");
        assert!(topic(&"x".repeat(500)).is_ok());
        for bad in ["a\u{202e}b", "a\nb", &"x".repeat(501)] {
            assert!(name(bad).is_err() && topic(bad).is_err(), "{bad}");
        }
        assert!(name("").is_err());
    }
}
