//! Test hooks: the routes under `/api/test/`, for browser tests. Nobody signs in for them: no release build has them.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stonechat_store::key::Actor;
use stonechat_store::{DeviceKey, account, device, people};
use stonechat_wire::{Code, ConversationId, DeviceId, Seq, UserId};

use super::{Error, Json, Result};
use crate::app::App;
use crate::test_hooks::fill::Fill;
use crate::test_hooks::{AckMode, Rejection};

/// Messages of one `fill`.
const MAX_MESSAGES: u32 = 1_000_000;

pub(super) fn routes() -> Router<App> {
    let hooks = Router::new()
        .route("/kick", post(kick))
        .route("/acks", post(acks))
        .route("/reject", post(reject))
        .route("/silence", post(silence))
        .route("/sockets", post(sockets))
        .route("/down", post(down))
        .route("/fill", post(fill));
    Router::new().nest("/api/test", hooks)
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        let Rejection { code, params, retry_after_ms, .. } = rejection;
        Self { code, params, retry_after_ms }
    }
}

#[derive(Deserialize)]
struct Kick {
    user_id: Option<UserId>,
    /// Without one the connection just ends.
    code: Option<u16>,
}

/// Ends the sockets of one user, or of everybody.
async fn kick(State(app): State<App>, Json(kick): Json<Kick>) -> Result<StatusCode> {
    if kick.code.is_some_and(|code| !(1000..5000).contains(&code) || matches!(code, 1004..=1006 | 1015)) {
        return Err(Error::invalid("code", "not a close code that can be sent"));
    }
    app.router.kick(kick.user_id, kick.code);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Acks {
    user_id: Option<UserId>,
    mode: AckMode,
}

/// What becomes of acks to sockets of one user, or of everybody.
async fn acks(State(app): State<App>, Json(acks): Json<Acks>) -> StatusCode {
    app.router.release(app.hooks.set_acks(acks.user_id, acks.mode));
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Reject {
    user_id: Option<UserId>,
    code: Code,
    #[serde(default)]
    params: Value,
    retry_after_ms: Option<u64>,
    times: u32,
}

/// Refuses the next messages of one user, or of everybody; `times: 0` ends that.
async fn reject(State(app): State<App>, Json(reject): Json<Reject>) -> StatusCode {
    let Reject { user_id, code, params, retry_after_ms, times } = reject;
    app.hooks.reject(Rejection { user: user_id, code, params, retry_after_ms, times });
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Silence {
    user_id: Option<UserId>,
    silent: bool,
}

/// Makes the sockets that are open now send nothing more, as half-open connections do.
async fn silence(State(app): State<App>, Json(silence): Json<Silence>) -> StatusCode {
    app.router.silence(silence.user_id, silence.silent);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Sockets {
    allowed: bool,
}

/// Whether a WebSocket can be opened; those that are open stay.
async fn sockets(State(app): State<App>, Json(sockets): Json<Sockets>) -> StatusCode {
    app.hooks.refuse_sockets(!sockets.allowed);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Down {
    down: bool,
}

/// Plays a server that is gone: what is under way and what comes is cut off.
async fn down(State(app): State<App>, Json(Down { down }): Json<Down>) -> StatusCode {
    app.hooks.set_down(down);
    if down {
        app.router.kick(None, None);
    }
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct FillWith {
    conversation_id: ConversationId,
    messages: u32,
    users: Vec<UserId>,
    text: Option<String>,
    #[serde(default)]
    seed: u64,
}

#[derive(Serialize)]
struct Filled {
    last_seq: Option<Seq>,
}

/// Appends messages of the given members, in turns.
async fn fill(State(app): State<App>, Json(with): Json<FillWith>) -> Result<Json<Filled>> {
    if with.users.is_empty() {
        return Err(Error::invalid("users", "somebody has to write them"));
    }
    if with.messages > MAX_MESSAGES {
        return Err(Error::invalid("messages", "at most 1,000,000"));
    }
    let users = with.users;
    let actors = app.readers.read(move |sql| users.iter().map(|user| actor(sql, *user)).collect()).await?;
    let FillWith { conversation_id, messages, text, seed, .. } = with;
    let fill = Fill { conversation: conversation_id, messages, actors, text, seed };
    Ok(Json(Filled { last_seq: fill.write(&app.writer).await? }))
}

/// A user with one of their devices.
fn actor(sql: &rusqlite::Connection, user_id: UserId) -> stonechat_store::Result<Actor> {
    let nobody = || stonechat_store::Error::invalid("users", "nobody who has signed in");
    let user = people::key_of(sql, user_id)?.ok_or_else(nobody)?;
    let anybody = Actor { user, user_id, device: DeviceKey(0), device_id: DeviceId::default() };
    let device_id =
        device::devices(sql, &anybody)?.first().map(|device| device.device_id).ok_or_else(nobody)?;
    Ok(account::device_by_id(sql, device_id)?.ok_or_else(nobody)?.actor)
}
