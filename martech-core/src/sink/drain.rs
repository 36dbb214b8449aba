//! Drain rate: how fast the store settles events, for the `retry_after` of refused pushes.

use std::time::Duration;

use tokio::time::Instant;

/// Time constant of the moving average.
const MEMORY: Duration = Duration::from_secs(5);
/// Estimate before the first measurement.
const UNKNOWN: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);

/// An exponentially weighted moving average of settled events per second. Idle time does not count.
#[derive(Debug)]
pub(super) struct DrainRate {
    per_second: Option<f64>,
    /// Time of the last settlement, or of the last change from idle to busy.
    mark: Instant,
}

impl DrainRate {
    pub(super) fn new(now: Instant) -> Self {
        Self { per_second: None, mark: now }
    }

    /// Restarts the measured interval when an idle sink receives an event.
    pub(super) fn busy(&mut self, now: Instant) {
        self.mark = now;
    }

    pub(super) fn settled(&mut self, events: usize, now: Instant) {
        let elapsed = now.saturating_duration_since(self.mark).max(Duration::from_micros(1)).as_secs_f64();
        self.mark = now;
        let current = events as f64 / elapsed;
        let average = self.per_second.get_or_insert(current);
        // Longer intervals get more weight, which makes the result independent of batch sizes.
        *average += (1.0 - (-elapsed / MEMORY.as_secs_f64()).exp()) * (current - *average);
    }

    pub(super) fn per_second(&self) -> f64 {
        self.per_second.unwrap_or(0.0)
    }

    /// Estimates the time until `events` more are settled. The estimate is at least the time since the last settlement:
    /// while the store is silent, repeated refusals report longer and longer waits.
    pub(super) fn time_for(&self, events: f64, now: Instant) -> Duration {
        let Some(rate) = self.per_second else { return UNKNOWN };
        let estimate = Duration::try_from_secs_f64(events / rate).unwrap_or(LONGEST);
        estimate.max(now.saturating_duration_since(self.mark)).clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_independent_of_batch_size() {
        for (events, millis) in [(100, 100), (1, 1), (5_000, 5_000)] {
            let start = Instant::now();
            let mut drain = DrainRate::new(start);
            drain.settled(10, start + Duration::from_secs(1));
            let mut now = start + Duration::from_secs(1);
            for _ in 0..30_000 / millis {
                now += Duration::from_millis(millis);
                drain.settled(events, now);
            }
            assert!((drain.per_second() - 1000.0).abs() < 10.0, "{}", drain.per_second());
            let wait = drain.time_for(500.0, now);
            assert!(wait.abs_diff(Duration::from_millis(500)) < Duration::from_millis(10), "{wait:?}");
        }
    }

    #[test]
    fn estimates_are_bounded_and_grow_while_store_stalls() {
        let now = Instant::now();
        let mut drain = DrainRate::new(now);
        assert_eq!(drain.time_for(1.0, now), UNKNOWN);
        drain.settled(1_000_000, now);
        assert_eq!(drain.time_for(1.0, now), SHORTEST);
        assert_eq!(drain.time_for(1.0, now + Duration::from_secs(7)), Duration::from_secs(7));
        assert_eq!(drain.time_for(1.0, now + Duration::from_secs(700)), LONGEST);
    }
}
