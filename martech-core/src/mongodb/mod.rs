//! Events on a MongoDB server, replica set or sharded cluster: the way past one machine.
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
//! One for each event, in the collection `events`, with only those fields for which there is something:
//!
//! | field | BSON | |
//! |---|---|---|
//! | `_id` | UUID (binary of subtype 4) | the event's id |
//! | `userId` | string | who; the anonymous id where no user is known |
//! | `type` | string | what |
//! | `occurredAt`, `receivedAt` | date | when it was done, and when it came |
//! | `anonymousId`, `sessionId` | string | device or browser; visit |
//! | `orderValue` | Decimal128 | of a purchase, exact, `12.5` |
//! | `currency` | string | there exactly when `orderValue` is |
//! | `page`, `product`, `searchTerm` | string | facts, cut after 512 characters |
//! | `properties` | document | what was sent, in its order |
//! | `propertiesText` | string | in the place of `properties`, its JSON text: where the server refused something in it |
//! | `orderValueMicros` | int64 | in the place of `orderValue`, in millionths: where the server has no Decimal128 |
//!
//! - Whole numbers in `properties` are int32 or int64, others doubles where the shortest decimal text of the double is the
//!   number that was sent, else Decimal128. A number that this cannot hold (more than 34 digits) rejects its event; so do a
//!   NUL in a name, and a document larger than the server takes. The reason names the field.
//! - Names with dots, names that begin with `$` and empty ones are stored as they are; MongoDB takes them since version 5.
//!   Where a server does not, or takes no array in an array, the event is stored with `propertiesText`, which is the JSON as
//!   it was sent.
//! - Read back, properties are compact JSON with the same names and values in the same order.
//!
//! The one index besides `_id` is `{userId: 1, occurredAt: 1}`. It is made when the store first reaches the server, and
//! checked: what stands in the way is a [warning](Prepared::warnings), or an error where it would refuse events. It is also
//! a good shard key: an event that is sent again has the same user and time, so it meets its own shard.
//!
//! In `mongosh`:
//! ```js
//! // Revenue by currency since the first of November, exact to the last decimal.
//! db.events.aggregate([
//!   { $match: { type: "purchase", occurredAt: { $gte: ISODate("2026-11-01") } } },
//!   { $group: { _id: "$currency", revenue: { $sum: "$orderValue" }, orders: { $sum: 1 } } },
//! ])
//! // What a user did last.
//! db.events.find({ userId: "u1" }).sort({ occurredAt: -1 }).limit(20)
//! db.events.find({ _id: UUID("018f3f7e-0000-7000-8000-00000000beef") })
//! ```
//!
//! # Outcomes
//! Inserts are unordered, and done when a majority has them in its journal (`w: "majority"`, `j: true`), unless the connection
//! string says otherwise; then there is a warning. A batch goes out in as many commands as the server's limits ask for.
//!
//! | what the server says | what becomes of it |
//! |---|---|
//! | it has the `_id`, of the same [deed](crate::event::Deed) | a duplicate |
//! | it has the `_id`, of another one | rejected as an [id conflict](crate::RejectionCode::IdConflict) |
//! | it refuses the document | rejected alone, with the server's words |
//! | no primary, going down, out of time, connection lost, write concern not met in time | the batch is to be sent again (`Retry`). What is stored already is then a duplicate |
//! | access refused, a server of the wrong kind, an index in the way | to be sent again after 30 seconds: somebody may mend it |
//!
//! An event is told from others by its id alone, unlike in the lake. On a sharded cluster `_id` is unique on each shard only:
//! an id that comes with another user or time may reach another shard, and is stored there as well.
//!
//! # Questions
//! | question | is answered |
//! |---|---|
//! | journey | from the index, in its order; what happened at one moment is put in the order of ids here |
//! | users | the server groups (on disk, if it must) to find who is on the page and how many there are; then the events of the page's users are read from the index |
//! | stats | the span's events are read from the index, user by user; the server groups to find who is new |
//!
//! Each has `maxTimeMS`. Read preference and read concern are those of the connection string: who reads from a secondary
//! may miss what was just stored. Memory holds one page of a journey, the users of a page, and for `stats` the events of one user.
//!
//! # Servers
//! MongoDB 4.4 or later, or what speaks its protocol. When the store first reaches the server it tries what questions need;
//! what is missing is a warning that says what is done without it.

mod document;
mod error;
mod export;
mod index;
mod insert;
mod journey;
mod monitor;
mod options;
mod prepare;
mod questions;
mod retention;
mod stats;
mod survey;
mod users;

use std::{
    fmt,
    future::IntoFuture,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::{Duration, Instant},
};

use mongodb::{
    Client, Collection, Database,
    bson::{Document, RawDocumentBuf, doc},
    options::{CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria},
};
use tokio::sync::Mutex;

