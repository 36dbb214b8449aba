//! MongoDB as the event store: the checks at the start of the server, and the health check.

use std::{io, path::Path, sync::Arc, time::Duration};

use martech_core::{
    event::Event,
    fs::{Disk, FileSystem, Lock},
    mongodb::{MongoError, MongoOptions, MongoStore, ServerInfo},
    sink::DeadLetter,
    spool::{SpoolOptions, Spooled},
};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::BackendError;
use crate::{identity::ProjectId, projects::dead_letters::DeadLetterFile};

/// How long a starting server waits for MongoDB before it continues without.
const START_PATIENCE: Duration = Duration::from_secs(5);
/// Timeout of a health check.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// A MongoDB store, and the lock of the data folder.
#[derive(Debug, Clone)]
pub(crate) struct Mongo {
    pub(crate) store: MongoStore,
    /// Excludes other processes from the data folder. `None` for a store without a folder of its own.
    _lock: Option<Arc<Lock>>,
}

impl Mongo {
    /// Wraps a store without locking a data folder.
    pub(crate) fn without_folder(store: MongoStore) -> Self {
        Self { store, _lock: None }
    }

    /// Locks the data folder, and checks the MongoDB server. The server starts without MongoDB if it is unavailable.
    ///
    /// # Errors
    /// Returns an error if the folder cannot be locked, if MongoDB denies access, or if the server is not a MongoDB.
    pub(super) async fn open(options: MongoOptions, data_dir: &Path) -> Result<Self, BackendError> {
        let folder = |source| BackendError::Folder { path: data_dir.to_owned(), source };
        Disk.create_dir_all(data_dir).map_err(folder)?;
        let lock = super::lock(data_dir).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => BackendError::Locked(data_dir.to_owned()),
            _ => folder(error),
        })?;
        if data_dir.join("catalog").exists() {
            tracing::warn!(
                data_dir = %data_dir.display(),
                "there are events of the embedded store in the data folder, which are not shown; \
                 `martech-server migrate` copies them"
            );
        }
        let store = MongoStore::new(options).await?;
        match timeout(START_PATIENCE, store.prepare()).await {
            Ok(Ok(prepared)) => {
                let ServerInfo { server_version, deployment, .. } = &*prepared;
                tracing::info!(server_version, ?deployment, "connected to MongoDB");
            }
            Ok(Err(error @ (MongoError::Unavailable(_) | MongoError::TimedOut(_)))) => {
                tracing::warn!(%error, "MongoDB is unavailable; the server starts without it");
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => tracing::warn!("MongoDB does not answer; the server starts without it"),
        }
        Ok(Self { store, _lock: Some(Arc::new(lock)) })
    }

    /// Opens the database of another project on the same server. `self` keeps the lock of the data folder.
    pub(super) fn beside(&self, id: &ProjectId) -> Result<Self, BackendError> {
        Ok(Self::without_folder(database_of(id, &self.store)?))
    }

    /// Deletes the events of another project on the same server, which must be closed.
    pub(super) async fn remove_beside(&self, id: &ProjectId) -> Result<(), BackendError> {
        match database_of(id, &self.store) {
            Ok(store) => Ok(store.remove_all().await?),
            // A project with this id could not be opened, so it has no events.
            Err(BackendError::DatabaseName(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens a spool in the data folder, in front of this store.
    pub(super) async fn spooled(
        &self,
        capacity_bytes: u64,
        data_dir: &Path,
        dead_letters: Arc<DeadLetterFile>,
    ) -> Result<Spooled<MongoStore, Event>, BackendError> {
        let options = SpoolOptions::new(data_dir.join(super::SPOOL)).capacity_bytes(capacity_bytes);
        let rejected = move |letter: DeadLetter<Event>| {
            dead_letters.keep(&letter);
            // The spool discards the event after this call, so the dead letter must be on disk.
            dead_letters.sync();
        };
        let spool = Spooled::open(options, self.store.clone(), rejected).await?;
        let left = spool.status().behind_events;
        if left > 0 {
            tracing::info!(events = left, "forwarding events that an earlier run left in the spool");
        }
        Ok(spool)
    }

    /// Checks whether MongoDB answers.
    pub(crate) async fn look(&self) -> MongoStatus {
        let looked = timeout(LOOK_PATIENCE, async {
            let prepared = self.store.prepare().await?;
            self.store.ping().await?;
            Ok::<_, MongoError>(prepared)
        });
        match looked.await {
            Ok(Ok(prepared)) => MongoStatus {
                status: "ok",
                server_version: Some(prepared.server_version.clone()),
                warnings: prepared.warnings.clone(),
                error: None,
            },
            Ok(Err(error)) => MongoStatus::away(error.to_string()),
            Err(_) => MongoStatus::away(format!("no answer within {} s", LOOK_PATIENCE.as_secs())),
        }
    }
}

/// Maximum length of a database name in MongoDB, in bytes.
const MAX_DATABASE_NAME: usize = 63;

/// Returns the store of a project on the MongoDB of the default project.
///
/// # Errors
/// Returns [`BackendError::DatabaseName`] if the name of the database would be too long.
pub(crate) fn database_of(id: &ProjectId, default: &MongoStore) -> Result<MongoStore, BackendError> {
    if id.is_default() {
        return Ok(default.clone());
    }
    let database = format!("{}_{id}", default.database().name());
    if database.len() > MAX_DATABASE_NAME {
        return Err(BackendError::DatabaseName(database));
    }
    Ok(default.in_database(&database))
}

/// The health of MongoDB.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = MongoHealth)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MongoStatus {
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<String>,
    /// Limitations of the deployment, and how the server handles them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

impl MongoStatus {
    fn away(error: String) -> Self {
        Self { status: "away", server_version: None, warnings: Vec::new(), error: Some(error) }
    }

    pub(crate) fn is_away(&self) -> bool {
        self.error.is_some()
    }
}
