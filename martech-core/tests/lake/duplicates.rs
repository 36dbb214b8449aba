use martech_core::{Store, event::Timestamp, lake::LakeOptions};

use crate::common::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_taken_once_wherever_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let first = events(0..500, 20, 3);
    let mut twice = first.clone();
    twice.extend_from_slice(&first[..7]);
    let appended = lake.append(&twice).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (500, (500..507).collect()));

    assert_eq!(lake.append(&first).await.unwrap().duplicates.len(), 500, "in the hot table");
    lake.roll().await.unwrap();
    assert_eq!(lake.append(&first).await.unwrap().duplicates.len(), 500, "in files");
    let mixed = [&first[100..200], &events(500..600, 20, 3)].concat();
    let appended = lake.append(&mixed).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (100, (0..100).collect()));
    lake.roll().await.unwrap();
    lake.compact().await.unwrap();
    assert_eq!(lake.append(&mixed).await.unwrap().duplicates.len(), 200, "in merged files");
    lake.close().await.unwrap();

    let lake = open(dir.path()).await;
    assert_eq!(lake.append(&mixed).await.unwrap().duplicates.len(), 200, "after opening");
    assert_eq!(all_ids(&lake).await.len(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_for_indexes_the_answer_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let lake = martech_core::lake::Lake::open(LakeOptions { dedupe_memory: 0, ..options(dir.path()) }).await.unwrap();
    let first = events(0..3000, 20, 2);
    store(&lake, &first).await;
    lake.roll().await.unwrap();
    let mixed = [&first[1000..], &events(3000..4000, 20, 2)].concat();
    let appended = lake.append(&mixed).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (1000, (0..2000).collect()));
    assert_eq!(lake.status().dedupe_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimated_time_is_looked_for_on_the_days_beside() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let midnight = Timestamp::from_millis(START - START % 86_400_000);
    let mut sent = event(1, "user", midnight.millis() - 5);
    sent.estimated_time = true;
    let mut again = event(1, "user", midnight.millis() + 5);
    again.estimated_time = true;
    store(&lake, &[sent]).await;
    assert_eq!(lake.append(std::slice::from_ref(&again)).await.unwrap().duplicates, [0], "hot");
    lake.roll().await.unwrap();
    assert_eq!(lake.append(std::slice::from_ref(&again)).await.unwrap().duplicates, [0], "in a file");
    // A time that the sender gave is not in doubt: another day, another event.
    again.estimated_time = false;
    store(&lake, &[again]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_of_the_same_events_store_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let all = events(0..2000, 50, 2);
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (lake, mut all) = (lake.clone(), all.clone());
            tokio::spawn(async move {
                all.rotate_left(writer * 250);
                let (mut stored, mut duplicates) = (0, 0);
                for batch in all.chunks(100) {
                    let appended = lake.append(batch).await.unwrap();
                    stored += appended.stored;
                    duplicates += appended.duplicates.len();
                    if writer == 0 {
                        lake.roll().await.unwrap();
                    }
                }
                (stored, duplicates)
            })
        })
        .collect();
    let mut sum = (0, 0);
    for writer in writers {
        let (stored, duplicates) = writer.await.unwrap();
        sum = (sum.0 + stored, sum.1 + duplicates);
    }
    assert_eq!(sum, (2000, 14_000));
    assert_eq!(all_ids(&lake).await, sorted_ids(&all));
}
