//! Whether a wait has been long for so long that it is no burst any more.

use std::time::{Duration, Instant};

/// How long the line must stay long: what RFC 8289 calls the interval.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long it must have been short before that is asked again.
pub(super) const CALM: Duration = Duration::from_secs(1);

/// Off at first.
#[derive(Debug, Default)]
pub(super) enum Alarm {
    #[default]
    Off,
    /// The line is long, and has been since then.
    Near(Instant),
    /// The line was long for the last time then.
    On(Instant),
}

impl Alarm {
    pub(super) fn is_on(&self) -> bool {
        matches!(self, Self::On(_))
    }

    /// The line is long now, or is not.
    pub(super) fn saw(&mut self, now: Instant, is_long: bool) {
        *self = match *self {
            Self::Off if is_long => Self::Near(now),
            Self::Near(since) if is_long && now.saturating_duration_since(since) >= INTERVAL => Self::On(now),
            Self::Near(since) if is_long => Self::Near(since),
            Self::Off | Self::Near(_) => Self::Off,
            Self::On(_) if is_long => Self::On(now),
            Self::On(at) if now.saturating_duration_since(at) >= CALM => Self::Off,
            Self::On(at) => Self::On(at),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line is long or short for so long, looked at every five milliseconds; the time then.
    fn show(alarm: &mut Alarm, mut now: Instant, is_long: bool, time: Duration) -> Instant {
        let end = now + time;
        while now < end {
            now += Duration::from_millis(5);
            alarm.saw(now, is_long);
        }
        now
    }

    #[test]
    fn a_burst_raises_none_and_a_line_that_stays_long_does() {
        let (mut alarm, ms) = (Alarm::default(), Duration::from_millis);
        let mut now = Instant::now();
        for _ in 0..20 {
            now = show(&mut alarm, now, true, ms(100));
            assert!(!alarm.is_on(), "a burst that is over before the interval is");
            now = show(&mut alarm, now, false, ms(5));
        }
        now = show(&mut alarm, now, true, ms(110));
        assert!(alarm.is_on());
        now = show(&mut alarm, now, false, CALM - ms(5));
        assert!(alarm.is_on(), "should it come back at once, without another interval");
        now = show(&mut alarm, now, true, ms(5));
        now = show(&mut alarm, now, false, CALM);
        assert!(!alarm.is_on());
        show(&mut alarm, now, true, ms(100));
        assert!(!alarm.is_on(), "then it takes an interval again");
    }
}
