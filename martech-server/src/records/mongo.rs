//! Records in MongoDB: one collection for each kind, in the database of the events.
//!
//! A document is `{_id: KEY, owner, version, expiresAt?, entity: {...}}`. There is an index of owners, and one by which
//! MongoDB itself removes what has expired; a server that has neither gives the same answers.
//!
//! # Transactions
//!
//! They need nothing of MongoDB but that one document changes as a whole, so a single server will do. The collection
//! `transactions` has one document, `{_id: "last", number: N, writes: [...]}`: the last transaction that was committed, and
//! what of it has to be carried out.
//!
//! 1. A transaction begins at `number` N, with no `writes` left. If there are some, it carries them out first, whoever
//!    committed them: that server may have died.
//! 2. It reads. Everything that N transactions have written is there.
//! 3. It commits: the document becomes `{number: N + 1, writes: [...]}`, if its number still is N. If not, the rule runs
//!    again from 1. One that writes nothing looks whether the number still is N, so that it has not seen half of another.
//! 4. It carries out its writes, and then takes them out of the document.
//!
//! Two servers may carry out the same writes at once, and one of them may be slow and come when later ones were carried out.
//! So a write of transaction N has the version N · 2²⁰, and goes only where the version is smaller. A removed record leaves
//! its version there for a day, without an entity. A use that is noted beside transactions raises the version by one.

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

use super::{Entity, Records, RecordsError, Result, Stored};

/// The records beside the events.
#[derive(Debug, Clone)]
pub(crate) struct MongoRecords {
    database: Database,
    /// Collections whose indexes were asked for.
    indexed: Arc<Mutex<HashSet<String>>>,
    turns: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content<E> {
    #[serde(rename = "_id")]
    key: String,
    owner: String,
    version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime>,
    /// `None` of a record that was removed.
    entity: Option<E>,
}

impl<E: Entity> Content<E> {
    fn new(entity: &E, version: i64) -> Self {
        Self {
            key: entity.key().to_owned(),
            owner: entity.owner().to_owned(),
            version,
            expires_at: entity.expires_at().map(|at| DateTime::from_millis(at.millis())),
            entity: Some(entity.clone()),
        }
    }
}

/// A change of one record: what the document becomes, but for its version, or `None` where it is removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    table: String,
    key: String,
    content: Option<Document>,
    /// Why it cannot be written.
    #[serde(skip)]
    unwritable: Option<String>,
}

impl Change {
    pub(super) fn put<E: Entity>(entity: &E) -> Self {
        // As the driver does it, to whom this is no text for people: times are numbers.
        let raw = bson::serialize_to_raw_document_buf(&Content::new(entity, 0));
        let content = raw
            .map_err(|error| error.to_string())
            .and_then(|raw| Document::try_from(raw).map_err(|error| error.to_string()));
        let (content, unwritable) = match content {
            Ok(content) => (Some(content), None),
            Err(error) => (None, Some(error)),
        };
        Self { table: E::TABLE.to_owned(), key: entity.key().to_owned(), content, unwritable }
    }

    pub(super) fn remove<E: Entity>(key: &str) -> Self {
        Self { table: E::TABLE.to_owned(), key: key.to_owned(), content: None, unwritable: None }
    }

    /// In the place of what was to become of the same record before.
    pub(super) fn add_to(self, changes: &mut Vec<Self>) {
        changes.retain(|other| (&other.table, &other.key) != (&self.table, &self.key));
        changes.push(self);
    }
}

/// The last transaction that was committed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Last {
    number: i64,
    writes: Vec<Change>,
}

/// Its collection, and its key in it.
const TRANSACTIONS: &str = "transactions";
const LAST: &str = "last";

/// So many times the use of a record can be noted between two transactions that write it.
const USES: i64 = 1 << 20;
/// How long it is known of a removed record that it was: longer than any write is on its way.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// MongoDB's code of a key that is taken.
const DUPLICATE_KEY: i32 = 11000;

impl MongoRecords {
    pub(super) fn new(database: &Database) -> Self {
        Self { database: database.clone(), indexed: Arc::default(), turns: Arc::default() }
    }

    /// Held by the one of this server that decides something, so that they do not get in each other's way.
    pub(super) fn turns(&self) -> &Arc<tokio::sync::Mutex<()>> {
        &self.turns
    }

    /// What is acknowledged survives the loss of a server, and is seen by whoever asks next.
    fn collection<T: Send + Sync>(&self, name: &str) -> Collection<T> {
        let mut concern = WriteConcern::default();
        (concern.w, concern.journal) = (Some(Acknowledgment::Majority), Some(true));
        let mut options = CollectionOptions::default();
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.write_concern = Some(self.database.write_concern().cloned().unwrap_or(concern));
        self.database.collection_with_options(name, options)
    }

