//! Projects: the shops of a server. Each has a store, a queue, rules and a time zone of its own.
//!
//! Every server has one, `default`, whose store is that of the settings; nobody needs to think of others. The store of another
//! lies beside it: a lake in `projects/ID` of the data folder, or a database `DATABASE_ID` of the same MongoDB, with its
//! spool in `projects/ID`. A project that is removed leaves its events where they are, and finds them when it is made again.
//!
//! Which there are stands in the records. Where several servers share those, each learns of a change within seconds.

mod availability;
mod copies;
mod id;
mod ingest_limit;
mod quota;
mod record;
mod registry;
mod retention;
mod settings;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts as RequestParts},
};
use martech_core::{
    Store,
    event::Event,
    sink::{ConfigError, DeadLetter, EventSink, RetryPolicy, SinkBuilder},
};

use self::{
    availability::{Availability, Watched},
    ingest_limit::IngestLimit,
    quota::Quota,
};
pub(crate) use self::{
    availability::{Circuit, RETRY_AFTER, Unavailable},
    copies::read as in_folder,
    id::{DEFAULT_PROJECT, ProjectId},
    ingest_limit::IngestPermit,
    record::{ProjectChange, ProjectRecord, Whole, event_types},
    registry::{ProjectError, Projects},
    settings::ProjectSettings,
};
use crate::{
    App,
    app::QueueBounds,
    backend::{Backend, BackendError},
    dead_letters::{DeadLetterCounts, DeadLetterFile},
    error::ApiError,
};

/// What the sender of an event waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    Nothing,
    Disk,
    Store,
}

/// A project that is open. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    id: ProjectId,
    backend: Backend,
    front: Front,
    /// Answers when the store behind a spool has the events; there is one where there is a spool.
    stored: Option<Front>,
    dead_letters: Arc<DeadLetterFile>,
    settings: RwLock<Arc<ProjectSettings>>,
    ingest_limit: IngestLimit,
    quota: Quota,
}

/// A way in, and whether the store behind it takes events.
#[derive(Debug)]
struct Front {
    sink: EventSink<Event>,
    /// For events whose sender waits for what becomes of them.
    attended: EventSink<Event>,
    /// The same, where one attempt is to tell whether the store takes events again.
    probe: EventSink<Event>,
    availability: Arc<Availability>,
}

impl Front {
    fn new<S: Store<Event> + Clone>(
        queue: QueueBounds,
        patience: Duration,
        keep: impl Fn(DeadLetter<Event>) + Send + Sync + 'static,
        store: S,
    ) -> Result<Self, ConfigError> {
        let availability = Arc::<Availability>::default();
        let probe = Watched::new(store.clone(), availability.clone());
        let probe = sink(queue, Duration::ZERO).dead_letters(drop).build(probe)?.attended();
        let sink = sink(queue, patience).dead_letters(keep).build(Watched::new(store, availability.clone()))?;
        Ok(Self { attended: sink.attended(), sink, probe, availability })
    }

    /// Stores what waits, for as long as `patience` lasts; the events that were not stored in time.
    async fn close(&self, patience: Duration) -> Vec<Event> {
        let (closed, _) = tokio::join!(self.sink.close(patience), self.probe.close(patience));
        closed.unstored
    }
}

/// The front sink gathers what waits for a flush slot; more than this at once gains nothing and delays the first.
const MAX_BATCH: usize = 1_000;
const CONCURRENT_FLUSHES: usize = 3;
/// More than a body of events of now has, also of a sender that was offline for weeks.
const FEW_DAYS: usize = 32;
const DAYS_RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long a store that fails is tried again before senders hear of it: they wait for the answer.
const STORE_PATIENCE: Duration = Duration::from_secs(10);