pub use self::{
    error::MongoError,
    export::Export,
    monitor::{CommandStats, MongoCommand, MongoStats},
    options::{Limits, MongoOptions},
    prepare::{Deployment, Prepared},
    survey::Survey,
};
use self::{monitor::Monitor, options::Acknowledgement};
use crate::{
    event::{EventId, Timestamp},
    query::{JourneyPage, JourneyQuery, Reader, Stats, StatsQuery, UsersPage, UsersQuery},
};

/// A store of events on a MongoDB server, replica set or sharded cluster. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct MongoStore {
    inner: Arc<Inner>,
}

struct Inner {
    options: MongoOptions,
    client: Client,
    database: Database,
    acknowledgement: Acknowledgement,
    monitor: Arc<Monitor>,
    /// Until a question is refused, which may mean that the index is gone.
    prepared: StdMutex<Option<Arc<Prepared>>>,
    /// Held while the server is asked about itself: when that was begun the last time, and how it failed.
    attempt: Mutex<Option<(Instant, MongoError)>>,
}

impl MongoStore {
    /// Reads the connection string. The server need not be there yet: the store connects when it is first used. To be
    /// called in a tokio runtime.
    ///
    /// # Errors
    /// When the string cannot be used, or (for `mongodb+srv`) the name server does not answer.
    pub async fn new(options: MongoOptions) -> Result<Self, MongoError> {
        let mut parsed = options::parse(&options).await?;
        let monitor = Arc::new(Monitor::default());
        parsed.client.cmap_event_handler = Some(monitor.of_pool());
        let client = Client::with_options(parsed.client)?;
        let database = client.database(&parsed.database);
        Ok(Self::of(options, client, database, parsed.acknowledgement, monitor))
    }

    /// The store of another database on the same server, with the same settings. The two share their
    /// connections, and what is counted of them.
    #[must_use]
    pub fn in_database(&self, name: &str) -> Self {
        let Inner { options, client, acknowledgement, monitor, .. } = &*self.inner;
        let database = client.database(name);
        Self::of(options.clone(), client.clone(), database, acknowledgement.clone(), monitor.clone())
    }

    /// One that has asked nobody yet.
    fn of(
        options: MongoOptions,
        client: Client,
        database: Database,
        acknowledgement: Acknowledgement,
        monitor: Arc<Monitor>,
    ) -> Self {
        let (prepared, attempt) = (StdMutex::default(), Mutex::new(None));
        Self { inner: Arc::new(Inner { options, client, database, acknowledgement, monitor, prepared, attempt }) }
    }

    /// Connects, asks the server for its limits, makes or checks the index, and tries what questions need. Once that has
    /// gone well it costs nothing. Whatever needs the server calls this first.
    ///
    /// Each of the [warnings](Prepared::warnings) is also logged.
    ///
    /// # Errors
    /// When the server is away or cannot be used. The next call tries again.
    pub async fn prepare(&self) -> Result<Arc<Prepared>, MongoError> {
        let inner = &*self.inner;
        if let Some(prepared) = inner.known() {
            return Ok(prepared);
        }
        let came = Instant::now();
        let mut attempt = inner.attempt.lock().await;
        if let Some(prepared) = inner.known() {
            return Ok(prepared);
        }
        match &*attempt {
            // Whoever waited meanwhile need not wait for the same failure again.
            Some((begun, error)) if *begun >= came => return Err(error.clone()),
            _ => {}
        }
        let begun = Instant::now();
        match inner.find_out().await {
            Ok(prepared) => {
                let prepared = Arc::new(prepared);
                inner.note(Some(prepared.clone()));
                Ok(prepared)
            }
            Err(error) => {
                *attempt = Some((begun, error.clone()));
                Err(error)
            }
        }
    }

    /// The database of the events, for what an application keeps beside them. Its settings are those of the connection string.
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    /// Whether a server answers now.
    ///
    /// # Errors
    /// When none does.
    pub async fn ping(&self) -> Result<(), MongoError> {
        let inner = &*self.inner;
        let mut ping = inner.database.run_command(doc! { "ping": 1 });
        if let Some(criteria) = inner.database.selection_criteria() {
            ping = ping.selection_criteria(criteria.clone());
        }
        inner.ask(MongoCommand::Other, inner.options.answer_timeout, ping).await.map(drop)
    }

    /// What was asked of the server, and the connections to it. Asks nobody.
    pub fn monitor(&self) -> MongoStats {
        self.inner.monitor.stats()
    }

    /// How many events there are, exactly. The server counts them one by one, which takes its time.
    ///
    /// # Errors
    /// When the server is away or fails.
    pub async fn count(&self) -> Result<u64, MongoError> {
        self.prepare().await?;
        let collection = self.inner.collection();
        match self.inner.ask(MongoCommand::Aggregate, WHOLE, collection.count_documents(doc! {})).await {
            Err(error) if error.is_refusal() => self.inner.count_one_by_one().await,
            other => other,
        }
    }

