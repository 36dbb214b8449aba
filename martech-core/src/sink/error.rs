//! Errors: why a push is refused, and why an accepted event is not stored.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::store::{StoreError, in_full};

/// Error of a refused push. Holds the pushed event, or the pushed batch of events.
pub struct PushError<T> {
    item: T,
    refusal: Refusal,
}

impl<T> PushError<T> {
    pub(super) fn new(item: T, refusal: Refusal) -> Self {
        Self { item, refusal }
    }

    /// Returns why the push was refused.
    pub fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// Returns the pushed event or batch.
    pub fn into_inner(self) -> T {
        self.item
    }

    /// Returns the pushed event or batch, and why it was refused.
    pub fn into_parts(self) -> (T, Refusal) {
        (self.item, self.refusal)
    }

    /// Returns whether the sink was full, so that a later push may succeed.
    pub fn is_full(&self) -> bool {
        matches!(self.refusal, Refusal::Full { .. })
    }
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushError").field("refusal", &self.refusal).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl<T> Error for PushError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.refusal.source()
    }
}

/// Reason why the sink refused a push.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The sink has no room now, or other pushes already wait for it.
    #[error("the sink is full")]
    Full {
        /// Estimated time until there is room, based on the recent drain rate.
        retry_after: Duration,
    },
    /// The pushed events would not fit into an empty sink.
    #[error(
        "{events} event(s) of {bytes} bytes do not fit a sink with room for {capacity} events and {capacity_bytes} bytes"
    )]
    TooLarge {
        /// Number of pushed events.
        events: usize,
        /// Size of the pushed events in bytes.
        bytes: usize,
        /// Maximum number of events in the sink.
        capacity: usize,
        /// Maximum number of bytes in the sink.
        capacity_bytes: usize,
    },
    /// The sink was closed.
    #[error("the sink is closed")]
    Closed,
    /// The sink was poisoned.
    #[error("the sink is poisoned: {0}")]
    Poisoned(Poison),
}

/// Reason why an accepted event was neither stored nor rejected by the store. The text includes the store's error with
/// all its causes.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotStored {
    /// The store asked for retries until the deadline passed. The event went to the dead-letter handler. The event may
    /// still be stored, if the store took it and could not report that.
    #[error("gave up retrying: {}", in_full(.0))]
    RetriesExhausted(Arc<StoreError>),
    /// The sink was poisoned. The event went to the dead-letter handler. An event that was being appended may still be
    /// stored.
    #[error("the sink was poisoned: {0}")]
    Poisoned(Poison),
    /// The sink was closed, and the event was not stored before the deadline.
    /// [`CloseReport::unstored`](super::CloseReport::unstored) contains the event.
    #[error("the sink was closed before the event was stored")]
    Returned,
}

/// Reason why a sink stopped permanently.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Poison {
    /// The store panicked.
    #[error("the store panicked: {0}")]
    Panicked(Arc<str>),
    /// The store reported a fatal error.
    #[error("the store failed permanently: {}", in_full(.0))]
    Fatal(Arc<StoreError>),
    /// The store's answer is inconsistent with the batch it was given.
    #[error("the store's answer does not match the batch: {0}")]
    BrokenAnswer(Arc<str>),
    /// A task of the sink ended early: the runtime was shut down, or dropping an event panicked.
    #[error("the sink's tasks were stopped")]
    Stopped,
}
