//! Invariants of the sink under every interleaving of producers, flush slots and waiters: no task waits forever, which
//! shuttle reports as a deadlock, and every accepted event is stored once. The clock is paused. The tests exist only
//! with `RUSTFLAGS="--cfg shuttle"`; `MARTECH_TEST_SCHEDULES=100000` sets the number of schedules per test.

#![cfg(shuttle)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    env,
    future::{Future, pending},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use martech_core::{
    sink::{EventSink, NotStored, Outcome, PushError, Refusal, SinkBuilder, SinkStats},
    store::{Appended, Store, StoreError},
};
use shuttle::{
    future::{block_on, spawn, yield_now},
    scheduler::{PctScheduler, RandomScheduler},
    thread,
};

/// Runs a test under many schedules. Half of them are random. The other half uses priorities that change a few times
/// (PCT), which finds bugs that need a few steps in a certain order.
fn explore(test: impl Fn() + Send + Sync + 'static) {
    let schedules =
        env::var("MARTECH_TEST_SCHEDULES").map_or(2_000, |count| count.parse().expect("a number of schedules"));
    // Only for the clock, which is paused. Tasks run on shuttle.
    let clock = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _clock = clock.enter();
    let test = Arc::new(test);
    let again = test.clone();
    shuttle::Runner::new(RandomScheduler::new(schedules / 2), shuttle::Config::new()).run(move || again());
    shuttle::Runner::new(PctScheduler::new(3, schedules / 2), shuttle::Config::new()).run(move || test());
}

/// Stores everything. `failure` selects the append that fails, by its number.
#[derive(Clone, Default)]
struct RecordingStore {
    stored_events: Arc<Mutex<Vec<u32>>>,
    begun: Arc<Mutex<usize>>,
    failure: Option<(usize, Failure)>,
}

#[derive(Clone, Copy)]
enum Failure {
    Fatal,
    Panic,
    Stall,
}

impl RecordingStore {
    fn with(nth: usize, failure: Failure) -> Self {
        Self { failure: Some((nth, failure)), ..Self::default() }
    }

    fn stored_events(&self) -> Vec<u32> {
        self.stored_events.lock().unwrap().clone()
    }
}

impl Store<u32> for RecordingStore {
    async fn append(&self, batch: &[u32]) -> Result<Appended, StoreError> {
        yield_now().await;
        let nth = {
            let mut begun = self.begun.lock().unwrap();
            *begun += 1;
            *begun
        };
        match self.failure {
            Some((at, Failure::Fatal)) if at == nth => return Err(StoreError::fatal("broken")),
            Some((at, Failure::Panic)) if at == nth => std::panic::panic_any("broken"),
            Some((at, Failure::Stall)) if at == nth => pending().await,
            _ => {}
        }
        self.stored_events.lock().unwrap().extend(batch);
        Ok(Appended::all(batch.len()))
    }
}

/// Builds a sink without a flush interval, because the clock is paused.
fn sink(max_batch: usize, capacity: usize) -> SinkBuilder<u32> {
    EventSink::builder()
        .max_batch(max_batch)
        .capacity(capacity)
        .size_of(|_| 1)
        .capacity_bytes(capacity)
        .flush_interval(Duration::MAX)
        .seed(1)
}

fn assert_conserved(stats: &SinkStats, capacity: usize) {
    let known = stats.stored + stats.duplicates + stats.rejected + stats.dead_lettered + stats.returned;
    assert_eq!(stats.accepted, known + stats.pending, "{stats:?}");
    assert!(stats.pending <= capacity as u64 && stats.pending_bytes == stats.pending, "{stats:?}");
}

/// Closes without a deadline.
fn close(sink: EventSink<u32>) -> Vec<u32> {
    let report = block_on(sink.close(Duration::MAX));
    assert_conserved(&report.stats, 0);
    report.unstored
}

#[test]
fn concurrent_producers_lose_nothing_and_keep_order() {
    explore(|| {
        const EACH: u32 = 14;
        let store = RecordingStore::default();
        let sink = sink(24, 40).max_concurrent_flushes(1).build(store.clone()).unwrap();
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let sink = sink.clone();
                thread::spawn(move || {
                    let events = producer * EACH..(producer + 1) * EACH;
                    let receipts: Vec<_> = events.map(|event| sink.try_push(event).unwrap()).collect();
                    block_on(sink.flush());
                    for mut receipt in receipts {
                        // Guaranteed by `flush`.
                        let poll = std::pin::Pin::new(&mut receipt).poll(&mut Context::from_waker(Waker::noop()));
                        assert!(matches!(poll, Poll::Ready(Ok(Outcome::Stored))), "{poll:?}");
                    }
                })
            })
            .collect();
        for _ in 0..3 {
            assert_conserved(&sink.stats(), 40);
            thread::yield_now();
        }
        for producer in producers {
            producer.join().unwrap();
        }
        assert!(close(sink).is_empty());
        let stored_events = store.stored_events();
        for producer in 0..2 {
            let own = stored_events.iter().copied().filter(|event| event / EACH == producer);
            assert!(own.eq(producer * EACH..(producer + 1) * EACH), "{stored_events:?}");
        }
        assert_eq!(stored_events.len(), 2 * EACH as usize);
    });
}

