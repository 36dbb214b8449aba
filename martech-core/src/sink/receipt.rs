//! Receipts: one cell for each run of events in a batch, resolved once, watched by any number of receipts.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use super::{BatchTiming, NotStored, urgency::Urgency};
use crate::{
    store::RejectionCode,
    sync::{Mutex, MutexGuard, OnceLock},
};

/// The store's decision about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The event is durable.
    Stored,
    /// The store already had the event, or it occurred earlier in the same batch.
    Duplicate,
    /// The store rejected the event permanently. The event went to the dead-letter handler.
    Rejected {
        /// Machine-readable code.
        code: RejectionCode,
        /// Text from the store.
        reason: Arc<str>,
    },
}

/// Outcome of an accepted event: the store's decision, or the reason why there is none.
pub type EventOutcome = Result<Outcome, NotStored>;

/// The outcomes of one run of events in a batch.
#[derive(Debug)]
pub(super) struct BatchCell {
    outcomes: OnceLock<Outcomes>,
    wakers: Mutex<Wakers>,
    /// `None` if the sink does not linger.
    urgency: Option<Arc<Urgency>>,
}

#[derive(Debug)]
struct Outcomes {
    /// Events that are not stored, ascending by position.
    exceptions: Vec<(usize, EventOutcome)>,
    timing: Option<BatchTiming>,
}

/// Wakers of the pending receipts. Slots are reused, so their number never exceeds the peak number of concurrent
/// waiters.
#[derive(Debug, Default)]
struct Wakers {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl BatchCell {
    pub(super) fn new(urgency: Option<Arc<Urgency>>) -> Self {
        Self { outcomes: OnceLock::default(), wakers: Mutex::default(), urgency }
    }

    /// Ends the linger of the batch, because a caller awaits a receipt.
    fn request_flush(&self) {
        if let Some(urgency) = &self.urgency {
            urgency.request();
        }
    }

    /// Publishes the outcomes without waking the waiters. Must be called only once.
    pub(super) fn publish(&self, exceptions: Vec<(usize, EventOutcome)>, timing: Option<BatchTiming>) {
        let first = self.outcomes.set(Outcomes { exceptions, timing }).is_ok();
        debug_assert!(first, "a batch is settled once");
    }

