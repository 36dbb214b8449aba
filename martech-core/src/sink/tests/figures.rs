//! Statistics about waiting and flushes.

use super::*;

#[tokio::test(start_paused = true)]
async fn stats_report_oldest_event_age_and_store_stall() {
    let store = ScriptedStore::scripted([Reaction::TakeAfter(Duration::from_secs(40)), Reaction::Stall]);
    let sink = small().max_concurrent_flushes(1).build(store).unwrap();
    let waits = |sink: &EventSink<u32>| (sink.stats().oldest, sink.stats().stalled);
    tokio::time::advance(Duration::from_secs(100)).await;
    assert_eq!(waits(&sink), (Duration::ZERO, Duration::ZERO), "nothing waits");

    let _first = sink.try_push(1).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let _second = sink.try_push(2).unwrap();
    assert_eq!(waits(&sink), (Duration::from_secs(10), Duration::from_secs(10)));
    // The first batch is stored at 40.1 s. The append of the second never returns.
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(waits(&sink), (Duration::from_secs(40), Duration::from_millis(9_900)));
    let report = sink.close(Duration::ZERO).await;
    assert_eq!((report.stats.oldest, report.stats.stalled), (Duration::ZERO, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn given_up_events_do_not_reset_stall_time() {
    let policy = RetryPolicy { deadline: Duration::from_secs(2), ..RetryPolicy::default() };
    let store = ScriptedStore::scripted(std::iter::repeat_n(Reaction::Retry, 1_000));
    let sink = small().max_concurrent_flushes(1).retry(policy).dead_letters(drop).build(store).unwrap();
    // More events than the sink can hold, so that some are always pending.
    for event in 0..1_200 {
        let _ = sink.try_push(event);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let stats = sink.stats();
    assert!(stats.dead_lettered > 0 && stats.pending > 0, "{stats:?}");
    assert!(stats.stalled > Duration::from_secs(50), "{stats:?}");
    assert_conserved(&stats);
}

#[tokio::test(start_paused = true)]
async fn counts_flushes_by_reason_and_outcome() {
    let policy = RetryPolicy { deadline: Duration::ZERO, ..RetryPolicy::default() };
    let store = ScriptedStore::scripted([
        Reaction::Take,
        Reaction::Take,
        Reaction::Take,
        Reaction::Duplicates(vec![0]),
        Reaction::Retry,
    ]);
    let sink = small().retry(policy).dead_letters(drop).build(store.clone()).unwrap();
    let mut expected = std::collections::HashMap::new();
    let mut check = |reason, outcome| {
        *expected.entry((reason, outcome)).or_insert(0) += 1;
        for reason in FlushReason::ALL {
            for outcome in FlushOutcome::ALL {
                let count = expected.get(&(reason, outcome)).copied().unwrap_or(0);
                assert_eq!(sink.stats().flushes.get(reason, outcome), count, "{reason:?} {outcome:?}");
            }
        }
    };

    sink.push_batch(vec![1, 2, 3, 4]).await.unwrap().await;
    check(FlushReason::Full, FlushOutcome::Answered);
    sink.push(5).await.unwrap().await.unwrap();
    check(FlushReason::Due, FlushOutcome::Answered);
    let _unread = sink.push(6).await.unwrap();
    sink.flush().await;
    check(FlushReason::Requested, FlushOutcome::Answered);
    // A duplicate is an answer as well.
    sink.push(7).await.unwrap().await.unwrap();
    check(FlushReason::Due, FlushOutcome::Answered);
    sink.push(8).await.unwrap().await.unwrap_err();
    check(FlushReason::Due, FlushOutcome::Failed);
    let _unread = sink.push(9).await.unwrap();
    let report = sink.close(SOON).await;
    assert!(report.unstored.is_empty());
    check(FlushReason::Closing, FlushOutcome::Answered);
    assert_eq!(sink.stats().flushes.total(), store.batches().len() as u64);
}

#[tokio::test(start_paused = true)]
async fn full_sink_flushes_with_reason_backpressure() {
    let store = ScriptedStore::default();
    // Full by bytes, while its batch is not full.
    let sink = small().capacity_bytes(8).flush_interval(Duration::from_secs(3600)).build(store).unwrap();
    let _receipts = [sink.try_push(1).unwrap(), sink.try_push(2).unwrap()];
    assert!(sink.try_push(3).unwrap_err().is_full());
    settle_down().await;
    assert_eq!(sink.stats().flushes.get(FlushReason::Backpressure, FlushOutcome::Answered), 1);
}

#[tokio::test(start_paused = true)]
async fn events_returned_by_close_count_as_failed_flush() {
    let sink = small().build(ScriptedStore::scripted([Reaction::Stall])).unwrap();
    let _receipt = sink.push(1).await.unwrap();
    let report = sink.close(Duration::from_secs(1)).await;
    assert_eq!(report.unstored, [1]);
    let flushes = report.stats.flushes;
    assert_eq!((flushes.total(), flushes.get(FlushReason::Closing, FlushOutcome::Failed)), (1, 1), "{flushes:?}");
}

#[tokio::test(start_paused = true)]
async fn receipt_reports_batch_timing() {
    let store = ScriptedStore::scripted([
        Reaction::TakeAfter(Duration::from_secs(40)),
        Reaction::TakeAfter(Duration::from_secs(2)),
    ]);
    let sink = small().max_concurrent_flushes(1).build(store).unwrap();
    let begun = Instant::now().into_std();
    let first = sink.push_batch(vec![1, 2, 3, 4]).await.unwrap();
    let second = sink.push_batch(vec![5, 6, 7, 8]).await.unwrap();
    // Spans two batches of four.
    let third = sink.push_batch((10..18).collect()).await.unwrap();
    let first = first.await.timing().unwrap();
    assert_eq!((first.taken, first.events), (begun, 4));
    assert_eq!(first.settled, begun + Duration::from_secs(40));
    let second = second.await.timing().unwrap();
    assert_eq!((second.taken, second.settled), (first.settled, first.settled + Duration::from_secs(2)));
    let third = third.await.timing().unwrap();
    assert_eq!((third.taken, third.events), (second.settled, 8));
    assert_eq!(third.steps, crate::store::Steps::default(), "this store reports no timings");
}

#[tokio::test]
async fn events_that_no_slot_took_have_no_timing() {
    let sink = small().max_concurrent_flushes(1).build(ScriptedStore::scripted([Reaction::Stall])).unwrap();
    let _first = sink.push_batch(vec![1, 2, 3, 4]).await.unwrap();
    let waiting = sink.push_batch(vec![5]).await.unwrap();
    let _ = sink.close(Duration::ZERO).await;
    assert_eq!(waiting.await.timing(), None);
}
