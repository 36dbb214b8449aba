//! Sink settings. The builder holds the injected parts.

use std::time::Duration;

use super::RetryPolicy;
use crate::setters::setters;

/// Settings of an [`EventSink`](super::EventSink).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkConfig {
    /// Number of events at which a batch is sealed; default 2,000. Values above `capacity` have the effect of
    /// `capacity`.
    pub max_batch: usize,
    /// Longest time that the oldest event of a batch waits before a free flush slot takes the batch; default 200 ms.
    /// Zero flushes as soon as a slot is free.
    pub flush_interval: Duration,
    /// Time that a batch gathers events while no caller awaits a receipt of one of them, if that is longer than
    /// `flush_interval`; default zero. Larger batches cost the store less, and a crash loses that much more of the
    /// events whose receipts nobody awaits.
    ///
    /// The linger of a batch ends at once when a caller awaits a receipt, an [awaited](super::EventSink::awaited)
    /// handle pushes, the batch is full, the sink is full, or on `flush` and `close`.
    pub linger: Duration,
    /// Number of events from which a batch is flushed while another one is being appended; default 1. A smaller batch
    /// gathers events until that append ends or waits for a retry. Set this for a store that handles one batch at a
    /// time faster than several small ones. Batches that are full or that `flush` or `close` requested do not wait.
    pub min_concurrent_batch: usize,
    /// Maximum number of events in the sink, waiting or being appended; default 10,000.
    pub capacity: usize,
    /// Maximum size of those events in bytes, as measured by the builder's `size_of`; default 64 MiB.
    pub capacity_bytes: usize,
    /// Maximum number of batches appended at the same time; default 3.
    pub max_concurrent_flushes: usize,
    /// Retry policy for appends that the store asks to retry.
    pub retry: RetryPolicy,
}

impl Default for SinkConfig {
    fn default() -> Self {
        Self {
            max_batch: 2_000,
            flush_interval: Duration::from_millis(200),
            linger: Duration::ZERO,
            min_concurrent_batch: 1,
            capacity: 10_000,
            capacity_bytes: 64 << 20,
            max_concurrent_flushes: 3,
            retry: RetryPolicy::default(),
        }
    }
}

setters! {
    SinkConfig {
        max_batch: usize,
        flush_interval: Duration,
        linger: Duration,
        min_concurrent_batch: usize,
        capacity: usize,
        capacity_bytes: usize,
        max_concurrent_flushes: usize,
        retry: RetryPolicy,
    }
}

impl SinkConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let counts = [
            ("max_batch", self.max_batch),
            ("min_concurrent_batch", self.min_concurrent_batch),
            ("capacity", self.capacity),
            ("capacity_bytes", self.capacity_bytes),
            ("max_concurrent_flushes", self.max_concurrent_flushes),
        ];
        if let Some((setting, _)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::Zero(setting));
        }
        let RetryPolicy { initial, max, .. } = self.retry;
        if initial.is_zero() || max < initial {
            return Err(ConfigError::Backoff { initial, max });
        }
        Ok(())
    }
}

/// Error for invalid sink settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The named setting is zero and must be at least 1.
    #[error("`{0}` must be at least 1")]
    Zero(&'static str),
    /// The first retry delay is zero, or longer than the longest delay.
    #[error("the first retry delay must be above zero and at most the longest delay: {initial:?}, {max:?}")]
    Backoff {
        /// `retry.initial`
        initial: Duration,
        /// `retry.max`
        max: Duration,
    },
    /// No tokio runtime is running.
    #[error("a sink must be built inside a tokio runtime")]
    NoRuntime,
}