impl Project {
    /// Puts the way in before a store that is open.
    fn new(
        id: ProjectId,
        backend: Backend,
        dead_letters: Arc<DeadLetterFile>,
        queue: QueueBounds,
        settings: ProjectSettings,
    ) -> Result<Self, ConfigError> {
        let file = dead_letters.clone();
        let keep = move |letter: DeadLetter<Event>| {
            // Otherwise the sender is told that the event was not taken, and may send it again.
            if !letter.attended {
                file.write(&letter.event, &letter.reason);
            }
        };
        let front = Front::new(queue, STORE_PATIENCE, keep, backend.clone())?;
        // Who waits in vain is told so, and the events are durable all the same: another attempt would double them.
        let stored = backend.stored(STORE_PATIENCE);
        let stored = stored.map(|store| Front::new(queue, Duration::ZERO, drop, store)).transpose()?;
        let settings = RwLock::new(Arc::new(settings));
        let (ingest_limit, quota) = (IngestLimit::default(), Quota::default());
        Ok(Self { parts: Arc::new(Parts { id, backend, front, stored, dead_letters, settings, ingest_limit, quota }) })
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

    /// The way in for events whose sender waits until they are durable, until queries see them, or for nothing.
    pub(crate) fn way_in(&self, waits: Waits, circuit: Circuit) -> &EventSink<Event> {
        let Parts { front, stored, .. } = &*self.parts;
        let front = if waits == Waits::Store { stored.as_ref().unwrap_or(front) } else { front };
        match (waits, circuit) {
            // Nobody hears how the attempt ended: as many are made as for others.
            (Waits::Nothing, _) => &front.sink,
            (_, Circuit::Closed) => &front.attended,
            (_, Circuit::HalfOpen) => &front.probe,
        }
    }

    /// Whether that way leads to a store that takes events, as far as is known.
    pub(crate) fn check(&self, waits: Waits) -> Result<Circuit, Unavailable> {
        let Parts { front, stored, .. } = &*self.parts;
        let front = if waits == Waits::Store { stored.as_ref().unwrap_or(front) } else { front };
        front.availability.check(|| front.sink.stats().pending > 0)
    }

    /// The bound on bodies that are on their way to its queue.
    pub(crate) fn ingest_limit(&self) -> &IngestLimit {
        &self.parts.ingest_limit
    }

    /// Whether the store has time for the days of these events. Those of few days have no need to wait for it.
    pub(crate) fn admit_days(&self, events: &[Event]) -> Result<(), ApiError> {
        if events.len() <= FEW_DAYS || !self.backend().is_behind() {
            return Ok(());
        }
        let mut days: Vec<i32> = events.iter().map(|event| event.occurred_at.day()).collect();
        days.sort_unstable();
        days.dedup();
        if days.len() <= FEW_DAYS {
            return Ok(());
        }
        let message = format!(
            "the store is still sorting earlier events of many days; send events of more than {FEW_DAYS} days at once again \
             after Retry-After"
        );
        Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_days", message).retry_after(DAYS_RETRY_AFTER))
    }

    /// What it has taken today, for who has a bound for that.
    pub(crate) fn quota(&self) -> &Quota {
        &self.parts.quota
    }

    pub(crate) fn dead_letters(&self) -> DeadLetterCounts {
        self.parts.dead_letters.counts()
    }

    /// As they are now: they may be changed at any time.
    pub(crate) fn settings(&self) -> Arc<ProjectSettings> {
        self.parts.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, settings: ProjectSettings) {
        *self.parts.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Stores what waits, for as long as `patience` lasts, and closes the store; how many events were not stored in time.
    pub(crate) async fn close(&self, patience: Duration) -> Result<usize, BackendError> {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        let unstored = self.parts.front.close(patience).await;
        for event in &unstored {
            self.parts.dead_letters.write(event, &"the server stopped before it was stored");
        }
        self.parts.dead_letters.sync();
        if let Some(stored) = &self.parts.stored {
            // Those who waited were not promised anything.
            let _ = stored.close(left()).await;
        }
        self.parts.backend.close(left()).await?;
        Ok(unstored.len())
    }
}

/// The one that a request is about, which [`crate::auth::require`] has found.
impl FromRequestParts<App> for Project {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut RequestParts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().unwrap_or_else(|| app.projects().default()).clone())
    }
}

/// The way in, in front of any store: events wait for a flush slot, never for a timer.
pub(crate) fn sink(queue: QueueBounds, patience: Duration) -> SinkBuilder<Event> {
    EventSink::builder()
        .flush_interval(Duration::ZERO)
        .max_batch(MAX_BATCH)
        .max_concurrent_flushes(CONCURRENT_FLUSHES)
        .capacity(queue.events)
        .capacity_bytes(queue.bytes)
        .size_of(Event::size)
        .retry(RetryPolicy { deadline: patience, ..RetryPolicy::default() })
}
