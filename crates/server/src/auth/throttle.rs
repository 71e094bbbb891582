//! Throttle: failed attempts to get in, counted per account and address and per address.
//!
//! A generic cell rate per key: a failure costs one of a burst that refills over the window. An attempt is paid for
//! before it is judged, so that many at once get no more tries than one after the other. Sessions that are signed in
//! are never locked out. Invariant: memory is bounded; the oldest keys make room, and keys are small.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use serde_json::Value;
use stonechat_store::{Error, Refusal, Result};
use stonechat_wire::Code;
use tokio::time::Instant;

use crate::config::LimitsSetting;

/// Failures per account and address: 10 in 15 minutes.
const PER_ACCOUNT: Rate = Rate { burst: 10, window: Duration::from_secs(15 * 60) };
/// Failures per address: 100 in an hour.
const PER_ADDRESS: Rate = Rate { burst: 100, window: Duration::from_secs(3_600) };
const MAX_KEYS: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

struct Rate {
    burst: u32,
    window: Duration,
}

pub(super) struct Throttle {
    lifted: bool,
    accounts: Mutex<LruCache<(IpAddr, String), Instant>>,
    addresses: Mutex<LruCache<IpAddr, Instant>>,
}

impl Throttle {
    pub(super) fn new(limits: LimitsSetting) -> Self {
        Self {
            lifted: limits == LimitsSetting::Bench,
            accounts: Mutex::new(LruCache::new(MAX_KEYS)),
            addresses: Mutex::new(LruCache::new(MAX_KEYS)),
        }
    }

    /// Refuses early what could not be paid for: it need not wait for its turn.
    ///
    /// # Errors
    /// `rate_limited`.
    pub(super) fn check(&self, address: IpAddr, account: &str) -> Result<()> {
        self.check_address(address)?;
        let full_at = self.accounts.lock().get(&(network(address), key_of(account))).copied();
        self.allow(full_at, &PER_ACCOUNT, Instant::now())
    }

    /// Pays for an attempt at an account, as if it had failed.
    ///
    /// # Errors
    /// `rate_limited` while too many failed; nothing is paid then.
    pub(super) fn attempt(&self, address: IpAddr, account: &str) -> Result<()> {
        let (now, network) = (Instant::now(), network(address));
        let key = (network, key_of(account));
        // Always in this order; both or neither is charged.
        let (mut addresses, mut accounts) = (self.addresses.lock(), self.accounts.lock());
        let (at_address, at_account) = (addresses.get(&network).copied(), accounts.get(&key).copied());
        self.allow(at_address, &PER_ADDRESS, now)?;
        self.allow(at_account, &PER_ACCOUNT, now)?;
        addresses.put(network, PER_ADDRESS.charge(at_address, now));
        accounts.put(key, PER_ACCOUNT.charge(at_account, now));
        Ok(())
    }

    /// Gives back what a successful attempt paid.
    pub(super) fn succeeded(&self, address: IpAddr, account: &str) {
        let network = network(address);
        if let Some(full_at) = self.addresses.lock().get_mut(&network) {
            *full_at = PER_ADDRESS.refund(*full_at);
        }
        if let Some(full_at) = self.accounts.lock().get_mut(&(network, key_of(account))) {
            *full_at = PER_ACCOUNT.refund(*full_at);
        }
    }

    /// Refuses guesses at what belongs to no account while too many failed.
    ///
    /// # Errors
    /// `rate_limited`.
    pub(super) fn check_address(&self, address: IpAddr) -> Result<()> {
        let full_at = self.addresses.lock().get(&network(address)).copied();
        self.allow(full_at, &PER_ADDRESS, Instant::now())
    }

    /// Counts a failed guess at what belongs to no account.
    pub(super) fn failed(&self, address: IpAddr) {
        let (now, network) = (Instant::now(), network(address));
        let mut addresses = self.addresses.lock();
        let at = addresses.get(&network).copied();
        addresses.put(network, PER_ADDRESS.charge(at, now));
    }

