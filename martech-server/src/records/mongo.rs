//! Records in MongoDB: one collection for each entity type, in the database of the events.
//!
//! A document is `{_id: KEY, owner, version, expiresAt?, entity: {...}}`. Each collection has an index by owner and a
//! TTL index, by which MongoDB removes expired records. Results are the same without these indexes.
//!
//! # Transactions
//!
//! Transactions need only atomic changes of single documents, so a standalone MongoDB server is enough. The collection
//! `transactions` has one document, `{_id: "last", number: N, writes: [...]}`: the last committed transaction, and its
//! writes that are not yet carried out.
//!
//! 1. A transaction begins at `number` N with empty `writes`. If `writes` is not empty, the transaction first carries
//!    them out, because the server that committed them may have died.
//! 2. The rule reads. All writes of the first N transactions are visible.
//! 3. The commit sets the document to `{number: N + 1, writes: [...]}` if its number is still N. Otherwise the rule
//!    runs again from step 1. A transaction without writes checks that the number is still N, so that it has not seen a
//!    part of another transaction.
//! 4. The server carries out the writes, and then empties `writes`.
//!
//! Two servers may carry out the same writes at once, and a slow one may do so after later transactions. Therefore a
//! write of transaction N has the version N · 2²⁰, and applies only to a smaller version. A removed record leaves its
//! version for a day, without an entity. An update outside transactions increments the version by one.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::TryStreamExt;
use martech_core::event::Timestamp;
use mongodb::{
    Collection, Database, IndexModel,
    bson::{self, Bson, DateTime, Document, doc},
    error::{ErrorKind, WriteFailure},
    options::{Acknowledgment, CollectionOptions, IndexOptions, ReadPreference, SelectionCriteria, WriteConcern},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Result,
    record::{Change, Found, Index, Kind, Record},
};

/// The records in the database of the events.
#[derive(Debug, Clone)]
pub(crate) struct MongoRecords {
    database: Database,
    /// The collections whose indexes this process has requested.
    indexed: Arc<Mutex<HashSet<String>>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    #[serde(rename = "_id")]
    key: String,
    owner: String,
    version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime>,
    /// `None` for a removed record.
    entity: Option<Value>,
}

impl Content {
    fn new(record: Record, version: i64) -> Self {
        let Record { key, index: Index { owner, expires_at }, entity, .. } = record;
        let expires_at = expires_at.map(|at| DateTime::from_millis(at.millis()));
        Self { key, owner, version, expires_at, entity: Some(entity) }
    }

    fn found(self) -> Option<Found> {
        Some(Found { key: self.key, version: self.version, entity: self.entity? })
    }
}

/// A write of one record: the new document without its version, or `None` to remove it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Write {
    table: String,
    key: String,
    content: Option<Content>,
}

impl From<Change> for Write {
    fn from(change: Change) -> Self {
        let (table, key) = change.target();
        let (table, key) = (table.to_owned(), key.to_owned());
        let content = match change {
            Change::Put(record) => Some(Content::new(record, 0)),
            Change::Remove { .. } => None,
        };
        Self { table, key, content }
    }
}

/// The document of the last committed transaction.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Last {
    number: i64,
    writes: Vec<Write>,
}

/// The collection and the key of [`Last`].
const TRANSACTIONS: &str = "transactions";
const LAST: &str = "last";

/// The range of versions of each transaction, and so the maximum number of updates between two transactions that write
/// the same record.
const USES: i64 = 1 << 20;
/// How long the version of a removed record is kept: longer than any write can be delayed.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The MongoDB error code for a duplicate key.
const DUPLICATE_KEY: i32 = 11000;

impl MongoRecords {
    pub(super) fn new(database: &Database) -> Self {
        Self { database: database.clone(), indexed: Arc::default() }
    }

