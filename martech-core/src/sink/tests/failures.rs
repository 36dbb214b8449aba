//! Stores that fail, refuse batches, answer inconsistently, and panic.

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn batch_is_retried_until_stored() {
    let store =
        ScriptedStore::scripted([Reaction::Retry, Reaction::RetryAfter(Duration::from_secs(3)), Reaction::Retry]);
    let sink = small().build(store.clone()).unwrap();
    let start = Instant::now();
    let outcome = sink.try_push_batch((0..4).collect()).unwrap().await;
    assert_eq!(outcome.stored(), 4);
    assert!(start.elapsed() >= Duration::from_secs(3));
    assert_eq!(store.batches(), vec![vec![0, 1, 2, 3]; 4]);
    assert_eq!(sink.stats().retries, 3);
}

#[tokio::test(start_paused = true)]
async fn batch_is_dead_lettered_at_retry_deadline() {
    let letters = Letters::default();
    let retry = RetryPolicy { deadline: Duration::from_secs(10), ..RetryPolicy::default() };
    let sink = small()
        .max_concurrent_flushes(1)
        .retry(retry)
        .dead_letters(letters.handler())
        .build(ScriptedStore::scripted(vec![Reaction::RetryAfter(Duration::from_secs(4)); 3]))
        .unwrap();
    let start = Instant::now();
    let given_up = sink.try_push_batch((0..4).collect()).unwrap();
    let taken = sink.try_push(4).unwrap();
    let outcome = given_up.await;
    assert!(start.elapsed().abs_diff(Duration::from_secs(8)) < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(outcome.exceptions().len(), 4);
    let error = outcome.get(2).unwrap().unwrap_err();
    assert!(matches!(error, NotStored::RetriesExhausted(_)));
    assert_eq!(error.to_string(), "gave up retrying: later");
    assert_eq!(letters.events(), [0, 1, 2, 3]);

    assert_eq!(taken.await.unwrap(), Outcome::Stored, "the sink goes on");
    assert_eq!((sink.stats().dead_lettered, sink.stats().stored), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_mark_events_of_awaited_handles() {
    let letters = Letters::default();
    let store = ScriptedStore::default();
    store.stage(|stage| stage.poisonous = (0..20).collect());
    let sink = small().max_batch(8).capacity(20).dead_letters(letters.handler()).build(store).unwrap();
    let awaited = sink.awaited();
    let receipts = [
        sink.try_push_batch(vec![0, 1]).unwrap(),
        awaited.try_push_batch(vec![2, 3, 4]).unwrap(),
        awaited.clone().try_push_batch(vec![5]).unwrap(),
        sink.try_push_batch(vec![6]).unwrap(),
        // Spans two batches.
        awaited.try_push_batch(vec![7, 8, 9]).unwrap(),
    ];
    let single = (sink.try_push(10).unwrap(), awaited.try_push(11).unwrap());
    for receipt in receipts {
        let outcome = receipt.await;
        assert_eq!(outcome.exceptions().len(), outcome.len());
    }
    assert!(single.0.await.is_ok() && single.1.await.is_ok(), "rejected");
    let mut told: Vec<u32> = letters.all().iter().filter(|letter| letter.awaited).map(|letter| letter.event).collect();
    told.sort_unstable();
    assert_eq!(told, [2, 3, 4, 5, 7, 8, 9, 11]);
    assert_eq!(letters.events().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn refused_batch_is_bisected_to_isolate_poison_events() {
    let letters = Letters::default();
    let store = ScriptedStore::default();
    store.stage(|stage| stage.poisonous = vec![3, 700, 701]);
    let sink = EventSink::builder().max_batch(1000).dead_letters(letters.handler()).build(store.clone()).unwrap();
    let outcome = sink.try_push_batch((0..1000).collect()).unwrap().await;

    let refused: Vec<_> = outcome.exceptions().iter().map(|(index, _)| *index).collect();
    assert_eq!(refused, [3, 700, 701]);
    assert!(matches!(outcome.get(700), Some(Ok(Outcome::Rejected { reason, .. })) if &*reason == "poisonous"));
    assert_eq!(letters.events(), [3, 700, 701]);
    assert_eq!(store.stored(), (0..1000).filter(|event| !refused.contains(&(*event as usize))).collect::<Vec<_>>());
    assert!(store.batches().len() < 60, "{}", store.batches().len());
    assert_eq!((sink.stats().stored, sink.stats().rejected), (997, 3));
}

#[tokio::test(start_paused = true)]
async fn bisection_continues_across_retries() {
    let letters = Letters::default();
    let store = ScriptedStore::scripted([
        Reaction::Retry,
        Reaction::Reject(vec![0]),
        Reaction::Retry,
        Reaction::Duplicates(vec![0]),
    ]);
    store.stage(|stage| stage.poisonous = vec![1]);
    let sink = small().dead_letters(letters.handler()).build(store.clone()).unwrap();
    let outcome = sink.try_push_batch((0..4).collect()).unwrap().await;
    assert_eq!(letters.events(), [0, 1]);
    assert_eq!(outcome.get(2).unwrap().unwrap(), Outcome::Duplicate);
    assert_eq!(store.stored(), [3]);
}

#[tokio::test(start_paused = true)]
async fn broken_store_poisons_sink() {
    for (act, reason) in [
        (Reaction::Panic, "the store panicked: the store panics"),
        (Reaction::Fatal, "the store failed permanently: broken"),
        (
            Reaction::BrokenAnswer(Appended::all(5)),
            "the store's answer does not match the batch: 5 stored, 0 duplicates and 0 rejected of 4 events",
        ),
        (
            Reaction::BrokenAnswer(Appended { stored: 3, duplicates: vec![4], ..Appended::default() }),
            "the store's answer does not match the batch: event 4 is out of range in a batch of 4",
        ),
    ] {
        let letters = Letters::default();
        let store = ScriptedStore::scripted([Reaction::Stall, Reaction::TakeAfter(Duration::from_secs(1)), act]);
        let sink = small().capacity(14).max_concurrent_flushes(3).dead_letters(letters.handler()).build(store).unwrap();
        let stalled = sink.try_push_batch((0..4).collect()).unwrap();
        let slow = sink.try_push_batch((4..8).collect()).unwrap();
        settle_down().await;
        let broken = sink.try_push_batch((8..12).collect()).unwrap();
        let waiting = sink.try_push_batch(vec![12, 13]).unwrap();
        let pushes = [14, 15].map(|event| {
            let sink = sink.clone();
            tokio::spawn(async move { sink.push(event).await.map(drop) })
        });

        for receipt in [stalled, slow, broken, waiting] {
            let outcome = receipt.await;
            assert_eq!(outcome.stored(), 0);
            assert_eq!(outcome.get(0).unwrap().unwrap_err().to_string(), format!("the sink was poisoned: {reason}"));
        }
        for (event, push) in [14, 15].into_iter().zip(pushes) {
            let error = push.await.unwrap().unwrap_err();
            assert!(matches!(error.refusal(), Refusal::Poisoned(_)));
            assert_eq!(error.into_inner(), event);
        }
        assert!(matches!(sink.try_push(16).unwrap_err().refusal(), Refusal::Poisoned(_)));
        sink.flush().await;

        let report = sink.close(SOON).await;
        assert_eq!(report.poison.unwrap().to_string(), reason);
        assert!(report.unstored.is_empty());
        assert_eq!((report.stats.accepted, report.stats.dead_lettered), (14, 14));
        let mut dead = letters.events();
        dead.sort_unstable();
        assert_eq!(dead, (0..14).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn panic_in_dead_letter_handler_is_contained() {
    let sink = small()
        .dead_letters(|_| panic!("the handler panics"))
        .build(ScriptedStore::scripted([Reaction::Reject(vec![1])]))
        .unwrap();
    let outcome = sink.try_push_batch((0..4).collect()).unwrap().await;
    assert_eq!(outcome.stored(), 3);
    assert_eq!(sink.push(4).await.unwrap().await.unwrap(), Outcome::Stored);
    assert_eq!(sink.stats().rejected, 1);
}

#[test]
fn runtime_shutdown_fails_held_events() {
    let letters = Letters::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (sink, flying, waiting) = runtime.block_on(async {
        let sink = small().dead_letters(letters.handler()).build(ScriptedStore::scripted([Reaction::Stall])).unwrap();
        let flying = sink.try_push_batch((0..4).collect()).unwrap();
        settle_down().await;
        let waiting = sink.try_push(4).unwrap();
        (sink, flying, waiting)
    });
    drop(runtime);

    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    other.block_on(async {
        assert_eq!(flying.await.stored(), 0);
        assert!(matches!(waiting.await, Err(NotStored::Poisoned(Poison::Stopped))));
        let report = sink.close(SOON).await;
        assert_eq!((report.stats.accepted, report.stats.dead_lettered), (5, 5));
    });
    let mut dead = letters.events();
    dead.sort_unstable();
    assert_eq!(dead, [0, 1, 2, 3, 4]);
}
