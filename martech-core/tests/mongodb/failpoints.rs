//! Server errors injected through failpoints.

use std::time::Duration;

use martech_core::{
    MemoryStore, Store,
    event::Timestamp,
    mongodb::{MongoError, MongoStore},
    query::{JourneyQuery, Reader, StatsQuery, TimeRange, UsersQuery},
    store::Advice,
};
use mongodb::{Database, bson::doc};
use tokio::sync::{Mutex, MutexGuard};

use crate::answers::{answers, shop};
use crate::server::{FAILING, Scratch, events, fail, fail_no_more, with_options};

/// Failpoints are global to the server, so only one test may use them at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

struct Failing {
    scratch: Scratch,
    store: MongoStore,
    database: Database,
    _alone: MutexGuard<'static, ()>,
}

impl Failing {
    /// Returns `None` if there is no server or it has no failpoints.
    async fn new() -> Option<Self> {
        let failing = Self::unprepared().await?;
        failing.store.prepare().await.unwrap();
        Some(failing)
    }

    async fn unprepared() -> Option<Self> {
        let scratch = Scratch::new()?;
        let alone = ONE_AT_A_TIME.lock().await;
        let mut options = scratch.options();
        options.uri = with_options(&options.uri, &format!("appName={FAILING}&heartbeatFrequencyMS=500"));
        let store = MongoStore::new(options).await.unwrap();
        let database = scratch.database().await;
        if !fail(&database, 1, &["whatsmyuri"], doc! { "errorCode": 1 }).await {
            return None;
        }
        fail_no_more(&database).await;
        Some(Self { scratch, store, database, _alone: alone })
    }

    async fn fail(&self, times: i32, commands: &[&str], how: mongodb::bson::Document) {
        assert!(fail(&self.database, times, commands, how).await);
    }
}

#[tokio::test]
async fn transient_insert_errors_are_retryable() {
    let Some(failing) = Failing::new().await else { return };
    // Not primary, interrupted by shutdown, stepping down, timed out, write conflict.
    for (place, code) in [10107, 11600, 13435, 189, 91, 50, 112].into_iter().enumerate() {
        let batch = events(place as u64 * 10..place as u64 * 10 + 10);
        failing.fail(1, &["insert"], doc! { "errorCode": code }).await;
        let error = failing.store.append(&batch).await.unwrap_err();
        assert_eq!(error.advice(), Advice::Retry, "{code}: {error}");
        fail_no_more(&failing.database).await;
        assert_eq!(failing.store.append(&batch).await.unwrap().stored, 10, "{code}");
    }
    assert_eq!(failing.store.count().await.unwrap(), 70);
}

#[tokio::test]
async fn closed_connection_is_retryable() {
    let Some(failing) = Failing::new().await else { return };
    failing.fail(1, &["insert"], doc! { "closeConnection": true }).await;
    let error = failing.store.append(&events(0..10)).await.unwrap_err();
    assert_eq!(error.advice(), Advice::Retry, "{error}");
    assert_eq!(failing.store.append(&events(0..10)).await.unwrap().stored, 10);
}

#[tokio::test]
async fn write_concern_timeout_is_retryable() {
    let Some(failing) = Failing::new().await else { return };
    let concern = doc! { "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" } };
    failing.fail(1, &["insert"], concern).await;
    let error = failing.store.append(&events(0..10)).await.unwrap_err();
    assert_eq!(error.advice(), Advice::Retry, "{error}");
    // The events are stored all the same.
    let appended = failing.store.append(&events(0..10)).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates.len()), (0, 10));
}

#[tokio::test]
async fn denied_access_is_retried_later() {
    let Some(failing) = Failing::new().await else { return };
    for code in [13, 18] {
        failing.fail(1, &["insert"], doc! { "errorCode": code }).await;
        let error = failing.store.append(&events(0..10)).await.unwrap_err();
        assert!(matches!(error.advice(), Advice::RetryAfter(delay) if delay >= Duration::from_secs(10)), "{error}");
        fail_no_more(&failing.database).await;
    }
    failing.fail(1, &["find"], doc! { "errorCode": 13 }).await;
    let error = failing.store.journey(JourneyQuery::new("u")).await.unwrap_err();
    assert!(matches!(error, MongoError::Unauthorized(_)), "{error:?}");
}

