//! The way to the queue of one project's store.

use std::{
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use martech_core::sink::SinkStats;

use super::{EVERY, alarm::Alarm, refusal, smoothed::Smoothed};
use crate::{
    error::ApiError,
    projects::{CONCURRENT_FLUSHES, MAX_BATCH},
};

/// What the store takes in its next round waits for its turn, and not because there is too much.
const ROUND: u64 = (CONCURRENT_FLUSHES * MAX_BATCH) as u64;
/// The same in bytes, of large events.
const MANY_BYTES: u64 = 16 << 20;
/// Whoever takes nothing for so long is stalled, or slow for a reason of its own.
const PROGRESS: Duration = Duration::from_millis(100);
/// The part of the places that is taken, on average, where there is too much and not just a burst.
const FULL: f64 = 0.5;

static PROCESSORS: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

/// Lets everybody through, and where there is too much no more than will not have to wait for long.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Requests whose body is here and whose events are not in the queue yet. How long bodies take is up to their senders.
    coming: AtomicUsize,
    /// So many may be.
    places: AtomicUsize,
    /// All that have come.
    came: AtomicU64,
    /// Somebody was refused since it was looked.
    refused: AtomicBool,
    /// Looked after by those who come, one at a time.
    keeper: Mutex<Keeper>,
}

/// Whoever has a place, until their events are in the queue, or will never be.
#[derive(Debug)]
pub(crate) struct Coming<'a>(&'a Gate);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.came.fetch_add(1, Ordering::Relaxed);
        self.0.coming.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            coming: AtomicUsize::new(0),
            places: AtomicUsize::new(usize::MAX),
            came: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            keeper: Mutex::default(),
        }
    }
}

impl Gate {
    /// Whether there is a place now: before a body is received. `line` is how long requests wait for a thread that parses
    /// them, and `stats` are those of the queue.
    pub(super) fn check(
        &self,
        bound: Duration,
        line: impl FnOnce(Instant) -> Duration,
        stats: impl FnOnce() -> SinkStats,
    ) -> Result<(), ApiError> {
        let coming = self.coming.load(Ordering::Relaxed);
        if let Ok(mut keeper) = self.keeper.try_lock() {
            let now = Instant::now();
            if keeper.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= EVERY) {
                let seen = Seen {
                    line: line(now),
                    queue: stats(),
                    coming,
                    came: self.came.load(Ordering::Relaxed),
                    refused: self.refused.swap(false, Ordering::Relaxed),
                };
                self.places.store(keeper.look(now, bound, &seen), Ordering::Relaxed);
            }
        }
        if coming < self.places.load(Ordering::Relaxed) { Ok(()) } else { Err(self.refuse()) }
    }

    /// Takes a place, if there still is one: when the body is here.
    pub(super) fn enter(&self) -> Result<Coming<'_>, ApiError> {
        if self.coming.fetch_add(1, Ordering::Relaxed) < self.places.load(Ordering::Relaxed) {
            return Ok(Coming(self));
        }
        self.coming.fetch_sub(1, Ordering::Relaxed);
        Err(self.refuse())
    }

    fn refuse(&self) -> ApiError {
        self.refused.store(true, Ordering::Relaxed);
        refusal()
    }
}

/// What there is to see when it is looked.
#[derive(Debug)]
struct Seen {
    line: Duration,
    queue: SinkStats,
    coming: usize,
    came: u64,
    refused: bool,
}

/// Decides how many may be on their way at once, by Little's law: what is on its way waits for no longer than the bound if it
/// is no more than what is stored in that time.
#[derive(Debug, Default)]
struct Keeper {
    looked: Option<Instant>,
    alarm: Alarm,
    stored: Rate,
    accepted: Rate,
    came: Rate,
    /// The part of the events that may be on their way that are.
    full: Smoothed,
}

impl Keeper {
    /// How many may be coming until the next time.
    fn look(&mut self, now: Instant, bound: Duration, seen: &Seen) -> usize {
        let time = now.saturating_duration_since(self.looked.replace(now).unwrap_or(now));
        let queue = &seen.queue;
        self.stored.saw(time, queue.accepted - queue.pending);
        self.accepted.saw(time, queue.accepted);
        self.came.saw(time, seen.came);
        let of_a_request = (self.accepted.per_second() / self.came.per_second()).max(1.0);
        let may_be = (self.stored.per_second() * bound.as_secs_f64()).max(ROUND as f64);
        let there_are = queue.pending as f64 + seen.coming as f64 * of_a_request;
        self.full.saw(time, (there_are / may_be).min(1.0));

        // Who comes in bursts is refused now and then, and between them nothing is on its way.
        let is_still_too_much = seen.refused && self.full.value() > FULL;
        self.alarm.saw(now, is_still_too_much || seen.line + wait(queue) > bound);
        if !self.alarm.is_on() {
            return usize::MAX;
        }
        let room = may_be - queue.pending as f64;
        if room <= 0.0 || queue.pending_bytes > MANY_BYTES {
            return 0;
        }
        // However large their bodies are, each processor has one to work on.
        ((room / of_a_request).ceil() as usize).max(*PROCESSORS)
    }
}

/// How long the queue keeps events waiting because more come than the store takes.
fn wait(queue: &SinkStats) -> Duration {
    let is_long = queue.pending > ROUND || queue.pending_bytes > MANY_BYTES;
    if is_long && queue.stalled < PROGRESS { queue.oldest } else { Duration::ZERO }
}

/// How fast something is counted up, smoothed.
#[derive(Debug, Default)]
struct Rate {
    count: u64,
    smoothed: Smoothed,
}

impl Rate {
    /// So many were counted, so long after the last time.
    fn saw(&mut self, time: Duration, count: u64) {
        let more = count.saturating_sub(self.count) as f64;
        self.count = count;
        if !time.is_zero() {
            self.smoothed.saw(time, more / time.as_secs_f64());
        }
    }

    fn per_second(&self) -> f64 {
        self.smoothed.value()
    }
}

#[cfg(test)]
mod tests;
