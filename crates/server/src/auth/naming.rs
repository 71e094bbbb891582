//! Naming: what handles and names may be. Control and direction characters never get in: a name cannot pose as another.

use stonechat_store::{Error, Result};
use unicode_normalization::UnicodeNormalization;

/// A handle: 1–32 of `a-z`, digits, `.`, `_`, `-`, beginning with a letter or digit; lower-cased.
///
/// # Errors
/// `invalid`.
pub(crate) fn handle(text: &str) -> Result<String> {
    let handle = text.trim().trim_start_matches('@').to_lowercase();
    let first =
        handle.chars().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit());
    let rest = handle.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c));
    if !first || !rest || handle.len() > 32 {
        return Err(Error::invalid(
            "handle",
            "1 to 32 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit",
        ));
    }
    if handle == "all" || handle == "me" {
        return Err(Error::invalid("handle", "this word has a meaning of its own"));
    }
    Ok(handle)
}

/// A person's name: 1–80 characters on one line.
///
/// # Errors
/// `invalid`.
pub(crate) fn person(text: &str) -> Result<String> {
    title("name", text)
}

/// A device's name, cut to 80 characters.
///
/// # Errors
/// `invalid` for an empty one.
pub(crate) fn device(text: &str) -> Result<String> {
    let cut: String = text.chars().filter(|c| !is_hidden(*c)).take(80).collect();
    title("device_name", &cut)
}

/// A name of something, composed (NFC): 1–80 characters, none that is invisible or turns the text's direction.
///
/// # Errors
/// `invalid`, naming `field`.
pub(crate) fn title(field: &str, text: &str) -> Result<String> {
    let text = text.trim();
    // Composing never makes a text longer than three times as many characters: no need to compose what is far too long.
    if text.is_empty() || text.chars().nth(4 * 80).is_some() {
        return Err(Error::invalid(field, "1 to 80 characters"));
    }
    let text: String = text.nfc().collect();
    if text.chars().count() > 80 {
        return Err(Error::invalid(field, "1 to 80 characters"));
    }
    if text.chars().any(is_hidden) {
        return Err(Error::invalid(field, "control and direction characters are not allowed"));
    }
    Ok(text)
}

/// Control characters, and those that reorder or hide text (Unicode TR 36).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
        )
        || matches!(c, '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o6_handles_and_names() {
        assert_eq!(handle(" @Ana.B ").unwrap(), "ana.b");
        for bad in ["", "-a", "a b", "ä", "a\u{202e}b", "all", "me", &"x".repeat(33)] {
            assert!(handle(bad).is_err(), "{bad}");
        }
        assert_eq!(person(" Ana Ö ").unwrap(), "Ana Ö");
        assert_eq!(person("Ana O\u{308}").unwrap(), "Ana Ö");
        assert_eq!(person(&"o\u{308}".repeat(80)).unwrap().chars().count(), 80);
        let invisible = ["\u{3164}", "\u{ad}a", "a\u{2028}b", "\u{61c}a", "a\u{200b}b"];
        for bad in ["", "  ", "a\u{202e}b", "a\nb", &"x".repeat(81)].into_iter().chain(invisible) {
            assert!(person(bad).is_err(), "{bad}");
        }
    }
}
