//! Fake: a server that does what a test tells it, down to single bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use serde::Serialize;
use stonechat_client::wire::websocket::{Decoder, Incoming, Side, close, put_text};
use stonechat_client::wire::{
    ClientFrame, Control, ConversationId, DeviceId, Event, EventBody, Hello, MessageBody, MessageId, Seq,
    ServerFrame, SessionId, Timestamp, UserId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tungstenite::handshake::derive_accept_key;

/// How requests to upgrade are answered.
#[derive(Clone)]
pub(crate) enum Upgrade {
    Accept,
    /// These bytes instead.
    Answer(String),
}

/// A request other than an upgrade.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

type Route = Box<dyn Fn(&Request) -> Option<(u16, String)> + Send>;

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    /// What `greet` tells in `hello`.
    pub(crate) heartbeat_interval_ms: u64,
    peers: mpsc::Receiver<Peer>,
    upgrade: Arc<Mutex<Upgrade>>,
    routes: Arc<Mutex<Vec<Route>>>,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, peers) = mpsc::channel(16);
        let upgrade = Arc::new(Mutex::new(Upgrade::Accept));
        let routes: Arc<Mutex<Vec<Route>>> = Arc::default();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (shared_upgrade, shared_routes, shared_requests) =
            (upgrade.clone(), routes.clone(), requests.clone());
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (upgrade, routes, requests) =
                    (shared_upgrade.clone(), shared_routes.clone(), shared_requests.clone());
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(peer) = serve(stream, &upgrade, &routes, &requests).await {
                        sender.send(peer).await.ok();
                    }
                });
            }
        });
        Self { heartbeat_interval_ms: 25_000, address, peers, upgrade, routes, requests, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn on_upgrade(&self, upgrade: Upgrade) {
        *self.upgrade.lock() = upgrade;
    }

    /// Answers requests whose first line contains `part`; later routes come first.
    pub(crate) fn route(
        &self,
        part: &'static str,
        answer: impl Fn(&Request) -> (u16, String) + Send + 'static,
    ) {
        let route = move |request: &Request| {
            let line = request.head.lines().next().unwrap_or_default();
            line.contains(part).then(|| answer(request))
        };
        self.routes.lock().insert(0, Box::new(route));
    }

    /// The next live connection.
    pub(crate) async fn accept(&mut self) -> Peer {
        self.peers.recv().await.unwrap()
    }

    /// The next live connection, its `connect` read and answered.
    pub(crate) async fn greet(&mut self) -> (Peer, Option<String>) {
        let mut peer = self.accept().await;
        let ClientFrame::Connect(connect) = peer.recv().await else { panic!("connect comes first") };
        peer.send(&hello(self.heartbeat_interval_ms)).await;
        (peer, connect.cursor.map(|cursor| cursor.0))
    }
}

pub(crate) fn hello(heartbeat_interval_ms: u64) -> ServerFrame {
    Control::Hello(Hello {
        session_id: SessionId::new(),
        user_id: USER,
        device_id: DEVICE,
        heartbeat_interval_ms,
        server_time: Timestamp(0),
        server_version: "0".into(),
        durability: None,
        max_content_bytes: 16_384,
    })
    .into()
}

pub(crate) const USER: UserId = UserId(uuid::Uuid::from_u128(1));
pub(crate) const DEVICE: DeviceId = DeviceId(uuid::Uuid::from_u128(2));
pub(crate) const OPS: ConversationId = ConversationId(uuid::Uuid::from_u128(3));

pub(crate) fn message(seq: u64, content: &str) -> ServerFrame {
    let body = EventBody::Message(MessageBody {
        message_id: MessageId::of(OPS, Seq(seq)),
        content: content.into(),
        content_type: "text/markdown".into(),
        metadata: None,
        reply_to: None,
        thread: None,
        thread_ordinal: None,
        mentions: stonechat_client::wire::Mentions::default(),
        version: stonechat_client::wire::Version::new(),
        deleted: false,
    });
    Event {
        conversation_id: OPS,
        seq: Seq(seq),
        ordinal: seq,
        from: UserId(uuid::Uuid::from_u128(9)),
        sender_device: Some(DeviceId(uuid::Uuid::from_u128(9))),
        client_id: None,
        timestamp: Timestamp(0),
        body,
    }
    .into()
}

async fn serve(
    mut stream: TcpStream,
    upgrade: &Mutex<Upgrade>,
    routes: &Mutex<Vec<Route>>,
    requests: &Mutex<Vec<Request>>,
) -> Option<Peer> {
    let mut buffer = Vec::new();
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = buffer.split_off(end + 4);
            break String::from_utf8(std::mem::replace(&mut buffer, rest)).unwrap();
        }
        if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}: ")))?;
        Some(line[name.len() + 2..].trim().to_owned())
    };
    if let Some(key) = header("sec-websocket-key") {
        let answer = upgrade.lock().clone();
        if let Upgrade::Answer(answer) = answer {
            stream.write_all(answer.as_bytes()).await.ok();
            return None;
        }
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: stonechat.v1\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.ok()?;
        return Some(Peer { stream, decoder: Decoder::new(Side::Server, 1 << 20), buffer, head });
    }
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length {
        stream.read_buf(&mut buffer).await.ok()?;
    }
    let request = Request { head, body: String::from_utf8(buffer).unwrap() };
    requests.lock().push(request.clone());
    let (status, body) =
        routes.lock().iter().find_map(|route| route(&request)).unwrap_or((404, String::new()));
    let kind = if status < 400 { "application/json" } else { "application/problem+json" };
    let answer = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.ok();
    None
}

/// The server's side of a live connection. Dropping it cuts the connection.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    decoder: Decoder,
    buffer: Vec<u8>,
    pub(crate) head: String,
}

impl Peer {
    pub(crate) async fn send(&mut self, frame: &impl Serialize) {
        let mut out = BytesMut::new();
        put_text(&mut out, &serde_json::to_vec(frame).unwrap());
        self.stream.write_all(&out).await.unwrap();
    }

    pub(crate) async fn close(mut self, code: u16) {
        self.stream.write_all(&close(code, "because")).await.unwrap();
        // Until the client is gone, so that nothing unread turns the close into a reset.
        while self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) > 0 {}
    }

    /// The next frame of any kind, in short.
    pub(crate) async fn recv_any(&mut self) -> String {
        loop {
            let read = self.decoder.read(&mut self.buffer, |incoming| match incoming {
                Incoming::Text(text) => text.to_owned(),
                other => format!("{other:?}"),
            });
            if let Some((used, text)) = read.unwrap() {
                self.buffer.drain(..used);
                if let Some(text) = text {
                    return text;
                }
            } else {
                assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the client is gone");
            }
        }
    }

    pub(crate) async fn recv(&mut self) -> ClientFrame {
        let text = self.recv_any().await;
        ClientFrame::decode(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next `message`; other frames are passed over.
    pub(crate) async fn recv_message(&mut self) -> stonechat_client::wire::SendMessage {
        loop {
            if let ClientFrame::Message(message) = self.recv().await {
                return message;
            }
        }
    }
}
