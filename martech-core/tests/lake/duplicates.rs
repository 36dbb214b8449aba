use martech_core::{
    Store,
    lake::{Lake, LakeOptions},
};

use crate::common::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_for_indexes_the_answer_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(LakeOptions { dedupe_memory: 0, ..options(dir.path()) }).await.unwrap();
    let first = events(0..3000, 20, 2);
    store(&lake, &first).await;
    lake.roll().await.unwrap();
    let mixed = [&first[1000..], &events(3000..4000, 20, 2)].concat();
    let appended = lake.append(&mixed).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates), (1000, (0..2000).collect()));
    assert_eq!(lake.status().dedupe_bytes, 0);
}
