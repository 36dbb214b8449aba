//! The sink builder: settings, injected parts, and the start of the flush slots.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

use super::{
    ConfigError, DeadLetter, EventSink, RetryPolicy, SinkConfig,
    dead_letter::DeadLetters,
    queue::Queue,
    shared::{Shared, SizeOf},
    worker::Worker,
};
use crate::{store::Store, sync};

/// Builds an [`EventSink`]; see [`SinkConfig`] for the settings and their defaults.
pub struct SinkBuilder<E> {
    config: SinkConfig,
    size_of: Option<Box<SizeOf<E>>>,
    dead_letters: DeadLetters<E>,
    seed: Option<u64>,
}

impl<E: Send + Sync + 'static> SinkBuilder<E> {
    pub(super) fn new() -> Self {
        Self { config: SinkConfig::default(), size_of: None, dead_letters: DeadLetters::default(), seed: None }
    }

    /// Replaces all settings.
    #[must_use]
    pub fn config(mut self, config: SinkConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets [`SinkConfig::max_batch`].
    #[must_use]
    pub fn max_batch(mut self, events: usize) -> Self {
        self.config.max_batch = events;
        self
    }

    /// Sets [`SinkConfig::flush_interval`].
    #[must_use]
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.config.flush_interval = interval;
        self
    }

    /// Sets [`SinkConfig::linger`].
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.config.linger = linger;
        self
    }

    /// Sets [`SinkConfig::min_concurrent_batch`].
    #[must_use]
    pub fn min_concurrent_batch(mut self, events: usize) -> Self {
        self.config.min_concurrent_batch = events;
        self
    }

    /// Sets [`SinkConfig::capacity`].
    #[must_use]
    pub fn capacity(mut self, events: usize) -> Self {
        self.config.capacity = events;
        self
    }

    /// Sets [`SinkConfig::capacity_bytes`].
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.config.capacity_bytes = bytes;
        self
    }

    /// Sets [`SinkConfig::max_concurrent_flushes`].
    #[must_use]
    pub fn max_concurrent_flushes(mut self, flushes: usize) -> Self {
        self.config.max_concurrent_flushes = flushes;
        self
    }

    /// Sets [`SinkConfig::retry`].
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.config.retry = policy;
        self
    }

    /// Sets the function that returns the size of an event in bytes, which counts towards
    /// [`SinkConfig::capacity_bytes`].
    ///
    /// The producer calls the function once for each pushed event, outside any lock. Without one, an event counts as
    /// `size_of::<E>()`, which excludes heap data.
    #[must_use]
    pub fn size_of(mut self, size_of: impl Fn(&E) -> usize + Send + Sync + 'static) -> Self {
        self.size_of = Some(Box::new(size_of));
        self
    }

    /// Sets the handler for accepted events that will not be stored. Without a handler, the sink logs them as errors
    /// and drops them.
    ///
    /// The handler runs on a flush slot, before the event's receipt is resolved, so keep it quick: pass the event to a
    /// channel or a file. Events with [`DeadLetterReason::Unclaimed`](super::DeadLetterReason::Unclaimed) are passed
    /// when the sink is dropped. If the handler panics, the sink logs the loss of that event and continues.
    #[must_use]
    pub fn dead_letters(mut self, handler: impl Fn(DeadLetter<E>) + Send + Sync + 'static) -> Self {
        self.dead_letters = DeadLetters::new(handler);
        self
    }

    /// Seeds the jitter of retries, which makes it repeatable.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts the sink in front of `store`.
    ///
    /// Must be called inside a tokio runtime with time enabled; that runtime runs the flush slots. The sink is poisoned
    /// if the runtime ends before the sink is closed.
    ///
    /// # Errors
    /// Returns [`ConfigError`] when a setting is invalid, or when no runtime is running.
    pub fn build<S: Store<E>>(self, store: S) -> Result<EventSink<E>, ConfigError> {
        self.config.validate()?;
        let runtime = sync::Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        let mut random = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);

        let work = Arc::new(Notify::new());
        let queue = Queue::new(&self.config, work.clone(), Instant::now());
        let shared = Arc::new(Shared::new(queue, work, self.size_of, self.dead_letters));
        let store = Arc::new(store);
        for _ in 0..self.config.max_concurrent_flushes {
            let worker = Worker::new(shared.clone(), store.clone(), self.config.retry.clone(), random.fork());
            runtime.spawn(worker.run());
        }
        Ok(EventSink::new(shared))
    }
}

impl<E> fmt::Debug for SinkBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
