//! Transactional storage for small entities: accounts, sessions, keys. Records are stored in a redb file beside the
//! lake, or in the MongoDB that holds the events, where several servers share them.
//!
//! A record is one entity under its key. Each read followed by a dependent write runs in a transaction ([`transact!`]).
//! Transactions are serializable and atomic. Two operations run outside transactions, because losing their effect is
//! harmless: [`replace`](Records::replace) updates a time of use or an expiry, and [`append`](Records::append) adds
//! entries that no rule reads.
//!
//! redb has its own transactions and only one process opens the file, so this module adds only a lock. A MongoDB
//! without a replica set has no transactions; `mongo` describes how this module implements them.

mod mongo;
mod record;
mod redb;
#[cfg(test)]
mod tests;
mod transaction;

use std::{ops::Deref, path::Path, sync::Arc};

use martech_core::{event::Timestamp, mongodb::MongoStore};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Mutex;

use self::{
    mongo::MongoRecords,
    record::{Change, Found, Kind, Record},
    redb::RedbRecords,
};
pub(crate) use self::{
    redb::check,
    transaction::{Attempt, Transaction, transact},
};

/// A storable entity.
pub(crate) trait Entity: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of the table or collection.
    const TABLE: &'static str;

    /// The primary key, unique in its table.
    fn key(&self) -> &str;

    /// The secondary key, by which entities are listed.
    fn owner(&self) -> &str;

    /// The time from which the entity may be removed. Reads also return expired entities.
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

/// An entity with its version, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored<E> {
    pub(crate) entity: E,
    /// Changes with each write of the record.
    version: i64,
}

impl<E> Deref for Stored<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.entity
    }
}

/// Errors of reading or writing records.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The redb file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The path of the file.
        path: std::path::PathBuf,
        /// The error of redb or of the system.
        source: Box<::redb::Error>,
    },
    /// The file has lost its content.
    #[error(
        "{path} is empty: its content was lost. Put a copy of the file in its place, or remove it to begin without accounts, keys and projects"
    )]
    Empty {
        /// The path of the file.
        path: std::path::PathBuf,
    },
    /// The records are closed, because the server is shutting down.
    #[error("the records are closed")]
    Closed,
    /// Concurrent transactions have delayed this one for too long.
    #[error("too many concurrent changes of accounts")]
    Busy,
    /// MongoDB returned an error, or cannot be reached.
    #[error("MongoDB: {0}")]
    Mongo(#[from] ::mongodb::error::Error),
    /// A record cannot be encoded or decoded.
    #[error("the record {key} of {table} cannot be read: {reason}")]
    Damaged {
        /// The table of the record.
        table: String,
        /// The key of the record.
        key: String,
        /// The problem with the record.
        reason: String,
    },
}

type Result<T> = std::result::Result<T, RecordsError>;

/// The records of a server. Cheap to clone. Each method is atomic, and its writes are durable when it returns.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    backend: Backend,
    /// The lock on transactions of this server.
    turns: Arc<Mutex<()>>,
}

#[derive(Debug, Clone)]
enum Backend {
    Redb(RedbRecords),
    Mongo(MongoRecords),
}

impl From<Backend> for Records {
    fn from(backend: Backend) -> Self {
        Self { backend, turns: Arc::default() }
    }
}

/// The redb file in the data folder.
pub(crate) const FILE: &str = "accounts.redb";

impl Records {
    /// Opens the records of a data folder. The caller holds the lock of the folder.
    pub(crate) fn open(data_dir: &Path) -> Result<Self> {
        RedbRecords::open(&data_dir.join(FILE)).map(|records| Backend::Redb(records).into())
    }

    /// Returns the records in the database of a MongoDB event store.
    pub(crate) fn beside(store: &MongoStore) -> Self {
        Backend::Mongo(MongoRecords::new(store.database())).into()
    }

    /// Returns the entity with a key.
    pub(crate) async fn get<E: Entity>(&self, key: &str) -> Result<Option<Stored<E>>> {
        self.find(Kind::of::<E>(), key).await?.map(|found| found.decode()).transpose()
    }

