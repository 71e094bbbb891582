//! Session: one device's live connection: hello, catching up, live, end.
//!
//! One task per socket. What a client asks for is handed to the rooms in the order it was said; answers come through
//! the router, in order with everybody's events. Invariant: a refused or unreadable frame changes nothing and ends
//! nothing, until there are too many.

use stonechat_store::key::Actor;
use stonechat_wire::{ClientFrame, ClientId, Code, Control, Cursor, Hello, Timestamp, websocket};

use super::catch_up::CatchUp;
use super::connect::{self, Connected, Credentials};
use super::guard::SessionGuard;
use super::socket::{Heard, Next, Socket, end};
use crate::app::App;
use crate::auth::SignedInDevice;
use crate::router::outbound::End;
use crate::router::registry::SessionKind;
use crate::router::{encode, error_frame};

/// Unreadable frames a client may send in a minute.
const MAX_STRIKES: u8 = 10;

/// Runs a connection from its upgrade to its end.
pub(crate) async fn run(app: App, mut socket: Socket, credentials: Option<Credentials>) {
    // Boxed: the task keeps the size of what it does while idle.
    match Box::pin(connect::first_frame(&app, &mut socket, credentials)).await {
        Ok(connected) => live(app, socket, connected).await,
        Err(Some(end)) => Box::pin(socket.close(end)).await,
        Err(None) => {}
    }
}

async fn live(app: App, socket: Socket, connected: Connected) {
    let guard = SessionGuard::register(&app, connected.device.actor, SessionKind::Socket);
    // After registering: whoever came before is cut off with the others.
    #[cfg(feature = "test-hooks")]
    if app.hooks.is_down() {
        return;
    }
    guard.set_expiry(connect::expiry_s(&app, &connected.device));
    let mut session = Box::new(Live {
        catch_up: None,
        strikes: 0,
        strike_minute: 0,
        device: connected.device,
        received: None,
        guard,
        app,
    });
    let mut socket = socket;
    let end = session.serve(&mut socket, connected.connect.cursor, connected.rest).await;
    drop(session);
    if let Some(end) = end {
        Box::pin(socket.close(end)).await;
    }
}

struct Live {
    app: App,
    guard: SessionGuard,
    device: SignedInDevice,
    catch_up: Option<Box<CatchUp>>,
    strikes: u8,
    strike_minute: u32,
    /// When the device last acknowledged delivery, in seconds since the server started.
    received: Option<u32>,
}

impl Live {
    /// Serves until the end; `None`: the connection is gone already.
    async fn serve(&mut self, socket: &mut Socket, cursor: Option<Cursor>, rest: Vec<Heard>) -> Option<End> {
        socket.authenticated();
        socket.write(self.hello());
        self.catch_up = Some(Box::new(CatchUp::from(&self.app, self.device.actor.user, cursor.as_ref())));
        if !rest.is_empty()
            && let Err(end) = Box::pin(self.hear(rest)).await
        {
            return end;
        }
        loop {
            if socket.is_drained()
                && let Some(catch_up) = &mut self.catch_up
            {
                match Box::pin(catch_up.page(&self.app, &self.guard)).await {
                    Ok(page) => {
                        if page.done {
                            self.catch_up = None;
                        }
                        if !page.frames.is_empty() && !self.guard.outbound.is_silent() {
                            socket.write(page.frames);
                        }
                    }
                    Err(error) => {
                        tracing::error!(error = error.chain(), "a device could not be brought up to date");
                        return Some(end(stonechat_wire::close::INTERNAL, "the store does not answer"));
                    }
                }
            }
            let hold = self.catch_up.is_some();
            match socket.next(&self.guard.outbound, hold).await {
                Next::Drained => {}
                Next::Heard(heard) => {
                    self.guard.received(self.app.router.now_s());
                    if let Err(end) = Box::pin(self.hear(heard)).await {
                        return end;
                    }
                }
                Next::End(end) => return Some(end),
                Next::Gone => return None,
            }
        }
    }

    fn hello(&self) -> bytes::Bytes {
        let relaxed = self.app.store.durability() == stonechat_store::Durability::Relaxed;
        encode::control(&Control::Hello(Hello {
            session_id: crate::router::session_id(),
            user_id: self.device.actor.user_id,
            device_id: self.device.actor.device_id,
            heartbeat_interval_ms: u64::from(self.app.settings.heartbeat_s) * 1_000,
            server_time: Timestamp::now(),
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            durability: relaxed.then(|| "relaxed".to_owned()),
            max_content_bytes: stonechat_wire::MAX_CONTENT_BYTES as u64,
        }))
    }

    /// Does what was said, in order. An error ends the session, with a close frame or without.
    async fn hear(&mut self, heard: Vec<Heard>) -> Result<(), Option<End>> {
        for item in heard {
            match item {
                Heard::Frame(ClientFrame::Connect(connect)) => {
                    match connect::renew(&self.app, &self.device, &connect).await {
                        Ok(device) => {
                            self.device = device;
                            self.guard.set_expiry(connect::expiry_s(&self.app, &self.device));
                        }
                        Err(_) => {
                            return Err(Some(end(
                                stonechat_wire::close::UNAUTHENTICATED,
                                "Authentication failed",
                            )));
                        }
                    }
                }
                Heard::Frame(frame) => {
                    let client_id = client_id(&frame);
                    #[cfg(feature = "test-hooks")]
                    if let Some(refusal) = self.refused_by_test(&frame) {
                        self.guard.outbound.push(refusal, 1);
                        continue;
                    }
                    if let Err(error) = self.handle(frame).await {
                        if error.code() == Code::Unauthenticated {
                            return Err(Some(end(
                                stonechat_wire::close::UNAUTHENTICATED,
                                "this device was signed out",
                            )));
                        }
                        if error.code().status() >= 500 {
                            tracing::error!(error = error.chain(), "a frame could not be handled");
                        }
                        self.guard.outbound.push(error_frame(error.code(), error.params(), client_id), 1);
                    }
                }
                Heard::Unreadable { reason, client_id } => {
                    let params = serde_json::json!({ "reason": reason });
                    self.guard.outbound.push(error_frame(Code::BadRequest, params, client_id), 1);
                    self.strike()?;
                }
                Heard::Ping(payload) => self.guard.outbound.push(websocket::pong(&payload), 1),
                Heard::Close(code) => return Err(Some(End { code: answer_code(code), reason: "" })),
                Heard::Violation(violation) => {
                    return Err(Some(end(violation.close_code(), "protocol error")));
                }
            }
        }
        Ok(())
    }

