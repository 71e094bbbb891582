//! Ticket: lets a browser open one socket without a token in the address. Short, single use, in memory.

use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use stonechat_store::{Error, Result};
use stonechat_wire::Code;
use tokio::time::Instant;

use super::{SignedInDevice, token};

const LASTS: Duration = Duration::from_secs(30);
/// Tickets that wait at a time; a ticket is used within a second.
const MAX_WAITING: usize = 50_000;

#[derive(Default)]
pub(super) struct Tickets {
    waiting: Mutex<HashMap<String, (SignedInDevice, Instant)>>,
}

impl Tickets {
    pub(super) fn issue(&self, device: SignedInDevice) -> Result<(String, Duration)> {
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MAX_WAITING {
            waiting.retain(|_, (_, until)| *until > now);
        }
        if waiting.len() >= MAX_WAITING {
            return Err(Error::refused(Code::Overloaded));
        }
        let ticket = token::ticket();
        waiting.insert(ticket.clone(), (device, now + LASTS));
        Ok((ticket, LASTS))
    }

    pub(super) fn redeem(&self, ticket: &str) -> Option<SignedInDevice> {
        let (device, until) = self.waiting.lock().remove(ticket)?;
        (until > Instant::now()).then_some(device)
    }
}

#[cfg(test)]
mod tests {
    use stonechat_store::key::Actor;
    use stonechat_store::{DeviceKey, UserKey};
    use stonechat_wire::{DeviceId, ServerRole, UserId};

    use super::*;

    fn device() -> SignedInDevice {
        let (user, user_id) = (UserKey(1), UserId::new());
        let actor = Actor { user, user_id, device: DeviceKey(2), device_id: DeviceId::new() };
        SignedInDevice { actor, role: ServerRole::Member, expires_at: None }
    }

    #[tokio::test(start_paused = true)]
    async fn w2_a_ticket_works_once_and_for_half_a_minute() {
        let tickets = Tickets::default();
        let device = device();
        let (ticket, lasts) = tickets.issue(device).unwrap();
        assert_eq!(tickets.redeem(&ticket).unwrap().actor, device.actor);
        assert!(tickets.redeem(&ticket).is_none());
        assert!(tickets.redeem("").is_none());
        let (late, _) = tickets.issue(device).unwrap();
        tokio::time::advance(lasts).await;
        assert!(tickets.redeem(&late).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn tickets_that_wait_are_bounded_and_old_ones_make_room() {
        let tickets = Tickets::default();
        let device = device();
        for _ in 0..MAX_WAITING {
            tickets.issue(device).unwrap();
        }
        assert_eq!(tickets.issue(device).unwrap_err().code(), Code::Overloaded);
        tokio::time::advance(LASTS).await;
        tickets.issue(device).unwrap();
        assert_eq!(tickets.waiting.lock().len(), 1);
    }
}
