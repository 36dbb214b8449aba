//! Export of all events of a lake.

use martech_core::{
    Event,
    lake::{Export, LakeError},
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
    let key = |event: &Event| event.id;
    all.sort_by_key(key);
    let sorted = |mut events: Vec<Event>| {
        events.sort_by_key(key);
        events
    };

    let mut export = lake.export(None).await.unwrap();
    assert_eq!(export.cursor(), None);
    let (mut exported, mut cursors) = (Vec::new(), Vec::new());
    loop {
        let some = export.next(170).await.unwrap();
        if some.is_empty() {
            break;
        }
        exported.extend(some);
        cursors.push((exported.len(), export.cursor()));
    }
    assert_eq!(sorted(exported.clone()), all);
    for (place, cursor) in cursors {
        let export = lake.export(cursor).await.unwrap();
        assert_eq!(rest(export, 1000).await, exported[place..], "behind event {place}");
    }
    // Events that arrive, and files that are merged, during the export.
    let mut export = lake.export(None).await.unwrap();
    let first = export.next(10).await.unwrap();
    let (cursor, late) = (export.cursor(), events(3000..3100, 40, 4));
    store(&lake, &late).await;
    lake.roll().await.unwrap();
    lake.compact().await.unwrap();
    assert_eq!([first, rest(export, 500).await].concat(), exported);
    // An export that continues after a merge leaves out no event.
    let ids: std::collections::HashSet<_> =
        rest(lake.export(cursor).await.unwrap(), 500).await.iter().map(key).collect();
    assert!(exported[10..].iter().chain(&late).all(|event| ids.contains(&event.id)));
    lake.close().await.unwrap();
    assert!(matches!(lake.export(None).await, Err(LakeError::Closed)));
}
