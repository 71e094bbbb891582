//! Presence: who is there, for those who may know.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;
use stonechat_store::{Error as StoreError, reader};
use stonechat_wire::{Code, ConversationRef, Presence, PresenceList, SetPresence, UserId};

use super::{Error, Json, Path, Result, SignedIn};
use crate::app::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/presence", get(several).put(set))
        .route("/presence/{user}", get(one))
        .route("/conversations/{id}/presence", get(of_conversation))
}

async fn one(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(user): Path<UserId>,
) -> Result<Json<Presence>> {
    let presence = app.presence.of(device.actor.user, vec![user]).await?;
    Ok(Json(presence.into_iter().next().ok_or(Code::NotFound)?))
}

/// `?user_id=…&user_id=…`: repeated names are a list.
async fn several(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Json<PresenceList>> {
    let mut users = Vec::new();
    for pair in query.as_deref().unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
        let id = pair.strip_prefix("user_id=").and_then(|id| id.parse().ok());
        users.push(id.ok_or_else(|| Error::invalid("user_id", "not an id"))?);
    }
    let presence = app.presence.of(device.actor.user, users).await?;
    Ok(Json(PresenceList { presence, online_count: None }))
}

async fn set(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Json(body): Json<SetPresence>,
) -> Result<StatusCode> {
    app.presence.set(&device.actor, body.status).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn of_conversation(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
) -> Result<Json<PresenceList>> {
    let key = app.readers.read(move |sql| reader::conversation_key(sql, &id)).await?;
    let key = key.ok_or_else(|| StoreError::refused(Code::NotFound))?;
    Ok(Json(app.presence.of_conversation(&device.actor, key).await?))
}
