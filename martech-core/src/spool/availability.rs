//! Availability of the store behind a spool: whether it answers, and its last error.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{Advice, Appended, StoreError, in_full};

/// Availability according to the last append.
#[derive(Debug, Default)]
pub(super) struct Availability(Mutex<Connection>);

#[derive(Debug, Clone, Default)]
pub(super) struct Connection {
    /// `None` before the first answer.
    pub(super) connected: Option<bool>,
    /// Error of the last append, if the store is not connected.
    pub(super) error: Option<String>,
}

impl Availability {
    pub(super) fn connection(&self) -> Connection {
        self.lock().clone()
    }

    pub(super) fn is_down(&self) -> bool {
        self.lock().connected == Some(false)
    }

    pub(super) fn record(&self, answer: &Result<Appended, StoreError>) {
        *self.lock() = match answer {
            // A store that refuses a batch has examined it, and is connected.
            Err(error) if error.advice() != Advice::Refused => {
                Connection { connected: Some(false), error: Some(in_full(error)) }
            }
            _ => Connection { connected: Some(true), error: None },
        };
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
