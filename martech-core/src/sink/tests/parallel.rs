//! Many producers on real threads.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::memory::MemoryStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_producers_neither_lose_nor_duplicate_events() {
    const PRODUCERS: u32 = 8;
    const EACH: u32 = 3_000;
    let store = MemoryStore::new();
    let sink =
        EventSink::builder().max_batch(64).capacity(256).flush_interval(Duration::ZERO).build(store.clone()).unwrap();

    let done = Arc::new(AtomicBool::new(false));
    let watcher = tokio::task::spawn_blocking({
        let (sink, done) = (sink.clone(), done.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                let stats = sink.stats();
                assert_conserved(&stats);
                assert!(stats.pending <= 256);
                std::thread::yield_now();
            }
        }
    });

    let producers = (0..PRODUCERS).map(|producer| {
        let sink = sink.clone();
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for event in producer * EACH..(producer + 1) * EACH {
                match event % 5 {
                    0 => drop(sink.push_batch(vec![event]).await.unwrap().await),
                    1 => {
                        // Often canceled while it waits.
                        tokio::select! {
                            biased;
                            receipt = sink.push(event) => drop(receipt.unwrap()),
                            () = tokio::task::yield_now() => continue,
                        }
                    }
                    2 => {
                        if sink.try_push(event).map(drop).is_err() {
                            continue;
                        }
                    }
                    _ => drop(sink.push(event).await.unwrap()),
                }
                accepted.push(event);
            }
            accepted
        })
    });
    let mut accepted = Vec::new();
    for producer in producers.collect::<Vec<_>>() {
        accepted.extend(producer.await.unwrap());
    }
    let report = sink.close(SOON).await;
    done.store(true, Ordering::Relaxed);
    watcher.await.unwrap();

    let mut stored = store.events();
    stored.sort_unstable();
    assert_eq!(stored, accepted);
    assert_eq!((report.stats.accepted, report.stats.pending), (accepted.len() as u64, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_keep_order_during_concurrent_stats_and_flush() {
    const PRODUCERS: u32 = 3;
    const EACH: u32 = 20_000;
    let store = MemoryStore::new();
    let sink = EventSink::builder().max_batch(256).capacity(1_024).max_concurrent_flushes(1).build(store.clone());
    let sink = sink.unwrap();

    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let sink = sink.clone();
            tokio::task::spawn_blocking(move || {
                for event in producer * EACH..(producer + 1) * EACH {
                    while let Err(error) = sink.try_push(event) {
                        assert!(error.is_full());
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let pusher = tokio::spawn({
        let sink = sink.clone();
        async move {
            for event in PRODUCERS * EACH..(PRODUCERS + 1) * EACH {
                drop(sink.push(event).await.unwrap());
            }
        }
    });
    while !pusher.is_finished() || !producers.iter().all(tokio::task::JoinHandle::is_finished) {
        let stats = sink.stats();
        assert_conserved(&stats);
        assert!(stats.pending <= 1_024);
        sink.clone().flush().await;
        assert!(sink.stats().stored >= stats.accepted, "a barrier came too early");
        tokio::task::yield_now().await;
    }
    for producer in producers {
        producer.await.unwrap();
    }
    pusher.await.unwrap();
    assert!(sink.close(SOON).await.unstored.is_empty());

    let stored = store.events();
    for producer in 0..=PRODUCERS {
        let own = stored.iter().copied().filter(|event| event / EACH == producer);
        assert!(own.eq(producer * EACH..(producer + 1) * EACH), "producer {producer}");
    }
    assert_eq!(stored.len() as u32, (PRODUCERS + 1) * EACH);
}
