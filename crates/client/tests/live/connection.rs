//! One connection: the upgrade's checks, whole frames from torn reads, and calls dropped half-way.

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::task::Poll;

use bytes::BytesMut;
use stonechat_client::wire::websocket::put_text;
use stonechat_client::wire::{ClientFrame, Code, Control, Problem, ServerFrame};
use stonechat_client::{Closed, ConnectOptions, Connection, Error, Received, Transport};
use tokio::io::AsyncWriteExt;

use crate::fake::{Fake, Upgrade, message};

async fn open(fake: &mut Fake) -> (Connection, crate::fake::Peer) {
    let connection = Connection::open(&fake.url(), &ConnectOptions::with_token("secret")).await.unwrap();
    (connection, fake.accept().await)
}

fn seq(received: Received) -> u64 {
    match received {
        Received::Frame(ServerFrame::Event(event)) => event.seq.0,
        other => panic!("{other:?}"),
    }
}

/// R-GW: what is not an upgrade of ours is refused, with the server's reason where it gave one.
#[tokio::test]
async fn r_gw_an_upgrade_is_checked() {
    let fake = Fake::start().await;
    let try_with = async |answer: String| {
        fake.on_upgrade(Upgrade::Answer(answer));
        Connection::open(&fake.url(), &ConnectOptions::default()).await.unwrap_err()
    };
    let switching = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n";
    let wrong = try_with(format!("{switching}Sec-WebSocket-Accept: AAAA\r\n\r\n")).await;
    assert!(matches!(wrong, Error::Transport(Transport::Handshake(_))), "{wrong}");
    let page = try_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".into()).await;
    assert!(matches!(page, Error::Transport(Transport::Status { status: 200, .. })), "{page}");
    let busy = try_with("HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n".into()).await;
    assert_eq!(busy.retry_after().unwrap().as_secs(), 7);
    let problem = Problem::new(Code::Unauthenticated, serde_json::Value::Null, "r".into());
    let body = serde_json::to_string(&problem).unwrap();
    let refused = try_with(format!(
        "HTTP/1.1 401 X\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(refused.await.code(), Some(Code::Unauthenticated));
    let noise = try_with("SSH-2.0-OpenSSH\r\n\r\n".into()).await;
    assert!(matches!(noise, Error::Transport(Transport::Handshake(_))), "{noise}");
}

/// A line break in a token or header must not become a header of its own.
#[tokio::test]
async fn headers_cannot_be_smuggled_in() {
    let fake = Fake::start().await;
    let options = ConnectOptions::with_token("a\r\nX-Admin: yes");
    let error = Connection::open(&fake.url(), &options).await.unwrap_err();
    assert!(matches!(error, Error::Transport(Transport::Address(_))), "{error}");
}

#[tokio::test]
async fn the_request_carries_what_was_asked() {
    let mut fake = Fake::start().await;
    let options = ConnectOptions {
        ticket: Some("t1".into()),
        headers: vec![("Origin".into(), "http://x".into())],
        local_address: Some(Ipv4Addr::new(127, 0, 0, 7).into()),
        ..ConnectOptions::with_token("secret")
    };
    let connection = Connection::open(&fake.url(), &options).await.unwrap();
    let peer = fake.accept().await;
    assert!(peer.head.starts_with("GET /api/v1/ws HTTP/1.1\r\n"), "{}", peer.head);
    for line in [
        "Authorization: Bearer secret",
        "Sec-WebSocket-Protocol: stonechat.v1, ticket.t1",
        "Origin: http://x",
    ] {
        assert!(peer.head.contains(line), "{}", peer.head);
    }
    assert_eq!(peer.stream.peer_addr().unwrap().ip(), Ipv4Addr::new(127, 0, 0, 7));
    assert_eq!(connection.local_address().unwrap().ip(), Ipv4Addr::new(127, 0, 0, 7));
}

/// R-GW: frames come whole from single bytes, and a `recv` that was dropped lost none.
#[tokio::test]
async fn r_gw_dropped_receives_lose_nothing() {
    let mut fake = Fake::start().await;
    let (mut connection, mut peer) = open(&mut fake).await;
    let mut bytes = BytesMut::new();
    for number in 1..=20 {
        put_text(&mut bytes, &serde_json::to_vec(&message(number, "text")).unwrap());
    }
    let writing = tokio::spawn(async move {
        for byte in bytes {
            peer.stream.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        peer
    });
    let mut seen = Vec::new();
    let mut dropped = 0;
    while seen.len() < 20 {
        // Polled once and dropped, as by a select whose other arm was ready.
        let mut receiving = pin!(connection.recv());
        match std::future::poll_fn(|context| Poll::Ready(receiving.as_mut().poll(context))).await {
            Poll::Ready(received) => seen.push(seq(received.unwrap())),
            Poll::Pending => {
                dropped += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(seen, (1..=20).collect::<Vec<_>>());
    assert!(dropped > 20, "it must have been dropped: {dropped}");
    drop(writing.await.unwrap());
    assert!(matches!(connection.recv().await.unwrap(), Received::Closed(Closed { code: 1006, .. })));
}

/// A send that was dropped half-way does not tear the stream: the frame goes out whole before the next.
#[tokio::test]
async fn r_gw_dropped_sends_tear_nothing() {
    let mut fake = Fake::start().await;
    let (connection, mut peer) = open(&mut fake).await;
    let text = |number: usize| {
        format!("{{\"type\":\"heartbeat\",\"n\":{number},\"pad\":\"{}\"}}", "x".repeat(60_000))
    };
    let mut sent = 0;
    // Nobody reads: the kernel's buffers fill, and a send hangs.
    loop {
        let text = text(sent);
        let mut sending = pin!(connection.send_text(&text));
        let polled = std::future::poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
        sent += 1;
        if polled.is_pending() {
            break;
        }
    }
    let (_, writer) = connection.split();
    let finishing = tokio::spawn(async move { writer.send(&ClientFrame::Heartbeat {}).await });
    for number in 0..sent {
        assert!(peer.recv_any().await == text(number), "frame {number} of {sent} is torn");
    }
    assert!(matches!(peer.recv().await, ClientFrame::Heartbeat {}));
    finishing.await.unwrap().unwrap();
}

/// A peer that never reads is noticed instead of filling memory.
#[tokio::test]
async fn a_peer_that_does_not_read_is_noticed() {
    let mut fake = Fake::start().await;
    let (connection, _peer) = open(&mut fake).await;
    let (_reader, writer) = connection.split();
    let text = "x".repeat(60_000);
    let error = (0..10_000).find_map(|_| writer.queue_text(&text).err()).unwrap();
    assert!(matches!(error, Error::Transport(Transport::Stalled)), "{error}");
}

/// The load generator's way: every frame of a read, unread, early ones and torn ones among them.
#[tokio::test]
async fn recv_raw_gives_every_payload_and_answers_pings() {
    let mut fake = Fake::start().await;
    let (mut connection, mut peer) = open(&mut fake).await;
    let mut bytes = BytesMut::new();
    for number in 0..2000 {
        put_text(&mut bytes, format!("{number}").repeat(50).as_bytes());
    }
    bytes.extend_from_slice(&[0x89, 2, b'h', b'i']);
    put_text(&mut bytes, &[b'z'; 200_000]);
    let writing = tokio::spawn(async move {
        peer.stream.write_all(&bytes).await.unwrap();
        let pong = peer.recv_any().await;
        peer.close(1012).await;
        pong
    });
    let (mut payloads, mut reads) = (Vec::new(), 0);
    let closed = loop {
        reads += 1;
        if let Some(closed) = connection.recv_raw(|payload| payloads.push(payload.to_vec())).await.unwrap() {
            drop(connection);
            break closed;
        }
    };
    assert_eq!(closed, Closed { code: 1012, reason: "because".into() });
    assert_eq!(writing.await.unwrap(), "Pong");
    assert_eq!(payloads.len(), 2001);
    assert!(reads < 500, "many frames a read, not {reads} reads");
    for (number, payload) in payloads[..2000].iter().enumerate() {
        assert_eq!(payload, format!("{number}").repeat(50).as_bytes());
    }
    assert_eq!(payloads[2000].len(), 200_000);
}

/// Both ways of receiving may be mixed.
#[tokio::test]
async fn recv_and_recv_raw_mix() {
    let mut fake = Fake::start().await;
    let (mut connection, mut peer) = open(&mut fake).await;
    let mut bytes = BytesMut::new();
    for number in 1..=3 {
        put_text(&mut bytes, &serde_json::to_vec(&message(number, "x")).unwrap());
    }
    peer.stream.write_all(&bytes).await.unwrap();
    assert_eq!(seq(connection.recv().await.unwrap()), 1);
    let mut count = 0;
    while count < 2 {
        connection.recv_raw(|_| count += 1).await.unwrap();
    }
    peer.send(&ServerFrame::from(Control::Heartbeat {})).await;
    let heartbeat = connection.recv().await.unwrap();
    assert!(matches!(heartbeat, Received::Frame(ServerFrame::Control(Control::Heartbeat {}))));
}
