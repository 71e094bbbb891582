//! Error: why a call of the SDK did not do what it was asked.
//!
//! A refusal is the server's considered answer and carries its code; everything else is trouble on the way,
//! after which the same request with the same `client_id` may be tried again.

use std::time::Duration;

use stonechat_wire::{ClientId, Code, ErrorFrame, Problem};

/// What the SDK's calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server understood and said no; [`Error::code`] says why. Boxed because it is large and rare.
    #[error("refused: {}", .0.title)]
    Refused(Box<Problem>),
    /// The request or its answer did not get through, or was not what this protocol allows.
    #[error("the server could not be reached or understood")]
    Transport(#[from] Transport),
    /// The live connection was closed for good: the SDK does not come back by itself after 4001, 4003, 4004
    /// and 4009.
    #[error("closed with {code}: {reason}")]
    Closed {
        /// The WebSocket close code.
        code: u16,
        /// The server's words.
        reason: String,
    },
    /// No ack came in time while connected. The text is kept; `Chat::retry` sends it again under the same id.
    #[error("not acknowledged in time")]
    Unacknowledged(ClientId),
    /// The outbox holds as much as it may; wait for acks.
    #[error("the outbox is full")]
    OutboxFull,
    /// A reader of events was too slow and missed so many.
    #[error("missed {0} events")]
    Lagged(u64),
    /// The local store failed.
    #[error("the local store failed")]
    Store(#[from] rusqlite::Error),
    /// The local store belongs to another account or device.
    #[error("the local store belongs to another device")]
    StoreOfAnother,
    /// The chat was closed.
    #[error("the chat is closed")]
    Stopped,
    /// A setting could not be read from the environment. Never made here; lets a `main` use `?` on both.
    #[error("a setting is missing")]
    Setting(#[from] std::env::VarError),
}

impl Error {
    /// The server's code, where it refused.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            Self::Transport(_)
            | Self::Closed { .. }
            | Self::Unacknowledged(_)
            | Self::OutboxFull
            | Self::Lagged(_)
            | Self::Store(_)
            | Self::StoreOfAnother
            | Self::Stopped
            | Self::Setting(_) => None,
        }
    }

    /// How long the server asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(problem) => problem.retry_after_ms.map(Duration::from_millis),
            Self::Transport(Transport::Status { retry_after, .. }) => *retry_after,
            Self::Transport(_)
            | Self::Closed { .. }
            | Self::Unacknowledged(_)
            | Self::OutboxFull
            | Self::Lagged(_)
            | Self::Store(_)
            | Self::StoreOfAnother
            | Self::Stopped
            | Self::Setting(_) => None,
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(problem) => is_transient(problem.code),
            Self::Transport(_) => true,
            Self::Closed { .. }
            | Self::Unacknowledged(_)
            | Self::OutboxFull
            | Self::Lagged(_)
            | Self::Store(_)
            | Self::StoreOfAnother
            | Self::Stopped
            | Self::Setting(_) => false,
        }
    }
}

/// Whether a refusal with this code passes by itself.
pub(crate) fn is_transient(code: Code) -> bool {
    matches!(code, Code::RateLimited | Code::Overloaded | Code::Unavailable)
}

impl From<ErrorFrame> for Error {
    fn from(frame: ErrorFrame) -> Self {
        let mut problem = Problem::new(frame.code, frame.params, String::new());
        problem.retry_after_ms = frame.retry_after_ms;
        Self::Refused(Box::new(problem))
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

/// Trouble between here and the server.
#[derive(Debug, thiserror::Error)]
pub enum Transport {
    /// An HTTP request failed on its way.
    #[error("the HTTP request failed")]
    Http(#[from] reqwest::Error),
    /// A socket failed.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    /// An answer that is no problem document and no success: a proxy's, or another server's.
    #[error("unexpected status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What its `Retry-After` asked for.
        retry_after: Option<Duration>,
    },
    /// The answer is not the JSON it should be.
    #[error("the answer could not be read")]
    Json(#[from] serde_json::Error),
    /// The peer broke RFC 6455, or its upgrade answer does not fit the request.
    #[error("not a Stonechat connection: {0}")]
    Handshake(&'static str),
    /// The peer broke the framing.
    #[error("the peer broke the framing")]
    Framing(#[from] stonechat_wire::websocket::Violation),
    /// The address cannot be used.
    #[error("unusable address: {0}")]
    Address(&'static str),
    /// Nothing came in time.
    #[error("timed out")]
    Timeout,
    /// The peer does not read what we send.
    #[error("the peer does not read")]
    Stalled,
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(Transport::Http(error))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Transport(Transport::Io(error))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Transport(Transport::Json(error))
    }
}
