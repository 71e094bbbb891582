//! Host: a server of one test, and people who are signed in on it.

use std::net::SocketAddr;
use std::time::Duration;

use stonechat_client::{ConnectOptions, Connection, Received, Rest};
use stonechat_server::config::Settings;
use stonechat_server::serve::{self, Server};
use stonechat_wire::{
    AcceptInvite, Ack, ClientFrame, ClientId, Connect, Control, ConversationId, ConversationKind,
    ConversationRef, CreateConversation, CreateInvite, Cursor, DeviceId, Event, EventBody, Hello, Login,
    SendMessage, Seq, ServerFrame, Setup, UserId,
};

pub(crate) const PASSWORD: &str = "correct horse battery";
/// Longer than anything a test waits for on a slow machine; nothing waits for it when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Host {
    pub(crate) url: String,
    pub(crate) setup_key: String,
    pub(crate) settings: Settings,
    _directory: tempfile::TempDir,
    server: Option<Server>,
}

/// Somebody signed in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) rest: Rest,
    pub(crate) user_id: UserId,
    pub(crate) device_id: DeviceId,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    url: String,
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// A server with other settings than the default ones. Windows are short: tests wait for events, not for clocks.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: directory.path().join("data"),
            batch_window_ms: 100,
            ..Settings::default()
        };
        change(&mut settings);
        let server = serve::start(settings.clone()).await.unwrap();
        let setup_key = key_of(&server);
        Self {
            url: format!("http://{}", server.address),
            setup_key,
            settings,
            _directory: directory,
            server: Some(server),
        }
    }

    /// Stops the server and starts another on the same data and address.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        let address = self.url.trim_start_matches("http://").parse().unwrap();
        let settings = Settings { listen: address, ..self.settings.clone() };
        let server = serve::start(settings).await.unwrap();
        self.setup_key = key_of(&server);
        self.server = Some(server);
    }

    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub(crate) fn connections(&self) -> usize {
        self.server.as_ref().unwrap().connections()
    }

    pub(crate) fn rest(&self) -> Rest {
        Rest::new(&self.url).unwrap()
    }

    /// The first admin, by the set-up link.
    pub(crate) async fn admin(&self) -> Person {
        let setup = Setup {
            key: self.setup_key.clone(),
            server_name: "Test".into(),
            name: "Kit".into(),
            handle: "kit".into(),
            password: PASSWORD.into(),
            device_name: None,
        };
        let signed_in = self.rest().setup(&setup).await.unwrap();
        self.person(signed_in)
    }

    /// Somebody new, by an invitation of `by`.
    pub(crate) async fn join(&self, by: &Person, handle: &str) -> Person {
        self.join_with(by, handle, CreateInvite::default()).await
    }

    pub(crate) async fn join_with(&self, by: &Person, handle: &str, invite: CreateInvite) -> Person {
        let token = by.rest.create_invite(&invite).await.unwrap().token.unwrap();
        let accept = AcceptInvite {
            name: Some(handle.to_uppercase()),
            handle: Some(handle.into()),
            password: Some(PASSWORD.into()),
            device_name: Some("laptop".into()),
        };
        let signed_in = self.rest().accept_invite(&token, &accept).await.unwrap();
        self.person(signed_in)
    }

    /// The admin and two more.
    pub(crate) async fn three(&self) -> (Person, Person, Person) {
        let kit = self.admin().await;
        let ana = self.join(&kit, "ana").await;
        let bo = self.join(&kit, "bo").await;
        (kit, ana, bo)
    }

    /// Another device of somebody.
    pub(crate) async fn sign_in(&self, handle: &str, device: &str) -> Person {
        let login =
            Login { handle: handle.into(), password: PASSWORD.into(), device_name: Some(device.into()) };
        let signed_in = self.rest().login(&login).await.unwrap();
        self.person(signed_in)
    }

    fn person(&self, signed_in: stonechat_wire::SignedIn) -> Person {
        Person {
            rest: self.rest().with_token(&signed_in.access_token),
            user_id: signed_in.user_id,
            device_id: signed_in.device_id,
            token: signed_in.access_token,
            refresh_token: signed_in.refresh_token,
            url: self.url.clone(),
        }
    }
}

fn key_of(server: &Server) -> String {
    let link = server.setup_link.clone().unwrap_or_default();
    link.split("#k=").nth(1).unwrap_or_default().to_owned()
}

impl Person {
    pub(crate) async fn group(&self, others: &[&Person]) -> ConversationId {
        self.create(ConversationKind::Group, others, None).await
    }

    pub(crate) async fn channel(&self, handle: &str, others: &[&Person]) -> ConversationId {
        self.create(ConversationKind::Channel, others, Some(handle.into())).await
    }

    async fn create(
        &self,
        kind: ConversationKind,
        others: &[&Person],
        handle: Option<String>,
    ) -> ConversationId {
        let create = CreateConversation {
            kind,
            members: others.iter().map(|person| person.user_id).collect(),
            name: Some("Room".into()),
            handle,
            topic: None,
            posting: None,
        };
        self.rest.create_conversation(&create).await.unwrap().conversation_id
    }

    /// Sends over REST.
    pub(crate) async fn say(&self, to: impl Into<ConversationRef>, text: &str) -> Ack {
        let to: ConversationRef = to.into();
        self.rest.send(to, &message(text)).await.unwrap()
    }

