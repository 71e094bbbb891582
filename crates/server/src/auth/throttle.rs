//! Throttle: failed attempts to get in, counted per account and address and per address.
//!
//! A generic cell rate per key: a failure costs one of a burst that refills over the window. Sessions that are signed
//! in are never locked out. Invariant: memory is bounded; the oldest keys make room.

use std::net::IpAddr;
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

    /// Refuses an attempt while too many failed.
    pub(super) fn check(&self, address: IpAddr, account: &str) -> Result<()> {
        self.check_address(address)?;
        let full_at = self.accounts.lock().get(&(address, account.to_owned())).copied();
        self.allow(full_at, &PER_ACCOUNT)
    }

    pub(super) fn check_address(&self, address: IpAddr) -> Result<()> {
        let full_at = self.addresses.lock().get(&address).copied();
        self.allow(full_at, &PER_ADDRESS)
    }

    fn allow(&self, full_at: Option<Instant>, rate: &Rate) -> Result<()> {
        let now = Instant::now();
        let Some(wait) = full_at.and_then(|at| rate.wait(at, now)).filter(|_| !self.lifted) else {
            return Ok(());
        };
        let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let params =
            Value::from(serde_json::Map::from_iter([("retry_after_ms".to_owned(), retry_after_ms.into())]));
        Err(Error::Refused(Refusal { code: Code::RateLimited, params }))
    }

    /// Counts a failure.
    pub(super) fn failed(&self, address: IpAddr, account: &str) {
        let now = Instant::now();
        let mut addresses = self.addresses.lock();
        let at = addresses.get(&address).copied();
        addresses.put(address, PER_ADDRESS.charge(at, now));
        drop(addresses);
        let mut accounts = self.accounts.lock();
        let key = (address, account.to_owned());
        let at = accounts.get(&key).copied();
        accounts.put(key, PER_ACCOUNT.charge(at, now));
    }
}

impl Rate {
    fn cost(&self) -> Duration {
        self.window / self.burst
    }

    /// When the burst is whole again after one more failure.
    fn charge(&self, full_at: Option<Instant>, now: Instant) -> Instant {
        full_at.map_or(now, |at| at.max(now)) + self.cost()
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

    #[tokio::test(start_paused = true)]
    async fn a3_ten_failures_per_account_then_a_wait_and_back() {
        let throttle = Throttle::new(LimitsSetting::Default);
        let address = IpAddr::from([127, 0, 0, 1]);
        for _ in 0..10 {
            throttle.check(address, "ana").unwrap();
            throttle.failed(address, "ana");
        }
        let refused = throttle.check(address, "ana").unwrap_err();
        assert_eq!(refused.code(), Code::RateLimited);
        let wait = refused.params()["retry_after_ms"].as_u64().unwrap();
        assert!(throttle.check(address, "bo").is_ok());
        assert!(throttle.check(IpAddr::from([127, 0, 0, 2]), "ana").is_ok());
        tokio::time::advance(Duration::from_millis(wait + 1)).await;
        throttle.check(address, "ana").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a3_one_address_has_a_hundred_an_hour() {
        let throttle = Throttle::new(LimitsSetting::Default);
        let address = IpAddr::from([127, 0, 0, 1]);
        for n in 0..100 {
            throttle.check(address, &n.to_string()).unwrap();
            throttle.failed(address, &n.to_string());
        }
        assert!(throttle.check(address, "new").is_err());
    }
}
