//! What one connection is doing, for itself and for whoever looks for room.

use std::{
    future::poll_fn,
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

/// Moments are kept as microseconds since then.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A connection either waits for its client to ask something, or owes an answer.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Requests begun so far.
    begun: AtomicU64,
    /// Requests whose answers were not handed over whole.
    in_flight: AtomicU32,
    /// Whether some of an answer was not written yet.
    unflushed: AtomicBool,
    /// When the connection came, or its last answer was handed over.
    since: AtomicU64,
    /// Whether the place is wanted for somebody else.
    wanted: AtomicBool,
    /// Whether the answer is given up.
    given_up: AtomicBool,
    /// Whether hyper was made to let go of the connection, which is kept without it.
    parked: AtomicBool,
    waker: AtomicWaker,
    /// The code with which the connection was refused, where it was.
    refused: OnceLock<&'static str>,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let pulse = Self {
            begun: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            unflushed: AtomicBool::new(false),
            since: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            refused: OnceLock::new(),
        };
        pulse.since.store(micros(), Relaxed);
        Arc::new(pulse)
    }

    /// A request has come; it is in flight until what is given back is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }

    /// How many requests have come.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    pub(super) fn set_unflushed(&self, unflushed: bool) {
        self.unflushed.store(unflushed, Relaxed);
    }

    pub(super) fn is_unflushed(&self) -> bool {
        self.unflushed.load(Relaxed)
    }

    /// Since when it waits for its client, if it does.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let busy = self.in_flight.load(Relaxed) > 0 || self.is_unflushed();
        (!busy).then(|| *START + Duration::from_micros(self.since.load(Relaxed)))
    }

    /// Asks the connection to give up its place when it waits for its client. False when it was asked before.
    pub(super) fn want(&self) -> bool {
        let first = !self.wanted.swap(true, Relaxed);
        self.waker.wake();
        first
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// Has the connection closed, whatever it owes.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Relaxed);
        self.waker.wake();
    }

    /// Completes when the connection is to be closed, whatever it owes.
    pub(super) async fn given_up(&self) {
        poll_fn(|cx| {
            self.listen(cx);
            if self.given_up.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    pub(super) fn park(&self) {
        self.parked.store(true, Relaxed);
    }

    pub(super) fn is_parked(&self) -> bool {
        self.parked.load(Relaxed)
    }

    /// Whether it was parked; it is not any more.
    pub(super) fn unpark(&self) -> bool {
        self.parked.swap(false, Relaxed)
    }

    /// It is told so, and ends with that.
    pub(super) fn refuse(&self, code: &'static str) {
        let _ = self.refused.set(code);
    }

    pub(super) fn refused(&self) -> Option<&'static str> {
        self.refused.get().copied()
    }

    /// Whoever is polled with this context hears when the place is wanted.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }

    /// Completes when the place is wanted.
    pub(super) async fn wanted(&self) {
        poll_fn(|cx| {
            self.listen(cx);
            if self.is_wanted() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A request that was not answered whole.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Pulse>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.since.store(micros(), Relaxed);
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

fn micros() -> u64 {
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_waits_unless_it_owes_an_answer() {
        let pulse = Pulse::new();
        assert!(pulse.waits_since().is_some());
        let (first, second) = (pulse.begin(), pulse.begin());
        drop(first);
        assert!(pulse.waits_since().is_none());
        drop(second);
        assert!(pulse.waits_since().is_some());
        pulse.set_unflushed(true);
        assert!(pulse.waits_since().is_none());
        assert_eq!(pulse.begun(), 2);
        assert!(pulse.want() && !pulse.want());
    }
}
