//! Built: the web app as its build made it, inside the binary: which files there are, and one of them as an answer.
//!
//! Files under `/assets/` have their content's hash in their name and are kept for ever; every other file is asked for
//! again each time and answered by its tag. Invariant: a tag names one sequence of bytes, so each encoding has its own.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A file of the app.
pub(super) struct File {
    pub(super) path: &'static str,
    kind: &'static str,
    /// SHA-256 of the content.
    tag: &'static str,
    /// The name changes with the content.
    immutable: bool,
    plain: &'static [u8],
    br: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

// `FILES` by path, and `SCRIPTS`: hashes of the inline scripts of `index.html`. Written by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/built.rs"));

/// The file with this path.
pub(super) fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

impl File {
    /// The file, or that the asker has it.
    pub(super) fn answer(&self, asked: &HeaderMap) -> Response {
        let (content, encoding) = self.encoded(asked);
        let tag = match encoding {
            Some(encoding) => format!("\"{}-{encoding}\"", self.tag),
            None => format!("\"{}\"", self.tag),
        };
        let mut response = if has(asked, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = content.into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
            if let Some(encoding) = encoding {
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            response
        };
        let headers = response.headers_mut();
        let keep = if self.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }

    /// The content in the best encoding that the asker takes and that is there.
    fn encoded(&self, asked: &HeaderMap) -> (&'static [u8], Option<&'static str>) {
        for (encoding, content) in [("br", self.br), ("gzip", self.gzip)] {
            if let Some(content) = content
                && takes(asked, encoding)
            {
                return (content, Some(encoding));
            }
        }
        (self.plain, None)
    }
}

/// Whether `Accept-Encoding` takes an encoding: by its name or by `*`, unless with a weight of 0 (RFC 9110, 12.5.3).
fn takes(asked: &HeaderMap, encoding: &str) -> bool {
    let mut by_star = false;
    for (name, parameters) in values(asked, header::ACCEPT_ENCODING)
        .map(|value| value.split_once(';').map_or((value, ""), |(name, rest)| (name.trim(), rest)))
    {
        let weight = parameters.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        let wanted = weight != Some(0.0);
        if name.eq_ignore_ascii_case(encoding) {
            return wanted;
        }
        by_star = by_star || (name == "*" && wanted);
    }
    by_star
}

/// Whether `If-None-Match` names this tag (RFC 9110, 13.1.2: compared weakly).
fn has(asked: &HeaderMap, tag: &str) -> bool {
    values(asked, header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// The comma-separated values of a header.
fn values(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: File = File {
        path: "/assets/app-1a2b.js",
        kind: "text/javascript; charset=utf-8",
        tag: "abc",
        immutable: true,
        plain: b"plain",
        br: Some(b"br"),
        gzip: Some(b"gzip"),
    };
    const PAGE: File = File { path: "/index.html", immutable: false, br: None, ..SCRIPT };
    const ICON: File =
        File { path: "/icon.png", kind: "image/png", immutable: false, br: None, gzip: None, ..SCRIPT };

    fn asking(name: header::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_best_encoding_that_is_there_and_taken_is_sent() {
        for (asked, script, page) in [
            (&["gzip, deflate, br, zstd"][..], Some("br"), Some("gzip")),
            (&["gzip"], Some("gzip"), Some("gzip")),
            (&["GZIP ; q=0.5", "BR;q=1.0"], Some("br"), Some("gzip")),
            (&["br;q=0, gzip;q=0.001"], Some("gzip"), Some("gzip")),
            (&["*"], Some("br"), Some("gzip")),
            (&["br;q=0, *"], Some("gzip"), Some("gzip")),
            (&["*;q=0"], None, None),
            (&["identity"], None, None),
            (&["brotli, x-gzip2"], None, None),
            (&[], None, None),
        ] {
            let headers = asking(header::ACCEPT_ENCODING, asked);
            assert_eq!(SCRIPT.encoded(&headers).1, script, "{asked:?}");
            assert_eq!(PAGE.encoded(&headers).1, page, "{asked:?}");
            assert_eq!(ICON.encoded(&headers), (&b"plain"[..], None), "{asked:?}");
            let response = SCRIPT.answer(&headers);
            let sent = response.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap());
            assert_eq!(
                (sent, &response.headers()[header::VARY]),
                (script, &HeaderValue::from_static("accept-encoding"))
            );
        }
    }

    #[test]
    fn a_name_that_changes_with_the_content_is_kept_for_ever() {
        let nothing = HeaderMap::new();
        let kept =
            |file: &File| file.answer(&nothing).headers()[header::CACHE_CONTROL].to_str().unwrap().to_owned();
        assert_eq!(kept(&SCRIPT), "public, max-age=31536000, immutable");
        assert_eq!((kept(&PAGE), kept(&ICON)), ("no-cache".to_owned(), "no-cache".to_owned()));
        assert_eq!(PAGE.answer(&nothing).headers()[header::CONTENT_TYPE], SCRIPT.kind);
    }

    #[test]
    fn whoever_has_it_is_told_so() {
        let status = |file: &File, headers: &HeaderMap| file.answer(headers).status().as_u16();
        for (known, expected) in [
            (&["\"abc\""][..], 304),
            (&["\"old\", W/\"abc\""], 304),
            (&["\"old\"", "\"abc\""], 304),
            (&["*"], 304),
            (&["\"old\""], 200),
            (&["abc"], 200),
            // The same text in another encoding is other bytes.
            (&["\"abc-br\""], 200),
        ] {
            assert_eq!(status(&PAGE, &asking(header::IF_NONE_MATCH, known)), expected, "{known:?}");
        }
        let mut headers = asking(header::IF_NONE_MATCH, &["\"abc-br\""]);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
        let response = SCRIPT.answer(&headers);
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::ETAG]),
            (304, &HeaderValue::from_static("\"abc-br\""))
        );
        assert!(response.headers().get(header::CONTENT_ENCODING).is_none());
    }

    /// With or without the app in this build, the table keeps its own rules.
    #[test]
    fn the_table_of_this_build_is_whole() {
        assert_eq!(FILES.is_empty(), find("/index.html").is_none());
        assert!(!FILES.is_empty() || SCRIPTS.is_empty());
        for file in FILES {
            assert_eq!(file.immutable, file.path.starts_with("/assets/"), "{}", file.path);
            assert!(file.path.starts_with('/') && file.tag.len() == 43, "{}", file.path);
            assert!(
                !file.path.ends_with(".br") && !file.path.ends_with(".gz") && !file.path.ends_with(".map")
            );
            for smaller in [file.br, file.gzip].into_iter().flatten() {
                assert!(smaller.len() < file.plain.len(), "{}", file.path);
            }
        }
    }
}
