//! Fallback: a small web page of plain files, for a server that was built without the web app.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

const HTML: &str = include_str!("index.html");
const HTML_KIND: &str = "text/html; charset=utf-8";
const STYLE_KIND: &str = "text/css; charset=utf-8";
const SCRIPT_KIND: &str = "text/javascript; charset=utf-8";

/// What the page is made of: name under `/page/`, content type, text.
const FILES: &[(&str, &str, &str)] = &[
    ("app.css", STYLE_KIND, include_str!("app.css")),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
    ("app.js", SCRIPT_KIND, include_str!("app.js")),
    ("screens.js", SCRIPT_KIND, include_str!("screens.js")),
    ("chat.js", SCRIPT_KIND, include_str!("chat.js")),
    ("list.js", SCRIPT_KIND, include_str!("list.js")),
    ("timeline.js", SCRIPT_KIND, include_str!("timeline.js")),
    ("outbox.js", SCRIPT_KIND, include_str!("outbox.js")),
    ("live.js", SCRIPT_KIND, include_str!("live.js")),
    ("api.js", SCRIPT_KIND, include_str!("api.js")),
    ("element.js", SCRIPT_KIND, include_str!("element.js")),
];

/// Scripts and styles of our own only, nothing framed, no inline code.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'";

pub(super) fn html() -> Response {
    text(HTML_KIND, HTML)
}

/// A part of the page, under `/page/`.
pub(super) async fn part(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(file, ..)| *file == name) {
        Some((_, kind, content)) => text(kind, content),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn text(kind: &'static str, content: &'static str) -> Response {
    let mut response = super::guarded(content.into_response(), HeaderValue::from_static(POLICY));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FR-12: every part is ours and routed; nothing is fetched from elsewhere, nothing gets in as HTML.
    #[test]
    fn fr_12_the_page_is_whole_and_asks_nobody_else() {
        let known = |name: &str| FILES.iter().any(|(file, ..)| *file == name);
        let mut imports = 0;
        for (name, kind, content) in FILES.iter().chain(&[("index.html", HTML_KIND, HTML)]) {
            for part in content
                .split(['"', '\''])
                .filter_map(|text| text.strip_prefix("./").or(text.strip_prefix("/page/")))
            {
                assert!(known(part), "{name} asks for {part}");
                imports += 1;
            }
            let foreign = content.replace("http://www.w3.org/2000/svg", "");
            let foreign = ["http://", "https://", "//cdn"].iter().find(|text| foreign.contains(**text));
            assert_eq!(foreign, None, "{name}");
            let unsafe_ways =
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=\""];
            assert!(*kind == STYLE_KIND || unsafe_ways.iter().all(|way| !content.contains(way)), "{name}");
        }
        assert!(imports > FILES.len(), "the search finds imports");
        assert!(!POLICY.contains("unsafe") && !POLICY.contains('*'));
    }
}
