//! Events on a MongoDB server, replica set or sharded cluster, for deployments that outgrow one machine.
//!
//! ```no_run
//! use martech_core::{
//!     Event, EventRules, EventType, MongoOptions, MongoStore, Store,
//!     query::{JourneyQuery, Reader},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MongoStore::new(MongoOptions::new("mongodb://localhost:27017/shop")).await?;
//! let event = Event::builder("u1", EventType::PURCHASE).property("total", "12.50").build(&EventRules::default())?;
//! assert_eq!(store.append(&[event]).await?.stored, 1);
//! assert_eq!(store.journey(JourneyQuery::new("u1")).await?.events.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # The document
//! Each event is one document in the collection `events`. A field is present only if it has a value:
//!
//! | field | BSON | |
//! |---|---|---|
//! | `_id` | UUID (binary of subtype 4) | the event's id |
//! | `userId` | string | the user, or the anonymous id if no user is known |
//! | `type` | string | the event type |
//! | `occurredAt`, `receivedAt` | date | when the event happened, and when the server received it |
//! | `anonymousId`, `sessionId` | string | device or browser; visit |
//! | `orderValue` | Decimal128 | value of a purchase, exact, such as `12.5` |
//! | `currency` | string | present exactly when `orderValue` is |
//! | `page`, `product`, `searchTerm` | string | facts, truncated to 512 characters |
//! | `properties` | document | the event's properties, in the order in which they were sent |
//! | `propertiesText` | string | replaces `properties` with its JSON text if the server refuses something in it |
//! | `orderValueMicros` | int64 | replaces `orderValue`, in millionths, if the server has no Decimal128 |
//!
//! - Whole numbers in `properties` become int32 or int64. Other numbers become doubles if the double's shortest decimal
//!   text is the number that was sent, and Decimal128 otherwise. An event is rejected if a number does not fit (more
//!   than 34 digits), if a name contains NUL, or if its document exceeds the server's limit. The reason names the
//!   field.
//! - Names that contain dots, begin with `$` or are empty are stored unchanged. MongoDB accepts them since version 5.
//!   If a server refuses them, or refuses an array in an array, the event is stored with `propertiesText`: the JSON as
//!   it was sent.
//! - Properties are read back as compact JSON with the same names and values in the same order.
//!
//! Queries use the index `{userId: 1, occurredAt: 1}`. The store creates and validates it when it first reaches the
//! server. An unusable index is a [warning](ServerInfo::warnings), and so is a unique index on another key. A unique
//! index on this key is an error, because it would reject events. [`MongoStore::remove_before`] adds an index on `occurredAt`.
//! The key of the first index is also a good shard key: a resent event has the same user and time, so it reaches the
//! same shard.
//!
//! In `mongosh`:
//! ```js
//! // Revenue by currency since the first of November, exact to the last decimal.
//! db.events.aggregate([
//!   { $match: { type: "purchase", occurredAt: { $gte: ISODate("2026-11-01") } } },
//!   { $group: { _id: "$currency", revenue: { $sum: "$orderValue" }, orders: { $sum: 1 } } },
//! ])
//! // The latest events of one user.
//! db.events.find({ userId: "u1" }).sort({ occurredAt: -1 }).limit(20)
//! db.events.find({ _id: UUID("018f3f7e-0000-7000-8000-00000000beef") })
//! ```
//!
//! # Outcomes
//! Inserts are unordered. They are acknowledged when a majority has journaled them (`w: "majority"`, `j: true`), unless
//! the connection string sets another write concern. A weaker one is a warning. A batch is split into as many commands
//! as the server's limits require.
//!
//! | server response | outcome |
//! |---|---|
//! | duplicate `_id`, same [signature](crate::event::Signature) | duplicate |
//! | duplicate `_id`, different signature | rejected as an [id conflict](crate::RejectionCode::ID_CONFLICT) |
//! | the document is refused | only this event is rejected, with the server's message |
//! | no primary, shutdown, timeout, lost connection, write concern timeout | the batch must be sent again (`Retry`); events already stored are then duplicates |
//! | access denied, incompatible server, conflicting index | the batch must be sent again after 30 seconds, because an operator may fix the cause |
//! | any other error | the batch must be sent again after 5 seconds |
//!
//! Only the id identifies an event, unlike in the lake. On a sharded cluster `_id` is unique per shard only. An id that
//! comes again with another user or time may reach another shard and is then stored there as well.
//!
//! # Queries
//! | query | execution |
//! |---|---|
//! | journey | reads the index in its order; events with equal times are sorted by id on the client |
//! | users | the server groups (on disk if necessary) to find the users of the page and their total number; then the events of those users are read from the index |
//! | stats | reads the events of the spans from the index, user by user; the server groups to find new users |
//!
//! Each query has `maxTimeMS`. Read preference and read concern come from the connection string. Reads from a secondary
//! may miss recently stored events. Four `stats` queries and eight others run at once; further ones wait. The client holds in memory one page of a journey, the users of one page, and for
//! `stats` the events of one user.
//!
//! # Servers
//! The store requires MongoDB 4.4 or later, or a compatible server. When the store first reaches the server, it probes
//! the features that queries need. Each missing feature is a warning that names the fallback.

