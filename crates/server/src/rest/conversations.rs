//! Conversations: the list, making and changing them, reading positions, muting, following threads.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stonechat_store::list::{self, ListPlace};
use stonechat_store::{ConversationKey, Error as StoreError, reader};
use stonechat_wire::{
    ChangeConversation, Code, Conversation, ConversationRef, ConversationsPage, CreateConversation,
    MarkUnread, PublicChannelsPage, Read, ReadPosition, Seq, ServerRole, SetFollow, SetMute, Timestamp,
};

use super::{Error, Json, Path, Query, Result, SignedIn, page_limit};
use crate::app::App;
use crate::auth::SignedInDevice;
use crate::conversation::{Made, target};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/conversations", get(page).post(create))
        .route("/conversations/public", get(public))
        .route("/conversations/{id}", get(one).patch(change))
        .route("/conversations/{id}/read", put(read))
        .route("/conversations/{id}/mark-unread", put(mark_unread))
        .route("/conversations/{id}/mute", put(mute))
        .route("/conversations/{id}/follow", put(follow))
}

#[derive(Deserialize)]
struct PageQuery {
    #[serde(default)]
    q: String,
    limit: Option<i64>,
    page: Option<String>,
}

/// A place in a list as its reader carries it: opaque, and worth nothing to anybody else.
fn page_token(place: &impl Serialize) -> Option<String> {
    serde_json::to_vec(place).ok().map(|json| URL_SAFE_NO_PAD.encode(json))
}

fn page_place<T: DeserializeOwned>(token: Option<&str>) -> Result<Option<T>> {
    let Some(token) = token else { return Ok(None) };
    let json = URL_SAFE_NO_PAD.decode(token).ok();
    let place = json.and_then(|json| serde_json::from_slice(&json).ok());
    place.map(Some).ok_or_else(|| Error::invalid("page", "not from this list"))
}

async fn page(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Query(query): Query<PageQuery>,
) -> Result<Json<ConversationsPage>> {
    let limit = page_limit(query.limit)?;
    let after = page_place::<(i64, u32)>(query.page.as_deref())?
        .map(|(at, key)| ListPlace { updated_at: Timestamp(at), conversation: ConversationKey(key) });
    let viewer = app.conversations.viewer(device.actor.user);
    let (conversations, next, totals) = app
        .readers
        .read(move |sql| {
            let (conversations, next) = list::page(sql, viewer, after, limit)?;
            Ok((conversations, next, list::totals(sql, viewer.user)?))
        })
        .await?;
    let next = next.and_then(|place| page_token(&(place.updated_at.0, place.conversation.0)));
    Ok(Json(ConversationsPage { conversations, next, totals }))
}

async fn create(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Json(wanted): Json<CreateConversation>,
) -> Result<(StatusCode, Json<Conversation>)> {
    let (status, id) = match app.conversations.create(device.actor, wanted).await? {
        Made::New(id) => (StatusCode::CREATED, id),
        Made::Found(id) => (StatusCode::OK, id),
    };
    let conversation = read_one(&app, &device, id.into()).await?;
    Ok((status, Json(conversation)))
}

async fn public(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Query(query): Query<PageQuery>,
) -> Result<Json<PublicChannelsPage>> {
    if query.q.len() > 100 {
        return Err(Error::invalid("q", "at most 100 bytes"));
    }
    if device.role == ServerRole::Guest {
        return Ok(Json(PublicChannelsPage { channels: Vec::new(), next: None }));
    }
    let limit = page_limit(query.limit)?;
    let after =
        page_place::<(String, u32)>(query.page.as_deref())?.map(|(name, key)| (name, ConversationKey(key)));
    let user = device.actor.user;
    let read = app.readers.read(move |sql| list::public_channels(sql, user, &query.q, after, limit));
    let (channels, next) = read.await?;
    let next = next.and_then(|(name, key)| page_token(&(name, key.0)));
    Ok(Json(PublicChannelsPage { channels, next }))
}

async fn one(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
) -> Result<Json<Conversation>> {
    Ok(Json(read_one(&app, &device, id).await?))
}

async fn read_one(app: &App, device: &SignedInDevice, id: ConversationRef) -> Result<Conversation> {
    let viewer = app.conversations.viewer(device.actor.user);
    let read = app.readers.read(move |sql| {
        let key = reader::conversation_key(sql, &id)?;
        let conversation = key.map(|key| list::one(sql, viewer, key)).transpose()?.flatten();
        conversation.ok_or_else(|| StoreError::refused(Code::NotFound))
    });
    Ok(read.await?)
}

async fn change(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    Json(change): Json<ChangeConversation>,
) -> Result<Json<Conversation>> {
    app.conversations.change(device.actor, id.clone(), change).await?;
    Ok(Json(read_one(&app, &device, id).await?))
}

/// Body of `PUT /conversations/{id}/read`.
#[derive(Deserialize)]
struct ReadBody {
    #[serde(default)]
    thread: Option<Seq>,
    #[serde(flatten)]
    position: ReadPosition,
}

async fn read(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    Json(body): Json<ReadBody>,
) -> Result<StatusCode> {
    let ReadPosition { read_generation, read_seq } = body.position;
    let read = Read { conversation_id: id, thread: body.thread, read_generation, read_seq };
    app.conversations.read_and_wait(device.actor, read).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Body of `PUT /conversations/{id}/mark-unread`.
#[derive(Deserialize)]
struct MarkUnreadBody {
    #[serde(default)]
    thread: Option<Seq>,
    seq: Seq,
}

async fn mark_unread(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    Json(body): Json<MarkUnreadBody>,
) -> Result<StatusCode> {
    let mark = MarkUnread { conversation_id: id, thread: body.thread, seq: body.seq };
    app.conversations.mark_unread(device.actor, mark).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn mute(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    Json(body): Json<SetMute>,
) -> Result<StatusCode> {
    app.writer.mute(device.actor, target(id), body.muted).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn follow(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    Json(body): Json<SetFollow>,
) -> Result<StatusCode> {
    app.writer.follow(device.actor, target(id), body.thread, body.follow).await?;
    Ok(StatusCode::NO_CONTENT)
}
