//! A chat: it resumes, resends, repairs and stops as promised, against a scripted server.
//!
//! Where a promise is about time, its own time is waited for, for sockets do not follow a paused clock.

use std::time::Duration;

use serde_json::{Value, json};
use stonechat_client::wire::{
    Ack, ClientFrame, Code, Control, Cursor, ErrorFrame, SendMessage, Seq, ServerFrame, Timestamp,
};
use stonechat_client::{Chat, ChatEvent, Error, Events, Jitter, Options, Start, StoreAt, Transport};
use tokio::time::Instant;

use crate::fake::{DEVICE, Fake, OPS, Peer, USER, Upgrade, hello, message};

fn options() -> Options {
    Options { jitter: Jitter::Off, start: Start::Now, seed: Some(1), ..Options::default() }
}

async fn connect(fake: &mut Fake, options: Options) -> (Chat, Peer, Option<String>) {
    let (chat, (peer, cursor)) =
        tokio::join!(Chat::connect_with(fake.url(), "secret", options), fake.greet());
    (chat.unwrap(), peer, cursor)
}

fn cursor(text: &str) -> ServerFrame {
    Control::Cursor { cursor: Cursor(text.into()), has_more: false }.into()
}

fn ack(message: &SendMessage, seq: u64) -> ServerFrame {
    Control::Ack(ack_of(message, seq)).into()
}

fn ack_of(message: &SendMessage, seq: u64) -> Ack {
    Ack {
        client_id: message.client_id.unwrap(),
        message_id: None,
        conversation_id: OPS,
        seq: Seq(seq),
        timestamp: Timestamp(0),
        durability: None,
        repeated: false,
    }
}

fn conversation(as_of_seq: u64) -> Value {
    json!({
        "conversation_id": OPS, "kind": "channel", "handle": "ops", "posting": "everyone", "archived": false,
        "member_count": 2, "created_at": Timestamp(0), "updated_at": Timestamp(0), "last_seq": as_of_seq,
        "ordinal": as_of_seq, "as_of_seq": as_of_seq, "role": "member", "visible_from": 1, "read_generation": 0,
        "read_seq": 0, "unread": 0, "mentions": 0, "muted": false, "can_post": true, "can_invite": false,
        "can_manage": false
    })
}

fn routes(fake: &Fake, as_of_seq: u64) {
    fake.route("/conversations/ops ", move |_| (200, conversation(as_of_seq).to_string()));
    let me = json!({
        "user_id": USER, "handle": "bot", "name": "Bot", "role": "member", "device_id": DEVICE, "settings": {},
        "blocked": []
    });
    fake.route("/me ", move |_| (200, me.to_string()));
}

/// The next event that `pick` wants.
async fn next<T>(events: &mut Events, mut pick: impl FnMut(&ChatEvent) -> Option<T>) -> T {
    loop {
        let event = events.next().await.unwrap().expect("the chat lives");
        if let Some(picked) = pick(&event) {
            return picked;
        }
    }
}

async fn next_seq(events: &mut Events) -> u64 {
    next(events, |event| if let ChatEvent::Event(event) = event { Some(event.seq.0) } else { None }).await
}

/// R-CL-3, R-SY-5, R-OR-3: what had no ack when the connection broke goes out again, same ids, same order, once
/// each, and the caller hears of it.
#[tokio::test]
async fn r_cl_3_unacked_messages_are_sent_again_in_order() {
    let mut fake = Fake::start().await;
    let (chat, mut peer, _) = connect(&mut fake, options()).await;
    let sending: Vec<_> = ["one", "two", "three"]
        .map(|text| {
            let chat = chat.clone();
            tokio::spawn(async move { chat.send("ops", text).await })
        })
        .into_iter()
        .collect();
    let first = [peer.recv_message().await, peer.recv_message().await, peer.recv_message().await];
    peer.send(&ack(&first[0], 1)).await;
    let mut events = chat.events();
    next(&mut events, |event| matches!(event, ChatEvent::Acked(_)).then_some(())).await;
    drop(peer);
    let (mut peer, _) = fake.greet().await;
    for (message, seq) in first[1..].iter().zip(2..) {
        let again = peer.recv_message().await;
        assert_eq!((again.client_id, &again.content), (message.client_id, &message.content));
        peer.send(&ack(&again, seq)).await;
    }
    for sending in sending {
        sending.await.unwrap().unwrap();
    }
    assert!(chat.unsent().await.unwrap().is_empty());
}

