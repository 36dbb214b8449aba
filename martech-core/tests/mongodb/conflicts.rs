//! Events whose id is already stored.

use martech_core::{
    Event, EventType, Rejection, RejectionCode, Store,
    event::Timestamp,
    query::{JourneyQuery, Reader},
};
use mongodb::{IndexModel, bson::doc, options::IndexOptions};

use crate::server::{Scratch, event, events};

#[tokio::test]
async fn different_event_with_a_stored_id_is_rejected() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    let first = event("u", r#"{"a":1,"b":{"c":[1.5]}}"#);
    store.append(std::slice::from_ref(&first)).await.unwrap();
    let batch = [
        Event { received_at: Timestamp::from_millis(9), ..first.clone() },
        Event { properties: Some(r#"{"a":2}"#.to_owned()), session_id: Some("s".to_owned()), ..first.clone() },
        Event { user_id: "v".to_owned(), ..first.clone() },
        Event { event_type: EventType::SEARCH, ..first.clone() },
        Event { occurred_at: Timestamp::from_millis(first.occurred_at.millis() + 1), ..first.clone() },
        event("u", r#"{"new":1}"#),
    ];
    let appended = store.append(&batch).await.unwrap();
    assert_eq!((appended.stored, &appended.duplicates[..]), (1, &[0, 1][..]), "{appended:?}");
    assert_eq!(appended.rejected, [2, 3, 4].map(|index| Rejection::id_conflict(index, first.id)));
    let stored = store.journey(JourneyQuery::new("u")).await.unwrap().events;
    assert_eq!(stored.iter().find(|stored| stored.id == first.id).unwrap().properties, first.properties);
}

#[tokio::test]
async fn first_of_equal_ids_in_a_batch_wins() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    let first = event("u", r#"{"a":1}"#);
    let other = Event { user_id: "v".to_owned(), ..first.clone() };
    let unfit = event("u", r#"{"n":1e9999}"#);
    let batch = [first.clone(), other.clone(), first.clone(), unfit.clone(), unfit];
    let appended = store.append(&batch).await.unwrap();
    assert_eq!((appended.stored, &appended.duplicates[..]), (1, &[2][..]));
    let rejected: Vec<_> = appended.rejected.iter().map(|rejection| (rejection.index, &rejection.code)).collect();
    assert_eq!(
        rejected,
        [
            (1, &RejectionCode::ID_CONFLICT),
            (3, &RejectionCode::REJECTED_BY_STORE),
            (4, &RejectionCode::REJECTED_BY_STORE)
        ]
    );
    assert_eq!(store.count().await.unwrap(), 1);
}

/// A violation of another unique index does not make the event a duplicate.
#[tokio::test]
async fn foreign_unique_index_rejects_events() {
    let Some(scratch) = Scratch::new() else { return };
    let documents = scratch.documents().await;
    let options = IndexOptions::builder().unique(true).build();
    let index = IndexModel::builder().keys(doc! { "properties.order": 1 }).options(options).build();
    documents.create_index(index).await.unwrap();
    let store = scratch.store().await;
    let warnings = store.prepare().await.unwrap().warnings.clone();
    assert!(warnings.iter().any(|warning| warning.contains("is unique")), "{warnings:?}");
    let batch = [event("u", r#"{"order":1}"#), event("v", r#"{"order":1}"#), event("w", r#"{"order":2}"#)];
    let appended = store.append(&batch).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates.len(), appended.rejected.len()), (2, 0, 1), "{appended:?}");
    assert!(appended.rejected[0].reason.contains("E11000"), "{appended:?}");
}

#[tokio::test]
async fn many_duplicates_are_found_in_one_append() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    let batch = events(0..1500);
    store.append(&batch[500..]).await.unwrap();
    let appended = store.append(&batch).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (500, (500..1500).collect()));
    assert_eq!(store.count().await.unwrap(), 1500);
}
