//! Members: who is in a conversation; inviting, joining, leaving, removing, roles.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, patch};
use serde::Deserialize;
use stonechat_store::people;
use stonechat_wire::{AddMembers, ChangeMember, Code, ConversationRef, MembersPage, ServerRole, UserId};

use super::{Error, Json, Path, Query, Result, SignedIn, page_limit};
use crate::app::App;
use crate::conversation::{Conversations, target};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/conversations/{id}/members", get(list).post(add))
        .route("/conversations/{id}/members/{user}", patch(change).delete(remove))
}

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<i64>,
    /// The handle the last page ended with.
    #[serde(default)]
    page: String,
}

async fn list(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    Query(query): Query<ListQuery>,
) -> Result<Json<MembersPage>> {
    let limit = page_limit(query.limit)?;
    let (actor, guest) = (device.actor, device.role == ServerRole::Guest);
    let read = app.readers.read(move |sql| {
        let view = Conversations::view(sql, &actor, guest, &id)?;
        people::members(sql, &view, &query.page, limit + 1)
    });
    let mut members = read.await?;
    let more = members.len() > limit;
    members.truncate(limit);
    let next = members.last().filter(|_| more).map(|member| member.handle.clone());
    Ok(Json(MembersPage { members, next }))
}

/// Invites people; with nobody named, joins oneself.
async fn add(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    Json(body): Json<AddMembers>,
) -> Result<StatusCode> {
    if body.user_ids.len() > 1_000 {
        return Err(Error::invalid("user_ids", "at most 1,000 at once"));
    }
    if body.user_ids.is_empty() || body.user_ids == [device.actor.user_id] {
        app.writer.join(device.actor, target(id)).await?;
    } else {
        app.writer.add_members(device.actor, target(id), body.user_ids).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn person(text: &str, device: &SignedIn) -> Result<UserId> {
    if text == "me" {
        return Ok(device.actor.user_id);
    }
    text.parse().map_err(|_| Code::NotFound.into())
}

async fn change(
    State(app): State<App>,
    device: SignedIn,
    Path((id, user)): Path<(ConversationRef, String)>,
    Json(body): Json<ChangeMember>,
) -> Result<StatusCode> {
    let user = person(&user, &device)?;
    app.writer.change_role(device.actor, target(id), user, body.role).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(app): State<App>,
    device: SignedIn,
    Path((id, user)): Path<(ConversationRef, String)>,
) -> Result<StatusCode> {
    let user = person(&user, &device)?;
    app.writer.remove_member(device.actor, target(id), user).await?;
    Ok(StatusCode::NO_CONTENT)
}
