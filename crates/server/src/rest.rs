//! REST: the request-and-answer door under `/api/v1`. Turns refusals into problem documents (RFC 9457).
//!
//! Handlers check shapes and call rooms; they decide nothing. Invariant: a failure's text never leaves the server.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stonechat_wire::{ClientId, Code, Problem};
use uuid::Uuid;

use crate::app::App;
use crate::auth::SignedInDevice;

mod cookie;
mod setup;
mod auth;
mod me;
mod users;
mod devices;
mod invites;
mod admin;
mod conversations;
mod members;
mod messages;
mod presence;
mod sync;
mod health;
mod stats;
#[cfg(feature = "test-hooks")]
mod test_hooks;

/// Largest JSON body.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Every REST route.
pub(crate) fn routes() -> Router<App> {
    let api = Router::new()
        .merge(setup::routes())
        .merge(auth::routes())
        .merge(me::routes())
        .merge(users::routes())
        .merge(devices::routes())
        .merge(invites::routes())
        .merge(admin::routes())
        .merge(conversations::routes())
        .merge(members::routes())
        .merge(messages::routes())
        .merge(presence::routes())
        .merge(sync::routes())
        .merge(stats::routes())
        .fallback(|| async { Error::from(Code::NotFound) })
        .method_not_allowed_fallback(|| async { Error::from(Code::MethodNotAllowed) });
    let routes = Router::new().nest("/api/v1", api).merge(health::routes());
    #[cfg(feature = "test-hooks")]
    let routes = routes.merge(test_hooks::routes());
    routes
}

/// What a handler answers when it does not do what was asked.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) code: Code,
    pub(crate) params: Value,
    pub(crate) retry_after_ms: Option<u64>,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn invalid(field: &str, reason: &str) -> Self {
        Self { code: Code::Invalid, params: json!({"field": field, "reason": reason}), retry_after_ms: None }
    }

    pub(crate) fn bad_request(reason: impl Into<String>) -> Self {
        Self { code: Code::BadRequest, params: json!({"reason": reason.into()}), retry_after_ms: None }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self { code, params: Value::Null, retry_after_ms: None }
    }
}

impl From<stonechat_store::Error> for Error {
    fn from(error: stonechat_store::Error) -> Self {
        let code = error.code();
        if code.status() >= 500 {
            tracing::error!(error = error.chain(), "a request failed");
        }
        let retry_after_ms = matches!(code, Code::Overloaded | Code::Unavailable).then_some(1_000);
        let params = error.params();
        let told = params.get("retry_after_ms").and_then(Value::as_u64);
        Self { code, retry_after_ms: told.or(retry_after_ms), params }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut problem = Problem::new(self.code, self.params, Uuid::now_v7().to_string());
        problem.retry_after_ms = self.retry_after_ms;
        tracing::debug!(code = self.code.as_str(), request_id = problem.request_id, "refused");
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.div_ceil(1_000)));
        }
        response
    }
}

/// A JSON body, in and out. What cannot be read is answered with what is wrong with it.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &App) -> Result<Self> {
        check_json(request.headers())?;
        let too_large =
            || Error { code: Code::TooLarge, params: json!({"limit": MAX_BODY_BYTES}), retry_after_ms: None };
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if length
            .and_then(|length| length.parse::<usize>().ok())
            .is_some_and(|length| length > MAX_BODY_BYTES)
        {
            return Err(too_large());
        }
        let body =
            axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|_| too_large())?;
        Self::parse(&body)
    }
}

/// A body is JSON and says so.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<()> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let is_json =
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if is_json { Ok(()) } else { Err(Code::UnsupportedMediaType.into()) }
}

impl<T: DeserializeOwned> Json<T> {
    pub(crate) fn parse(body: &Bytes) -> Result<Self> {
        if stonechat_wire::deeper_than(body, stonechat_wire::MAX_JSON_DEPTH) {
            return Err(Error::bad_request("nested too deep"));
        }
        serde_json::from_slice(body).map(Self).map_err(|error| Error::bad_request(error.to_string()))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.0).into_response();
        // Answers are about one viewer at one moment.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        response
    }
}

/// The device whose token the `Authorization` header carries.
pub(crate) struct SignedIn(pub(crate) SignedInDevice);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let token = bearer(&parts.headers).ok_or(Code::Unauthenticated)?;
        Ok(Self(app.auth.authenticate(token).await?))
    }
}

impl std::ops::Deref for SignedIn {
    type Target = SignedInDevice;

    fn deref(&self) -> &SignedInDevice {
        &self.0
    }
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The address the request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl FromRequestParts<App> for Peer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        let peer = parts.extensions.get::<SocketAddr>().map_or(IpAddr::from([0, 0, 0, 0]), SocketAddr::ip);
        Ok(Self(peer))
    }
}

/// Query parameters; what cannot be read is answered with what is wrong with it.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|query| Self(query.0)).map_err(|error| Error::invalid("query", &error.body_text()))
    }
}

/// Parts of the path; one that is no id is an address of nothing.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, app).await;
        path.map(|path| Self(path.0)).map_err(|_| Code::NotFound.into())
    }
}

/// The `Idempotency-Key` header: another place for a body's `client_id`.
pub(crate) struct IdempotencyKey(pub(crate) Option<ClientId>);

impl FromRequestParts<App> for IdempotencyKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().ok().and_then(|text| text.trim_matches('"').parse().ok());
        key.map(|key| Self(Some(key))).ok_or_else(|| Error::invalid("Idempotency-Key", "not a UUID"))
    }
}

impl IdempotencyKey {
    /// The id of the request, from either place; where both give one they must agree. Without one the request has a
    /// fresh id: it is then not protected against being repeated.
    pub(crate) fn or(self, client_id: Option<ClientId>) -> Result<ClientId> {
        match (self.0, client_id) {
            (Some(key), Some(id)) if key != id => {
                Err(Error::invalid("client_id", "differs from Idempotency-Key"))
            }
            (key, id) => Ok(key.or(id).unwrap_or_default()),
        }
    }
}

/// How many rows a page has: 50 unless asked, at most 200.
///
/// # Errors
/// `invalid` for none or a negative number.
pub(crate) fn page_limit(limit: Option<i64>) -> Result<usize> {
    match limit {
        None => Ok(50),
        Some(limit) if limit < 1 => Err(Error::invalid("limit", "at least 1")),
        Some(limit) => Ok(usize::try_from(limit).unwrap_or(usize::MAX).min(200)),
    }
}