/// R-PF-2: it comes back with the last cursor, and what it has seen is not shown again.
#[tokio::test]
async fn r_pf_2_resumes_by_cursor_without_doubles() {
    let mut fake = Fake::start().await;
    let (chat, mut peer, asked) = connect(&mut fake, options()).await;
    assert_eq!(asked.as_deref(), Some("now"));
    let mut events = chat.events();
    for frame in [message(1, "a"), cursor("c1"), message(2, "b")] {
        peer.send(&frame).await;
    }
    assert_eq!([next_seq(&mut events).await, next_seq(&mut events).await], [1, 2]);
    drop(peer);
    let (mut peer, asked) = fake.greet().await;
    assert_eq!(asked.as_deref(), Some("c1"));
    for frame in [message(2, "b"), message(2, "b"), message(3, "c")] {
        peer.send(&frame).await;
    }
    assert_eq!(next_seq(&mut events).await, 3);
}

/// R-SY-1: a hole is read from `sync`, from the stored cursor, after a second.
#[tokio::test]
async fn r_sy_1_a_hole_is_repaired() {
    let mut fake = Fake::start().await;
    let page = json!({"frames": [message(2, "b"), message(3, "c")], "cursor": "c3", "has_more": false});
    fake.route("/sync?cursor=c1", move |_| (200, page.to_string()));
    let (chat, mut peer, _) = connect(&mut fake, options()).await;
    let mut events = chat.events();
    for frame in [message(1, "a"), cursor("c1"), message(3, "c"), cursor("c2")] {
        peer.send(&frame).await;
    }
    let began = Instant::now();
    assert_eq!(next_seq(&mut events).await, 1);
    assert_eq!([next_seq(&mut events).await, next_seq(&mut events).await], [2, 3]);
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    assert_eq!(fake.requests.lock().len(), 1);
}

/// R-PR-6: heartbeats are answered, and silence beyond the interval and 10 s ends the connection.
#[tokio::test]
async fn r_pr_6_heartbeat_and_silence() {
    let mut fake = Fake::start().await;
    fake.heartbeat_interval_ms = 100;
    let (_chat, mut peer, _) = connect(&mut fake, options()).await;
    peer.send(&ServerFrame::from(Control::Heartbeat {})).await;
    assert!(matches!(peer.recv().await, ClientFrame::Heartbeat {}));
    let began = Instant::now();
    let (_second, _) = fake.greet().await;
    assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
}

/// Delivery acks name the stored cursor, and come at most every 5 s.
#[tokio::test]
async fn received_is_said_every_five_seconds() {
    let mut fake = Fake::start().await;
    let (_chat, mut peer, _) = connect(&mut fake, options()).await;
    let mut said = async |text: &str| {
        peer.send(&cursor(text)).await;
        let ClientFrame::Received { cursor } = peer.recv().await else { panic!("not received") };
        (cursor.0, Instant::now())
    };
    let (first, at) = said("c1").await;
    let (second, then) = said("c2").await;
    assert_eq!((first.as_str(), second.as_str()), ("c1", "c2"));
    assert!(then - at >= Duration::from_millis(4900), "{:?}", then - at);
}

/// NET-04: `going_away` says when to come back.
#[tokio::test]
async fn net_04_going_away_is_obeyed() {
    let mut fake = Fake::start().await;
    let (_chat, mut peer, _) = connect(&mut fake, options()).await;
    peer.send(&ServerFrame::from(Control::GoingAway { retry_after_ms: 700 })).await;
    let began = Instant::now();
    peer.close(1012).await;
    let (_second, _) = fake.greet().await;
    assert!(began.elapsed() >= Duration::from_millis(690), "{:?}", began.elapsed());
}

/// R-GW: a replaced device does not come back; a signed-out one does with a new token. Its outbox stays.
#[tokio::test]
async fn r_gw_final_closes_are_final() {
    let mut fake = Fake::start().await;
    let (chat, mut peer, _) = connect(&mut fake, options()).await;
    let mut events = chat.events();
    let sender = chat.clone();
    let sending = tokio::spawn(async move { sender.send("ops", "kept").await });
    let sent = peer.recv_message().await;
    peer.close(4001).await;
    let stopped = |event: &ChatEvent| match event {
        ChatEvent::Stopped(error) => Some(error.clone()),
        _ => None,
    };
    assert!(matches!(*next(&mut events, stopped).await, Error::Closed { code: 4001, .. }));
    assert!(matches!(sending.await.unwrap(), Err(Error::Closed { code: 4001, .. })));
    assert_eq!(chat.unsent().await.unwrap().len(), 1);
    chat.renew_token("fresh").await.unwrap();
    let (mut peer, _) = fake.greet().await;
    assert!(peer.head.contains("Bearer fresh"));
    assert_eq!(peer.recv_message().await.client_id, sent.client_id);
    peer.close(4009).await;
    assert!(matches!(*next(&mut events, stopped).await, Error::Closed { code: 4009, .. }));
}

