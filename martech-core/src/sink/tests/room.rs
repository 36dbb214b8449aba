//! The two capacities, and backpressure.

use super::*;

fn retry_after(error: &PushError<u32>) -> Duration {
    match error.refusal() {
        Refusal::Full { retry_after } => *retry_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn full_sink_returns_event_with_retry_after() {
    let delay = Duration::from_millis(400);
    let store = ScriptedStore::scripted(vec![Reaction::TakeAfter(delay); 20]);
    let sink = small().max_concurrent_flushes(1).build(store).unwrap();
    for event in 0..10 {
        drop(sink.try_push(event).unwrap());
    }
    let error = sink.try_push(10).unwrap_err();
    assert_eq!(retry_after(&error), Duration::from_secs(1), "nothing is known yet");
    assert_eq!(error.into_inner(), 10);

    // Four events in 400 ms: one takes 100 ms.
    tokio::time::sleep(delay + Duration::from_millis(2)).await;
    for event in 10..14 {
        drop(sink.try_push(event).unwrap());
    }
    let wait = retry_after(&sink.try_push(14).unwrap_err());
    assert!(wait.abs_diff(Duration::from_millis(100)) < Duration::from_millis(5), "{wait:?}");
    assert_eq!(sink.stats().refused, 2);
    assert!((9..=10).contains(&sink.stats().drain_per_second));
}

#[tokio::test(start_paused = true)]
async fn capacity_bytes_bounds_the_sink() {
    let sink = small()
        .capacity_bytes(100)
        .size_of(|event| *event as usize)
        .build(ScriptedStore::scripted([Reaction::Stall]))
        .unwrap();
    drop(sink.try_push(60).unwrap());
    assert!(sink.try_push(41).unwrap_err().is_full());
    drop(sink.try_push(40).unwrap());
    assert_eq!(sink.stats().pending_bytes, 100);
    assert!(sink.try_push(1).unwrap_err().is_full());
}

#[tokio::test(start_paused = true)]
async fn push_larger_than_capacity_is_refused_at_once() {
    let sink = small().capacity_bytes(100).size_of(|event| *event as usize).build(ScriptedStore::default()).unwrap();
    let error = sink.push(101).await.unwrap_err();
    assert!(matches!(error.refusal(), Refusal::TooLarge { bytes: 101, capacity_bytes: 100, .. }));
    assert_eq!(error.into_inner(), 101);
    let error = sink.push_batch(vec![1; 11]).await.unwrap_err();
    assert_eq!(error.to_string(), "11 event(s) of 11 bytes do not fit a sink with room for 10 events and 100 bytes");
    assert_eq!(error.into_inner().len(), 11);
    let error = sink.push_batch(vec![u32::MAX; 2]).await.unwrap_err();
    assert!(matches!(error.refusal(), Refusal::TooLarge { events: 2, .. }));
    assert_eq!(sink.push(100).await.unwrap().await.unwrap(), Outcome::Stored);
}

#[tokio::test(start_paused = true)]
async fn batch_is_admitted_whole_or_not_at_all() {
    let sink = small().build(ScriptedStore::scripted([Reaction::Stall, Reaction::Stall])).unwrap();
    drop(sink.try_push_batch((0..7).collect()).unwrap());
    let error = sink.try_push_batch((7..11).collect()).unwrap_err();
    assert!(error.is_full());
    assert_eq!(error.into_inner(), [7, 8, 9, 10]);
    assert_eq!(sink.stats().accepted, 7);
    drop(sink.try_push_batch((7..10).collect()).unwrap());
    assert_eq!(sink.stats().accepted, 10);
}

#[tokio::test(start_paused = true)]
async fn full_sink_flushes_without_waiting_for_interval() {
    let store = ScriptedStore::default();
    let sink = small().max_batch(1000).capacity_bytes(8).flush_interval(Duration::MAX).build(store.clone()).unwrap();
    for event in 0..20 {
        drop(sink.push(event).await.unwrap());
    }
    sink.flush().await;
    assert_eq!(store.stored(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn waiting_pushes_are_served_in_order_before_newcomers() {
    let store = ScriptedStore::scripted([1, 2, 2].map(|seconds| Reaction::TakeAfter(Duration::from_secs(seconds))));
    let sink = small().build(store.clone()).unwrap();
    drop(sink.try_push_batch((0..10).collect()).unwrap());

    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, events) in [("large", 5), ("small", 1), ("middle", 2)] {
        let (sink, served) = (sink.clone(), served.clone());
        tasks.push(tokio::spawn(async move {
            drop(sink.push_batch(vec![100; events]).await.unwrap());
            served.lock().unwrap().push(name);
        }));
        settle_down().await;
    }
    assert_eq!(sink.stats().waiting, 3);

    // Room for four: not enough for the first waiting push, and no other push overtakes it.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(sink.stats().pending, 6);
    assert!(sink.try_push(1).unwrap_err().is_full());
    assert!(served.lock().unwrap().is_empty());

    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*served.lock().unwrap(), ["large", "small", "middle"]);
    assert_eq!(sink.stats().waiting, 0);
    sink.flush().await;
    assert_eq!(store.stored().len(), 18);
}

#[tokio::test(start_paused = true)]
async fn canceled_push_leaves_no_trace() {
    let store = ScriptedStore::scripted([
        Reaction::TakeAfter(Duration::from_secs(1)),
        Reaction::TakeAfter(Duration::from_secs(1)),
    ]);
    let sink = small().build(store.clone()).unwrap();
    drop(sink.try_push_batch((0..10).collect()).unwrap());
    let mut tasks: Vec<_> = (10..14)
        .map(|event| {
            let sink = sink.clone();
            tokio::spawn(async move { sink.push(event).await.map(drop) })
        })
        .collect();
    settle_down().await;
    assert_eq!(sink.stats().waiting, 4);

    // The first waiting push, and one in the middle.
    for index in [2, 0] {
        let task = tasks.remove(index);
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    assert_eq!(sink.stats().waiting, 2);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let report = sink.close(SOON).await;
    assert_eq!((report.stats.accepted, report.stats.stored, report.stats.waiting), (12, 12, 0));
    let mut stored = store.stored();
    stored.sort_unstable();
    assert_eq!(stored, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13]);
}

#[tokio::test(start_paused = true)]
async fn canceled_first_waiter_passes_room_on() {
    let sink = small().build(ScriptedStore::scripted([Reaction::Stall])).unwrap();
    drop(sink.try_push_batch((0..4).collect()).unwrap());
    settle_down().await;
    drop(sink.try_push_batch((4..10).collect()).unwrap());
    let head = tokio::spawn({
        let sink = sink.clone();
        async move { sink.push_batch(vec![1; 10]).await.map(drop) }
    });
    settle_down().await;
    let second = tokio::spawn({
        let sink = sink.clone();
        async move { sink.push(2).await.map(drop) }
    });
    settle_down().await;
    // The other slot has stored six, and the first waiting push needs ten.
    assert_eq!(sink.stats().pending, 4);
    assert!(!second.is_finished());
    head.abort();
    second.await.unwrap().unwrap();
}
