//! Checks of appends with unknown outcomes, and of the retries that follow.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::Poll,
    time::Duration,
};

use super::{
    Numbered, Verdict,
    append::{NO_DUPLICATES, NOT_PERSISTENT},
    trial::{Trial, append, assert_appended},
};
use crate::{
    sink::{EventSink, Outcome, RetryPolicy},
    store::{Appended, Store, StoreError},
};

/// Checks that a batch sent again, at once or later, consists of duplicates and changes nothing.
pub async fn a_batch_sent_again<S: Numbered>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 20).await;
    let all: Vec<usize> = (0..100).collect();
    for round in 0..5 {
        let batch = trial.events(round * 100..(round + 1) * 100);
        assert_appended(&trial.append(&batch).await, 100, &[], "a new batch");
        assert_appended(&trial.append(&batch).await, 100, &all, "the same batch again");
        trial.disturb().await;
        assert_appended(&trial.append(&batch).await, 100, &all, "the same batch later");
    }
    trial.assert_holds(0..500).await;
    Verdict::Passed
}

/// Checks that a batch appended twice concurrently is stored once.
pub async fn a_batch_sent_twice_at_once<S: Numbered>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 21).await;
    for round in 0..10 {
        let batch = trial.events(round * 100..(round + 1) * 100);
        let (left, right) = tokio::join!(trial.append(&batch), trial.append(&batch));
        assert_eq!(left.stored + right.stored, 100, "the number of a hundred events stored by two concurrent appends");
        trial.disturb().await;
    }
    trial.assert_holds(0..1000).await;
    Verdict::Passed
}

/// Checks that an append can be dropped at any await point. After a retry, each event is stored exactly once.
pub async fn an_append_dropped_half_way<S: Numbered>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 22).await;
    let mut end = 0;
    for polls in rounds() {
        let batch = trial.events(end..end + 60);
        end += 60;
        drop_after(polls, trial.store().append(&batch)).await;
        if polls % 2 == 1 {
            trial.disturb_in_use().await;
        }
        settle(&trial, &batch).await;
    }
    trial.assert_holds(0..end).await;
    trial.disturb().await;
    trial.assert_holds(0..end).await;
    Verdict::Passed
}

/// Checks the same for a store that is closed and reopened right after the append was dropped.
pub async fn an_append_dropped_before_closing<S: Numbered>(subject: &S) -> Verdict {
    if !S::PERSISTENT {
        return NOT_PERSISTENT;
    }
    if !S::KNOWS_DUPLICATES {
        return NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 23).await;
    let mut end = 0;
    for polls in rounds().step_by(3) {
        let batch = trial.events(end..end + 60);
        end += 60;
        drop_after(polls, trial.store().append(&batch)).await;
        trial.reopen().await;
        settle(&trial, &batch).await;
    }
    trial.assert_holds(0..end).await;
    Verdict::Passed
}

/// Number of polls before each append is dropped.
fn rounds() -> impl Iterator<Item = usize> {
    (0..24).map(|round| round % 8)
}

/// Sends a batch again whose first append has an unknown outcome.
async fn settle<S: Numbered>(trial: &Trial<'_, S>, batch: &[S::Event]) {
    let again = trial.append(batch).await;
    assert_eq!(again.rejected.len(), 0, "nothing is rejected: {again:?}");
    let all: Vec<usize> = (0..batch.len()).collect();
    assert_appended(&trial.append(batch).await, batch.len(), &all, "a batch again after an append was dropped");
}

/// Polls a future at most `polls` times and drops it.
async fn drop_after<F: Future>(polls: usize, work: F) {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Pending if left > 0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}

/// A store that loses two of three results.
struct Lossy<S> {
    store: S,
    appends: AtomicU64,
}

impl<E: Sync, S: Store<E>> Store<E> for Lossy<S> {
    async fn append(&self, batch: &[E]) -> Result<Appended, StoreError> {
        let appended = append(&self.store, batch).await;
        match self.appends.fetch_add(1, Ordering::Relaxed) % 3 {
            0 | 1 => Err(StoreError::retry("the answer was lost")),
            _ => Ok(appended),
        }
    }
}

/// Checks that a sink which retries after lost results stores each event once.
pub async fn answers_that_get_lost<S: Numbered>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 24).await;
    let delay = Duration::from_millis(1);
    let sink = EventSink::builder()
        .max_batch(50)
        .retry(RetryPolicy { initial: delay, max: delay, ..RetryPolicy::default() })
        .build(Lossy { store: trial.store().clone(), appends: AtomicU64::new(0) })
        .expect("a sink with these settings");
    let mut receipts = Vec::new();
    for number in 0..1000 {
        receipts.push(sink.push(subject.event(number)).await.expect("a sink with room takes an event"));
        if number % 250 == 100 {
            trial.disturb_in_use().await;
        }
    }
    for receipt in receipts {
        let outcome = receipt.await.expect("the store decides on every event");
        assert!(matches!(outcome, Outcome::Stored | Outcome::Duplicate), "{outcome:?}");
    }
    let report = sink.close(Duration::from_secs(60)).await;
    assert!(report.stats.retries > 0, "answers were lost: {:?}", report.stats);
    trial.assert_holds(0..1000).await;
    Verdict::Passed
}