/// A refusal reaches the caller with its code; later messages go on.
#[tokio::test]
async fn tl_27_refusals_reach_the_caller() {
    let mut fake = Fake::start().await;
    let (chat, mut peer, _) = connect(&mut fake, options()).await;
    let answering = tokio::spawn(async move {
        let refused = peer.recv_message().await;
        let (code, params, retry_after_ms) = (Code::PostingRestricted, Value::Null, None);
        let error = ErrorFrame { code, params, retry_after_ms, client_id: refused.client_id };
        peer.send(&ServerFrame::from(Control::Error(error))).await;
        let taken = peer.recv_message().await;
        peer.send(&ack(&taken, 1)).await;
        peer
    });
    let refused = chat.send("ops", "no").await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::PostingRestricted));
    assert_eq!(chat.send("ops", "yes").await.unwrap().seq, Seq(1));
    let unsent = chat.unsent().await.unwrap();
    assert!(matches!(&unsent[..], [(ClientFrame::Message(message), true)] if message.content == "no"));
    answering.await.unwrap();
}

/// R-SY-5, TL-28: text, ids and cursor survive the process.
#[tokio::test]
async fn r_sy_5_a_restart_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreAt::File(folder.path().join("device.db"));
    let mut fake = Fake::start().await;
    let (chat, mut peer, _) = connect(&mut fake, Options { store: store.clone(), ..options() }).await;
    let mut events = chat.events();
    for frame in [message(1, "a"), cursor("c1")] {
        peer.send(&frame).await;
    }
    assert_eq!(next_seq(&mut events).await, 1);
    let sender = chat.clone();
    let sending = tokio::spawn(async move { sender.send("ops", "kept").await });
    let sent = peer.recv_message().await;
    // The answer stands behind the cursor in the queue: once it is there, the cursor is stored.
    chat.unsent().await.unwrap();
    chat.close().await.unwrap();
    sending.abort();
    while !sending.is_finished() {
        tokio::task::yield_now().await;
    }
    drop(peer);
    let (_chat, mut peer, asked) = connect(&mut fake, Options { store, ..options() }).await;
    assert_eq!(asked.as_deref(), Some("c1"));
    let again = peer.recv_message().await;
    assert_eq!((again.client_id, again.content.as_str()), (sent.client_id, "kept"));
}

/// UX 6: the bot of the documentation, across a lost connection, answering each message once.
#[tokio::test]
async fn dx_01_the_ping_bot() {
    let mut fake = Fake::start().await;
    routes(&fake, 4);
    let (chat, mut peer, _) = connect(&mut fake, options()).await;
    let mut messages = chat.messages("ops").await.unwrap();
    let bot = tokio::spawn(async move {
        let mut count = 0;
        while count < 2 {
            let Some(m) = messages.next().await? else { break };
            count += 1;
            if m.content == "!ping" {
                m.reply("pong").await?;
            }
        }
        Ok::<_, Error>(count)
    });
    for frame in [message(4, "!ping"), message(5, "!ping")] {
        peer.send(&frame).await;
    }
    let pong = peer.recv_message().await;
    assert_eq!((pong.content.as_str(), pong.reply_to), ("pong", Some(Seq(5))));
    peer.send(&ack(&pong, 6)).await;
    drop(peer);
    let (mut peer, _) = fake.greet().await;
    for frame in [message(5, "!ping"), message(7, "thanks")] {
        peer.send(&frame).await;
    }
    assert_eq!(bot.await.unwrap().unwrap(), 2);
}

