//! Puts a sink together: settings, the parts that an application injects, and the flush slots.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

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

    /// All settings at once.
    #[must_use]
    pub fn config(mut self, config: SinkConfig) -> Self {
        self.config = config;
        self
    }

    /// [`SinkConfig::max_batch`]
    #[must_use]
    pub fn max_batch(mut self, events: usize) -> Self {
        self.config.max_batch = events;
        self
    }

    /// [`SinkConfig::flush_interval`]
    #[must_use]
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.config.flush_interval = interval;
        self
    }

    /// [`SinkConfig::capacity`]
    #[must_use]
    pub fn capacity(mut self, events: usize) -> Self {
        self.config.capacity = events;
        self
    }

    /// [`SinkConfig::capacity_bytes`]
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.config.capacity_bytes = bytes;
        self
    }

    /// [`SinkConfig::max_concurrent_flushes`]
    #[must_use]
    pub fn max_concurrent_flushes(mut self, flushes: usize) -> Self {
        self.config.max_concurrent_flushes = flushes;
        self
    }

    /// [`SinkConfig::retry`]
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.config.retry = policy;
        self
    }

    /// How many bytes an event takes, for `capacity_bytes`. Called once per event, by the producer, outside any lock.
    /// Without it an event counts as `size_of::<E>()`, which leaves out what it owns on the heap.
    #[must_use]
    pub fn size_of(mut self, size_of: impl Fn(&E) -> usize + Send + Sync + 'static) -> Self {
        self.size_of = Some(Box::new(size_of));
        self
    }

    /// Where events go that were accepted and will not be stored. Without it they are logged as errors and dropped.
    ///
    /// The handler runs on a flush slot before the event's receipt is resolved, so it should be quick: hand the event
    /// to a channel or a file. If it panics, that event is lost, which is logged; the sink goes on.
    #[must_use]
    pub fn dead_letters(mut self, handler: impl Fn(DeadLetter<E>) + Send + Sync + 'static) -> Self {
        self.dead_letters = DeadLetters::new(handler);
        self
    }

    /// Makes the jitter of retries repeatable.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts the sink in front of a store.
    ///
    /// Must be called inside a tokio runtime with time enabled; that runtime runs the flush slots. When it ends before
    /// the sink is closed, the sink is poisoned.
    ///
    /// # Errors
    /// When a setting makes no sense, or when there is no runtime.
    pub fn build<S: Store<E>>(self, store: S) -> Result<EventSink<E>, ConfigError> {
        self.config.validate()?;
        let runtime = sync::Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        let mut random = self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);

        let queue = Queue::new(&self.config, Instant::now());
        let shared = Arc::new(Shared::new(queue, self.size_of, self.dead_letters));
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
