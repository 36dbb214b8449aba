//! Whether a store takes events, by what it said last.
//!
//! The sink tries a store that fails again, for ten seconds, and its senders wait. That is right for a moment of trouble, and wrong for a
//! disk that is full: everybody would wait for ten seconds to be told no. So a store that has failed for [`KNOWN_AFTER`], and taken nothing
//! in between, is known to fail, and senders are told at once (a circuit breaker). How it is now the server learns from the batch that is
//! still being tried; where there is none, one request is let through to find out, and is tried once. So taking goes on by itself when the
//! store does.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use martech_core::{Appended, Store, StoreError, store::Advice};
use tokio::time::Instant;

/// How long a store may fail until its senders hear of it at once.
const KNOWN_AFTER: Duration = Duration::from_secs(1);
/// How often one request finds out how the store is, where nothing else does.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// When senders should come back.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What is known of one store.
#[derive(Debug, Default)]
pub(crate) struct Availability {
    /// Looked at with each request; the rest only while it is set.
    is_failing: AtomicBool,
    failing: Mutex<Option<Failing>>,
}

#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Instant,
    /// When a request was last let through to find out.
    probed: Instant,
    /// Until the next start.
    is_final: bool,
}

/// A store that is known to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable {
    /// Nothing helps but somebody who looks after the server.
    pub(crate) is_final: bool,
}

/// How events are handed to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Circuit {
    /// The store is well, as far as is known: where it fails, it is tried again for a while.
    Closed,
    /// The store has failed for long: it is tried once, to find out how it is.
    HalfOpen,
}

impl Availability {
    /// Whether events should be handed to the store, and how. `is_busy` tells whether it is still being tried with others.
    pub(crate) fn check(&self, is_busy: impl FnOnce() -> bool) -> Result<Circuit, Unavailable> {
        if !self.is_failing.load(Ordering::Relaxed) {
            return Ok(Circuit::Closed);
        }
        let is_busy = is_busy();
        let mut failing = self.failing();
        let Some(failing) = failing.as_mut() else { return Ok(Circuit::Closed) };
        let now = Instant::now();
        if failing.is_final {
            return Err(Unavailable { is_final: true });
        }
        if failing.since + KNOWN_AFTER > now {
            return Ok(Circuit::Closed);
        }
        if is_busy || failing.probed + PROBE_INTERVAL > now {
            return Err(Unavailable { is_final: false });
        }
        failing.probed = now;
        Ok(Circuit::HalfOpen)
    }

    fn took(&self) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            *self.failing() = None;
        }
    }

    fn failed(&self, is_final: bool) {
        let now = Instant::now();
        let mut failing = self.failing();
        let failing = failing.get_or_insert(Failing { since: now, probed: now, is_final });
        failing.is_final |= is_final;
        self.is_failing.store(true, Ordering::Relaxed);
    }

    fn failing(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store of which it is noted how it is.
#[derive(Debug)]
pub(super) struct Watched<S> {
    store: S,
    availability: Arc<Availability>,
}

impl<S> Watched<S> {
    pub(super) fn new(store: S, availability: Arc<Availability>) -> Self {
        Self { store, availability }
    }
}

impl<E: Sync, S: Store<E>> Store<E> for Watched<S> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        let appended = self.store.append(batch).await;
        match appended.as_ref().map_err(StoreError::advice) {
            // It may refuse a batch and be well.
            Ok(_) | Err(Advice::Refused) => self.availability.took(),
            Err(Advice::Retry | Advice::RetryAfter(_)) => self.availability.failed(false),
            Err(Advice::Fatal) => self.availability.failed(true),
        }
        appended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: Result<Circuit, Unavailable> = Ok(Circuit::Closed);
    const HALF_OPEN: Result<Circuit, Unavailable> = Ok(Circuit::HalfOpen);
    const AWAY: Result<Circuit, Unavailable> = Err(Unavailable { is_final: false });

    /// Says what it is told to say.
    struct Told(Mutex<Result<(), Advice>>);

    impl Store<()> for Told {
        async fn append(&self, batch: &[()]) -> Result<Appended, StoreError> {
            match *self.0.lock().unwrap() {
                Ok(()) => Ok(Appended::all(batch.len())),
                Err(Advice::Fatal) => Err(StoreError::fatal("broken")),
                Err(Advice::Refused) => Err(StoreError::refused("no")),
                Err(_) => Err(StoreError::retry("later")),
            }
        }
    }

    struct Trial {
        store: Watched<Told>,
        availability: Arc<Availability>,
    }

    impl Trial {
        fn new() -> Self {
            let availability = Arc::<Availability>::default();
            Self { store: Watched::new(Told(Mutex::new(Ok(()))), availability.clone()), availability }
        }

        async fn append(&self, says: Result<(), Advice>) {
            *self.store.store.0.lock().unwrap() = says;
            let _ = self.store.append(&[()]).await;
        }

        fn check(&self, is_busy: bool) -> Result<Circuit, Unavailable> {
            self.availability.check(|| is_busy)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_at_once_what_a_failing_store_would_keep_waiting() {
        let trial = Trial::new();
        trial.append(Err(Advice::Retry)).await;
        assert_eq!(trial.check(true), CLOSED, "a moment of trouble");
        tokio::time::advance(KNOWN_AFTER).await;
        trial.append(Err(Advice::Retry)).await;
        assert_eq!(trial.check(true), AWAY);
        // Nothing is being tried any more: one finds out, the others are told.
        assert_eq!([trial.check(false), trial.check(false)], [HALF_OPEN, AWAY]);
        tokio::time::advance(PROBE_INTERVAL).await;
        assert_eq!([trial.check(true), trial.check(false), trial.check(false)], [AWAY, HALF_OPEN, AWAY]);
        trial.append(Ok(())).await;
        assert_eq!(trial.check(true), CLOSED);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_refuses_an_event_is_well() {
        let trial = Trial::new();
        for _ in 0..10 {
            trial.append(Err(Advice::Refused)).await;
            tokio::time::advance(KNOWN_AFTER).await;
            assert_eq!(trial.check(true), CLOSED);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_takes_nothing_any_more_is_not_probed() {
        let trial = Trial::new();
        trial.append(Err(Advice::Fatal)).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(trial.check(false), Err(Unavailable { is_final: true }));
    }
}
