//! Records in MongoDB: one collection for each kind, in the database of the events.
//!
//! A document is `{_id: KEY, owner, version, expiresAt?, entity: {...}}`. There is an index of owners, and one by which
//! MongoDB itself removes what has expired; a server that has neither gives the same answers.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::TryStreamExt;
use martech_core::event::Timestamp;
use mongodb::{
    Collection, Database, IndexModel,
    bson::{DateTime, Document, doc},
    error::{ErrorKind, WriteFailure},
    options::{Acknowledgment, CollectionOptions, IndexOptions, ReadPreference, SelectionCriteria, WriteConcern},
};
use serde::{Deserialize, Serialize};

use super::{Entity, Records, Result, Stored};

/// The records beside the events.
#[derive(Debug, Clone)]
pub(crate) struct MongoRecords {
    database: Database,
    /// Collections whose indexes were asked for.
    indexed: Arc<Mutex<HashSet<&'static str>>>,
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
    entity: E,
}

impl<E: Entity> Content<E> {
    fn new(entity: &E, version: i64) -> Self {
        Self {
            key: entity.key().to_owned(),
            owner: entity.owner().to_owned(),
            version,
            expires_at: entity.expires_at().map(|at| DateTime::from_millis(at.millis())),
            entity: entity.clone(),
        }
    }
}

/// MongoDB's code of a key that is taken.
const DUPLICATE_KEY: i32 = 11000;

impl MongoRecords {
    pub(super) fn new(database: &Database) -> Self {
        Self { database: database.clone(), indexed: Arc::default() }
    }

    /// What is acknowledged survives the loss of a server, and is seen by whoever asks next.
    fn collection<E: Entity>(&self) -> Collection<Content<E>> {
        let mut concern = WriteConcern::default();
        (concern.w, concern.journal) = (Some(Acknowledgment::Majority), Some(true));
        let mut options = CollectionOptions::default();
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.write_concern = Some(self.database.write_concern().cloned().unwrap_or(concern));
        self.database.collection_with_options(E::TABLE, options)
    }

    /// Makes the indexes, once.
    async fn index<E: Entity>(&self) {
        if !self.indexed.lock().unwrap_or_else(PoisonError::into_inner).insert(E::TABLE) {
            return;
        }
        let expiry = IndexOptions::builder().expire_after(Duration::ZERO).build();
        let indexes = [
            IndexModel::builder().keys(doc! { "owner": 1, "_id": 1 }).build(),
            IndexModel::builder().keys(doc! { "expiresAt": 1 }).options(expiry).build(),
        ];
        for index in indexes {
            if let Err(error) = self.collection::<E>().create_index(index).await {
                tracing::warn!(%error, collection = E::TABLE, "MongoDB makes no such index; it is done without");
            }
        }
    }
}

fn stored<E>(content: Content<E>) -> Stored<E> {
    Stored { entity: content.entity, version: content.version }
}

fn is_duplicate(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY)
}

impl Records for MongoRecords {
    async fn get<E: Entity>(&self, key: &str) -> Result<Option<Stored<E>>> {
        Ok(self.collection::<E>().find_one(doc! { "_id": key }).await?.map(stored))
    }

    async fn insert<E: Entity>(&self, entity: &E) -> Result<bool> {
        self.index::<E>().await;
        match self.collection::<E>().insert_one(Content::new(entity, 1)).await {
            Ok(_) => Ok(true),
            Err(error) if is_duplicate(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn replace<E: Entity>(&self, read: &Stored<E>, entity: &E) -> Result<bool> {
        let unchanged = doc! { "_id": entity.key(), "version": read.version };
        let replaced = self.collection::<E>().replace_one(unchanged, Content::new(entity, read.version + 1)).await?;
        Ok(replaced.matched_count == 1)
    }

    async fn remove<E: Entity>(&self, key: &str) -> Result<bool> {
        Ok(self.collection::<E>().delete_one(doc! { "_id": key }).await?.deleted_count == 1)
    }

    async fn list<E: Entity>(&self, owner: Option<&str>, after: Option<&str>, limit: usize) -> Result<Vec<Stored<E>>> {
        let mut filter = owner.map_or_else(Document::new, |owner| doc! { "owner": owner });
        if let Some(after) = after {
            filter.insert("_id", doc! { "$gt": after });
        }
        // To a server a limit of zero means none.
        let limit = i64::try_from(limit.max(1)).unwrap_or(i64::MAX);
        let found = self.collection::<E>().find(filter).sort(doc! { "_id": 1 }).limit(limit).await?;
        Ok(found.map_ok(stored).try_collect().await?)
    }

    async fn sweep<E: Entity>(&self, now: Timestamp) -> Result<u64> {
        let expired: Document = doc! { "expiresAt": { "$lte": DateTime::from_millis(now.millis()) } };
        Ok(self.collection::<E>().delete_many(expired).await?.deleted_count)
    }
}
