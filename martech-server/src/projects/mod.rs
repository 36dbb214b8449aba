//! Projects: the shops of a server. Each project has its own store, queue, rules and time zone.
//!
//! Every server has the project `default`, whose store is the one in the settings. The store of another project is
//! beside it: a lake in `projects/ID` of the data folder, or a database `DATABASE_ID` of the same MongoDB, with its
//! spool in `projects/ID`. When a project is removed, its events are deleted with it, or they remain in place and are
//! available again if a project with the same id is created.
//!
//! The records list the projects. Servers that share records see each other's changes within seconds.

mod availability;
pub(crate) mod backend;
mod dead_letters;
pub(crate) mod disk_space;
mod feed;
mod import_store;
mod ingest_limit;
mod quota;
mod record_cache;
mod refusal;
mod registry;
mod rejects;
mod removed_files;
mod retention;
mod settings;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use martech_core::{
    Store,
    event::{Event, Timestamp},
    sink::{ConfigError, DeadLetter, EventSink, RetryPolicy, SinkBuilder},
};
use utoipa::ToSchema;

use self::{
    availability::{Availability, Watched},
    feed::{Feed, Tapped},
    import_store::ImportGate,
    ingest_limit::IngestLimit,
    quota::Quota,
};
pub(crate) use self::{
    availability::{Circuit, Unavailable},
    backend::{BackendOptions, SCANS},
    dead_letters::{DeadLetterCounts, DeadLetterFile},
    feed::{Filter, Message, WatchError, Watcher, WatcherLimit},
    import_store::ImportPermit,
    record_cache::read as cached_records,
    refusal::IngestRefusal,
    registry::{ProjectError, Projects, RemovalPolicy},
    rejects::{Entry as RejectEntry, RejectedRequest, RejectedSender, Rejection, Rejects},
    settings::{ProjectDefaults, ProjectSettings},
};
use crate::{
    identity::ProjectId,
    projects::backend::{Backend, BackendError},
};

/// The step that a sender waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) enum Ack {
    /// The events are in the queue. Duplicates are not detected yet and count as accepted.
    Buffered,
    /// The events are on disk.
    Durable,
    /// The events are in the store, where queries see them. Without a spool, this is the same step as `Durable`.
    Stored,
}

/// Bounds of the queue in front of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueBounds {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// Options of the projects of a server.
#[derive(Debug, Clone)]
pub(crate) struct ProjectOptions {
    pub(crate) data_dir: PathBuf,
    pub(crate) backend: BackendOptions,
    pub(crate) queue: QueueBounds,
    pub(crate) defaults: ProjectDefaults,
}

/// An open project. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    id: ProjectId,
    backend: Backend,
    front: Front,
    /// The front whose receipts resolve when the store behind the spool has the events. `None` without a spool.
    stored: Option<Front>,
    dead_letters: Arc<DeadLetterFile>,
    feed: Arc<Feed>,
    settings: RwLock<Arc<ProjectSettings>>,
    ingest_limit: IngestLimit,
    quota: Quota,
    imports: ImportGate,
}

/// The sinks in front of a store, and the availability of that store.
#[derive(Debug)]
struct Front {
    sink: EventSink<Event>,
    /// A handle for events whose sender waits for the outcome.
    awaited: EventSink<Event>,
    /// A sink without retries, for the one attempt that finds out whether a failing store has recovered.
    probe: EventSink<Event>,
    availability: Arc<Availability>,
}

impl Front {
    fn new<S: Store<Event> + Clone>(
        queue: QueueBounds,
        timeout: Duration,
        min_concurrent_batch: usize,
        keep: impl Fn(DeadLetter<Event>) + Send + Sync + 'static,
        feed: &Arc<Feed>,
        store: S,
    ) -> Result<Self, ConfigError> {
        let availability = Arc::<Availability>::default();
        let watched = |store| Watched::new(Tapped::new(store, feed.clone()), availability.clone());
        let probe = sink(queue, Duration::ZERO).dead_letters(drop).build(watched(store.clone()))?.awaited();
        let sink = sink(queue, timeout)
            .linger(LINGER)
            .min_concurrent_batch(min_concurrent_batch)
            .dead_letters(keep)
            .build(watched(store))?;
        Ok(Self { awaited: sink.awaited(), sink, probe, availability })
    }

    /// Closes the sinks, and returns the events that were not stored within `timeout`.
    async fn close(&self, timeout: Duration) -> Vec<Event> {
        let (closed, _) = tokio::join!(self.sink.close(timeout), self.probe.close(timeout));
        closed.unstored
    }
}

/// Maximum batch size. The sink batches events that wait for a flush slot. Larger batches are no faster and delay the
/// first event.
const MAX_BATCH: usize = 1_000;
const CONCURRENT_FLUSHES: usize = 3;
/// While one batch is being written to disk, only batches of at least so many events are written at the same time.
const MIN_CONCURRENT_BATCH: usize = MAX_BATCH / 2;
/// How long a batch gathers events while no sender waits for any of them. A crash loses that many more milliseconds of
/// events sent with `ack=buffered`.
const LINGER: Duration = Duration::from_millis(3);
/// How long the sink retries a failing store before it reports the failure. Senders wait for this long.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

