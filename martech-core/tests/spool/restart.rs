//! Restarts of the spool.

use std::time::Duration;

use martech_core::{
    Store,
    fs::FileSystem,
    spool::{SpoolError, Spooled, inspect},
    store::Advice,
    testing::SimFs,
};

use crate::{store::Behavior, *};

#[tokio::test(flavor = "multi_thread")]
async fn next_run_forwards_the_backlog() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    let spool = open(&disk, &store).await;
    append(&spool, 0..100).await;
    spool.forwarded().await;
    store.be(Behavior::Away);
    append(&spool, 100..200).await;
    let status = spool.close(LONG).await;
    assert_eq!(status.behind_events, 100, "closing does not wait for an unavailable store");
    assert_eq!(store.stored().len(), 100);

    store.be(Behavior::Well);
    let spool = open(&disk, &store).await;
    append(&spool, 200..300).await;
    let status = spool.close(LONG).await;
    assert_eq!(status.behind_events, 0);
    assert_eq!(store.sorted(), (0..300).collect::<Vec<_>>(), "nothing is sent twice after a clean end");
    assert!(store.letters().is_empty(), "events that stay in the journal are no dead letters");

    let spool = open(&disk, &store).await;
    spool.forwarded().await;
    assert_eq!((store.stored().len(), spool.status().behind_events), (300, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_spool_rejects_appends_and_can_be_closed_again() {
    let store = TestStore::new();
    let spool = open(&SimFs::new(), &store).await;
    append(&spool, [1]).await;
    spool.close(LONG).await;
    assert_eq!(spool.append(&[2]).await.unwrap_err().advice(), Advice::Fatal);
    spool.forwarded().await;
    spool.close(LONG).await;
    assert_eq!(store.stored(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn close_does_not_wait_for_a_stalled_store() {
    let store = TestStore::new();
    store.be(Behavior::Stalled);
    let (disk, patience) = (SimFs::new(), Duration::from_millis(50));
    let spool = open(&disk, &store).await;
    append(&spool, 0..30).await;
    until("it is being appended", || store.appends() > 0).await;
    let waiter = tokio::spawn({
        let stored = spool.stored(LONG);
        async move { stored.append(&[99]).await }
    });
    until("the waiter's event is durable", || spool.status().behind_events == 31).await;
    let status = tokio::time::timeout(LONG, spool.close(patience)).await.unwrap();
    assert_eq!(status.behind_events, 31);
    assert_eq!(waiter.await.unwrap().unwrap_err().advice(), Advice::Retry, "waiting callers get an error");
    store.be(Behavior::Well);
    let spool = open(&disk, &store).await;
    spool.forwarded().await;
    assert_eq!(store.sorted(), (0..30).chain([99]).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn second_process_cannot_open_the_spool() {
    let (dir, store) = (tempfile::tempdir().unwrap(), TestStore::new());
    let spool = try_open(SpoolOptions::new(dir.path()), &store).await.unwrap();
    let refused = try_open(SpoolOptions::new(dir.path()), &store).await.unwrap_err();
    assert!(matches!(&refused, SpoolError::Locked(locked) if locked == dir.path()), "{refused}");
    spool.close(LONG).await;
    let spool = try_open(SpoolOptions::new(dir.path()), &store).await.unwrap();
    drop(spool);
    // A spool that is dropped without `close` releases its lock a little later.
    let opens = async {
        while try_open(SpoolOptions::new(dir.path()), &store).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, opens).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_another_type_are_kept() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    store.be(Behavior::Away);
    let spool = open(&disk, &store).await;
    append(&spool, 0..3).await;
    spool.close(LONG).await;

    let words = martech_core::MemoryStore::<String>::new();
    let spool = Spooled::open(options(&disk), words.clone(), |_| {}).await.unwrap();
    spool.forwarded().await;
    let status = spool.status();
    assert!(status.halted && status.behind_events == 3, "{status:?}");
    assert!(status.error.unwrap().contains("cannot read"));
    spool.close(LONG).await;
    assert!(words.is_empty());

    store.be(Behavior::Well);
    let spool = open(&disk, &store).await;
    spool.forwarded().await;
    assert_eq!(store.sorted(), [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_journal_is_rejected() {
    use martech_core::journal::{Journal, JournalOptions};
    let disk = SimFs::new();
    let options = JournalOptions::new(1 << 20).segment_bytes(1 << 20);
    let (journal, _) = Journal::open(Arc::new(disk.clone()), Path::new("/spool/journal"), options).unwrap();
    journal.append(&b"no spool wrote this"[..]).await.unwrap();
    drop(journal);
    let error = try_open(crate::options(&disk), &TestStore::new()).await.unwrap_err();
    assert!(matches!(error, SpoolError::Foreign { sequence: 1, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_reads_a_closed_spool() {
    let (dir, store) = (tempfile::tempdir().unwrap(), TestStore::new());
    let fs: Arc<dyn FileSystem> = Arc::new(martech_core::fs::Disk);
    assert!(inspect::<u64>(&fs, &dir.path().join("none")).unwrap().is_none());

    let spool = try_open(SpoolOptions::new(dir.path()), &store).await.unwrap();
    assert!(matches!(inspect::<u64>(&fs, dir.path()), Err(SpoolError::Locked(_))));
    append(&spool, 0..10).await;
    spool.forwarded().await;
    store.be(Behavior::Away);
    append(&spool, 10..30).await;
    append(&spool, 30..35).await;
    spool.close(LONG).await;

    let found = inspect::<u64>(&fs, dir.path()).unwrap().unwrap();
    assert!(found.is_sound(), "{found:?}");
    assert_eq!((found.forwarded, found.behind_events, found.journal.frames), (1, 25, 3));
    let found = inspect::<String>(&fs, dir.path()).unwrap().unwrap();
    assert!(!found.is_sound());
    assert_eq!(found.unreadable.iter().map(|frame| frame.sequence).collect::<Vec<_>>(), [2, 3]);
}
