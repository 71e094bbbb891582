//! Connect: who opens a live connection, shown by token, ticket or first frame.
//!
//! The identity of a connection never changes: `connect` on a live socket renews the token of the same device only.

use std::time::Duration;

use stonechat_wire::{Code, Connect, Timestamp, close};

use super::socket::{Heard, Next, Socket, end};
use crate::app::App;
use crate::auth::SignedInDevice;
use crate::router::outbound::End;

/// How long a client may take to say who it is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What came with the request, before any frame.
pub(crate) enum Credentials {
    Token(String),
    Ticket(String),
}

/// A client that said who it is, and where it stands.
pub(crate) struct Connected {
    pub(crate) device: SignedInDevice,
    pub(crate) connect: Connect,
    /// What it said after `connect` in the same breath.
    pub(crate) rest: Vec<Heard>,
}

/// Hears the first frame and checks who it is.
pub(crate) async fn first_frame(
    app: &App,
    socket: &mut Socket,
    credentials: Option<Credentials>,
) -> Result<Connected, Option<End>> {
    let heard = tokio::time::timeout(CONNECT_TIMEOUT, first(socket)).await;
    let Ok(heard) = heard else {
        return Err(Some(end(close::UNAUTHENTICATED, "no connect frame within 10 s")));
    };
    let (connect, rest) = heard?;
    match identify(app, &connect, credentials).await {
        Ok(device) => Ok(Connected { device, connect, rest }),
        Err(Code::Unavailable | Code::Internal) => {
            Err(Some(end(close::INTERNAL, "the server cannot check tokens just now")))
        }
        Err(_) => Err(Some(end(close::UNAUTHENTICATED, "Authentication failed"))),
    }
}

async fn first(socket: &mut Socket) -> Result<(Connect, Vec<Heard>), Option<End>> {
    let Next::Heard(heard) = socket.hear().await else { return Err(None) };
    let mut heard = heard.into_iter();
    match heard.next() {
        Some(Heard::Frame(stonechat_wire::ClientFrame::Connect(connect))) => Ok((connect, heard.collect())),
        Some(Heard::Violation(violation)) => Err(Some(end(violation.close_code(), "protocol error"))),
        Some(Heard::Close(_)) | None => Err(None),
        Some(_) => Err(Some(end(close::UNAUTHENTICATED, "the first frame must be connect"))),
    }
}

async fn identify(
    app: &App,
    connect: &Connect,
    credentials: Option<Credentials>,
) -> Result<SignedInDevice, Code> {
    let found = match (connect, credentials) {
        (Connect { token: Some(token), .. }, _) => app.auth.authenticate(token).await,
        (Connect { ticket: Some(ticket), .. }, _) => app.auth.redeem_ticket(ticket).await,
        (_, Some(Credentials::Token(token))) => app.auth.authenticate(&token).await,
        (_, Some(Credentials::Ticket(ticket))) => app.auth.redeem_ticket(&ticket).await,
        (_, None) => return Err(Code::Unauthenticated),
    };
    found.map_err(|error| error.code())
}

/// When a token ends, in seconds since the server started; `None` for tokens that do not.
pub(crate) fn expiry_s(app: &App, device: &SignedInDevice) -> Option<u32> {
    let expires_at = device.expires_at?;
    let left_ms = expires_at.0.saturating_sub(Timestamp::now().0).max(0);
    Some(app.router.now_s().saturating_add(u32::try_from(left_ms / 1_000).unwrap_or(u32::MAX)))
}

/// A `connect` on a live socket: a new token of the same device.
pub(crate) async fn renew(
    app: &App,
    device: &SignedInDevice,
    connect: &Connect,
) -> Result<SignedInDevice, Code> {
    let renewed = identify(app, connect, None).await?;
    if renewed.actor != device.actor {
        return Err(Code::Unauthenticated);
    }
    Ok(renewed)
}
