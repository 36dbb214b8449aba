use std::{collections::BTreeSet, path::PathBuf};

use martech_core::{
    lake::verify::{VerifyOptions, verify},
    query::Reader,
};

use crate::common::*;

fn data_files(dir: &std::path::Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut dirs = vec![dir.join("events"), dir.join("ids"), dir.join("users")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path)
            } else {
                let _ = files.insert(path);
            }
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn roll_writes_one_file_per_day_and_compaction_joins_days_with_few_events() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let mut days = BTreeSet::new();
    for round in 0..6 {
        let batch = events(round * 300..(round + 1) * 300, 40, 3);
        days.extend(batch.iter().map(|event| event.occurred_at.day()));
        store(&lake, &batch).await;
        lake.roll().await.unwrap();
    }
    let days = days.len();
    assert_eq!(lake.status().files, 6 * days as u64);
    let before = all_ids(&lake).await;
    lake.compact().await.unwrap();
    let status = lake.status();
    assert_eq!((status.files, status.events, status.hot_events), (1, 1800, 0));
    assert_eq!((status.rolls.done, status.rolls.failed, status.compactions.failed), (6, 0, 0));
    assert!(status.compactions.done > 0 && !status.rolls.time.is_zero() && !status.compactions.time.is_zero());
    assert_eq!(all_ids(&lake).await, before);
    // A file of events, one of ids, and one of users. The merged files are gone, because no query reads them.
    assert_eq!(data_files(dir.path()).len(), 3);
    let journal: u64 = std::fs::read_dir(dir.path().join("journal"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().metadata().ok().filter(|entry| entry.is_file()))
        .map(|entry| entry.len())
        .sum();
    assert!(journal < 1000, "the journal was trimmed, {journal} bytes are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn leftover_files_are_removed_on_open() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    store(&lake, &events(0..100, 10, 1)).await;
    lake.roll().await.unwrap();
    lake.close().await.unwrap();
    let sound = data_files(dir.path());
    for orphan in ["events/0000000777.parquet", "events/0000000778.tmp", "ids/0000000777.ids"] {
        std::fs::write(dir.path().join(orphan), "half a file").unwrap();
    }
    let lake = open(dir.path()).await;
    assert_eq!(data_files(dir.path()), sound);
    assert_eq!(lake.status().events, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_file_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    store(&lake, &events(0..100, 10, 1)).await;
    lake.roll().await.unwrap();
    lake.close().await.unwrap();
    let gone = data_files(dir.path()).into_iter().find(|path| path.starts_with(dir.path().join("events"))).unwrap();
    std::fs::remove_file(&gone).unwrap();
    let error = martech_core::lake::Lake::open(options(dir.path())).await.unwrap_err().to_string();
    assert!(error.contains(&*gone.to_string_lossy()) && error.contains("missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_catalog_is_reported_and_removes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    store(&lake, &events(0..100, 10, 1)).await;
    lake.roll().await.unwrap();
    lake.close().await.unwrap();
    let files = data_files(dir.path());
    std::fs::remove_file(dir.path().join("catalog")).unwrap();
    let error = martech_core::lake::Lake::open(options(dir.path())).await.unwrap_err().to_string();
    assert!(error.contains("catalog is damaged: the file is missing"), "{error}");
    assert_eq!(data_files(dir.path()), files);
}

/// Every flipped bit leads to an error or to the right answer.
#[tokio::test(flavor = "multi_thread")]
async fn flipped_bit_is_reported_by_every_reader() {
    let dir = tempfile::tempdir().unwrap();
    let all = events(0..300, 5, 1);
    let lake = open(dir.path()).await;
    store(&lake, &all).await;
    lake.roll().await.unwrap();
    lake.close().await.unwrap();
    for path in data_files(dir.path()) {
        let sound = std::fs::read(&path).unwrap();
        for flipped in (0..sound.len()).step_by(sound.len() / 12) {
            let mut damaged = sound.clone();
            damaged[flipped] ^= 0x10;
            std::fs::write(&path, &damaged).unwrap();
            let report = verify(&VerifyOptions::new(dir.path()), &mut |_| {}).unwrap();
            let found: Vec<_> = report.damage().map(|finding| dir.path().join(&finding.path)).collect();
            assert_eq!(found, std::slice::from_ref(&path), "byte {flipped}: {report}");
            let lake = open(dir.path()).await;
            let answers = [
                lake.journey(journey("user-0")).await.err().map(|error| error.to_string()),
                lake.users(users(martech_core::query::UserSort::Events)).await.err().map(|error| error.to_string()),
                martech_core::Store::append(&lake, &all)
                    .await
                    .err()
                    .and_then(|error| std::error::Error::source(&error).map(ToString::to_string)),
            ];
            let reports: Vec<_> = answers.into_iter().flatten().collect();
            assert!(!reports.is_empty(), "nobody noticed byte {flipped} of {}", path.display());
            assert!(reports.iter().all(|report| report.contains(&*path.to_string_lossy())), "{reports:?}");
            assert_eq!(lake.status().events, 300, "something was stored twice");
            lake.close().await.unwrap();
        }
        std::fs::write(&path, &sound).unwrap();
    }
}
