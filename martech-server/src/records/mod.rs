//! Small things that must be remembered exactly: accounts, sessions, keys. They lie beside the lake in a redb file, or in
//! the MongoDB that holds the events, where any number of servers share them.
//!
//! A record is one entity under its key. Everything that reads first and writes after is a rule, and runs in a
//! transaction ([`transact!`]): transactions happen one after the other, and all writes of one happen, or none. Only
//! what harms nobody when it is lost goes past them: [`replace`](Records::replace) notes a use, and
//! [`append`](Records::append) adds what nobody decides by.
//!
//! redb has transactions of its own, and one process has the file: a lock is all that is added. A MongoDB that is no replica
//! set has none; `mongo` says how they are made there.

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
    /// The file has lost its content.
    #[error(
        "{path} is empty: its content was lost. Put a copy of the file in its place, or remove it to begin without accounts, keys and projects"
    )]
    Empty {
        /// Where it lies.
        path: std::path::PathBuf,
    },
    /// The server is shutting down.
    #[error("the records are closed")]
    Closed,
    /// Other transactions were in the way for too long.
    #[error("too many changes of accounts are made at once")]
    Busy,
    /// MongoDB.
    #[error("MongoDB: {0}")]
    Mongo(#[from] ::mongodb::error::Error),
    /// A record is none of those that this program writes.
    #[error("the record {key} of {table} cannot be read: {reason}")]
    Damaged {
        /// Its table.
        table: std::borrow::Cow<'static, str>,
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

    /// Adds an entity whose key nobody else has, and by which no rule goes.
    fn append<E: Entity>(&self, entity: &E) -> impl Future<Output = Result<()>> + Send;

    /// Puts an entity in the place of one with the same key; `false`, and nothing has happened, where that was changed or
    /// removed since it was read. A transaction that is under way may undo it.
    fn replace<E: Entity>(&self, read: &Stored<E>, entity: &E) -> impl Future<Output = Result<bool>> + Send;

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
pub(crate) const FILE: &str = "accounts.redb";

impl AnyRecords {
    /// Those of a data folder. Whoever opens them has locked it.
    pub(crate) fn open(data_dir: &Path) -> Result<Self> {
        RedbRecords::open(&data_dir.join(FILE)).map(Self::Redb)
    }

    /// Those beside the events of a MongoDB.
    pub(crate) fn beside(store: &MongoStore) -> Self {
        Self::Mongo(MongoRecords::new(store.database()))
    }

    /// Begins a transaction, when those of this server that came before are over. To be used through [`transact!`].
    pub(crate) async fn begin(&self) -> Result<Attempt> {
        let turns = match self {
            Self::Redb(records) => records.turns(),
            Self::Mongo(records) => records.turns(),
        };
        let turn = timeout(PATIENCE, turns.clone().lock_owned()).await.map_err(|_| RecordsError::Busy)?;
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

    /// Writes all, unless another transaction was committed since this one began.
    async fn commit(&self, begun: i64, writes: Writes) -> Result<bool> {
        match (self, writes) {
            (Self::Redb(records), Writes::Redb(changes)) => records.commit(changes).await.map(|()| true),
            (Self::Mongo(records), Writes::Mongo(changes)) => records.commit(begun, changes).await,
            _ => unreachable!("a transaction writes where it was begun"),
        }
    }

    /// Brings to its end what a server has committed that died then.
    pub(crate) async fn settle(&self) -> Result<()> {
        match self {
            Self::Redb(_) => Ok(()),
            Self::Mongo(records) => records.begin().await.map(drop),
        }
    }

    /// Releases what they hold. Whoever asks later is told that they are closed.
    pub(crate) async fn close(&self) {
        if let Self::Redb(records) = self {
            records.close().await;
        }
    }
}

/// So often a transaction is tried that others come before.
const ATTEMPTS: u32 = 100;
/// How long it waits for others of the same server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Decides something by what there is, and writes what follows from that, as if nobody else did anything meanwhile:
/// `transact!(records, ERROR, |transaction| { ... Ok(..) })` is a `Result` with that error. A rule that fails writes nothing. It
/// may run more than once, so it does nothing but read and write here; and it is quick: others wait for it.
//
// A function that takes an async closure would say this as well, but the compiler cannot show that its future may go from one
// thread to another.
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

/// A transaction that is tried until no other was faster.
pub(crate) struct Attempt {
    /// Held by the one of this server that decides something.
    turn: Option<OwnedMutexGuard<()>>,
    begun: i64,
    count: u32,
    pub(crate) transaction: Transaction,
}

impl Attempt {
    /// Writes what was decided, if it was; `false` where it has to be decided anew. Goes on to its end also where nobody waits
    /// for it any more, and others have their turn only then.
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
        // Another server was faster, and may be again.
        let pause = u64::from(getrandom::u32().unwrap_or(1)) % (2 << self.count.min(6));
        sleep(Duration::from_millis(pause)).await;
        (self.begun, self.transaction) = self.transaction.records.clone().anew().await?;
        Ok(false)
    }
}

/// What a rule reads, and what it writes.
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

/// Reads show what was there before.
impl Transaction {
    /// The entity with a key.
    pub(crate) async fn get<E: Entity>(&self, key: &str) -> Result<Option<E>> {
        Ok(self.records.get(key).await?.map(|stored| stored.entity))
    }

    /// Some of an owner's entities, or of all.
    pub(crate) async fn some<E: Entity>(&self, owner: Option<&str>, limit: usize) -> Result<Vec<E>> {
        let found = self.records.list(owner, None, limit).await?;
        Ok(found.into_iter().map(|stored| stored.entity).collect())
    }

    /// All of an owner's entities, or of everybody's, in the order of their keys.
    pub(crate) async fn all<E: Entity>(&self, owner: Option<&str>) -> Result<Vec<E>> {
        self.records.all(owner).await
    }

    /// Puts an entity under its key, whether there is one or not. The last to be put there counts.
    pub(crate) fn put<E: Entity>(&mut self, entity: &E) {
        match &mut self.writes {
            Writes::Redb(changes) => changes.push(redb::Change::put(entity)),
            Writes::Mongo(changes) => mongo::Change::put(entity).add_to(changes),
        }
    }

    /// Removes what is under a key.
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
