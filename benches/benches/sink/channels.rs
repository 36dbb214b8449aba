//! Channels with a batching consumer. Each has the capacity of the sink and is drained as fast as its API allows.

use std::thread;

use tokio::{runtime::Runtime, sync::mpsc};

use super::{CAPACITY, Counter, Event, Job, MAX_BATCH};

pub(super) fn tokio(runtime: &Runtime, job: Job, counter: Counter) {
    runtime.block_on(async {
        let (sender, mut receiver) = mpsc::channel(CAPACITY);
        let consumer = tokio::spawn(async move {
            let mut batch = Vec::with_capacity(MAX_BATCH);
            while receiver.recv_many(&mut batch, MAX_BATCH).await > 0 {
                counter.count(&batch);
                batch.clear();
            }
        });
        for _ in 0..job.producers {
            let sender = sender.clone();
            tokio::spawn(async move {
                for number in 0..job.each() {
                    sender.send(Event::new(number)).await.expect("the consumer is running");
                }
            });
        }
        drop(sender);
        consumer.await.expect("the consumer does not panic");
    });
}

pub(super) fn crossbeam(_: &Runtime, job: Job, counter: Counter) {
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
        for _ in 0..job.producers {
            let sender = sender.clone();
            scope.spawn(move || {
                for number in 0..job.each() {
                    sender.send(Event::new(number)).expect("the consumer is running");
                }
            });
        }
        drop(sender);
    });
}

pub(super) fn flume(_: &Runtime, job: Job, counter: Counter) {
    let (sender, receiver) = flume::bounded(CAPACITY);
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
        for _ in 0..job.producers {
            let sender = sender.clone();
            scope.spawn(move || {
                for number in 0..job.each() {
                    sender.send(Event::new(number)).expect("the consumer is running");
                }
            });
        }
        drop(sender);
    });
}

pub(super) fn flume_async(runtime: &Runtime, job: Job, counter: Counter) {
    runtime.block_on(async {
        let (sender, receiver) = flume::bounded(CAPACITY);
        let consumer = tokio::spawn(async move {
            let mut batch = Vec::with_capacity(MAX_BATCH);
            while let Ok(first) = receiver.recv_async().await {
                batch.push(first);
                batch.extend(receiver.try_iter().take(MAX_BATCH - 1));
                counter.count(&batch);
                batch.clear();
            }
        });
        for _ in 0..job.producers {
            let sender = sender.clone();
            tokio::spawn(async move {
                for number in 0..job.each() {
                    sender.send_async(Event::new(number)).await.expect("the consumer is running");
                }
            });
        }
        drop(sender);
        consumer.await.expect("the consumer does not panic");
    });
}
