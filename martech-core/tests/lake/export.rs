//! All events, for whoever copies a lake.

use martech_core::{
    Event,
    lake::{Export, ExportCursor, LakeError},
};

use crate::common::*;

async fn rest(mut export: Export, limit: usize) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let some = export.next(limit).await.unwrap();
        assert!(some.len() <= limit);
        if some.is_empty() {
            return events;
        }
        events.extend(some);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_exported_once_with_all_that_belongs_to_it_and_from_any_place_on() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let mut all = events(0..2000, 40, 4);
    for (round, batch) in all.chunks(300).enumerate() {
        store(&lake, batch).await;
        match round {
            1 | 2 | 4 => lake.roll().await.unwrap(),
            3 => lake.compact().await.unwrap(),
            // The last are still in the hot table.
            _ => {}
        }
    }
    all.sort_by_key(|event| (event.occurred_at.day(), event.user_id.clone(), event.occurred_at, event.id));

    let exported = rest(lake.export(None).await.unwrap(), 170).await;
    assert_eq!(exported, all);
    for place in [0, 1, 777, 1998, 1999] {
        let export = lake.export(Some(ExportCursor::of(&all[place]))).await.unwrap();
        assert_eq!(rest(export, 1000).await, all[place + 1..], "behind event {place}");
    }
    // A place that is no event's, and events that come meanwhile.
    let mut export =
        lake.export(Some(ExportCursor { user_id: "user-".to_owned(), ..ExportCursor::of(&all[0]) })).await.unwrap();
    let first = export.next(10).await.unwrap();
    store(&lake, &events(3000..3100, 40, 4)).await;
    lake.roll().await.unwrap();
    lake.compact().await.unwrap();
    assert_eq!([first, rest(export, 500).await].concat(), all);
    lake.close().await.unwrap();
    assert!(matches!(lake.export(None).await, Err(LakeError::Closed)));
}
