//! While a roll runs, new events gather in memory, and there is room for so many and not more. Where they come faster than the roll
//! gets on, they are given that room bit by bit: each waits a little, and none for the whole rest of the roll.

use std::time::{Duration, Instant};

/// When the next batch may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Now,
    In(Duration),
    /// When the roll has ended, whenever that is.
    Rolled,
}

/// What a roll has done last. Each step takes the part of its time up to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Sorted,
    /// This part of the events is in files.
    Written(f64),
    /// This part of the events is in the sums of their users.
    Summed(f64),
}

impl Step {
    /// How much of a roll is done with it, as measured: an eighth goes by until all is sorted, over half until all is written.
    fn done(self) -> f64 {
        match self {
            Self::Sorted => 0.125,
            Self::Written(part) => 0.125 + 0.575 * part,
            Self::Summed(part) => 0.7 + 0.3 * part,
        }
    }
}

/// How rolls get on.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// What is rolled at once, usually.
    roll_bytes: usize,
    running: Option<Running>,
    /// What the last one took for a byte, in seconds.
    last: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    began: Instant,
    bytes: usize,
    /// When it was last heard of, and what had gathered by then.
    seen: Instant,
    gathered: usize,
    /// How long the rest of it should take from then on; `None` where nobody knows.
    rest: Option<Duration>,
}

impl Pace {
    pub(super) fn new(roll_bytes: usize) -> Self {
        Self { roll_bytes, ..Self::default() }
    }

    /// A roll over so many bytes begins, or is tried again.
    pub(super) fn begin(&mut self, now: Instant, bytes: usize, gathered: usize) {
        let rest = self.last.map(|last| time(last * bytes as f64));
        self.running = Some(Running { began: now, bytes, seen: now, gathered, rest });
    }

    /// It has come so far. The rest is taken to go as fast as the last roll did, or as slowly as this one, should that be slower.
    pub(super) fn step(&mut self, now: Instant, step: Step, gathered: usize) {
        if let Some(running) = &mut self.running {
            let done = step.done();
            let own = now.saturating_duration_since(running.began).as_secs_f64() / done;
            let whole = self.last.map_or(own, |last| own.max(last * running.bytes as f64));
            (running.seen, running.gathered, running.rest) = (now, gathered, Some(time(whole * (1.0 - done))));
        }
    }

    /// It has come to its end.
    pub(super) fn end(&mut self, now: Instant) {
        // One of a few events is mostly syncs, and says nothing of others.
        if let Some(Running { began, bytes, .. }) = self.running.take()
            && bytes > self.roll_bytes / 2
        {
            self.last = Some(now.saturating_duration_since(began).as_secs_f64() / bytes as f64);
        }
    }

    /// The room of those that come while a roll runs, of whom so many bytes are there: as much as makes a roll, and half of that.
    /// A little is free; what is left is given out evenly over the rest of the roll.
    pub(super) fn room(&self, now: Instant, gathered: usize) -> Room {
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

    /// One after a roll of a hundred bytes that took ten seconds.
    fn paced(start: Instant) -> Pace {
        let mut pace = Pace::new(100);
        pace.begin(start, 100, 0);
        assert_eq!(pace.room(start, 149), Room::Now, "how long the first one takes nobody knows");
        assert_eq!(pace.room(start, 150), Room::Rolled);
        pace.end(start + 10 * SECOND);
        pace
    }

    #[test]
    fn room_is_given_out_over_the_time_of_a_roll() {
        let start = Instant::now();
        let (mut pace, start) = (paced(start), start + 100 * SECOND);
        // Twice as much takes twice as long.
        pace.begin(start, 200, 50);
        assert_eq!(pace.room(start, 50), Room::Now);
        assert_eq!(pace.room(start, 75), Room::In(5 * SECOND));
        assert_eq!(pace.room(start + 4 * SECOND, 75), Room::In(SECOND));
        assert_eq!(pace.room(start + 5 * SECOND, 75), Room::Now);
        assert_eq!(pace.room(start + 5 * SECOND, 100), Room::In(5 * SECOND));
        assert_eq!(pace.room(start + 20 * SECOND, 149), Room::Now);
        assert_eq!(pace.room(start + 90 * SECOND, 150), Room::Rolled, "later than it should be");
        pace.end(start + 20 * SECOND);
        pace.begin(start, 100, 0);
        assert_eq!(pace.room(start, 12), Room::Now, "a little is free");
        assert!(matches!(pace.room(start, 13), Room::In(_)));

        // A roll of a few events because of their age takes long for a byte.
        pace.end(start + 20 * SECOND);
        pace.begin(start, 1, 0);
        pace.end(start + SECOND);
        pace.begin(start, 100, 0);
        assert!(matches!(pace.room(start, 149), Room::In(time) if time < 20 * SECOND));
    }

    #[test]
    fn a_roll_that_is_slower_than_the_last_gives_out_what_is_left_more_slowly() {
        let start = Instant::now();
        let (mut pace, start) = (paced(start), start + 100 * SECOND);
        pace.begin(start, 100, 0);
        // Half of it took as long as all of the last one.
        pace.step(start + 10 * SECOND, Step::Written(0.375 / 0.575), 100);
        let room = |after: u32, gathered| pace.room(start + after * SECOND, gathered);
        assert_eq!(room(10, 100), Room::Now, "nobody waits for what was foreseen wrongly");
        assert!(matches!(room(10, 125), Room::In(time) if time.abs_diff(5 * SECOND) < SECOND / 100));
        assert_eq!(room(16, 125), Room::Now);
        assert!(matches!(room(16, 149), Room::In(_)), "some is left until its end");
        // One that is faster is taken to slow down again.
        pace.begin(start, 100, 0);
        pace.step(start + SECOND, Step::Summed(0.0), 0);
        assert!(matches!(pace.room(start + SECOND, 149), Room::In(time) if time > 2 * SECOND));
    }

    #[test]
    fn steps_follow_each_other() {
        let steps = [Step::Sorted, Step::Written(0.5), Step::Summed(0.5)].map(Step::done);
        assert!(steps.is_sorted() && steps[0] > 0.0 && steps[2] < 1.0);
        assert_eq!(Step::Sorted.done(), Step::Written(0.0).done());
        assert!((Step::Written(1.0).done() - Step::Summed(0.0).done()).abs() < 1e-9);
        assert!((Step::Summed(1.0).done() - 1.0).abs() < 1e-9);
    }
}
