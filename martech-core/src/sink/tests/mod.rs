//! The sink against stores that do as they are told, under a paused clock.

mod closing;
mod failures;
mod model;
mod parallel;
mod room;
mod taking;

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{DeadLetter, SinkBuilder, SinkStats, *};
use crate::store::{Appended, Rejection, Store, StoreError};

/// What a [`Puppet`] does with one append.
#[derive(Debug, Clone)]
enum Act {
    /// Stores everything,
    Take,
    /// after a while.
    TakeAfter(Duration),
    /// Never answers.
    Stall,
    Retry,
    RetryAfter(Duration),
    Fatal,
    Panic,
    /// Answers this, whatever the batch.
    Lie(Appended),
    /// Has the events at these positions already.
    Duplicates(Vec<usize>),
    /// Rejects the events at these positions.
    Reject(Vec<usize>),
}

/// A store that follows a script, then takes everything. Events that are `unbearable` make it refuse the whole batch.
#[derive(Debug, Clone, Default)]
struct Puppet(Arc<Mutex<Stage>>);

#[derive(Debug, Default)]
struct Stage {
    script: VecDeque<Act>,
    unbearable: Vec<u32>,
    /// Every append that was begun.
    batches: Vec<Vec<u32>>,
    stored: Vec<u32>,
    duplicates: Vec<u32>,
}

impl Puppet {
    fn acting(script: impl IntoIterator<Item = Act>) -> Self {
        let puppet = Self::default();
        puppet.stage(|stage| stage.script.extend(script));
        puppet
    }

    fn stage<R>(&self, look: impl FnOnce(&mut Stage) -> R) -> R {
        look(&mut self.0.lock().unwrap())
    }

    fn stored(&self) -> Vec<u32> {
        self.stage(|stage| stage.stored.clone())
    }

    fn batches(&self) -> Vec<Vec<u32>> {
        self.stage(|stage| stage.batches.clone())
    }

    fn take(&self, batch: &[u32], duplicates: &[usize], rejected: &[usize]) -> Appended {
        let mut appended = Appended::default();
        self.stage(|stage| {
            for (index, event) in batch.iter().enumerate() {
                if duplicates.contains(&index) {
                    stage.duplicates.push(*event);
                    appended.duplicates.push(index);
                } else if rejected.contains(&index) {
                    appended.rejected.push(Rejection { index, reason: "not this one".into() });
                } else {
                    stage.stored.push(*event);
                    appended.stored += 1;
                }
            }
        });
        appended
    }
}

impl Store<u32> for Puppet {
    async fn append(&self, batch: &[u32]) -> Result<Appended, StoreError> {
        assert!(!batch.is_empty(), "the sink appends no empty batch");
        let (act, refused) = self.stage(|stage| {
            stage.batches.push(batch.to_vec());
            let refused = batch.iter().any(|event| stage.unbearable.contains(event));
            (if refused { None } else { stage.script.pop_front() }, refused)
        });
        if refused {
            return Err(StoreError::refused("unbearable"));
        }
        match act.unwrap_or(Act::Take) {
            Act::Take => Ok(self.take(batch, &[], &[])),
            Act::TakeAfter(delay) => {
                tokio::time::sleep(delay).await;
                Ok(self.take(batch, &[], &[]))
            }
            Act::Stall => pending().await,
            Act::Retry => Err(StoreError::retry("not now")),
            Act::RetryAfter(delay) => Err(StoreError::retry_after(delay, "later")),
            Act::Fatal => Err(StoreError::fatal("broken")),
            Act::Panic => panic!("the puppet panics"),
            Act::Lie(lie) => Ok(lie),
            Act::Duplicates(positions) => Ok(self.take(batch, &positions, &[])),
            Act::Reject(positions) => Ok(self.take(batch, &[], &positions)),
        }
    }
}

/// The dead letters of a sink.
#[derive(Debug, Clone, Default)]
struct Letters(Arc<Mutex<Vec<DeadLetter<u32>>>>);

impl Letters {
    fn handler(&self) -> impl Fn(DeadLetter<u32>) + Send + Sync + 'static {
        let letters = self.clone();
        move |letter| letters.0.lock().unwrap().push(letter)
    }

    fn events(&self) -> Vec<u32> {
        self.0.lock().unwrap().iter().map(|letter| letter.event).collect()
    }

    fn reasons(&self) -> Vec<DeadLetterReason> {
        self.0.lock().unwrap().iter().map(|letter| letter.reason.clone()).collect()
    }
}

/// A sink that is small, and quick to flush.
fn small() -> SinkBuilder<u32> {
    EventSink::builder()
        .max_batch(4)
        .capacity(10)
        .flush_interval(Duration::from_millis(100))
        .max_concurrent_flushes(2)
        .seed(7)
}

/// Lets every task run until it waits; the clock stands still.
async fn settle_down() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[track_caller]
fn assert_conserved(stats: &SinkStats) {
    let known = stats.stored + stats.duplicates + stats.rejected + stats.dead_lettered + stats.returned;
    assert_eq!(stats.accepted, known + stats.pending, "{stats:?}");
}

const SOON: Duration = Duration::from_secs(5);
