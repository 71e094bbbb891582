//! Upgrade: the HTTP/1.1 request that turns a TCP connection into a live one (RFC 6455, section 4).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use stonechat_wire::{Problem, SUBPROTOCOL};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tungstenite::handshake::derive_accept_key;

use super::ConnectOptions;
use crate::error::{Error, Result, Transport};

/// Largest head or problem document taken from a server.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// Most headers of an answer; proxies add some.
const MAX_HEADERS: usize = 64;
/// Where the live connection is, below the server's address.
const PATH: &str = "/api/v1/ws";

/// Connects and upgrades. Gives the stream and the bytes that already came after the head.
pub(super) async fn open(url: &str, options: &ConnectOptions) -> Result<(TcpStream, Vec<u8>)> {
    let url = parse(url)?;
    let mut stream = connect(&url, options).await?;
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    stream.write_all(request(&url, &key, options)?.as_bytes()).await?;
    let (answer, rest) = read_head(&mut stream).await?;
    if answer.status != 101 {
        return Err(refusal(answer, rest, &mut stream).await);
    }
    answer.check(&key)?;
    Ok((stream, rest))
}

fn parse(url: &str) -> Result<Url, Transport> {
    let url = match url.split_once("://") {
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("http", _)) => url.to_owned(),
        Some(("https" | "wss", _)) => return Err(Transport::Address("this build has no TLS")),
        _ => return Err(Transport::Address("neither http:// nor ws://")),
    };
    let mut url = Url::parse(&url).map_err(|_| Transport::Address("not a URL"))?;
    let path = url.path().trim_end_matches('/');
    if !path.ends_with(PATH) {
        let path = format!("{path}{PATH}");
        url.set_path(&path);
    }
    Ok(url)
}

async fn connect(url: &Url, options: &ConnectOptions) -> Result<TcpStream> {
    let host = url.host_str().ok_or(Transport::Address("no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(80);
    let mut failure = Error::from(Transport::Address("the host has no address"));
    for address in tokio::net::lookup_host((host, port)).await? {
        match connect_to(address, options).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

async fn connect_to(address: SocketAddr, options: &ConnectOptions) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(size) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(size)?;
    }
    if let Some(local) = options.local_address {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn request(url: &Url, key: &str, options: &ConnectOptions) -> Result<String, Transport> {
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    let ticket = options.ticket.as_ref().map_or_else(String::new, |ticket| format!(", ticket.{ticket}"));
    let mut request = format!(
        "GET {path}{query} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}{ticket}\r\n",
        path = url.path()
    );
    let authorization = options.token.as_ref().map(|token| ("Authorization", format!("Bearer {token}")));
    let authorization = authorization.iter().map(|(name, value)| (*name, value.as_str()));
    let headers = options.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in authorization.chain(headers) {
        write!(request, "{name}: {value}\r\n").map_err(|_| Transport::Address("unwritable header"))?;
    }
    // A line break inside a token or header would smuggle in a header of its own.
    let lines = 7 + usize::from(options.token.is_some()) + options.headers.len();
    if request.matches('\n').count() != lines {
        return Err(Transport::Address("a header holds a line break"));
    }
    request.push_str("\r\n");
    Ok(request)
}

/// What the SDK needs of an answer's head.
#[derive(Default)]
struct Answer {
    status: u16,
    accept: String,
    protocol: String,
    upgrade: String,
    content_type: String,
    content_length: Option<usize>,
    retry_after: Option<Duration>,
}

impl Answer {
    fn check(&self, key: &str) -> Result<(), Transport> {
        if !self.upgrade.eq_ignore_ascii_case("websocket") {
            return Err(Transport::Handshake("the upgrade is to something else"));
        }
        if self.accept != derive_accept_key(key.as_bytes()) {
            return Err(Transport::Handshake("the accept key is wrong"));
        }
        if self.protocol != SUBPROTOCOL {
            return Err(Transport::Handshake("the subprotocol is another"));
        }
        Ok(())
    }
}

async fn read_head(stream: &mut TcpStream) -> Result<(Answer, Vec<u8>)> {
    let mut buffer = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(Transport::Io(std::io::ErrorKind::UnexpectedEof.into()).into());
        }
        if let Some((answer, length)) = parse_head(&buffer)? {
            buffer.drain(..length);
            return Ok((answer, buffer));
        }
        if buffer.len() > MAX_ANSWER_BYTES {
            return Err(Transport::Handshake("the head is too large").into());
        }
    }
}

fn parse_head(buffer: &[u8]) -> Result<Option<(Answer, usize)>, Transport> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(buffer).map_err(|_| Transport::Handshake("not HTTP"))?;
    let httparse::Status::Complete(length) = status else { return Ok(None) };
    let mut answer = Answer { status: response.code.unwrap_or_default(), ..Answer::default() };
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value).trim().to_owned();
        match header.name.to_ascii_lowercase().as_str() {
            "sec-websocket-accept" => answer.accept = value,
            "sec-websocket-protocol" => answer.protocol = value,
            "upgrade" => answer.upgrade = value,
            "content-type" => answer.content_type = value,
            "content-length" => answer.content_length = value.parse().ok(),
            "retry-after" => answer.retry_after = value.parse().ok().map(Duration::from_secs),
            _ => {}
        }
    }
    Ok(Some((answer, length)))
}

/// A problem document where the answer holds one, otherwise the bare status.
async fn refusal(answer: Answer, mut body: Vec<u8>, stream: &mut TcpStream) -> Error {
    let Answer { status, retry_after, .. } = answer;
    let other = Transport::Status { status, retry_after };
    let length = answer.content_length.unwrap_or(0).min(MAX_ANSWER_BYTES);
    if !answer.content_type.starts_with("application/problem+json") {
        return other.into();
    }
    while body.len() < length {
        match stream.read_buf(&mut body).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    match serde_json::from_slice::<Problem>(&body[..length.min(body.len())]) {
        Ok(problem) => problem.into(),
        Err(_) => other.into(),
    }
}
