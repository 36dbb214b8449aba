//! Small things that must be remembered exactly: accounts, sessions, keys. They lie beside the lake in a redb file, or in
//! the MongoDB that holds the events, where any number of servers share them.
//!
//! A record is one entity under its key. Whatever changes more than one of them is so ordered that a crash in between
//! leaves nothing that opens a door; whatever must happen once is an [`insert`](Records::insert) or a
//! [`remove`](Records::remove), which tell whether they were the one that did it.

mod mongo;
mod redb;
#[cfg(test)]
mod tests;

use std::{ops::Deref, path::Path};

use martech_core::{event::Timestamp, mongodb::MongoStore};
use serde::{Serialize, de::DeserializeOwned};

use self::{mongo::MongoRecords, redb::RedbRecords};

/// What can be kept.
pub(crate) trait Entity: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of their table, or collection.
    const TABLE: &'static str;

    /// By what it is found. Unique in its table.
    fn key(&self) -> &str;

    /// By what it is listed, with others.
    fn owner(&self) -> &str;

    /// From when on it may be swept away. Until then, and after, it is given to whoever asks.
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

/// An entity as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored<E> {
    pub(crate) entity: E,
    /// Counts its changes.
    version: i64,
}

impl<E> Deref for Stored<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.entity
    }
}

/// Why records cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The file beside the lake.
    #[error("{path}: {source}")]
    File {
        /// Where it lies.
        path: std::path::PathBuf,
        /// What is wrong with it.
        source: Box<::redb::Error>,
    },
    /// The server is shutting down.
    #[error("the records are closed")]
    Closed,
    /// MongoDB.
    #[error("MongoDB: {0}")]
    Mongo(#[from] ::mongodb::error::Error),
    /// A record is none of those that this program writes.
    #[error("the record {key} of {table} cannot be read: {reason}")]
    Damaged {
        /// Its table.
        table: &'static str,
        /// Its key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

type Result<T> = std::result::Result<T, RecordsError>;

/// Where records are kept. Each method is atomic, and what it has changed is durable when it returns.
pub(crate) trait Records: Send + Sync {
    /// The entity with a key.
    fn get<E: Entity>(&self, key: &str) -> impl Future<Output = Result<Option<Stored<E>>>> + Send;

    /// Adds an entity; `false`, and nothing has happened, where there is one with its key.
    fn insert<E: Entity>(&self, entity: &E) -> impl Future<Output = Result<bool>> + Send;

    /// Puts an entity in the place of one with the same key; `false`, and nothing has happened, where that was changed or
    /// removed since it was read.
    fn replace<E: Entity>(&self, read: &Stored<E>, entity: &E) -> impl Future<Output = Result<bool>> + Send;

    /// Removes the entity with a key; `false` where there is none.
    fn remove<E: Entity>(&self, key: &str) -> impl Future<Output = Result<bool>> + Send;

    /// An owner's entities, or all, in the order of their keys, behind one, at most `limit`.
    fn list<E: Entity>(
        &self,
        owner: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Stored<E>>>> + Send;

    /// All of an owner's entities, or of everybody's, in the order of their keys.
    fn all<E: Entity>(&self, owner: Option<&str>) -> impl Future<Output = Result<Vec<E>>> + Send {
        async move {
            const PAGE: usize = 1000;
            let (mut all, mut after) = (Vec::<E>::new(), None::<String>);
            loop {
                let page: Vec<Stored<E>> = self.list(owner, after.as_deref(), PAGE).await?;
                let is_last = page.len() < PAGE;
                all.extend(page.into_iter().map(|stored| stored.entity));
                if is_last {
                    return Ok(all);
                }
                after = all.last().map(|last| last.key().to_owned());
            }
        }
    }

    /// Removes all of an owner's entities, one after the other.
    fn remove_all<E: Entity>(&self, owner: &str) -> impl Future<Output = Result<()>> + Send {
        async move {
            for entity in self.all::<E>(Some(owner)).await? {
                self.remove::<E>(entity.key()).await?;
            }
            Ok(())
        }
    }

    /// Removes entities that have expired; how many.
    fn sweep<E: Entity>(&self, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;
}

/// The records of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum AnyRecords {
    Redb(RedbRecords),
    Mongo(MongoRecords),
}

/// The file in the data folder.
const FILE: &str = "accounts.redb";

impl AnyRecords {
    /// Those of a data folder. Whoever opens them has locked it.
    pub(crate) fn open(data_dir: &Path) -> Result<Self> {
        RedbRecords::open(&data_dir.join(FILE)).map(Self::Redb)
    }

    /// Those beside the events of a MongoDB.
    pub(crate) fn beside(store: &MongoStore) -> Self {
        Self::Mongo(MongoRecords::new(store.database()))
    }

    /// Releases what they hold. Whoever asks later is told that they are closed.
    pub(crate) async fn close(&self) {
        if let Self::Redb(records) = self {
            records.close().await;
        }
    }
}

macro_rules! each {
    ($self:ident, $records:ident => $do:expr) => {
        match $self {
            Self::Redb($records) => $do.await,
            Self::Mongo($records) => $do.await,
        }
    };
}

impl Records for AnyRecords {
    async fn get<E: Entity>(&self, key: &str) -> Result<Option<Stored<E>>> {
        each!(self, records => records.get(key))
    }

    async fn insert<E: Entity>(&self, entity: &E) -> Result<bool> {
        each!(self, records => records.insert(entity))
    }

    async fn replace<E: Entity>(&self, read: &Stored<E>, entity: &E) -> Result<bool> {
        each!(self, records => records.replace(read, entity))
    }

    async fn remove<E: Entity>(&self, key: &str) -> Result<bool> {
        each!(self, records => records.remove::<E>(key))
    }

    async fn list<E: Entity>(&self, owner: Option<&str>, after: Option<&str>, limit: usize) -> Result<Vec<Stored<E>>> {
        each!(self, records => records.list(owner, after, limit))
    }

    async fn sweep<E: Entity>(&self, now: Timestamp) -> Result<u64> {
        each!(self, records => records.sweep::<E>(now))
    }
}
