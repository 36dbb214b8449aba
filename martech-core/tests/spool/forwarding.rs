//! Forwarding from the journal to the store, in normal operation and during failures.

use std::time::Duration;

use martech_core::{
    Appended, Store,
    store::{Advice, Steps},
    testing::SimFs,
};

use crate::{store::Behavior, *};

#[tokio::test(flavor = "multi_thread")]
async fn appended_events_reach_the_store_once() {
    let store = TestStore::new();
    let spool = open(&SimFs::new(), &store).await;
    for start in (0..2000).step_by(40) {
        append(&spool, start..start + 40).await;
    }
    spool.forwarded().await;
    assert_eq!(store.sorted(), (0..2000).collect::<Vec<_>>());
    let status = spool.status();
    assert_eq!((status.connected, status.stored, status.behind_events, status.behind_bytes), (Some(true), 2000, 0, 0));
    assert_eq!((status.error, status.halted, status.poisoned), (None, false, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn serial_flushes_keep_the_order() {
    let store = TestStore::new();
    let mut options = options(&SimFs::new());
    options.sink.max_concurrent_flushes = 1;
    let spool = try_open(options, &store).await.unwrap();
    for number in 0..500 {
        append(&spool, [number]).await;
    }
    spool.forwarded().await;
    assert_eq!(store.stored(), (0..500).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_events_while_store_is_unavailable() {
    let store = TestStore::new();
    store.be(Behavior::Away);
    let spool = open(&SimFs::new(), &store).await;
    assert_eq!(spool.status().connected, None);
    for start in (0..1000).step_by(10) {
        append(&spool, start..start + 10).await;
    }
    until("the store is found away", || spool.status().connected == Some(false)).await;
    let status = spool.status();
    assert_eq!((status.behind_events, status.stored), (1000, 0));
    assert!(status.behind_bytes > 1000 && status.bytes >= status.behind_bytes, "{status:?}");
    assert_eq!(status.error.as_deref(), Some("nobody is there"));
    until("time passes", || spool.status().behind > Duration::ZERO).await;

    store.be(Behavior::Well);
    spool.forwarded().await;
    assert_eq!(store.sorted(), (0..1000).collect::<Vec<_>>());
    let status = spool.status();
    assert_eq!((status.connected, status.behind_events, status.behind), (Some(true), 0, Duration::ZERO));
    assert!(status.retries > 0 && status.error.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_append_returns_the_result_of_the_store() {
    let store = TestStore::new();
    store.refuse(3);
    let spool = open(&SimFs::new(), &store).await;
    let stored = spool.stored(LONG);
    let appended = stored.append(&[1, 2, 3, 4]).await.unwrap();
    assert_eq!((appended.stored, &appended.duplicates[..]), (3, &[][..]));
    assert_eq!(appended.rejected.len(), 1);
    assert_eq!((appended.rejected[0].index, &*appended.rejected[0].reason), (2, "3 is not wanted"));
    assert_eq!(store.sorted(), [1, 2, 4]);
    assert_eq!(store.letters(), [3]);
    // An append that does not wait for the store does not learn of the rejection. The event is kept as a dead letter.
    assert_eq!(spool.append(&[3]).await.unwrap(), Appended::all(1));
    spool.forwarded().await;
    assert_eq!(store.letters(), [3, 3]);
    assert_eq!(spool.status().rejected, 2);
    assert_eq!(stored.append(&[]).await.unwrap(), Appended::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn append_reports_sync_and_forwarding_times() {
    let spool = open(&SimFs::new(), &TestStore::new()).await;
    let (_, steps) = Steps::collect(spool.append(&[1, 2])).await;
    assert!(steps.synced.is_some() && steps.forwarded.is_none(), "{steps:?}");
    let (_, steps) = Steps::collect(spool.stored(LONG).append(&[3])).await;
    let (synced, forwarded) = (steps.synced.unwrap(), steps.forwarded.unwrap());
    assert!(synced.to <= forwarded.from && forwarded.from <= forwarded.to, "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn timed_out_wait_asks_for_retry_and_events_arrive_later() {
    let store = TestStore::new();
    store.be(Behavior::Away);
    let spool = open(&SimFs::new(), &store).await;
    let error = spool.stored(Duration::from_millis(20)).append(&[1]).await.unwrap_err();
    assert!(matches!(error.advice(), Advice::RetryAfter(_)));
    assert!(error.to_string().contains("durable"), "{error}");
    store.be(Behavior::Well);
    spool.forwarded().await;
    assert_eq!(store.stored(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn watermark_does_not_pass_unacknowledged_events() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    store.hold(5);
    let spool = open(&disk, &store).await;
    for number in 0..200 {
        append(&spool, [number]).await;
    }
    // One of the three flush slots is blocked. The others continue as far as the limit of frames in flight allows.
    until("others overtake", || store.stored().iter().any(|number| *number > 30)).await;
    assert!(!store.stored().contains(&5));
    let spool = {
        // State as a crash would leave it.
        let left = disk.copy();
        drop(spool);
        store.let_go(5);
        open(&left, &store).await
    };
    spool.forwarded().await;
    assert_eq!(store.distinct(), (0..200).collect::<Vec<_>>(), "nothing is skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn unacknowledged_events_are_sent_again() {
    let store = TestStore::new();
    store.be(Behavior::Forgetful);
    let spool = open(&SimFs::new(), &store).await;
    append(&spool, 0..100).await;
    until("answers get lost", || store.appends() > 5).await;
    assert_eq!(spool.status().behind_events, 100);
    store.be(Behavior::Well);
    spool.forwarded().await;
    assert_eq!(store.distinct(), (0..100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_responses_do_not_duplicate_events_with_ids() {
    use martech_core::{Event, EventRules, EventType, MemoryStore, spool::Spooled};
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryStore::of_events();
    let spool = Spooled::open(SpoolOptions::new(dir.path()), memory.clone(), |_| {}).await.unwrap();
    let event = |number: u64| {
        let builder = Event::builder(format!("u{number}"), EventType::PURCHASE).property("total", "12.50");
        builder.build(&EventRules::default()).unwrap()
    };
    let events: Vec<Event> = (0..100).map(event).collect();
    for _ in 0..3 {
        assert_eq!(spool.append(&events).await.unwrap().stored, 100);
    }
    let appended = spool.stored(LONG).append(&events).await.unwrap();
    assert_eq!(appended.duplicates, (0..100).collect::<Vec<_>>());
    assert_eq!(memory.events(), events, "every field went through the spool");
    assert_eq!(spool.status().duplicates, 300);
}
