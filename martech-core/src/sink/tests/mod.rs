//! Tests of the sink against scripted stores, under a paused clock.

mod closing;
mod failures;
mod figures;
mod ledger;
mod linger;
mod model;
mod ops;
mod parallel;
mod properties;
mod room;
mod taking;

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::{DeadLetter, SinkBuilder, SinkStats, *};
use crate::store::{Appended, Rejection, Store, StoreError};

/// Behavior of a [`ScriptedStore`] for one append.
#[derive(Debug, Clone)]
enum Reaction {
    /// Stores everything.
    Take,
    /// Stores everything after a delay.
    TakeAfter(Duration),
    /// Never answers.
    Stall,
    Retry,
    RetryAfter(Duration),
    Fatal,
    Panic,
    /// Answers this, regardless of the batch.
    BrokenAnswer(Appended),
    /// Answers inconsistently with the batch.
    BrokenAnswerFor(BrokenAnswer),
    /// Reports the events at these positions as duplicates.
    Duplicates(Vec<usize>),
    /// Rejects the events at these positions.
    Reject(Vec<usize>),
}

#[derive(Debug, Clone, Copy)]
enum BrokenAnswer {
    TooMany,
    TooFew,
    OutOfRange,
    NamedTwice,
    DuplicateAndRejected,
}

impl BrokenAnswer {
    fn about(self, len: usize) -> Appended {
        let no = |index| Rejection::unfit(index, "no");
        match self {
            Self::TooMany => Appended::all(len + 1),
            Self::TooFew => Appended::all(len - 1),
            Self::OutOfRange => Appended { stored: len - 1, duplicates: vec![len], ..Appended::default() },
            Self::NamedTwice if len == 1 => Appended { stored: 0, duplicates: vec![0, 0], ..Appended::default() },
            Self::NamedTwice => Appended { stored: len - 2, duplicates: vec![0, 0], ..Appended::default() },
            Self::DuplicateAndRejected if len == 1 => {
                Appended { stored: 0, duplicates: vec![0], rejected: vec![no(0)] }
            }
            Self::DuplicateAndRejected => Appended { stored: len - 2, duplicates: vec![1], rejected: vec![no(1)] },
        }
    }
}

/// A store that follows a script, then stores everything. A batch with an `poisonous` event is refused as a whole.
#[derive(Debug, Clone, Default)]
struct ScriptedStore(Arc<Mutex<ScriptState>>);

#[derive(Debug, Default)]
struct ScriptState {
    script: VecDeque<Reaction>,
    poisonous: Vec<u32>,
    /// The batch of each started append.
    batches: Vec<Vec<u32>>,
    /// The start time of each append.
    times: Vec<Instant>,
    /// Appends in progress.
    running: usize,
    most_running: usize,
    stored: Vec<u32>,
    duplicates: Vec<u32>,
}

impl ScriptedStore {
    fn scripted(script: impl IntoIterator<Item = Reaction>) -> Self {
        let store = Self::default();
        store.stage(|stage| stage.script.extend(script));
        store
    }

    fn stage<R>(&self, look: impl FnOnce(&mut ScriptState) -> R) -> R {
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
                    appended.rejected.push(Rejection::unfit(index, "not this one"));
                } else {
                    stage.stored.push(*event);
                    appended.stored += 1;
                }
            }
        });
        // Stores may answer in any order.
        appended.duplicates.reverse();
        appended.rejected.reverse();
        appended
    }
}

impl Store<u32> for ScriptedStore {
    async fn append(&self, batch: &[u32]) -> Result<Appended, StoreError> {
        assert!(!batch.is_empty(), "the sink appends no empty batch");
        let _running = Running::new(self);
        let (act, refused) = self.stage(|stage| {
            stage.batches.push(batch.to_vec());
            stage.times.push(Instant::now());
            let refused = batch.iter().any(|event| stage.poisonous.contains(event));
            (if refused { None } else { stage.script.pop_front() }, refused)
        });
        if refused {
            return Err(StoreError::refused("poisonous"));
        }
        match act.unwrap_or(Reaction::Take) {
            Reaction::Take => Ok(self.take(batch, &[], &[])),
            Reaction::TakeAfter(delay) => {
                tokio::time::sleep(delay).await;
                Ok(self.take(batch, &[], &[]))
            }
            Reaction::Stall => pending().await,
            Reaction::Retry => Err(StoreError::retry("not now")),
            Reaction::RetryAfter(delay) => Err(StoreError::retry_after(delay, "later")),
            Reaction::Fatal => Err(StoreError::fatal("broken")),
            Reaction::Panic => panic!("the store panics"),
            Reaction::BrokenAnswer(lie) => Ok(lie),
            Reaction::BrokenAnswerFor(lie) => Ok(lie.about(batch.len())),
            Reaction::Duplicates(positions) => Ok(self.take(batch, &positions, &[])),
            Reaction::Reject(positions) => Ok(self.take(batch, &[], &positions)),
        }
    }
}

/// Counts an append in progress, also when it is canceled or panics.
struct Running<'a>(&'a ScriptedStore);

impl<'a> Running<'a> {
    fn new(store: &'a ScriptedStore) -> Self {
        store.stage(|stage| {
            stage.running += 1;
            stage.most_running = stage.most_running.max(stage.running);
        });
        Self(store)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.stage(|stage| stage.running -= 1);
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

    fn all(&self) -> Vec<DeadLetter<u32>> {
        self.0.lock().unwrap().clone()
    }

    fn reasons(&self) -> Vec<DeadLetterReason> {
        self.0.lock().unwrap().iter().map(|letter| letter.reason.clone()).collect()
    }
}

/// A small sink with a short flush interval.
fn small() -> SinkBuilder<u32> {
    EventSink::builder()
        .max_batch(4)
        .capacity(10)
        .flush_interval(Duration::from_millis(100))
        .max_concurrent_flushes(2)
        .seed(7)
}

/// Runs every task until it waits, without advancing the clock.
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
