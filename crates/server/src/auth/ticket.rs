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
