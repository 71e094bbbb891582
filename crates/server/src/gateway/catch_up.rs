//! Catch up: from a device's cursor to the live stream, without a hole and without waiting for anybody.
//!
//! Pages are read one at a time, the next when the last is written. Near the head the session goes live at the node's
//! applied vector and reads exactly up to there; what comes after waits in its queue.

use bytes::{Bytes, BytesMut};
use stonechat_store::sync::{self, SyncRequest};
use stonechat_store::vector::SyncCursor;
use stonechat_store::{UserKey, Vector};
use stonechat_wire::{Control, Cursor, ServerFrame, websocket};

use crate::app::App;
use crate::router::encode;
use crate::router::registry::Session;

/// Events of one page, besides its bound in bytes.
const PAGE_EVENTS: usize = 500;

/// A device on its way to the head.
pub(crate) struct CatchUp {
    user: UserKey,
    cursor: Option<SyncCursor>,
    /// The session went live here: read up to it and no further.
    target: Option<Vector>,
    /// The client asked to start at the head without lists: it is told a cursor instead of a reset.
    from_now: bool,
}

/// A page as the socket writes it.
pub(crate) struct Page {
    pub(crate) frames: Bytes,
    pub(crate) done: bool,
}

impl CatchUp {
    /// From a cursor as the client holds it; one that cannot be opened starts anew, and `now` at the head.
    pub(crate) fn from(app: &App, user: UserKey, cursor: Option<&Cursor>) -> Self {
        let from_now = cursor.is_some_and(|cursor| cursor.0 == "now");
        let cursor = cursor.and_then(|cursor| app.store.sealer().open(cursor));
        Self { user, cursor, target: None, from_now }
    }

    /// The next page, with the cursor that covers it.
    ///
    /// # Errors
    /// A failure of the store.
    pub(crate) async fn page(&mut self, app: &App, session: &Session) -> stonechat_store::Result<Page> {
        if self.cursor.is_none() && self.target.is_none() {
            self.target = Some(app.router.go_live(session, None));
        }
        let began = tokio::time::Instant::now();
        let request = SyncRequest {
            user: self.user,
            cursor: self.cursor.clone(),
            limit: PAGE_EVENTS,
            first: None,
            window: None,
            target: self.target.clone(),
        };
        let sealer = app.store.sealer().clone();
        let page = app.readers.read(move |sql| sync::page(sql, &sealer, &request)).await?;
        tracing::debug!(
            frames = page.frames.len(),
            duration_us = began.elapsed().as_micros() as u64,
            "sync page"
        );
        let walking = page.cursor.walk.is_some();
        let done = if page.reset && self.target.is_none() {
            // The cursor was of no use: start anew from where the session goes live.
            self.cursor = None;
            return Box::pin(self.page(app, session)).await;
        } else if walking {
            false
        } else if self.target.is_some() {
            true
        } else {
            // Within a page of the head: hear what comes from here on, and read what lies between.
            self.target = Some(app.router.go_live(session, Some(&page.cursor.vector)));
            false
        };
        let mut frames = BytesMut::new();
        let told_anew = page.reset && !self.from_now;
        if !page.reset || told_anew {
            page.frames.iter().for_each(|frame| put(&mut frames, frame));
        }
        if !told_anew {
            let cursor = app.store.sealer().seal(&page.cursor);
            frames.extend_from_slice(&encode::control(&Control::Cursor { cursor, has_more: !done }));
        }
        self.cursor = Some(page.cursor);
        Ok(Page { frames: frames.freeze(), done })
    }
}

fn put(frames: &mut BytesMut, frame: &ServerFrame) {
    match serde_json::to_vec(frame) {
        Ok(json) => websocket::put_text(frames, &json),
        Err(error) => tracing::error!(%error, "a frame could not be encoded"),
    }
}
