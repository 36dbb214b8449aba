//! The handle that producers hold.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{task::coop, time::timeout};

use super::{
    BatchReceipt, Poison, PushError, Receipt, SinkBuilder, SinkStats,
    batch::Load,
    lane::Lane,
    queue::{Place, Queue},
    receipt::Settled,
    shared::{Handles, Shared},
};

/// Takes events and brings them into a [`Store`](crate::Store), a batch at a time.
///
/// Cheap to clone; all clones are one sink. A producer is fastest with a clone of its own, which keeps its order. When the last clone is dropped the sink takes no more events, stores those
/// that it has, and ends. The [module](super) says how it works.
///
/// ```
/// use martech_core::{memory::MemoryStore, sink::{EventSink, Outcome}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let sink = EventSink::builder().max_batch(500).build(store.clone())?;
///
/// let receipt = sink.push("a page view").await?;
/// sink.flush().await;
/// assert_eq!(receipt.await?, Outcome::Stored);
///
/// let report = sink.close(std::time::Duration::from_secs(5)).await;
/// assert!(report.unstored.is_empty());
/// assert_eq!(store.events(), ["a page view"]);
/// # Ok(())
/// # }
/// ```
pub struct EventSink<E> {
    handles: Arc<Handles<E>>,
    lane: Arc<Lane<E>>,
}

/// What was left when a sink was closed.
#[derive(Debug, Clone)]
#[must_use = "it holds the events that were not stored"]
pub struct CloseReport<E> {
    /// Figures of the sink's whole life.
    pub stats: SinkStats,
    /// The events that were accepted and not stored in time, in the order in which they were accepted. Those that were
    /// being appended when the time was over may be stored all the same.
    pub unstored: Vec<E>,
    /// Why the sink stopped, if it did before it was closed. Its events went to the dead-letter handler then.
    pub poison: Option<Poison>,
}

