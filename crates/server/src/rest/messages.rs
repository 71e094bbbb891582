//! Messages: reading and writing a conversation's timeline and threads.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use serde::Deserialize;
use stonechat_store::commit::Correlation;
use stonechat_store::reader::View;
use stonechat_store::timeline::{self, Place, Viewer};
use stonechat_store::{Error as StoreError, Result as StoreResult};
use stonechat_wire::{
    Ack, Code, ConversationRef, DeleteMessage, EditMessage, Message, MessageHistory, MessagesPage,
    PinMessage, PinsPage, React, ReactionList, ReadBy, SendMessage, Seq, ServerRole, ThreadRow, ThreadsPage,
    Timestamp,
};

use super::{Error, IdempotencyKey, Json, Path, Query, Result, SignedIn, page_limit};
use crate::app::App;
use crate::auth::SignedInDevice;
use crate::conversation::Conversations;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/conversations/{id}/messages", get(page).post(send))
        .route("/conversations/{id}/messages/{seq}", get(one).patch(edit).delete(delete))
        .route("/conversations/{id}/messages/{seq}/history", get(history))
        .route("/conversations/{id}/messages/{seq}/reactions", get(reactions).post(react))
        .route("/conversations/{id}/messages/{seq}/pin", put(pin))
        .route("/conversations/{id}/messages/{seq}/read-by", get(read_by))
        .route("/conversations/{id}/pins", get(pins))
        .route("/conversations/{id}/threads", get(threads))
        .route("/me/messages", get(own))
}

/// Reads something of a conversation as its member.
async fn in_view<T: Send + 'static>(
    app: &App,
    device: &SignedInDevice,
    id: ConversationRef,
    work: impl FnOnce(&rusqlite::Connection, Viewer, &View) -> StoreResult<T> + Send + 'static,
) -> Result<T> {
    let (actor, guest) = (device.actor, device.role == ServerRole::Guest);
    let viewer = app.conversations.viewer(actor.user);
    let read = app.readers.read(move |sql| {
        let view = Conversations::view(sql, &actor, guest, &id)?;
        work(sql, viewer, &view)
    });
    Ok(read.await?)
}

/// Refuses what hangs on a message the viewer cannot see as if it were not there.
fn check_visible(sql: &rusqlite::Connection, viewer: Viewer, view: &View, seq: Seq) -> StoreResult<()> {
    match timeline::message(sql, viewer, view, seq)? {
        Some(_) => Ok(()),
        None => Err(StoreError::refused(Code::NotFound)),
    }
}

#[derive(Deserialize)]
struct PageQuery {
    before: Option<Seq>,
    after: Option<Seq>,
    around: Option<Seq>,
    thread: Option<Seq>,
    limit: Option<i64>,
}

async fn page(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    Query(query): Query<PageQuery>,
) -> Result<Json<MessagesPage>> {
    let limit = page_limit(query.limit)?;
    let place = match (query.before, query.after, query.around) {
        (None, None, None) => Place::Before(Seq(i64::MAX as u64)),
        (Some(seq), None, None) => Place::Before(seq),
        (None, Some(seq), None) => Place::After(seq),
        (None, None, Some(seq)) => Place::Around(seq),
        _ => return Err(Error::invalid("before", "at most one of before, after, around")),
    };
    let thread = query.thread;
    let page = in_view(&app, &device, id, move |sql, viewer, view| {
        timeline::page(sql, viewer, view, thread, place, limit)
    });
    Ok(Json(page.await?))
}

async fn send(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    key: IdempotencyKey,
    Json(message): Json<SendMessage>,
) -> Result<(StatusCode, Json<Ack>)> {
    #[cfg(feature = "test-hooks")]
    if let Some(rejection) = app.hooks.rejection(device.actor.user_id) {
        return Err(rejection.into());
    }
    let client_id = Some(key.or(message.client_id)?);
    let message = SendMessage { client_id, conversation_id: Some(id), to: None, ..message };
    let ack = app.conversations.send(device.actor, message).await?;
    let status = if ack.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(ack)))
}

async fn one(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path((id, seq)): Path<(ConversationRef, Seq)>,
) -> Result<Json<Message>> {
    let message = in_view(&app, &device, id, move |sql, viewer, view| {
        timeline::message(sql, viewer, view, seq)?.ok_or_else(|| StoreError::refused(Code::NotFound))
    });
    Ok(Json(message.await?))
}

