//! From how long a thread keeps requests waiting to which part of them is refused.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use super::alarm::Alarm;

/// Some are always taken: where refusing alone takes all the time there is, nothing would get done.
pub(super) const MOST: f64 = 0.98;
/// At so many times the bound nearly all are refused.
const ALL: f64 = 1.5;
/// The part of a new figure in the smoothed one.
const WEIGHT: f64 = 0.3;

/// Lets through as many as it was last set to.
#[derive(Debug, Default)]
pub(super) struct Valve {
    /// How many of 2³² requests are refused now.
    refused: AtomicU32,
}

impl Valve {
    pub(super) fn lets_through(&self) -> bool {
        let refused = self.refused.load(Ordering::Relaxed);
        refused == 0 || draw() >= refused
    }

    /// From now on this part is refused.
    pub(super) fn refuse(&self, part: f64) {
        self.refused.store((part * f64::from(u32::MAX)) as u32, Ordering::Relaxed);
    }
}

/// Goes by the waits that it is shown, at the times that it is told.
#[derive(Debug)]
pub(super) struct Shedder {
    bound: f64,
    smoothed: f64,
    alarm: Alarm,
}

impl Shedder {
    pub(super) fn new(bound: Duration) -> Self {
        Self { bound: bound.as_secs_f64(), smoothed: 0.0, alarm: Alarm::default() }
    }

    /// The wait is that now; which part of the requests is to be refused until the next time.
    pub(super) fn saw(&mut self, now: Instant, delay: Duration) -> f64 {
        let delay = delay.as_secs_f64();
        self.smoothed += WEIGHT * (delay - self.smoothed);
        self.alarm.saw(now, delay > self.bound);
        if self.alarm.is_on() { ((self.smoothed / self.bound - 1.0) / (ALL - 1.0)).clamp(0.0, MOST) } else { 0.0 }
    }
}

/// Any number, as likely as any other.
fn draw() -> u32 {
    use std::cell::Cell;
    thread_local! {
        // Where each thread begins is of no importance, but they should not all begin alike.
        static STATE: Cell<u64> = Cell::new(xxhash_rust::xxh3::xxh3_64(format!("{:?}", std::thread::current().id()).as_bytes()));
    }
    // SplitMix64, by Guy Steele, Doug Lea and Christine Flood.
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 32) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{EVERY, alarm::CALM},
        *,
    };

    const BOUND: Duration = Duration::from_millis(40);

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Shows a shedder the same wait for so long; what it refuses in the end, and the time then.
    fn show(shedder: &mut Shedder, mut now: Instant, delay: Duration, time: Duration) -> (f64, Instant) {
        let end = now + time;
        let mut refused = 0.0;
        while now < end {
            now += EVERY;
            refused = shedder.saw(now, delay);
        }
        (refused, now)
    }

    #[test]
    fn short_waits_and_bursts_refuse_nobody() {
        let mut shedder = Shedder::new(BOUND);
        let mut now = Instant::now();
        for _ in 0..20 {
            let (refused, then) = show(&mut shedder, now, ms(40), ms(500));
            assert_eq!(refused, 0.0, "that is what may be");
            // A burst that is over before the interval is.
            let (refused, then) = show(&mut shedder, then, ms(1_000), ms(100));
            assert_eq!(refused, 0.0);
            now = then;
        }
    }

    #[test]
    fn a_line_that_stays_long_refuses_and_the_longer_the_more() {
        let mut shedder = Shedder::new(BOUND);
        let (refused, now) = show(&mut shedder, Instant::now(), ms(200), ms(150));
        assert_eq!(refused, MOST, "within a moment");
        let (refused, now) = show(&mut shedder, now, ms(50), ms(500));
        assert!((0.45..0.55).contains(&refused), "{refused}");
        let (refused, now) = show(&mut shedder, now, ms(41), ms(500));
        assert!((0.0..0.1).contains(&refused), "{refused}");
        // As soon as it is short, all are taken.
        let (refused, now) = show(&mut shedder, now, ms(1), ms(20));
        assert_eq!(refused, 0.0);
        assert!(shedder.alarm.is_on(), "without another interval, should it come back at once");
        let (refused, now) = show(&mut shedder, now, ms(60), ms(50));
        assert!(refused > 0.5, "{refused}");
        let (_, now) = show(&mut shedder, now, ms(1), CALM + EVERY);
        assert!(!shedder.alarm.is_on());
        assert_eq!(show(&mut shedder, now, ms(60), ms(50)).0, 0.0, "then it takes an interval again");
    }

    /// A server in a few lines: what comes waits, is taken or refused, and each costs its time.
    #[test]
    fn ten_times_too_much_waits_no_longer_than_one_and_a_half_times_the_bound() {
        let (taking, refusing) = (ms(1).as_secs_f64(), ms(1).as_secs_f64() / 40.0);
        let mut shedder = Shedder::new(BOUND);
        let start = Instant::now();
        let (mut refused, mut wait, mut longest, mut taken) = (0.0, 0.0_f64, 0.0_f64, 0.0);
        for step in 1..=2_000 {
            let came = 10.0 / taking * EVERY.as_secs_f64();
            // By the middle of this time ten times too much comes no more.
            let came = if step < 1_000 { came } else { came / 20.0 };
            wait += came * (1.0 - refused) * taking + came * refused * refusing;
            wait = (wait - EVERY.as_secs_f64()).max(0.0);
            if step < 1_000 {
                taken += came * (1.0 - refused);
            }
            // What came before anybody was refused is done by then.
            if (400..1_000).contains(&step) {
                longest = longest.max(wait);
            }
            refused = shedder.saw(start + EVERY * step, Duration::from_secs_f64(wait));
        }
        assert!(longest < 1.5 * BOUND.as_secs_f64(), "{longest}");
        let could = 1_000.0 * EVERY.as_secs_f64() / taking;
        assert!(taken > 0.5 * could, "{taken} of {could} were taken");
        assert_eq!((refused, wait, shedder.alarm.is_on()), (0.0, 0.0, false), "back to normal");
    }

    #[test]
    fn draws_are_even() {
        let below = (0..100_000).filter(|_| draw() < u32::MAX / 10).count();
        assert!((9_000..11_000).contains(&below), "{below}");
    }
}
