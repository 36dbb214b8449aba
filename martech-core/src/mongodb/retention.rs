//! Retention: removal of the events of days that have ended.

use std::time::Duration;

use mongodb::bson::{Bson, doc};

use super::{error::MongoError, event_collection::EventCollection, index::date, monitor::MongoCommand, query};
use crate::event::Timestamp;

const NAME: &str = "occurredAt_1";
/// Approximate number of documents removed per command, so that no command runs long or blocks others.
const AT_ONCE: u64 = 1000;
/// Time limit for finding old events if there is no index, and for building that index.
const FINDING: Duration = Duration::from_secs(600);

impl EventCollection {
    /// Removes the events before a time, the oldest first. Returns how many were removed. Creates an index to find
    /// them.
    pub(super) async fn remove_before(&self, before: Timestamp) -> Result<u64, MongoError> {
        let index = doc! { "key": { "occurredAt": 1 }, "name": NAME };
        let create = doc! { "createIndexes": &self.options.collection, "indexes": [index] };
        if let Err(error) = self.ask(MongoCommand::Other, FINDING, self.database.run_command(create)).await {
            tracing::warn!(%error, "cannot create an index on occurredAt; finding old events in the whole collection");
        }
        let all = doc! { "$lt": date(before.millis()) };
        let (primary, mut forgotten) = (self.primary(), 0);
        loop {
            let find =
                primary.find_one(doc! { "occurredAt": all.clone() }).sort(doc! { "occurredAt": 1 }).skip(AT_ONCE);
            let further = self.ask(MongoCommand::Find, FINDING, find.projection(doc! { "occurredAt": 1 })).await?;
            match further.as_ref().and_then(|further| further.get_datetime("occurredAt").ok()) {
                Some(time) => forgotten += self.remove(doc! { "$lte": time }).await?,
                None => return Ok(forgotten + self.remove(all).await?),
            }
        }
    }

    async fn remove(&self, times: mongodb::bson::Document) -> Result<u64, MongoError> {
        let delete = doc! {
            "delete": &self.options.collection,
            "deletes": [{ "q": { "occurredAt": times }, "limit": 0 }],
            "writeConcern": self.acknowledgement.document(),
        };
        let answer = self.command(&self.database, delete).await?;
        if let Some(Bson::Document(error)) = answer.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
            let words = error.get_str("errmsg").unwrap_or("no reason given");
            return Err(MongoError::Other(format!("cannot remove old events: {words}")));
        }
        Ok(query::whole(&answer, "n").and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }
}
