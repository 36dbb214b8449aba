//! Broken connections, and servers that stall, are unavailable, or are not MongoDB.

use std::time::{Duration, Instant};

use martech_core::{
    Store,
    mongodb::{MongoCommand, MongoError, MongoOptions, MongoStore},
    query::{JourneyQuery, Reader},
    sink::{EventSink, RetryPolicy},
    store::Advice,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    proxy::{Mode, Proxy},
    server::{Scratch, events},
};

/// Longer than any step here may take, even on a busy machine.
const LONG: Duration = Duration::from_secs(60);

async fn through(scratch: &Scratch, set: impl FnOnce(&mut MongoOptions)) -> (Proxy, MongoStore) {
    let proxy = Proxy::to(&scratch.uri).await;
    let mut options = scratch.options();
    options.uri = proxy.uri(&scratch.uri);
    set(&mut options);
    (proxy, MongoStore::new(options).await.unwrap())
}

/// Retries an append until it succeeds, as a sink does.
async fn append_at_last(store: &MongoStore, batch: &[martech_core::Event]) -> martech_core::Appended {
    let begun = Instant::now();
    loop {
        match store.append(batch).await {
            Ok(appended) => return appended,
            Err(error) => assert!(begun.elapsed() < LONG, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_response_neither_loses_nor_duplicates() {
    let Some(scratch) = Scratch::new() else { return };
    let (proxy, store) = through(&scratch, |_| {}).await;
    store.prepare().await.unwrap();
    let batch = events(0..300);
    proxy.lose_answers(1);
    let error = store.append(&batch).await.unwrap_err();
    assert_eq!((error.advice(), proxy.answers_to_lose()), (Advice::Retry, 0), "{error}");
    let appended = append_at_last(&store, &batch).await;
    assert_eq!((appended.stored, appended.duplicates.len()), (0, 300));
    assert_eq!(store.count().await.unwrap(), 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn sink_stores_each_event_once_despite_lost_responses() {
    let Some(scratch) = Scratch::new() else { return };
    let (proxy, store) = through(&scratch, |_| {}).await;
    store.prepare().await.unwrap();
    let delay = Duration::from_millis(10);
    let retry = RetryPolicy::default().initial(delay).max(delay);
    let sink = EventSink::builder().max_batch(100).retry(retry).build(store.clone()).unwrap();
    proxy.lose_answers(4);
    let mut receipts = Vec::new();
    for event in events(0..1000) {
        receipts.push(sink.push(event).await.unwrap());
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    let report = sink.close(LONG).await;
    assert!(report.unstored.is_empty() && report.stats.dead_lettered == 0, "{:?}", report.stats);
    assert!(report.stats.retries >= 4, "{:?}", report.stats);
    assert_eq!((store.count().await.unwrap(), proxy.answers_to_lose()), (1000, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn server_outages_neither_lose_nor_duplicate() {
    let Some(scratch) = Scratch::new() else { return };
    let (proxy, store) = through(&scratch, |_| {}).await;
    let delay = Duration::from_millis(10);
    let retry = RetryPolicy::default().initial(delay).max(delay);
    let sink = EventSink::builder().max_batch(100).retry(retry).build(store.clone()).unwrap();
    let mut receipts = Vec::new();
    for (number, event) in events(0..2000).into_iter().enumerate() {
        receipts.push(sink.push(event).await.unwrap());
        if number % 600 == 300 {
            let retries = sink.stats().retries;
            proxy.set(Mode::Away);
            let begun = Instant::now();
            // Waits until a batch in flight fails, or nothing is in flight any more.
            while sink.stats().retries == retries && sink.stats().pending > 0 {
                assert!(begun.elapsed() < LONG, "{:?}", sink.stats());
                tokio::task::yield_now().await;
            }
            proxy.set(Mode::Pass);
        }
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    let report = sink.close(LONG).await;
    let stats = report.stats;
    assert!(report.unstored.is_empty() && stats.dead_lettered == 0 && stats.retries > 0, "{stats:?}");
    assert_eq!((stats.stored + stats.duplicates, store.count().await.unwrap()), (2000, 2000), "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_server_runs_into_timeouts() {
    let Some(scratch) = Scratch::new() else { return };
    let bounded = |options: &mut MongoOptions| {
        options.answer_timeout = Duration::from_millis(1500);
        options.query_timeout = Some(Duration::from_millis(500));
    };
    let (proxy, store) = through(&scratch, bounded).await;
    store.append(&events(0..10)).await.unwrap();
    proxy.set(Mode::Stall);
    let begun = Instant::now();
    let appended = store.append(&events(10..20)).await.unwrap_err();
    assert_eq!(appended.advice(), Advice::Retry, "{appended}");
    let journey = store.journey(JourneyQuery::new("user-1")).await.unwrap_err();
    assert!(matches!(journey, MongoError::TimedOut(_) | MongoError::Unavailable(_)), "{journey:?}");
    assert!(store.ping().await.is_err());
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    proxy.set(Mode::Pass);
    append_at_last(&store, &events(10..20)).await;
    assert_eq!(store.count().await.unwrap(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_may_become_available_later() {
    let Some(scratch) = Scratch::new() else { return };
    let (proxy, store) = through(&scratch, |_| {}).await;
    proxy.set(Mode::Away);
    let begun = Instant::now();
    // All appends fail with the first, not one after another.
    let appends = (0..8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.append(&events(number * 5..number * 5 + 5)).await })
    });
    for append in appends.collect::<Vec<_>>() {
        let error = append.await.unwrap().unwrap_err();
        assert_eq!(error.advice(), Advice::Retry, "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(matches!(store.prepare().await, Err(MongoError::Unavailable(_))));
    proxy.set(Mode::Pass);
    assert_eq!(append_at_last(&store, &events(0..40)).await.stored, 40);
    proxy.set(Mode::Away);
    assert!(store.append(&events(40..45)).await.is_err());
    proxy.set(Mode::Pass);
    append_at_last(&store, &events(40..45)).await;
    assert_eq!(store.count().await.unwrap(), 45);
}

#[tokio::test(flavor = "multi_thread")]
async fn query_waits_once_for_a_lost_server() {
    let Some(scratch) = Scratch::new() else { return };
    // More than the time within which a query is retried.
    let wait = Duration::from_secs(11);
    let (proxy, store) = through(&scratch, |options| {
        let of_proxy = "serverSelectionTimeoutMS=1000";
        assert!(options.uri.contains(of_proxy));
        options.uri = options.uri.replace(of_proxy, &format!("serverSelectionTimeoutMS={}", wait.as_millis()));
    })
    .await;
    store.append(&events(0..10)).await.unwrap();
    proxy.set(Mode::Away);
    let begun = Instant::now();
    let error = store.journey(JourneyQuery::new("user-1")).await.unwrap_err();
    assert!(matches!(error, MongoError::Unavailable(_)) && begun.elapsed() >= wait, "{error:?}");
    assert_eq!(store.monitor().commands(MongoCommand::Find).failed, 1);
}

/// Starts a listener that is not a MongoDB server and answers everything with `says`.
async fn stranger(says: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 64];
                while socket.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    if !says.is_empty() && socket.write_all(says).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("mongodb://{address}/?serverSelectionTimeoutMS=800&connectTimeoutMS=500")
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocol_is_a_wrong_server_error() {
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 11\r\nConnection: close\r\n\r\nBad Request";
    let store = MongoStore::new(MongoOptions::new(stranger(http).await)).await.unwrap();
    let error = store.prepare().await.unwrap_err();
    assert!(matches!(error, MongoError::WrongServer(_)), "{error:?}");
    assert!(matches!(store.append(&events(0..1)).await.unwrap_err().advice(), Advice::RetryAfter(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_server_runs_into_a_timeout() {
    let store = MongoStore::new(MongoOptions::new(stranger(b"").await)).await.unwrap();
    let begun = Instant::now();
    let error = store.prepare().await.unwrap_err();
    assert!(matches!(error, MongoError::Unavailable(_) | MongoError::TimedOut(_)), "{error:?}");
    assert!(begun.elapsed() < LONG);
    assert_eq!(store.append(&events(0..1)).await.unwrap_err().advice(), Advice::Retry);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_port_is_unavailable() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let uri = format!("mongodb://{free}/?serverSelectionTimeoutMS=300");
    let store = MongoStore::new(MongoOptions::new(uri)).await.unwrap();
    assert!(matches!(store.ping().await, Err(MongoError::Unavailable(_))));
    assert!(matches!(store.prepare().await, Err(MongoError::Unavailable(_))));
    assert!(matches!(store.count().await, Err(MongoError::Unavailable(_))));
}

/// Needs a second server that requires authentication: `MARTECH_TEST_MONGODB_AUTH_URI`.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_unauthorized_not_unavailable() {
    let Some(scratch) = Scratch::on("MARTECH_TEST_MONGODB_AUTH_URI") else { return };
    let right = scratch.store().await;
    assert_eq!(right.append(&events(0..3)).await.unwrap().stored, 3);
    let (user, rest) = scratch.uri.split_once("://").unwrap().1.split_once(':').unwrap();
    let host = rest.split_once('@').unwrap().1;
    for uri in [format!("mongodb://{user}:wrong@{host}"), format!("mongodb://{host}")] {
        let wrong = MongoStore::new(MongoOptions::new(uri)).await.unwrap();
        let error = wrong.prepare().await.unwrap_err();
        assert!(matches!(error, MongoError::Unauthorized(_)), "{error:?}");
        let advice = wrong.append(&events(0..3)).await.unwrap_err().advice();
        assert!(matches!(advice, Advice::RetryAfter(delay) if delay >= Duration::from_secs(10)), "{advice:?}");
    }
}
