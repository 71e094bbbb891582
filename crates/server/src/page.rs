//! Page: the web app inside the binary, or a small page in its place where the server was built without it.
//!
//! Invariant: scripts run from this server only, or by their hash; nothing is framed; no address of the app is
//! answered with anything but the app.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

mod built;
mod fallback;

/// Addresses of the app; it knows what to show there.
const ADDRESSES: &[&str] = &[
    "/",
    "/setup",
    "/login",
    "/join/{token}",
    "/c/{conversation}",
    "/c/{conversation}/{seq}",
    "/settings",
    "/settings/{section}",
];

/// The app's policy, with the hashes of its inline scripts (the theme before the first paint). Sockets of the same host
/// are `'self'` (CSP 3). Trusted types: Svelte's own for its templates, and one that only names the service worker.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hashes: String = built::SCRIPTS.iter().map(|hash| format!(" '{hash}'")).collect();
    let policy = format!(
        "default-src 'none'; script-src 'self'{hashes}; style-src 'self'; font-src 'self'; \
         img-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types svelte-trusted-html stonechat-worker"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

pub(crate) fn routes() -> Router<App> {
    let mut router = Router::new().fallback(elsewhere);
    for address in ADDRESSES {
        router = router.route(address, get(html));
    }
    match built::find("/index.html") {
        Some(_) => router,
        None => router.route("/page/{name}", get(fallback::part)),
    }
}

async fn html(headers: HeaderMap) -> Response {
    match built::find("/index.html") {
        Some(index) => guarded(index.answer(&headers), POLICY.clone()),
        None => fallback::html(),
    }
}

/// A file of the app. A browser that asks for any other address gets the app, which knows what to say; a program gets
/// nothing.
async fn elsewhere(method: Method, uri: Uri, mut headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Some(file) = built::find(uri.path()) {
        return guarded(file.answer(&headers), POLICY.clone());
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    if !accept.contains("text/html") {
        return StatusCode::NOT_FOUND.into_response();
    }
    // Whoever has the page is not told that it is at this address.
    headers.remove(header::IF_NONE_MATCH);
    (StatusCode::NOT_FOUND, html(headers).await).into_response()
}

/// Puts on what every answer of the page carries.
fn guarded(mut response: Response, policy: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SX-01: nothing from elsewhere, no inline code but what is named by its hash.
    #[test]
    fn sx_01_the_policy_of_the_app_is_strict() {
        let policy = POLICY.to_str().unwrap();
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
        let directive = |name: &str| {
            policy.split("; ").find_map(|directive| directive.strip_prefix(name)).unwrap_or_default().trim()
        };
        for none in ["default-src", "object-src", "base-uri", "frame-ancestors"] {
            assert_eq!(directive(none), "'none'", "{none}");
        }
        for own in ["style-src", "font-src", "connect-src", "manifest-src", "worker-src", "form-action"] {
            assert_eq!(directive(own), "'self'", "{own}");
        }
        let scripts: Vec<_> = directive("script-src").split(' ').collect();
        assert_eq!(scripts.len(), 1 + built::SCRIPTS.len());
        assert!(scripts[1..].iter().all(|hash| hash.starts_with("'sha256-")), "{scripts:?}");
        assert_eq!(directive("require-trusted-types-for"), "'script'");
        assert_eq!(directive("trusted-types"), "svelte-trusted-html stonechat-worker");
    }
}
