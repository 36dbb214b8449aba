//! What is found out when the store first reaches its server: limits, the index, and what the server can do.

use std::time::{Duration, Instant};

use mongodb::bson::{Decimal128, Document, doc};

use super::{Inner, Limits, MongoError, document::Decimal, index, index::Index, questions, timed};
use crate::event::EventId;

/// What is known of the server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Prepared {
    /// As it tells it, `8.0.4` say; `unknown` where it does not.
    pub server_version: String,
    /// What kind of deployment it is part of.
    pub deployment: Deployment,
    /// What one insert may hold.
    pub limits: Limits,
    /// What is missing or weaker than it should be, and what is done without it, a sentence or two each.
    pub warnings: Vec<String>,
    /// What questions may use.
    pub(super) abilities: Abilities,
    /// When this is to be found out again, because the index is still being made.
    pub(super) until: Option<Instant>,
}

/// How long is waited before the index is looked for again.
const AGAIN: Duration = Duration::from_secs(60);

/// How many servers there are behind the one that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployment {
    /// One.
    Standalone,
    /// Several with the same data, or one that could be.
    ReplicaSet,
    /// Several with parts of the data, behind a router.
    Sharded,
}

/// What the server can do for questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    /// There is an index on exactly `{userId: 1, occurredAt: 1}`.
    pub(super) index: bool,
    /// An index can be named in a question.
    pub(super) hint: bool,
    /// A question can be bounded in time.
    pub(super) max_time: bool,
    /// It groups.
    pub(super) group: bool,
    /// It can sort and group on disk what is too much for its memory.
    pub(super) disk: bool,
    /// It has Decimal128.
    pub(super) decimals: bool,
}

impl Inner {
    /// Asks the server about itself.
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
            // Its name until 2021.
            Err(MongoError::WrongServer(_)) => self.command(&admin, doc! { "isMaster": 1 }).await,
            other => other,
        }
    }

    async fn version(&self) -> String {
        let info = self.command(&self.client.database("admin"), doc! { "buildInfo": 1 }).await;
        let version = info.ok().and_then(|info| info.get_str("version").ok().map(str::to_owned));
        version.unwrap_or_else(|| "unknown".to_owned())
    }

    /// Asks the kinds of questions that are going to be asked, of nothing.
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
                "the server does not let a question name its index (hint). Questions rely on it to choose the right one"
                    .to_owned(),
            );
        }
        if !abilities.max_time {
            warnings.push(
                "the server does not take maxTimeMS. It goes on with a question that nobody waits for any more"
                    .to_owned(),
            );
        }
        if !self.can_group(abilities).await? {
            abilities.disk = false;
            abilities.group = self.can_group(abilities).await?;
            warnings.push(if abilities.group {
                "the server does not take allowDiskUse. Lists of very many users may fail for want of memory".to_owned()
            } else {
                "the server does not aggregate ($sort, $group). Lists of users and new users read the whole index instead, \
                 which takes long where there are many events"
                    .to_owned()
            });
        }
        if !self.can_compare_decimals().await? {
            abilities.decimals = false;
            warnings.push(
                "the server has no Decimal128. Order values are stored as whole millionths, in orderValueMicros, and \
                 properties with numbers that no double holds as text, in propertiesText"
                    .to_owned(),
            );
        }
        Ok(abilities)
    }

    /// A server that does not know the type may hang up on who uses it, which must not be taken for one that goes away:
    /// such a one does not answer twice in between.
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
                    tracing::debug!(%error, "a question with a Decimal128 was not answered");
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
        // All that questions are made of.
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

/// Whether a question was answered; what has nothing to do with the question remains an error.
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
    // What every MongoDB of the last decade says stands in for what is not said.
    let limit = |name, usual: usize| match hello.get(name) {
        None => Ok(usual),
        Some(value) => questions::whole(hello, name)
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| *number > 0)
            .ok_or_else(|| MongoError::WrongServer(format!("it says that {name} is {value}"))),
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
    fn limits_are_what_the_server_says() {
        let hello =
            doc! { "maxBsonObjectSize": 16_777_216_i32, "maxWriteBatchSize": 1000_i64, "maxMessageSizeBytes": 5e6 };
        let expected = Limits { document_bytes: 16_777_216, message_bytes: 5_000_000, documents: 1000 };
        assert_eq!(limits(&hello).unwrap(), expected);
        assert_eq!(limits(&doc! {}).unwrap().documents, 100_000);
        assert!(matches!(limits(&doc! { "maxWriteBatchSize": "many" }), Err(MongoError::WrongServer(_))));
        assert_eq!(expected.and(Limits { documents: 3, ..Limits::NONE }), Limits { documents: 3, ..expected });
    }

    #[test]
    fn the_deployment_shows_in_the_greeting() {
        assert_eq!(deployment(&doc! { "ok": 1 }), Deployment::Standalone);
        assert_eq!(deployment(&doc! { "setName": "rs0" }), Deployment::ReplicaSet);
        assert_eq!(deployment(&doc! { "msg": "isdbgrid" }), Deployment::Sharded);
    }
}
