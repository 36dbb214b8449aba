//! The feed of a project: shows events to watchers as they are stored.
//!
//! [`Tapped`] sits in front of a store and passes each acknowledged batch to the [`Feed`]. Each watcher has a filter and a
//! queue of its own. The feed puts the events that were newly stored into the queues that want them.
//!
//! - Senders never wait for a watcher. If a queue is full, or a watcher has had more than [`PER_SECOND`] events a second
//!   for a while, further events are left out. A count in the queue says how many, at their place in the order. A
//!   watcher without a filter cannot starve a filtered one.
//! - Without watchers, a batch costs one atomic load. With watchers, it costs a comparison for each event and watcher, and
//!   one copy of each event that any of them gets.
//! - Memory is bounded: a queue has at most [`QUEUE_EVENTS`] events and [`QUEUE_BYTES`] bytes, and the number of watchers
//!   is limited, in a project and in a server.
//!
//! A feed shows the events that this process has acknowledged. Behind a spool, these are the events that are durable in
//! the spool: their duplicates are not known yet, and are shown. An append that failed is not shown, even if some of its
//! events are stored nevertheless. Nothing is kept for watchers who come later.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use martech_core::{
    Appended, Store, StoreError,
    event::{Event, EventType},
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::Instant,
};

/// Maximum number of watchers of a project.
const PROJECT_WATCHERS: usize = 16;
/// Maximum number of watchers of a server.
const SERVER_WATCHERS: usize = 64;
/// Maximum number of events that wait for a watcher.
const QUEUE_EVENTS: usize = 1_000;
/// Maximum memory of the events that wait for a watcher, in bytes.
const QUEUE_BYTES: usize = 512 << 10;
/// Events that a watcher gets per second, once [`BURST`] is used up.
const PER_SECOND: u32 = 500;
/// How far a watcher may be ahead of [`PER_SECOND`].
const BURST: Duration = Duration::from_secs(2);

/// The events that a watcher wants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// The types, sorted. All types if empty.
    types: Vec<EventType>,
    user_id: Option<String>,
}

impl Filter {
    /// Creates a filter of events of these types, or of all types if the list is empty, and of one user or of all.
    pub(crate) fn new(mut types: Vec<EventType>, user_id: Option<String>) -> Self {
        types.sort_unstable();
        types.dedup();
        Self { types, user_id }
    }

    fn accepts(&self, event: &Event) -> bool {
        self.user_id.as_ref().is_none_or(|user_id| *user_id == event.user_id)
            && (self.types.is_empty() || self.types.binary_search(&event.event_type).is_ok())
    }
}

/// A message for a watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Event(Arc<Event>),
    /// So many events that the filter accepts are left out here.
    Skipped(u64),
}

/// The reason why nobody can watch now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WatchError {
    #[error("too many watchers")]
    TooMany,
    #[error("the feed is closed")]
    Closed,
}

/// The limit of watchers of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct WatcherLimit(Arc<Semaphore>);

impl Default for WatcherLimit {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SERVER_WATCHERS)))
    }
}

impl WatcherLimit {
    /// Returns the number of watchers of the server.
    pub(super) fn watchers(&self) -> usize {
        SERVER_WATCHERS - self.0.available_permits()
    }

    /// Admits no further watchers.
    pub(super) fn close(&self) {
        self.0.close();
    }

    fn enter(&self) -> Result<OwnedSemaphorePermit, WatchError> {
        self.0.clone().try_acquire_owned().map_err(|error| match error {
            TryAcquireError::NoPermits => WatchError::TooMany,
            TryAcquireError::Closed => WatchError::Closed,
        })
    }
}

/// The feed of one project.
#[derive(Debug)]
pub(crate) struct Feed {
    /// A fast path for each batch: `state` is locked only while this flag is set.
    is_watched: AtomicBool,
    state: Mutex<State>,
    limit: WatcherLimit,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    next: u64,
    queues: BTreeMap<u64, Queue>,
}

impl Feed {
    pub(super) fn new(limit: WatcherLimit) -> Arc<Self> {
        Arc::new(Self { is_watched: AtomicBool::new(false), state: Mutex::default(), limit })
    }

