//! App: the rooms of one running server, as the doors (gateway, REST) see them.

use std::sync::Arc;

use stonechat_store::{Readers, Store, Writer};

use crate::auth::Auth;
use crate::config::Settings;
use crate::conversation::Conversations;
use crate::presence::Presence;
use crate::router::Router;
use crate::typing::Typing;

/// Everything a request may need; cloning copies pointers.
#[derive(Clone)]
pub(crate) struct App(pub(crate) Arc<Rooms>);

pub(crate) struct Rooms {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) auth: Arc<Auth>,
    pub(crate) router: Router,
    pub(crate) conversations: Conversations,
    pub(crate) presence: Presence,
    pub(crate) typing: Typing,
    #[cfg(feature = "test-hooks")]
    pub(crate) hooks: Arc<crate::test_hooks::Hooks>,
    pub(crate) stop: tokio_util::sync::CancellationToken,
}

impl std::ops::Deref for App {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}
