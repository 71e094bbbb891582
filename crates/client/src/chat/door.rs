//! Door: how a chat is connected just now, and what an unsuccessful try means for the next.

use std::time::Duration;

use stonechat_wire::Code;
use tokio::time::Instant;

use crate::connection::{Connection, Reader, Writer};
use crate::error::{Error, Transport};

/// Silence beyond the heartbeat interval after which a connection counts as dead.
const GRACE: Duration = Duration::from_secs(10);
/// How long long polls go on before a live connection is tried again.
pub(super) const POLLING_FOR: Duration = Duration::from_secs(300);
/// How long one long poll waits; proxies cut at 30 s and later.
pub(super) const POLL_WAIT: Duration = Duration::from_secs(25);
/// The wait after a long poll that brought nothing on, as while a hole stays.
pub(super) const POLL_PAUSE: Duration = Duration::from_secs(1);

/// How a chat is connected.
pub(super) enum Door {
    /// Not; the next try comes at this time.
    Waiting { until: Instant },
    /// A try is on its way.
    Opening,
    /// By a live connection.
    Live(Box<Live>),
    /// By long polls.
    Polling { until: Instant, next: Option<Instant> },
    /// Not, and not by itself.
    Stopped,
}

/// A live connection.
pub(super) struct Live {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) since: Instant,
    pub(super) heard_at: Instant,
    /// The server's heartbeat interval, once `hello` told it.
    pub(super) interval: Option<Duration>,
    /// When the server wants us back, once it said it goes away.
    pub(super) asked: Option<Duration>,
}

impl Live {
    pub(super) fn new(connection: Connection, now: Instant) -> Self {
        let (reader, writer) = connection.split();
        Self { reader, writer, since: now, heard_at: now, interval: None, asked: None }
    }

    /// Whether `hello` came.
    pub(super) fn is_ready(&self) -> bool {
        self.interval.is_some()
    }

    pub(super) fn silent_until(&self) -> Instant {
        self.heard_at + self.interval.unwrap_or_default() + GRACE
    }
}

impl Door {
    /// When time alone changes something.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        match self {
            Self::Waiting { until } => Some(*until),
            Self::Live(live) => Some(live.silent_until()),
            Self::Polling { next, .. } => *next,
            Self::Opening | Self::Stopped => None,
        }
    }

    pub(super) fn live(&mut self) -> Option<&mut Live> {
        match self {
            Self::Live(live) => Some(live),
            Self::Waiting { .. } | Self::Opening | Self::Polling { .. } | Self::Stopped => None,
        }
    }
}

/// What an unsuccessful try means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again later.
    Later,
    /// Something between here and the server does not let upgrades through: long polls may.
    Poll,
    /// Trying again changes nothing.
    Never,
}

/// Judges why a try failed.
pub(super) fn verdict(error: &Error) -> Verdict {
    match error {
        Error::Refused(problem) => match problem.code {
            Code::RateLimited
            | Code::Overloaded
            | Code::Unavailable
            | Code::SetupRequired
            | Code::StorageFull
            | Code::Internal => Verdict::Later,
            _ => Verdict::Never,
        },
        Error::Transport(Transport::Status { status: 401, .. } | Transport::Address(_)) => Verdict::Never,
        Error::Transport(Transport::Status { status: 429 | 503, .. }) => Verdict::Later,
        Error::Transport(Transport::Status { .. } | Transport::Handshake(_)) => Verdict::Poll,
        Error::Transport(
            Transport::Http(_)
            | Transport::Io(_)
            | Transport::Json(_)
            | Transport::Framing(_)
            | Transport::Timeout
            | Transport::Stalled,
        ) => Verdict::Later,
        Error::Closed { code, .. } if crate::connection::is_final(*code) => Verdict::Never,
        Error::Closed { .. } | Error::Unacknowledged(_) | Error::OutboxFull | Error::Lagged(_) => {
            Verdict::Later
        }
        Error::Store(_) | Error::StoreOfAnother | Error::Stopped | Error::Setting(_) => Verdict::Never,
    }
}

#[cfg(test)]
mod tests {
    use stonechat_wire::Problem;

    use super::*;

    #[test]
    fn r_cl_3_verdicts() {
        let refused = |code| Error::from(Problem::new(code, serde_json::Value::Null, String::new()));
        let status = |status| Error::from(Transport::Status { status, retry_after: None });
        let closed = |code| Error::Closed { code, reason: String::new() };
        for (error, expected) in [
            (refused(Code::Unauthenticated), Verdict::Never),
            (refused(Code::Overloaded), Verdict::Later),
            (status(200), Verdict::Poll),
            (status(400), Verdict::Poll),
            (status(502), Verdict::Poll),
            (status(503), Verdict::Later),
            (status(401), Verdict::Never),
            (closed(4009), Verdict::Never),
            (closed(4008), Verdict::Later),
            (Transport::Timeout.into(), Verdict::Later),
        ] {
            assert_eq!(verdict(&error), expected, "{error}");
        }
    }
}
