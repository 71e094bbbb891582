//! Setup: the first admin, once.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use stonechat_wire::Setup;

use super::{Json, Peer, Result, cookie};
use crate::app::App;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/setup", post(set_up))
}

async fn set_up(
    State(app): State<App>,
    Peer(peer): Peer,
    headers: HeaderMap,
    Json(form): Json<Setup>,
) -> Result<Response> {
    let signed_in = app.auth.set_up(form, peer).await?;
    Ok(cookie::with_refresh(&app, &headers, signed_in))
}
