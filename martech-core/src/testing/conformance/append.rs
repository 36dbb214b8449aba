//! Checks of the result for each event of a batch.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    Numbered, Verdict,
    trial::{Trial, assert_appended, assert_same},
};
use crate::{
    sink::{DeadLetterReason, EventSink, Outcome},
    store::{Appended, Store},
};

pub(super) const NO_DUPLICATES: Verdict = Verdict::NotApplicable("the store does not detect duplicates");
pub(super) const NOT_PERSISTENT: Verdict = Verdict::NotApplicable("the store is not persistent");

/// Checks that an empty batch is answered and stores nothing.
pub async fn nothing<S: Numbered>(subject: &S) -> Verdict {
    let trial = Trial::open(subject, 1).await;
    let appended = trial.store().append(&[]).await.expect("append accepts an empty batch");
    assert_eq!(appended, Appended::default(), "the answer to an empty batch");
    trial.assert_holds([]).await;
    Verdict::Passed
}

/// Checks that batches of one event up to thousands are stored completely.
pub async fn batches_of_many_sizes<S: Numbered>(subject: &S) -> Verdict {
    let mut trial = Trial::open(subject, 2).await;
    let mut end = 0;
    for size in [1, 2, 3, 17, 256, 5000, 1] {
        let appended = trial.append(&trial.events(end..end + size)).await;
        assert_appended(&appended, size as usize, &[], &format!("a batch of {size} new events"));
        end += size;
        trial.disturb().await;
    }
    trial.assert_holds(0..end).await;
    Verdict::Passed
}

/// Checks that only the first of several equal events in a batch is stored.
pub async fn duplicates_inside_a_batch<S: Numbered>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return NO_DUPLICATES;
    }
    let trial = Trial::open(subject, 3).await;
    let appended = trial.append(&trial.events([0, 1, 0, 2, 1, 1, 3])).await;
    assert_appended(&appended, 7, &[2, 4, 5], "a batch of the events 0 1 0 2 1 1 3");
    let appended = trial.append(&trial.events([4; 100])).await;
    assert_appended(&appended, 100, &(1..100).collect::<Vec<_>>(), "a batch with the same event a hundred times");
    trial.assert_holds(0..5).await;
    Verdict::Passed
}

/// Checks batches that mix known and new events, with disturbances of the store between them.
pub async fn duplicates_across_batches<S: Numbered>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 4).await;
    let mut known = HashSet::new();
    for round in 0..12 {
        let numbers: Vec<u64> = (0..150).map(|_| trial.random.u64(..200 * (round + 1))).collect();
        let duplicates: Vec<usize> = (0..numbers.len()).filter(|index| !known.insert(numbers[*index])).collect();
        let appended = trial.append(&trial.events(numbers)).await;
        assert_appended(&appended, 150, &duplicates, &format!("batch {round} of old and new events"));
        trial.disturb().await;
    }
    trial.assert_holds(known).await;
    Verdict::Passed
}

/// Checks that stored events survive closing and opening the store, and are still recognized as duplicates.
pub async fn opening_again<S: Numbered>(subject: &S) -> Verdict {
    if !S::PERSISTENT {
        return NOT_PERSISTENT;
    }
    let mut trial = Trial::open(subject, 5).await;
    trial.reopen().await;
    trial.assert_holds([]).await;
    for round in 0..4 {
        let new = trial.events(round * 100..(round + 1) * 100);
        assert_appended(&trial.append(&new).await, 100, &[], "new events after reopening");
        if round == 1 {
            trial.disturb_in_use().await;
        }
        trial.reopen().await;
        trial.assert_holds(0..(round + 1) * 100).await;
        if S::KNOWS_DUPLICATES {
            let appended = trial.append(&trial.events(0..(round + 1) * 100)).await;
            let all: Vec<usize> = (0..(round as usize + 1) * 100).collect();
            assert_appended(&appended, all.len(), &all, "all events again after reopening");
        }
    }
    Verdict::Passed
}

/// Checks that rejected events do not affect the other events of their batch.
pub async fn refused_events<S: Numbered>(subject: &S) -> Verdict {
    const SIZE: u64 = 50;
    let mut trial = Trial::open(subject, 6).await;
    let mut taken = Vec::new();
    for (round, refused) in [vec![0], vec![49], vec![0, 1, 25, 48, 49], (0..50).collect()].into_iter().enumerate() {
        let mut batch = Vec::new();
        for place in 0..50 {
            let number = round as u64 * SIZE + place as u64;
            if !refused.contains(&place) {
                taken.push(number);
                batch.push(subject.event(number));
            } else if let Some(poison) = subject.poison(number) {
                batch.push(poison);
            } else {
                return Verdict::NotApplicable("the store rejects no events");
            }
        }
        let appended = trial.append(&batch).await;
        let rejected: Vec<usize> = appended.rejected.iter().map(|rejection| rejection.index).collect();
        assert_same(&rejected, &refused, "the indices of refused events");
        assert_same(&appended.duplicates, &[], "the indices of duplicates among new events");
        trial.disturb().await;
    }
    trial.assert_holds(taken).await;
    Verdict::Passed
}

/// Checks that a sink resolves each receipt with the outcome of its event, and that its statistics add up.
pub async fn through_a_sink<S: Numbered>(subject: &S) -> Verdict {
    let mut trial = Trial::open(subject, 7).await;
    let letters = Arc::new(Mutex::new(Vec::new()));
    let noted = letters.clone();
    let sink = EventSink::builder()
        .max_batch(64)
        .flush_interval(Duration::from_millis(1))
        // Serial flushes make the first of two equal events the stored one.
        .max_concurrent_flushes(1)
        .dead_letters(move |letter| noted.lock().unwrap_or_else(PoisonError::into_inner).push(letter.reason))
        .build(trial.store().clone())
        .expect("a sink with these settings");
    let (mut new, mut receipts) = (Vec::new(), Vec::new());
    for number in 0..500 {
        let chance = trial.random.u8(..10);
        let (event, expected) = match (chance, subject.poison(number), trial.random.choice(&new)) {
            (0, Some(poison), _) => (poison, "rejected"),
            (1..3, _, Some(old)) if S::KNOWS_DUPLICATES => (subject.event(*old), "duplicate"),
            _ => {
                new.push(number);
                (subject.event(number), "stored")
            }
        };
        receipts.push((number, expected, sink.push(event).await.expect("a sink with room takes an event")));
    }
    let mut refused = 0;
    for (number, expected, receipt) in receipts {
        let outcome = match receipt.await.expect("the store decides on every event") {
            Outcome::Stored => "stored",
            Outcome::Duplicate => "duplicate",
            Outcome::Rejected { .. } => "rejected",
        };
        assert_eq!(outcome, expected, "the outcome in the receipt of event {number}");
        refused += u64::from(outcome == "rejected");
    }
    let report = sink.close(Duration::from_secs(60)).await;
    assert_eq!(report.unstored.len(), 0, "a sink with a working store closes with no unstored events");
    let stats = report.stats;
    assert_eq!((stats.accepted, stats.stored, stats.rejected), (500, new.len() as u64, refused), "{stats:?}");
    let letters = std::mem::take(&mut *letters.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!(letters.len() as u64, refused, "each refused event is handed to the dead-letter handler");
    assert!(letters.iter().all(|reason| matches!(reason, DeadLetterReason::Rejected { .. })), "{letters:?}");
    trial.assert_holds(new).await;
    Verdict::Passed
}
