//! Test hooks: what browser tests make go wrong does go wrong, in that way and no other.

use serde_json::{Value, json};
use stonechat_client::{ConnectOptions, Connection, MessagesQuery, Received};
use stonechat_wire::{
    ClientFrame, ClientId, Code, Control, SendMessage, Seq, ServerFrame, TimelineRow, Timestamp,
};

use super::host::{Host, Live, PATIENCE, code, message};

/// Asks for something to go wrong; the status and body of the answer.
async fn hook(host: &Host, name: &str, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}/api/test/{name}", host.url)).json(&body);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

async fn done(host: &Host, name: &str, body: Value) {
    assert_eq!(hook(host, name, body.clone()).await.0, 204, "{name} {body}");
}

/// How a connection ends, and what came before that.
async fn rest_of(live: &mut Live) -> (Vec<ServerFrame>, u16) {
    let mut frames = Vec::new();
    loop {
        let received = tokio::time::timeout(PATIENCE, live.connection.recv()).await;
        match received.expect("the connection stayed open").unwrap() {
            Received::Closed(closed) => return (frames, closed.code),
            Received::Frame(frame) => frames.push(frame),
        }
    }
}

fn acks(frames: &[ServerFrame]) -> usize {
    frames.iter().filter(|frame| matches!(frame, ServerFrame::Control(Control::Ack(_)))).count()
}

fn events(frames: &[ServerFrame]) -> usize {
    frames.iter().filter(|frame| matches!(frame, ServerFrame::Event(_))).count()
}

#[tokio::test]
async fn kick_ends_the_sockets_of_one_or_of_all() {
    let host = Host::start().await;
    let (kit, ana, bo) = host.three().await;
    let (mut of_kit, mut of_ana, mut of_bo) = (kit.live().await, ana.live().await, bo.live().await);
    done(&host, "kick", json!({"user_id": ana.user_id, "code": 4008})).await;
    assert_eq!(of_ana.closed().await, 4008);
    done(&host, "kick", json!({"user_id": bo.user_id})).await;
    assert_eq!(of_bo.closed().await, 1006);
    of_kit.settle().await;
    let mut back = bo.live().await;
    done(&host, "kick", json!({})).await;
    assert_eq!((of_kit.closed().await, back.closed().await), (1006, 1006));
    assert_eq!(hook(&host, "kick", json!({"code": 1006})).await.0, 422);
}

#[tokio::test]
async fn acks_are_held_and_come_when_they_pass_again() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let (mut of_ana, mut of_bo) = (ana.live().await, bo.live().await);
    done(&host, "acks", json!({"user_id": ana.user_id, "mode": "hold"})).await;
    let first = of_ana.say(room, "one").await;
    let second = of_ana.say(room, "two").await;
    assert_eq!((of_bo.message().await.1, of_bo.message().await.1), ("one".into(), "two".into()));
    of_bo.say(room, "three").await;
    of_bo.ack().await;
    // The sender sees what others say, and nothing of their own.
    let seen = of_ana.settle().await;
    assert_eq!((acks(&seen), events(&seen)), (0, 1));
    done(&host, "acks", json!({"user_id": ana.user_id, "mode": "pass"})).await;
    assert_eq!((of_ana.ack().await.client_id, of_ana.ack().await.client_id), (first, second));
    let third = of_ana.say(room, "four").await;
    assert_eq!(of_ana.ack().await.client_id, third);
}

#[tokio::test]
async fn acks_are_lost_after_the_commit() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let (mut of_ana, mut of_bo) = (ana.live().await, bo.live().await);
    let cursor = of_ana.cursor.clone();
    done(&host, "acks", json!({"mode": "drop"})).await;
    let lost = SendMessage { conversation_id: Some(room.into()), ..message("lost") };
    of_ana.send(&ClientFrame::Message(lost.clone())).await;
    assert_eq!(of_bo.message().await.1, "lost");
    of_ana.send(&ClientFrame::Message(lost.clone())).await;
    let seen = of_ana.settle().await;
    assert_eq!((acks(&seen), events(&seen)), (0, 0));
    done(&host, "acks", json!({"mode": "pass"})).await;
    of_ana.send(&ClientFrame::Message(lost.clone())).await;
    let ack = of_ana.ack().await;
    assert_eq!((Some(ack.client_id), ack.repeated), (lost.client_id, true));
    let again = ana.live_from(cursor).await;
    assert_eq!(events(&again.caught_up), 1);
}

#[tokio::test]
async fn messages_are_refused_so_often_and_nothing_changes() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let mut live = ana.live().await;
    let before = ana.rest.conversation(room).await.unwrap().last_seq;
    let limited = json!({"user_id": ana.user_id, "code": "rate_limited", "retry_after_ms": 70, "times": 2});
    done(&host, "reject", limited).await;
    let id = live.say(room, "one").await;
    let error = live.error().await;
    assert_eq!((error.code, error.retry_after_ms, error.client_id), (Code::RateLimited, Some(70), Some(id)));
    assert_eq!(code(ana.rest.send(room, &message("two")).await), Code::RateLimited);
    assert_eq!(ana.rest.conversation(room).await.unwrap().last_seq, before);
    assert_eq!(bo.say(room, "not meant").await.seq, before.next());
    live.say(room, "three").await;
    assert_eq!(live.ack().await.seq, before.next().next());
    done(&host, "reject", json!({"code": "invalid", "params": {"field": "content"}, "times": 9})).await;
    assert_eq!(code(bo.rest.send(room, &message("x")).await), Code::Invalid);
    done(&host, "reject", json!({"code": "invalid", "times": 0})).await;
    bo.say(room, "y").await;
}

