//! Disk: the store, used from async code without holding up a thread of the runtime.

use std::sync::Arc;

use parking_lot::Mutex;
use stonechat_wire::{ConversationId, DeviceId, Event, Seq, UserId};

use super::StoreAt;
use crate::error::{Error, Result};
use crate::store::{Changes, Saved, Store};

/// The store of a chat.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    store: Arc<Mutex<Store>>,
    in_memory: bool,
}

impl Disk {
    pub(super) async fn open(at: &StoreAt) -> Result<Self> {
        let store = match at {
            StoreAt::Memory => Store::in_memory()?,
            StoreAt::File(path) => {
                let path = path.clone();
                joined(tokio::task::spawn_blocking(move || Store::open(path)).await)?
            }
        };
        let in_memory = store.is_in_memory();
        Ok(Self { store: Arc::new(Mutex::new(store)), in_memory })
    }

    pub(super) async fn load(&self) -> Result<Saved> {
        self.run(|store| store.load()).await
    }

    pub(super) async fn write(&self, changes: Changes) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.run(move |store| store.write(&changes)).await
    }

    pub(super) async fn claim(&self, user_id: UserId, device_id: DeviceId) -> Result<()> {
        self.run(move |store| store.claim(user_id, device_id)).await
    }

    pub(super) async fn events_after(
        &self,
        id: ConversationId,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Event>> {
        self.run(move |store| store.events_after(id, after, limit)).await
    }

    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        if self.in_memory {
            return work(&mut self.store.lock());
        }
        let store = self.store.clone();
        joined(tokio::task::spawn_blocking(move || work(&mut store.lock())).await)
    }
}

/// The work itself cannot be cancelled; its thread is gone only when the runtime is.
fn joined<R>(result: Result<Result<R>, tokio::task::JoinError>) -> Result<R> {
    result.map_err(|_| Error::Stopped)?
}
