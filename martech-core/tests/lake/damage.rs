use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use martech_core::{
    Event, Lake, LakeOptions, Store,
    event::Timestamp,
    lake::{
        LakeError,
        verify::{VerifyOptions, verify},
    },
    query::{Reader, StatsQuery, TimeRange, UserSort},
    store::Rejection,
    testing::SimFs,
};

use crate::common::*;

fn simulated(disk: &SimFs) -> LakeOptions {
    options("data".as_ref()).fs(Arc::new(disk.clone()))
}

/// Runs every operation that reads files.
async fn ask(lake: &Lake) -> Vec<Result<(), LakeError>> {
    let range =
        TimeRange { from: Timestamp::from_millis(START - 24 * HOUR), to: Timestamp::from_millis(START + 72 * HOUR) };
    let stats = StatsQuery::new(range);
    vec![
        lake.journey(journey("user-1")).await.map(drop),
        lake.users(users(UserSort::Revenue)).await.map(drop),
        lake.users(users(UserSort::UserId)).await.map(drop),
        lake.stats(stats).await.map(drop),
        lake.compact().await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_file_gives_an_error_that_names_a_file() {
    let disk = SimFs::new();
    let lake = Lake::open(simulated(&disk)).await.unwrap();
    let all = events(0..60, 3, 1);
    for half in all.chunks(30) {
        store(&lake, half).await;
        lake.roll().await.unwrap();
    }
    lake.close().await.unwrap();
    let is_data =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "parquet" || extension == "ids");
    let (mut asked, mut failed) = (0, 0);
    for path in disk.files().into_iter().filter(is_data) {
        let length = disk.read(&path).unwrap().len() as u64;
        // Damage to the footer, at the end, misleads readers most, so more of its bytes are tested.
        let offsets = (0..length).step_by(211).chain((length.saturating_sub(900)..length).step_by(29));
        for (number, offset) in offsets.enumerate() {
            let disk = disk.copy();
            disk.flip(&path, offset, 1 << (number % 8)).unwrap();
            let options = VerifyOptions::new("data").fs(Arc::new(disk.clone()));
            let report = verify(&options, &mut |_| {}).unwrap();
            let found: Vec<_> = report.damage().map(|finding| Path::new("data").join(&finding.path)).collect();
            assert_eq!(found, std::slice::from_ref(&path), "byte {offset}: {report}");
            let lake = Lake::open(simulated(&disk)).await.unwrap();
            for answer in ask(&lake).await {
                asked += 1;
                if let Err(error) = answer {
                    failed += 1;
                    let named = disk.files().iter().any(|file| error.to_string().contains(file.to_str().unwrap()));
                    assert!(named, "{} at {offset}: {error:?}", path.display());
                }
            }
            lake.close().await.unwrap();
        }
    }
    assert!(failed > 20 && failed < asked, "{failed} of {asked}");
}

#[tokio::test]
async fn rejects_only_events_that_no_file_can_hold() {
    let disk = SimFs::new();
    let lake = Lake::open(simulated(&disk)).await.unwrap();
    let sound = event(1, "u", START);
    let never =
        |number: u64, millis: i64| Event { occurred_at: Timestamp::from_millis(millis), ..event(number, "u", START) };
    let batch = [never(2, i64::MAX), sound.clone(), never(3, i64::MIN), sound.clone(), event(4, "u", START)];
    let appended = lake.append(&batch).await.unwrap();
    assert_eq!((appended.stored, &appended.duplicates[..]), (2, &[3][..]));
    assert_eq!(appended.rejected.iter().map(|Rejection { index, .. }| *index).collect::<Vec<_>>(), [0, 2]);
    lake.roll().await.unwrap();
    assert_eq!(all_ids(&lake).await, sorted_ids(&[sound, event(4, "u", START)]));
}
