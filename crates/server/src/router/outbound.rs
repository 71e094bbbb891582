//! Outbound: one session's queue of frames, bounded; whoever does not read is closed and resumes from their cursor.
//!
//! Nothing is held while nothing waits. Invariant: memory per session stays below [`MAX_BYTES`] and one frame.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use stonechat_wire::close;

/// Bytes that may wait for a reader.
pub(crate) const MAX_BYTES: usize = 256 * 1024;
/// A close code that is never sent (RFC 6455, 7.4.1): the connection just ends.
pub(crate) const NO_CLOSE_FRAME: u16 = 1006;
/// Frames that may wait for a reader.
pub(crate) const MAX_FRAMES: u32 = 1_024;

#[derive(Default)]
pub(crate) struct Outbound {
    queue: Mutex<Queue>,
    waker: AtomicWaker,
    /// Bytes the session took and has not written yet.
    writing: AtomicU32,
    /// Nothing is sent any more, not even a goodbye.
    #[cfg(feature = "test-hooks")]
    silent: std::sync::atomic::AtomicBool,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    count: u32,
    end: Option<End>,
}

/// Why and how a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

impl Outbound {
    /// Puts `count` whole frames at the end. A full queue ends the session as a slow consumer.
    pub(crate) fn push(&self, frames: Bytes, count: u32) {
        let mut queue = self.queue.lock();
        if queue.end.is_some() || self.is_silent() {
            return;
        }
        let waiting = queue.bytes + self.writing.load(Ordering::Relaxed) as usize;
        // One batch of the writer may be larger than the bound: it is taken while nothing else waits.
        if waiting > 0 && (waiting + frames.len() > MAX_BYTES || queue.count + count > MAX_FRAMES) {
            queue
                .stop(End { code: close::SLOW_CONSUMER, reason: "reads too slowly; resume from the cursor" });
        } else {
            queue.bytes += frames.len();
            queue.count += count;
            queue.frames.push_back(frames);
            if queue.frames.len() > 1 {
                // The first one woke the session already.
                return;
            }
        }
        drop(queue);
        self.waker.wake();
    }

    /// Ends the session now: what waits is dropped, as after a revocation.
    pub(crate) fn end(&self, code: u16, reason: &'static str) {
        let mut queue = self.queue.lock();
        if queue.end.is_none() {
            queue.stop(End { code: self.spoken(code), reason });
        }
        drop(queue);
        self.waker.wake();
    }

    /// Ends the session after what waits is written.
    pub(crate) fn finish(&self, code: u16, reason: &'static str) {
        let mut queue = self.queue.lock();
        if queue.end.is_none() {
            queue.end = Some(End { code: self.spoken(code), reason });
        }
        drop(queue);
        self.waker.wake();
    }

    /// Whether nothing is sent any more although the connection is open: only a test brings that about.
    pub(crate) fn is_silent(&self) -> bool {
        #[cfg(feature = "test-hooks")]
        return self.silent.load(Ordering::Relaxed);
        #[cfg(not(feature = "test-hooks"))]
        false
    }

    /// The code to end with: whoever is silent does not say it.
    fn spoken(&self, code: u16) -> u16 {
        if self.is_silent() { NO_CLOSE_FRAME } else { code }
    }

    /// From now on nothing is sent, or what comes from now on is; what waited is lost.
    #[cfg(feature = "test-hooks")]
    pub(crate) fn set_silent(&self, silent: bool) {
        let mut queue = self.queue.lock();
        self.silent.store(silent, Ordering::Relaxed);
        if silent && queue.end.is_none() {
            *queue = Queue::default();
        }
    }

    /// Takes what waits, or the end once nothing does.
    pub(crate) fn poll_take(&self, context: &Context<'_>) -> Poll<Result<VecDeque<Bytes>, End>> {
        if let Poll::Ready(taken) = self.try_take() {
            return Poll::Ready(taken);
        }
        self.waker.register(context.waker());
        // Something may have come between the look and the registration.
        self.try_take()
    }

    fn try_take(&self) -> Poll<Result<VecDeque<Bytes>, End>> {
        let mut queue = self.queue.lock();
        if queue.frames.is_empty() {
            return queue.end.map_or(Poll::Pending, |end| Poll::Ready(Err(end)));
        }
        self.writing.store(u32::try_from(queue.bytes).unwrap_or(u32::MAX), Ordering::Relaxed);
        queue.bytes = 0;
        queue.count = 0;
        Poll::Ready(Ok(std::mem::take(&mut queue.frames)))
    }

    /// The session wrote so much of what it took.
    pub(crate) fn wrote(&self, left: usize) {
        self.writing.store(u32::try_from(left).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Waits for an end that does not wait for what is queued; for sessions that cannot write just now.
    pub(crate) fn poll_end(&self, context: &Context<'_>) -> Poll<End> {
        if let Some(end) = self.ended() {
            return Poll::Ready(end);
        }
        self.waker.register(context.waker());
        self.ended().map_or(Poll::Pending, Poll::Ready)
    }

    /// The end, if one was decided and nothing must be written before it.
    pub(crate) fn ended(&self) -> Option<End> {
        let queue = self.queue.lock();
        queue.end.filter(|_| queue.frames.is_empty())
    }
}

impl Queue {
    fn stop(&mut self, end: End) {
        self.frames = VecDeque::new();
        self.bytes = 0;
        self.count = 0;
        self.end = Some(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(outbound: &Outbound) -> Poll<Result<VecDeque<Bytes>, End>> {
        outbound.poll_take(&Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn i18_a_reader_that_falls_behind_is_ended_and_its_queue_dropped() {
        let outbound = Outbound::default();
        let frame = Bytes::from(vec![0; 60 * 1024]);
        for _ in 0..4 {
            outbound.push(frame.clone(), 1);
        }
        assert!(outbound.ended().is_none());
        outbound.push(frame, 1);
        assert!(matches!(take(&outbound), Poll::Ready(Err(End { code: close::SLOW_CONSUMER, .. }))));
    }

    #[test]
    fn i18_many_small_frames_are_too_much_as_well() {
        let outbound = Outbound::default();
        for _ in 0..=MAX_FRAMES {
            outbound.push(Bytes::from_static(b"x"), 1);
        }
        assert_eq!(outbound.ended().map(|end| end.code), Some(close::SLOW_CONSUMER));
    }

    #[test]
    fn i18_what_is_being_written_counts() {
        let outbound = Outbound::default();
        outbound.push(Bytes::from(vec![0; 200 * 1024]), 1);
        assert!(matches!(take(&outbound), Poll::Ready(Ok(_))));
        outbound.push(Bytes::from(vec![0; 100 * 1024]), 1);
        assert_eq!(outbound.ended().map(|end| end.code), Some(close::SLOW_CONSUMER));
    }

    #[test]
    fn what_waits_is_written_before_a_soft_end_and_dropped_by_a_hard_one() {
        let soft = Outbound::default();
        soft.push(Bytes::from_static(b"x"), 1);
        soft.finish(close::GOING_AWAY, "");
        assert!(matches!(take(&soft), Poll::Ready(Ok(_))));
        assert!(matches!(take(&soft), Poll::Ready(Err(_))));
        let hard = Outbound::default();
        hard.push(Bytes::from_static(b"x"), 1);
        hard.end(close::UNAUTHENTICATED, "");
        assert!(matches!(take(&hard), Poll::Ready(Err(_))));
    }
}
