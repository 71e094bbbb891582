//! Mentions: `@handle` and `@all` in a Markdown text, outside of code.
//!
//! An address (`ana@example.org`) is none, and punctuation after a handle is not part of it. Fences and code spans are
//! those of CommonMark 0.31 (4.5 and 6.1), as far as they decide what is code.

/// Handles in the order they appear, each once, and whether everybody is meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) handles: Vec<String>,
    pub(super) all: bool,
}

/// Of more handles than this the rest stays text.
const MAX_HANDLES: usize = 50;
/// As long as a handle can be.
const MAX_HANDLE_BYTES: usize = 32;

/// What a text names. Without an `@` it costs one look at its bytes.
pub(super) fn find(text: &str) -> Found {
    let mut found = Found::default();
    if !text.as_bytes().contains(&b'@') {
        return found;
    }
    let mut fence: Option<Fence> = None;
    // A code span may run over lines, but not out of its paragraph.
    let (mut paragraph, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        match fence {
            Some(open) => {
                if open.closes_at(line) {
                    fence = None;
                }
                paragraph = end;
            }
            None => {
                fence = Fence::opening(line);
                if fence.is_some() || line.trim().is_empty() {
                    in_paragraph(&text[paragraph..at], &mut found);
                    paragraph = end;
                }
            }
        }
        at = end;
    }
    in_paragraph(&text[paragraph..], &mut found);
    found
}

/// An open block of code.
#[derive(Clone, Copy)]
struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    fn opening(line: &str) -> Option<Self> {
        let line = unquoted(line);
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let rest = line.trim_start_matches(mark);
        let length = line.len() - rest.len();
        // Three backticks with more of them behind are a code span within one line.
        (length >= 3 && (mark == '~' || !rest.contains('`'))).then_some(Self { mark, length })
    }

    fn closes_at(self, line: &str) -> bool {
        let line = unquoted(line);
        let rest = line.trim_start_matches(self.mark);
        line.len() - rest.len() >= self.length && rest.trim().is_empty()
    }
}

/// A line without its indentation and quotation marks: fences stand in quotes and lists as well.
fn unquoted(line: &str) -> &str {
    line.trim_start_matches([' ', '\t', '>'])
}

fn in_paragraph(text: &str, found: &mut Found) {
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        if c == '`' {
            rest = after_code(rest);
            before = '`';
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c == '\\' && rest.starts_with(|next: char| next.is_ascii_punctuation()) {
            rest = &rest[1..];
        } else if c == '@' && !is_word(before) {
            let length = rest.bytes().take_while(|byte| is_handle(*byte)).count();
            if !rest[length..].starts_with('@') {
                found.add(rest[..length].trim_end_matches(['.', '-', '_']));
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
    /// Takes what stood behind an `@`, where it can be a handle.
    fn add(&mut self, text: &str) {
        if text.len() > MAX_HANDLE_BYTES || !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return;
        }
        let handle = text.to_ascii_lowercase();
        if handle == "all" {
            self.all = true;
        } else if self.handles.len() < MAX_HANDLES && !self.handles.contains(&handle) {
            self.handles.push(handle);
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
        check("@ana,@bo\n@cy:", &["ana", "bo", "cy"], false);
        check("mail ana@example.org", &[], false);
        check("https://x.org/@ana", &[], false);
        check("@ @@ana \\@ana", &[], false);
        check("@ölfass ö@ana 👍@bo", &["bo"], false);
    }

    #[test]
    fn what_is_no_handle_names_nobody() {
        check("@-ana @.ana @_ana", &[], false);
        check(&format!("@{} @{}", "x".repeat(33), "y".repeat(32)), &[&"y".repeat(32)], false);
        check("@allan @ALL", &["allan"], true);
    }

    #[test]
    fn code_spans_are_skipped() {
        check("`@ana` ``x ` @bo`` @cy", &["cy"], false);
        check("`open @ana", &["ana"], false);
        check("`two\nlines @ana` @bo", &["bo"], false);
        check("`ends with its paragraph\n\n@ana` x", &["ana"], false);
        check("\\`@ana\\`", &["ana"], false);
        check("```one line @ana``` @bo\n@cy", &["bo", "cy"], false);
    }

    #[test]
    fn fenced_code_is_skipped() {
        check("```\n@ana\n```\n@bo", &["bo"], false);
        check("see @cy:\n```rust\n@ana\n\n@ana\n```", &["cy"], false);
        check("~~~\n```\n@ana\n~~~\n@all", &[], true);
        check("````\n```\n@ana\n````\n@bo", &["bo"], false);
        check("```\n``` no end\n@ana", &[], false);
        check("> ```\n> @ana\n> ```\n@bo", &["bo"], false);
        check("```\r\n@ana\r\n```\r\n@bo", &["bo"], false);
    }

    #[test]
    fn o6_a_thousand_mentions_are_fifty() {
        let text: String = (0..1_000).map(|n| format!("@p{n} ")).collect();
        assert_eq!(find(&text).handles.len(), MAX_HANDLES);
    }
}
