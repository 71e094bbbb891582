//! Seen: when devices were last used, gathered so that using one costs a write every five minutes at most, and all of
//! them together one small write a second.
//!
//! Coarse on purpose: what waits when the server stops is lost. Invariant: memory is bounded.

use std::time::Duration;

use hashbrown::HashSet;
use parking_lot::Mutex;
use stonechat_store::DeviceKey;
use stonechat_wire::Timestamp;
use tokio::time::Instant;

/// The step in which a person sees when their devices were used.
const STEP_MS: i64 = 5 * 60 * 1_000;
/// Between two writes.
const EVERY: Duration = Duration::from_secs(1);
/// Devices of one write: some milliseconds of the writer's time, which messages wait for.
const AT_ONCE: usize = 1_000;
/// Devices that may wait: beyond, a device is noted when it is used again.
const MAX_WAITING: usize = 20_000;

#[derive(Default)]
pub(super) struct Seen {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    devices: HashSet<DeviceKey>,
    written_at: Option<Instant>,
}

impl Seen {
    /// Notes that a device is used; `Some`: the devices to write down now.
    pub(super) fn note(
        &self,
        device: DeviceKey,
        last_seen_at: Timestamp,
        now: Timestamp,
    ) -> Option<Vec<DeviceKey>> {
        if now.0 - last_seen_at.0 < STEP_MS {
            return None;
        }
        let at = Instant::now();
        let mut waiting = self.waiting.lock();
        if waiting.devices.len() < MAX_WAITING {
            waiting.devices.insert(device);
        }
        if waiting.written_at.is_some_and(|written| at < written + EVERY) {
            return None;
        }
        waiting.written_at = Some(at);
        let due: Vec<_> = waiting.devices.iter().copied().take(AT_ONCE).collect();
        for device in &due {
            waiting.devices.remove(device);
        }
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn devices_are_written_down_together_and_rarely() {
        let seen = Seen::default();
        let now = Timestamp(10 * STEP_MS);
        let (fresh, stale) = (Timestamp(now.0 - STEP_MS + 1), Timestamp(now.0 - STEP_MS));
        assert_eq!(seen.note(DeviceKey(1), fresh, now), None);
        assert_eq!(seen.note(DeviceKey(2), stale, now), Some(vec![DeviceKey(2)]));
        assert_eq!(seen.note(DeviceKey(3), stale, now), None);
        assert_eq!(seen.note(DeviceKey(3), stale, now), None);
        tokio::time::advance(EVERY).await;
        let mut due = seen.note(DeviceKey(4), stale, now).unwrap();
        due.sort_unstable();
        assert_eq!(due, [DeviceKey(3), DeviceKey(4)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_devices_is_bounded() {
        let seen = Seen::default();
        let (now, stale) = (Timestamp(10 * STEP_MS), Timestamp(0));
        assert_eq!(seen.note(DeviceKey(0), stale, now).unwrap().len(), 1);
        for device in 0..30_000 {
            assert_eq!(seen.note(DeviceKey(device), stale, now), None);
        }
        assert_eq!(seen.waiting.lock().devices.len(), MAX_WAITING);
        tokio::time::advance(EVERY).await;
        assert_eq!(seen.note(DeviceKey(1), stale, now).unwrap().len(), AT_ONCE);
        assert_eq!(seen.waiting.lock().devices.len(), MAX_WAITING - AT_ONCE);
    }
}
