//! Cookie: the refresh token of a browser, out of reach of its scripts and read by `auth/*` alone.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use stonechat_wire::{Code, SignedIn};

use super::{Error, Json, Result};
use crate::app::App;

const NAME: &str = "stonechat_refresh";
const LASTS_S: u64 = 90 * 24 * 3600;

/// The answer to signing in. Our own page gets the refresh token as a cookie alone: a script that was smuggled into it
/// could carry away what stands in the body.
pub(crate) fn with_refresh(app: &App, headers: &HeaderMap, mut signed_in: SignedIn) -> Response {
    let cookie = same_origin(app, headers).then(|| line(app, &signed_in.refresh_token, LASTS_S));
    let cookie = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    if cookie.is_some() {
        signed_in.refresh_token.clear();
    }
    let mut response = Json(signed_in).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Takes the cookie away.
pub(crate) fn clear(app: &App, response: &mut Response) {
    if let Ok(value) = HeaderValue::from_str(&line(app, "", 0)) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

/// The refresh token of a request: from its body, or from the cookie where the request comes from our own page.
///
/// # Errors
/// `unauthenticated` without one; `forbidden` for a cookie sent from elsewhere.
pub(crate) fn refresh_token(app: &App, headers: &HeaderMap, body: Option<String>) -> Result<String> {
    if let Some(token) = body {
        return Ok(token);
    }
    let name = name(app);
    let token = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(&name)?.strip_prefix('='))
        .ok_or_else(|| Error::from(Code::Unauthenticated))?;
    if !same_origin(app, headers) {
        return Err(Code::Forbidden.into());
    }
    Ok(token.to_owned())
}

/// Browsers say where a request comes from; a cookie counts only from our own pages.
fn same_origin(app: &App, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    crate::gateway::upgrade::is_own_origin(app, headers, origin)
}

fn name(app: &App) -> String {
    let prefix = if app.settings.is_https() { "__Host-" } else { "" };
    format!("{prefix}{NAME}")
}

fn line(app: &App, token: &str, max_age_s: u64) -> String {
    // `__Host-` demands Secure and the whole site as its path; only `auth/*` ever reads it.
    let (secure, path) = if app.settings.is_https() { ("; Secure", "/") } else { ("", "/api/v1/auth") };
    format!("{}={token}; HttpOnly; SameSite=Lax; Path={path}; Max-Age={max_age_s}{secure}", name(app))
}
