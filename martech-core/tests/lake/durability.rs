use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Instant,
};

use martech_core::{
    Event, Store,
    fs::FileSystem,
    lake::{Lake, LakeError, LakeOptions},
    query::Reader,
    store::Advice,
    store::Steps,
    testing::{Crash, Fault, Operation, SimFs},
};

use crate::common::*;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_survive_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let all = events(0..3000, 100, 5);
    for (round, batch) in all.chunks(500).enumerate() {
        let lake = open(dir.path()).await;
        store(&lake, batch).await;
        match round % 3 {
            0 => lake.roll().await.unwrap(),
            1 => lake.compact().await.unwrap(),
            _ => {}
        }
        lake.close().await.unwrap();
    }
    let lake = open(dir.path()).await;
    assert_eq!(lake.status().events, 3000);
    assert_eq!(all_ids(&lake).await, sorted_ids(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn append_reports_the_sync_it_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let (batch, begun) = (events(0..10, 2, 1), Instant::now());
    let (_, steps) = Steps::collect(lake.append(&batch)).await;
    let synced = steps.synced.unwrap();
    assert!(begun <= synced.from && synced.from < synced.to && synced.to <= Instant::now());
    assert_eq!(Steps::collect(lake.append(&batch)).await.1.synced, None, "it was all there");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_process_cannot_open_the_lake() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let refused = Lake::open(options(dir.path())).await.unwrap_err();
    assert!(matches!(&refused, LakeError::Locked(locked) if locked == dir.path()), "{refused}");
    assert!(refused.to_string().contains("in use by another process"));
    lake.close().await.unwrap();
    assert_eq!(lake.append(&events(0..1, 1, 1)).await.unwrap_err().advice(), Advice::Fatal);
    open(dir.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_lake_returns_closed_error() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    lake.close().await.unwrap();
    lake.close().await.unwrap();
    assert!(matches!(lake.roll().await, Err(LakeError::Closed)));
    assert!(matches!(lake.journey(journey("user")).await, Err(LakeError::Closed)));
}

fn simulated(disk: &SimFs) -> LakeOptions {
    options(Path::new("/data")).fs(Arc::new(disk.clone()))
}

/// Runs appends, rolls and compactions on a disk that may fail. Returns the acknowledged events.
async fn work(disk: &SimFs, all: &[Event]) -> Vec<Event> {
    let mut acknowledged = Vec::new();
    let Ok(lake) = Lake::open(simulated(disk)).await else { return acknowledged };
    for (round, batch) in all.chunks(40).enumerate() {
        if lake.append(batch).await.is_ok() {
            acknowledged.extend_from_slice(batch);
        }
        // Failures are expected. Acknowledged events must be present all the same.
        match round % 5 {
            2 | 3 => drop(lake.roll().await),
            4 => drop(lake.compact().await),
            _ => {}
        }
    }
    acknowledged
}

async fn check(disk: &SimFs, all: &[Event], acknowledged: &[Event], what: &str) {
    let lake = Lake::open(simulated(disk)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    let there = all_ids(&lake).await;
    assert!(there.is_sorted_by(|left, right| left < right), "{what}: an event is stored twice");
    for event in acknowledged {
        assert!(there.binary_search(&event.id).is_ok(), "{what}: an acknowledged event is lost");
    }
    let sent = sorted_ids(all);
    assert!(there.iter().all(|id| sent.binary_search(id).is_ok()), "{what}: an event was invented");
    let appended = lake.append(all).await.unwrap();
    assert_eq!(appended.stored + there.len(), all.len(), "{what}: sent again");
    assert_eq!(all_ids(&lake).await, sent, "{what}: sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_operations_neither_lose_nor_duplicate() {
    const OPERATIONS: [Operation; 6] = [
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::Rename,
        Operation::SyncDir,
        Operation::Remove,
    ];
    let all = events(0..400, 12, 2);
    let sound = SimFs::new();
    work(&sound, &all).await;
    for operation in OPERATIONS {
        let count = sound.count(operation);
        for skip in (0..count).step_by(count as usize / 12 + 1) {
            for times in [1, u64::MAX] {
                let disk = SimFs::new();
                disk.inject(Fault::eio(operation).skip(skip).times(times));
                let acknowledged = work(&disk, &all).await;
                let what = format!("{operation:?} {skip} fails {times} times");
                for after in [disk.copy(), disk.crash(Crash::LoseUnsynced), disk.crash(Crash::KeepSome { seed: skip })]
                {
                    check(&after, &all, &acknowledged, &what).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn power_loss_neither_loses_nor_duplicates() {
    let all = events(0..4000, 12, 2);
    let disk = SimFs::new();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let running = {
        let (disk, acknowledged, all) = (disk.clone(), acknowledged.clone(), all.clone());
        tokio::spawn(async move {
            let lake = Lake::open(simulated(&disk)).await.unwrap();
            for (round, batch) in all.chunks(40).enumerate() {
                store(&lake, batch).await;
                acknowledged.lock().unwrap().extend_from_slice(batch);
                match round % 5 {
                    2 | 3 => lake.roll().await.unwrap(),
                    4 => lake.compact().await.unwrap(),
                    _ => {}
                }
            }
        })
    };
    let mut crashes = Vec::new();
    while !running.is_finished() {
        let acknowledged = acknowledged.lock().unwrap().clone();
        let crash = match crashes.len() as u64 {
            even if even % 2 == 0 => Crash::LoseUnsynced,
            seed => Crash::KeepSome { seed },
        };
        crashes.push((disk.crash(crash), acknowledged));
        tokio::task::yield_now().await;
    }
    running.await.unwrap();
    let step = crashes.len() / 60 + 1;
    for (number, (disk, acknowledged)) in crashes.into_iter().enumerate().step_by(step) {
        check(&disk, &all, &acknowledged, &format!("crash {number}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_rejects_appends_and_loses_nothing() {
    let all = events(0..4000, 30, 2);
    let disk = SimFs::new();
    let lake = Lake::open(simulated(&disk)).await.unwrap();
    store(&lake, &all[..1000]).await;
    disk.set_capacity(disk.used() + 20_000);
    let mut acknowledged = all[..1000].to_vec();
    let mut refused = 0;
    for batch in all[1000..3000].chunks(50) {
        match lake.append(batch).await {
            Ok(_) => acknowledged.extend_from_slice(batch),
            Err(error) => {
                assert!(matches!(error.advice(), Advice::RetryAfter(_)), "{error}");
                assert!(lake.status().error.is_some_and(|error| error.contains("space")));
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    assert!(lake.roll().await.is_err());
    assert!(lake.status().error.is_some());
    assert_eq!(all_ids(&lake).await, sorted_ids(&acknowledged), "while the disk is full");
    check(&disk.copy(), &all, &acknowledged, "killed on a full disk").await;

    disk.set_capacity(u64::MAX);
    lake.roll().await.unwrap();
    assert_eq!(lake.status().error, None);
    assert_eq!(lake.append(&all).await.unwrap().stored + acknowledged.len(), all.len());
    assert_eq!(all_ids(&lake).await, sorted_ids(&all), "when there is space again");
    let leftovers =
        disk.files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "tmp"));
    assert_eq!(leftovers.count(), 0);
}

/// The replacement of the catalog fails halfway and the result cannot be read back, so the catalog's files must be
/// kept.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_uncertain_catalog_are_kept() {
    let all = events(0..50, 5, 1);
    for reads in [Operation::Open, Operation::Read] {
        let disk = SimFs::new();
        let lake = Lake::open(simulated(&disk)).await.unwrap();
        store(&lake, &all).await;
        // Skips the directory syncs of the roll's data files: events, ids and users. The next directory sync follows the
        // rename of the catalog.
        disk.inject(Fault::eio(Operation::SyncDir).skip(3));
        disk.inject(Fault::eio(reads).below("/data/catalog").forever());
        assert!(lake.roll().await.is_err());
        assert!(disk.read("/data/catalog").is_some(), "the catalog is in place");
        for after in [disk.copy(), disk.crash(Crash::LoseUnsynced)] {
            check(&after, &all, &all, &format!("{reads:?}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lake_opens_on_a_full_or_failing_disk() {
    let all = events(0..50, 5, 1);
    let disk = SimFs::new();
    let lake = Lake::open(simulated(&disk)).await.unwrap();
    store(&lake, &all).await;
    // The files exist, and the journal still holds their events.
    disk.inject(Fault::eio(Operation::Create).below("/data/journal"));
    assert!(lake.roll().await.is_err());
    lake.close().await.unwrap();
    disk.write("/data/ids/0000000999.ids", *b"left over").unwrap();
    for fails in [Operation::Write, Operation::Remove] {
        let disk = disk.copy();
        match fails {
            Operation::Write => disk.set_capacity(0),
            _ => disk.inject(Fault::eio(fails).below("/data/ids").forever()),
        }
        let lake = Lake::open(simulated(&disk)).await.unwrap();
        assert_eq!(all_ids(&lake).await, sorted_ids(&all), "{fails:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_journal_segment_is_reported() {
    let all = events(0..600, 5, 1);
    let segments = |disk: &SimFs| -> Vec<_> {
        disk.files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
    };
    let disk = SimFs::new();
    let options = simulated(&disk).journal_capacity(60_000);
    let lake = Lake::open(options.clone()).await.unwrap();
    // Rolls fail, so several segments accumulate.
    disk.inject(Fault::eio(Operation::Create).below("/data/events").forever());
    for batch in all.chunks(20) {
        store(&lake, batch).await;
    }
    lake.close().await.unwrap();
    disk.heal();
    let [_, middle, _, ..] = &segments(&disk)[..] else { panic!("too few segments") };
    disk.remove(middle).unwrap();
    let lake = Lake::open(options.clone()).await.unwrap();
    assert_eq!(lake.status().journal_damage, 1);
    lake.roll().await.unwrap();
    lake.close().await.unwrap();

    // Without any segment, the loss of events after the last roll would otherwise go unnoticed.
    segments(&disk).iter().for_each(|path| disk.remove(path).unwrap());
    assert_eq!(Lake::open(options).await.unwrap().status().journal_damage, 1);
}
