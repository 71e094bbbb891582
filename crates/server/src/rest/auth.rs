//! Auth: signing in and out, new tokens, passwords, tickets.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use stonechat_wire::{ChangePassword, Code, Login, Refresh, WsTicket};

use super::{Json, Peer, Result, SignedIn, cookie};
use crate::app::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/auth/login", post(log_in))
        .route("/auth/refresh", post(refresh))
        .route("/auth/logout", post(log_out))
        .route("/auth/password", put(change_password))
        .route("/ws-ticket", post(ticket))
}

async fn log_in(
    State(app): State<App>,
    Peer(peer): Peer,
    headers: HeaderMap,
    Json(login): Json<Login>,
) -> Result<Response> {
    let signed_in =
        app.auth.log_in(&login.handle, &login.password, login.device_name.as_deref(), peer).await?;
    Ok(cookie::with_refresh(&app, &headers, signed_in))
}

async fn refresh(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response> {
    let body = refresh_body(&headers, &body)?;
    let token = cookie::refresh_token(&app, &headers, body.refresh_token)?;
    let signed_in = app.auth.refresh(&token).await?;
    Ok(cookie::with_refresh(&app, &headers, signed_in))
}

/// Signs this device out: by its access token, or by its refresh token when that is all there is.
async fn log_out(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response> {
    let body = refresh_body(&headers, &body)?;
    match super::bearer(&headers) {
        Some(token) => {
            let device = app.auth.authenticate(token).await?;
            app.writer.revoke_device(device.actor, device.actor.device_id).await?;
        }
        None => app.auth.log_out(&cookie::refresh_token(&app, &headers, body.refresh_token)?).await?,
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookie::clear(&app, &mut response);
    Ok(response)
}

/// The body of a request that a cookie or access token may make needless. What there is must be JSON: a form from
/// elsewhere cannot send that.
fn refresh_body(headers: &HeaderMap, body: &Bytes) -> Result<Refresh> {
    if body.is_empty() {
        return Ok(Refresh::default());
    }
    super::check_json(headers)?;
    Json::parse(body).map(|Json(body)| body)
}

async fn change_password(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Peer(peer): Peer,
    Json(change): Json<ChangePassword>,
) -> Result<StatusCode> {
    app.auth.change_password(device.actor, &change.current_password, &change.new_password, peer).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn ticket(State(app): State<App>, SignedIn(device): SignedIn) -> Result<Json<WsTicket>> {
    let (ticket, lasts) = app.auth.ticket(&device)?;
    let expires_in_ms = u64::try_from(lasts.as_millis()).map_err(|_| Code::Internal)?;
    Ok(Json(WsTicket { ticket, expires_in_ms }))
}
