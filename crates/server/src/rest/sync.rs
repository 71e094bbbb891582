//! Sync: what a device missed, page by page, and long-polling for what comes.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;
use stonechat_store::sync::{self, SyncRequest};
use stonechat_store::vector::SyncCursor;
use stonechat_store::{Error as StoreError, reader};
use stonechat_wire::{Code, ConversationRef, Cursor, SyncPage};

use super::{Error, Json, Query, Result, SignedIn};
use crate::app::App;
use crate::gateway::guard::SessionGuard;
use crate::gateway::{events, upgrade};
use crate::router::registry::SessionKind;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/sync", get(sync_page))
        .route("/events", get(events::events))
        .route("/ws", get(upgrade::upgrade))
}

/// Longest wait of one long poll: shorter than what proxies cut.
const MAX_WAIT: Duration = Duration::from_secs(55);
/// Events of one page unless asked, and at most.
const DEFAULT_EVENTS: usize = 500;
const MAX_EVENTS: usize = 1_000;

#[derive(Deserialize)]
struct SyncQuery {
    cursor: Option<Cursor>,
    limit: Option<i64>,
    first: Option<ConversationRef>,
    window: Option<i64>,
    wait_ms: Option<u64>,
}

async fn sync_page(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Query(query): Query<SyncQuery>,
) -> Result<Json<SyncPage>> {
    let limit = match query.limit {
        None => DEFAULT_EVENTS,
        Some(limit) if limit < 1 => return Err(Error::invalid("limit", "at least 1")),
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX).min(MAX_EVENTS),
    };
    let window = match query.window {
        None => None,
        Some(window) if window < 1 => return Err(Error::invalid("window", "at least 1")),
        Some(window) => u64::try_from(window).ok(),
    };
    let cursor = match &query.cursor {
        None => None,
        Some(cursor) if cursor.0 == "now" => return now(&app).await,
        Some(cursor) => {
            let opened = app.store.sealer().open(cursor);
            Some(opened.ok_or_else(|| Error::invalid("cursor", "not from this server"))?)
        }
    };
    let wait = Duration::from_millis(query.wait_ms.unwrap_or(0)).min(MAX_WAIT);
    let request = Ask { user: device.actor.user, cursor, limit, first: query.first, window };
    if wait.is_zero() {
        return Ok(Json(request.read(&app).await?));
    }
    // Registered before the read, so that nothing can come between the two unheard.
    let guard = SessionGuard::register(&app, device.actor, SessionKind::Poll);
    app.router.go_live(&guard, None);
    let page = request.read(&app).await?;
    if !page.frames.is_empty() || page.has_more {
        return Ok(Json(page));
    }
    let heard = std::future::poll_fn(|context| guard.outbound.poll_take(context));
    let stopped = app.stop.cancelled();
    tokio::select! {
        () = stopped => return Err(Code::Unavailable.into()),
        heard = tokio::time::timeout(wait, heard) => match heard {
            Ok(Err(_)) => return Err(Code::Unauthenticated.into()),
            Ok(Ok(_)) => {}
            Err(_) => return Ok(Json(page)),
        }
    }
    Ok(Json(request.read(&app).await?))
}

struct Ask {
    user: stonechat_store::UserKey,
    cursor: Option<SyncCursor>,
    limit: usize,
    first: Option<ConversationRef>,
    window: Option<u64>,
}

impl Ask {
    async fn read(&self, app: &App) -> Result<SyncPage> {
        let (user, limit, window) = (self.user, self.limit, self.window);
        let (cursor, first) = (self.cursor.clone(), self.first.clone());
        let sealer = app.store.sealer().clone();
        let page = app.readers.read(move |sql| {
            let first = match first {
                None => None,
                Some(reference) => {
                    let key = reader::conversation_key(sql, &reference)?;
                    Some(key.ok_or_else(|| StoreError::refused(Code::NotFound))?)
                }
            };
            sync::page(sql, &sealer, &SyncRequest { user, cursor, limit, first, window, target: None })
        });
        let page = page.await?;
        let cursor = app.store.sealer().seal(&page.cursor);
        Ok(SyncPage { frames: page.frames, cursor, has_more: page.has_more })
    }
}

/// Starts at what the store holds now, without lists or windows.
async fn now(app: &App) -> Result<Json<SyncPage>> {
    let vector = app.readers.read(sync::snapshot_vector).await?;
    let cursor = app.store.sealer().seal(&SyncCursor { vector, walk: None });
    Ok(Json(SyncPage { frames: Vec::new(), cursor, has_more: false }))
}