/// If the lookup of duplicates fails, the whole batch must be sent again.
#[tokio::test]
async fn failed_duplicate_lookup_is_retryable() {
    let Some(failing) = Failing::new().await else { return };
    failing.store.append(&events(0..10)).await.unwrap();
    // The driver attempts a read twice.
    failing.fail(2, &["find"], doc! { "errorCode": 11600 }).await;
    let error = failing.store.append(&events(5..15)).await.unwrap_err();
    assert_eq!(error.advice(), Advice::Retry, "{error}");
    fail_no_more(&failing.database).await;
    assert_eq!(failing.store.append(&events(5..15)).await.unwrap().duplicates.len(), 10);
    assert_eq!(failing.store.count().await.unwrap(), 15);
}

#[tokio::test]
async fn transient_query_errors_are_retried_once() {
    let Some(failing) = Failing::new().await else { return };
    failing.store.append(&events(0..50)).await.unwrap();
    for code in [10107, 11600] {
        failing.fail(3, &["find", "aggregate"], doc! { "errorCode": code }).await;
        let journey = failing.store.journey(JourneyQuery::new("user-1")).await.unwrap();
        assert_eq!(journey.events.len(), 10, "{code}");
        failing.fail(1_000, &["find", "aggregate"], doc! { "errorCode": code }).await;
        let error = failing.store.journey(JourneyQuery::new("user-1")).await.unwrap_err();
        assert!(matches!(error, MongoError::Unavailable(_)), "{code}: {error:?}");
        let error = failing.store.users(UsersQuery::default()).await.unwrap_err();
        assert!(matches!(error, MongoError::Unavailable(_)), "{code}: {error:?}");
        fail_no_more(&failing.database).await;
    }
    failing.fail(1, &["find"], doc! { "errorCode": 50 }).await;
    let error = failing.store.journey(JourneyQuery::new("user-1")).await.unwrap_err();
    assert!(matches!(error, MongoError::TimedOut(_)), "{error:?}");
}

/// If a cursor is killed while statistics are read, the query starts over.
#[tokio::test]
async fn stats_restart_after_a_lost_cursor() {
    let Some(failing) = Failing::new().await else { return };
    for numbers in 0..5 {
        failing.store.append(&events(numbers * 1000..numbers * 1000 + 1000)).await.unwrap();
    }
    let (from, to) = (Timestamp::from_millis(1_779_000_000_000), Timestamp::from_millis(1_781_000_000_000));
    let range = TimeRange { from, to };
    let query = StatsQuery::new(range);
    failing.fail(1, &["getMore"], doc! { "errorCode": 43 }).await;
    let figures = failing.store.stats(query).await.unwrap();
    assert_eq!((figures.totals.events, figures.totals.users, figures.totals.new_users), (5000, 5, 5));
    assert_eq!(failing.scratch.documents().await.count_documents(doc! {}).await.unwrap(), 5000);
}

/// A server without aggregation gives the same answers, and a warning.
#[tokio::test(flavor = "multi_thread")]
async fn server_without_aggregation_gives_the_same_answers() {
    let Some(failing) = Failing::unprepared().await else { return };
    failing.fail(1_000_000, &["aggregate"], doc! { "errorCode": 59 }).await;
    let warnings = failing.store.prepare().await.unwrap().warnings.clone();
    assert!(warnings.len() == 1 && warnings[0].contains("does not support aggregation"), "{warnings:?}");
    let (events, memory) = (shop(), MemoryStore::of_events());
    for batch in events.chunks(400) {
        assert_eq!(failing.store.append(batch).await.unwrap().stored, batch.len());
        memory.append(batch).await.unwrap();
    }
    assert_eq!(failing.store.count().await.unwrap(), events.len() as u64);
    for (server, memory) in answers(&failing.store).await.iter().zip(answers(&memory).await) {
        assert_eq!(*server, memory);
    }
    fail_no_more(&failing.database).await;
}

