//! Admin: what only admins may do. The right is judged again in the writer, with the change.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{post, put};
use serde::Deserialize;
use stonechat_store::account::NewUser;
use stonechat_store::bench;
use stonechat_wire::{
    BenchConversations, Code, CreateBenchConversations, CreateBenchUsers, CreateDeviceTokens, DeviceTokens,
    PasswordReset, ServerRole, UserId,
};

use super::{Error, Json, Path, Result, SignedIn};
use crate::app::App;
use crate::auth::{Auth, naming, with_tokens};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/bench-users", post(bench_users))
        .route("/admin/bench-conversations", post(bench_conversations))
        .route("/admin/device-tokens", post(device_tokens))
        .route("/admin/users/{id}/reset-password", post(reset_password))
        .route("/admin/users/{id}/suspended", put(suspend))
}

/// People of one request: their tokens are one answer of a few megabytes.
const MAX_USERS: u32 = 20_000;
const MAX_CONVERSATIONS: usize = 5_000;

fn check(device: &SignedIn) -> Result<()> {
    if device.role == ServerRole::Admin { Ok(()) } else { Err(Code::Forbidden.into()) }
}

async fn bench_users(
    State(app): State<App>,
    device: SignedIn,
    Json(wanted): Json<CreateBenchUsers>,
) -> Result<(StatusCode, Json<DeviceTokens>)> {
    check(&device)?;
    if wanted.count == 0 || wanted.count > MAX_USERS {
        return Err(Error::invalid("count", "1 to 20,000"));
    }
    let longest = format!("{}-{}", wanted.prefix, wanted.count);
    if naming::handle(&longest)? != longest {
        return Err(Error::invalid(
            "prefix",
            "1 to 26 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit",
        ));
    }
    let (tokens, hashes) = Auth::lasting_tokens(wanted.count as usize);
    let person = |n: usize| {
        let handle = format!("{}-{n}", wanted.prefix);
        NewUser {
            name: handle.clone(),
            handle,
            role: ServerRole::Member,
            password_hash: None,
            imported: false,
        }
    };
    let people = hashes.into_iter().enumerate().map(|(n, hash)| (person(n), hash)).collect();
    let made = app.writer.create_bench_users(device.actor, people).await?;
    Ok((StatusCode::CREATED, Json(DeviceTokens { users: with_tokens(made, tokens) })))
}

async fn bench_conversations(
    State(app): State<App>,
    device: SignedIn,
    Json(wanted): Json<CreateBenchConversations>,
) -> Result<(StatusCode, Json<BenchConversations>)> {
    check(&device)?;
    if wanted.conversations.len() > MAX_CONVERSATIONS || wanted.conversations.iter().any(Vec::is_empty) {
        return Err(Error::invalid("conversations", "at most 5,000 at once, none empty"));
    }
    let conversation_ids = app.writer.create_bench_conversations(device.actor, wanted.conversations).await?;
    Ok((StatusCode::CREATED, Json(BenchConversations { conversation_ids })))
}

async fn device_tokens(
    State(app): State<App>,
    device: SignedIn,
    Json(wanted): Json<CreateDeviceTokens>,
) -> Result<(StatusCode, Json<DeviceTokens>)> {
    check(&device)?;
    let user_ids =
        if wanted.user_ids.is_empty() { app.readers.read(bench::imported).await? } else { wanted.user_ids };
    if user_ids.len() > MAX_USERS as usize {
        return Err(Error::invalid("user_ids", "at most 20,000"));
    }
    let (tokens, hashes) = Auth::lasting_tokens(user_ids.len());
    let people = user_ids.into_iter().zip(hashes).collect();
    let made = app.writer.create_import_devices(device.actor, people).await?;
    Ok((StatusCode::CREATED, Json(DeviceTokens { users: with_tokens(made, tokens) })))
}

async fn reset_password(
    State(app): State<App>,
    device: SignedIn,
    Path(id): Path<UserId>,
) -> Result<Json<PasswordReset>> {
    check(&device)?;
    Ok(Json(PasswordReset { temporary_password: app.auth.reset_password(device.actor, id).await? }))
}

#[derive(Deserialize)]
struct Suspend {
    suspended: bool,
}

async fn suspend(
    State(app): State<App>,
    device: SignedIn,
    Path(id): Path<UserId>,
    Json(wanted): Json<Suspend>,
) -> Result<StatusCode> {
    check(&device)?;
    app.writer.suspend(device.actor, id, wanted.suspended).await?;
    Ok(StatusCode::NO_CONTENT)
}
