//! Hooked: what test hooks do to sessions.

use std::sync::Arc;

use stonechat_wire::UserId;

use super::Router;
use super::outbound::NO_CLOSE_FRAME;
use super::registry::{Session, SessionKind};
use crate::test_hooks::{HeldAck, Hooks};

impl Router {
    pub(crate) fn hooks(&self) -> Arc<Hooks> {
        self.shared.registry.read().hooks.clone()
    }

    /// Ends the connections of one user or of everybody: with a close code, or as if the cable was pulled.
    pub(crate) fn kick(&self, user: Option<UserId>, code: Option<u16>) {
        let code = code.unwrap_or(NO_CLOSE_FRAME);
        self.each(user, |session| session.outbound.end(code, "ended by a test"));
    }

    /// Lets these connections send nothing more, or send again. Those that are opened later are not meant.
    pub(crate) fn silence(&self, user: Option<UserId>, silent: bool) {
        self.each(user, |session| {
            // What is lost stays lost, so that no cursor may cover it.
            session.hooked.set_untold(true);
            session.outbound.set_silent(silent);
        });
    }

    /// Sends acks that were held, to the sockets that still wait for them.
    pub(crate) fn release(&self, held: Vec<HeldAck>) {
        let registry = self.shared.registry.read();
        for ack in held {
            if let Some(session) = registry.get(ack.session) {
                session.outbound.push(ack.frame, 1);
                session.hooked.set_untold(false);
            }
        }
    }

    /// A waiting long poll is no connection of its own: it ends with its request.
    fn each(&self, user: Option<UserId>, act: impl Fn(&Session)) {
        let registry = self.shared.registry.read();
        let theirs = |session: &&Arc<Session>| user.is_none_or(|user| session.actor.user_id == user);
        registry
            .all()
            .filter(theirs)
            .filter(|session| session.kind != SessionKind::Poll)
            .for_each(|session| act(session));
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use bytes::Bytes;
    use stonechat_store::key::Actor;
    use stonechat_store::vector::Sealer;
    use stonechat_store::{DeviceKey, Origin, Position, UserKey, Vector};
    use stonechat_wire::DeviceId;

    use super::*;
    use crate::test_hooks::AckMode;

    fn world() -> (Router, Arc<Session>) {
        let vector = Vector { open: smallvec::smallvec![(Origin(1), Position(0))], ..Vector::default() };
        let router = Router::new(vector, 25, 35);
        let (user_id, device_id) = (UserId::new(), DeviceId::new());
        let actor = Actor { user: UserKey(1), user_id, device: DeviceKey(1), device_id };
        let (session, _) = router.register(actor, SessionKind::Socket);
        router.go_live(&session, None);
        (router, session)
    }

    /// What a session is told within the time in which each gets a cursor that is due.
    fn told(router: &Router, session: &Session) -> usize {
        let registry = router.shared.registry.read();
        for second in 0..5 {
            registry.offer_cursors(&Sealer::new([0; 32]), registry.applied(), second);
        }
        match session.outbound.poll_take(&Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(frames)) => frames.len(),
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        }
    }

    #[test]
    fn no_cursor_covers_what_was_withheld() {
        let (router, session) = world();
        let frame = Bytes::from_static(b"x");
        session.offer(Position(1), frame.clone(), 1);
        assert_eq!(told(&router, &session), 2, "an event and its cursor");
        assert!(router.hooks().set_acks(None, AckMode::Hold).is_empty());
        session.ack(frame.clone());
        session.offer(Position(2), frame.clone(), 1);
        assert_eq!(told(&router, &session), 1, "an event without a cursor");
        router.release(router.hooks().set_acks(None, AckMode::Pass));
        assert_eq!(told(&router, &session), 2, "the ack and the cursor that was due");
        router.silence(None, true);
        session.offer(Position(3), frame.clone(), 1);
        assert_eq!(told(&router, &session), 0);
        router.silence(None, false);
        session.offer(Position(4), frame, 1);
        assert_eq!(told(&router, &session), 1, "an event without a cursor");
    }
}
