//! Guard: unregisters a session when its connection ends, whatever the reason, a panic included.

use std::sync::Arc;

use stonechat_store::key::Actor;

use crate::app::App;
use crate::router::registry::{Session, SessionKind};

/// A registered session; dropping it takes the session out of router, presence and typing.
pub(crate) struct SessionGuard {
    app: App,
    session: Arc<Session>,
}

impl SessionGuard {
    pub(crate) fn register(app: &App, actor: Actor, kind: SessionKind) -> Self {
        let (session, first) = app.router.register(actor, kind);
        if first {
            app.presence.came(actor);
        }
        Self { app: app.clone(), session }
    }

    /// The session itself, for work that may outlive one borrow of the guard.
    pub(crate) fn clone_session(guard: &Self) -> Arc<Session> {
        guard.session.clone()
    }
}

impl std::ops::Deref for SessionGuard {
    type Target = Arc<Session>;

    fn deref(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let last = self.app.router.unregister(&self.session);
        self.app.typing.forget_session(&self.session);
        self.app.presence.forget_session(&self.session);
        if last {
            self.app.presence.went(self.session.actor, self.session.kind);
        }
    }
}