    /// Returns a collection. Unless the connection string sets another write concern, acknowledged writes survive the
    /// failover of a server. Reads go to the primary, so they show acknowledged writes.
    fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        let mut concern = WriteConcern::default();
        (concern.w, concern.journal) = (Some(Acknowledgment::Majority), Some(true));
        let mut options = CollectionOptions::default();
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.write_concern = Some(self.database.write_concern().cloned().unwrap_or(concern));
        self.database.collection_with_options(name, options)
    }

    fn of(&self, kind: Kind) -> Collection<Content> {
        self.collection(kind.table)
    }

    /// Creates the indexes of a collection, once in each process.
    async fn index(&self, table: &str) {
        if !self.indexed.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned()) {
            return;
        }
        let expiry = IndexOptions::builder().expire_after(Duration::ZERO).build();
        let indexes = [
            IndexModel::builder().keys(doc! { "owner": 1, "_id": 1 }).build(),
            IndexModel::builder().keys(doc! { "expiresAt": 1 }).options(expiry).build(),
        ];
        for index in indexes {
            if let Err(error) = self.collection::<Document>(table).create_index(index).await {
                tracing::warn!(%error, collection = table, "MongoDB cannot create this index; continuing without it");
            }
        }
    }

    pub(super) async fn find(&self, kind: Kind, key: &str) -> Result<Option<Found>> {
        Ok(self.of(kind).find_one(doc! { "_id": key }).await?.and_then(Content::found))
    }

    pub(super) async fn page(
        &self,
        kind: Kind,
        owner: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Found>> {
        let mut filter = doc! { "entity": { "$exists": true } };
        owner.into_iter().for_each(|owner| drop(filter.insert("owner", owner)));
        if let Some(after) = after {
            filter.insert("_id", doc! { "$gt": after });
        }
        // MongoDB treats a limit of zero as no limit.
        let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        let found = self.of(kind).find(filter).sort(doc! { "_id": 1 }).limit(limit).await?;
        Ok(found.try_filter_map(async |content| Ok(content.found())).try_collect().await?)
    }

    pub(super) async fn add(&self, record: Record) -> Result<()> {
        self.index(record.kind.table).await;
        self.of(record.kind).insert_one(Content::new(record, 1)).await?;
        Ok(())
    }

    pub(super) async fn swap(&self, version: i64, record: Record) -> Result<bool> {
        let unchanged = doc! { "_id": &record.key, "version": version };
        let swapped = self.of(record.kind).replace_one(unchanged, Content::new(record, version + 1)).await?;
        Ok(swapped.matched_count == 1)
    }

    pub(super) async fn expire(&self, kind: Kind, now: Timestamp) -> Result<u64> {
        let expired: Document = doc! { "expiresAt": { "$lte": DateTime::from_millis(now.millis()) } };
        Ok(self.of(kind).delete_many(expired).await?.deleted_count)
    }

    /// Carries out the writes of the last transaction, if any are left, and returns its number.
    pub(super) async fn begin(&self) -> Result<i64> {
        let last = self.last().await?;
        if !last.writes.is_empty() {
            self.carry_out(&last).await?;
        }
        Ok(last.number)
    }

    async fn last(&self) -> Result<Last> {
        Ok(self.collection::<Last>(TRANSACTIONS).find_one(doc! { "_id": LAST }).await?.unwrap_or_default())
    }

    /// Commits the transaction that began at `begun`. Returns `false` without a change if another one committed first.
    pub(super) async fn commit(&self, begun: i64, changes: Vec<Change>) -> Result<bool> {
        if changes.is_empty() {
            return Ok(self.last().await?.number == begun);
        }
        for change in &changes {
            self.index(change.target().0).await;
        }
        match self.commit_alone(begun, changes).await? {
            Some(committed) => self.carry_out(&committed).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Commits without carrying out the writes.
    pub(super) async fn commit_alone(&self, begun: i64, changes: Vec<Change>) -> Result<Option<Last>> {
        let next = Last { number: begun + 1, writes: changes.into_iter().map(Write::from).collect() };
        let content = bson::serialize_to_document(&next).map_err(mongodb::error::Error::from)?;
        let (unchanged, set) = (doc! { "_id": LAST, "number": begun }, doc! { "$set": content });
        let transactions = self.collection::<Document>(TRANSACTIONS);
        // The first transaction inserts the document. If two try at once, one fails with a duplicate key.
        match transactions.update_one(unchanged, set).upsert(begun == 0).await {
            Ok(done) if done.matched_count == 1 || done.upserted_id.is_some() => Ok(Some(next)),
            Ok(_) => Ok(None),
            Err(error) if is_duplicate(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn carry_out(&self, Last { number, writes }: &Last) -> Result<()> {
        for write in writes {
            self.write(write, number * USES).await?;
        }
        let done = doc! { "$set": { "writes": Bson::Array(Vec::new()) } };
        self.collection::<Document>(TRANSACTIONS).update_one(doc! { "_id": LAST, "number": number }, done).await?;
        Ok(())
    }

    /// Writes a record, unless a later transaction has written it. An upsert then fails with a duplicate key.
    async fn write(&self, Write { table, key, content }: &Write, version: i64) -> Result<()> {
        let older = doc! { "_id": key, "version": { "$not": { "$gte": version } } };
        let written = match content {
            Some(content) => {
                let content = Content { version, ..content.clone() };
                self.collection::<Content>(table).replace_one(older, content).upsert(true).await
            }
            None => {
                let until = DateTime::from_millis(DateTime::now().timestamp_millis() + REMEMBERED.as_millis() as i64);
                let gone = doc! { "_id": key, "owner": "", "version": version, "expiresAt": until };
                self.collection::<Document>(table).replace_one(older, gone).await
            }
        };
        match written {
            Err(error) if !is_duplicate(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn is_duplicate(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY)
}
