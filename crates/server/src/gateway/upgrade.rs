//! Upgrade: from an HTTP request to a socket (RFC 6455, section 4.2).
//!
//! What is needed is copied out of the request, so that nothing of it lives on with the connection.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use stonechat_wire::{Code, SUBPROTOCOL};
use tokio::net::TcpStream;

use super::connect::Credentials;
use super::socket::Socket;
use crate::app::App;
use crate::rest::{Error, bearer};

/// `GET /api/v1/ws`.
pub(crate) async fn upgrade(State(app): State<App>, mut request: Request) -> Response {
    // As a proxy that knows no sockets.
    #[cfg(feature = "test-hooks")]
    if app.hooks.refuses_sockets() {
        return (StatusCode::BAD_REQUEST, "Bad Request\n").into_response();
    }
    match accept(&app, &mut request) {
        Ok(response) => response,
        Err(refusal) => *refusal,
    }
}

fn accept(app: &App, request: &mut Request) -> Result<Response, Box<Response>> {
    let headers = request.headers();
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return Err(refusal(Error::bad_request("a WebSocket begins with GET over HTTP/1.1")));
    }
    if !has_token(headers, header::CONNECTION, "upgrade") || !has_token(headers, header::UPGRADE, "websocket")
    {
        let mut response = Error::bad_request("this address takes WebSocket upgrades only").into_response();
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return Err(Box::new(response));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response = Error::bad_request("Sec-WebSocket-Version must be 13").into_response();
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(Box::new(response));
    }
    check_origin(app, headers).map_err(refusal)?;
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).filter(|key| key.len() == 24);
    let Some(key) = key else {
        return Err(refusal(Error::bad_request("Sec-WebSocket-Key is missing")));
    };
    let accept = tungstenite::handshake::derive_accept_key(key);
    let protocols = offered_protocols(headers);
    let credentials = match protocols.iter().find_map(|protocol| protocol.strip_prefix("ticket.")) {
        Some(ticket) => Some(Credentials::Ticket(ticket.to_owned())),
        None => bearer(headers).map(|token| Credentials::Token(token.to_owned())),
    };
    let speaks_ours = protocols.iter().any(|protocol| protocol == SUBPROTOCOL);
    let Some(upgraded) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Err(refusal(Error::bad_request("this connection cannot be upgraded")));
    };
    let app = app.clone();
    tokio::spawn(switch(app, upgraded, credentials));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if speaks_ours {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(response)
}

fn refusal(error: Error) -> Box<Response> {
    Box::new(error.into_response())
}

/// Waits for hyper to let go of the connection, then runs the session in a task of its own, so that nothing of the
/// request's task stays.
async fn switch(app: App, upgraded: OnUpgrade, credentials: Option<Credentials>) {
    let Ok(upgraded) = upgraded.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        tracing::error!("an upgraded connection is of an unknown kind");
        return;
    };
    let socket = Socket::new(parts.io.into_inner(), &parts.read_buf);
    tokio::spawn(super::session::run(app, socket, credentials));
}

/// A browser says where its page came from; other pages may not open sockets here. Programs send none.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), Error> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    let allowed = origin.to_str().is_ok_and(|origin| is_own_origin(app, headers, origin));
    if allowed && origins.next().is_none() { Ok(()) } else { Err(Code::Forbidden.into()) }
}

/// Whether an origin is this server's own: the configured address, or without one the host that was asked.
pub(crate) fn is_own_origin(app: &App, headers: &HeaderMap, origin: &str) -> bool {
    match &app.settings.url {
        Some(url) => origin == url,
        None => {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            host.is_some_and(|host| origin.strip_prefix("http://") == Some(host))
        }
    }
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

fn offered_protocols(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|protocol| protocol.trim().to_owned())
        .collect()
}
