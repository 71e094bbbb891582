//! Writer: the one thread that changes the database. It takes everything that waits, writes it in one transaction
//! with one fsync, and answers all.
//!
//! Invariant: nothing is acknowledged or handed on before COMMIT returned; when that outcome is unknown, nothing
//! ever is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use stonechat_wire::{Ack, Timestamp};
use tokio::sync::{Semaphore, oneshot};

use crate::append::Append;
use crate::batch::Batch;
use crate::checkpoint::Checkpointer;
use crate::commit::{Commit, Entry};
use crate::error::{Error, Failure, Result, is_busy, is_full};
use crate::key::{sql_u64, unsigned};
use crate::memory::Memory;
use crate::open::start_origin;
use crate::read_position::Reading;
use crate::{Origin, Position, Store, Vector};

/// Operations that may wait: at 15,000/s about a second of work; more waiting only makes all of it late.
const MAX_WAITING: usize = 16_384;
/// Operations of one transaction: bounds how long the first of them waits for the last.
const MAX_BATCH: usize = 2_048;
/// Of these at most so many are reads and other small things, so that messages do not wait for them.
const MAX_LOW_IN_BATCH: usize = 512;

/// After a batch of this many the next one is worth gathering for: small transactions under load cost more processor
/// time than they save in waiting. Below it nobody waits for a timer.
const BUSY_BATCH: usize = 32;
/// How long it gathers, and how many end that at once.
const GATHER: Duration = Duration::from_millis(2);
const GATHERED: usize = 512;

/// What an operation needs to know of the server's settings.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long after sending a message may be edited.
    pub edit_window: Duration,
}

/// Something that waits for the writer.
pub(crate) enum Operation {
    Append(Append),
    Read(Reading),
    Call(Box<dyn Job>),
}

/// A rare operation: typed functions over a batch, run again alone when its batch failed.
pub(crate) trait Job: Send {
    fn run(&mut self, batch: &mut Batch<'_>) -> Result<()>;
    /// Called once, after the commit, or with what went wrong.
    fn finish(self: Box<Self>, outcome: Result<()>);
}

struct Call<F, T> {
    work: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Job for Call<F, T>
where
    F: FnMut(&mut Batch<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        self.value = Some((self.work)(batch)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let Self { value, reply, .. } = *self;
        let value = outcome.and_then(|()| value.ok_or(Error::Failed(Failure::Stopped)));
        // The asker may have gone; the change stands all the same.
        drop(reply.send(value));
    }
}

/// Handle of the writer: cheap to clone; the thread ends when it is told to stop and has written what waited.
#[derive(Clone)]
pub struct Writer {
    inbox: Arc<Inbox>,
}

struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Enough came while the writer gathered.
    gathered: Condvar,
    slots: Semaphore,
    counters: Counters,
}

#[derive(Default)]
struct Waiting {
    high: VecDeque<Operation>,
    low: VecDeque<Operation>,
    stopping: bool,
}

/// What the writer did since it started.
#[derive(Debug, Default)]
pub struct Counters {
    pub commits: AtomicU64,
    pub events: AtomicU64,
}

/// What happens when the outcome of a commit is unknown or the database went back: the process must end.
pub type OnFatal = Box<dyn FnOnce(&Error) + Send>;
/// Takes each commit, in order, on the writer's thread; must not block for long.
pub type OnCommit = Box<dyn FnMut(Commit) + Send>;

/// A started writer: the handle, its origin's vector before the first commit, and the thread to wait for.
pub struct Started {
    pub writer: Writer,
    pub vector: Vector,
    pub thread: std::thread::JoinHandle<()>,
}

impl Writer {
    /// Starts an origin and the thread that writes under it.
    ///
    /// # Errors
    /// When the database cannot be opened for writing.
    pub fn start(
        store: &Store,
        settings: Settings,
        on_commit: OnCommit,
        on_fatal: OnFatal,
    ) -> Result<Started> {
        let mut sql = store.writing()?;
        let (origin, vector) = start_origin(&mut sql, Timestamp::now())?;
        let memory = Memory::load(&sql)?;
        let inbox = Arc::new(Inbox {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            gathered: Condvar::new(),
            slots: Semaphore::new(MAX_WAITING),
            counters: Counters::default(),
        });
        let checkpointer = Checkpointer::start(store, &sql)?;
        let run = Run {
            sql,
            memory,
            origin,
            position: Position(0),
            settings,
            on_commit,
            inbox: inbox.clone(),
            checkpointer,
        };
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || run.until_stopped(on_fatal))
            .map_err(Failure::from)?;
        Ok(Started { writer: Self { inbox }, vector, thread })
    }

