//! Chat: a device that stays connected by itself.
//!
//! One task owns everything (connection, outbox, inbox, store) and is fed by commands; it ends when the last
//! `Chat` is dropped. What happens is broadcast; a reader that falls behind is told so and loses nothing else.

mod disk;
mod door;
mod driver;
mod errand;
mod event;
mod stream;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use stonechat_wire::{
    Ack, ClientFrame, ClientId, ConversationRef, DeleteMessage, EditMessage, PinMessage, React, SendMessage,
    Seq, Subscription, Typing, UserId,
};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use self::disk::Disk;
use self::driver::Driver;
pub use self::event::{ChatEvent, Failed};
pub use self::stream::{ChatMessage, Events, Messages};
use crate::backoff::Jitter;
use crate::error::{Error, Result};
use crate::naming::IntoConversationRef;
use crate::outbox::identify;
use crate::rest::{Rest, RestOptions};

/// Commands that wait for the task; who sends more waits for a place.
const COMMANDS: usize = 64;
/// Events a reader may be behind: some seconds of a busy server. More and it is told what it missed.
const EVENTS_BEHIND: usize = 1024;

/// Where the local store is.
#[derive(Clone, Debug, Default)]
pub enum StoreAt {
    /// It lives as long as the process.
    #[default]
    Memory,
    /// A SQLite file of this device alone; the outbox survives a restart.
    File(PathBuf),
}

/// Where a device without a stored position begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the list of its conversations and the newest messages of some.
    #[default]
    Listed,
    /// With what happens from now on; nothing is read first.
    Now,
}

/// How a chat behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the local store is.
    pub store: StoreAt,
    /// Where a device without a stored position begins.
    pub start: Start,
    /// Whether waits before reconnecting are random.
    pub jitter: Jitter,
    /// The address to connect from.
    pub local_address: Option<IpAddr>,
    /// `User-Agent`; the SDK's name and version unless given.
    pub user_agent: Option<String>,
    /// What the device is to be called in the account's list of devices.
    pub device_name: Option<String>,
    /// After a reset: of how many conversations the newest messages are read.
    pub windows: usize,
    /// How many messages that is.
    pub window_rows: u32,
    /// Return at once, and keep trying where the server cannot be reached.
    pub start_offline: bool,
    /// Seed of the waits' randomness, for tests.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            store: StoreAt::Memory,
            start: Start::Listed,
            jitter: Jitter::Full,
            local_address: None,
            user_agent: None,
            device_name: None,
            windows: 20,
            window_rows: 50,
            start_offline: false,
            seed: None,
        }
    }
}

/// A device that stays connected. Clones are the same device; the last to be dropped ends it.
#[derive(Clone, Debug)]
pub struct Chat {
    handle: Handle,
    _task: Arc<AbortOnDrop>,
}

/// What parts of a chat may be handed on without keeping it alive.
#[derive(Clone, Debug)]
struct Handle {
    commands: mpsc::Sender<Command>,
    events: broadcast::WeakSender<Arc<ChatEvent>>,
    rest: Arc<RwLock<Rest>>,
    disk: Disk,
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the task is asked to do.
enum Command {
    /// Into the outbox, and tell when it is acknowledged or failed.
    Submit {
        client_id: ClientId,
        frame: ClientFrame,
        done: oneshot::Sender<Result<Ack>>,
    },
    /// A failed entry again.
    Retry {
        client_id: ClientId,
        done: oneshot::Sender<Result<Ack>>,
    },
    Discard(ClientId),
    /// Once, now or never.
    Say(ClientFrame),
    Subscribe(Subscription),
    Unsubscribe(Subscription),
    RenewToken(String),
    Unsent(oneshot::Sender<Vec<(ClientFrame, bool)>>),
    Close(oneshot::Sender<()>),
}

impl Chat {
    /// Connects with an access or device token and waits until the server has answered.
    ///
    /// # Errors
    /// `Refused` or `Closed` where the server did not let us in, `Transport` where it could not be reached.
    pub async fn connect(url: impl AsRef<str>, token: impl Into<String>) -> Result<Self> {
        Self::connect_with(url, token, Options::default()).await
    }

    /// As [`Chat::connect`], with options.
    ///
    /// # Errors
    /// As there; `Store` where the local store cannot be opened.
    pub async fn connect_with(
        url: impl AsRef<str>,
        token: impl Into<String>,
        options: Options,
    ) -> Result<Self> {
        let (local_address, user_agent) = (options.local_address, options.user_agent.clone());
        let rest =
            Rest::with_options(url.as_ref(), &RestOptions { local_address, user_agent })?.with_token(token);
        let rest = Arc::new(RwLock::new(rest));
        let disk = Disk::open(&options.store).await?;
        let saved = disk.load().await?;
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (events, _) = broadcast::channel(EVENTS_BEHIND);
        let (opened, open) = oneshot::channel();
        let handle = Handle { commands, events: events.downgrade(), rest: rest.clone(), disk: disk.clone() };
        let start_offline = options.start_offline;
        let driver = Driver::new(options, rest, disk, saved, receiver, events, opened);
        let task = Arc::new(AbortOnDrop(tokio::spawn(driver.run())));
        if !start_offline {
            open.await.map_err(|_| Error::Stopped)??;
        }
        Ok(Self { handle, _task: task })
    }

    /// REST calls as this device.
    pub fn rest(&self) -> Rest {
        self.handle.rest()
    }

    /// Everything that happens from now on.
    pub fn events(&self) -> Events {
        self.handle.events()
    }

