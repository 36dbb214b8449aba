//! Connection to the store behind a spool: whether it answers, and its last error.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shared::Shared;
use crate::store::{Advice, Appended, Store, StoreError, in_full};

/// Connection state according to the last append.
#[derive(Debug, Default)]
pub(super) struct Link(Mutex<State>);

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// `None` before the first answer.
    pub(super) connected: Option<bool>,
    /// Error of the last append, if the store is not connected.
    pub(super) error: Option<String>,
}

impl Link {
    pub(super) fn state(&self) -> State {
        self.lock().clone()
    }

    pub(super) fn is_down(&self) -> bool {
        self.lock().connected == Some(false)
    }

    fn note(&self, answer: &Result<Appended, StoreError>) {
        *self.lock() = match answer {
            // A store that refuses a batch has examined it, and is connected.
            Err(error) if error.advice() != Advice::Refused => {
                State { connected: Some(false), error: Some(in_full(error)) }
            }
            _ => State { connected: Some(true), error: None },
        };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store as seen by the inner sink.
pub(super) struct Linked<S> {
    pub(super) store: Arc<S>,
    pub(super) shared: Arc<Shared>,
}

impl<E: Sync, S: Store<E>> Store<E> for Linked<S> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        let answer = self.store.append(batch).await;
        self.shared.link.note(&answer);
        self.shared.pulse();
        answer
    }
}
