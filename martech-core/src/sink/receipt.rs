//! What became of an event: one cell per batch, resolved once, watched by any number of receipts.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{NotStored, Passage};
use crate::{
    store::RejectionCode,
    sync::{Mutex, MutexGuard, OnceLock},
};

/// What the store did with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Stored,
    /// It was there already, or earlier in the same batch.
    Duplicate,
    /// The store refuses it for good. The event went to the dead-letter handler.
    Rejected {
        /// Why, for programs.
        code: RejectionCode,
        /// Why, in the store's words.
        reason: Arc<str>,
    },
}

/// What became of an accepted event: the store's decision, or why there is none.
pub type EventOutcome = Result<Outcome, NotStored>;

/// The fate of every event of one batch.
#[derive(Debug, Default)]
pub(super) struct BatchCell {
    fates: OnceLock<Fates>,
    wakers: Mutex<Wakers>,
}

#[derive(Debug)]
struct Fates {
    /// The events that are not simply stored, ascending by position.
    exceptions: Vec<(usize, EventOutcome)>,
    passage: Option<Passage>,
}

/// Those who wait for a cell. A place is used again when its owner has gone, so there are never more places than
/// there were waiters at one time.
#[derive(Debug, Default)]
struct Wakers {
    places: Vec<Option<Waker>>,
    vacant: Vec<usize>,
}

impl BatchCell {
    /// Makes the fate known, without waking anyone. Has effect once.
    pub(super) fn publish(&self, exceptions: Vec<(usize, EventOutcome)>, passage: Option<Passage>) {
        let first = self.fates.set(Fates { exceptions, passage }).is_ok();
        debug_assert!(first, "a batch is settled once");
    }

    /// Wakes those who wait; to be called after [`publish`](Self::publish).
    pub(super) fn wake(&self) {
        let wakers = std::mem::take(&mut *self.wakers());
        wakers.places.into_iter().flatten().for_each(Waker::wake);
    }

    fn outcome(exceptions: &[(usize, EventOutcome)], index: usize) -> EventOutcome {
        match exceptions.binary_search_by_key(&index, |(at, _)| *at) {
            Ok(found) => exceptions[found].1.clone(),
            Err(_) => Ok(Outcome::Stored),
        }
    }

    fn wakers(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a cell is resolved.
#[derive(Debug)]
pub(super) struct Settled {
    cell: Arc<BatchCell>,
    place: Option<usize>,
}

impl Settled {
    pub(super) fn new(cell: Arc<BatchCell>) -> Self {
        Self { cell, place: None }
    }

    fn poll_fates(&mut self, context: &Context<'_>) -> Poll<&Fates> {
        if self.cell.fates.get().is_none() {
            let mut wakers = self.cell.wakers();
            // `wake` takes this lock after the cell is resolved, so it cannot pass between this look and our entry.
            if self.cell.fates.get().is_none() {
                match self.place {
                    Some(place) => wakers.places[place] = Some(context.waker().clone()),
                    None => self.place = Some(wakers.enter(context.waker().clone())),
                }
                return Poll::Pending;
            }
        }
        self.cell.fates.get().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Wakers {
    fn enter(&mut self, waker: Waker) -> usize {
        if let Some(place) = self.vacant.pop() {
            self.places[place] = Some(waker);
            return place;
        }
        self.places.push(Some(waker));
        self.places.len() - 1
    }
}

impl Future for Settled {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.get_mut().poll_fates(context).map(|_| ())
    }
}

impl Drop for Settled {
    #[inline]
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        if self.cell.fates.get().is_some() {
            return;
        }
        let mut wakers = self.cell.wakers();
        // Not there any more if the cell was resolved meanwhile.
        if let Some(waker) = wakers.places.get_mut(place) {
            *waker = None;
            wakers.vacant.push(place);
        }
    }
}

/// Proof that one event was accepted. Await it to learn what became of the event; dropping it changes nothing.
#[derive(Debug)]
#[must_use = "await it to learn what became of the event, or drop it"]
pub struct Receipt {
    settled: Settled,
    index: usize,
}

impl Receipt {
    pub(super) fn new(cell: Arc<BatchCell>, index: usize) -> Self {
        Self { settled: Settled::new(cell), index }
    }
}

impl Future for Receipt {
    type Output = EventOutcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<EventOutcome> {
        let this = self.get_mut();
        let index = this.index;
        this.settled.poll_fates(context).map(|fates| BatchCell::outcome(&fates.exceptions, index))
    }
}

/// Proof that a batch of events was accepted. Await it to learn what became of each; dropping it changes nothing.
#[derive(Debug)]
#[must_use = "await it to learn what became of the events, or drop it"]
pub struct BatchReceipt {
    /// What is not yet resolved, in order, the next one last.
    parts: Vec<Part>,
    outcome: BatchOutcome,
}

/// A run of pushed events inside one of the sink's batches.
#[derive(Debug)]
pub(super) struct Part {
    settled: Settled,
    /// Position of the run's first event in the sink's batch.
    first: usize,
    len: usize,
}

impl Part {
    pub(super) fn new(cell: Arc<BatchCell>, first: usize, len: usize) -> Self {
        Self { settled: Settled::new(cell), first, len }
    }
}

impl BatchReceipt {
    pub(super) fn new(mut parts: Vec<Part>) -> Self {
        parts.reverse();
        Self { parts, outcome: BatchOutcome::default() }
    }
}

impl Future for BatchReceipt {
    type Output = BatchOutcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<BatchOutcome> {
        let Self { parts, outcome } = self.get_mut();
        while let Some(part) = parts.last_mut() {
            let (first, len) = (part.first, part.len);
            let Poll::Ready(Fates { exceptions, passage }) = part.settled.poll_fates(context) else {
                return Poll::Pending;
            };
            outcome.passage = match (outcome.passage, *passage) {
                (Some(before), Some(passage)) => Some(before.and(passage)),
                (before, passage) => before.or(passage),
            };
            let from = exceptions.partition_point(|(at, _)| *at < first);
            let to = exceptions.partition_point(|(at, _)| *at < first + len);
            let pushed_before = outcome.len;
            outcome
                .exceptions
                .extend(exceptions[from..to].iter().map(|(at, outcome)| (pushed_before + at - first, outcome.clone())));
            outcome.len += len;
            parts.pop();
        }
        Poll::Ready(std::mem::take(outcome))
    }
}

/// What became of a batch, event by event. Positions are those in the batch as it was pushed.
#[derive(Debug, Clone, Default)]
pub struct BatchOutcome {
    len: usize,
    exceptions: Vec<(usize, EventOutcome)>,
    passage: Option<Passage>,
}

impl BatchOutcome {
    /// How many events the batch had.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the batch had no event.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of them are stored; those that are duplicates do not count.
    pub fn stored(&self) -> usize {
        self.len - self.exceptions.len()
    }

    /// The events that are not [`Outcome::Stored`], ascending by position.
    pub fn exceptions(&self) -> &[(usize, EventOutcome)] {
        &self.exceptions
    }

    /// The same, to be taken apart.
    pub fn into_exceptions(self) -> Vec<(usize, EventOutcome)> {
        self.exceptions
    }

    /// When the sink's batch with these events went its way; the whole of it where they were in several. `None` where no
    /// flush slot took it before the end.
    pub fn passage(&self) -> Option<Passage> {
        self.passage
    }

    /// What became of the event at a position; `None` behind the end.
    pub fn get(&self, index: usize) -> Option<EventOutcome> {
        (index < self.len).then(|| BatchCell::outcome(&self.exceptions, index))
    }
}