#[test]
fn waiting_pushes_all_get_capacity() {
    explore(|| {
        let store = RecordingStore::default();
        let sink = sink(1, 2).max_concurrent_flushes(2).build(store.clone()).unwrap();
        let producers: Vec<_> = (0..3)
            .map(|producer| {
                let sink = sink.clone();
                spawn(async move {
                    drop(sink.push(producer).await.unwrap());
                    drop(sink.push_batch(vec![producer + 10, producer + 20]).await.unwrap());
                    assert_conserved(&sink.stats(), 2);
                })
            })
            .collect();
        for producer in producers {
            block_on(producer).unwrap();
        }
        assert!(close(sink).is_empty());
        let mut stored_events = store.stored_events();
        stored_events.sort_unstable();
        assert_eq!(stored_events, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
    });
}

#[test]
fn dropped_waiting_push_does_not_block_others() {
    explore(|| {
        let store = RecordingStore::default();
        let sink = sink(1, 1).max_concurrent_flushes(1).build(store.clone()).unwrap();
        drop(sink.try_push(0).unwrap());
        let fickle = spawn({
            let sink = sink.clone();
            async move {
                let mut push = Box::pin(sink.push(1));
                let mut polls = 0;
                let accepted = std::future::poll_fn(|context| {
                    polls += 1;
                    match push.as_mut().poll(context) {
                        Poll::Ready(answer) => Poll::Ready(answer.is_ok()),
                        Poll::Pending if polls == 2 => Poll::Ready(false),
                        Poll::Pending => {
                            context.waker().wake_by_ref();
                            Poll::Pending
                        }
                    }
                });
                let accepted = accepted.await;
                drop(push);
                accepted
            }
        });
        let steady = spawn({
            let sink = sink.clone();
            async move { sink.push(2).await.unwrap().await.unwrap() }
        });
        let accepted = block_on(fickle).unwrap();
        assert_eq!(block_on(steady).unwrap(), Outcome::Stored);
        assert!(close(sink).is_empty());
        let mut stored_events = store.stored_events();
        stored_events.sort_unstable();
        assert_eq!(stored_events, if accepted { vec![0, 1, 2] } else { vec![0, 2] });
    });
}

#[test]
fn wakes_every_waiter_of_a_batch() {
    explore(|| {
        let sink = sink(3, 3).max_concurrent_flushes(1).build(RecordingStore::default()).unwrap();
        let waiters: Vec<_> = (0..3)
            .map(|event| {
                let receipt = sink.try_push(event).unwrap();
                spawn(async move {
                    let mut receipt = pin!(receipt);
                    if event == 0 {
                        // Polls once, and later again with another waker.
                        let _ = receipt.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    }
                    assert_eq!(receipt.await.unwrap(), Outcome::Stored);
                })
            })
            .collect();
        for waiter in waiters {
            block_on(waiter).unwrap();
        }
        drop(sink);
    });
}

#[test]
fn awaited_receipts_end_linger_and_small_batches_are_flushed() {
    explore(|| {
        let store = RecordingStore::default();
        // The clock is paused, so only awaited receipts end the linger.
        let sink = sink(30, 60).flush_interval(Duration::ZERO).linger(Duration::MAX).min_concurrent_batch(4);
        let sink = sink.max_concurrent_flushes(2).build(store.clone()).unwrap();
        let producers: Vec<_> = (0..3)
            .map(|producer: u32| {
                let sink = sink.clone();
                spawn(async move {
                    let events = producer * 100..producer * 100 + 8;
                    let mut receipts: Vec<_> = events.map(|event| sink.try_push(event).unwrap()).collect();
                    assert_eq!(receipts.pop().unwrap().await.unwrap(), Outcome::Stored);
                    let outcome = sink.push_batch(vec![producer * 100 + 8, producer * 100 + 9]).await.unwrap().await;
                    assert_eq!(outcome.stored(), 2);
                })
            })
            .collect();
        for producer in producers {
            block_on(producer).unwrap();
        }
        assert!(close(sink).is_empty());
        assert_eq!(store.stored_events().len(), 30);
    });
}

#[test]
fn close_resolves_all_receipts_and_rejects_pushes() {
    explore(|| {
        let store = RecordingStore::default();
        let sink = sink(20, 24).max_concurrent_flushes(2).build(store.clone()).unwrap();
        let producers: Vec<_> = (0..2)
            .map(|producer: u32| {
                let sink = sink.clone();
                spawn(async move {
                    let mut accepted = Vec::new();
                    for event in producer * 100..producer * 100 + 14 {
                        match sink.push(event).await {
                            Ok(receipt) => accepted.push((event, receipt)),
                            Err(error) => assert!(matches!(error.refusal(), Refusal::Closed)),
                        }
                    }
                    let mut stored = Vec::new();
                    for (event, receipt) in accepted {
                        assert_eq!(receipt.await.unwrap(), Outcome::Stored);
                        stored.push(event);
                    }
                    stored
                })
            })
            .collect();
        yield_for_a_while();
        let unstored = close(sink.clone());
        assert!(unstored.is_empty());
        assert!(matches!(sink.try_push(7).map_err(PushError::into_parts), Err((7, Refusal::Closed))));
        let mut stored: Vec<u32> = producers.into_iter().flat_map(|producer| block_on(producer).unwrap()).collect();
        let mut stored_events = store.stored_events();
        stored.sort_unstable();
        stored_events.sort_unstable();
        assert_eq!(stored_events, stored);
    });
}

fn yield_for_a_while() {
    (0..4).for_each(|_| thread::yield_now());
}

#[test]
fn flush_slots_end_after_the_last_handle() {
    explore(|| {
        let store = RecordingStore::default();
        let sink = sink(20, 24).max_concurrent_flushes(2).build(store.clone()).unwrap();
        let producer = thread::spawn({
            let sink = sink.clone();
            move || (0..9).for_each(|event| drop(sink.try_push(event).unwrap()))
        });
        let receipt = sink.try_push(9).unwrap();
        drop(sink);
        producer.join().unwrap();
        assert_eq!(block_on(receipt).unwrap(), Outcome::Stored);
        // Shuttle ends a run only when all of its tasks have ended.
    });
}

#[test]
fn broken_store_leaves_no_waiter() {
    for failure in [Failure::Fatal, Failure::Panic] {
        explore(move || {
            let store = RecordingStore::with(2, failure);
            let letters = Arc::new(Mutex::new(Vec::new()));
            let handler = {
                let letters = letters.clone();
                move |letter: martech_core::sink::DeadLetter<u32>| letters.lock().unwrap().push(letter.event)
            };
            let sink = sink(2, 3).max_concurrent_flushes(2).dead_letters(handler).build(store.clone()).unwrap();
            let producers: Vec<_> = (0..3)
                .map(|producer| {
                    let sink = sink.clone();
                    spawn(async move {
                        let mut fates = Vec::new();
                        for event in [producer, producer + 10] {
                            match sink.push(event).await {
                                Ok(receipt) => fates.push((event, Some(receipt.await))),
                                Err(error) => {
                                    assert!(matches!(error.refusal(), Refusal::Poisoned(_)));
                                    fates.push((event, None));
                                }
                            }
                            sink.flush().await;
                        }
                        fates
                    })
                })
                .collect();
            // Only a flush sends events that wait for a full batch.
            block_on(sink.flush());
            let flusher = spawn({
                let sink = sink.clone();
                async move {
                    while sink.poison().is_none() && sink.stats().accepted < 6 {
                        sink.flush().await;
                        yield_now().await;
                    }
                    sink.flush().await;
                }
            });
            let fates: Vec<_> = producers.into_iter().flat_map(|producer| block_on(producer).unwrap()).collect();
            block_on(flusher).unwrap();
            let (stored_events, dead) = (store.stored_events(), letters.lock().unwrap().clone());
            for (event, fate) in fates {
                let (stored, lettered) = (stored_events.contains(&event), dead.contains(&event));
                match fate {
                    Some(Ok(Outcome::Stored)) => assert!(stored && !lettered),
                    // The event may have been stored although its append was cancelled.
                    Some(Err(NotStored::Poisoned(_))) => assert!(lettered),
                    None => assert!(!stored && !lettered),
                    other => unreachable!("{other:?}"),
                }
            }
        });
    }
}

#[test]
fn unstored_events_are_returned_once_at_the_deadline() {
    explore(|| {
        let store = RecordingStore::with(1, Failure::Stall);
        let sink = sink(2, 8).max_concurrent_flushes(2).build(store.clone()).unwrap();
        let receipts: Vec<_> = (0..5).map(|event| sink.try_push(event).unwrap()).collect();
        let other = spawn({
            let sink = sink.clone();
            async move { sink.close(Duration::ZERO).await.unstored }
        });
        let report = block_on(sink.close(Duration::ZERO));
        assert_conserved(&report.stats, 0);
        // One of the two callers gets all of them.
        let unstored = [report.unstored, block_on(other).unwrap()];
        assert!(unstored.iter().any(Vec::is_empty), "{unstored:?}");
        let unstored = unstored.concat();
        let mut returned = Vec::new();
        for (event, receipt) in (0..).zip(receipts) {
            match block_on(receipt) {
                Ok(outcome) => assert!(outcome == Outcome::Stored && store.stored_events().contains(&event)),
                Err(NotStored::Returned) => returned.push(event),
                Err(other) => unreachable!("{other:?}"),
            }
        }
        assert_eq!(unstored, returned, "in the order in which they came");
        assert_conserved(&sink.stats(), 0);
    });
}
