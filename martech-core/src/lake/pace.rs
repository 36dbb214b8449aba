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

/// How rolls get on.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The one that runs: since when, and over how many bytes.
    running: Option<(Instant, usize)>,
    /// What the last one took for a byte, in seconds.
    last: Option<f64>,
}

impl Pace {
    /// A roll begins, or is tried again.
    pub(super) fn begin(&mut self, now: Instant, bytes: usize) {
        self.running = Some((now, bytes));
    }

    /// It has come to its end.
    pub(super) fn end(&mut self, now: Instant) {
        if let Some((began, bytes)) = self.running.take() {
            self.last = Some(now.saturating_duration_since(began).as_secs_f64() / bytes.max(1) as f64);
        }
    }

    /// The room of those that come while a roll runs, of whom so many bytes are there: as much as makes a roll, and half of that.
    /// A third is free; the rest is given out over the time that the roll should take.
    pub(super) fn room(&self, now: Instant, gathered: usize, roll_bytes: usize) -> Room {
        let free = roll_bytes / 2;
        if gathered >= roll_bytes.saturating_add(free) {
            return Room::Rolled;
        }
        let (Some((began, bytes)), Some(last)) = (self.running, self.last) else { return Room::Now };
        let part = gathered.saturating_sub(free) as f64 / roll_bytes as f64;
        let due = Duration::try_from_secs_f64(last * bytes as f64 * part).unwrap_or_default();
        let elapsed = now.saturating_duration_since(began);
        if due <= elapsed { Room::Now } else { Room::In(due - elapsed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_out_over_the_time_of_a_roll() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut pace = Pace::default();
        pace.begin(start, 100);
        assert_eq!(pace.room(start, 149, 100), Room::Now, "how long the first one takes nobody knows");
        assert_eq!(pace.room(start, 150, 100), Room::Rolled);
        pace.end(start + 10 * second);

        // Twice as much takes twice as long.
        let start = start + 100 * second;
        pace.begin(start, 200);
        assert_eq!(pace.room(start, 50, 100), Room::Now);
        assert_eq!(pace.room(start, 75, 100), Room::In(5 * second));
        assert_eq!(pace.room(start + 4 * second, 75, 100), Room::In(second));
        assert_eq!(pace.room(start + 5 * second, 75, 100), Room::Now);
        assert_eq!(pace.room(start + 5 * second, 100, 100), Room::In(5 * second));
        assert_eq!(pace.room(start + 19 * second, 149, 100), Room::In(Duration::from_millis(800)));
        assert_eq!(pace.room(start + 20 * second, 149, 100), Room::Now);
        assert_eq!(pace.room(start + 90 * second, 150, 100), Room::Rolled, "later than it should be");
    }
}
