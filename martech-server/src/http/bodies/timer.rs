//! Timeouts and minimum rate of a body.

use std::time::Duration;

use tokio::time::Instant;

use super::BodyLimits;
use crate::http::error::{ApiError, catalogue};

/// Timer of one body, measured from the first wait for it.
#[derive(Debug)]
pub(super) struct BodyTimer {
    started: Instant,
    progress: Instant,
    received: u64,
    idle: Duration,
    total: Duration,
    rate: u64,
}

impl BodyTimer {
    pub(super) fn new(limits: &BodyLimits) -> Self {
        let BodyLimits { idle, total, rate, .. } = *limits;
        let now = Instant::now();
        Self { started: now, progress: now, received: 0, idle, total, rate }
    }

    pub(super) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
        self.progress = Instant::now();
    }

    /// Lowers the idle timeout to at most `idle`.
    pub(super) fn hurry(&mut self, idle: Duration) {
        self.idle = self.idle.min(idle);
    }

    /// Returns how long the next bytes may take.
    pub(super) fn remaining(&self) -> Duration {
        self.allowed().saturating_sub(self.started.elapsed()).min(self.idle)
    }

    /// Returns the error for a body that took longer.
    pub(super) fn error(&self) -> ApiError {
        let earned = self.earned();
        if earned < self.total && earned <= self.started.elapsed() && self.progress.elapsed() < self.idle {
            return catalogue::body_too_slow(self.rate);
        }
        catalogue::body_timeout()
    }

    fn allowed(&self) -> Duration {
        self.total.min(self.earned())
    }

    /// Returns the time that the received bytes have earned, plus one idle timeout, because a body may stall at any
    /// time, for example from a phone in a tunnel.
    fn earned(&self) -> Duration {
        match self.received.checked_div(self.rate) {
            Some(seconds) => self.idle.saturating_add(Duration::from_secs(seconds)),
            None => Duration::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receives `bytes` bytes per second, and returns the error and the seconds until it.
    async fn at(bytes: usize) -> (String, u64) {
        let (idle, total) = (Duration::from_secs(15), Duration::from_secs(120));
        let limits = BodyLimits { single: 0, batch: 0, in_flight: 0, idle, total, rate: 1024 };
        let mut timer = BodyTimer::new(&limits);
        let started = Instant::now();
        let step = Duration::from_secs(1);
        while timer.remaining() >= step {
            tokio::time::advance(step).await;
            timer.received(bytes);
        }
        tokio::time::advance(timer.remaining()).await;
        (format!("{:?}", timer.error()), started.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn rejects_a_trickling_body_before_the_total_timeout() {
        let (error, after) = at(1).await;
        assert!(error.contains("body_too_slow"), "{error}");
        assert_eq!(after, 15);
        let (error, after) = at(1200).await;
        assert!(error.contains("body_timeout"), "{error}");
        assert_eq!(after, 120);
    }
}
