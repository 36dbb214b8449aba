//! Facts gathered when the store first reaches its server: limits, the index, and supported features.

use std::time::{Duration, Instant};

use mongodb::bson::{Decimal128, Document, doc};

use super::{Inner, Limits, MongoError, document::Decimal, index, index::Index, questions, timed};
use crate::event::EventId;

/// Facts about the server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Prepared {
    /// Version reported by the server, such as `8.0.4`, or `unknown`.
    pub server_version: String,
    /// Kind of deployment.
    pub deployment: Deployment,
    /// Limits of one insert.
    pub limits: Limits,
    /// Missing or weaker features and their fallbacks, one or two sentences each.
    pub warnings: Vec<String>,
    /// Features that queries may use.
    pub(super) abilities: Abilities,
    /// When these facts expire, because the index is still being built.
    pub(super) until: Option<Instant>,
}

/// Delay before a pending index is checked again.
const AGAIN: Duration = Duration::from_secs(60);

/// The kind of deployment behind the server that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployment {
    /// A single server.
    Standalone,
    /// A replica set, which may have a single member.
    ReplicaSet,
    /// A sharded cluster behind a `mongos` router.
    Sharded,
}

/// Server features that matter for queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    /// An index on exactly `{userId: 1, occurredAt: 1}` exists.
    pub(super) index: bool,
    /// Queries can name an index (`hint`).
    pub(super) hint: bool,
    /// Queries can be limited in time (`maxTimeMS`).
    pub(super) max_time: bool,
    /// The aggregation stages that queries need are supported.
    pub(super) group: bool,
    /// Sorting and grouping can spill to disk (`allowDiskUse`).
    pub(super) disk: bool,
    /// Decimal128 is supported.
    pub(super) decimals: bool,
}

impl Inner {
    /// Probes the server.
    pub(super) async fn find_out(&self) -> Result<Prepared, MongoError> {
        let hello = self.hello().await?;
        let mut warnings: Vec<String> = self.acknowledgement.warning.iter().cloned().collect();
        let index = index::ensure(self, &mut warnings).await?;
        let abilities = self.try_out(index == Index::Good, &mut warnings).await?;
        for warning in &warnings {
            tracing::warn!(database = self.database.name(), collection = self.options.collection, "{warning}");
        }
        Ok(Prepared {
            server_version: self.version().await,
            deployment: deployment(&hello),
            limits: limits(&hello)?.and(self.options.limits),
            warnings,
            abilities,
            until: (index == Index::Coming).then(|| Instant::now() + AGAIN),
        })
    }

    async fn hello(&self) -> Result<Document, MongoError> {
        let admin = self.client.database("admin");
        match self.command(&admin, doc! { "hello": 1 }).await {
            // The name of `hello` before MongoDB 5.0.
            Err(MongoError::WrongServer(_)) => self.command(&admin, doc! { "isMaster": 1 }).await,
            other => other,
        }
    }

    async fn version(&self) -> String {
        let info = self.command(&self.client.database("admin"), doc! { "buildInfo": 1 }).await;
        let version = info.ok().and_then(|info| info.get_str("version").ok().map(str::to_owned));
        version.unwrap_or_else(|| "unknown".to_owned())
    }

    /// Probes each kind of query with one that matches nothing.
    async fn try_out(&self, index: bool, warnings: &mut Vec<String>) -> Result<Abilities, MongoError> {
        let mut abilities = Abilities { index, hint: index, max_time: true, group: true, disk: true, decimals: true };
        if !self.can_find(abilities).await? {
            abilities.hint = false;
            if !self.can_find(abilities).await? {
                abilities = Abilities { hint: index, max_time: false, ..abilities };
                abilities.hint = index && self.can_find(abilities).await?;
            }
        }
        if index && !abilities.hint {
            warnings.push(
                "the server does not support index hints; queries rely on a hint to use the right index".to_owned(),
            );
        }
        if !abilities.max_time {
            warnings.push(
                "the server does not support maxTimeMS; it continues queries that clients no longer wait for"
                    .to_owned(),
            );
        }
        if !self.can_group(abilities).await? {
            abilities.disk = false;
            abilities.group = self.can_group(abilities).await?;
            warnings.push(if abilities.group {
                "the server does not support allowDiskUse; lists of very many users may run out of memory".to_owned()
            } else {
                "the server does not support aggregation ($sort, $group); lists of users and new users read the whole \
                 index instead, which is slow with many events"
                    .to_owned()
            });
        }
        if !self.can_compare_decimals().await? {
            abilities.decimals = false;
            warnings.push(
                "the server does not support Decimal128; order values are stored as whole millionths in \
                 orderValueMicros, and properties with numbers that do not fit a double as text in propertiesText"
                    .to_owned(),
            );
        }
        Ok(abilities)
    }

