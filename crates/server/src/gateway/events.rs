//! Events: the live stream as server-sent events (HTML, section 9.2), for clients that cannot open a socket.
//!
//! The same frames and the same cursor: each event's `id` is the cursor to resume from, so `Last-Event-ID` or `?cursor=`
//! goes on where the last connection ended.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use serde::Deserialize;
use stonechat_wire::{Cursor, websocket};

use super::catch_up::CatchUp;
use super::connect::expiry_s;
use super::guard::SessionGuard;
use crate::app::App;
use crate::rest::{Error, Query, SignedIn};
use crate::router::registry::SessionKind;

#[derive(Deserialize)]
pub(crate) struct EventsQuery {
    cursor: Option<Cursor>,
}

/// `GET /api/v1/events?cursor=`: `now`, a cursor, or none for `reset`.
pub(crate) async fn events(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let resumed =
        headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(|id| Cursor(id.to_owned()));
    let cursor = resumed.or(query.cursor);
    let guard = SessionGuard::register(&app, device.actor, SessionKind::Stream);
    guard.set_expiry(expiry_s(&app, &device));
    let catch_up = CatchUp::from(&app, device.actor.user, cursor.as_ref());
    let stream = EventStream { app, guard, state: State_::Reading(Box::new(Some(catch_up))) };
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would hold events back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

type Reading =
    Pin<Box<dyn Future<Output = stonechat_store::Result<(CatchUp, super::catch_up::Page)>> + Send>>;

enum State_ {
    Reading(Box<Option<CatchUp>>),
    Waiting(Reading),
    Live(VecDeque<Bytes>),
    Ended,
}

struct EventStream {
    app: App,
    guard: SessionGuard,
    state: State_,
}

impl Stream for EventStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut self.state {
                State_::Reading(catch_up) => {
                    let Some(mut catch_up) = catch_up.take() else { return Poll::Ready(None) };
                    let (app, session) = (self.app.clone(), SessionGuard::clone_session(&self.guard));
                    self.state = State_::Waiting(Box::pin(async move {
                        let page = catch_up.page(&app, &session).await?;
                        Ok((catch_up, page))
                    }));
                }
                State_::Waiting(reading) => match reading.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => self.state = State_::Ended,
                    Poll::Ready(Ok((catch_up, page))) => {
                        self.state = if page.done {
                            State_::Live(VecDeque::new())
                        } else {
                            State_::Reading(Box::new(Some(catch_up)))
                        };
                        if let Some(chunk) = as_events(&page.frames) {
                            return Poll::Ready(Some(Ok(chunk)));
                        }
                    }
                },
                State_::Live(waiting) => {
                    if let Some(frames) = waiting.pop_front() {
                        if let Some(chunk) = as_events(&frames) {
                            return Poll::Ready(Some(Ok(chunk)));
                        }
                        continue;
                    }
                    self.guard.outbound.wrote(0);
                    match self.guard.outbound.poll_take(context) {
                        Poll::Ready(Ok(frames)) => self.state = State_::Live(frames),
                        Poll::Ready(Err(_)) => self.state = State_::Ended,
                        Poll::Pending => return Poll::Pending,
                    }
                }
                State_::Ended => return Poll::Ready(None),
            }
        }
    }
}

/// Frames as events: `data:` is the frame; a cursor or reset also moves the stream's `id:`.
fn as_events(frames: &[u8]) -> Option<Bytes> {
    let mut out = BytesMut::new();
    for payload in websocket::payloads(frames) {
        if let Some(cursor) = cursor_in(payload) {
            out.extend_from_slice(b"id: ");
            out.extend_from_slice(cursor.0.as_bytes());
            out.extend_from_slice(b"\n");
        }
        // JSON on one line: no payload holds a line break.
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\n\n");
    }
    (!out.is_empty()).then(|| out.freeze())
}

fn cursor_in(payload: &[u8]) -> Option<Cursor> {
    let starts = |prefix: &[u8]| payload.starts_with(prefix);
    if !starts(br#"{"type":"cursor""#) && !starts(br#"{"type":"reset""#) {
        return None;
    }
    #[derive(Deserialize)]
    struct WithCursor {
        cursor: Cursor,
    }
    serde_json::from_slice::<WithCursor>(payload).ok().map(|with| with.cursor)
}
