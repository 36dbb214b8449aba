//! The handle for producers.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{task::coop, time::timeout};

use super::{
    BatchReceipt, Poison, PushError, Receipt, SinkBuilder, SinkStats,
    batch::Load,
    queue::{Caller, Queue},
    receipt::Settled,
    reservation::LocalBuffer,
    shared::{Handles, Shared},
};

/// Collects events and appends them to a [`Store`](crate::Store) in batches.
///
/// Cloning is cheap, and all clones share one sink. Give each producer its own clone: this is fastest, and the events
/// of one clone keep their order. When the last clone is dropped, the sink accepts no more events, stores the ones it
/// has, and ends. See the [module documentation](super) for the design.
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
    buffer: Arc<LocalBuffer<E>>,
}

/// Result of closing a sink.
#[derive(Debug, Clone)]
#[must_use = "the report contains the events that were not stored"]
#[non_exhaustive]
pub struct CloseReport<E> {
    /// Statistics over the whole life of the sink.
    pub stats: SinkStats,
    /// Accepted events that were not stored before the deadline, in the order of acceptance. Events that were being
    /// appended at the deadline may still be stored.
    pub unstored: Vec<E>,
    /// Why the sink was poisoned, if it was poisoned before it was closed. Its events then went to the dead-letter
    /// handler.
    pub poison: Option<Poison>,
}

impl<E: Send + Sync + 'static> EventSink<E> {
    /// Returns a builder with the default settings.
    pub fn builder() -> SinkBuilder<E> {
        SinkBuilder::new()
    }

    pub(super) fn new(shared: Arc<Shared<E>>) -> Self {
        Self { handles: Arc::new(Handles(shared)), buffer: Arc::new(LocalBuffer::new(false)) }
    }

    /// Returns a handle for a producer that awaits every receipt and reports the outcome to the sender.
    ///
    /// Dead letters of its events are marked as [awaited](super::DeadLetter::awaited). An application that keeps dead
    /// letters can skip them, because the sender knows that the event was not stored. Clones of the handle are awaited
    /// as well.
    #[must_use]
    pub fn awaited(&self) -> Self {
        Self { handles: self.handles.clone(), buffer: Arc::new(LocalBuffer::new(true)) }
    }

    /// Pushes an event if there is room now. Never waits, and needs no runtime.
    ///
    /// # Errors
    /// Returns the event with the [`Refusal`](super::Refusal). The sink also counts as full when its free room is
    /// reserved for callers that wait in [`push`](Self::push).
    pub fn try_push(&self, event: E) -> Result<Receipt, PushError<E>> {
        let load = self.weigh(&event);
        self.shared().push(&self.buffer, event, load, Caller::TryPush)
    }

    /// Pushes an event, waiting for room if necessary. Waiting pushes are served first come, first served.
    ///
    /// Cancel safe: the event is not accepted until this returns.
    ///
    /// # Errors
    /// Returns the event when it is larger than the sink's capacity, or when the sink is closed or poisoned, also while
    /// waiting.
    pub async fn push(&self, event: E) -> Result<Receipt, PushError<E>> {
        let load = self.weigh(&event);
        // Fast path: moves the event only once. The last event of a reservation takes the slow path, which regularly
        // yields to other tasks.
        if let Some(slot) = self.buffer.slot(load.bytes).filter(|slot| !slot.is_last()) {
            return Ok(slot.fill(event));
        }
        coop::consume_budget().await;
        match self.shared().push(&self.buffer, event, load, Caller::Push) {
            Err(error) if error.is_full() => {
                let add = |queue: &mut Queue<E>, event| queue.add(event, load.bytes, &self.buffer);
                self.shared().wait(error.into_inner(), load, add).await
            }
            answer => answer,
        }
    }

    /// Pushes all events or none, if there is room for all now. Never waits, and needs no runtime.
    ///
    /// # Errors
    /// Like [`try_push`](Self::try_push); the error returns all events.
    pub fn try_push_batch(&self, events: Vec<E>) -> Result<BatchReceipt, PushError<Vec<E>>> {
        let (sizes, load) = self.weigh_all(&events);
        self.shared()
            .admit(events, load, Caller::TryPush, |queue, events| queue.add_batch(events, &sizes, &self.buffer))
    }

    /// Pushes all events or none, waiting until there is room for all. Waiting pushes are served first come, first
    /// served.
    ///
    /// Cancel safe: none of the events is accepted until this returns.
    ///
    /// # Errors
    /// Like [`push`](Self::push); the error returns all events.
    pub async fn push_batch(&self, events: Vec<E>) -> Result<BatchReceipt, PushError<Vec<E>>> {
        coop::consume_budget().await;
        let (sizes, load) = self.weigh_all(&events);
        let add = |queue: &mut Queue<E>, events| queue.add_batch(events, &sizes, &self.buffer);
        match self.shared().admit(events, load, Caller::Push, add) {
            Err(error) if error.is_full() => self.shared().wait(error.into_inner(), load, add).await,
            answer => answer,
        }
    }

    /// Flushes without waiting for the interval. Returns when every event accepted before the call is stored, rejected,
    /// or given up. Receipts, dead letters and [`stats`](Self::stats) report the outcomes.
    pub async fn flush(&self) {
        for cell in self.shared().barrier() {
            Settled::new(cell).await;
        }
    }

    /// Closes the sink: accepts no more events, stores the accepted ones, and ends. At the deadline, appends in flight
    /// are canceled and the events that are not stored are returned. Returns when the store is no longer in use.
    ///
    /// A store that blocks its thread delays this beyond the deadline. If several callers close at the same time, one
    /// of them gets the events. If this call is canceled, the sink stays closed and another call continues; events that
    /// no call returns go to the dead-letter handler.
    pub async fn close(&self, deadline: Duration) -> CloseReport<E> {
        let shared = self.shared();
        shared.close();
        if timeout(deadline, shared.halt.closed()).await.is_err() {
            shared.abandon();
            shared.halt.closed().await;
        }
        // Another caller may still be settling the batches that no slot had taken.
        self.flush().await;
        shared.change(|queue| CloseReport {
            stats: queue.stats(),
            unstored: queue.take_returned(),
            poison: queue.poisoned().cloned(),
        })
    }

    /// Returns statistics, all read at the same moment.
    pub fn stats(&self) -> SinkStats {
        self.shared().change(Queue::stats)
    }

    /// Returns why the sink was poisoned, if it was.
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
        Self { handles: self.handles.clone(), buffer: Arc::new(LocalBuffer::new(self.buffer.is_awaited())) }
    }
}

impl<E> fmt::Debug for EventSink<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSink").field("stats", &self.handles.0.change(Queue::stats)).finish()
    }
}
