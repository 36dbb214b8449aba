//! How fast producers hand events over to a batching consumer that only counts: the sink, against the two channels that
//! one would otherwise build it from. `cargo bench -p martech-benches --bench sink`
//!
//! All three hold 10,000 events and make batches of up to 2,000. Only the sink gives receipts, bounds bytes, and could
//! retry. The sink and the tokio channel are fed by tasks on two threads; crossbeam's channel blocks, so it is fed by threads.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use martech_core::{Appended, Store, StoreError, sink::EventSink};
use tokio::{runtime::Runtime, sync::mpsc};

const EVENTS: usize = 400_000;
const CAPACITY: usize = 10_000;
const MAX_BATCH: usize = 2_000;

/// 64 bytes, nothing on the heap: what is measured is the handing over.
type Event = [u64; 8];

#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn count(&self, batch: &[Event]) {
        self.0.fetch_add(black_box(batch).len(), Ordering::Relaxed);
    }
}

impl Store<Event> for Counter {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        self.count(batch);
        Ok(Appended::all(batch.len()))
    }
}

async fn sink(producers: usize, counter: Counter) {
    let sink = EventSink::builder().max_batch(MAX_BATCH).capacity(CAPACITY).build(counter).expect("settings are valid");
    let tasks: Vec<_> = (0..producers)
        .map(|_| {
            let sink = sink.clone();
            tokio::spawn(async move {
                for event in 0..EVENTS / producers {
                    drop(sink.push([event as u64; 8]).await.expect("the sink is open"));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a producer does not panic");
    }
    drop(sink.close(Duration::from_secs(60)).await);
}

async fn tokio_channel(producers: usize, counter: Counter) {
    let (sender, mut receiver) = mpsc::channel(CAPACITY);
    let consumer = tokio::spawn(async move {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while receiver.recv_many(&mut batch, MAX_BATCH).await > 0 {
            counter.count(&batch);
            batch.clear();
        }
    });
    for _ in 0..producers {
        let sender = sender.clone();
        tokio::spawn(async move {
            for event in 0..EVENTS / producers {
                sender.send([event as u64; 8]).await.expect("the consumer is there");
            }
        });
    }
    drop(sender);
    consumer.await.expect("the consumer does not panic");
}

fn crossbeam_channel(producers: usize, counter: Counter) {
    let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut batch = Vec::with_capacity(MAX_BATCH);
            while let Ok(first) = receiver.recv() {
                batch.push(first);
                batch.extend(receiver.try_iter().take(MAX_BATCH - 1));
                counter.count(&batch);
                batch.clear();
            }
        });
        for _ in 0..producers {
            let sender = sender.clone();
            scope.spawn(move || {
                for event in 0..EVENTS / producers {
                    sender.send([event as u64; 8]).expect("the consumer is there");
                }
            });
        }
        drop(sender);
    });
}

fn hand_over(criterion: &mut Criterion) {
    let runtime: Runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime can be made");
    let mut group = criterion.benchmark_group("hand over");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(20);
    let counter = Counter::default();
    for producers in [1, 2, 8] {
        group.bench_with_input(BenchmarkId::new("sink", producers), &producers, |bencher, &producers| {
            bencher.to_async(&runtime).iter(|| sink(producers, counter.clone()));
        });
        group.bench_with_input(BenchmarkId::new("tokio mpsc", producers), &producers, |bencher, &producers| {
            bencher.to_async(&runtime).iter(|| tokio_channel(producers, counter.clone()));
        });
        group.bench_with_input(BenchmarkId::new("crossbeam", producers), &producers, |bencher, &producers| {
            bencher.iter(|| crossbeam_channel(producers, counter.clone()));
        });
    }
    group.finish();
}

criterion_group!(benches, hand_over);
criterion_main!(benches);