mod document;
mod error;
mod event_collection;
mod export;
mod index;
mod insert;
mod journey;
mod monitor;
mod options;
mod permits;
mod probe;
mod query;
mod retention;
mod server_info;
mod stats;
mod survey;
mod users;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use mongodb::{Client, Database, bson::doc};

pub use self::{
    error::MongoError,
    export::Export,
    monitor::{CommandStats, MongoCommand, MongoStats},
    options::{Limits, MongoOptions},
    server_info::{Deployment, ServerInfo},
    survey::{DamagedDocument, Survey},
};
use self::{
    event_collection::{EventCollection, WHOLE},
    monitor::Monitor,
};
use crate::{
    event::{Event, EventId, Timestamp},
    query::{JourneyPage, JourneyQuery, Reader, Stats, StatsQuery, UsersPage, UsersQuery},
    store::{Appended, Store, StoreError},
};

/// A store of events on a MongoDB server, replica set or sharded cluster. Cloning is cheap, and all clones share their
/// connections.
#[derive(Clone)]
pub struct MongoStore {
    target: Arc<EventCollection>,
}

impl MongoStore {
    /// Parses the connection string. The server does not have to be reachable yet, because the store connects on first
    /// use. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the connection string is invalid, or (for `mongodb+srv`) the DNS server does not answer.
    pub async fn new(options: MongoOptions) -> Result<Self, MongoError> {
        let mut parsed = options::parse(&options).await?;
        let monitor = Arc::new(Monitor::default());
        parsed.client.cmap_event_handler = Some(monitor.of_pool());
        let client = Client::with_options(parsed.client)?;
        let database = client.database(&parsed.database);
        let permits = Arc::default();
        Ok(Self::of(EventCollection::new(options, client, database, parsed.acknowledgement, monitor, permits)))
    }

    /// Returns a store for another database on the same server, with the same settings. Both stores share their
    /// connections, their metrics and the limits of queries that run at once.
    #[must_use]
    pub fn in_database(&self, name: &str) -> Self {
        let EventCollection { options, client, acknowledgement, monitor, permits, .. } = &*self.target;
        let (options, client, database) = (options.clone(), client.clone(), client.database(name));
        let (acknowledgement, monitor, permits) = (acknowledgement.clone(), monitor.clone(), permits.clone());
        Self::of(EventCollection::new(options, client, database, acknowledgement, monitor, permits))
    }

    fn of(target: EventCollection) -> Self {
        Self { target: Arc::new(target) }
    }

    /// Connects, reads the server's limits, creates or validates the index, and probes the features that queries need.
    /// The result is cached, so later calls return at once. Every operation that needs the server calls this first.
    ///
    /// Each of the [warnings](ServerInfo::warnings) is also logged.
    ///
    /// # Errors
    /// When the server is unavailable or unusable. The next call tries again.
    pub async fn prepare(&self) -> Result<Arc<ServerInfo>, MongoError> {
        self.target.server_info().await
    }

    /// Returns the database of the events, for data that an application keeps beside them. The settings are those of
    /// the connection string.
    pub fn database(&self) -> &Database {
        &self.target.database
    }