impl<E: Send + Sync + 'static> EventSink<E> {
    /// Begins to build a sink.
    pub fn builder() -> SinkBuilder<E> {
        SinkBuilder::new()
    }

    pub(super) fn new(shared: Arc<Shared<E>>) -> Self {
        Self { handles: Arc::new(Handles(shared)), lane: Arc::new(Lane::new(false)) }
    }

    /// A handle for a producer who waits for each receipt and tells the sender what it says. Of events that it pushes and
    /// that are not stored, the [dead letters](super::DeadLetter::attended) say so: who keeps dead letters need not keep an event whose
    /// sender knows that it was refused. Clones of the handle are attended as well.
    #[must_use]
    pub fn attended(&self) -> Self {
        Self { handles: self.handles.clone(), lane: Arc::new(Lane::new(true)) }
    }

    /// Takes an event if there is room now. Never waits, and needs no runtime.
    ///
    /// # Errors
    /// [`Refusal`](super::Refusal) says why not; the error hands the event back. It is refused as full also where
    /// the room is needed by those who wait in [`push`](Self::push).
    pub fn try_push(&self, event: E) -> Result<Receipt, PushError<E>> {
        let load = self.weigh(&event);
        self.shared().push(&self.lane, event, load, Place::Passing)
    }

    /// Takes an event, waiting for room if need be, first come, first served.
    ///
    /// Cancel-safe: as long as this has not returned, the event is not accepted.
    ///
    /// # Errors
    /// When the event is larger than the sink, or the sink is closed or poisoned, also while waiting.
    /// Hands the event back.
    pub async fn push(&self, event: E) -> Result<Receipt, PushError<E>> {
        let load = self.weigh(&event);
        // The short way, on which the event is moved once, and which ends often enough to let other tasks run.
        if let Some(vacancy) = self.lane.vacancy(load.bytes).filter(|vacancy| !vacancy.is_last()) {
            return Ok(vacancy.fill(event));
        }
        coop::consume_budget().await;
        match self.shared().push(&self.lane, event, load, Place::Newcomer) {
            Err(error) if error.is_full() => {
                let add = |queue: &mut Queue<E>, event| queue.add(event, load.bytes, &self.lane);
                self.shared().wait(error.into_inner(), load, add).await
            }
            answer => answer,
        }
    }

    /// Takes all events or none, if there is room now. Never waits, and needs no runtime.
    ///
    /// # Errors
    /// As [`try_push`](Self::try_push); the error hands all events back.
    pub fn try_push_batch(&self, events: Vec<E>) -> Result<BatchReceipt, PushError<Vec<E>>> {
        let (sizes, load) = self.weigh_all(&events);
        self.shared().admit(events, load, Place::Passing, |queue, events| queue.add_batch(events, &sizes, &self.lane))
    }

    /// Takes all events or none, waiting until there is room for all, first come, first served.
    ///
    /// Cancel-safe: as long as this has not returned, none of the events is accepted.
    ///
    /// # Errors
    /// As [`push`](Self::push); the error hands all events back.
    pub async fn push_batch(&self, events: Vec<E>) -> Result<BatchReceipt, PushError<Vec<E>>> {
        coop::consume_budget().await;
        let (sizes, load) = self.weigh_all(&events);
        let add = |queue: &mut Queue<E>, events| queue.add_batch(events, &sizes, &self.lane);
        match self.shared().admit(events, load, Place::Newcomer, add) {
            Err(error) if error.is_full() => self.shared().wait(error.into_inner(), load, add).await,
            answer => answer,
        }
    }

    /// Flushes without waiting for the interval, and returns when every event that was accepted before the call is
    /// stored, refused, or given up. Receipts, dead letters and [`stats`](Self::stats) tell which.
    pub async fn flush(&self) {
        for cell in self.shared().barrier() {
            Settled::new(cell).await;
        }
    }

    /// Takes no more events, stores what it has, and ends. What is not stored at the deadline is given back:
    /// appends in flight are cancelled then. Returns when the store is no longer in use.
    ///
    /// A store that blocks its thread, against the rules of async code, delays this beyond the deadline.
    /// If several callers close at once, one of them gets the events. If this is cancelled, the sink stays closed,
    /// and another call goes on; events that nobody gets back so go to the dead-letter handler.
    pub async fn close(&self, deadline: Duration) -> CloseReport<E> {
        let shared = self.shared();
        shared.close();
        if timeout(deadline, shared.halt.closed()).await.is_err() {
            shared.abandon();
            shared.halt.closed().await;
        }
        // Another caller may be about to give up what no slot had taken.
        self.flush().await;
        shared.change(|queue| CloseReport {
            stats: queue.stats(),
            unstored: queue.take_returned(),
            poison: queue.poisoned().cloned(),
        })
    }

    /// Figures, all of one moment.
    pub fn stats(&self) -> SinkStats {
        self.shared().change(Queue::stats)
    }

    /// Why the sink stopped for good, if it did.
    pub fn poison(&self) -> Option<Poison> {
        self.shared().lock().poisoned().cloned()
    }

    fn shared(&self) -> &Shared<E> {
        &self.handles.0
    }

    fn weigh(&self, event: &E) -> Load {
        Load { events: 1, bytes: self.shared().size_of(event) }
    }

    fn weigh_all(&self, events: &[E]) -> (Vec<usize>, Load) {
        let sizes: Vec<usize> = events.iter().map(|event| self.shared().size_of(event)).collect();
        let bytes = sizes.iter().fold(0, |sum: usize, size| sum.saturating_add(*size));
        (sizes, Load { events: events.len(), bytes })
    }
}

impl<E> Clone for EventSink<E> {
    fn clone(&self) -> Self {
        Self { handles: self.handles.clone(), lane: Arc::new(Lane::new(self.lane.is_attended())) }
    }
}

impl<E> fmt::Debug for EventSink<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSink").field("stats", &self.handles.0.change(Queue::stats)).finish()
    }
}
