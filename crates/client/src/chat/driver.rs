//! Driver: the one task behind a chat. It waits for what happens, lets the state machines decide, stores what
//! they decided in one transaction, and only then tells anybody.
//!
//! Invariant: a request is in the store before it is on the wire, an event before it is shown.

mod hearing;
mod turns;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rand::SeedableRng;
use rand::rngs::StdRng;
use stonechat_wire::{
    Ack, ClientFrame, ClientId, ConversationId, ConversationRef, Cursor, Subscription, UserId,
};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::disk::Disk;
use super::door::Door;
use super::errand::{self, Outcome};
use super::{ChatEvent, Command, Failed, Options};
use crate::backoff::Backoff;
use crate::connection::Received;
use crate::error::{Error, Result};
use crate::inbox::Inbox;
use crate::outbox::{self, Failure, Outbox};
use crate::rest::Rest;
use crate::store::{Changes, Saved};

/// Commands taken at once: one transaction stores them all.
const COMMANDS_AT_ONCE: usize = 64;
/// Frames taken before what they changed is stored.
const FRAMES_AT_ONCE: usize = 256;
/// `received` is said at most this often.
const RECEIVED_EVERY: Duration = Duration::from_secs(5);

type Done = oneshot::Sender<Result<Ack>>;

pub(super) struct Driver {
    options: Options,
    rest: Arc<RwLock<Rest>>,
    disk: Disk,
    commands: mpsc::Receiver<Command>,
    events: broadcast::Sender<Arc<ChatEvent>>,
    /// Whoever waits for the first connection.
    opened: Option<oneshot::Sender<Result<()>>>,
    outbox: Outbox,
    inbox: Inbox,
    backoff: Backoff,
    random: StdRng,
    door: Door,
    /// Counts doors, so that what an earlier one still brings is known for what it is.
    turn: u64,
    /// Until when long polls are preferred.
    polling_until: Option<Instant>,
    errands: JoinSet<Outcome>,
    /// Counts resets, likewise.
    epoch: u64,
    listed: bool,
    windows: VecDeque<ConversationId>,
    repairing: bool,
    /// The cursor that is stored, or will be with the next changes.
    cursor: Option<Cursor>,
    reported: Option<Cursor>,
    report_at: Instant,
    waiting: HashMap<ClientId, Vec<Done>>,
    subscribed: (HashSet<UserId>, HashSet<ConversationRef>),
    named: bool,
    /// To be stored, then told.
    changes: Changes,
    untold: Vec<ChatEvent>,
    ended: bool,
}

/// What the task wakes for.
enum Input {
    Commands(Vec<Command>),
    Done(Outcome),
    Heard(Result<Received>),
    Flushed(Result<()>),
    Tick,
    /// Nobody is left to command.
    Dropped,
}

impl Driver {
    pub(super) fn new(
        options: Options,
        rest: Arc<RwLock<Rest>>,
        disk: Disk,
        saved: Saved,
        commands: mpsc::Receiver<Command>,
        events: broadcast::Sender<Arc<ChatEvent>>,
        opened: oneshot::Sender<Result<()>>,
    ) -> Self {
        let (mut outbox, mut inbox, now) = (Outbox::default(), Inbox::default(), Instant::now());
        for (client_id, frame, failed) in saved.outbox {
            outbox.restore(client_id, frame, failed);
        }
        for (conversation_id, place) in saved.places {
            inbox.restore(conversation_id, place);
        }
        let random = options.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        Self {
            rest,
            disk,
            commands,
            events,
            opened: Some(opened).filter(|_| !options.start_offline),
            outbox,
            inbox,
            backoff: Backoff::new(options.jitter),
            random,
            door: Door::Waiting { until: now },
            turn: 0,
            polling_until: None,
            errands: JoinSet::new(),
            epoch: 0,
            listed: saved.listed,
            windows: VecDeque::new(),
            repairing: false,
            cursor: saved.cursor,
            reported: None,
            report_at: now,
            waiting: HashMap::new(),
            subscribed: (HashSet::new(), HashSet::new()),
            named: options.device_name.is_none(),
            changes: Changes::default(),
            untold: Vec::new(),
            ended: false,
            options,
        }
    }

