//! Source: takes Rust sources apart, as far as the walls need: code without comments and literals, and the literals.

/// A source taken apart: code with literals and comments blanked, and the string literals.
pub(super) struct Parsed {
    pub(super) code: String,
    pub(super) literals: Vec<String>,
}

pub(super) fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed { code: String::new(), literals: Vec::new() };
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = parsed.code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let raw = (!word).then(|| raw_start(rest)).flatten();
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = after_block_comment(rest);
        } else if let Some(hashes) = raw {
            let open = rest.find('"').expect("a raw string begins") + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            let end = rest[open..].find(&close).map_or(rest.len(), |at| open + at);
            parsed.literals.push(rest[open..end].to_owned());
            parsed.code.push(' ');
            rest = rest.get(end + close.len()..).unwrap_or("");
        } else if c == '"' {
            let end = end_of_string(rest);
            parsed.literals.push(rest[1..end].replace("\\\n", " "));
            parsed.code.push(' ');
            rest = rest.get(end + 1..).unwrap_or("");
        } else if let Some(length) = character(rest) {
            parsed.code.push(' ');
            rest = &rest[length..];
        } else {
            parsed.code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    parsed
}

/// How many `#` a raw string has that begins here.
fn raw_start(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn after_block_comment(rest: &str) -> &str {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    &rest[at..]
}

fn end_of_string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character literal that begins here; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    if inner.starts_with('\\') {
        // The escaped character itself may be a quote.
        let end = inner.char_indices().skip(2).find(|(_, c)| *c == '\'')?.0;
        return Some(end + 2);
    }
    let c = inner.chars().next()?;
    inner[c.len_utf8()..].starts_with('\'').then_some(c.len_utf8() + 2)
}