    /// Shows a watcher the events that are stored from now on.
    ///
    /// # Errors
    /// Fails if the project or the server has as many watchers as it may have, or if the feed is closed.
    pub(crate) fn watch(self: &Arc<Self>, filter: Filter) -> Result<Watcher, WatchError> {
        let permit = self.limit.enter()?;
        let mut state = self.state();
        if state.is_closed {
            return Err(WatchError::Closed);
        }
        if state.queues.len() >= PROJECT_WATCHERS {
            return Err(WatchError::TooMany);
        }
        let (number, news) = (state.next, Arc::<Notify>::default());
        state.next += 1;
        state.queues.insert(number, Queue::new(filter, news.clone()));
        self.is_watched.store(true, Ordering::Relaxed);
        Ok(Watcher { feed: self.clone(), number, news, _permit: permit })
    }

    /// Ends all watchers, and admits no further ones.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let queues = std::mem::take(&mut state.queues);
        self.is_watched.store(false, Ordering::Relaxed);
        queues.into_values().for_each(|queue| queue.news.notify_one());
    }

    /// Shows the events of a batch that were newly stored.
    fn publish(&self, batch: &[Event], appended: &Appended) {
        let now = Instant::now();
        let mut duplicates = appended.duplicates.iter().peekable();
        let mut rejected = appended.rejected.iter().peekable();
        let mut state = self.state();
        for (index, event) in batch.iter().enumerate() {
            let is_duplicate = duplicates.next_if(|duplicate| **duplicate == index).is_some();
            let is_rejected = rejected.next_if(|rejection| rejection.index == index).is_some();
            if is_duplicate || is_rejected {
                continue;
            }
            let mut shared = None;
            for queue in state.queues.values_mut().filter(|queue| queue.filter.accepts(event)) {
                queue.offer(event, &mut shared, now);
            }
        }
        state.queues.values().filter(|queue| !queue.messages.is_empty()).for_each(|queue| queue.news.notify_one());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages that wait for a watcher.
#[derive(Debug)]
struct Queue {
    filter: Filter,
    messages: VecDeque<Message>,
    /// Memory of the events in `messages`.
    bytes: usize,
    /// The time at which the watcher would have had its events at the permitted rate.
    paid_until: Instant,
    news: Arc<Notify>,
}

impl Queue {
    fn new(filter: Filter, news: Arc<Notify>) -> Self {
        Self { filter, messages: VecDeque::new(), bytes: 0, paid_until: Instant::now(), news }
    }

    /// Adds an event, or counts it as left out. `shared` is the copy of the event that all queues share.
    fn offer(&mut self, event: &Event, shared: &mut Option<Arc<Event>>, now: Instant) {
        let size = event.size();
        let has_room = self.messages.len() < QUEUE_EVENTS && self.bytes + size <= QUEUE_BYTES;
        if has_room && self.may_have_another(now) {
            self.bytes += size;
            self.messages.push_back(Message::Event(shared.get_or_insert_with(|| Arc::new(event.clone())).clone()));
        } else if let Some(Message::Skipped(events)) = self.messages.back_mut() {
            *events += 1;
        } else {
            self.messages.push_back(Message::Skipped(1));
        }
    }

    /// Counts an event, unless the watcher has had too many.
    fn may_have_another(&mut self, now: Instant) -> bool {
        let paid_until = self.paid_until.max(now);
        let has_allowance = paid_until - now < BURST;
        if has_allowance {
            self.paid_until = paid_until + Duration::from_secs(1) / PER_SECOND;
        }
        has_allowance
    }

    fn take(&mut self) -> Option<Message> {
        let message = self.messages.pop_front();
        if let Some(Message::Event(event)) = &message {
            self.bytes -= event.size();
        }
        message
    }
}

/// A watcher of a feed, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    feed: Arc<Feed>,
    number: u64,
    news: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// Waits for the next message. Returns `None` if the feed is closed. Dropping the future loses no message.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            match self.feed.state().queues.get_mut(&self.number).map(Queue::take) {
                Some(None) => {}
                Some(message) => return message,
                None => return None,
            }
            self.news.notified().await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.feed.state();
        state.queues.remove(&self.number);
        self.feed.is_watched.store(!state.queues.is_empty(), Ordering::Relaxed);
    }
}

/// A store that shows its feed what it has stored.
#[derive(Debug)]
pub(super) struct Tapped<S> {
    store: S,
    feed: Arc<Feed>,
}

impl<S> Tapped<S> {
    pub(super) fn new(store: S, feed: Arc<Feed>) -> Self {
        Self { store, feed }
    }
}

impl<S: Store<Event>> Store<Event> for Tapped<S> {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        let appended = self.store.append(batch).await?;
        if self.feed.is_watched.load(Ordering::Relaxed) {
            self.feed.publish(batch, &appended);
        }
        Ok(appended)
    }
}

#[cfg(test)]
mod tests;
