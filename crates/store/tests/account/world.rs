//! World: a store as the accounts of a server see it: the first admin, people who came by invitation, their tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use stonechat_store::account::{self, Credentials, FoundDevice};
use stonechat_store::append::Target;
use stonechat_store::commit::{Commit, Entry};
use stonechat_store::conversation::NewConversation;
use stonechat_store::device::{NewDevice, TokenHash};
use stonechat_store::invite::{Arrived, NewInvite, Newcomer};
use stonechat_store::setup::FirstAdmin;
use stonechat_store::writer::{Settings, Started};
use stonechat_store::{Actor, Durability, Readers, Result, Store, Writer};
use stonechat_wire::{
    AccountEntry, Code, ConversationId, ConversationKind, DeviceId, Posting, ServerRole, Timestamp, UserId,
};

pub(crate) const DAY_MS: i64 = 24 * 3_600_000;

pub(crate) struct World {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    entries: Arc<Mutex<Vec<Entry>>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Durability::Full).unwrap();
        let entries = Arc::<Mutex<Vec<Entry>>>::default();
        let sink = entries.clone();
        let Started { writer, thread, .. } = Writer::start(
            &store,
            Settings { edit_window: Duration::from_secs(900) },
            Box::new(move |commit: Commit| sink.lock().extend(commit.entries)),
            Box::new(|error| panic!("{}", error.chain())),
        )
        .unwrap();
        let readers = Readers::new(&store);
        Self { writer, readers, entries, thread: Some(thread), _directory: directory }
    }

    /// A world with its first admin.
    pub(crate) async fn with_admin() -> (Self, Actor) {
        let world = Self::new();
        let key = token();
        assert!(world.writer.set_setup_key(key, in_days(1)).await.unwrap());
        let admin = world.writer.set_up(first_admin(key, "kit")).await.unwrap();
        (world, admin.device.actor)
    }

    /// Somebody who came by an invitation.
    pub(crate) async fn join(&self, by: Actor, handle: &str) -> Actor {
        self.join_as(by, handle, ServerRole::Member).await
    }

    pub(crate) async fn join_as(&self, by: Actor, handle: &str, role: ServerRole) -> Actor {
        let token = self.invite(by, NewInvite { role, ..invitation() }).await.unwrap();
        self.accept(token, handle).await.unwrap().device.actor
    }

    /// The token of a new invitation.
    pub(crate) async fn invite(&self, by: Actor, new: NewInvite) -> Result<TokenHash> {
        let token_hash = token();
        self.writer.create_invite(by, NewInvite { token_hash, ..new }).await.map(|_| token_hash)
    }

    pub(crate) async fn accept(&self, invite: TokenHash, handle: &str) -> Result<Arrived> {
        self.writer.accept_invite(invite, newcomer(handle)).await
    }

    pub(crate) async fn create(
        &self,
        by: Actor,
        kind: ConversationKind,
        members: &[Actor],
    ) -> ConversationId {
        let new = NewConversation {
            kind,
            name: Some("room".into()),
            handle: None,
            topic: None,
            posting: Posting::Everyone,
            members: members.iter().map(|actor| actor.user_id).collect(),
        };
        self.writer.create_conversation(by, new).await.unwrap()
    }

    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.readers.read_now(work)
    }

    /// The device while it may act.
    pub(crate) fn device(&self, id: DeviceId) -> Option<FoundDevice> {
        self.read(|sql| account::device_by_id(sql, id)).unwrap()
    }

    pub(crate) fn credentials(&self, handle: &str) -> Option<Credentials> {
        self.read(|sql| account::credentials(sql, handle)).unwrap()
    }

    /// Whether somebody is in a conversation.
    pub(crate) fn is_in(&self, actor: Actor, conversation: ConversationId) -> bool {
        let reference = conversation.into();
        let key = self.read(|sql| stonechat_store::reader::conversation_key(sql, &reference)).unwrap();
        let key = key.expect("the conversation exists");
        self.read(|sql| stonechat_store::reader::view(sql, actor.user, key)).unwrap().is_some()
    }

    /// Changes rows behind the writer's back, as time would.
    pub(crate) fn age(&self, statement: &str, by_ms: i64) {
        let sql = Connection::open(self.readers.store().path()).unwrap();
        sql.busy_timeout(Duration::from_secs(5)).unwrap();
        assert!(sql.execute(statement, [by_ms]).unwrap() > 0, "{statement}");
    }

    /// What was committed since the last time.
    pub(crate) fn committed(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries.lock())
    }

    /// The account entries of one person committed since the last time.
    pub(crate) fn told(&self, actor: Actor) -> Vec<AccountEntry> {
        let entries = self.committed().into_iter().filter_map(|entry| match entry {
            Entry::Account { user, entry, .. } if user == actor.user => Some(entry),
            _ => None,
        });
        entries.collect()
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

/// A token nobody had before.
pub(crate) fn token() -> TokenHash {
    static GIVEN: AtomicU64 = AtomicU64::new(1);
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&GIVEN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    hash
}

pub(crate) fn in_days(days: i64) -> Timestamp {
    Timestamp(Timestamp::now().0 + days * DAY_MS)
}

pub(crate) fn new_device(name: &str) -> NewDevice {
    NewDevice { name: name.into(), refresh_hash: token(), refresh_expires_at: in_days(90) }
}

pub(crate) fn first_admin(key_hash: TokenHash, handle: &str) -> FirstAdmin {
    FirstAdmin {
        key_hash,
        server_name: "Test".into(),
        name: "Kit".into(),
        handle: handle.into(),
        password_hash: "hash of kit".into(),
        device: new_device("laptop"),
    }
}

pub(crate) fn invitation() -> NewInvite {
    NewInvite {
        token_hash: token(),
        expires_at: Some(in_days(7)),
        uses: Some(25),
        conversations: Vec::new(),
        role: ServerRole::Member,
        claims: None,
    }
}

pub(crate) fn newcomer(handle: &str) -> Newcomer {
    Newcomer {
        name: handle.to_uppercase(),
        handle: handle.into(),
        password_hash: format!("hash of {handle}"),
        device: new_device("phone"),
    }
}

pub(crate) fn target(conversation: ConversationId) -> Target {
    Target::Conversation(conversation)
}

pub(crate) fn handles(users: &[stonechat_wire::User]) -> Vec<&str> {
    users.iter().map(|user| user.handle.as_str()).collect()
}

pub(crate) fn code<T>(result: Result<T>) -> Code {
    result.err().expect("a refusal").code()
}

pub(crate) fn nobody() -> UserId {
    UserId::new()
}
