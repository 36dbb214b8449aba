//! Facts are a cache: whatever happens to them, figures stay right.

use std::{path::Path, sync::Arc};

use martech_core::{
    event::Timestamp,
    fs::FileSystem,
    lake::{
        Lake,
        repair::repair,
        verify::{Kind, VerifyOptions, verify},
    },
    query::{Reader, Stats, StatsQuery, TimeRange},
    testing::{Crash, Effect, Fault, Operation, SimFs},
};

use crate::common::*;

const DAY: i64 = 24 * HOUR;

async fn open_on(disk: &SimFs) -> Lake {
    Lake::open(options(Path::new("/data")).fs(Arc::new(disk.clone()))).await.unwrap()
}

async fn stats(lake: &Lake) -> Stats {
    let to = Timestamp::from_millis(START + 10 * DAY);
    lake.stats(StatsQuery::new(TimeRange { from: Timestamp::from_millis(START - 10 * DAY), to })).await.unwrap()
}

fn facts_of(disk: &SimFs) -> Vec<std::path::PathBuf> {
    let is_facts = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "facts");
    disk.files().into_iter().filter(is_facts).collect()
}

/// Makes a lake with files of three days, and returns its figures.
async fn made() -> (SimFs, Stats) {
    let disk = SimFs::new();
    let lake = open_on(&disk).await;
    store(&lake, &events(0..3000, 200, 3)).await;
    lake.roll().await.unwrap();
    store(&lake, &events(3000..3500, 200, 3)).await;
    lake.roll().await.unwrap();
    let figures = stats(&lake).await;
    assert_eq!(figures.totals.events, 3500);
    lake.close().await.unwrap();
    assert_eq!(facts_of(&disk).len() as u64, lake.status().files);
    (disk, figures)
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_facts_are_made_again() {
    let (made, figures) = made().await;
    for gone in ["/data/facts/seed", "0000000001.facts", ""] {
        let disk = made.copy();
        for path in
            disk.files().iter().filter(|path| path.starts_with("/data/facts") && path.to_string_lossy().ends_with(gone))
        {
            disk.remove(path).unwrap();
        }
        let lake = open_on(&disk).await;
        assert_eq!(stats(&lake).await, figures, "without {gone:?}");
        assert_eq!(facts_of(&disk).len() as u64, lake.status().files);
        lake.close().await.unwrap();
        let report = verify(&VerifyOptions::new("/data").fs(Arc::new(disk.clone())), &mut |_| {}).unwrap();
        assert!(report.is_clean() && report.findings.is_empty(), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_facts_are_made_again_before_and_while_the_lake_is_open() {
    let (made, figures) = made().await;
    let mut random = fastrand::Rng::with_seed(5);
    for round in 0..60 {
        let disk = made.copy();
        let facts = facts_of(&disk);
        let flip = |random: &mut fastrand::Rng| {
            let path = &facts[random.usize(..facts.len())];
            disk.flip(path, random.u64(..disk.read(path).unwrap().len() as u64), 1 << random.u8(..8)).unwrap();
        };
        flip(&mut random);
        let lake = open_on(&disk).await;
        assert_eq!(stats(&lake).await, figures, "round {round}");
        flip(&mut random);
        assert_eq!(stats(&lake).await, figures, "round {round}");
        lake.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn concurrent_queries_share_facts_that_are_made_again() {
    let disk = SimFs::new();
    let lake = open_on(&disk).await;
    for round in 0..4 {
        store(&lake, &events(round * 20_000..(round + 1) * 20_000, 3000, 2)).await;
        lake.roll().await.unwrap();
    }
    let (figures, mine) = (stats(&lake).await, lake.journey(journey("user-7")).await.unwrap());
    assert_eq!(figures.totals.events, 80_000);
    assert!(!mine.events.is_empty());
    let mut random = fastrand::Rng::with_seed(8);
    for round in 0..12 {
        let facts = facts_of(&disk);
        for path in &facts {
            if round % 3 == 0 {
                disk.remove(path).unwrap();
            } else {
                let length = disk.read(path).unwrap().len() as u64;
                (0..3).for_each(|_| disk.flip(path, random.u64(..length), 1).unwrap());
            }
        }
        let queries = (0..6).map(|number| {
            let lake = lake.clone();
            tokio::spawn(async move {
                if number % 3 == 0 {
                    (Some(stats(&lake).await), None)
                } else {
                    (None, Some(lake.journey(journey("user-7")).await.unwrap()))
                }
            })
        });
        for query in queries.collect::<Vec<_>>() {
            let (stats, journey) = query.await.unwrap();
            assert!(stats.is_none_or(|stats| stats == figures), "round {round}");
            assert!(journey.is_none_or(|journey| journey.events == mine.events), "round {round}");
        }
        assert!(disk.files().iter().all(|path| !path.to_string_lossy().ends_with(".tmp")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_cannot_be_written_are_an_error_until_there_is_room() {
    let (made, figures) = made().await;
    for path in facts_of(&made) {
        made.remove(&path).unwrap();
    }
    let lake = open_on(&made).await;
    made.inject(Fault::new(Operation::Write, Effect::Fail(std::io::ErrorKind::StorageFull)).forever());
    let range =
        TimeRange { from: Timestamp::from_millis(START - 10 * DAY), to: Timestamp::from_millis(START + 10 * DAY) };
    let failed = lake.stats(StatsQuery::new(range)).await.unwrap_err();
    assert!(failed.to_string().contains(".facts"), "{failed}");
    made.heal();
    assert_eq!(stats(&lake).await, figures);
    lake.close().await.unwrap();
    drop(lake);
    // Power fails after facts were written, and takes them.
    let lake = open_on(&made.crash(Crash::LoseUnsynced)).await;
    assert_eq!(stats(&lake).await, figures);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_and_repair_know_facts() {
    let (made, figures) = made().await;
    let paths = facts_of(&made);
    let options = |disk: &SimFs| VerifyOptions::new("/data").fs(Arc::new(disk.clone()));
    let disk = made.copy();
    disk.flip(&paths[0], 50, 1).unwrap();
    disk.write(&paths[1], "half a file").unwrap();
    let report = verify(&options(&disk), &mut |_| {}).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::FactsTorn; 2]);
    let repaired = repair(&options(&disk), "now", &mut |_| {}).unwrap();
    assert!(repaired.losses.is_none(), "a torn cache is not repaired");
    let lake = open_on(&disk).await;
    assert_eq!(stats(&lake).await, figures);
}
