//! Lakes of older formats, as older programs wrote them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use martech_core::{
    Event, EventRules, EventType, Store,
    event::Timestamp,
    fs::FileSystem,
    lake::{
        Lake, LakeError,
        repair::repair,
        verify::{VerifyOptions, verify},
    },
    query::{Reader, StatsQuery, TimeRange, UserSort},
    testing::{Crash, Effect, Fault, Operation, SimFs},
};

use crate::common::*;

const DAY: i64 = 24 * HOUR;

/// The folders in `tests/formats`, and the number of days of the events in each. A folder of format 1 has two files for
/// each day, and events in the journal. One of format 2 also has days that waited for a roll.
const FORMATS: [(&str, u64); 2] = [("1", 3), ("2", 12)];

/// Returns the events in a folder.
fn stored(days: u64) -> Vec<Event> {
    let event = |number: u64| {
        let time = START - (number % days) as i64 * DAY + number as i64 * 1000;
        let (event_type, name, value) = match number % 5 {
            0 => (EventType::PURCHASE, "total", "12.50"),
            _ => (EventType::PAGE_VIEW, "page", "/shoes"),
        };
        let event = Event::builder(format!("user-{}", number % 7), event_type)
            .id(martech_core::event::EventId::from_bytes((u128::from(number) + 1).to_be_bytes()))
            .occurred_at(Timestamp::from_millis(time))
            .received_at(Timestamp::from_millis(time + 500))
            .session_id("s1");
        event.property(name, value).build(&EventRules::default()).unwrap()
    };
    (0..120).map(event).collect()
}

/// Copies a folder of `tests/formats` to a simulated disk.
fn disk_with(format: &str) -> SimFs {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(format);
    let disk = SimFs::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inside = Path::new("/data").join(path.strip_prefix(&root).unwrap());
                disk.create_dir_all(inside.parent().unwrap()).unwrap();
                disk.write(&inside, std::fs::read(&path).unwrap()).unwrap();
            }
        }
    }
    disk
}

async fn open_on(disk: &SimFs) -> Result<Lake, LakeError> {
    Lake::open(options(Path::new("/data")).fs(Arc::new(disk.clone())).journal_capacity(1 << 16)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn lakes_of_every_format_open() {
    for (format, days) in FORMATS {
        let (disk, all) = (disk_with(format), stored(days));
        let options = VerifyOptions::new("/data").fs(Arc::new(disk.clone()));
        let refused = verify(&options, &mut |_| {}).unwrap_err();
        assert!(matches!(refused, LakeError::OldFormat(_)), "{refused}");
        for rolled in [false, true] {
            let lake = open_on(&disk).await.unwrap();
            if rolled {
                lake.roll().await.unwrap();
                lake.compact().await.unwrap();
            }
            assert_eq!(all_ids(&lake).await, sorted_ids(&all), "format {format}");
            assert_eq!(lake.append(&all).await.unwrap().duplicates.len(), 120, "format {format}");
            let mine = all.iter().filter(|event| event.user_id == "user-3").count();
            assert_eq!(lake.journey(journey("user-3")).await.unwrap().events.len(), mine);
            assert_eq!(lake.users(users(UserSort::Events)).await.unwrap().total, 7);
            let to = Timestamp::from_millis(START + DAY);
            let range = TimeRange { from: Timestamp::from_millis(START - 400 * DAY), to };
            let stats = lake.stats(StatsQuery::new(range)).await.unwrap();
            assert_eq!((stats.totals.events, stats.totals.orders), (120, 24), "format {format}");
            lake.close().await.unwrap();
            drop(lake);
            let report = verify(&options, &mut |_| {}).unwrap();
            assert!(report.is_clean(), "format {format}: {report}");
        }
        let folders: BTreeSet<PathBuf> =
            disk.files().iter().filter_map(|path| Some(path.strip_prefix("/data/events").ok()?.to_owned())).collect();
        assert!(folders.iter().all(|path| path.components().count() == 1), "{folders:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_catalog_a_lake_of_an_older_format_is_left_alone() {
    for (format, _) in FORMATS {
        let disk = disk_with(format);
        let catalog = Path::new("/data/catalog");
        let bytes = std::fs::read(format!("{}/tests/formats/{format}/catalog", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for is_damaged in [true, false] {
            disk.remove(catalog).unwrap();
            if is_damaged {
                disk.write(catalog, bytes[1..].to_vec()).unwrap();
            }
            let options = VerifyOptions::new("/data").fs(Arc::new(disk.clone()));
            let files = disk.files();
            for refused in [
                verify(&options, &mut |_| {}).unwrap_err(),
                repair(&options, "now", &mut |_| {}).unwrap_err(),
                open_on(&disk).await.unwrap_err(),
            ] {
                assert!(matches!(refused, LakeError::Damaged { ref path, .. } if path == catalog), "{refused}");
            }
            let left: Vec<_> = disk.files().into_iter().filter(|path| !path.ends_with("LOCK")).collect();
            assert!(files.iter().all(|path| left.contains(path)), "format {format}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrade_continues_after_an_interruption() {
    for (format, days) in FORMATS {
        let all = stored(days);
        for operation in [Operation::Rename, Operation::SyncDir, Operation::Create, Operation::Write] {
            for before in 0.. {
                let disk = disk_with(format);
                let fault = Fault::new(operation, Effect::Fail(std::io::ErrorKind::StorageFull));
                disk.inject(fault.skip(before).forever());
                let opened = open_on(&disk).await;
                disk.heal();
                let succeeded = opened.is_ok();
                drop(opened);
                for after in [disk.copy(), disk.crash(Crash::LoseUnsynced)] {
                    let lake = open_on(&after).await.unwrap();
                    let what = format!("format {format}, {before} {operation:?} before the failure");
                    assert_eq!(all_ids(&lake).await, sorted_ids(&all), "{what}");
                    lake.roll().await.unwrap();
                    assert_eq!(all_ids(&lake).await, sorted_ids(&all), "{what}");
                    lake.close().await.unwrap();
                }
                if succeeded {
                    break;
                }
            }
        }
    }
}