/// A reader that fell behind what is kept for it reads the rest from the store.
#[tokio::test]
async fn a_slow_reader_of_messages_loses_none() {
    let mut fake = Fake::start().await;
    routes(&fake, 0);
    let (chat, mut peer, _) = connect(&mut fake, options()).await;
    let mut messages = chat.messages("ops").await.unwrap();
    let mut events = chat.events();
    let watching = tokio::spawn(async move {
        loop {
            match events.next().await {
                Ok(Some(event)) if matches!(&*event, ChatEvent::Event(event) if event.seq == Seq(3000)) => {
                    break;
                }
                Ok(None) => panic!("closed"),
                Ok(Some(_)) | Err(_) => {}
            }
        }
    });
    for number in 1..=3000 {
        peer.send(&message(number, "x")).await;
    }
    watching.await.unwrap();
    for number in 1..=3000 {
        assert_eq!(messages.next().await.unwrap().unwrap().seq, Seq(number));
    }
}

/// R-SY-4: after `reset` the list and windows are read, and what they hold does not come again.
#[tokio::test]
async fn r_sy_4_reset_reads_list_and_windows() {
    let mut fake = Fake::start().await;
    let totals = json!({"conversations": 1, "unread": 0, "mentions": 0});
    let list = json!({"conversations": [conversation(5)], "totals": totals});
    fake.route("/conversations?", move |_| (200, list.to_string()));
    let window = json!({"messages": [], "has_more_before": false, "has_more_after": false, "as_of_seq": 6});
    fake.route("/messages?", move |_| (200, window.to_string()));
    let (chat, mut peer, asked) = connect(&mut fake, Options { start: Start::Listed, ..options() }).await;
    assert_eq!(asked, None);
    let mut events = chat.events();
    peer.send(&ServerFrame::from(Control::Reset { cursor: Cursor("s".into()) })).await;
    next(&mut events, |event| matches!(event, ChatEvent::Listed { complete: true, .. }).then_some(())).await;
    next(&mut events, |event| matches!(event, ChatEvent::Window(..)).then_some(())).await;
    for frame in [message(6, "old"), message(7, "new")] {
        peer.send(&frame).await;
    }
    assert_eq!(next_seq(&mut events).await, 7);
    drop(peer);
    assert_eq!(fake.greet().await.1.as_deref(), Some("s"));
}

/// R-CL-3: behind a proxy that lets no upgrade through, long polls carry everything both ways.
#[tokio::test]
async fn r_cl_3_falls_back_to_long_polls() {
    let fake = Fake::start().await;
    fake.on_upgrade(Upgrade::Answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".into()));
    let page = json!({"frames": [message(1, "a")], "cursor": "c1", "has_more": false});
    fake.route("/sync?cursor=now", move |_| (200, page.to_string()));
    fake.route("/sync?cursor=c1", |_| {
        (200, json!({"frames": [message(2, "b")], "cursor": "c2", "has_more": false}).to_string())
    });
    let empty = json!({"frames": [], "cursor": "c2", "has_more": false});
    fake.route("/sync?cursor=c2", move |_| (200, empty.to_string()));
    fake.route("POST /api/v1/conversations/ops/messages", |request| {
        let message: SendMessage = serde_json::from_str(&request.body).unwrap();
        (200, serde_json::to_string(&ack_of(&message, 3)).unwrap())
    });
    let options = Options { start_offline: true, ..options() };
    let chat = Chat::connect_with(fake.url(), "secret", options).await.unwrap();
    let mut events = chat.events();
    assert_eq!(next_seq(&mut events).await, 1);
    assert_eq!(next_seq(&mut events).await, 2);
    assert_eq!(chat.send("ops", "by post").await.unwrap().seq, Seq(3));
}

/// Whoever is not let in hears why at once; who starts offline waits.
#[tokio::test]
async fn connect_tells_why_it_failed() {
    let fake = Fake::start().await;
    fake.on_upgrade(Upgrade::Answer("HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n".into()));
    let refused = Chat::connect(fake.url(), "wrong").await.unwrap_err();
    assert!(matches!(refused, Error::Transport(Transport::Status { status: 401, .. })), "{refused}");
    let url = fake.url();
    drop(fake);
    let gone = Chat::connect(url, "secret").await.unwrap_err();
    assert!(matches!(gone, Error::Transport(_)), "{gone}");
}

/// A frame nobody can read is passed over; the connection lives on.
#[tokio::test]
async fn dx_07_unreadable_frames_are_passed_over() {
    let mut fake = Fake::start().await;
    let (chat, mut peer, _) = connect(&mut fake, options()).await;
    let mut events = chat.events();
    peer.send(&json!({"type": "confetti"})).await;
    peer.send(&json!({"type": "cursor", "cursor": 5})).await;
    peer.send(&hello(25_000)).await;
    peer.send(&message(1, "still here")).await;
    assert_eq!(next_seq(&mut events).await, 1);
}
