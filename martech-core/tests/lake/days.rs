//! Events of more days than one roll writes.

use std::{path::Path, sync::Arc};

use martech_core::{
    Event, Store,
    lake::{
        Lake,
        verify::{VerifyOptions, verify},
    },
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
async fn waiting_days_do_not_block_appends() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path()).roll_bytes(40 << 10).roll_days(4);
    let lake = Lake::open(options.clone()).await.unwrap();
    let old = on_days(0..1000);
    store(&lake, &old).await;
    while lake.status().waiting_days == 0 {
        tokio::task::yield_now().await;
    }
    // Many times the number of events that can arrive while one roll runs.
    let today = of_today(0..10_000);
    for batch in today.chunks(500) {
        store(&lake, batch).await;
    }
    let status = lake.status();
    assert!(status.waiting_days > 0, "they waited for all days: {status:?}");
    assert_eq!(status.events, 11_000);
    // Waiting events are deduplicated and visible.
    assert_eq!(lake.append(&old).await.unwrap().duplicates.len(), 1000);
    assert_eq!(lake.append(&today).await.unwrap().duplicates.len(), 10_000);
    assert_eq!(all_ids(&lake).await.len(), 11_000);
    // The same holds if the process ends in between.
    lake.close().await.unwrap();
    let report = verify(&VerifyOptions::new(dir.path()), &mut |_| {}).unwrap();
    assert!(report.is_clean() && report.checked.hot_events > 0, "{report}");
    let lake = Lake::open(options.roll_days(1000)).await.unwrap();
    assert_eq!(lake.append(&old).await.unwrap().duplicates.len(), 1000);
    lake.roll().await.unwrap();
    let status = lake.status();
    assert_eq!((status.waiting_days, status.hot_events, status.events), (0, 0, 11_000));
    assert_eq!(all_ids(&lake).await, sorted_ids(&[old, today].concat()));
    assert!(lake.journal().bytes < 1000, "the journal was trimmed: {:?}", lake.journal());
}

#[tokio::test(flavor = "multi_thread")]
async fn crash_within_a_roll_neither_loses_nor_duplicates() {
    let made = SimFs::new();
    let options = |disk: &SimFs| options(Path::new("/data")).fs(Arc::new(disk.clone())).roll_days(3);
    let first = on_days(0..20);
    // Frames with events both of rolled days and of waiting days.
    let second: Vec<Event> = (0..20).map(|day| event(2_000_000 + day, "late", START - day as i64 * DAY + 1)).collect();
    let lake = Lake::open(options(&made)).await.unwrap();
    store(&lake, &first[..12]).await;
    store(&lake, &first[12..]).await;
    lake.close().await.unwrap();
    drop(lake);
    // Each iteration fails the disk a little later, when more parts of the roll have been published.
    let mut parts = std::collections::BTreeSet::new();
    for renames in (0..).step_by(3) {
        let disk = made.copy();
        let lake = Lake::open(options(&disk)).await.unwrap();
        disk.inject(
            Fault::new(Operation::Rename, Effect::Fail(std::io::ErrorKind::StorageFull)).skip(renames).forever(),
        );
        let rolled = lake.roll().await;
        disk.heal();
        let waiting = lake.status().waiting_days;
        parts.insert(waiting);
        store(&lake, &second).await;
        drop(lake);
        let disk = disk.copy();
        let lake = Lake::open(options(&disk)).await.unwrap();
        let all = [first.clone(), second.clone()].concat();
        assert_eq!(all_ids(&lake).await, sorted_ids(&all), "after {renames} renames, {waiting} days waited");
        assert_eq!(lake.append(&all).await.unwrap().duplicates.len(), 40);
        lake.roll().await.unwrap();
        assert_eq!(all_ids(&lake).await, sorted_ids(&all), "after {renames} renames");
        lake.close().await.unwrap();
        drop(lake);
        let options = VerifyOptions::new("/data").fs(Arc::new(disk.copy()));
        let report = verify(&options, &mut |_| {}).unwrap();
        assert!(report.is_clean() && report.checked.events == 40, "{report}");
        if rolled.is_ok() {
            break;
        }
    }
    assert!(parts.len() > 4, "crashes came between parts: {parts:?}");
}
