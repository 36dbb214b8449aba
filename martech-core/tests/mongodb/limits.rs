//! Inserts are split by the limits of the server or of the options.

use martech_core::{
    Appended, Store,
    mongodb::{Limits, MongoStore},
};

use crate::server::{Scratch, event, events};

#[tokio::test]
async fn default_limits_come_from_the_server() {
    let Some(scratch) = Scratch::new() else { return };
    let prepared = scratch.store().await.prepare().await.unwrap();
    assert!(prepared.limits.document_bytes >= 1 << 20 && prepared.limits.documents >= 1000, "{prepared:?}");
    assert_ne!(prepared.server_version, "unknown");
    assert_eq!(prepared.warnings, [""; 0]);
}

#[tokio::test]
async fn batch_larger_than_a_message_is_split() {
    let Some(scratch) = Scratch::new() else { return };
    let mut options = scratch.options();
    options.limits = Limits::NONE.document_bytes(40_000).message_bytes(60_000).documents(10);
    let store = MongoStore::new(options).await.unwrap();
    let large = |size: usize| event("u", &format!(r#"{{"text":"{}"}}"#, "x".repeat(size)));
    let mut batch: Vec<_> = events(0..25);
    batch.extend([large(30_000), large(30_000), large(100), large(30_000)]);
    assert_eq!(store.append(&batch).await.unwrap(), Appended::all(batch.len()));
    assert_eq!(store.count().await.unwrap(), batch.len() as u64);
}

#[tokio::test]
async fn oversized_document_is_rejected_alone() {
    let Some(scratch) = Scratch::new() else { return };
    let mut options = scratch.options();
    options.limits.document_bytes = 3000;
    let store = MongoStore::new(options).await.unwrap();
    let mut batch = events(0..5);
    batch.insert(2, event("u", &format!(r#"{{"text":"{}"}}"#, "x".repeat(3000))));
    let appended = store.append(&batch).await.unwrap();
    assert_eq!((appended.stored, appended.rejected.len(), appended.rejected[0].index), (5, 1, 2));
    assert!(appended.rejected[0].reason.contains("MongoDB accepts at most 3000"), "{appended:?}");
}

/// More than 16 MiB in one batch of events of the largest size that the model allows.
#[tokio::test]
async fn batch_larger_than_a_document_is_split() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    let large = |_| event("u", &format!(r#"{{"text":"{}"}}"#, "x".repeat(32_000)));
    let batch: Vec<_> = (0..560).map(large).collect();
    assert_eq!(store.append(&batch).await.unwrap(), Appended::all(560));
    assert_eq!(store.count().await.unwrap(), 560);
}