/// As a half-open connection: what is asked is done, and nothing comes back, not even the end.
#[tokio::test]
async fn a_silent_socket_sends_nothing_more() {
    let host = Host::with(|settings| (settings.heartbeat_s, settings.heartbeat_timeout_s) = (1, 2)).await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let (mut of_ana, mut of_bo) = (ana.live().await, bo.live().await);
    of_bo.settle().await;
    done(&host, "silence", json!({"user_id": bo.user_id, "silent": true})).await;
    of_bo.say(room, "heard").await;
    assert_eq!(of_ana.message().await.1, "heard");
    of_ana.say(room, "lost").await;
    of_ana.ack().await;
    // The next connection of the same device takes the silent one's place, and is not silent.
    let mut back = bo.live().await;
    back.settle().await;
    let (frames, code) = rest_of(&mut of_bo).await;
    assert!(
        frames.iter().all(|frame| matches!(frame, ServerFrame::Control(Control::Heartbeat {}))),
        "{frames:?}"
    );
    assert_eq!((acks(&frames), code), (0, 1006));
}

#[tokio::test]
async fn sockets_can_be_refused_as_by_a_proxy() {
    let host = Host::start().await;
    let kit = host.admin().await;
    let mut open = kit.live().await;
    done(&host, "sockets", json!({"allowed": false})).await;
    let refused = Connection::open(&host.url, &ConnectOptions::with_token(kit.token.clone())).await;
    assert!(refused.is_err());
    let answer = reqwest::get(format!("{}/api/v1/ws", host.url)).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
        (400, "text/plain; charset=utf-8")
    );
    kit.rest.me().await.unwrap();
    open.settle().await;
    done(&host, "sockets", json!({"allowed": true})).await;
    host.sign_in("kit", "other").await.live().await;
}

#[tokio::test]
async fn a_server_that_is_down_answers_nothing_and_comes_back_whole() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let mut live = ana.live().await;
    let cursor = live.cursor.clone().unwrap();
    let waiting = tokio::spawn({
        let url = format!("{}/api/v1/sync?cursor={}&wait_ms=50000", host.url, cursor.0);
        let request = reqwest::Client::new().get(url).bearer_auth(&bo.token);
        async move { request.send().await.is_err() }
    });
    bo.say(room, "before").await;
    assert_eq!(live.message().await.1, "before");
    done(&host, "down", json!({"down": true})).await;
    assert_eq!(live.closed().await, 1006);
    let cut = ana.rest.me().await.expect_err("nobody is there");
    assert_eq!(cut.code(), None, "{cut}");
    assert!(Connection::open(&host.url, &ConnectOptions::default()).await.is_err());
    // It was answered by the message before, or cut off; it does not go on waiting.
    tokio::time::timeout(PATIENCE, waiting).await.expect("the poll waits on").unwrap();
    assert_eq!(reqwest::get(format!("{}/", host.url)).await.unwrap().status(), 200);
    done(&host, "down", json!({"down": false})).await;
    bo.say(room, "after").await;
    assert_eq!(events(&ana.live_from(Some(cursor)).await.caught_up), 2);
}

#[tokio::test]
async fn fill_writes_days_of_talk_at_once() {
    let host = Host::start().await;
    let (_, ana, bo) = host.three().await;
    let room = ana.group(&[&bo]).await;
    let before = ana.rest.conversation(room).await.unwrap();
    let users = [ana.user_id, bo.user_id];
    let wanted = json!({"conversation_id": room, "messages": 1_200, "users": users, "seed": 7});
    let (status, body) = hook(&host, "fill", wanted).await;
    let last = Seq(before.last_seq.0 + 1_200);
    assert_eq!((status, &body["last_seq"]), (200, &json!(last.0)));
    let after = ana.rest.conversation(room).await.unwrap();
    assert_eq!((after.last_seq, after.ordinal), (last, before.ordinal + 1_200));
    let page = ana
        .rest
        .messages(room, &MessagesQuery { limit: Some(200), ..MessagesQuery::default() })
        .await
        .unwrap();
    let rows: Vec<_> = page
        .messages
        .iter()
        .map(|row| match row {
            TimelineRow::Message(message) => message,
            TimelineRow::Event(event) => panic!("{event:?}"),
        })
        .collect();
    assert!(rows.is_sorted_by_key(|row| row.timestamp) && rows.len() == 200);
    assert!(users.iter().all(|user| rows.iter().any(|row| row.from == *user)));
    let newest = rows.last().unwrap().timestamp;
    assert!(Timestamp::now().0 - newest.0 < 600_000 && newest.0 - rows[0].timestamp.0 > 3_600_000);
    let texts: std::collections::HashSet<_> = rows.iter().map(|row| &row.content).collect();
    assert!(texts.len() > 150);
    let same = json!({"conversation_id": room, "messages": 2, "users": users, "text": "same"});
    hook(&host, "fill", same).await;
    let mut live = ana.live().await;
    let third = json!({"conversation_id": room, "messages": 1, "users": [bo.user_id], "text": "live"});
    hook(&host, "fill", third).await;
    assert_eq!(live.message().await, (Seq(last.0 + 3), "live".to_owned()));
    let nobody = json!({"conversation_id": room, "messages": 1, "users": [ClientId::new()]});
    assert_eq!(hook(&host, "fill", nobody).await.0, 422);
}
