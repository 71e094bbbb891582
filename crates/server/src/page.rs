//! Page: the small web page inside the binary, made without a build step.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

const HTML: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/app.js");
const STYLE: &str = include_str!("page/app.css");

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
        .route("/page/app.js", get(|| file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/page/app.css", get(|| file("text/css; charset=utf-8", STYLE)))
}

async fn html() -> Response {
    file("text/html; charset=utf-8", HTML).await
}

async fn file(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
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
