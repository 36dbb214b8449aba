//! Events of many days.

use std::{path::Path, sync::Arc};

use martech_core::{
    Event, Store,
    event::Timestamp,
    lake::{
        Lake,
        verify::{VerifyOptions, verify},
    },
    query::{JourneyQuery, Order, Reader, StatsQuery, TimeRange},
    testing::{Effect, Fault, Operation, SimFs},
};

use crate::common::*;

const DAY: i64 = 24 * HOUR;

/// Creates one event on each of these days.
fn on_days(days: std::ops::Range<i64>) -> Vec<Event> {
    days.map(|day| event(1_000_000 + day as u64, &format!("user-{}", day % 7), START - day * DAY)).collect()
}

/// Creates events of one day.
fn of_today(numbers: std::ops::Range<u64>) -> Vec<Event> {
    numbers.map(|number| event(number, &format!("user-{}", number % 50), START + (number % 1000) as i64)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn history_in_any_order_makes_few_files() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let mut old = on_days(0..6000);
    fastrand::Rng::with_seed(7).shuffle(&mut old);
    let today = of_today(0..1000);
    for (round, batch) in old.chunks(600).enumerate() {
        store(&lake, batch).await;
        store(&lake, &today[round * 100..][..100]).await;
        let before = lake.status().files;
        lake.roll().await.unwrap();
        assert!(lake.status().files <= before + 16, "{:?}", lake.status());
    }
    let all = [old.clone(), today.clone()].concat();
    for compacted in [false, true] {
        if compacted {
            lake.compact().await.unwrap();
            assert!(lake.status().files <= 40, "{:?}", lake.status());
        }
        assert_eq!(all_ids(&lake).await, sorted_ids(&all));
        assert_eq!(lake.append(&all).await.unwrap().duplicates.len(), 7000);
        // A page of a journey, from both ends, across files with overlapping days.
        for order in [Order::Ascending, Order::Descending] {
            let mut mine: Vec<_> = all.iter().filter(|event| event.user_id == "user-3").collect();
            mine.sort_by_key(|event| (event.occurred_at, event.id));
            if order == Order::Descending {
                mine.reverse();
            }
            let mut query = JourneyQuery::new("user-3").order(order).limit(100);
            let mut found = Vec::new();
            loop {
                let page = lake.journey(query.clone()).await.unwrap();
                found.extend(page.events);
                let Some(next) = page.next else { break };
                query = query.cursor(next);
            }
            assert!(found.iter().map(|event| event.id).eq(mine.iter().map(|event| event.id)), "{order:?}");
        }
        let range = |from: i64, to: i64| TimeRange {
            from: Timestamp::from_millis(START - from * DAY),
            to: Timestamp::from_millis(START - to * DAY),
        };
        let stats = lake.stats(StatsQuery::new(range(500, 400))).await.unwrap();
        assert_eq!(stats.totals.events, 100);
    }
    // The same id on another day is another event, also within one file.
    let again: Vec<Event> =
        old.iter().take(50).map(|event| Event { occurred_at: shifted(event, DAY / 2), ..event.clone() }).collect();
    let again: Vec<Event> =
        again.into_iter().filter(|event| event.occurred_at.day() != event.received_at.day()).collect();
    let appended = lake.append(&again).await.unwrap();
    assert_eq!(appended.duplicates.len(), 0);
    lake.close().await.unwrap();
    let report = verify(&VerifyOptions::new(dir.path()), &mut |_| {}).unwrap();
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_become_dense_get_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(options(dir.path()).roll_windows(1)).await.unwrap();
    // Each roll writes one file, as wide as the eight days of a window. A day is dense after the last round.
    let (rows_of_day, begin) = (9_000, START.div_euclid(8 * DAY) * 8 * DAY);
    for round in 0..4 {
        let day = |day: u64| (0..rows_of_day).map(move |row| (day, round * rows_of_day + row));
        let batch: Vec<Event> = (0..8)
            .flat_map(day)
            .map(|(day, row)| event(row * 8 + day, &format!("user-{}", row % 500), begin + day as i64 * DAY))
            .collect();
        store(&lake, &batch).await;
        lake.roll().await.unwrap();
        if round < 3 {
            lake.compact().await.unwrap();
            assert_eq!(lake.status().files, 1, "{round}: {:?}", lake.status());
        }
    }
    lake.close().await.unwrap();
    let lake = open(dir.path()).await;
    lake.compact().await.unwrap();
    assert_eq!(lake.status().files, 8, "{:?}", lake.status());
    let mine = lake.journey(JourneyQuery::new("user-3").limit(1000)).await.unwrap();
    assert_eq!(mine.events.len(), 8 * 4 * rows_of_day as usize / 500);
    lake.close().await.unwrap();
    let report = verify(&VerifyOptions::new(dir.path()).memory(1 << 20), &mut |_| {}).unwrap();
    assert!(report.is_clean() && report.checked.events == 8 * 4 * rows_of_day, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn days_of_small_rolls_join() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    for batch in on_days(0..400).chunks(8) {
        store(&lake, batch).await;
        lake.roll().await.unwrap();
    }
    assert_eq!(lake.status().files, 400);
    lake.compact().await.unwrap();
    assert!(lake.status().files <= 4, "{:?}", lake.status());
    assert_eq!(all_ids(&lake).await, sorted_ids(&on_days(0..400)));
}

fn shifted(event: &Event, millis: i64) -> Timestamp {
    Timestamp::from_millis(event.occurred_at.millis() + millis)
}

#[tokio::test(flavor = "multi_thread")]
async fn removes_past_days_from_files_that_also_have_later_ones() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(options(dir.path()).roll_windows(1)).await.unwrap();
    let all = on_days(0..200);
    store(&lake, &all).await;
    lake.roll().await.unwrap();
    assert_eq!(lake.status().files, 1);
    let before = Timestamp::from_millis(START - 120 * DAY);
    assert_eq!(lake.remove_before(before).await.unwrap(), 79);
    let left: Vec<Event> = all.iter().filter(|event| event.occurred_at.day() >= before.day()).cloned().collect();
    assert_eq!(all_ids(&lake).await, sorted_ids(&left));
    assert_eq!(lake.append(&left).await.unwrap().duplicates.len(), left.len());
    lake.close().await.unwrap();
    let report = verify(&VerifyOptions::new(dir.path()), &mut |_| {}).unwrap();
    assert!(report.is_clean() && report.checked.events == 121, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn crash_within_a_roll_neither_loses_nor_duplicates() {
    let made = SimFs::new();
    let options = |disk: &SimFs| options(Path::new("/data")).fs(Arc::new(disk.clone())).roll_windows(5);
    let first = on_days(0..20);
    let second: Vec<Event> = (0..20).map(|day| event(2_000_000 + day, "late", START - day as i64 * DAY + 1)).collect();
    let lake = Lake::open(options(&made)).await.unwrap();
    store(&lake, &first[..12]).await;
    store(&lake, &first[12..]).await;
    lake.close().await.unwrap();
    drop(lake);
    // Each iteration fails the disk a little later, when more files of the roll have their names.
    for renames in 0.. {
        let disk = made.copy();
        let lake = Lake::open(options(&disk)).await.unwrap();
        disk.inject(
            Fault::new(Operation::Rename, Effect::Fail(std::io::ErrorKind::StorageFull)).skip(renames).forever(),
        );
        let rolled = lake.roll().await;
        disk.heal();
        store(&lake, &second).await;
        drop(lake);
        let disk = disk.copy();
        let lake = Lake::open(options(&disk)).await.unwrap();
        let all = [first.clone(), second.clone()].concat();
        assert_eq!(all_ids(&lake).await, sorted_ids(&all), "after {renames} renames");
        assert_eq!(lake.append(&all).await.unwrap().duplicates.len(), 40);
        lake.roll().await.unwrap();
        assert_eq!(all_ids(&lake).await, sorted_ids(&all), "after {renames} renames");
        lake.close().await.unwrap();
        drop(lake);
        let options = VerifyOptions::new("/data").fs(Arc::new(disk.copy()));
        let report = verify(&options, &mut |_| {}).unwrap();
        assert!(report.is_clean() && report.checked.events == 40, "{report}");
        if rolled.is_ok() {
            assert!(renames > 5, "each file is renamed");
            break;
        }
    }
}
