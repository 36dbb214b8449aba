//! The queue of one project's store.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use martech_core::sink::SinkStats;

use super::{EVERY, Valve, shedder::Shedder};
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

/// Lets events through to a queue that does not keep them waiting.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    valve: Valve,
    /// Looked after by those who come, one at a time.
    keeper: Mutex<Keeper>,
}

#[derive(Debug, Default)]
struct Keeper {
    looked: Option<Instant>,
    shedder: Option<Shedder>,
}

impl Gate {
    pub(super) fn admit(&self, bound: Duration, stats: impl FnOnce() -> SinkStats) -> Result<(), ApiError> {
        if let Ok(mut keeper) = self.keeper.try_lock() {
            let now = Instant::now();
            if keeper.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= EVERY) {
                keeper.looked = Some(now);
                let shedder = keeper.shedder.get_or_insert_with(|| Shedder::new(bound));
                self.valve.set(shedder, now, delay(&stats()));
            }
        }
        self.valve.admit()
    }
}

/// How long the queue keeps events waiting because more come than the store takes.
fn delay(sink: &SinkStats) -> Duration {
    let is_long = sink.pending > ROUND || sink.pending_bytes > MANY_BYTES;
    if is_long && sink.stalled < PROGRESS { sink.oldest } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_too_long_where_the_store_goes_on_and_cannot_keep_up() {
        let mut sink = SinkStats::default();
        let ms = Duration::from_millis;
        (sink.pending, sink.oldest, sink.stalled) = (ROUND, ms(900), ms(20));
        assert_eq!(delay(&sink), Duration::ZERO, "a store that takes long for each batch");
        sink.pending += 1;
        assert_eq!(delay(&sink), ms(900));
        sink.stalled = PROGRESS;
        assert_eq!(delay(&sink), Duration::ZERO, "a disk that stalls");
        (sink.pending, sink.pending_bytes, sink.stalled) = (500, MANY_BYTES + 1, ms(20));
        assert_eq!(delay(&sink), ms(900), "large events");
    }

    #[test]
    fn the_gate_closes_and_opens_as_people_come() {
        let (gate, bound) = (Gate::default(), Duration::from_millis(5));
        let mut sink = SinkStats::default();
        (sink.pending, sink.oldest) = (ROUND * 2, Duration::from_millis(300));
        let end = Instant::now() + Duration::from_secs(60);
        assert!(gate.admit(bound, || sink).is_ok());
        while gate.admit(bound, || sink).is_ok() {
            assert!(Instant::now() < end);
        }
        let refused = (0..1_000).filter(|_| gate.admit(bound, || sink).is_err()).count();
        assert!(refused > 900, "{refused}");
        sink.pending = 10;
        while gate.valve.refused.load(std::sync::atomic::Ordering::Relaxed) > 0 {
            let _ = gate.admit(bound, || sink);
            assert!(Instant::now() < end);
        }
        assert!((0..1_000).all(|_| gate.admit(bound, || sink).is_ok()));
    }
}
