//! Bounds of the journal, and of the part of the backlog that is in memory.

use std::time::Duration;

use martech_core::{Store, store::Advice, testing::SimFs};

use crate::{store::Behavior, *};

#[tokio::test(flavor = "multi_thread")]
async fn full_journal_throttles_and_drops_nothing() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    store.be(Behavior::Away);
    let spool = try_open(options(&disk).capacity_bytes(20_000), &store).await.unwrap();
    let mut taken = 0;
    let error = loop {
        match spool.append(&[taken]).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error.advice(), Advice::RetryAfter(_)), "{error}");
    assert!(taken > 100, "{taken} events of some 40 bytes in 20,000");
    let status = spool.status();
    assert!(
        status.bytes <= 21_000 && status.behind_bytes > 19_900,
        "the reported size matches the content: {status:?}"
    );

    store.be(Behavior::Well);
    // Forwarding frees space without further action.
    let mut more = taken;
    while more < 3 * taken {
        match spool.append(&[more]).await {
            Ok(_) => more += 1,
            Err(error) => assert!(matches!(error.advice(), Advice::RetryAfter(_)), "{error}"),
        }
    }
    spool.forwarded().await;
    assert_eq!(store.sorted(), (0..more).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_backlog_uses_bounded_memory() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    store.be(Behavior::Away);
    let spool = open(&disk, &store).await;
    for start in (0..20_000).step_by(500) {
        append(&spool, start..start + 500).await;
    }
    spool.close(Duration::ZERO).await;

    store.be(Behavior::Stalled);
    let bounded = options(&disk).in_flight_bytes(8 << 10);
    let spool = try_open(bounded, &store).await.unwrap();
    assert_eq!(spool.status().behind_events, 20_000, "opening counts the remaining events");
    until("the slots are busy", || store.most_in_flight() >= 30).await;
    store.be(Behavior::Well);
    spool.forwarded().await;
    assert_eq!(store.distinct().len(), 20_000);
    assert!(store.most_in_flight() <= 30, "three batches of ten at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_is_trimmed_up_to_the_watermark() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    let spool = try_open(options(&disk).capacity_bytes(64_000), &store).await.unwrap();
    // Many times the capacity of the journal.
    for number in 0..20_000 {
        loop {
            match spool.append(&[number]).await {
                Ok(_) => break,
                Err(error) => assert!(matches!(error.advice(), Advice::RetryAfter(_)), "{error}"),
            }
        }
    }
    spool.forwarded().await;
    assert_eq!(store.sorted(), (0..20_000).collect::<Vec<_>>());
    assert!(disk.used() < 64_000 + (256 << 10) + 1000, "{} bytes", disk.used());
}
