use std::ops::Range;

use martech_core::{Event, Store, event::EventId, lake::Lake};
use uuid::Uuid;

use crate::common::*;

#[tokio::test(flavor = "multi_thread")]
async fn deduplicates_without_memory_for_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(options(dir.path()).dedupe_memory(0)).await.unwrap();
    let first = events(0..3000, 20, 2);
    store(&lake, &first).await;
    lake.roll().await.unwrap();
    let mixed = [&first[1000..], &events(3000..4000, 20, 2)].concat();
    let appended = lake.append(&mixed).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (1000, (0..2000).collect()));
    assert_eq!(lake.status().dedupe_bytes, 0);
}

/// Ids that start with their creation time, as server-generated ids do.
#[tokio::test(flavor = "multi_thread")]
async fn new_ids_skip_files_with_smaller_ids() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let made = |numbers: Range<u128>| -> Vec<Event> {
        let events = numbers.map(|number| Event { id: EventId(Uuid::from_u128(number << 64)), ..event(1, "u", START) });
        events.collect()
    };
    for first in [1000, 2000, 3000] {
        store(&lake, &made(first..first + 1000)).await;
        lake.roll().await.unwrap();
    }
    assert_eq!((lake.status().files, lake.status().dedupe_bytes), (3, 0), "no index was read");

    let old_and_new = [made(500..501), made(2999..3001), made(3500..3501), made(4000..4001)].concat();
    let appended = lake.append(&old_and_new).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (2, vec![1, 2, 3]));
    assert!(lake.status().dedupe_bytes > 0);
}