    fn of<E: Entity>(&self) -> Collection<Content<E>> {
        self.collection(E::TABLE)
    }

    /// Makes the indexes of a collection, once.
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
                tracing::warn!(%error, collection = table, "MongoDB makes no such index; it is done without");
            }
        }
    }

    /// The number of the last transaction, when all of it is carried out.
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

    /// Commits the transaction that began at a number; `false`, and nothing has happened, where another was faster.
    pub(super) async fn commit(&self, begun: i64, writes: Vec<Change>) -> Result<bool> {
        if writes.is_empty() {
            return Ok(self.last().await?.number == begun);
        }
        if let Some((change, reason)) = writes.iter().find_map(|change| Some((change, change.unwritable.clone()?))) {
            return Err(RecordsError::Damaged { table: change.table.clone().into(), key: change.key.clone(), reason });
        }
        for change in &writes {
            self.index(&change.table).await;
        }
        match self.commit_alone(begun, writes).await? {
            Some(committed) => self.carry_out(&committed).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Commits, and carries nothing out.
    pub(super) async fn commit_alone(&self, begun: i64, writes: Vec<Change>) -> Result<Option<Last>> {
        let next = Last { number: begun + 1, writes };
        let content = bson::serialize_to_document(&next).map_err(mongodb::error::Error::from)?;
        let (unchanged, set) = (doc! { "_id": LAST, "number": begun }, doc! { "$set": content });
        let transactions = self.collection::<Document>(TRANSACTIONS);
        // The first one makes the document; of two that do only one can.
        match transactions.update_one(unchanged, set).upsert(begun == 0).await {
            Ok(done) if done.matched_count == 1 || done.upserted_id.is_some() => Ok(Some(next)),
            Ok(_) => Ok(None),
            Err(error) if is_duplicate(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn carry_out(&self, Last { number, writes }: &Last) -> Result<()> {
        for change in writes {
            self.write(change, number * USES).await?;
        }
        let done = doc! { "$set": { "writes": Bson::Array(Vec::new()) } };
        self.collection::<Document>(TRANSACTIONS).update_one(doc! { "_id": LAST, "number": number }, done).await?;
        Ok(())
    }

    /// Writes a record, unless a later transaction has.
    async fn write(&self, change: &Change, version: i64) -> Result<()> {
        let older = doc! { "_id": &change.key, "version": { "$not": { "$gte": version } } };
        let records = self.collection::<Document>(&change.table);
        let written = match &change.content {
            Some(content) => {
                let mut content = content.clone();
                content.insert("version", version);
                records.replace_one(older, content).upsert(true).await
            }
            None => {
                let until = DateTime::from_millis(DateTime::now().timestamp_millis() + REMEMBERED.as_millis() as i64);
                let gone = doc! { "_id": &change.key, "owner": "", "version": version, "expiresAt": until };
                records.replace_one(older, gone).await
            }
        };
        match written {
            Err(error) if !is_duplicate(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn stored<E>(content: Content<E>) -> Option<Stored<E>> {
    Some(Stored { entity: content.entity?, version: content.version })
}

fn is_duplicate(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY)
}

impl Records for MongoRecords {
    async fn get<E: Entity>(&self, key: &str) -> Result<Option<Stored<E>>> {
        Ok(self.of::<E>().find_one(doc! { "_id": key }).await?.and_then(stored))
    }

    async fn append<E: Entity>(&self, entity: &E) -> Result<()> {
        self.index(E::TABLE).await;
        self.of::<E>().insert_one(Content::new(entity, 1)).await?;
        Ok(())
    }

    async fn replace<E: Entity>(&self, read: &Stored<E>, entity: &E) -> Result<bool> {
        let unchanged = doc! { "_id": entity.key(), "version": read.version };
        let replaced = self.of::<E>().replace_one(unchanged, Content::new(entity, read.version + 1)).await?;
        Ok(replaced.matched_count == 1)
    }

    async fn list<E: Entity>(&self, owner: Option<&str>, after: Option<&str>, limit: usize) -> Result<Vec<Stored<E>>> {
        let mut filter = doc! { "entity": { "$exists": true } };
        owner.into_iter().for_each(|owner| drop(filter.insert("owner", owner)));
        if let Some(after) = after {
            filter.insert("_id", doc! { "$gt": after });
        }
        // To a server a limit of zero means none.
        let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        let found = self.of::<E>().find(filter).sort(doc! { "_id": 1 }).limit(limit).await?;
        Ok(found.try_filter_map(async |content| Ok(stored(content))).try_collect().await?)
    }

    async fn sweep<E: Entity>(&self, now: Timestamp) -> Result<u64> {
        let expired: Document = doc! { "expiresAt": { "$lte": DateTime::from_millis(now.millis()) } };
        Ok(self.of::<E>().delete_many(expired).await?.deleted_count)
    }
}
