//! Retention: days that are over for good.

use std::time::Duration;

use mongodb::bson::{Bson, doc};

use super::{Inner, MongoError, index::date, questions, timed};

const NAME: &str = "occurredAt_1";
/// Documents that are removed with one command: none of them takes long, or holds others up.
const AT_ONCE: i64 = 1000;
/// How long a server may take to find them where it has no index.
const FINDING: Duration = Duration::from_secs(600);

impl Inner {
    /// Removes the events before a moment, some at a time; how many. Makes an index by which they are found.
    pub(super) async fn forget(&self, before: i64) -> Result<u64, MongoError> {
        let collection = &self.options.collection;
        let create = doc! { "createIndexes": collection, "indexes": [{ "key": { "occurredAt": 1 }, "name": NAME }] };
        if let Err(error) = timed(FINDING, self.database.run_command(create)).await {
            tracing::warn!(%error, "there is no index of times: what is too old is looked for in the whole collection");
        }
        let old = doc! { "occurredAt": { "$lt": date(before) } };
        let mut forgotten = 0;
        let primary = self.primary();
        loop {
            let found = primary.find(old.clone()).projection(doc! { "_id": 1 }).limit(AT_ONCE);
            let mut cursor = timed(FINDING, found).await?;
            let mut ids = Vec::new();
            while timed(FINDING, cursor.advance()).await? {
                ids.extend(cursor.current().get("_id").ok().flatten().and_then(|id| Bson::try_from(id).ok()));
            }
            if ids.is_empty() {
                return Ok(forgotten);
            }
            let delete = doc! {
                "delete": collection,
                "deletes": [{ "q": { "_id": { "$in": ids }, "occurredAt": { "$lt": date(before) } }, "limit": 0 }],
                "writeConcern": self.acknowledgement.document(),
            };
            let answer = self.command(&self.database, delete).await?;
            let removed = questions::whole(&answer, "n").and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
            if let Some(Bson::Document(error)) = answer.get_array("writeErrors").ok().and_then(|errors| errors.first())
            {
                let words = error.get_str("errmsg").unwrap_or("it does not say why");
                return Err(MongoError::Other(format!("what is too old cannot be removed: {words}")));
            }
            forgotten += removed;
        }
    }
}
