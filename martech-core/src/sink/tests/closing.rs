//! Closing a sink, and dropping it without closing.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn close_drains_without_waiting_for_flush_interval() {
    let store = ScriptedStore::default();
    let sink = small().flush_interval(Duration::from_secs(60)).build(store.clone()).unwrap();
    let receipt = sink.try_push(1).unwrap();
    let start = Instant::now();
    let report = sink.close(SOON).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(report.unstored.is_empty() && report.poison.is_none());
    assert_eq!(report.stats.stored, 1);
    assert_eq!(receipt.await.unwrap(), Outcome::Stored);
    assert_eq!(Arc::strong_count(&store.0), 1, "the store is no longer in use");
}

#[tokio::test(start_paused = true)]
async fn closed_sink_refuses_all_pushes() {
    let sink = small().build(ScriptedStore::scripted(vec![Reaction::TakeAfter(Duration::from_secs(1)); 4])).unwrap();
    drop(sink.try_push_batch((0..10).collect()).unwrap());
    let waiting = [10, 11].map(|event| {
        let sink = sink.clone();
        tokio::spawn(async move { sink.push(event).await.map(drop) })
    });
    settle_down().await;
    let report = sink.close(SOON).await;
    assert_eq!(report.stats.stored, 10);
    for push in waiting {
        assert!(matches!(push.await.unwrap().unwrap_err().refusal(), Refusal::Closed));
    }
    assert!(matches!(sink.try_push(12).unwrap_err().into_parts(), (12, Refusal::Closed)));
    assert!(matches!(sink.push_batch(vec![13]).await.unwrap_err().refusal(), Refusal::Closed));
    sink.flush().await;
    assert_eq!(sink.close(SOON).await.stats, sink.stats(), "closing again is harmless");
}

#[tokio::test(start_paused = true)]
async fn close_returns_unstored_events_in_order_at_deadline() {
    let letters = Letters::default();
    let store = ScriptedStore::scripted([
        Reaction::Stall,
        Reaction::Reject(vec![2]),
        Reaction::Retry,
        Reaction::Retry,
        Reaction::Stall,
    ]);
    let sink = small().capacity(20).dead_letters(letters.handler()).build(store.clone()).unwrap();
    let stalled = sink.try_push_batch((0..4).collect()).unwrap();
    settle_down().await;
    drop(sink.try_push_batch((4..14).collect()).unwrap());

    let start = Instant::now();
    let report = sink.close(SOON).await;
    assert!(start.elapsed().abs_diff(SOON) <= Duration::from_millis(1));
    assert_eq!(report.unstored, [0, 1, 2, 3, 8, 9, 10, 11, 12, 13]);
    assert_eq!((report.stats.stored, report.stats.rejected, report.stats.returned), (3, 1, 10));
    assert_conserved(&report.stats);
    assert_eq!(report.stats.pending, 0);
    assert!(matches!(stalled.await.get(3), Some(Err(NotStored::Returned))));
    assert_eq!(letters.events(), [6]);
    assert_eq!(store.stored(), [4, 5, 7]);
}

#[tokio::test(start_paused = true)]
async fn close_does_not_return_stored_part_of_batch() {
    let store = ScriptedStore::scripted([Reaction::Take, Reaction::Stall]);
    store.stage(|stage| stage.poisonous = vec![3]);
    let sink = small().build(store.clone()).unwrap();
    drop(sink.try_push_batch((0..4).collect()).unwrap());
    let report = sink.close(SOON).await;
    assert_eq!(store.stored(), [0, 1]);
    assert_eq!(report.unstored, [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn close_with_zero_deadline_returns_unstored_events() {
    let store = ScriptedStore::default();
    let sink = small().build(store.clone()).unwrap();
    drop(sink.try_push_batch((0..6).collect()).unwrap());
    let report = sink.close(Duration::ZERO).await;
    assert_eq!(store.stored().len() + report.unstored.len(), 6);
    assert_conserved(&report.stats);
}

#[tokio::test(start_paused = true)]
async fn canceled_close_dead_letters_unclaimed_events() {
    let letters = Letters::default();
    let sink = small().dead_letters(letters.handler()).build(ScriptedStore::scripted([Reaction::Stall])).unwrap();
    drop(sink.try_push_batch((0..4).collect()).unwrap());
    settle_down().await;
    let mut close = Box::pin(sink.close(Duration::from_secs(1)));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut close).await.is_err());
    tokio::time::advance(Duration::from_secs(2)).await;
    // This poll notices the deadline, and the call is dropped before it can return.
    assert!(futures_poll(close.as_mut()).is_none());
    drop(close);
    settle_down().await;
    assert_eq!(sink.stats().returned, 4);
    drop(sink);
    settle_down().await;
    assert_eq!(letters.events(), [0, 1, 2, 3]);
    assert!(matches!(letters.reasons()[0], DeadLetterReason::Unclaimed));
}

/// Polls once.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_all_handles_stores_accepted_events() {
    let store = ScriptedStore::scripted([Reaction::Retry, Reaction::TakeAfter(Duration::from_secs(1))]);
    let sink = small().flush_interval(Duration::MAX).build(store.clone()).unwrap();
    let receipt = sink.clone().try_push(1).unwrap();
    drop(sink);
    assert_eq!(receipt.await.unwrap(), Outcome::Stored);
    settle_down().await;
    assert_eq!(store.stored(), [1]);
    assert_eq!(Arc::strong_count(&store.0), 1, "the flush slots have ended");
}