    fn allow(&self, full_at: Option<Instant>, rate: &Rate, now: Instant) -> Result<()> {
        let Some(wait) = full_at.and_then(|at| rate.wait(at, now)).filter(|_| !self.lifted) else {
            return Ok(());
        };
        let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let params =
            Value::from(serde_json::Map::from_iter([("retry_after_ms".to_owned(), retry_after_ms.into())]));
        Err(Error::Refused(Refusal { code: Code::RateLimited, params }))
    }
}

/// What one customer of a provider has: an IPv6 /64, or an IPv4 address however it is written.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address @ IpAddr::V4(_) => address,
    }
}

/// The account as a key: no handle or id is longer, and a key must not be as long as a body may be.
fn key_of(account: &str) -> String {
    account.chars().take(40).collect()
}

impl Rate {
    fn cost(&self) -> Duration {
        self.window / self.burst
    }

    /// When the burst is whole again after one more failure.
    fn charge(&self, full_at: Option<Instant>, now: Instant) -> Instant {
        full_at.map_or(now, |at| at.max(now)) + self.cost()
    }

    fn refund(&self, full_at: Instant) -> Instant {
        full_at.checked_sub(self.cost()).unwrap_or(full_at)
    }

    /// How long until one more failure fits; `None`: now.
    fn wait(&self, full_at: Instant, now: Instant) -> Option<Duration> {
        let used = full_at.saturating_duration_since(now);
        (used + self.cost()).checked_sub(self.window).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn wait_of(refused: &Error) -> u64 {
        assert_eq!(refused.code(), Code::RateLimited);
        refused.params()["retry_after_ms"].as_u64().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a3_ten_failures_per_account_then_a_wait_and_back() {
        let throttle = Throttle::new(LimitsSetting::Default);
        for _ in 0..10 {
            throttle.attempt(HOME, "ana").unwrap();
        }
        let wait = wait_of(&throttle.attempt(HOME, "ana").unwrap_err());
        throttle.attempt(HOME, "bo").unwrap();
        throttle.attempt(IpAddr::from([127, 0, 0, 2]), "ana").unwrap();
        tokio::time::advance(Duration::from_millis(wait + 1)).await;
        throttle.attempt(HOME, "ana").unwrap();
        throttle.attempt(HOME, "ana").unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a3_one_address_has_a_hundred_an_hour() {
        let throttle = Throttle::new(LimitsSetting::Default);
        for n in 0..100 {
            throttle.attempt(HOME, &n.to_string()).unwrap();
        }
        wait_of(&throttle.attempt(HOME, "new").unwrap_err());
        wait_of(&throttle.check_address(HOME).unwrap_err());
    }

    /// A3: whoever gets in pays nothing, and neither does whoever is refused.
    #[tokio::test(start_paused = true)]
    async fn a3_successes_and_refusals_are_free() {
        let throttle = Throttle::new(LimitsSetting::Default);
        for _ in 0..500 {
            throttle.attempt(HOME, "ana").unwrap();
            throttle.succeeded(HOME, "ana");
        }
        for _ in 0..10 {
            throttle.attempt(HOME, "ana").unwrap();
        }
        let first = wait_of(&throttle.attempt(HOME, "ana").unwrap_err());
        assert_eq!(wait_of(&throttle.check(HOME, "ana").unwrap_err()), first);
        assert_eq!(wait_of(&throttle.attempt(HOME, "ana").unwrap_err()), first);
    }

    #[tokio::test(start_paused = true)]
    async fn a3_a_network_counts_as_one_address_and_long_handles_as_short_keys() {
        let throttle = Throttle::new(LimitsSetting::Default);
        for n in 0..10_u16 {
            throttle.attempt(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, n]), "ana").unwrap();
        }
        throttle.attempt(IpAddr::from([0x2001, 0xdb8, 0, 1, 9, 9, 9, 9]), "ana").unwrap_err();
        throttle.attempt(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 0]), "ana").unwrap();
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
        assert_eq!(key_of(&"ö".repeat(100_000)).chars().count(), 40);
    }

    #[tokio::test(start_paused = true)]
    async fn load_runs_are_not_limited() {
        let throttle = Throttle::new(LimitsSetting::Bench);
        for _ in 0..1_000 {
            throttle.attempt(HOME, "ana").unwrap();
        }
    }
}