#[tokio::test]
async fn unsupported_options_are_omitted() {
    for (command, refusals, words) in
        [("find", 1, vec!["hint"]), ("find", 2, vec!["maxTimeMS"]), ("aggregate", 1, vec!["allowDiskUse"])]
    {
        let Some(failing) = Failing::unprepared().await else { return };
        failing.fail(refusals, &[command], doc! { "errorCode": 9 }).await;
        let warnings = failing.store.prepare().await.unwrap().warnings.clone();
        assert_eq!(warnings.len(), words.len(), "{warnings:?}");
        assert!(warnings.iter().zip(words).all(|(warning, word)| warning.contains(word)), "{warnings:?}");
        failing.store.append(&events(0..20)).await.unwrap();
        assert_eq!(failing.store.users(UsersQuery::default()).await.unwrap().total, 5);
        assert_eq!(failing.store.journey(JourneyQuery::new("user-1")).await.unwrap().events.len(), 4);
    }
}

/// The user's role may read and write, and nothing else.
#[tokio::test]
async fn forbidden_index_creation_is_a_warning() {
    let Some(failing) = Failing::unprepared().await else { return };
    failing.fail(2, &["listIndexes", "createIndexes"], doc! { "errorCode": 13 }).await;
    let warnings = failing.store.prepare().await.unwrap().warnings.clone();
    assert!(warnings.len() == 1 && warnings[0].contains("cannot be created"), "{warnings:?}");
    failing.store.append(&events(0..20)).await.unwrap();
    assert_eq!(failing.store.users(UsersQuery::default()).await.unwrap().total, 5);
    assert_eq!(failing.store.journey(JourneyQuery::new("user-1")).await.unwrap().events.len(), 4);
}

/// The server may refuse an aggregation later, for lack of memory for example. The index gives the answer in that case.
#[tokio::test]
async fn refused_aggregation_falls_back_to_the_index() {
    let Some(failing) = Failing::new().await else { return };
    failing.store.append(&events(0..50)).await.unwrap();
    failing.fail(1_000_000, &["aggregate"], doc! { "errorCode": 292 }).await;
    assert_eq!(failing.store.users(UsersQuery::default()).await.unwrap().total, 5);
    let (from, to) = (Timestamp::from_millis(1_779_000_000_000), Timestamp::from_millis(1_781_000_000_000));
    let query = StatsQuery::new(TimeRange { from, to });
    assert_eq!(failing.store.stats(query).await.unwrap().totals.new_users, 5);
    fail_no_more(&failing.database).await;
}

/// Building the index over many events takes longer than the timeout. Events are stored meanwhile.
#[tokio::test]
async fn pending_index_does_not_block_appends() {
    let Some(failing) = Failing::unprepared().await else { return };
    failing.fail(1, &["createIndexes"], doc! { "errorCode": 50 }).await;
    let warnings = failing.store.prepare().await.unwrap().warnings.clone();
    assert!(warnings.len() == 1 && warnings[0].contains("still being built"), "{warnings:?}");
    assert_eq!(failing.store.append(&events(0..20)).await.unwrap().stored, 20);
    assert_eq!(failing.store.users(UsersQuery::default()).await.unwrap().total, 5);
}

#[tokio::test]
async fn export_survives_an_expired_cursor() {
    let Some(failing) = Failing::new().await else { return };
    let mut batch = events(0..400);
    failing.store.append(&batch).await.unwrap();
    batch.sort_by_key(|event| event.id);
    let (mut export, mut found) = (failing.store.export(None), Vec::new());
    // The first batch of a cursor holds 101 documents, so the second part needs `getMore`. CursorNotFound occurs once,
    // and later so often that the caller gets the error.
    for (times, goes_well) in [(0, true), (1, true), (4, false), (0, true), (0, true)] {
        if times > 0 {
            failing.fail(times, &["getMore", "find"], doc! { "errorCode": 43 }).await;
        }
        let part = export.next(100).await;
        assert_eq!(part.is_ok(), goes_well, "{part:?}");
        found.extend(part.unwrap_or_default());
        fail_no_more(&failing.database).await;
    }
    assert_eq!(found, batch);
}
