//! A circuit breaker in front of a store.
//!
//! The sink retries a failing store for ten seconds, while the senders wait. A short failure is best handled this way.
//! With a full disk, however, every sender would wait for ten seconds before it gets an error. After [`KNOWN_AFTER`] of
//! failures without a success, the store is therefore known to fail, and the server refuses events immediately.
//!
//! The batch that is still being retried shows when the store recovers. If there is no such batch, the server lets one
//! request through every [`PROBE_INTERVAL`] as a probe, without retries. Ingestion therefore resumes without
//! intervention when the store recovers.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use martech_core::{Appended, Store, StoreError, store::Advice};
use tokio::time::Instant;

/// How long a store must fail before events are refused immediately.
const KNOWN_AFTER: Duration = Duration::from_secs(1);
/// Interval between two probes, if no batch is being retried.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The state of the circuit breaker of one store.
#[derive(Debug, Default)]
pub(crate) struct Availability {
    /// A fast path for each request. `failing` is read only while this flag is set.
    is_failing: AtomicBool,
    failing: Mutex<Option<Failing>>,
}

#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Instant,
    /// Time of the last probe.
    probed: Instant,
    /// The store fails until the server is restarted.
    is_final: bool,
}

/// The error for a store that is known to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable {
    /// Whether the store can only recover by a restart of the server.
    pub(crate) is_final: bool,
}

/// The state of the circuit, which decides how events are submitted to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Circuit {
    /// The store works, as far as is known. If it fails, the sink retries.
    Closed,
    /// The store has failed for a long time. The request is a probe, and the sink does not retry.
    HalfOpen,
}

impl Availability {
    /// Returns how to submit events to the store. `is_busy` returns whether the sink is still retrying other events.
    ///
    /// # Errors
    /// Returns [`Unavailable`] if the store is known to fail and this request is not a probe.
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

/// A store that reports its results to an [`Availability`].
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
            // A store that refuses a batch still works.
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

    /// A store that returns a preset result.
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
    async fn fails_fast_and_probes_failing_store() {
        let trial = Trial::new();
        trial.append(Err(Advice::Retry)).await;
        assert_eq!(trial.check(true), CLOSED, "a moment of trouble");
        tokio::time::advance(KNOWN_AFTER).await;
        trial.append(Err(Advice::Retry)).await;
        assert_eq!(trial.check(true), AWAY);
        // No batch is being retried: one request is the probe, and the others are refused.
        assert_eq!([trial.check(false), trial.check(false)], [HALF_OPEN, AWAY]);
        tokio::time::advance(PROBE_INTERVAL).await;
        assert_eq!([trial.check(true), trial.check(false), trial.check(false)], [AWAY, HALF_OPEN, AWAY]);
        trial.append(Ok(())).await;
        assert_eq!(trial.check(true), CLOSED);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_events_keep_circuit_closed() {
        let trial = Trial::new();
        for _ in 0..10 {
            trial.append(Err(Advice::Refused)).await;
            tokio::time::advance(KNOWN_AFTER).await;
            assert_eq!(trial.check(true), CLOSED);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_probe_after_fatal_error() {
        let trial = Trial::new();
        trial.append(Err(Advice::Fatal)).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(trial.check(false), Err(Unavailable { is_final: true }));
    }
}
