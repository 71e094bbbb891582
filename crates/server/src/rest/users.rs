//! Users: finding people to talk to, and keeping some away.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use serde::Deserialize;
use stonechat_store::{Error as StoreError, account, people};
use stonechat_wire::{Code, ServerRole, User, UserId, UsersPage};
use unicode_normalization::UnicodeNormalization;

use super::{Error, Json, Path, Query, Result, SignedIn, page_limit};
use crate::app::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/users", get(search))
        .route("/users/{id}", get(user))
        .route("/users/{id}/block", put(block).delete(unblock))
}

#[derive(Deserialize)]
struct SearchQuery {
    #[serde(default)]
    q: String,
    limit: Option<i64>,
    /// The handle the last page ended with.
    #[serde(default)]
    page: String,
}

async fn search(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Query(query): Query<SearchQuery>,
) -> Result<Json<UsersPage>> {
    if query.q.len() > 100 {
        return Err(Error::invalid("q", "at most 100 bytes"));
    }
    let limit = page_limit(query.limit)?;
    let (user, guest) = (device.actor.user, device.role == ServerRole::Guest);
    let text: String = query.q.trim().trim_start_matches('@').nfc().collect();
    let read = app.readers.read(move |sql| account::search(sql, user, guest, &text, &query.page, limit + 1));
    let mut users = read.await?;
    let more = users.len() > limit;
    users.truncate(limit);
    let next = users.last().filter(|_| more).map(|user| user.handle.clone());
    Ok(Json(UsersPage { users, next }))
}

async fn user(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<UserId>,
) -> Result<Json<User>> {
    let (viewer, guest) = (device.actor.user, device.role == ServerRole::Guest);
    let read = app.readers.read(move |sql| {
        let absent = || StoreError::refused(Code::NotFound);
        let key = people::key_of(sql, id)?.ok_or_else(absent)?;
        if guest && !people::acquainted(sql, viewer, key)? {
            return Err(absent());
        }
        account::user(sql, key)?.ok_or_else(absent)
    });
    Ok(Json(read.await?))
}

async fn block(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<UserId>,
) -> Result<StatusCode> {
    app.writer.block(device.actor, id, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unblock(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<UserId>,
) -> Result<StatusCode> {
    app.writer.block(device.actor, id, false).await?;
    Ok(StatusCode::NO_CONTENT)
}