    /// Checks that a server answers.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn ping(&self) -> Result<(), MongoError> {
        let target = &*self.target;
        let mut ping = target.database.run_command(doc! { "ping": 1 });
        if let Some(criteria) = target.database.selection_criteria() {
            ping = ping.selection_criteria(criteria.clone());
        }
        target.ask(MongoCommand::Other, target.options.answer_timeout, ping).await.map(drop)
    }

    /// Returns metrics of commands and connections. Sends nothing to the server.
    pub fn monitor(&self) -> MongoStats {
        self.target.monitor.stats()
    }

    /// Returns the exact number of events. The server counts them one by one, which is slow for large collections.
    ///
    /// # Errors
    /// When the server is unavailable or fails.
    pub async fn count(&self) -> Result<u64, MongoError> {
        self.prepare().await?;
        let collection = self.target.collection();
        match self.target.ask(MongoCommand::Aggregate, WHOLE, collection.count_documents(doc! {})).await {
            Err(error) if error.is_refusal() => self.target.count_one_by_one().await,
            other => other,
        }
    }

    /// Returns the approximate number of events, without counting them.
    ///
    /// # Errors
    /// When the server is unavailable or fails.
    pub async fn estimate(&self) -> Result<u64, MongoError> {
        self.prepare().await?;
        self.target.estimate().await
    }

    /// Reads every document of the collection and reports those that are not events, or whose facts do not match their
    /// properties. `each` is called with the number of documents read so far. Memory use is bounded.
    ///
    /// # Errors
    /// When the server is unavailable or fails.
    pub async fn survey(&self, mut each: impl FnMut(u64) + Send) -> Result<Survey, MongoError> {
        self.prepare().await?;
        self.target.survey(&mut each).await
    }

    /// Removes the events of all UTC days that ended by `before`, in small batches. Returns how many were removed.
    /// Creates an index on `occurredAt` to find them.
    ///
    /// # Errors
    /// When the server is unavailable or fails. Events removed before the error stay removed.
    pub async fn remove_before(&self, before: Timestamp) -> Result<u64, MongoError> {
        self.prepare().await?;
        self.target.remove_before(before.start_of_day()).await
    }

    /// Removes all events: drops their collection. MongoDB removes a database without collections itself. Close all
    /// sinks of this store before: an append afterwards creates the collection again, without its index.
    ///
    /// # Errors
    /// When the server is unavailable or refuses.
    pub async fn remove_all(&self) -> Result<(), MongoError> {
        let target = &*self.target;
        target.ask(MongoCommand::Other, target.options.answer_timeout, target.collection().drop()).await
    }

    /// Returns all events with ids greater than `after`, or all events if it is `None`, in the order of ids. Use it to
    /// copy a whole store. Events that are stored during the export may be included.
    pub fn export(&self, after: Option<EventId>) -> Export {
        Export::new(self.target.clone(), after)
    }
}

/// A query that failed after a longer time is not retried. If the driver has found no server, which it reports after
/// 15 s by default, a second attempt would wait as long, and the caller would see a timeout instead of the cause.
const RETRY_WITHIN: Duration = Duration::from_secs(10);

/// Retries a query once if the first attempt failed for a transient reason (a lost cursor, a new primary), or if the
/// server no longer accepts it, because the index or the collection may have been dropped.
macro_rules! answer {
    ($store:ident.$operation:ident($query:expr)) => {{
        let server = $store.prepare().await?;
        let begun = Instant::now();
        match $store.target.$operation(&server, &$query).await {
            Err(error) if error.is_transient() && begun.elapsed() < RETRY_WITHIN => {
                $store.target.$operation(&server, &$query).await
            }
            Err(error) if error.is_refusal() => {
                tracing::warn!(%error, "query refused; probing the server again");
                $store.target.set_known(None);
                let server = $store.prepare().await?;
                $store.target.$operation(&server, &$query).await
            }
            answer => answer,
        }
    }};
}

impl Store<Event> for MongoStore {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        self.target.append(batch).await
    }
}

impl Reader for MongoStore {
    type Error = MongoError;

    async fn journey(&self, query: JourneyQuery) -> Result<JourneyPage, MongoError> {
        let _permit = self.target.permits.lookup().await;
        answer!(self.journey(query))
    }

    async fn users(&self, query: UsersQuery) -> Result<UsersPage, MongoError> {
        let _permit = self.target.permits.lookup().await;
        answer!(self.users(query))
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, MongoError> {
        let _permit = self.target.permits.stats().await;
        answer!(self.stats(query))
    }
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore")
            .field("database", &self.target.database.name())
            .field("collection", &self.target.options.collection)
            .finish_non_exhaustive()
    }
}
