//! Health: whether the process lives (`/health`) and whether it can serve (`/ready`).

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use stonechat_store::account;
use stonechat_wire::Ready;

use super::Json;
use crate::app::App;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/health", get(health)).route("/ready", get(ready))
}

async fn health() -> &'static str {
    "ok\n"
}

/// Reads the durability back from the database: what was asked for is not what counts.
async fn ready(State(app): State<App>) -> Response {
    let real = app.writer.real_durability().await;
    let has_users = app.readers.read(account::has_users).await;
    let (Ok(real), Ok(has_users)) = (real, has_users) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response();
    };
    let stopping = app.stop.is_cancelled();
    let full = matches!(real.synchronous.as_str(), "full" | "extra") && real.journal_mode == "wal";
    let body = Ready {
        ready: !stopping,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: "sqlite".to_owned(),
        durability: if full { "full" } else { "relaxed" }.to_owned(),
        synchronous: real.synchronous,
        journal_mode: real.journal_mode,
        needs_setup: !has_users,
    };
    let status = if stopping { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(body)).into_response()
}
