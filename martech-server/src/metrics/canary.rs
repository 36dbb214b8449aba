//! The event that a server writes for itself.

use std::time::Duration;

use martech_core::event::Timestamp;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, core::Collector};

use super::http::BUCKETS;

/// Counts its runs.
#[derive(Debug)]
pub(crate) struct CanaryMetrics {
    runs: IntCounterVec,
    came_back: IntCounter,
    failed: IntCounter,
    seconds: Histogram,
    last_success: Gauge,
    interval: Gauge,
}

impl CanaryMetrics {
    pub(super) fn new(every: Duration) -> Self {
        let opts = Opts::new(
            "martech_canary_runs_total",
            "Events that the server wrote for itself to read them back, by how that ended.",
        );
        let runs = IntCounterVec::new(opts, &["outcome"]).expect("the name is valid");
        let gauge = |name: &str, help: &str| Gauge::new(name, help).expect("the name is valid");
        let seconds = HistogramOpts::new(
            "martech_canary_duration_seconds",
            "Time from writing such an event until it was read back, of those that came back.",
        );
        let interval = gauge("martech_canary_interval_seconds", "How often that is done.");
        interval.set(every.as_secs_f64());
        Self {
            came_back: runs.with_label_values(&["ok"]),
            failed: runs.with_label_values(&["failed"]),
            runs,
            seconds: Histogram::with_opts(seconds.buckets(BUCKETS.to_vec())).expect("the name is valid"),
            last_success: gauge(
                "martech_canary_last_success_timestamp_seconds",
                "When such an event came back the last time, as seconds since 1970; 0 before the first time.",
            ),
            interval,
        }
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.runs.clone()),
            Box::new(self.seconds.clone()),
            Box::new(self.last_success.clone()),
            Box::new(self.interval.clone()),
        ]
    }

    pub(crate) fn came_back(&self, now: Timestamp, took: Duration) {
        self.came_back.inc();
        self.seconds.observe(took.as_secs_f64());
        self.last_success.set(now.millis() as f64 / 1000.0);
    }

    pub(crate) fn failed(&self) {
        self.failed.inc();
    }
}