    /// Returns up to `limit` entities with keys greater than `after`, in key order: those of an owner, or of all
    /// owners.
    pub(crate) async fn list<E: Entity>(
        &self,
        owner: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Stored<E>>> {
        self.page(Kind::of::<E>(), owner, after, limit).await?.iter().map(Found::decode).collect()
    }

    /// Returns all entities of an owner, or of all owners, in key order.
    pub(crate) async fn all<E: Entity>(&self, owner: Option<&str>) -> Result<Vec<E>> {
        let pages = self.pages(Kind::of::<E>(), owner).await?;
        pages.iter().map(|found| found.decode().map(|stored| stored.entity)).collect()
    }

    /// Adds an entity with a new, unique key, which no transaction reads.
    pub(crate) async fn append<E: Entity>(&self, entity: &E) -> Result<()> {
        self.add(Record::of(entity)?).await
    }

    /// Replaces an entity by one with the same key. Returns `false` without a change if the record was changed or
    /// removed after the read. A concurrent transaction may overwrite the change.
    pub(crate) async fn replace<E: Entity>(&self, read: &Stored<E>, entity: &E) -> Result<bool> {
        self.swap(read.version, Record::of(entity)?).await
    }

    /// Removes expired entities, and returns how many.
    pub(crate) async fn sweep<E: Entity>(&self, now: Timestamp) -> Result<u64> {
        self.expire(Kind::of::<E>(), now).await
    }

    /// Begins a transaction after earlier ones of this server have ended. Use it through [`transact!`].
    pub(crate) async fn begin(&self) -> Result<Attempt> {
        Attempt::begin(self).await
    }

    /// Finishes a transaction that a server committed but did not carry out before it died.
    pub(crate) async fn settle(&self) -> Result<()> {
        self.number().await.map(drop)
    }

    /// Closes the redb file. Later calls return [`RecordsError::Closed`].
    pub(crate) async fn close(&self) {
        if let Backend::Redb(records) = &self.backend {
            records.close().await;
        }
    }
}

macro_rules! each {
    ($self:ident, $records:ident => $do:expr) => {
        match &$self.backend {
            Backend::Redb($records) => $do.await,
            Backend::Mongo($records) => $do.await,
        }
    };
}

/// The same without the types of entities.
impl Records {
    async fn find(&self, kind: Kind, key: &str) -> Result<Option<Found>> {
        each!(self, records => records.find(kind, key))
    }

    async fn page(&self, kind: Kind, owner: Option<&str>, after: Option<&str>, limit: usize) -> Result<Vec<Found>> {
        each!(self, records => records.page(kind, owner, after, limit))
    }

    async fn pages(&self, kind: Kind, owner: Option<&str>) -> Result<Vec<Found>> {
        const PAGE: usize = 1000;
        let mut all = Vec::<Found>::new();
        loop {
            let after = all.last().map(|last| last.key.clone());
            let page = self.page(kind, owner, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    async fn add(&self, record: Record) -> Result<()> {
        match &self.backend {
            Backend::Redb(records) => records.commit(vec![Change::Put(record)]).await,
            Backend::Mongo(records) => records.add(record).await,
        }
    }

    /// Replaces the record with the same key if its version is still `version`.
    async fn swap(&self, version: i64, record: Record) -> Result<bool> {
        each!(self, records => records.swap(version, record))
    }

    async fn expire(&self, kind: Kind, now: Timestamp) -> Result<u64> {
        each!(self, records => records.expire(kind, now))
    }

    /// Returns the number of the last transaction, after it is carried out. redb needs no numbers.
    async fn number(&self) -> Result<i64> {
        match &self.backend {
            Backend::Redb(_) => Ok(0),
            Backend::Mongo(records) => records.begin().await,
        }
    }

    /// Commits the writes. Returns `false` if another transaction was committed since this one began.
    async fn commit(&self, begun: i64, changes: Vec<Change>) -> Result<bool> {
        match &self.backend {
            Backend::Redb(records) => records.commit(changes).await.map(|()| true),
            Backend::Mongo(records) => records.commit(begun, changes).await,
        }
    }
}
