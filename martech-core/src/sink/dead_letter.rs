//! Dead letters: accepted events that will not be stored.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{EventOutcome, NotStored, Outcome, Poison};
use crate::store::{RejectionCode, StoreError, in_full};

/// An accepted event that will not be stored, as passed to the dead-letter handler.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter<E> {
    /// The event.
    pub event: E,
    /// The reason why the event was not stored.
    pub reason: DeadLetterReason,
    /// `true` if an [awaited](super::EventSink::awaited) handle pushed the event. Its receipt then reports the same
    /// outcome to a producer that awaits it.
    pub awaited: bool,
}

/// Reason why an event was not stored.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// The store rejected the event permanently.
    #[error("rejected by the store: {reason}")]
    Rejected {
        /// Machine-readable code.
        code: RejectionCode,
        /// Text from the store.
        reason: Arc<str>,
    },
    /// The store asked for retries until the deadline passed.
    #[error("gave up retrying: {}", in_full(.0))]
    RetriesExhausted(Arc<StoreError>),
    /// The sink was poisoned.
    #[error("the sink was poisoned: {0}")]
    Poisoned(Poison),
    /// The [`close`](super::EventSink::close) call that would have returned the event was canceled.
    #[error("the sink was closed, and no caller waited for the event")]
    Unclaimed,
}

impl DeadLetterReason {
    /// Returns the reason if this outcome goes to the dead-letter handler.
    pub(super) fn of(outcome: &EventOutcome) -> Option<Self> {
        match outcome {
            Ok(Outcome::Stored | Outcome::Duplicate) | Err(NotStored::Returned) => None,
            Ok(Outcome::Rejected { code, reason }) => {
                Some(Self::Rejected { code: code.clone(), reason: reason.clone() })
            }
            Err(NotStored::RetriesExhausted(error)) => Some(Self::RetriesExhausted(error.clone())),
            Err(NotStored::Poisoned(poison)) => Some(Self::Poisoned(poison.clone())),
        }
    }
}

/// The application's handler, or the default, which logs.
pub(super) struct DeadLetters<E>(Box<dyn Fn(DeadLetter<E>) + Send + Sync>);

impl<E> DeadLetters<E> {
    pub(super) fn new(handler: impl Fn(DeadLetter<E>) + Send + Sync + 'static) -> Self {
        Self(Box::new(handler))
    }

    /// Passes an event to the handler. A panic in the handler loses only this event, and is logged.
    pub(super) fn hand_over(&self, letter: DeadLetter<E>) {
        let reason = letter.reason.clone();
        if catch_unwind(AssertUnwindSafe(|| (self.0)(letter))).is_err() {
            tracing::error!(error = &reason as &dyn Error, "dead-letter handler panicked; an event is lost");
        }
    }
}

impl<E> Default for DeadLetters<E> {
    fn default() -> Self {
        Self::new(|letter| {
            tracing::error!(error = &letter.reason as &dyn Error, "event not stored");
        })
    }
}

impl<E> fmt::Debug for DeadLetters<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeadLetters")
    }
}
