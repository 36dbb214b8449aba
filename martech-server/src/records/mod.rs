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
mod redb;
#[cfg(test)]
mod tests;

use std::{ops::Deref, panic::resume_unwind, path::Path, time::Duration};

use martech_core::{event::Timestamp, mongodb::MongoStore};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::OwnedMutexGuard,
    time::{sleep, timeout},
};

pub(crate) use self::redb::check;
use self::{mongo::MongoRecords, redb::RedbRecords};

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
        table: std::borrow::Cow<'static, str>,
        /// The key of the record.
        key: String,
        /// The problem with the record.
        reason: String,
    },
}

type Result<T> = std::result::Result<T, RecordsError>;

/// A store of records. Each method is atomic, and its writes are durable when it returns.
pub(crate) trait Records: Send + Sync {
    /// Returns the entity with a key.
    fn get<E: Entity>(&self, key: &str) -> impl Future<Output = Result<Option<Stored<E>>>> + Send;

    /// Returns up to `limit` entities with keys greater than `after`, in key order: those of an owner, or of all
    /// owners.
    fn list<E: Entity>(
        &self,
        owner: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Stored<E>>>> + Send;

    /// Returns all entities of an owner, or of all owners, in key order.
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

    /// Adds an entity with a new, unique key, which no transaction reads.
    fn append<E: Entity>(&self, entity: &E) -> impl Future<Output = Result<()>> + Send;

    /// Replaces an entity by one with the same key. Returns `false` without a change if the record was changed or
    /// removed after the read. A concurrent transaction may overwrite the change.
    fn replace<E: Entity>(&self, read: &Stored<E>, entity: &E) -> impl Future<Output = Result<bool>> + Send;

    /// Removes expired entities, and returns how many.
    fn sweep<E: Entity>(&self, now: Timestamp) -> impl Future<Output = Result<u64>> + Send;
}

/// The records of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum AnyRecords {
    Redb(RedbRecords),
    Mongo(MongoRecords),
}

/// The redb file in the data folder.
pub(crate) const FILE: &str = "accounts.redb";

impl AnyRecords {
    /// Opens the records of a data folder. The caller holds the lock of the folder.
    pub(crate) fn open(data_dir: &Path) -> Result<Self> {
        RedbRecords::open(&data_dir.join(FILE)).map(Self::Redb)
    }

    /// Returns the records in the database of a MongoDB event store.
    pub(crate) fn beside(store: &MongoStore) -> Self {
        Self::Mongo(MongoRecords::new(store.database()))
    }

    /// Begins a transaction after earlier ones of this server have ended. Use it through [`transact!`].
    pub(crate) async fn begin(&self) -> Result<Attempt> {
        let turns = match self {
            Self::Redb(records) => records.turns(),
            Self::Mongo(records) => records.turns(),
        };
        let turn = timeout(LOCK_TIMEOUT, turns.clone().lock_owned()).await.map_err(|_| RecordsError::Busy)?;
        let (begun, transaction) = self.anew().await?;
        Ok(Attempt { turn: Some(turn), begun, count: 0, transaction })
    }

    async fn anew(&self) -> Result<(i64, Transaction)> {
        let (begun, writes) = match self {
            Self::Redb(_) => (0, Writes::Redb(Vec::new())),
            Self::Mongo(records) => (records.begin().await?, Writes::Mongo(Vec::new())),
        };
        Ok((begun, Transaction { records: self.clone(), writes }))
    }

    /// Commits the writes. Returns `false` if another transaction was committed since this one began.
    async fn commit(&self, begun: i64, writes: Writes) -> Result<bool> {
        match (self, writes) {
            (Self::Redb(records), Writes::Redb(changes)) => records.commit(changes).await.map(|()| true),
            (Self::Mongo(records), Writes::Mongo(changes)) => records.commit(begun, changes).await,
            _ => unreachable!("a transaction writes where it was begun"),
        }
    }

    /// Finishes a transaction that a server committed but did not carry out before it died.
    pub(crate) async fn settle(&self) -> Result<()> {
        match self {
            Self::Redb(_) => Ok(()),
            Self::Mongo(records) => records.begin().await.map(drop),
        }
    }

    /// Closes the redb file. Later calls return [`RecordsError::Closed`].
    pub(crate) async fn close(&self) {
        if let Self::Redb(records) = self {
            records.close().await;
        }
    }
}