    /// About how many events there are, at once.
    ///
    /// # Errors
    /// When the server is away or fails.
    pub async fn estimate(&self) -> Result<u64, MongoError> {
        self.prepare().await?;
        self.inner.estimate().await
    }

    /// Reads every document of the collection, and finds those that are no event, or whose facts are not those of their
    /// properties. `each` hears how many were read so far. Memory is bounded, whatever is found.
    ///
    /// # Errors
    /// When the server is away or fails.
    pub async fn survey(&self, mut each: impl FnMut(u64) + Send) -> Result<Survey, MongoError> {
        self.prepare().await?;
        self.inner.survey(&mut each).await
    }

    /// Removes the events of all UTC days that were over at a moment, some at a time; how many. Makes an index of
    /// `occurredAt`, by which they are found.
    ///
    /// # Errors
    /// When the server is away or fails. What was removed until then is gone.
    pub async fn forget(&self, before: Timestamp) -> Result<u64, MongoError> {
        self.prepare().await?;
        self.inner.forget(before.start_of_day()).await
    }

    /// All events behind the id where an earlier export stood, in the order of ids: for copying a whole store. What is
    /// stored meanwhile may be among them.
    pub fn export(&self, after: Option<EventId>) -> Export {
        Export::new(self.clone(), after)
    }
}

/// How long a server may work on a question about all of the collection, before it answers with the first of it.
const WHOLE: Duration = Duration::from_secs(1800);

impl Inner {
    fn known(&self) -> Option<Arc<Prepared>> {
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|prepared| prepared.until.is_none_or(|until| Instant::now() < until))
    }

    fn note(&self, prepared: Option<Arc<Prepared>>) {
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = prepared;
    }

    /// As the connection string says who is read from.
    fn collection(&self) -> Collection<RawDocumentBuf> {
        self.database.collection(&self.options.collection)
    }

    /// Read from the primary, which knows of every write that was acknowledged.
    fn primary(&self) -> Collection<RawDocumentBuf> {
        let mut options = CollectionOptions::default();
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        // It is what a server does where nothing is said, and some do not take it.
        options.read_concern = self.database.read_concern().map(|_| ReadConcern::local());
        self.database.collection_with_options(&self.options.collection, options)
    }

    async fn command(&self, database: &Database, command: Document) -> Result<Document, MongoError> {
        self.ask(MongoCommand::Other, self.options.answer_timeout, database.run_command(command)).await
    }

    /// An answer within some time, which counts.
    async fn ask<T>(
        &self,
        command: MongoCommand,
        limit: Duration,
        work: impl IntoFuture<Output = Answer<T>>,
    ) -> Result<T, MongoError> {
        self.monitor.watch(command, timed(limit, work)).await
    }
}

/// Asks once more where the first attempt failed for a reason that passes (a cursor that is gone, a new primary), or where
/// the server does not take the question any more: somebody may have dropped the index, or the whole collection.
macro_rules! answer {
    ($store:ident.$question:ident($query:expr)) => {{
        let prepared = $store.prepare().await?;
        match $store.inner.$question(&prepared, &$query).await {
            Err(error) if error.is_passing() => $store.inner.$question(&prepared, &$query).await,
            Err(error) if error.is_refusal() => {
                tracing::warn!(%error, "a question is refused, so the server is asked about itself again");
                $store.inner.note(None);
                let prepared = $store.prepare().await?;
                $store.inner.$question(&prepared, &$query).await
            }
            answer => answer,
        }
    }};
}

impl Reader for MongoStore {
    type Error = MongoError;

    async fn journey(&self, query: JourneyQuery) -> Result<JourneyPage, MongoError> {
        answer!(self.journey(query))
    }

    async fn users(&self, query: UsersQuery) -> Result<UsersPage, MongoError> {
        answer!(self.users(query))
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, MongoError> {
        answer!(self.stats(query))
    }
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore")
            .field("database", &self.inner.database.name())
            .field("collection", &self.inner.options.collection)
            .finish_non_exhaustive()
    }
}

type Answer<T> = Result<T, mongodb::error::Error>;

/// An answer within some time. Dropping what waits for it closes its connection, so a late answer reaches nobody.
async fn timed_raw<T>(limit: Duration, work: impl IntoFuture<Output = Answer<T>>) -> Result<Answer<T>, MongoError> {
    let late = |_| MongoError::TimedOut(format!("no answer within {} s", limit.as_secs_f64()));
    tokio::time::timeout(limit, work.into_future()).await.map_err(late)
}

async fn timed<T>(limit: Duration, work: impl IntoFuture<Output = Answer<T>>) -> Result<T, MongoError> {
    timed_raw(limit, work).await?.map_err(MongoError::from)
}
