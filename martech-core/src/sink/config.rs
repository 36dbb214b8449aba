//! Settings, apart from the parts that a builder injects.

use std::time::Duration;

use super::RetryPolicy;

/// The settings of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkConfig {
    /// A batch is sealed when it holds this many events; 2,000. No more than `capacity` has effect.
    pub max_batch: usize,
    /// A batch is flushed when its oldest event has waited this long and a flush slot is free; 200 ms.
    /// Zero: as soon as a flush slot is free.
    pub flush_interval: Duration,
    /// How many events the sink holds, waiting or being appended; 10,000.
    pub capacity: usize,
    /// How many bytes those may be, as the builder's `size_of` counts them; 64 MiB.
    pub capacity_bytes: usize,
    /// How many batches are appended at once; 3.
    pub max_concurrent_flushes: usize,
    /// What to do when the store says "retry".
    pub retry: RetryPolicy,
}

impl Default for SinkConfig {
    fn default() -> Self {
        Self {
            max_batch: 2_000,
            flush_interval: Duration::from_millis(200),
            capacity: 10_000,
            capacity_bytes: 64 << 20,
            max_concurrent_flushes: 3,
            retry: RetryPolicy::default(),
        }
    }
}

impl SinkConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let counts = [
            ("max_batch", self.max_batch),
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

/// A sink cannot be built so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting that counts something is zero.
    #[error("`{0}` must be at least 1")]
    Zero(&'static str),
    /// The delays between retries do not make sense.
    #[error("the first retry delay must be above zero and no more than the longest: {initial:?}, {max:?}")]
    Backoff {
        /// `retry.initial`
        initial: Duration,
        /// `retry.max`
        max: Duration,
    },
    /// There is no tokio runtime around the call.
    #[error("a sink must be built inside a tokio runtime")]
    NoRuntime,
}