    /// Wakes all waiters. Must be called after [`publish`](Self::publish).
    pub(super) fn wake(&self) {
        let wakers = std::mem::take(&mut *self.wakers());
        wakers.slots.into_iter().flatten().for_each(Waker::wake);
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

/// A future that completes when a cell is resolved.
#[derive(Debug)]
pub(super) struct Settled {
    cell: Arc<BatchCell>,
    slot: Option<usize>,
}

impl Settled {
    pub(super) fn new(cell: Arc<BatchCell>) -> Self {
        Self { cell, slot: None }
    }

    fn poll_outcomes(&mut self, context: &Context<'_>) -> Poll<&Outcomes> {
        if self.cell.outcomes.get().is_none() {
            let mut wakers = self.cell.wakers();
            // `wake` takes this lock after the cell is resolved, so it cannot run between this check and the
            // registration.
            if self.cell.outcomes.get().is_none() {
                match self.slot {
                    Some(slot) => wakers.slots[slot] = Some(context.waker().clone()),
                    None => {
                        self.slot = Some(wakers.enter(context.waker().clone()));
                        drop(wakers);
                        self.cell.request_flush();
                    }
                }
                return Poll::Pending;
            }
        }
        self.cell.outcomes.get().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Wakers {
    fn enter(&mut self, waker: Waker) -> usize {
        if let Some(slot) = self.free.pop() {
            self.slots[slot] = Some(waker);
            return slot;
        }
        self.slots.push(Some(waker));
        self.slots.len() - 1
    }
}

impl Future for Settled {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.get_mut().poll_outcomes(context).map(|_| ())
    }
}

impl Drop for Settled {
    #[inline]
    fn drop(&mut self) {
        let Some(slot) = self.slot else { return };
        if self.cell.outcomes.get().is_some() {
            return;
        }
        let mut wakers = self.cell.wakers();
        // The slot is gone if the cell was resolved in the meantime.
        if let Some(waker) = wakers.slots.get_mut(slot) {
            *waker = None;
            wakers.free.push(slot);
        }
    }
}

/// Receipt for one accepted event. Await it to get the outcome of the event; dropping it has no effect on the event.
#[derive(Debug)]
#[must_use = "await the receipt to get the outcome of the event, or drop it"]
pub struct Receipt {
    settled: Settled,
    index: usize,
}

impl Receipt {
    pub(super) fn new(cell: Arc<BatchCell>, index: usize) -> Self {
        Self { settled: Settled::new(cell), index }
    }

    /// Blocks the thread until the outcome is known, and returns it. For threads that run no async tasks and push with
    /// [`try_push`](super::EventSink::try_push).
    ///
    /// ```
    /// use martech_core::{memory::MemoryStore, sink::{EventSink, Outcome}};
    ///
    /// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    /// let sink = {
    ///     let _inside = runtime.enter();
    ///     EventSink::builder().build(MemoryStore::new())?
    /// };
    /// assert_eq!(sink.try_push("a page view")?.blocking_wait()?, Outcome::Stored);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// Panics on a thread that runs async tasks, which it would keep from running.
    pub fn blocking_wait(self) -> EventOutcome {
        blocking_wait(self)
    }
}

impl Future for Receipt {
    type Output = EventOutcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<EventOutcome> {
        let this = self.get_mut();
        let index = this.index;
        this.settled.poll_outcomes(context).map(|outcomes| BatchCell::outcome(&outcomes.exceptions, index))
    }
}

/// Receipt for an accepted batch of events. Await it to get the outcome of each event; dropping it has no effect on the
/// events.
#[derive(Debug)]
#[must_use = "await the receipt to get the outcome of the events, or drop it"]
pub struct BatchReceipt {
    /// Unresolved parts in reverse order: the next part is the last element.
    parts: Vec<Part>,
    outcome: BatchOutcome,
    is_awaited: bool,
}

/// Consecutive pushed events that share a cell.
#[derive(Debug)]
pub(super) struct Part {
    settled: Settled,
    /// Position of the first event among the events of the cell.
    first: usize,
    len: usize,
}

impl Part {
    pub(super) fn new(cell: Arc<BatchCell>, first: usize, len: usize) -> Self {
        Self { settled: Settled::new(cell), first, len }
    }
}

impl BatchReceipt {
    /// Blocks the thread until all outcomes are known, and returns them.
    ///
    /// # Panics
    /// Like [`Receipt::blocking_wait`].
    pub fn blocking_wait(self) -> BatchOutcome {
        blocking_wait(self)
    }

    pub(super) fn new(mut parts: Vec<Part>) -> Self {
        parts.reverse();
        Self { parts, outcome: BatchOutcome::default(), is_awaited: false }
    }
}

/// The receipt of an event as that of a batch of one event.
impl From<Receipt> for BatchReceipt {
    fn from(Receipt { settled, index }: Receipt) -> Self {
        Self::new(vec![Part { settled, first: index, len: 1 }])
    }
}

/// Runs a receipt to completion on this thread.
fn blocking_wait<F: Future>(receipt: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    // Tokio panics here if the thread runs async tasks.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        return runtime.block_on(receipt);
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut receipt = pin!(receipt);
    loop {
        match receipt.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => thread::park(),
        }
    }
}

impl Future for BatchReceipt {
    type Output = BatchOutcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<BatchOutcome> {
        let Self { parts, outcome, is_awaited } = self.get_mut();
        if !std::mem::replace(is_awaited, true) {
            // The parts are awaited one after the other. None of them may linger until its turn.
            parts.iter().for_each(|part| part.settled.cell.request_flush());
        }
        while let Some(part) = parts.last_mut() {
            let (first, len) = (part.first, part.len);
            let Poll::Ready(Outcomes { exceptions, timing }) = part.settled.poll_outcomes(context) else {
                return Poll::Pending;
            };
            outcome.timing = match (outcome.timing, *timing) {
                (Some(before), Some(timing)) => Some(before.and(timing)),
                (before, timing) => before.or(timing),
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

/// Outcomes of a batch, event by event. Positions are those in the batch as it was pushed.
#[derive(Debug, Clone, Default)]
pub struct BatchOutcome {
    len: usize,
    exceptions: Vec<(usize, EventOutcome)>,
    timing: Option<BatchTiming>,
}

impl BatchOutcome {
    /// Returns the number of events in the batch.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the batch had no events.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of stored events, without duplicates.
    pub fn stored(&self) -> usize {
        self.len - self.exceptions.len()
    }

    /// Returns the events that are not [`Outcome::Stored`], ascending by position.
    pub fn exceptions(&self) -> &[(usize, EventOutcome)] {
        &self.exceptions
    }

    /// Returns the same events as [`exceptions`](Self::exceptions), by value.
    pub fn into_exceptions(self) -> Vec<(usize, EventOutcome)> {
        self.exceptions
    }

    /// Returns the timing of the sink's batch with these events, combined if they were in several. `None` if no flush
    /// slot took any of them before the sink ended.
    pub fn timing(&self) -> Option<BatchTiming> {
        self.timing
    }

    /// Returns the outcome of the event at a position; `None` past the end.
    pub fn get(&self, index: usize) -> Option<EventOutcome> {
        (index < self.len).then(|| BatchCell::outcome(&self.exceptions, index))
    }
}
