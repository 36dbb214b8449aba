//! From how long requests wait to which part of them is refused.

use std::time::{Duration, Instant};

/// How long the line must stay long before anybody is refused: what RFC 8289 calls the interval.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long it must have been short before that is asked again.
pub(super) const CALM: Duration = Duration::from_secs(1);
/// Some are always taken: where refusing alone takes all the time there is, nothing would get done.
pub(super) const MOST: f64 = 0.98;
/// At so many times the bound nearly all are refused.
const ALL: f64 = 1.5;
/// The part of a new figure in the smoothed one.
const WEIGHT: f64 = 0.3;

/// Goes by the waits that it is shown, at the times that it is told.
#[derive(Debug)]
pub(super) struct Shedder {
    bound: f64,
    smoothed: f64,
    mode: Mode,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    /// All are taken. The line has been long since then, if it is.
    Calm { long_since: Option<Instant> },
    /// The line was long for the last time then.
    Shedding { long_at: Instant },
}

impl Shedder {
    pub(super) fn new(bound: Duration) -> Self {
        Self { bound: bound.as_secs_f64(), smoothed: 0.0, mode: Mode::Calm { long_since: None } }
    }

    pub(super) fn is_shedding(&self) -> bool {
        matches!(self.mode, Mode::Shedding { .. })
    }

    /// How long somebody may have waited whose turn it is.
    pub(super) fn patience(&self) -> Duration {
        if self.is_shedding() { Duration::from_secs_f64(self.bound * ALL) } else { Duration::MAX }
    }

    /// The wait is that now; which part of the requests is to be refused until the next time.
    pub(super) fn saw(&mut self, now: Instant, delay: Duration) -> f64 {
        let delay = delay.as_secs_f64();
        self.smoothed += WEIGHT * (delay - self.smoothed);
        let is_long = delay > self.bound;
        self.mode = match self.mode {
            Mode::Calm { .. } if !is_long => Mode::Calm { long_since: None },
            Mode::Calm { long_since } => {
                let since = long_since.unwrap_or(now);
                if now.saturating_duration_since(since) >= INTERVAL {
                    Mode::Shedding { long_at: now }
                } else {
                    Mode::Calm { long_since: Some(since) }
                }
            }
            Mode::Shedding { .. } if is_long => Mode::Shedding { long_at: now },
            Mode::Shedding { long_at } if now.saturating_duration_since(long_at) >= CALM => {
                Mode::Calm { long_since: None }
            }
            shedding => shedding,
        };
        match self.mode {
            Mode::Calm { .. } => 0.0,
            Mode::Shedding { .. } => ((self.smoothed / self.bound - 1.0) / (ALL - 1.0)).clamp(0.0, MOST),
        }
    }
}