    fn strike(&mut self) -> Result<(), Option<End>> {
        let minute = self.app.router.now_s() / 60;
        if minute != self.strike_minute {
            (self.strike_minute, self.strikes) = (minute, 0);
        }
        self.strikes += 1;
        if self.strikes > MAX_STRIKES {
            return Err(Some(end(stonechat_wire::close::RATE_LIMITED, "too many unreadable frames")));
        }
        Ok(())
    }

    fn actor(&self) -> Actor {
        self.device.actor
    }

    async fn handle(&mut self, frame: ClientFrame) -> stonechat_store::Result<()> {
        let (actor, correlation) = (self.actor(), self.guard.correlation);
        let rooms = &self.app.conversations;
        match frame {
            ClientFrame::Message(message) => {
                let draft = rooms.draft(actor, message, correlation)?;
                let draft = if draft.needs_lookup() { rooms.resolve(draft).await? } else { draft };
                rooms.append(draft).await;
                Ok(())
            }
            ClientFrame::Edit(edit) => {
                let ack = rooms.edit(actor, edit, correlation).await?;
                self.ack_repeat(ack);
                Ok(())
            }
            ClientFrame::Delete(delete) => {
                let ack = rooms.delete(actor, delete, correlation).await?;
                self.ack_repeat(ack);
                Ok(())
            }
            ClientFrame::React(react) => {
                let ack = rooms.react(actor, react, correlation).await?;
                self.ack_repeat(ack);
                Ok(())
            }
            ClientFrame::Pin(pin) => {
                let ack = rooms.pin(actor, pin, correlation).await?;
                self.ack_repeat(ack);
                Ok(())
            }
            ClientFrame::Read(read) => rooms.read(actor, read, correlation),
            ClientFrame::MarkUnread(mark) => rooms.mark_unread(actor, mark).await,
            ClientFrame::Received { cursor } => self.received(cursor).await,
            ClientFrame::Typing(typing) => self.app.typing.signal(&self.guard, typing).await,
            ClientFrame::Presence(presence) => self.app.presence.set(&actor, presence.status).await,
            ClientFrame::Subscribe(subscription) => {
                self.app.typing.subscribe(&self.guard, &subscription.conversations).await?;
                self.app.presence.subscribe(&self.guard, subscription).await
            }
            ClientFrame::Unsubscribe(subscription) => {
                self.app.typing.unsubscribe(&self.guard, &subscription.conversations).await?;
                self.app.presence.unsubscribe(&self.guard, subscription).await
            }
            ClientFrame::Heartbeat {} | ClientFrame::Connect(_) => Ok(()),
        }
    }

    /// The refusal that a test ordered for the next messages.
    #[cfg(feature = "test-hooks")]
    fn refused_by_test(&self, frame: &ClientFrame) -> Option<bytes::Bytes> {
        let ClientFrame::Message(message) = frame else { return None };
        let rejection = self.app.hooks.rejection(self.actor().user_id)?;
        Some(encode::control(&Control::Error(rejection.frame(message.client_id))))
    }

    /// The first ack of a repeat; what was written now is acknowledged by the router, in its place.
    fn ack_repeat(&self, ack: stonechat_wire::Ack) {
        if ack.repeated {
            self.guard.ack(encode::control(&Control::Ack(ack)));
        }
    }

    /// A delivery ack; kept at most every 5 s.
    async fn received(&mut self, cursor: Cursor) -> stonechat_store::Result<()> {
        let now = self.app.router.now_s();
        if self.received.is_some_and(|last| now < last + 5) {
            return Ok(());
        }
        if self.app.store.sealer().open(&cursor).is_none() {
            return Err(stonechat_store::Error::invalid("cursor", "not from this server"));
        }
        self.received = Some(now);
        self.app.writer.received(self.actor(), cursor).await
    }
}

/// The request an error is about.
fn client_id(frame: &ClientFrame) -> Option<ClientId> {
    match frame {
        ClientFrame::Message(message) => message.client_id,
        ClientFrame::Edit(edit) => edit.client_id,
        ClientFrame::Delete(delete) => Some(delete.client_id),
        ClientFrame::React(react) => react.client_id,
        ClientFrame::Pin(pin) => pin.client_id,
        ClientFrame::Connect(_)
        | ClientFrame::Read(_)
        | ClientFrame::MarkUnread(_)
        | ClientFrame::Received { .. }
        | ClientFrame::Typing(_)
        | ClientFrame::Presence(_)
        | ClientFrame::Subscribe(_)
        | ClientFrame::Unsubscribe(_)
        | ClientFrame::Heartbeat {} => None,
    }
}

/// RFC 6455, 5.5.1: a close is answered with its own code.
fn answer_code(code: u16) -> u16 {
    if code == 1005 { stonechat_wire::close::NORMAL } else { code }
}
