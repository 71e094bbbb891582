//! Page: the small web page inside the binary, made without a build step.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

const HTML: &str = include_str!("page/index.html");
const HTML_KIND: &str = "text/html; charset=utf-8";
const STYLE_KIND: &str = "text/css; charset=utf-8";
const SCRIPT_KIND: &str = "text/javascript; charset=utf-8";

/// What the page is made of: name under `/page/`, content type, text.
const FILES: &[(&str, &str, &str)] = &[
    ("app.css", STYLE_KIND, include_str!("page/app.css")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("app.js", SCRIPT_KIND, include_str!("page/app.js")),
    ("screens.js", SCRIPT_KIND, include_str!("page/screens.js")),
    ("chat.js", SCRIPT_KIND, include_str!("page/chat.js")),
    ("list.js", SCRIPT_KIND, include_str!("page/list.js")),
    ("timeline.js", SCRIPT_KIND, include_str!("page/timeline.js")),
    ("outbox.js", SCRIPT_KIND, include_str!("page/outbox.js")),
    ("live.js", SCRIPT_KIND, include_str!("page/live.js")),
    ("api.js", SCRIPT_KIND, include_str!("page/api.js")),
    ("element.js", SCRIPT_KIND, include_str!("page/element.js")),
];

/// Scripts and styles of our own only, nothing framed, no inline code.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'";

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(html))
        .route("/setup", get(html))
        .route("/join/{token}", get(html))
        .route("/c/{conversation}", get(html))
        .route("/page/{name}", get(part))
        .fallback(elsewhere)
}

async fn html() -> Response {
    text(HTML_KIND, HTML)
}

async fn part(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(file, ..)| *file == name) {
        Some((_, kind, content)) => text(kind, content),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A browser that asks for any other address gets the page, which knows what to say; a program gets nothing.
async fn elsewhere(method: Method, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    if method != Method::GET || !accept.contains("text/html") {
        return StatusCode::NOT_FOUND.into_response();
    }
    (StatusCode::NOT_FOUND, text(HTML_KIND, HTML)).into_response()
}

fn text(kind: &'static str, content: &'static str) -> Response {
    let mut response = content.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
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