/// The maximum number of attempts of a transaction.
const ATTEMPTS: u32 = 100;
/// The timeout for the lock on transactions of the same server.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a rule as a serializable transaction. `transact!(records, ERROR, |transaction| { ... Ok(..) })` is a `Result`
/// with that error type. If the rule returns an error, nothing is written. The rule may run more than once, so it must
/// have no side effects but its reads and writes. Other transactions wait for it, so it must be fast.
//
// A function with an async closure would be simpler, but the compiler cannot prove that its future is `Send`.
macro_rules! transact {
    ($records:expr, $error:ty, |$transaction:ident| $rule:block) => {
        match $records.begin().await {
            Err(error) => std::result::Result::<_, $error>::Err(error.into()),
            Ok(mut attempt) => loop {
                let decided: std::result::Result<_, $error> = async {
                    let $transaction = &mut attempt.transaction;
                    $rule
                }
                .await;
                match attempt.commit(decided.is_ok()).await {
                    Ok(true) => break decided,
                    Ok(false) => {}
                    Err(error) => break Err(error.into()),
                }
            },
        }
    };
}

pub(crate) use transact;

/// A transaction that retries after conflicts.
pub(crate) struct Attempt {
    /// The lock on transactions of this server.
    turn: Option<OwnedMutexGuard<()>>,
    begun: i64,
    count: u32,
    pub(crate) transaction: Transaction,
}

impl Attempt {
    /// Commits the writes if the rule has succeeded. Returns `false` if the rule must run again. The commit completes
    /// even if this future is dropped, and other transactions wait until it has.
    pub(crate) async fn commit(&mut self, is_decided: bool) -> Result<bool> {
        let (records, begun) = (self.transaction.records.clone(), self.begun);
        let none = self.transaction.writes.none();
        let decided = std::mem::replace(&mut self.transaction.writes, none);
        let writes = if is_decided { decided } else { decided.none() };
        let turn = self.turn.take();
        let committing = tokio::spawn(async move { (turn, records.commit(begun, writes).await) });
        let committed;
        (self.turn, committed) = committing.await.unwrap_or_else(|panic| resume_unwind(panic.into_panic()));
        if committed? {
            return Ok(true);
        }
        self.count += 1;
        if self.count == ATTEMPTS {
            return Err(RecordsError::Busy);
        }
        // Another server committed first. A random backoff avoids repeated conflicts.
        let pause = u64::from(getrandom::u32().unwrap_or(1)) % (2 << self.count.min(6));
        sleep(Duration::from_millis(pause)).await;
        (self.begun, self.transaction) = self.transaction.records.clone().anew().await?;
        Ok(false)
    }
}

/// A transaction: reads of the store, and buffered writes.
pub(crate) struct Transaction {
    records: AnyRecords,
    writes: Writes,
}

enum Writes {
    Redb(Vec<redb::Change>),
    Mongo(Vec<mongo::Change>),
}

impl Writes {
    fn none(&self) -> Self {
        match self {
            Self::Redb(_) => Self::Redb(Vec::new()),
            Self::Mongo(_) => Self::Mongo(Vec::new()),
        }
    }
}

/// Reads do not show the writes of the same transaction.
impl Transaction {
    /// Returns the entity with a key.
    pub(crate) async fn get<E: Entity>(&self, key: &str) -> Result<Option<E>> {
        Ok(self.records.get(key).await?.map(|stored| stored.entity))
    }

    /// Returns up to `limit` entities of an owner, or of all owners.
    pub(crate) async fn some<E: Entity>(&self, owner: Option<&str>, limit: usize) -> Result<Vec<E>> {
        let found = self.records.list(owner, None, limit).await?;
        Ok(found.into_iter().map(|stored| stored.entity).collect())
    }

    /// Returns all entities of an owner, or of all owners, in key order.
    pub(crate) async fn all<E: Entity>(&self, owner: Option<&str>) -> Result<Vec<E>> {
        self.records.all(owner).await
    }

    /// Inserts or replaces an entity. The last write to a key in a transaction wins.
    pub(crate) fn put<E: Entity>(&mut self, entity: &E) {
        match &mut self.writes {
            Writes::Redb(changes) => changes.push(redb::Change::put(entity)),
            Writes::Mongo(changes) => mongo::Change::put(entity).add_to(changes),
        }
    }

    /// Removes the entity with a key, if there is one.
    pub(crate) fn remove<E: Entity>(&mut self, key: &str) {
        match &mut self.writes {
            Writes::Redb(changes) => changes.push(redb::Change::remove::<E>(key)),
            Writes::Mongo(changes) => mongo::Change::remove::<E>(key).add_to(changes),
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

    async fn append<E: Entity>(&self, entity: &E) -> Result<()> {
        each!(self, records => records.append(entity))
    }

    async fn replace<E: Entity>(&self, read: &Stored<E>, entity: &E) -> Result<bool> {
        each!(self, records => records.replace(read, entity))
    }

    async fn list<E: Entity>(&self, owner: Option<&str>, after: Option<&str>, limit: usize) -> Result<Vec<Stored<E>>> {
        each!(self, records => records.list(owner, after, limit))
    }

    async fn sweep<E: Entity>(&self, now: Timestamp) -> Result<u64> {
        each!(self, records => records.sweep::<E>(now))
    }
}