    pub(crate) async fn reply(&self, to: ConversationId, thread: Seq, text: &str) -> Ack {
        self.rest.send(to, &SendMessage { thread: Some(thread), ..message(text) }).await.unwrap()
    }

    /// A live connection that is caught up, starting anew.
    pub(crate) async fn live(&self) -> Live {
        self.live_from(None).await
    }

    pub(crate) async fn live_from(&self, cursor: Option<Cursor>) -> Live {
        let connection = Connection::open(&self.url, &ConnectOptions::default()).await.unwrap();
        let mut live = Live { connection, hello: None, caught_up: Vec::new(), cursor: None };
        let connect = Connect { token: Some(self.token.clone()), ticket: None, cursor };
        live.send(&ClientFrame::Connect(connect)).await;
        live.catch_up().await;
        live
    }
}

pub(crate) fn message(text: &str) -> SendMessage {
    SendMessage {
        client_id: Some(ClientId::new()),
        conversation_id: None,
        to: None,
        content: text.into(),
        content_type: None,
        metadata: None,
        reply_to: None,
        thread: None,
        read_seq: None,
    }
}

/// A bare live connection of a test.
pub(crate) struct Live {
    pub(crate) connection: Connection,
    pub(crate) hello: Option<Hello>,
    /// Frames that came before the connection was caught up.
    pub(crate) caught_up: Vec<ServerFrame>,
    pub(crate) cursor: Option<Cursor>,
}

impl Live {
    pub(crate) async fn send(&self, frame: &ClientFrame) {
        self.connection.send(frame).await.unwrap();
    }

    pub(crate) async fn say(&self, to: ConversationId, text: &str) -> ClientId {
        let message = SendMessage { conversation_id: Some(to.into()), ..message(text) };
        let client_id = message.client_id.unwrap();
        self.send(&ClientFrame::Message(message)).await;
        client_id
    }

    async fn catch_up(&mut self) {
        loop {
            match self.frame().await {
                ServerFrame::Control(Control::Hello(hello)) => self.hello = Some(hello),
                ServerFrame::Control(Control::Reset { cursor }) => {
                    self.caught_up.push(Control::Reset { cursor: cursor.clone() }.into());
                    self.cursor = Some(cursor);
                    return;
                }
                ServerFrame::Control(Control::Cursor { cursor, has_more }) => {
                    self.cursor = Some(cursor);
                    if !has_more {
                        return;
                    }
                }
                other => self.caught_up.push(other),
            }
        }
    }

    /// The next frame of any kind, heartbeats answered.
    pub(crate) async fn frame(&mut self) -> ServerFrame {
        loop {
            let received = tokio::time::timeout(PATIENCE, self.connection.recv()).await;
            match received.expect("no frame came").unwrap() {
                Received::Frame(ServerFrame::Control(Control::Heartbeat {})) => {
                    self.send(&ClientFrame::Heartbeat {}).await;
                }
                Received::Frame(frame) => return frame,
                Received::Closed(closed) => panic!("closed with {} {}", closed.code, closed.reason),
            }
        }
    }

    /// The next frame that `wanted` takes; others are passed over.
    pub(crate) async fn until<T>(&mut self, mut wanted: impl FnMut(&ServerFrame) -> Option<T>) -> T {
        loop {
            let frame = self.frame().await;
            if let Some(found) = wanted(&frame) {
                return found;
            }
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.until(|frame| match frame {
            ServerFrame::Event(event) => Some((**event).clone()),
            ServerFrame::Control(_) => None,
        })
        .await
    }

    pub(crate) async fn message(&mut self) -> (Seq, String) {
        self.until(|frame| match frame {
            ServerFrame::Event(event) => match &event.body {
                EventBody::Message(body) => Some((event.seq, body.content.clone())),
                _ => None,
            },
            ServerFrame::Control(_) => None,
        })
        .await
    }

    pub(crate) async fn ack(&mut self) -> Ack {
        self.until(|frame| match frame {
            ServerFrame::Control(Control::Ack(ack)) => Some(ack.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn error(&mut self) -> stonechat_wire::ErrorFrame {
        self.until(|frame| match frame {
            ServerFrame::Control(Control::Error(error)) => Some(error.clone()),
            _ => None,
        })
        .await
    }

    /// How the connection ends; frames before that are passed over.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            let received = tokio::time::timeout(PATIENCE, self.connection.recv()).await;
            match received.expect("the connection stayed open").unwrap() {
                Received::Closed(closed) => return closed.code,
                Received::Frame(_) => {}
            }
        }
    }

    /// Everything that comes before the answer to a request sent now: what was going to come has come.
    pub(crate) async fn settle(&mut self) -> Vec<ServerFrame> {
        // An unknown conversation is refused in order, behind what was queued.
        let id = ClientId::new();
        let probe = SendMessage {
            client_id: Some(id),
            conversation_id: Some(ConversationId::new().into()),
            ..message("probe")
        };
        self.send(&ClientFrame::Message(probe)).await;
        let mut before = Vec::new();
        loop {
            match self.frame().await {
                ServerFrame::Control(Control::Error(error)) if error.client_id == Some(id) => return before,
                frame => before.push(frame),
            }
        }
    }
}

/// The code of a refused call.
pub(crate) fn code<T>(result: stonechat_client::Result<T>) -> stonechat_wire::Code {
    result.err().expect("it should have been refused").code().expect("a refusal with a code")
}
