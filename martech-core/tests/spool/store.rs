//! A store behind the spool that can be unavailable, slow, selective or broken on command.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use martech_core::{Appended, Rejection, Store, StoreError};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Behavior {
    #[default]
    Well,
    /// Reports that it is unreachable.
    Away,
    /// Never answers.
    Stalled,
    /// Stores the batch and reports that it was unreachable.
    Forgetful,
    /// Fails fatally.
    Finished,
    Panics,
}

/// Stores numbers, except those passed to [`refuse`](Self::refuse). Survives restarts of the spool.
#[derive(Clone)]
pub(crate) struct TestStore {
    state: Arc<Mutex<State>>,
    behavior: watch::Sender<Behavior>,
}

#[derive(Default)]
struct State {
    /// In order of arrival, with repeats.
    stored: Vec<u64>,
    refused: BTreeSet<u64>,
    letters: Vec<u64>,
    /// Batches that contain one of these numbers wait until it is removed.
    held: BTreeSet<u64>,
    in_flight: usize,
    most_in_flight: usize,
    appends: usize,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        Self { state: Arc::default(), behavior: watch::Sender::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn be(&self, behavior: Behavior) {
        self.behavior.send_replace(behavior);
    }

    pub(crate) fn refuse(&self, number: u64) {
        self.state().refused.insert(number);
    }

    /// Makes batches with this number wait.
    pub(crate) fn hold(&self, number: u64) {
        self.state().held.insert(number);
    }

    pub(crate) fn let_go(&self, number: u64) {
        self.state().held.remove(&number);
        // Wakes the waiting appends.
        self.behavior.send_modify(|_| {});
    }

    pub(crate) fn letter(&self, number: u64) {
        self.state().letters.push(number);
    }

    /// Returns the stored numbers in order of arrival.
    pub(crate) fn stored(&self) -> Vec<u64> {
        self.state().stored.clone()
    }

    pub(crate) fn sorted(&self) -> Vec<u64> {
        let mut stored = self.stored();
        stored.sort_unstable();
        stored
    }

    /// Returns the stored numbers sorted, without repeats.
    pub(crate) fn distinct(&self) -> Vec<u64> {
        let mut sorted = self.sorted();
        sorted.dedup();
        sorted
    }

    pub(crate) fn letters(&self) -> Vec<u64> {
        self.state().letters.clone()
    }

    pub(crate) fn appends(&self) -> usize {
        self.state().appends
    }

    /// Returns the maximum number of events that were being appended at the same time.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.state().most_in_flight
    }

    fn take(&self, batch: &[u64]) -> Appended {
        let mut state = self.state();
        let mut appended = Appended::default();
        for (index, number) in batch.iter().enumerate() {
            if state.refused.contains(number) {
                appended.rejected.push(Rejection::unfit(index, format!("{number} is not wanted")));
            } else {
                state.stored.push(*number);
                appended.stored += 1;
            }
        }
        appended
    }

    async fn answer(&self, batch: &[u64]) -> Result<Appended, StoreError> {
        let mut behavior = self.behavior.subscribe();
        loop {
            let now = *behavior.borrow_and_update();
            let held = batch.iter().any(|number| self.state().held.contains(number));
            match now {
                Behavior::Stalled => {}
                _ if held => {}
                Behavior::Well => return Ok(self.take(batch)),
                Behavior::Away => return Err(StoreError::retry_after(Duration::from_millis(1), "nobody is there")),
                Behavior::Forgetful => {
                    self.take(batch);
                    return Err(StoreError::retry("the answer got lost"));
                }
                Behavior::Finished => return Err(StoreError::fatal("that was all")),
                Behavior::Panics => panic!("a store that panics"),
            }
            behavior.changed().await.unwrap();
        }
    }
}

impl Store<u64> for TestStore {
    async fn append(&self, batch: &[u64]) -> Result<Appended, StoreError> {
        struct InFlight<'a>(&'a TestStore, usize);
        impl Drop for InFlight<'_> {
            fn drop(&mut self) {
                self.0.state().in_flight -= self.1;
            }
        }
        {
            let mut state = self.state();
            state.appends += 1;
            state.in_flight += batch.len();
            state.most_in_flight = state.most_in_flight.max(state.in_flight);
        }
        let _in_flight = InFlight(self, batch.len());
        self.answer(batch).await
    }
}
