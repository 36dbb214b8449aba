//! The sink. A closure measures sizes, as for events that own heap memory, and each push creates a receipt.

use std::{mem, thread, time::Duration};

use martech_core::{Appended, Store, StoreError, sink::EventSink};
use tokio::runtime::Runtime;

use super::{CAPACITY, Counter, Event, Job, MAX_BATCH};

impl Store<Event> for Counter {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        self.count(batch);
        Ok(Appended::all(batch.len()))
    }
}

fn open(counter: Counter) -> EventSink<Event> {
    EventSink::builder()
        .max_batch(MAX_BATCH)
        .capacity(CAPACITY)
        .max_concurrent_flushes(1)
        .size_of(mem::size_of_val)
        .build(counter)
        .expect("settings are valid")
}

async fn close(sink: EventSink<Event>, job: Job) {
    let report = sink.close(Duration::from_secs(60)).await;
    assert_eq!(report.stats.stored, (job.each() * job.producers) as u64);
}

pub(super) fn push(runtime: &Runtime, job: Job, counter: Counter) {
    runtime.block_on(async {
        let sink = open(counter);
        let producer = |sink: EventSink<Event>| async move {
            for number in 0..job.each() {
                drop(sink.push(Event::new(number)).await.expect("the sink is open"));
            }
        };
        let producers: Vec<_> = (0..job.producers).map(|_| tokio::spawn(producer(sink.clone()))).collect();
        for producer in producers {
            producer.await.expect("a producer does not panic");
        }
        close(sink, job).await;
    });
}

/// Pushes from threads. When the sink is full, a thread yields and tries again.
pub(super) fn try_push(runtime: &Runtime, job: Job, counter: Counter) {
    let sink = runtime.block_on(async { open(counter) });
    let producer = |sink: EventSink<Event>| {
        for number in 0..job.each() {
            let mut event = Event::new(number);
            while let Err(error) = sink.try_push(event) {
                event = error.into_inner();
                thread::yield_now();
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..job.producers {
            let sink = sink.clone();
            scope.spawn(|| producer(sink));
        }
    });
    runtime.block_on(close(sink, job));
}

pub(super) fn push_batch(runtime: &Runtime, job: Job, counter: Counter) {
    const BATCH: usize = 100;
    runtime.block_on(async {
        let sink = open(counter);
        let producer = |sink: EventSink<Event>| async move {
            let mut number = 0;
            while number < job.each() {
                let end = job.each().min(number + BATCH);
                let batch = (number..end).map(Event::new).collect();
                drop(sink.push_batch(batch).await.expect("the sink is open"));
                number = end;
            }
        };
        let producers: Vec<_> = (0..job.producers).map(|_| tokio::spawn(producer(sink.clone()))).collect();
        for producer in producers {
            producer.await.expect("a producer does not panic");
        }
        close(sink, job).await;
    });
}