    /// Whether the server accepts a Decimal128 in a filter.
    ///
    /// A server that does not know the type may close the connection. A ping tells that apart from a server that is
    /// going away: such a server does not answer twice in between.
    async fn can_compare_decimals(&self) -> Result<bool, MongoError> {
        let zero = Decimal128::from_bytes(Decimal::of_micros(0).money_bits().unwrap_or_default().to_le_bytes());
        for _ in 0..2 {
            let filter = doc! { "_id": questions::uuid(EventId::from_bytes([0; 16])), "orderValue": zero };
            let collection = self.primary();
            match timed(self.options.answer_timeout, collection.find(filter).limit(1)).await {
                Ok(_) => return Ok(true),
                Err(error @ MongoError::Unauthorized(_)) => return Err(error),
                Err(error) => {
                    self.command(&self.database, doc! { "ping": 1 }).await?;
                    tracing::debug!(%error, "query with a Decimal128 failed");
                }
            }
        }
        Ok(false)
    }

    async fn can_find(&self, abilities: Abilities) -> Result<bool, MongoError> {
        let filter = doc! { "userId": "", "occurredAt": { "$gte": index::date(0) } };
        answered(self.find(abilities, filter).sort(index::key()).limit(1).documents().await)
    }

    async fn can_group(&self, abilities: Abilities) -> Result<bool, MongoError> {
        // Contains every stage and operator that queries use.
        let is_order = doc! { "$and": [{ "$eq": ["$type", "purchase"] }, { "$eq": ["$currency", "EUR"] }] };
        let pipeline = [
            doc! { "$match": { "userId": "" } },
            doc! { "$sort": index::key() },
            doc! { "$group": {
                "_id": "$userId",
                "first": { "$first": "$occurredAt" },
                "min": { "$min": "$occurredAt" },
                "max": { "$max": "$occurredAt" },
                "sum": { "$sum": { "$cond": [is_order, "$orderValue", 0] } },
            } },
            doc! { "$match": { "$or": [{ "sum": { "$gt": 0 } }, { "sum": 0, "_id": { "$gt": "" } }] } },
            doc! { "$sort": { "sum": -1, "_id": 1 } },
            doc! { "$limit": 1 },
            doc! { "$group": { "_id": null, "users": { "$sum": 1 } } },
        ];
        answered(self.aggregate(abilities, pipeline).documents().await)
    }
}

/// Turns a refusal into `false`. Errors unrelated to the query remain errors.
fn answered<T>(result: Result<T, MongoError>) -> Result<bool, MongoError> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.is_refusal() => Ok(false),
        Err(error) => Err(error),
    }
}

fn deployment(hello: &Document) -> Deployment {
    if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        Deployment::Sharded
    } else if hello.contains_key("setName") {
        Deployment::ReplicaSet
    } else {
        Deployment::Standalone
    }
}

fn limits(hello: &Document) -> Result<Limits, MongoError> {
    // Defaults are the limits of every MongoDB version of the last decade.
    let limit = |name, usual: usize| match hello.get(name) {
        None => Ok(usual),
        Some(value) => questions::whole(hello, name)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| *number > 0)
            .ok_or_else(|| MongoError::WrongServer(format!("invalid limit {name}: {value}"))),
    };
    Ok(Limits {
        document_bytes: limit("maxBsonObjectSize", 16 << 20)?,
        message_bytes: limit("maxMessageSizeBytes", 48_000_000)?,
        documents: limit("maxWriteBatchSize", 100_000)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_limits_from_hello() {
        let hello =
            doc! { "maxBsonObjectSize": 16_777_216_i32, "maxWriteBatchSize": 1000_i64, "maxMessageSizeBytes": 5e6 };
        let expected = Limits { document_bytes: 16_777_216, message_bytes: 5_000_000, documents: 1000 };
        assert_eq!(limits(&hello).unwrap(), expected);
        assert_eq!(limits(&doc! {}).unwrap().documents, 100_000);
        assert!(matches!(limits(&doc! { "maxWriteBatchSize": "many" }), Err(MongoError::WrongServer(_))));
        assert_eq!(expected.and(Limits { documents: 3, ..Limits::NONE }), Limits { documents: 3, ..expected });
    }

    #[test]
    fn reads_deployment_from_hello() {
        assert_eq!(deployment(&doc! { "ok": 1 }), Deployment::Standalone);
        assert_eq!(deployment(&doc! { "setName": "rs0" }), Deployment::ReplicaSet);
        assert_eq!(deployment(&doc! { "msg": "isdbgrid" }), Deployment::Sharded);
    }
}
