//! Export of all events of a lake.

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
async fn exports_each_event_once_from_any_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path()).await;
    let mut all = events(0..2000, 40, 4);
    for (round, batch) in all.chunks(300).enumerate() {
        store(&lake, batch).await;
        match round {
            1 | 2 | 4 => lake.roll().await.unwrap(),
            3 => lake.compact().await.unwrap(),
            // The last batches remain in the hot table.
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
    // A cursor that matches no event, and events that arrive during the export.
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
