//! Backpressure while a roll runs.
//!
//! New events gather in memory during a roll, up to a limit. If they arrive faster than the roll proceeds, the
//! remaining room is spread over the expected rest of the roll. Each batch then waits a little, and none waits for the
//! whole rest.

use std::time::{Duration, Instant};

/// The earliest moment at which the next batch may be admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Now,
    In(Duration),
    /// After the roll has ended, whenever that is.
    Rolled,
}

/// The progress of a roll.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Sorted,
    /// This fraction of the events is in event files.
    Written(f64),
    /// This fraction of the events is in the summaries of their users.
    Summed(f64),
}

impl Step {
    /// Returns the fraction of a roll's time that has passed, as measured: an eighth ends with the sort, 0.575 is
    /// writing, and 0.3 is summing up the users.
    fn done(self) -> f64 {
        match self {
            Self::Sorted => 0.125,
            Self::Written(part) => 0.125 + 0.575 * part,
            Self::Summed(part) => 0.7 + 0.3 * part,
        }
    }
}

/// Tracks the speed of rolls.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// The usual size of a roll, in bytes.
    roll_bytes: usize,
    running: Option<Running>,
    /// The time per byte of the last roll, in seconds.
    last: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    began: Instant,
    bytes: usize,
    /// The time of the last progress, and the bytes gathered by then.
    seen: Instant,
    gathered: usize,
    /// The expected remaining time as of `seen`. `None` if it is unknown.
    rest: Option<Duration>,
}

impl Throttle {
    pub(crate) fn new(roll_bytes: usize) -> Self {
        Self { roll_bytes, ..Self::default() }
    }

    /// Records that a roll of `bytes` begins, or begins again after a failure.
    pub(crate) fn begin(&mut self, now: Instant, bytes: usize, gathered: usize) {
        let rest = self.last.map(|last| time(last * bytes as f64));
        self.running = Some(Running { began: now, bytes, seen: now, gathered, rest });
    }

    /// Records progress. The rest is expected to run at the speed of the last roll, or of this one if it is slower.
    pub(crate) fn step(&mut self, now: Instant, step: Step, gathered: usize) {
        if let Some(running) = &mut self.running {
            let done = step.done();
            let own = now.saturating_duration_since(running.began).as_secs_f64() / done;
            let whole = self.last.map_or(own, |last| own.max(last * running.bytes as f64));
            (running.seen, running.gathered, running.rest) = (now, gathered, Some(time(whole * (1.0 - done))));
        }
    }

    /// Records that the roll has ended.
    pub(crate) fn end(&mut self, now: Instant) {
        // A roll of a few events consists mostly of syncs, so its speed does not apply to others.
        if let Some(Running { began, bytes, .. }) = self.running.take()
            && bytes > self.roll_bytes / 2
        {
            self.last = Some(now.saturating_duration_since(began).as_secs_f64() / bytes as f64);
        }
    }

    /// Returns when the next batch may be admitted, given the bytes that have gathered. During a roll, the limit is one
    /// and a half times the usual size of a roll. Bytes that had gathered by the last progress, and at least an eighth
    /// of a roll, are admitted at once. The rest of the limit is spread evenly over the expected rest of the roll.
    pub(crate) fn room(&self, now: Instant, gathered: usize) -> Room {
        let Some(Running { seen, gathered: before, rest, .. }) = self.running else { return Room::Now };
        let all = self.roll_bytes.saturating_add(self.roll_bytes / 2);
        if gathered >= all {
            return Room::Rolled;
        }
        let Some(rest) = rest else { return Room::Now };
        let free = before.max(self.roll_bytes / 8);
        let part = gathered.saturating_sub(free) as f64 / all.saturating_sub(free).max(1) as f64;
        let (due, elapsed) = (rest.mul_f64(part), now.saturating_duration_since(seen));
        if due <= elapsed { Room::Now } else { Room::In(due - elapsed) }
    }
}

fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns a throttle after a roll of a hundred bytes that took ten seconds.
    fn after_first_roll(start: Instant) -> Throttle {
        let mut throttle = Throttle::new(100);
        throttle.begin(start, 100, 0);
        assert_eq!(throttle.room(start, 149), Room::Now, "the duration of the first roll is unknown");
        assert_eq!(throttle.room(start, 150), Room::Rolled);
        throttle.end(start + 10 * SECOND);
        throttle
    }

    #[test]
    fn spreads_admission_over_expected_roll_time() {
        let start = Instant::now();
        let (mut throttle, start) = (after_first_roll(start), start + 100 * SECOND);
        // Twice as many bytes take twice as long.
        throttle.begin(start, 200, 50);
        assert_eq!(throttle.room(start, 50), Room::Now);
        assert_eq!(throttle.room(start, 75), Room::In(5 * SECOND));
        assert_eq!(throttle.room(start + 4 * SECOND, 75), Room::In(SECOND));
        assert_eq!(throttle.room(start + 5 * SECOND, 75), Room::Now);
        assert_eq!(throttle.room(start + 5 * SECOND, 100), Room::In(5 * SECOND));
        assert_eq!(throttle.room(start + 20 * SECOND, 149), Room::Now);
        assert_eq!(throttle.room(start + 90 * SECOND, 150), Room::Rolled, "later than expected");
        throttle.end(start + 20 * SECOND);
        throttle.begin(start, 100, 0);
        assert_eq!(throttle.room(start, 12), Room::Now, "a little is free");
        assert!(matches!(throttle.room(start, 13), Room::In(_)));

        // A roll of a few events, started because of their age, takes long per byte.
        throttle.end(start + 20 * SECOND);
        throttle.begin(start, 1, 0);
        throttle.end(start + SECOND);
        throttle.begin(start, 100, 0);
        assert!(matches!(throttle.room(start, 149), Room::In(time) if time < 20 * SECOND));
    }

    #[test]
    fn slower_roll_spreads_remaining_room_over_longer_time() {
        let start = Instant::now();
        let (mut throttle, start) = (after_first_roll(start), start + 100 * SECOND);
        throttle.begin(start, 100, 0);
        // Half of the roll took as long as all of the last one.
        throttle.step(start + 10 * SECOND, Step::Written(0.375 / 0.575), 100);
        let room = |after: u32, gathered| throttle.room(start + after * SECOND, gathered);
        assert_eq!(room(10, 100), Room::Now, "a wrong forecast delays no batch");
        assert!(matches!(room(10, 125), Room::In(time) if time.abs_diff(5 * SECOND) < SECOND / 100));
        assert_eq!(room(16, 125), Room::Now);
        assert!(matches!(room(16, 149), Room::In(_)), "the rest stays until the end");
        // A faster roll is expected to slow down again.
        throttle.begin(start, 100, 0);
        throttle.step(start + SECOND, Step::Summed(0.0), 0);
        assert!(matches!(throttle.room(start + SECOND, 149), Room::In(time) if time > 2 * SECOND));
    }

    #[test]
    fn progress_increases_with_each_step() {
        let steps = [Step::Sorted, Step::Written(0.5), Step::Summed(0.5)].map(Step::done);
        assert!(steps.is_sorted() && steps[0] > 0.0 && steps[2] < 1.0);
        assert_eq!(Step::Sorted.done(), Step::Written(0.0).done());
        assert!((Step::Written(1.0).done() - Step::Summed(0.0).done()).abs() < 1e-9);
        assert!((Step::Summed(1.0).done() - 1.0).abs() < 1e-9);
    }
}
