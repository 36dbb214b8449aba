//! Facts gathered when the store first reaches its server: limits, the index, and supported features.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mongodb::bson::{Decimal128, Document, doc};

use super::{
    document::Decimal,
    error::MongoError,
    event_collection::{EventCollection, timed},
    index::{self, Index},
    options::Limits,
    query,
    server_info::{Capabilities, Deployment, ServerInfo},
};
use crate::event::EventId;

/// Delay before a pending index is checked again.
const AGAIN: Duration = Duration::from_secs(60);

impl EventCollection {
    /// Returns the cached facts, or probes the server. Concurrent callers share one probe.
    pub(super) async fn server_info(&self) -> Result<Arc<ServerInfo>, MongoError> {
        if let Some(server) = self.known() {
            return Ok(server);
        }
        let came = Instant::now();
        let mut attempt = self.attempt.lock().await;
        if let Some(server) = self.known() {
            return Ok(server);
        }
        match &*attempt {
            // Callers that waited for this attempt share its error instead of repeating it.
            Some((begun, error)) if *begun >= came => return Err(error.clone()),
            _ => {}
        }
        let begun = Instant::now();
        match self.probe().await {
            Ok(server) => {
                let server = Arc::new(server);
                self.set_known(Some(server.clone()));
                Ok(server)
            }
            Err(error) => {
                *attempt = Some((begun, error.clone()));
                Err(error)
            }
        }
    }

    async fn probe(&self) -> Result<ServerInfo, MongoError> {
        let hello = self.hello().await?;
        let mut warnings: Vec<String> = self.acknowledgement.warning.iter().cloned().collect();
        let index = index::ensure(self, &mut warnings).await?;
        let capabilities = self.probe_capabilities(index == Index::Ready, &mut warnings).await?;
        for warning in &warnings {
            tracing::warn!(database = self.database.name(), collection = self.options.collection, "{warning}");
        }
        Ok(ServerInfo {
            server_version: self.version().await,
            deployment: deployment(&hello),
            limits: limits(&hello)?.and(self.options.limits),
            warnings,
            capabilities,
            until: (index == Index::Building).then(|| Instant::now() + AGAIN),
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
    async fn probe_capabilities(&self, index: bool, warnings: &mut Vec<String>) -> Result<Capabilities, MongoError> {
        let mut capabilities =
            Capabilities { index, hint: index, max_time: true, group: true, disk: true, decimals: true };
        if !self.can_find(capabilities).await? {
            capabilities.hint = false;
            if !self.can_find(capabilities).await? {
                capabilities = Capabilities { hint: index, max_time: false, ..capabilities };
                capabilities.hint = index && self.can_find(capabilities).await?;
            }
        }
        if index && !capabilities.hint {
            warnings.push(
                "the server does not support index hints; queries rely on a hint to use the right index".to_owned(),
            );
        }
        if !capabilities.max_time {
            warnings.push(
                "the server does not support maxTimeMS; it continues queries that clients no longer wait for"
                    .to_owned(),
            );
        }
        if !self.can_group(capabilities).await? {
            capabilities.disk = false;
            capabilities.group = self.can_group(capabilities).await?;
            warnings.push(if capabilities.group {
                "the server does not support allowDiskUse; lists of very many users may run out of memory".to_owned()
            } else {
                "the server does not support aggregation ($sort, $group); lists of users and new users read the whole \
                 index instead, which is slow with many events"
                    .to_owned()
            });
        }
        if !self.can_compare_decimals().await? {
            capabilities.decimals = false;
            warnings.push(
                "the server does not support Decimal128; order values are stored as whole millionths in \
                 orderValueMicros, and properties with numbers that do not fit a double as text in propertiesText"
                    .to_owned(),
            );
        }
        Ok(capabilities)
    }

    /// Whether the server accepts a Decimal128 in a filter.
    ///
    /// A server that does not know the type may close the connection. A ping tells that apart from a server that is
    /// going away: such a server does not answer twice in between.
    async fn can_compare_decimals(&self) -> Result<bool, MongoError> {
        let zero = Decimal128::from_bytes(Decimal::of_micros(0).money_bits().unwrap_or_default().to_le_bytes());
        for _ in 0..2 {
            let filter = doc! { "_id": query::uuid(EventId::from_bytes([0; 16])), "orderValue": zero };
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

    async fn can_find(&self, capabilities: Capabilities) -> Result<bool, MongoError> {
        let filter = doc! { "userId": "", "occurredAt": { "$gte": index::date(0) } };
        answered(self.find(capabilities, filter).sort(index::key()).limit(1).documents().await)
    }

    async fn can_group(&self, capabilities: Capabilities) -> Result<bool, MongoError> {
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
        answered(self.aggregate(capabilities, pipeline).documents().await)
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
        Some(value) => query::whole(hello, name)
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
