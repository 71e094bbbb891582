//! Invites: letting people in.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use stonechat_store::invite;
use stonechat_wire::{AcceptInvite, CreateInvite, Invite, InviteInfo, InvitesPage, ServerRole};

use super::{Json, Path, Peer, Result, SignedIn, bearer, cookie};
use crate::app::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/invites", get(list).post(create))
        .route("/invites/{token}", get(info).delete(revoke))
        .route("/invites/{token}/accept", post(accept))
}

async fn create(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    headers: HeaderMap,
    Json(wanted): Json<CreateInvite>,
) -> Result<(StatusCode, Json<Invite>)> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let invite = app.auth.create_invite(device.actor, wanted, &format!("http://{host}")).await?;
    Ok((StatusCode::CREATED, Json(invite)))
}

async fn list(State(app): State<App>, SignedIn(device): SignedIn) -> Result<Json<InvitesPage>> {
    let (actor, admin) = (device.actor, device.role == ServerRole::Admin);
    let invites = app.readers.read(move |sql| invite::list(sql, &actor, admin)).await?;
    Ok(Json(InvitesPage { invites }))
}

async fn info(
    State(app): State<App>,
    Peer(peer): Peer,
    Path(token): Path<String>,
) -> Result<Json<InviteInfo>> {
    Ok(Json(app.auth.invite_info(&token, peer).await?))
}

async fn revoke(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let id = id.parse().map_err(|_| stonechat_wire::Code::NotFound)?;
    app.writer.revoke_invite(device.actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody signed in joins the conversations; everybody else makes an account first.
async fn accept(
    State(app): State<App>,
    Peer(peer): Peer,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    if let Some(access_token) = bearer(&headers) {
        let device = app.auth.authenticate(access_token).await?;
        let open = app.auth.join_by_invite(device.actor, &token).await?;
        return Ok(Json(json!({ "open": open })).into_response());
    }
    // A form of another site can send JSON as text, but cannot call it JSON.
    super::check_json(&headers)?;
    let Json(form) = Json::<AcceptInvite>::parse(&body)?;
    let signed_in = app.auth.accept_invite(&token, form, peer).await?;
    Ok(cookie::with_refresh(&app, &headers, signed_in))
}