    /// Hands over a message; its answer comes with the commit. Waits while too much waits: a socket that is not
    /// read meanwhile keeps its device's messages in order, which a refusal would not.
    pub async fn append(&self, append: Append) {
        if let Ok(slot) = self.inbox.slots.acquire().await {
            slot.forget();
            self.inbox.push_high(Operation::Append(append));
        }
    }

    /// Hands over a read position; nobody waits for it. `false`: too much waits.
    pub fn read(&self, reading: Reading) -> bool {
        if !self.inbox.take_slot() {
            return false;
        }
        let mut waiting = self.inbox.waiting.lock();
        waiting.low.push_back(Operation::Read(reading));
        self.inbox.arrived.notify_one();
        true
    }

    /// Runs a rare operation and waits for its commit.
    ///
    /// # Errors
    /// What the operation refused, `Overloaded` when too much waits, or a failure of the store.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Batch<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if !self.inbox.take_slot() {
            return Err(Error::refused(stonechat_wire::Code::Overloaded));
        }
        let (reply, answer) = oneshot::channel();
        self.inbox.push_high(Operation::Call(Box::new(Call { work, value: None, reply })));
        answer.await.map_err(|_| Failure::Stopped)?
    }

    /// Writes what waits, then ends the thread.
    pub fn stop(&self) {
        self.inbox.waiting.lock().stopping = true;
        self.inbox.arrived.notify_one();
    }

    pub fn counters(&self) -> &Counters {
        &self.inbox.counters
    }

    /// How many operations wait.
    pub fn depth(&self) -> usize {
        MAX_WAITING - self.inbox.slots.available_permits()
    }
}

impl Inbox {
    fn take_slot(&self) -> bool {
        self.slots.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    fn push_high(&self, operation: Operation) {
        let mut waiting = self.waiting.lock();
        waiting.high.push_back(operation);
        if waiting.high.len() == GATHERED {
            self.gathered.notify_one();
        }
        self.arrived.notify_one();
    }

    /// Everything that waits, up to a batch. Empty when the writer is to stop.
    fn take(&self, last_batch: usize) -> Vec<Operation> {
        let mut waiting = self.waiting.lock();
        if last_batch >= BUSY_BATCH && waiting.high.len() < GATHERED && !waiting.stopping {
            self.gathered.wait_for(&mut waiting, GATHER);
        }
        while waiting.high.is_empty() && waiting.low.is_empty() {
            if waiting.stopping {
                return Vec::new();
            }
            self.arrived.wait(&mut waiting);
        }
        let high = waiting.high.len().min(MAX_BATCH);
        let low = waiting.low.len().min(MAX_LOW_IN_BATCH);
        let mut operations: Vec<_> = waiting.high.drain(..high).collect();
        operations.extend(waiting.low.drain(..low));
        self.slots.add_permits(operations.len());
        operations
    }
}

struct Run {
    sql: Connection,
    memory: Memory,
    origin: Origin,
    position: Position,
    settings: Settings,
    on_commit: OnCommit,
    inbox: Arc<Inbox>,
    checkpointer: Checkpointer,
}

/// What became of one operation inside its transaction.
enum Outcome {
    /// An entry of the commit carries the answer, or nobody waits.
    Done,
    /// The first ack of a repeat.
    Repeat(Ack),
    Refused(Error),
}

impl Run {
    fn until_stopped(mut self, on_fatal: OnFatal) {
        let mut last_batch = 0;
        loop {
            let operations = self.inbox.take(last_batch);
            if operations.is_empty() {
                break;
            }
            last_batch = operations.len();
            if let Err(error) = self.write(operations) {
                tracing::error!(error = error.chain(), "the store cannot go on; ending the process");
                on_fatal(&error);
                return;
            }
            self.checkpointer.after_commit(&self.sql);
        }
        self.checkpointer.finish(&self.sql);
    }

