//! Checks with many concurrent writers, and with queries during writes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{
    EventSubject, Numbered, Verdict,
    append::NO_DUPLICATES,
    events,
    trial::{Trial, append, assert_same, walk_journey},
};
use crate::{
    event::{Event, Timestamp},
    query::{Interval, JourneyQuery, Reader, StatsQuery, TimeRange},
};

const WRITERS: u64 = 8;

/// Sum of the results of all writers.
struct Sum {
    stored: usize,
    duplicates: usize,
}

/// Runs all writers. Each appends its batches in sequence while the store is disturbed.
async fn write<S: Numbered>(trial: &mut Trial<'_, S>, batches_of: impl Fn(u64) -> Vec<Vec<u64>>) -> Sum {
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let batches: Vec<_> = batches_of(writer).into_iter().map(|numbers| trial.events(numbers)).collect();
        let store = trial.store().clone();
        writers.push(tokio::spawn(async move {
            let mut sum = Sum { stored: 0, duplicates: 0 };
            for batch in batches {
                let appended = append(&store, &batch).await;
                assert_eq!(appended.rejected.len(), 0, "nothing is rejected: {appended:?}");
                sum.stored += appended.stored;
                sum.duplicates += appended.duplicates.len();
                tokio::task::yield_now().await;
            }
            sum
        }));
    }
    let mut sum = Sum { stored: 0, duplicates: 0 };
    for writer in writers {
        trial.disturb_in_use().await;
        let of_writer = writer.await.expect("a writer task succeeds");
        sum.stored += of_writer.stored;
        sum.duplicates += of_writer.duplicates;
    }
    sum
}

/// Checks that concurrent writers of different events all succeed.
pub async fn writers_of_different_events<S: Numbered>(subject: &S) -> Verdict {
    let mut trial = Trial::open(subject, 40).await;
    let batches =
        |writer| (0..10).map(|batch| (0..30).map(|n| (batch * 30 + n) * WRITERS + writer).collect()).collect();
    let sum = write(&mut trial, batches).await;
    assert_eq!((sum.stored, sum.duplicates), (2400, 0), "stored events of 2400, and duplicates");
    trial.assert_holds(0..2400).await;
    trial.disturb().await;
    trial.assert_holds(0..2400).await;
    Verdict::Passed
}

/// Checks that concurrent writers of the same events, in overlapping batches, store each event once.
pub async fn writers_of_the_same_events<S: Numbered>(subject: &S) -> Verdict {
    if !S::KNOWS_DUPLICATES {
        return NO_DUPLICATES;
    }
    let mut trial = Trial::open(subject, 41).await;
    const EVENTS: u64 = 900;
    // Every writer starts at another offset and uses another batch size.
    let batches = |writer: u64| {
        let mut numbers: Vec<u64> = (0..EVENTS).collect();
        numbers.rotate_left((writer / 2 * 130) as usize);
        numbers.chunks(60 + 7 * writer as usize).map(<[u64]>::to_vec).collect()
    };
    let sum = write(&mut trial, batches).await;
    let duplicates = (EVENTS * (WRITERS - 1)) as usize;
    assert_eq!((sum.stored, sum.duplicates), (EVENTS as usize, duplicates), "stored events, and duplicates");
    trial.assert_holds(0..EVENTS).await;
    trial.disturb().await;
    trial.assert_holds(0..EVENTS).await;
    Verdict::Passed
}

/// Checks queries during writes and disturbances. A result contains each event that was stored before the query,
/// exactly once, and no event that was not sent yet.
pub async fn questions_meanwhile<S: EventSubject>(subject: &S) -> Verdict {
    const BATCH: u64 = 40;
    let mut trial = Trial::open(subject, 42).await;
    let (sent, stored) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (store, noted) = (trial.store().clone(), (sent.clone(), stored.clone()));
    let writer = tokio::spawn(async move {
        for batch in 0..40 {
            let events: Vec<Event> = (batch * BATCH..(batch + 1) * BATCH).map(events::numbered).collect();
            noted.0.fetch_add(BATCH, Ordering::SeqCst);
            append(&store, &events).await;
            noted.1.fetch_add(BATCH, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    let range = TimeRange { from: Timestamp::from_millis(0), to: Timestamp::from_millis(events::DAY * 30_000) };
    let stats = StatsQuery::new(range).interval(Interval::Month);
    let user = events::numbered(3).user_id;
    loop {
        let is_last = writer.is_finished();
        let least = stored.load(Ordering::SeqCst);
        let figures = trial.store().stats(stats.clone()).await.expect("stats succeeds");
        let journey = walk_journey(trial.store(), JourneyQuery { limit: 50, ..JourneyQuery::new(&user) }).await;
        let most = sent.load(Ordering::SeqCst);
        let events = figures.totals.events;
        assert!((least..=most).contains(&events), "{events} events are counted where {least} to {most} are stored");
        let found: Vec<u64> = journey.iter().map(events::number).collect();
        let end = found.last().map_or(0, |last| last + 1).clamp(least, most);
        let expected: Vec<u64> = (0..end).filter(|number| events::numbered(*number).user_id == user).collect();
        assert_same(&found, &expected, "the numbers of a journey's events while others write");
        if is_last {
            break;
        }
        trial.disturb_in_use().await;
        tokio::task::yield_now().await;
    }
    writer.await.expect("the writer task succeeds");
    Verdict::Passed
}
