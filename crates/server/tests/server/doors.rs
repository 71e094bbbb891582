//! Doors: server-sent events and long-polling stand on the same cursor as the socket.

use std::time::Duration;

use stonechat_client::SyncQuery;
use stonechat_wire::{Code, Control, Cursor, EventBody, ServerFrame};

use super::host::{Host, PATIENCE, Person, code};

fn texts(frames: &[ServerFrame]) -> Vec<String> {
    frames
        .iter()
        .filter_map(|frame| match frame {
            ServerFrame::Event(event) => match &event.body {
                EventBody::Message(body) => Some(body.content.clone()),
                _ => None,
            },
            ServerFrame::Control(_) => None,
        })
        .collect()
}

/// R-API-8, R-SY-4, D-20: sync in pages from a cursor until caught up; without one it starts anew.
#[tokio::test]
async fn r_api_8_sync_pages_until_caught_up() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let fresh = bo.rest.sync(&SyncQuery::default()).await.unwrap();
    assert!(matches!(fresh.frames[..], [ServerFrame::Control(Control::Reset { .. })]));
    for n in 0..25 {
        ana.say(room, &n.to_string()).await;
    }
    let mut query = SyncQuery { cursor: Some(fresh.cursor), limit: Some(10), ..SyncQuery::default() };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = bo.rest.sync(&query).await.unwrap();
        seen.extend(texts(&page.frames));
        pages += 1;
        query.cursor = Some(page.cursor);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(pages, 3);
    let bad = SyncQuery { cursor: Some(Cursor("nonsense".into())), ..SyncQuery::default() };
    assert_eq!(code(bo.rest.sync(&bad).await), Code::Invalid);
    let none = SyncQuery { limit: Some(0), ..SyncQuery::default() };
    assert_eq!(code(bo.rest.sync(&none).await), Code::Invalid);
}

/// Q6, NET-07: a long poll waits for what comes, and answers empty when nothing does.
#[tokio::test]
async fn q6_long_poll_waits_for_events() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let now = SyncQuery { cursor: Some(Cursor("now".into())), ..SyncQuery::default() };
    let mut cursor = bo.rest.sync(&now).await.unwrap().cursor;
    let quiet = SyncQuery { cursor: Some(cursor.clone()), wait_ms: Some(50), ..SyncQuery::default() };
    let page = bo.rest.sync(&quiet).await.unwrap();
    assert!(page.frames.is_empty() && !page.has_more);
    for n in 0..5 {
        let query = SyncQuery { cursor: Some(cursor), wait_ms: Some(20_000), ..SyncQuery::default() };
        let (rest, sender) = (bo.rest.clone(), ana.clone());
        let polling = tokio::spawn(async move { rest.sync(&query).await.unwrap() });
        sender.say(room, &n.to_string()).await;
        let page = tokio::time::timeout(PATIENCE, polling).await.unwrap().unwrap();
        assert_eq!(texts(&page.frames), [n.to_string()]);
        cursor = page.cursor;
    }
}

/// A revoked device's waiting poll ends.
#[tokio::test]
async fn a_waiting_poll_of_a_revoked_device_ends() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let phone = host.sign_in("kit", "phone").await;
    let cursor = Some(phone.rest.sync(&SyncQuery::default()).await.unwrap().cursor);
    let polling = {
        let rest = phone.rest.clone();
        tokio::spawn(async move {
            rest.sync(&SyncQuery { cursor, wait_ms: Some(30_000), ..SyncQuery::default() }).await
        })
    };
    let mut look = tokio::time::interval(Duration::from_millis(5));
    while host.connections() == 0 {
        look.tick().await;
    }
    kit.rest.revoke_device(phone.device_id).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, polling).await.unwrap().unwrap();
    assert_eq!(code(answer), Code::Unauthenticated);
}

struct Stream {
    response: reqwest::Response,
    buffer: String,
}

impl Stream {
    async fn open(person: &Person, url: &str, cursor: &str) -> Self {
        let response = reqwest::Client::new()
            .get(format!("{url}/api/v1/events?cursor={cursor}"))
            .bearer_auth(&person.token)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: String::new() }
    }

    /// The next event: its id and its data.
    async fn next(&mut self) -> (Option<String>, String) {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.buffer = rest;
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
                return (field("id: "), field("data: ").unwrap_or_default());
            }
            let chunk =
                tokio::time::timeout(PATIENCE, self.response.chunk()).await.unwrap().unwrap().unwrap();
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn until(&mut self, wanted: &str) -> String {
        loop {
            let (_, data) = self.next().await;
            if data.contains(wanted) {
                return data;
            }
        }
    }
}

/// Q6, DX-03: server-sent events bring the same frames; their id resumes where the stream ended.
#[tokio::test]
async fn q6_server_sent_events_resume_by_id() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let mut stream = Stream::open(&bo, &host.url, "now").await;
    let (id, first) = stream.next().await;
    assert!(first.contains(r#""type":"cursor""#), "{first}");
    ana.say(room, "live").await;
    stream.until(r#""content":"live""#).await;
    drop(stream);
    ana.say(room, "missed").await;
    let mut again = Stream::open(&bo, &host.url, &id.unwrap()).await;
    again.until(r#""content":"live""#).await;
    again.until(r#""content":"missed""#).await;
    ana.say(room, "live again").await;
    again.until(r#""content":"live again""#).await;
}

/// NET-07: the client falls back to polling by itself where a proxy swallows the upgrade, and loses nothing.
#[tokio::test]
async fn the_same_cursor_serves_every_door() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let live = bo.live().await;
    let cursor = live.cursor.clone().unwrap();
    drop(live);
    ana.say(room, "one").await;
    let page = bo.rest.sync(&SyncQuery { cursor: Some(cursor), ..SyncQuery::default() }).await.unwrap();
    assert_eq!(texts(&page.frames), ["one"]);
    ana.say(room, "two").await;
    let mut stream = Stream::open(&bo, &host.url, &page.cursor.0).await;
    let data = stream.until("\"content\"").await;
    assert!(data.contains("two"), "{data}");
    let (id, _) = loop {
        let event = stream.next().await;
        if event.0.is_some() {
            break event;
        }
    };
    let back = bo.live_from(id.map(Cursor)).await;
    assert!(
        back.caught_up.iter().all(|frame| !matches!(frame, ServerFrame::Event(_))),
        "{:?}",
        back.caught_up
    );
}