    /// One transaction, or where it failed in a definite way, one for each operation.
    fn write(&mut self, mut operations: Vec<Operation>) -> Result<()> {
        self.memory.forget_when_large();
        match self.transact(&mut operations) {
            Ok(()) => Ok(()),
            Err(Stop::Fatal(error)) => Err(error),
            Err(Stop::RolledBack(error)) if operations.len() == 1 || is_full_error(&error) => {
                tracing::error!(error = error.chain(), "a batch failed");
                for operation in operations {
                    self.refuse(operation, again(&error));
                }
                Ok(())
            }
            Err(Stop::RolledBack(_)) => {
                for operation in operations {
                    let mut alone = vec![operation];
                    match self.transact(&mut alone) {
                        Ok(()) => {}
                        Err(Stop::Fatal(error)) => return Err(error),
                        Err(Stop::RolledBack(error)) => {
                            tracing::error!(error = error.chain(), "an operation failed");
                            for operation in alone {
                                self.refuse(operation, again(&error));
                            }
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Runs and commits. On success the operations are answered and gone.
    fn transact(&mut self, operations: &mut Vec<Operation>) -> std::result::Result<(), Stop> {
        let result = self.fill(operations);
        let (outcomes, entries, position) = match result {
            Ok(filled) => filled,
            Err(error) => return Err(self.roll_back(error)),
        };
        #[cfg(feature = "planted-faults")]
        if let Some(fault) = planted::fault() {
            return self.commit_carelessly(fault, std::mem::take(operations), outcomes, entries, position);
        }
        if let Err(error) = self.sql.execute_batch("commit") {
            // Only a full disk or a busy file leaves the transaction open and clean to roll back.
            if (is_full(&error) || is_busy(&error)) && !self.sql.is_autocommit() {
                return Err(self.roll_back(error.into()));
            }
            return Err(Stop::Fatal(error.into()));
        }
        self.position = position;
        self.answer(std::mem::take(operations), outcomes, entries);
        Ok(())
    }

    /// The control of the crash drill: what a careless writer would do.
    #[cfg(feature = "planted-faults")]
    fn commit_carelessly(
        &mut self,
        fault: planted::Fault,
        operations: Vec<Operation>,
        outcomes: Vec<Outcome>,
        mut entries: Vec<Entry>,
        position: Position,
    ) -> std::result::Result<(), Stop> {
        let origin = self.origin;
        self.position = position;
        let mut late = Vec::new();
        if fault == planted::Fault::PublishBeforeCommit {
            // Everybody else sees it now, the sender is answered after the commit.
            late = planted::withhold_acks(&mut entries);
        }
        self.answer(operations, outcomes, entries);
        std::thread::park_timeout(Duration::from_millis(20));
        self.sql.execute_batch("commit").map_err(|error| Stop::Fatal(error.into()))?;
        if !late.is_empty() {
            (self.on_commit)(Commit { origin, last: position, entries: Vec::new(), answers: late });
        }
        Ok(())
    }

    fn fill(&mut self, operations: &mut [Operation]) -> Result<(Vec<Outcome>, Vec<Entry>, Position)> {
        self.sql.prepare_cached("begin immediate")?.execute([])?;
        let mut batch = Batch {
            sql: &self.sql,
            memory: &mut self.memory,
            now: Timestamp::now(),
            origin: self.origin,
            position: self.position,
            entries: Vec::with_capacity(operations.len()),
            settings: self.settings,
        };
        let mut outcomes = Vec::with_capacity(operations.len());
        for operation in operations {
            outcomes.push(batch.run(operation)?);
        }
        batch.memory.flush(batch.sql)?;
        let (entries, position) = (batch.entries, batch.position);
        self.take_positions(position)?;
        Ok((outcomes, entries, position))
    }

    /// Numbers, fences and witnesses the batch: the row must be ours, open, and where we left it.
    fn take_positions(&self, position: Position) -> Result<()> {
        let given = position.0 - self.position.0;
        let mut statement = self.sql.prepare_cached(
            "update origins set position = position + ?2 where id = ?1 and closing is null returning position",
        )?;
        let real: i64 = statement.query_row((self.origin.0, sql_u64(given)), |row| row.get(0))?;
        if unsigned(real) != position.0 {
            return Err(Failure::Corrupt("the database went back: this origin is finished").into());
        }
        Ok(())
    }

    fn roll_back(&mut self, error: Error) -> Stop {
        self.memory.forget();
        if !self.sql.is_autocommit()
            && let Err(error) = self.sql.execute_batch("rollback")
        {
            return Stop::Fatal(error.into());
        }
        match error {
            Error::Failed(Failure::Corrupt(_)) => Stop::Fatal(error),
            Error::Failed(Failure::Sqlite(rusqlite::Error::QueryReturnedNoRows)) => Stop::RolledBack(error),
            Error::Failed(Failure::Sqlite(ref sqlite)) if is_io(sqlite) => Stop::Fatal(error),
            error => Stop::RolledBack(error),
        }
    }

    fn answer(&mut self, operations: Vec<Operation>, outcomes: Vec<Outcome>, entries: Vec<Entry>) {
        self.inbox.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.inbox.counters.events.fetch_add(entries.len() as u64, Ordering::Relaxed);
        let mut commit = Commit { origin: self.origin, last: self.position, entries, answers: Vec::new() };
        let (mut jobs, mut replies) = (Vec::new(), Vec::new());
        for (operation, outcome) in operations.into_iter().zip(outcomes) {
            match operation {
                Operation::Append(append) => {
                    append.answer(outcome.into_result(), &mut commit.answers, &mut replies);
                }
                Operation::Read(reading) => {
                    reading.answer(outcome.into_result().map(|_| ()), &mut commit.answers)
                }
                Operation::Call(job) => jobs.push((job, outcome.into_result().map(|_| ()))),
            }
        }
        (self.on_commit)(commit);
        replies.into_iter().for_each(crate::append::Reply::send);
        for (job, outcome) in jobs {
            job.finish(outcome);
        }
    }

    fn refuse(&mut self, operation: Operation, error: Error) {
        let (mut answers, mut replies) = (Vec::new(), Vec::new());
        match operation {
            Operation::Append(append) => append.answer(Err(error), &mut answers, &mut replies),
            Operation::Read(reading) => reading.answer(Err(error), &mut answers),
            Operation::Call(job) => job.finish(Err(error)),
        }
        replies.into_iter().for_each(crate::append::Reply::send);
        if !answers.is_empty() {
            (self.on_commit)(Commit {
                origin: self.origin,
                last: self.position,
                entries: Vec::new(),
                answers,
            });
        }
    }
}

impl Outcome {
    fn into_result(self) -> Result<Option<Ack>> {
        match self {
            Self::Done => Ok(None),
            Self::Repeat(ack) => Ok(Some(ack)),
            Self::Refused(error) => Err(error),
        }
    }
}

impl Batch<'_> {
    /// Runs one operation. A refusal is an outcome; an error ends the transaction.
    fn run(&mut self, operation: &mut Operation) -> Result<Outcome> {
        let result = match operation {
            Operation::Append(append) => append.run(self),
            Operation::Read(reading) => reading.run(self).map(|()| None),
            Operation::Call(job) => return self.run_call(job.as_mut()),
        };
        match result {
            Ok(None) => Ok(Outcome::Done),
            Ok(Some(ack)) => Ok(Outcome::Repeat(ack)),
            Err(error @ Error::Refused(_)) => Ok(Outcome::Refused(error)),
            Err(error) => Err(error),
        }
    }

    /// A rare operation reads and writes rows itself: they must be current before, and it may be undone alone.
    fn run_call(&mut self, job: &mut dyn Job) -> Result<Outcome> {
        self.memory.flush(self.sql)?;
        self.sql.prepare_cached("savepoint call")?.execute([])?;
        let (entries, position) = (self.entries.len(), self.position);
        let result = job.run(self).and_then(|()| self.memory.flush(self.sql));
        match result {
            Ok(()) => {
                self.sql.prepare_cached("release call")?.execute([])?;
                Ok(Outcome::Done)
            }
            Err(error) => {
                let refused = matches!(error, Error::Refused(_));
                self.sql.execute_batch("rollback to call; release call")?;
                self.memory.forget();
                self.memory.reload_revoked(self.sql)?;
                self.entries.truncate(entries);
                self.position = position;
                if refused { Ok(Outcome::Refused(error)) } else { Err(error) }
            }
        }
    }
}

enum Stop {
    /// The transaction is undone; the operations may be tried again.
    RolledBack(Error),
    /// Nobody knows what is on disk, or it is not ours any more.
    Fatal(Error),
}

fn is_full_error(error: &Error) -> bool {
    matches!(error, Error::Failed(Failure::Sqlite(sqlite)) if is_full(sqlite))
}

fn is_io(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            rusqlite::ErrorCode::SystemIoFailure
                | rusqlite::ErrorCode::DatabaseCorrupt
                | rusqlite::ErrorCode::NotADatabase
        )
    )
}

/// The same error for each operation of a batch that failed whole.
fn again(error: &Error) -> Error {
    match error {
        Error::Refused(refusal) => Error::Refused(refusal.clone()),
        Error::Failed(_) => Error::refused(error.code()),
    }
}

#[cfg(feature = "planted-faults")]
pub mod planted {
    //! What the crash drill must catch: acknowledging or publishing before the commit. In no shipped binary.

    use std::sync::OnceLock;

    use stonechat_wire::{Ack, MessageId};

    use crate::commit::{Answer, Correlation, Entry};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Fault {
        AckBeforeCommit,
        PublishBeforeCommit,
    }

    static FAULT: OnceLock<Fault> = OnceLock::new();

    /// Makes every writer of this process careless from now on.
    pub fn plant(fault: Fault) {
        // The first one stays.
        let _ = FAULT.set(fault);
    }

    pub(crate) fn fault() -> Option<Fault> {
        FAULT.get().copied()
    }

    /// Takes the acks out of entries, to be given later.
    pub(crate) fn withhold_acks(entries: &mut [Entry]) -> Vec<Answer> {
        let mut late = Vec::new();
        for entry in entries {
            let Entry::Event(event) = entry else { continue };
            let correlation = std::mem::replace(&mut event.correlation, Correlation(0));
            let Some(client_id) = event.event.client_id.filter(|_| correlation.0 != 0) else { continue };
            let ack = Ack {
                client_id,
                message_id: Some(MessageId::of(event.event.conversation_id, event.event.seq)),
                conversation_id: event.event.conversation_id,
                seq: event.event.seq,
                timestamp: event.event.timestamp,
                durability: None,
                repeated: false,
            };
            late.push(Answer { correlation, client_id: Some(client_id), result: Ok(ack) });
        }
        late
    }
}
