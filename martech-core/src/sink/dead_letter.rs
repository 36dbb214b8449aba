//! Where events go that the store will not have.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{EventOutcome, NotStored, Outcome, Poison};
use crate::store::{RejectionCode, StoreError, in_full};

/// An event that was accepted and will not be stored, on its way to the dead-letter handler.
#[derive(Debug, Clone)]
pub struct DeadLetter<E> {
    /// The event.
    pub event: E,
    /// Why it was not stored.
    pub reason: DeadLetterReason,
    /// Whether it was pushed by an [attended](super::EventSink::attended) handle: its receipt tells the same to somebody who
    /// waits for it.
    pub attended: bool,
}

/// Why an event was not stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// The store refuses this event for good.
    #[error("rejected by the store: {reason}")]
    Rejected {
        /// Why, for programs.
        code: RejectionCode,
        /// Why, in the store's words.
        reason: Arc<str>,
    },
    /// The store asked for retries until the deadline.
    #[error("gave up retrying: {}", in_full(.0))]
    RetriesExhausted(Arc<StoreError>),
    /// The sink stopped for good.
    #[error("the sink was poisoned: {0}")]
    Poisoned(Poison),
    /// A call of `close` that would have got the event back was cancelled.
    #[error("the sink was closed, and nobody waited to get the event back")]
    Unclaimed,
}

impl DeadLetterReason {
    /// The reason, if this outcome is one for the dead-letter handler.
    pub(super) fn of(outcome: &EventOutcome) -> Option<Self> {
        match outcome {
            Ok(Outcome::Stored | Outcome::Duplicate) | Err(NotStored::Returned) => None,
            Ok(Outcome::Rejected { code, reason }) => Some(Self::Rejected { code: *code, reason: reason.clone() }),
            Err(NotStored::RetriesExhausted(error)) => Some(Self::RetriesExhausted(error.clone())),
            Err(NotStored::Poisoned(poison)) => Some(Self::Poisoned(poison.clone())),
        }
    }
}

/// The handler that the application gave, or one that logs.
pub(super) struct DeadLetters<E>(Box<dyn Fn(DeadLetter<E>) + Send + Sync>);

impl<E> DeadLetters<E> {
    pub(super) fn new(handler: impl Fn(DeadLetter<E>) + Send + Sync + 'static) -> Self {
        Self(Box::new(handler))
    }

    /// Hands an event over. A handler that panics loses this event, with a line in the log, and nothing else.
    pub(super) fn hand_over(&self, letter: DeadLetter<E>) {
        let reason = letter.reason.clone();
        if catch_unwind(AssertUnwindSafe(|| (self.0)(letter))).is_err() {
            tracing::error!(error = &reason as &dyn Error, "the dead-letter handler panicked; an event is lost");
        }
    }
}

impl<E> Default for DeadLetters<E> {
    fn default() -> Self {
        Self::new(|letter| {
            tracing::error!(error = &letter.reason as &dyn Error, "an event was not stored");
        })
    }
}

impl<E> fmt::Debug for DeadLetters<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeadLetters")
    }
}
