//! Accepting events, and reporting their outcomes.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn batch_is_flushed_when_full() {
    let store = ScriptedStore::default();
    let sink = small().build(store.clone()).unwrap();
    let start = Instant::now();
    let receipts: Vec<_> = (0..4).map(|event| sink.try_push(event).unwrap()).collect();
    for receipt in receipts {
        assert_eq!(receipt.await.unwrap(), Outcome::Stored);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(store.batches(), [[0, 1, 2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn batch_is_flushed_when_oldest_event_is_due() {
    let store = ScriptedStore::default();
    let sink = small().build(store.clone()).unwrap();
    let start = Instant::now();
    let first = sink.try_push(1).unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    drop(sink.try_push(2).unwrap());
    assert_eq!(first.await.unwrap(), Outcome::Stored);
    assert!(start.elapsed().abs_diff(Duration::from_millis(100)) <= Duration::from_millis(1));
    assert_eq!(store.batches(), [[1, 2]]);
}

#[tokio::test(start_paused = true)]
async fn zero_interval_flushes_when_slot_is_free() {
    let store = ScriptedStore::scripted([
        Reaction::TakeAfter(Duration::from_millis(5)),
        Reaction::TakeAfter(Duration::from_millis(5)),
    ]);
    let sink = small().flush_interval(Duration::ZERO).build(store.clone()).unwrap();
    let start = Instant::now();
    let mut last = None;
    for event in 0..4 {
        last = Some(sink.try_push(event).unwrap());
        settle_down().await;
    }
    last.unwrap().await.unwrap();
    // Two slots take the first two events at once. The others collect until a slot is free.
    assert_eq!(store.batches(), [vec![0], vec![1], vec![2, 3]]);
    assert!(start.elapsed() <= Duration::from_millis(7));
}

#[tokio::test(start_paused = true)]
async fn unlimited_interval_waits_for_full_batch_or_flush() {
    let store = ScriptedStore::default();
    let sink = small().flush_interval(Duration::MAX).build(store.clone()).unwrap();
    drop(sink.try_push(1).unwrap());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(sink.stats().pending, 1);
    sink.flush().await;
    assert_eq!(store.stored(), [1]);
}

#[tokio::test(start_paused = true)]
async fn receipts_distinguish_duplicates_and_rejections() {
    let letters = Letters::default();
    let store = ScriptedStore::scripted([Reaction::Duplicates(vec![1]), Reaction::Reject(vec![0, 2])]);
    let sink = small().dead_letters(letters.handler()).build(store).unwrap();

    let first = sink.try_push_batch(vec![0, 1, 2, 3]).unwrap().await;
    assert_eq!((first.len(), first.stored()), (4, 3));
    assert_eq!(first.get(1).unwrap().unwrap(), Outcome::Duplicate);
    assert_eq!(first.get(3).unwrap().unwrap(), Outcome::Stored);
    assert!(first.get(4).is_none());

    let second = sink.try_push_batch(vec![4, 5, 6, 7]).unwrap().await;
    let rejected: Vec<_> = second.exceptions().iter().map(|(index, _)| *index).collect();
    assert_eq!(rejected, [0, 2]);
    assert!(matches!(second.get(0), Some(Ok(Outcome::Rejected { reason, .. })) if &*reason == "not this one"));
    assert_eq!(letters.events(), [4, 6]);
    assert!(matches!(letters.reasons()[0], DeadLetterReason::Rejected { .. }));

    let stats = sink.stats();
    assert_eq!((stats.stored, stats.duplicates, stats.rejected, stats.dead_lettered), (5, 1, 2, 0));
    assert_conserved(&stats);
}

#[tokio::test(start_paused = true)]
async fn pushed_batch_can_span_several_flushed_batches() {
    let store = ScriptedStore::scripted([
        Reaction::Duplicates(vec![1]),
        Reaction::Duplicates(vec![0, 3]),
        Reaction::Duplicates(vec![1]),
    ]);
    let sink = small().max_concurrent_flushes(1).build(store.clone()).unwrap();
    drop(sink.try_push(100).unwrap());
    let receipt = sink.try_push_batch((0..9).collect()).unwrap();
    let outcome = receipt.await;
    assert_eq!(store.batches(), [vec![100, 0, 1, 2], vec![3, 4, 5, 6], vec![7, 8]]);
    let duplicates: Vec<_> = outcome.exceptions().iter().map(|(index, _)| *index).collect();
    assert_eq!(duplicates, [0, 3, 6, 8]);
    assert_eq!(outcome.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn empty_batch_is_a_no_op() {
    let sink = small().build(ScriptedStore::default()).unwrap();
    assert!(sink.push_batch(Vec::new()).await.unwrap().await.is_empty());
    assert_eq!(sink.stats().accepted, 0);
}

#[tokio::test(start_paused = true)]
async fn flush_waits_only_for_earlier_events() {
    let store = ScriptedStore::scripted([
        Reaction::TakeAfter(Duration::from_millis(30)),
        Reaction::TakeAfter(Duration::from_millis(10)),
        Reaction::Stall,
    ]);
    let sink = small().build(store.clone()).unwrap();
    for event in 0..6 {
        drop(sink.try_push(event).unwrap());
    }
    let start = Instant::now();
    let flush = tokio::spawn({
        let sink = sink.clone();
        async move { sink.flush().await }
    });
    settle_down().await;
    drop(sink.try_push(6).unwrap());
    flush.await.unwrap();
    assert!(start.elapsed() <= Duration::from_millis(32), "{:?}", start.elapsed());
    let mut stored = store.stored();
    stored.sort_unstable();
    assert_eq!(stored, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn receipts_can_move_between_tasks_and_be_dropped() {
    let sink = small().build(ScriptedStore::scripted([Reaction::TakeAfter(Duration::from_millis(10))])).unwrap();
    let mut receipts: Vec<_> = (0..4).map(|event| sink.try_push(event).unwrap()).collect();
    settle_down().await;
    for receipt in &mut receipts {
        assert!(tokio::time::timeout(Duration::ZERO, receipt).await.is_err());
    }
    drop(receipts.remove(1));
    for receipt in receipts {
        assert_eq!(tokio::spawn(receipt).await.unwrap().unwrap(), Outcome::Stored);
    }
}

#[test]
fn receipts_block_threads_inside_and_outside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let sink =
        runtime.block_on(async { small().flush_interval(Duration::ZERO).build(ScriptedStore::default()).unwrap() });
    assert_eq!(sink.try_push(1).unwrap().blocking_wait().unwrap(), Outcome::Stored);
    assert_eq!(sink.try_push_batch(vec![2, 3]).unwrap().blocking_wait().stored(), 2);
    let receipt = sink.try_push(4).unwrap();
    let blocking = runtime.spawn_blocking(move || receipt.blocking_wait().unwrap());
    assert_eq!(runtime.block_on(blocking).unwrap(), Outcome::Stored);
    let receipt = sink.try_push(5).unwrap();
    assert!(runtime.block_on(runtime.spawn(async move { drop(receipt.blocking_wait()) })).unwrap_err().is_panic());
}

#[test]
fn build_rejects_invalid_settings() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let build = |builder: SinkBuilder<u32>| {
        let _inside = runtime.enter();
        builder.build(ScriptedStore::default()).map(|_| ()).unwrap_err()
    };
    assert_eq!(build(small().max_batch(0)), ConfigError::Zero("max_batch"));
    assert_eq!(build(small().capacity(0)), ConfigError::Zero("capacity"));
    assert_eq!(build(small().capacity_bytes(0)), ConfigError::Zero("capacity_bytes"));
    assert_eq!(build(small().min_concurrent_batch(0)), ConfigError::Zero("min_concurrent_batch"));
    assert_eq!(build(small().max_concurrent_flushes(0)), ConfigError::Zero("max_concurrent_flushes"));
    let retry = RetryPolicy { initial: Duration::from_secs(9), ..RetryPolicy::default() };
    assert!(matches!(build(small().retry(retry)), ConfigError::Backoff { .. }));
    assert_eq!(small().build(ScriptedStore::default()).map(|_| ()).unwrap_err(), ConfigError::NoRuntime);
}
