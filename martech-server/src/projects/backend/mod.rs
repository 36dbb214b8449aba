//! The event store that the settings select: the embedded lake, MongoDB, or MongoDB behind a spool.

mod choice;
mod error;
mod mongo;
mod options;

use std::{io, path::Path, sync::Arc, time::Duration};

use martech_core::{
    Appended, Store, StoreError,
    event::{Event, Timestamp},
    fs::{Disk, FileSystem, Lock},
    lake::{Lake, LakeStatus},
    mongodb::MongoStore,
    query::{JourneyPage, JourneyQuery, Reader, Stats, StatsQuery, UsersPage, UsersQuery},
    spool::{SpoolStatus, Spooled, Stored},
};

pub use self::{choice::StoreChoice, error::BackendError};
pub(crate) use self::{
    error::advised,
    mongo::{Mongo, MongoStatus, database_of},
    options::{BackendOptions, SCANS},
};
use crate::{identity::ProjectId, projects::dead_letters::DeadLetterFile};

/// Name of the spool folder in the data folder.
pub(crate) const SPOOL: &str = "spool";

/// Locks a data folder for this process. Every server takes this lock, whatever its store: a lake takes the lock
/// itself.
///
/// # Errors
/// Returns [`io::ErrorKind::WouldBlock`] if another process has the lock.
pub(crate) fn lock(data_dir: &Path) -> io::Result<Lock> {
    Disk.lock(&data_dir.join("LOCK"))
}

/// The event store of a project. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Backend {
    Lake(Lake),
    Mongo(Mongo),
    Spooled(Mongo, Spooled<MongoStore, Event>),
}

/// The status of a store.
pub(crate) enum BackendStatus {
    Lake(LakeStatus),
    Mongo(MongoStatus),
    Spooled(MongoStatus, SpoolStatus),
}

impl Backend {
    /// Opens the store that the settings select. Events that MongoDB rejects behind the spool go to `dead_letters`.
    pub(crate) async fn open(
        options: &BackendOptions,
        data_dir: &Path,
        dead_letters: &Arc<DeadLetterFile>,
    ) -> Result<Self, BackendError> {
        let Some(mongo) = &options.mongo else {
            warn_of_spool(data_dir);
            return Ok(Self::Lake(Lake::open(options.lake(data_dir)).await?));
        };
        let mongo = Mongo::open(mongo.clone(), data_dir).await?;
        match options.spool_bytes {
            Some(capacity) => {
                let spool = mongo.spooled(capacity, data_dir, dead_letters.clone()).await?;
                Ok(Self::Spooled(mongo, spool))
            }
            None => {
                warn_of_spool(data_dir);
                Ok(Self::Mongo(mongo))
            }
        }
    }

    /// Opens the store of another project. The store has the same kind as this one, and its own folder or database.
    pub(crate) async fn beside(
        &self,
        id: &ProjectId,
        options: &BackendOptions,
        folder: &Path,
        dead_letters: &Arc<DeadLetterFile>,
    ) -> Result<Self, BackendError> {
        Ok(match self {
            Self::Lake(_) => Self::Lake(Lake::open(options.lake(folder)).await?),
            Self::Mongo(mongo) => Self::Mongo(mongo.beside(id)?),
            Self::Spooled(mongo, spool) => {
                let mongo = mongo.beside(id)?;
                let capacity = spool.status().capacity_bytes;
                let spool = mongo.spooled(capacity, folder, dead_letters.clone()).await?;
                Self::Spooled(mongo, spool)
            }
        })
    }

    /// Returns the embedded lake, or `None` if the events are in MongoDB.
    pub(crate) fn lake(&self) -> Option<&Lake> {
        if let Self::Lake(lake) = self { Some(lake) } else { None }
    }

    pub(crate) fn is_spooled(&self) -> bool {
        matches!(self, Self::Spooled(..))
    }