    /// The messages of one conversation from now on, threads included, each once, across reconnects. What this
    /// device sends itself is not among them.
    ///
    /// # Errors
    /// `Refused` where there is no such conversation, `Transport`.
    pub async fn messages(&self, conversation: impl IntoConversationRef) -> Result<Messages> {
        Messages::open(&self.handle, conversation.into_conversation_ref()).await
    }

    /// Sends a text and waits until it is on the server's disk. It waits through lost connections; dropping the
    /// future does not take the message back.
    ///
    /// # Errors
    /// `Refused` with the server's code, `Unacknowledged` after 10 s of a live connection, `OutboxFull`, `Store`.
    pub async fn send(&self, conversation: impl IntoConversationRef, text: impl Into<String>) -> Result<Ack> {
        self.send_message(message(Some(conversation.into_conversation_ref()), None, text.into())).await
    }

    /// Sends a text to a person, in the direct conversation with them.
    ///
    /// # Errors
    /// As [`Chat::send`].
    pub async fn send_to(&self, user_id: UserId, text: impl Into<String>) -> Result<Ack> {
        self.send_message(message(None, Some(user_id), text.into())).await
    }

    /// Sends a message as it is; it gets a `client_id` unless it has one.
    ///
    /// # Errors
    /// As [`Chat::send`].
    pub async fn send_message(&self, message: SendMessage) -> Result<Ack> {
        self.handle.submit(ClientFrame::Message(message)).await
    }

    /// Edits a message of one's own.
    ///
    /// # Errors
    /// As [`Chat::send`].
    pub async fn edit(&self, edit: EditMessage) -> Result<Ack> {
        self.handle.submit(ClientFrame::Edit(edit)).await
    }

    /// Deletes a message.
    ///
    /// # Errors
    /// As [`Chat::send`].
    pub async fn delete(&self, conversation: impl IntoConversationRef, message_seq: Seq) -> Result<Ack> {
        let conversation_id = conversation.into_conversation_ref();
        let delete = DeleteMessage { client_id: ClientId::new(), conversation_id, message_seq };
        self.handle.submit(ClientFrame::Delete(delete)).await
    }

    /// Adds or takes back a reaction.
    ///
    /// # Errors
    /// As [`Chat::send`].
    pub async fn react(&self, react: React) -> Result<Ack> {
        self.handle.submit(ClientFrame::React(react)).await
    }

    /// Pins or unpins a message.
    ///
    /// # Errors
    /// As [`Chat::send`].
    pub async fn pin(&self, pin: PinMessage) -> Result<Ack> {
        self.handle.submit(ClientFrame::Pin(pin)).await
    }

    /// Sends what failed again, under its id: however often it is asked for, it is done once.
    ///
    /// # Errors
    /// As [`Chat::send`]; `Stopped` where the outbox holds no such entry.
    pub async fn retry(&self, client_id: ClientId) -> Result<Ack> {
        let (done, ack) = oneshot::channel();
        self.handle.command(Command::Retry { client_id, done }).await?;
        ack.await.map_err(|_| Error::Stopped)?
    }

    /// Takes an entry out of the outbox. It may have been done all the same.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn discard(&self, client_id: ClientId) -> Result<()> {
        self.handle.command(Command::Discard(client_id)).await
    }

    /// What has no ack yet, in order, and whether it failed.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn unsent(&self) -> Result<Vec<(ClientFrame, bool)>> {
        let (done, unsent) = oneshot::channel();
        self.handle.command(Command::Unsent(done)).await?;
        unsent.await.map_err(|_| Error::Stopped)
    }

    /// Says that this person types, or no longer. Not repeated where there is no connection.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn typing(&self, typing: Typing) -> Result<()> {
        self.handle.command(Command::Say(ClientFrame::Typing(typing))).await
    }

    /// Asks for the presence of people and the typing in conversations, now and after every reconnect.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn subscribe(&self, subscription: Subscription) -> Result<()> {
        self.handle.command(Command::Subscribe(subscription)).await
    }

    /// Takes back what [`Chat::subscribe`] asked for.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn unsubscribe(&self, subscription: Subscription) -> Result<()> {
        self.handle.command(Command::Unsubscribe(subscription)).await
    }

    /// Hands in a fresh access token: the connection goes on with it, and one that was refused comes back.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn renew_token(&self, token: impl Into<String>) -> Result<()> {
        self.handle.command(Command::RenewToken(token.into())).await
    }

    /// Says goodbye and ends the device's connection. What has no ack stays in the store.
    ///
    /// # Errors
    /// `Stopped` where it had ended before.
    pub async fn close(self) -> Result<()> {
        let (done, closed) = oneshot::channel();
        self.handle.command(Command::Close(done)).await?;
        closed.await.map_err(|_| Error::Stopped)
    }
}

impl Handle {
    fn rest(&self) -> Rest {
        self.rest.read().clone()
    }

    fn events(&self) -> Events {
        Events::new(self.events.upgrade().map(|events| events.subscribe()))
    }

    async fn submit(&self, mut frame: ClientFrame) -> Result<Ack> {
        let Some(client_id) = identify(&mut frame) else { return Err(Error::Stopped) };
        let (done, ack) = oneshot::channel();
        self.command(Command::Submit { client_id, frame, done }).await?;
        ack.await.map_err(|_| Error::Stopped)?
    }

    async fn command(&self, command: Command) -> Result<()> {
        self.commands.send(command).await.map_err(|_| Error::Stopped)
    }
}

fn message(conversation_id: Option<ConversationRef>, to: Option<UserId>, content: String) -> SendMessage {
    SendMessage {
        client_id: None,
        conversation_id,
        to,
        content,
        content_type: None,
        metadata: None,
        reply_to: None,
        thread: None,
        read_seq: None,
    }
}
