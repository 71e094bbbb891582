//! Stats: what the server did since it started, for load runs and operators. Admins only.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;
use stonechat_wire::{Code, ServerRole};

use super::{Json, Result, SignedIn};
use crate::app::App;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/admin/stats", get(stats))
}

#[derive(Serialize)]
struct Stats {
    /// Transactions of the writer, each with one fsync.
    commits: u64,
    /// Events and account-state rows they wrote.
    entries: u64,
    connections: usize,
    /// Operations that wait for the writer.
    writer_depth: usize,
}

async fn stats(State(app): State<App>, device: SignedIn) -> Result<Json<Stats>> {
    if device.role != ServerRole::Admin {
        return Err(Code::Forbidden.into());
    }
    let counters = app.writer.counters();
    Ok(Json(Stats {
        commits: counters.commits.load(Ordering::Relaxed),
        entries: counters.events.load(Ordering::Relaxed),
        connections: app.router.session_count(),
        writer_depth: app.writer.depth(),
    }))
}