    pub(super) async fn run(mut self) {
        while !self.ended {
            let input = self.next_input().await;
            let now = Instant::now();
            let mut outcome = self.take(input, now).await;
            if outcome.is_ok() {
                outcome = self.settle().await;
            }
            if let Err(error) = outcome {
                // What could not be stored is not told, and a device without its store does not go on.
                self.untold.clear();
                self.stop(error);
                self.ended = true;
            }
            self.tell();
        }
    }

    async fn next_input(&mut self) -> Input {
        let wake = self.next_wake();
        let Self { commands, errands, door, .. } = self;
        let live = door.live().map(|live| (&mut live.reader, &live.writer));
        let (reader, writer) = live.unzip();
        let mut batch = Vec::new();
        tokio::select! {
            count = commands.recv_many(&mut batch, COMMANDS_AT_ONCE) => {
                if count == 0 { Input::Dropped } else { Input::Commands(batch) }
            }
            // An errand that broke counts as a try that failed; the others are asked for again in time.
            Some(done) = errands.join_next() => Input::Done(done.unwrap_or_else(|_| Outcome::Opened(Err(Error::Stopped)))),
            received = async { match reader {
                Some(reader) => reader.recv().await,
                None => std::future::pending().await,
            } } => Input::Heard(received),
            flushed = async { match writer.filter(|writer| !writer.is_flushed()) {
                Some(writer) => writer.flush().await,
                None => std::future::pending().await,
            } } => Input::Flushed(flushed),
            () = async { match wake {
                Some(wake) => tokio::time::sleep_until(wake).await,
                None => std::future::pending().await,
            } } => Input::Tick,
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let report =
            matches!(&self.door, Door::Live(live) if live.is_ready()) && self.cursor != self.reported;
        let report = report.then_some(self.report_at);
        let wakes = [self.door.next_wake(), self.outbox.next_wake(), self.inbox.next_wake(), report];
        wakes.into_iter().flatten().min()
    }

    async fn take(&mut self, input: Input, now: Instant) -> Result<()> {
        match input {
            Input::Commands(batch) => return self.commands(batch, now).await,
            Input::Done(outcome) => self.done(outcome, now),
            Input::Heard(received) => return self.heard(received, now).await,
            Input::Flushed(flushed) => {
                if let Err(error) = flushed {
                    self.lose(&error, now);
                }
            }
            Input::Tick => self.tick(now),
            Input::Dropped => self.ended = true,
        }
        Ok(())
    }

    async fn commands(&mut self, batch: Vec<Command>, now: Instant) -> Result<()> {
        self.store_queued(&batch).await?;
        for command in batch {
            match command {
                Command::Submit { client_id, frame, done } => self.submit(client_id, frame, done, now),
                Command::Retry { client_id, done } => {
                    if self.outbox.entries().any(|(frame, _)| outbox::client_id_of(frame) == Some(client_id))
                    {
                        self.waiting.entry(client_id).or_default().push(done);
                        self.changes.failed.push((client_id, None));
                    }
                    let outputs = self.outbox.retry(client_id, now);
                    self.outbox_did(outputs, now);
                }
                Command::Discard(client_id) => {
                    self.waiting.remove(&client_id);
                    let outputs = self.outbox.discard(client_id);
                    self.outbox_did(outputs, now);
                }
                Command::Say(frame) => self.say(frame, now),
                Command::Subscribe(subscription) => {
                    self.subscribed.0.extend(&subscription.users);
                    self.subscribed.1.extend(subscription.conversations.iter().cloned());
                    self.say(ClientFrame::Subscribe(subscription), now);
                }
                Command::Unsubscribe(subscription) => {
                    self.subscribed.0.retain(|user_id| !subscription.users.contains(user_id));
                    self.subscribed.1.retain(|reference| !subscription.conversations.contains(reference));
                    self.say(ClientFrame::Unsubscribe(subscription), now);
                }
                Command::RenewToken(token) => self.renew(token, now),
                Command::Unsent(done) => {
                    let unsent =
                        self.outbox.entries().map(|(frame, failed)| (frame.clone(), failed)).collect();
                    let _unheard = done.send(unsent);
                }
                Command::Close(done) => {
                    self.close().await;
                    let _unheard = done.send(());
                }
            }
        }
        Ok(())
    }

    /// First of all what is asked for is stored: from here on it survives this process.
    async fn store_queued(&mut self, batch: &[Command]) -> Result<()> {
        let room = outbox::MAX_ENTRIES.saturating_sub(self.outbox.len());
        let queued = batch.iter().filter_map(|command| match command {
            Command::Submit { client_id, frame, .. } => Some((*client_id, frame.clone())),
            _ => None,
        });
        let changes = Changes { queued: queued.take(room).collect(), ..Changes::default() };
        self.disk.write(changes).await
    }

    fn submit(&mut self, client_id: ClientId, frame: ClientFrame, done: Done, now: Instant) {
        if self.outbox.is_full() {
            let _unheard = done.send(Err(Error::OutboxFull));
            return;
        }
        self.waiting.entry(client_id).or_default().push(done);
        let outputs = self.outbox.submit(client_id, frame, now);
        self.outbox_did(outputs, now);
    }

    fn outbox_did(&mut self, outputs: Vec<outbox::Output>, now: Instant) {
        for output in outputs {
            match output {
                outbox::Output::Send(frame) => match &self.door {
                    Door::Polling { .. } => {
                        if let Some(client_id) = outbox::client_id_of(&frame) {
                            self.errands.spawn(errand::post(self.rest(), self.turn, client_id, frame));
                        }
                    }
                    Door::Live(_) | Door::Waiting { .. } | Door::Opening | Door::Stopped => {
                        self.say(frame, now)
                    }
                },
                outbox::Output::Settled(client_id) => self.changes.settled.push(client_id),
                outbox::Output::Failed(client_id, failure) => self.fail(client_id, failure),
            }
        }
    }

    fn fail(&mut self, client_id: ClientId, failure: Failure) {
        let reason = match &failure {
            Failure::Unacknowledged => String::from("unacknowledged"),
            Failure::Refused(error) => error.code.to_string(),
        };
        self.changes.failed.push((client_id, Some(reason)));
        for done in self.waiting.remove(&client_id).unwrap_or_default() {
            let error = match &failure {
                Failure::Unacknowledged => Error::Unacknowledged(client_id),
                Failure::Refused(error) => error.clone().into(),
            };
            let _unheard = done.send(Err(error));
        }
        self.untold.push(ChatEvent::Failed(Failed { client_id, failure }));
    }

    /// Sends on the live connection; without one it is not said.
    fn say(&mut self, frame: ClientFrame, now: Instant) {
        match &mut self.door {
            Door::Live(live) if live.is_ready() || matches!(frame, ClientFrame::Connect(_)) => {
                if let Err(error) = live.writer.queue(&frame) {
                    self.lose(&error, now);
                }
            }
            Door::Polling { .. } => {
                self.errands.spawn(errand::say(self.rest(), frame));
            }
            Door::Live(_) | Door::Waiting { .. } | Door::Opening | Door::Stopped => {}
        }
    }

    fn subscription(&self) -> Option<Subscription> {
        let (users, conversations) = &self.subscribed;
        let subscription = Subscription {
            users: users.iter().copied().collect(),
            conversations: conversations.iter().cloned().collect(),
        };
        (!subscription.users.is_empty() || !subscription.conversations.is_empty()).then_some(subscription)
    }

    fn rest(&self) -> Rest {
        self.rest.read().clone()
    }

    /// Stores what was decided.
    async fn settle(&mut self) -> Result<()> {
        self.changes.places.extend(self.inbox.take_changed());
        let changes = std::mem::take(&mut self.changes);
        self.disk.write(changes).await
    }

    fn tell(&mut self) {
        for event in self.untold.drain(..) {
            // Nobody need listen.
            let _unheard = self.events.send(Arc::new(event));
        }
    }
}
