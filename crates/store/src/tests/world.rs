//! World: a store with people, and short ways to act as them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stonechat_wire::{
    Ack, ClientId, ConversationId, ConversationKind, Cursor, DeviceId, Posting, Seq, ServerFrame, UserId,
};
use tokio::sync::oneshot;

use crate::amend::{Amendment, Change};
use crate::append::{Append, Target};
use crate::commit::{Commit, Correlation, Entry};
use crate::conversation::NewConversation;
use crate::error::Result;
use crate::key::Actor;
use crate::sync::{self, SyncRequest};
use crate::writer::{Settings, Started};
use crate::{DeviceKey, Durability, Readers, Store, UserKey, Writer};

pub(super) struct World {
    pub(super) directory: Arc<tempfile::TempDir>,
    pub(super) store: Store,
    pub(super) readers: Readers,
    pub(super) writer: Writer,
    pub(super) committed: Arc<Mutex<Vec<Entry>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl World {
    /// A store with `people` people, each with one device.
    pub(super) fn new(people: u32) -> Self {
        // Failures of the store show in the test's output.
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let store = Store::open(directory.path(), Durability::Full).unwrap();
        let sql = store.writing().unwrap();
        for key in 1..=people {
            let (user, device) = (UserId::new(), DeviceId::new());
            sql.execute(
                "insert into users (key, id, handle, name, role, created_at) values (?1, ?2, ?3, ?3, 1, 0)",
                (key, user.0.as_bytes().as_slice(), format!("p{key}")),
            )
            .unwrap();
            sql.execute(
                "insert into devices (key, id, user, name, created_at, last_seen_at) values (?1, ?2, ?1, 'd', 0, 0)",
                (key, device.0.as_bytes().as_slice()),
            )
            .unwrap();
        }
        Self::start(directory, store)
    }

    fn start(directory: Arc<tempfile::TempDir>, store: Store) -> Self {
        let committed = Arc::<Mutex<Vec<Entry>>>::default();
        let sink = committed.clone();
        let settings = Settings { edit_window: Duration::from_secs(900) };
        let on_commit = Box::new(move |commit: Commit| sink.lock().extend(commit.entries));
        let Started { writer, thread, .. } =
            Writer::start(&store, settings, on_commit, Box::new(|error| panic!("{}", error.chain())))
                .unwrap();
        Self { readers: Readers::new(&store), store, writer, committed, directory, thread: Some(thread) }
    }

    /// Stops the writer and starts another run on the same data: a new origin.
    pub(super) fn restart(mut self) -> Self {
        self.writer.stop();
        self.thread.take().unwrap().join().unwrap();
        Self::start(self.directory.clone(), self.store.clone())
    }

    pub(super) fn actor(&self, key: u32) -> Actor {
        self.readers
            .read_now(|sql| {
                let ids = sql.query_row(
                    "select u.id, d.id from users u join devices d on d.user = u.key where u.key = ?1 limit 1",
                    [key],
                    |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)),
                )?;
                Ok(Actor {
                    user: UserKey(key),
                    user_id: UserId(crate::key::uuid(&ids.0)),
                    device: DeviceKey(key),
                    device_id: DeviceId(crate::key::uuid(&ids.1)),
                })
            })
            .unwrap()
    }

    pub(super) async fn group(&self, members: &[u32]) -> ConversationId {
        self.create(ConversationKind::Group, members).await
    }

    pub(super) async fn channel(&self, members: &[u32]) -> ConversationId {
        self.create(ConversationKind::Channel, members).await
    }

    async fn create(&self, kind: ConversationKind, members: &[u32]) -> ConversationId {
        let new = NewConversation {
            kind,
            name: Some("room".into()),
            handle: None,
            topic: None,
            posting: Posting::Everyone,
            members: members[1..].iter().map(|key| self.actor(*key).user_id).collect(),
        };
        self.writer.create_conversation(self.actor(members[0]), new).await.unwrap()
    }

    pub(super) fn message(&self, from: u32, to: ConversationId, text: &str) -> Append {
        Append::new(self.actor(from), ClientId::new(), Target::Conversation(to), text.to_owned())
    }

    pub(super) async fn append(&self, mut append: Append) -> Result<Ack> {
        let (reply, answer) = oneshot::channel();
        append.reply = Some(reply);
        self.writer.append(append).await;
        answer.await.unwrap()
    }

    pub(super) async fn send(&self, from: u32, to: ConversationId, text: &str) -> Seq {
        self.append(self.message(from, to, text)).await.unwrap().seq
    }

    pub(super) async fn amend(&self, from: u32, to: ConversationId, at: Seq, change: Change) -> Result<Ack> {
        let amendment = Amendment {
            actor: self.actor(from),
            client_id: ClientId::new(),
            target: Target::Conversation(to),
            message_seq: at,
            correlation: Correlation(0),
        };
        self.writer.amend(amendment, change).await
    }

    /// Everything after a cursor, walked in pages of `limit`; and the cursor it ends at.
    pub(super) fn walk(
        &self,
        user: u32,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> (Vec<ServerFrame>, Cursor) {
        let sealer = self.store.sealer();
        let mut cursor = cursor.map(|cursor| sealer.open(cursor).unwrap());
        let mut frames = Vec::new();
        loop {
            let request = SyncRequest {
                user: UserKey(user),
                cursor: cursor.clone(),
                limit,
                first: None,
                window: None,
                target: None,
            };
            let page = self.readers.read_now(|sql| sync::page(sql, sealer, &request)).unwrap();
            frames.extend(page.frames);
            let sealed = sealer.seal(&page.cursor);
            if !page.has_more {
                return (frames, sealed);
            }
            cursor = sealer.open(&sealed);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.writer.stop();
        if let Some(thread) = self.thread.take() {
            let joined = thread.join();
            assert!(joined.is_ok() || std::thread::panicking());
        }
    }
}