async fn edit(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path((id, seq)): Path<(ConversationRef, Seq)>,
    key: IdempotencyKey,
    Json(edit): Json<EditMessage>,
) -> Result<Json<Ack>> {
    let client_id = Some(key.or(edit.client_id)?);
    let edit = EditMessage { client_id, conversation_id: Some(id), message_seq: Some(seq), ..edit };
    Ok(Json(app.conversations.edit(device.actor, edit, Correlation(0)).await?))
}

async fn delete(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path((conversation_id, message_seq)): Path<(ConversationRef, Seq)>,
    key: IdempotencyKey,
) -> Result<Json<Ack>> {
    let delete = DeleteMessage { client_id: key.or(None)?, conversation_id, message_seq };
    Ok(Json(app.conversations.delete(device.actor, delete, Correlation(0)).await?))
}

async fn history(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path((id, seq)): Path<(ConversationRef, Seq)>,
) -> Result<Json<MessageHistory>> {
    let history = in_view(&app, &device, id, move |sql, _, view| {
        timeline::history(sql, view, seq)?.ok_or_else(|| StoreError::refused(Code::NotFound))
    });
    Ok(Json(history.await?))
}

async fn reactions(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path((id, seq)): Path<(ConversationRef, Seq)>,
) -> Result<Json<ReactionList>> {
    let reactions = in_view(&app, &device, id, move |sql, viewer, view| {
        check_visible(sql, viewer, view, seq)?;
        timeline::reactions(sql, view, seq)
    });
    Ok(Json(ReactionList { reactions: reactions.await? }))
}

async fn react(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path((id, seq)): Path<(ConversationRef, Seq)>,
    key: IdempotencyKey,
    Json(react): Json<React>,
) -> Result<Json<Ack>> {
    let client_id = Some(key.or(react.client_id)?);
    let react = React { client_id, conversation_id: Some(id), message_seq: Some(seq), ..react };
    Ok(Json(app.conversations.react(device.actor, react, Correlation(0)).await?))
}

async fn pin(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path((id, seq)): Path<(ConversationRef, Seq)>,
    key: IdempotencyKey,
    Json(pin): Json<PinMessage>,
) -> Result<Json<Ack>> {
    let client_id = Some(key.or(pin.client_id)?);
    let pin = PinMessage { client_id, conversation_id: Some(id), message_seq: Some(seq), ..pin };
    Ok(Json(app.conversations.pin(device.actor, pin, Correlation(0)).await?))
}

async fn read_by(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path((id, seq)): Path<(ConversationRef, Seq)>,
) -> Result<Json<ReadBy>> {
    let read_by = in_view(&app, &device, id, move |sql, viewer, view| {
        check_visible(sql, viewer, view, seq)?;
        timeline::read_by(sql, view, seq)
    });
    Ok(Json(read_by.await?))
}

async fn pins(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
) -> Result<Json<PinsPage>> {
    let messages = in_view(&app, &device, id, timeline::pins).await?;
    Ok(Json(PinsPage { messages }))
}

#[derive(Deserialize)]
struct ThreadsQuery {
    #[serde(default)]
    followed: bool,
    /// The `last_seq` of the last page's last thread.
    page: Option<Seq>,
    limit: Option<i64>,
}

async fn threads(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<ConversationRef>,
    Query(query): Query<ThreadsQuery>,
) -> Result<Json<ThreadsPage>> {
    let limit = page_limit(query.limit)?;
    let roots = in_view(&app, &device, id, move |sql, viewer, view| {
        timeline::threads(sql, viewer, view, query.followed, query.page, limit)
    });
    let roots = roots.await?;
    let next = roots.last().filter(|_| roots.len() == limit).and_then(|root| root.thread_summary.as_ref());
    let next = next.map(|summary| summary.last_seq.to_string());
    Ok(Json(ThreadsPage { next, threads: roots.into_iter().map(|root| ThreadRow { root }).collect() }))
}

#[derive(Deserialize)]
struct OwnQuery {
    before: Option<Timestamp>,
    limit: Option<i64>,
}

/// What the viewer wrote, newest first, anywhere.
async fn own(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Query(query): Query<OwnQuery>,
) -> Result<Json<PinsPage>> {
    let limit = page_limit(query.limit)?;
    let viewer = app.conversations.viewer(device.actor.user);
    let messages = app.readers.read(move |sql| timeline::by_sender(sql, viewer, query.before, limit)).await?;
    Ok(Json(PinsPage { messages }))
}
