//! The canary's own store, and one run on it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use martech_core::{
    event::{Event, EventRules, EventType, EventTypes, Timestamp},
    lake::{Lake, LakeOptions},
    mongodb::MongoStore,
    query::{JourneyQuery, Reader},
    sink::{EventSink, Outcome, SinkConfig},
    spool::{SpoolOptions, Spooled},
};
use tokio::{task::spawn_blocking, time::sleep};
use uuid::Uuid;

use super::error::CanaryError;
use crate::{
    app::QueueBounds,
    backend::{Backend, Mongo},
    projects::sink,
};

/// The folder in the data folder, and the collection.
const NAME: &str = "canary";
/// How long a store that fails is tried again.
const STORE_PATIENCE: Duration = Duration::from_secs(5);
/// How soon a copy that is behind is asked again: reads may go to a secondary.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How often days that are over are forgotten. On a lake that writes its files anew as well, which is a test of its own.
const FORGETTING: Duration = Duration::from_secs(3600);
/// One event waits at a time.
const QUEUE: QueueBounds = QueueBounds { events: 16, bytes: 1 << 20 };

/// Where the store is to be.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    kind: Kind,
}

/// What the server's own store is.
enum Kind {
    Lake,
    Mongo(MongoStore),
    Spooled(MongoStore),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Lake => "Lake",
            Self::Mongo(_) => "Mongo",
            Self::Spooled(_) => "Spooled",
        })
    }
}

impl Place {
    /// On the disk, and the MongoDB, of this store. Keeps nothing of it open but connections.
    pub(super) fn beside(backend: &Backend, data_dir: &Path) -> Self {
        // The same database: whoever may write events may then write these.
        let kind = match backend {
            Backend::Lake(_) => Kind::Lake,
            Backend::Mongo(mongo) => Kind::Mongo(mongo.store.in_collection(NAME)),
            Backend::Spooled(mongo, _) => Kind::Spooled(mongo.store.in_collection(NAME)),
        };
        Self { folder: data_dir.join(NAME), kind }
    }
}

/// A store for nobody's events.
#[derive(Debug)]
pub(super) struct CanaryStore {
    backend: Backend,
    sink: EventSink<Event>,
    rules: EventRules,
    event_type: EventType,
    forgotten: Mutex<Instant>,
}

impl CanaryStore {
    /// Removes what an earlier run left, and opens a new one: small, since it holds little.
    pub(super) async fn open(place: &Place) -> Result<Self, CanaryError> {
        empty(place.folder.clone()).await?;
        let backend = match &place.kind {
            Kind::Mongo(store) => Backend::Mongo(Mongo::without_folder(store.clone())),
            Kind::Lake => {
                let options = LakeOptions {
                    roll_bytes: 1 << 20,
                    roll_age: FORGETTING,
                    dedupe_memory: 1 << 20,
                    journal_capacity: 8 << 20,
                    ..LakeOptions::new(&place.folder)
                };
                Backend::Lake(Lake::open(options).await.map_err(|error| CanaryError::open(&error))?)
            }
            Kind::Spooled(store) => {
                let options = SpoolOptions {
                    capacity_bytes: 1 << 20,
                    in_flight_bytes: 64 << 10,
                    sink: SinkConfig { flush_interval: Duration::ZERO, ..SinkConfig::default() },
                    ..SpoolOptions::new(&place.folder)
                };
                // An event that MongoDB refuses does not come back, which is all that there is to know of it.
                let spool = Spooled::open(options, store.clone(), drop).await;
                let spool = spool.map_err(|error| CanaryError::open(&error))?;
                Backend::Spooled(Mongo::without_folder(store.clone()), spool)
            }
        };
        let queue = sink(QUEUE, STORE_PATIENCE).dead_letters(drop);
        let built = match backend.stored(STORE_PATIENCE) {
            Some(stored) => queue.build(stored),
            None => queue.build(backend.clone()),
        };
        let event_type = EventType::parse(NAME).map_err(|error| CanaryError::Open(error.to_string()))?;
        let types: EventTypes = NAME.parse().map_err(|error| CanaryError::Open(format!("{error}")))?;
        Ok(Self {
            backend,
            sink: built.map_err(|error| CanaryError::open(&error))?,
            rules: EventRules { types, ..EventRules::default() },
            event_type,
            forgotten: Mutex::new(Instant::now()),
        })
    }

    /// Writes an event and reads it back; how long that took.
    pub(super) async fn run(&self) -> Result<Duration, CanaryError> {
        let begun = Instant::now();
        // Of a user whom there was never before, so that servers which share a MongoDB read each their own.
        let user = format!("{NAME}-{}", Uuid::now_v7());
        let event = Event::builder(&user, self.event_type.clone()).build(&self.rules);
        let event = event.map_err(|error| CanaryError::NotStored(error.to_string()))?;
        let receipt = self.sink.push(event.clone()).await.map_err(|refused| CanaryError::not_stored(&refused))?;
        match receipt.await {
            Ok(Outcome::Stored) => {}
            Ok(other) => return Err(CanaryError::NotStored(format!("{other:?}"))),
            Err(error) => return Err(CanaryError::not_stored(&error)),
        }
        self.find(&user, &event).await?;
        let took = begun.elapsed();
        self.forget().await?;
        Ok(took)
    }

    /// Waits until it is found; whoever waits knows for how long.
    async fn find(&self, user: &str, event: &Event) -> Result<(), CanaryError> {
        loop {
            let journey = self.backend.journey(JourneyQuery::new(user)).await.map_err(CanaryError::NotRead)?;
            match journey.events.first() {
                Some(found) if found.id == event.id && found.occurred_at == event.occurred_at => return Ok(()),
                Some(_) => return Err(CanaryError::Changed),
                None => sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn forget(&self) -> Result<(), CanaryError> {
        let is_due = || self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= FORGETTING;
        if !is_due() {
            return Ok(());
        }
        // Another server of the same MongoDB may be reading one that is as young.
        let hour_ago = Timestamp::from_millis(Timestamp::now().millis() - FORGETTING.as_millis() as i64);
        self.backend.forget(hour_ago).await.map_err(CanaryError::NotForgotten)?;
        *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(())
    }

    pub(super) async fn close(&self) {
        // What it has not stored is nobody's loss.
        let _ = self.sink.close(Duration::ZERO).await;
        if let Err(error) = self.backend.close(Duration::ZERO).await {
            tracing::warn!(%error, "the store of the canary did not close cleanly");
        }
    }
}

/// Removes a folder with all that is in it, and makes it.
async fn empty(folder: PathBuf) -> Result<(), CanaryError> {
    let path = folder.clone();
    let emptied = spawn_blocking(move || {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&folder)
    });
    let emptied = emptied.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    emptied.map_err(|source| CanaryError::Folder { path, source })
}
