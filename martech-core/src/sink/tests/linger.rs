//! Gathering events: the linger of a batch, and small batches next to a running append.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::time::Instant;

use super::*;

const LINGER: Duration = Duration::from_millis(5);

fn lingering() -> SinkBuilder<u32> {
    small().max_batch(8).flush_interval(Duration::ZERO).linger(LINGER)
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs all tasks and asserts that they appended `batches` without waiting.
#[track_caller]
fn assert_appended(store: &ScriptedStore, start: Instant, batches: &[&[u32]]) {
    assert_eq!(store.batches(), batches);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn batch_lingers_while_no_receipt_is_awaited() {
    let store = ScriptedStore::default();
    let sink = lingering().build(store.clone()).unwrap();
    let start = Instant::now();
    for event in 0..3 {
        drop(sink.try_push(event).unwrap());
        settle_down().await;
    }
    assert_appended(&store, start, &[]);
    tokio::time::sleep(LINGER + Duration::from_millis(1)).await;
    assert_eq!(store.batches(), [[0, 1, 2]]);
    assert_eq!(sink.stats().flushes.get(FlushReason::Due, FlushOutcome::Answered), 1);
}

#[tokio::test(start_paused = true)]
async fn awaited_receipt_ends_linger() {
    let store = ScriptedStore::default();
    let sink = lingering().build(store.clone()).unwrap();
    let start = Instant::now();
    drop(sink.try_push(0).unwrap());
    settle_down().await;
    assert_eq!(sink.try_push(1).unwrap().await.unwrap(), Outcome::Stored);
    assert_appended(&store, start, &[&[0, 1]]);
    // The next batch lingers again.
    drop(sink.try_push(2).unwrap());
    settle_down().await;
    assert_appended(&store, start, &[&[0, 1]]);
}

#[tokio::test(start_paused = true)]
async fn awaited_receipt_of_reservation_ends_linger() {
    let store = ScriptedStore::default();
    let sink = lingering().max_batch(200).capacity(1_000).build(store.clone()).unwrap();
    let start = Instant::now();
    let mut receipts: Vec<_> = (0..10).map(|event| sink.try_push(event).unwrap()).collect();
    settle_down().await;
    assert_appended(&store, start, &[]);
    assert!(poll_once(&mut receipts[9]).is_pending());
    settle_down().await;
    assert_appended(&store, start, &[&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]);
}

#[tokio::test(start_paused = true)]
async fn awaited_batch_receipt_ends_linger_of_all_its_parts() {
    let store = ScriptedStore::scripted([Reaction::Stall]);
    let sink = lingering().build(store.clone()).unwrap();
    let start = Instant::now();
    // The first eight events fill a batch, which stalls. The others are in the open batch.
    let mut receipt = sink.try_push_batch((0..10).collect()).unwrap();
    settle_down().await;
    assert_appended(&store, start, &[&[0, 1, 2, 3, 4, 5, 6, 7]]);
    assert!(poll_once(&mut receipt).is_pending());
    settle_down().await;
    assert_appended(&store, start, &[&[0, 1, 2, 3, 4, 5, 6, 7], &[8, 9]]);
}

#[tokio::test(start_paused = true)]
async fn awaited_push_ends_linger() {
    let store = ScriptedStore::default();
    let sink = lingering().build(store.clone()).unwrap();
    let start = Instant::now();
    drop(sink.try_push(0).unwrap());
    settle_down().await;
    drop(sink.awaited().try_push(1).unwrap());
    settle_down().await;
    assert_appended(&store, start, &[&[0, 1]]);
    drop(sink.awaited().try_push_batch(vec![2, 3]).unwrap());
    settle_down().await;
    assert_appended(&store, start, &[&[0, 1], &[2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn flush_close_and_full_sink_end_linger() {
    let store = ScriptedStore::default();
    let sink = lingering().build(store.clone()).unwrap();
    let start = Instant::now();
    drop(sink.try_push(0).unwrap());
    sink.flush().await;
    assert_appended(&store, start, &[&[0]]);
    // Ten events fit. The last two of eleven wait for the first eight.
    (1..9).for_each(|event| drop(sink.try_push(event).unwrap()));
    (9..11).for_each(|event| drop(sink.try_push(event).unwrap()));
    assert!(sink.try_push(11).unwrap_err().is_full());
    settle_down().await;
    assert_appended(&store, start, &[&[0], &[1, 2, 3, 4, 5, 6, 7, 8], &[9, 10]]);
    drop(sink.try_push(11).unwrap());
    assert!(sink.close(SOON).await.unstored.is_empty());
    assert_eq!((store.stored().len(), start.elapsed()), (12, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn flush_interval_applies_to_awaited_receipts() {
    let store = ScriptedStore::default();
    let sink = lingering().flush_interval(Duration::from_millis(2)).build(store.clone()).unwrap();
    let start = Instant::now();
    sink.try_push(0).unwrap().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(2));
    // A linger below the interval has no effect.
    let sink = small().linger(LINGER).build(store.clone()).unwrap();
    let start = Instant::now();
    sink.try_push(1).unwrap().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(100));
}

fn gathering(store: &ScriptedStore) -> EventSink<u32> {
    let sink = small().max_batch(8).flush_interval(Duration::ZERO).min_concurrent_batch(3);
    sink.build(store.clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn small_batch_waits_for_running_append() {
    let store = ScriptedStore::scripted([Reaction::TakeAfter(SOON)]);
    let sink = gathering(&store);
    let start = Instant::now();
    for event in 0..3 {
        drop(sink.try_push(event).unwrap());
        settle_down().await;
    }
    assert_appended(&store, start, &[&[0]]);
    tokio::time::sleep(SOON).await;
    settle_down().await;
    assert_eq!(store.batches(), [vec![0], vec![1, 2]]);
}

#[tokio::test(start_paused = true)]
async fn large_batch_is_flushed_next_to_running_append() {
    let store = ScriptedStore::scripted([Reaction::Stall, Reaction::Stall]);
    let sink = gathering(&store);
    let start = Instant::now();
    for event in 0..4 {
        drop(sink.try_push(event).unwrap());
        settle_down().await;
    }
    assert_appended(&store, start, &[&[0], &[1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn flush_does_not_wait_for_running_append() {
    let store = ScriptedStore::scripted([Reaction::TakeAfter(SOON)]);
    let sink = gathering(&store);
    let start = Instant::now();
    drop(sink.try_push(0).unwrap());
    settle_down().await;
    drop(sink.try_push(1).unwrap());
    let flush = tokio::spawn({
        let sink = sink.clone();
        async move { sink.flush().await }
    });
    settle_down().await;
    assert_appended(&store, start, &[&[0], &[1]]);
    flush.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn small_batch_does_not_wait_for_retry() {
    let store = ScriptedStore::scripted([Reaction::RetryAfter(SOON)]);
    let sink = gathering(&store);
    let start = Instant::now();
    drop(sink.try_push(0).unwrap());
    settle_down().await;
    drop(sink.try_push(1).unwrap());
    settle_down().await;
    assert_appended(&store, start, &[&[0], &[1]]);
}
