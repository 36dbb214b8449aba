//! A gate that blocks changes, so that a test decides which requests are batched.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::lock::lock;

/// Blocks or passes changes.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    waiting: usize,
}

impl Gate {
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
    }

    pub(super) fn pass(&self) {
        let mut state = lock(&self.state);
        if state.closed {
            state.waiting += 1;
            self.changed.notify_all();
            let waited = self.changed.wait_while(state, |state| state.closed);
            waited.unwrap_or_else(PoisonError::into_inner).waiting -= 1;
        }
    }
}

/// Blocked changes. They continue when this is dropped.
#[derive(Debug)]
pub struct Held {
    pub(super) gate: Arc<Gate>,
}

impl Held {
    /// Blocks until at least one change is waiting.
    pub fn wait(&self) {
        let gate = &self.gate;
        let waited = gate.changed.wait_while(lock(&gate.state), |state| state.waiting == 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let gate = &self.gate;
        lock(&gate.state).closed = false;
        gate.changed.notify_all();
    }
}
