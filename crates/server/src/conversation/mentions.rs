//! Mentions: `@handle` and `@all` in a Markdown text, outside of code.
//!
//! An address (`ana@example.org`) is none, and punctuation after a handle is not part of it.

/// Handles in the order they appear, each once, and whether everybody is meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) handles: Vec<String>,
    pub(super) all: bool,
}

/// Of more handles than this the rest stays text.
const MAX_HANDLES: usize = 50;

/// What a text names. Without an `@` it costs one look at its bytes.
pub(super) fn find(text: &str) -> Found {
    let mut found = Found::default();
    if !text.as_bytes().contains(&b'@') {
        return found;
    }
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let start = line.trim_start();
        if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark)) {
            match fence {
                None => fence = Some(mark),
                Some(open) if open == mark => fence = None,
                Some(_) => {}
            }
            continue;
        }
        if fence.is_none() {
            in_line(line, &mut found);
        }
    }
    found
}

fn in_line(line: &str, found: &mut Found) {
    let mut rest = line;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        if c == '`' {
            rest = after_code(rest);
            before = '`';
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c == '@' && !is_word(before) {
            let length = rest.bytes().take_while(|byte| is_handle(*byte)).count();
            let handle = rest[..length].trim_end_matches(['.', '-', '_']);
            let followed_by_address = rest[length..].starts_with('@');
            if !handle.is_empty() && !followed_by_address {
                found.add(&handle.to_ascii_lowercase());
            }
            rest = &rest[length..];
        }
        before = c;
    }
}

/// Behind a code span, or behind its backticks where they never close.
fn after_code(text: &str) -> &str {
    let ticks = text.bytes().take_while(|byte| *byte == b'`').count();
    let (mark, rest) = text.split_at(ticks);
    let mut from = 0;
    while let Some(at) = rest[from..].find(mark) {
        let end = from + at + ticks;
        let longer = rest[end..].bytes().take_while(|byte| *byte == b'`').count();
        if longer == 0 && !rest[..from + at].ends_with('`') {
            return &rest[end..];
        }
        from = end + longer;
    }
    rest
}

impl Found {
    fn add(&mut self, handle: &str) {
        if handle == "all" {
            self.all = true;
        } else if self.handles.len() < MAX_HANDLES && !self.handles.iter().any(|other| other == handle) {
            self.handles.push(handle.to_owned());
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@' | '/' | '.')
}

fn is_handle(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, handles: &[&str], all: bool) {
        let expected = Found { handles: handles.iter().map(|handle| (*handle).to_owned()).collect(), all };
        assert_eq!(find(text), expected, "{text}");
    }

    #[test]
    fn finds_people_in_text_and_nowhere_else() {
        check("hello", &[], false);
        check("@ana and @Bo.", &["ana", "bo"], false);
        check("(@a.b-c!) @ana @ana", &["a.b-c", "ana"], false);
        check("mail ana@example.org", &[], false);
        check("https://x.org/@ana", &[], false);
        check("`@ana` ``x ` @bo`` @cy", &["cy"], false);
        check("`open @ana", &["ana"], false);
        check("```\n@ana\n```\n@bo", &["bo"], false);
        check("~~~\n```\n@ana\n~~~\n@all", &[], true);
        check("@ @@ana", &[], false);
    }

    #[test]
    fn o6_a_thousand_mentions_are_fifty() {
        let text: String = (0..1_000).map(|n| format!("@p{n} ")).collect();
        assert_eq!(find(&text).handles.len(), MAX_HANDLES);
    }
}
