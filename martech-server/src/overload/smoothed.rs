//! A figure that does not jump.

use std::time::Duration;

/// It is smoothed over about this time.
const OVER: Duration = Duration::from_millis(200);

/// A figure, smoothed: what it was found to be holds since the time before.
#[derive(Debug, Default)]
pub(super) struct Smoothed {
    value: f64,
}

impl Smoothed {
    /// It is that now, so long after the last time.
    pub(super) fn saw(&mut self, time: Duration, value: f64) {
        let weight = -(-time.div_duration_f64(OVER)).exp_m1();
        self.value += weight * (value - self.value);
    }

    pub(super) fn value(&self) -> f64 {
        self.value
    }
}