impl Project {
    /// Builds the sinks in front of an open store.
    fn new(
        id: ProjectId,
        backend: Backend,
        dead_letters: Arc<DeadLetterFile>,
        queue: QueueBounds,
        settings: ProjectSettings,
        watchers: &WatcherLimit,
    ) -> Result<Self, ConfigError> {
        let feed = Feed::new(watchers.clone());
        let file = dead_letters.clone();
        let keep = move |letter: DeadLetter<Event>| {
            // The sender of an awaited event learns of the failure, and may send the event again.
            if !letter.awaited {
                file.keep(&letter);
            }
        };
        // A local disk syncs one large batch as fast as a small one. MongoDB answers small batches in parallel.
        let min_concurrent_batch = if matches!(backend, Backend::Mongo(_)) { 1 } else { MIN_CONCURRENT_BATCH };
        let front = Front::new(queue, STORE_TIMEOUT, min_concurrent_batch, keep, &feed, backend.clone())?;
        // The events are durable in the spool even if this wait times out, so a retry would append them twice.
        let stored = backend.stored(STORE_TIMEOUT);
        let stored = stored.map(|store| Front::new(queue, Duration::ZERO, 1, drop, &feed, store)).transpose()?;
        let settings = RwLock::new(Arc::new(settings));
        let (ingest_limit, quota, imports) = (IngestLimit::default(), Quota::default(), ImportGate::default());
        let parts = Parts { id, backend, front, stored, dead_letters, feed, settings, ingest_limit, quota, imports };
        Ok(Self { parts: Arc::new(parts) })
    }

    pub(crate) fn id(&self) -> &ProjectId {
        &self.parts.id
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.parts.backend
    }

    pub(crate) fn sink(&self) -> &EventSink<Event> {
        &self.parts.front.sink
    }

    /// Returns the sink for events whose sender waits for `ack`.
    pub(crate) fn sink_for(&self, ack: Ack, circuit: Circuit) -> &EventSink<Event> {
        let front = self.front(ack);
        match (ack, circuit) {
            // No sender waits for the outcome, so the sink retries as usual.
            (Ack::Buffered, _) => &front.sink,
            (_, Circuit::Closed) => &front.awaited,
            (_, Circuit::HalfOpen) => &front.probe,
        }
    }

    /// Returns how to submit events to the store behind [`sink_for`](Self::sink_for), or an error if that store is known to
    /// fail.
    pub(crate) fn check(&self, ack: Ack) -> Result<Circuit, Unavailable> {
        let front = self.front(ack);
        front.availability.check(|| front.sink.stats().pending > 0)
    }

    /// Returns the front for events whose sender waits for `ack`.
    fn front(&self, ack: Ack) -> &Front {
        let Parts { front, stored, .. } = &*self.parts;
        if ack == Ack::Stored { stored.as_ref().unwrap_or(front) } else { front }
    }

    /// Returns the limit on bodies that are on their way to the queue.
    pub(crate) fn ingest_limit(&self) -> &IngestLimit {
        &self.parts.ingest_limit
    }

    /// Returns the count of events accepted today, which the quota limits.
    pub(crate) fn quota(&self) -> &Quota {
        &self.parts.quota
    }

    /// Returns the feed of events as they are stored.
    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.parts.feed
    }

    /// Returns the log of the last rejections.
    pub(crate) fn rejects(&self) -> &Rejects {
        self.parts.dead_letters.rejects()
    }

    pub(crate) fn dead_letters(&self) -> DeadLetterCounts {
        self.parts.dead_letters.counts()
    }

    /// Returns when the project was created. Projects that have the same id one after another differ in it.
    pub(crate) fn created_at(&self) -> Timestamp {
        self.settings().created_at()
    }

    /// Returns the current settings, which can change at any time.
    pub(crate) fn settings(&self) -> Arc<ProjectSettings> {
        self.parts.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, settings: ProjectSettings) {
        *self.parts.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Ends the imports, closes the feed, the sinks and the store, and returns the number of events that were not stored
    /// within `timeout`. The unstored events go to the dead-letter file.
    pub(crate) async fn close(&self, timeout: Duration) -> Result<usize, BackendError> {
        self.parts.feed.close();
        let deadline = Instant::now() + timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        let imports = tokio::time::timeout(timeout, self.parts.imports.close());
        let (imports, unstored) = tokio::join!(imports, self.parts.front.close(timeout));
        if imports.is_err() {
            tracing::warn!(project = %self.id(), "an import of a closing project did not end in time");
        }
        for event in &unstored {
            self.parts.dead_letters.write(event, &"the server stopped before it was stored");
        }
        self.parts.dead_letters.sync();
        if let Some(stored) = &self.parts.stored {
            // The server has promised nothing for unfinished waits, and the spool holds the events.
            let _ = stored.close(left()).await;
        }
        self.parts.backend.close(left()).await?;
        Ok(unstored.len())
    }
}

/// Returns the builder of a sink in front of any store. Awaited events wait for a flush slot, never for a timer.
pub(crate) fn sink(queue: QueueBounds, timeout: Duration) -> SinkBuilder<Event> {
    EventSink::builder()
        .flush_interval(Duration::ZERO)
        .max_batch(MAX_BATCH)
        .max_concurrent_flushes(CONCURRENT_FLUSHES)
        .capacity(queue.events)
        .capacity_bytes(queue.bytes)
        .size_of(Event::size)
        .retry(RetryPolicy::default().deadline(timeout))
}