    /// Returns a store whose appends complete when MongoDB has the events, or `None` without a spool.
    pub(crate) fn stored(&self, timeout: Duration) -> Option<Stored<MongoStore, Event>> {
        if let Self::Spooled(_, spool) = self { Some(spool.stored(timeout)) } else { None }
    }

    /// Removes the events of all UTC days that ended by `before`, and returns their number.
    pub(crate) async fn remove_before(&self, before: Timestamp) -> Result<u64, BackendError> {
        Ok(match self {
            Self::Lake(lake) => lake.remove_before(before).await?,
            Self::Mongo(mongo) | Self::Spooled(mongo, _) => mongo.store.remove_before(before).await?,
        })
    }

    /// Returns whether the store has no events, not even some on their way.
    pub(crate) async fn is_empty(&self) -> Result<bool, BackendError> {
        Ok(match self {
            Self::Lake(lake) => lake.status().events == 0,
            Self::Mongo(mongo) => mongo.store.estimate().await? == 0,
            Self::Spooled(mongo, spool) => spool.status().behind_events == 0 && mongo.store.estimate().await? == 0,
        })
    }

    /// Deletes the events of another project in the MongoDB of this store. The files of the project are not touched, so
    /// a lake has nothing to do.
    pub(crate) async fn remove_beside(&self, id: &ProjectId) -> Result<(), BackendError> {
        match self {
            Self::Lake(_) => Ok(()),
            Self::Mongo(mongo) | Self::Spooled(mongo, _) => mongo.remove_beside(id).await,
        }
    }

    /// Returns the status of the store. Sends a ping to MongoDB.
    pub(crate) async fn status(&self) -> BackendStatus {
        match self {
            Self::Lake(lake) => BackendStatus::Lake(lake.status()),
            Self::Mongo(mongo) => BackendStatus::Mongo(mongo.look().await),
            Self::Spooled(mongo, spool) => BackendStatus::Spooled(mongo.look().await, spool.status()),
        }
    }

    /// Closes the store. Events that the spool does not forward within `timeout` stay in the data folder.
    pub(crate) async fn close(&self, timeout: Duration) -> Result<(), BackendError> {
        match self {
            Self::Lake(lake) => lake.close().await?,
            Self::Mongo(_) => {}
            Self::Spooled(_, spool) => {
                let left = spool.close(timeout).await.behind_events;
                if left > 0 {
                    tracing::warn!(events = left, "events remain in the spool; the next start forwards them");
                }
            }
        }
        Ok(())
    }
}

/// Logs a warning if the data folder contains a spool, which a server without a spool does not forward.
fn warn_of_spool(data_dir: &Path) {
    if data_dir.join(SPOOL).exists() {
        tracing::warn!(
            data_dir = %data_dir.display(),
            "the data folder contains a spool; its events go to MongoDB when the server runs with MARTECH_SPOOL=on"
        );
    }
}

impl Store<Event> for Backend {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        match self {
            Self::Lake(lake) => lake.append(batch).await,
            Self::Mongo(mongo) => mongo.store.append(batch).await,
            Self::Spooled(_, spool) => spool.append(batch).await,
        }
    }
}

/// Queries do not see events that a spool has not forwarded yet.
impl Reader for Backend {
    type Error = BackendError;

    async fn journey(&self, query: JourneyQuery) -> Result<JourneyPage, BackendError> {
        Ok(match self {
            Self::Lake(lake) => lake.journey(query).await?,
            Self::Mongo(mongo) | Self::Spooled(mongo, _) => mongo.store.journey(query).await?,
        })
    }

    async fn users(&self, query: UsersQuery) -> Result<UsersPage, BackendError> {
        Ok(match self {
            Self::Lake(lake) => lake.users(query).await?,
            Self::Mongo(mongo) | Self::Spooled(mongo, _) => mongo.store.users(query).await?,
        })
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, BackendError> {
        Ok(match self {
            Self::Lake(lake) => lake.stats(query).await?,
            Self::Mongo(mongo) | Self::Spooled(mongo, _) => mongo.store.stats(query).await?,
        })
    }
}
