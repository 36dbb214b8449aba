//! Why an event is not taken, and why a taken one is not stored.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::store::{StoreError, in_full};

/// The sink did not take what was pushed. It hands the event, or the batch of events, back.
pub struct PushError<T> {
    item: T,
    refusal: Refusal,
}

impl<T> PushError<T> {
    pub(super) fn new(item: T, refusal: Refusal) -> Self {
        Self { item, refusal }
    }

    /// Why.
    pub fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// What was pushed.
    pub fn into_inner(self) -> T {
        self.item
    }

    /// What was pushed, and why it was not taken.
    pub fn into_parts(self) -> (T, Refusal) {
        (self.item, self.refusal)
    }

    /// Whether waiting may help.
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

/// Why the sink did not take what was pushed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No room now, or others wait for it already.
    #[error("the sink is full")]
    Full {
        /// When there should be room, going by how fast the store took events lately.
        retry_after: Duration,
    },
    /// It would not fit an empty sink.
    #[error(
        "{events} event(s) of {bytes} bytes do not fit a sink with room for {capacity} events and {capacity_bytes} bytes"
    )]
    TooLarge {
        /// Events that were pushed.
        events: usize,
        /// Their size.
        bytes: usize,
        /// Events that an empty sink takes.
        capacity: usize,
        /// Bytes that an empty sink takes.
        capacity_bytes: usize,
    },
    /// The sink was closed.
    #[error("the sink is closed")]
    Closed,
    /// The sink stopped for good.
    #[error("the sink is poisoned: {0}")]
    Poisoned(Poison),
}

/// Why an accepted event is neither stored nor refused by the store. As text it says what the store said, with all causes.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotStored {
    /// The store asked for retries until the deadline. The event went to the dead-letter handler.
    /// It may be stored all the same, if the store took it but could not say so.
    #[error("gave up retrying: {}", in_full(.0))]
    RetriesExhausted(Arc<StoreError>),
    /// The sink stopped for good. The event went to the dead-letter handler. It may be stored all the same,
    /// if it was being appended.
    #[error("the sink was poisoned: {0}")]
    Poisoned(Poison),
    /// The sink was closed, and the event was not stored when the time was over. The one who closed it has the event.
    #[error("the sink was closed before the event was stored")]
    Returned,
}

/// Why a sink stopped for good.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Poison {
    /// The store panicked.
    #[error("the store panicked: {0}")]
    Panicked(Arc<str>),
    /// The store said that it takes nothing any more.
    #[error("the store takes nothing any more: {}", in_full(.0))]
    Fatal(Arc<StoreError>),
    /// The store answered something that cannot be true of the batch that it was given.
    #[error("the store's answer does not fit the batch: {0}")]
    BrokenAnswer(Arc<str>),
    /// A task of the sink ended before its time: the runtime was shut down, or an event panicked when it was dropped.
    #[error("the sink's tasks were stopped")]
    Stopped,
}
