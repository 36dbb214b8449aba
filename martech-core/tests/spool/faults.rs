//! Faults of the disk, the store and the frames.

use martech_core::{
    Appended, Store, StoreError,
    store::Advice,
    testing::{Fault, Operation, SimFs},
};

use tokio::time::timeout;

use crate::{store::Behavior, *};

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_throttles_until_space_is_free() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    store.be(Behavior::Away);
    let spool = open(&disk, &store).await;
    disk.set_capacity(disk.used() + 2_000);
    let mut taken = 0;
    while spool.append(&(taken..taken + 50).collect::<Vec<_>>()).await.is_ok() {
        taken += 50;
    }
    let error = spool.append(&[u64::MAX; 500]).await.unwrap_err();
    assert!(matches!(error.advice(), Advice::RetryAfter(_)), "{error}");
    disk.set_capacity(u64::MAX);
    append(&spool, taken..taken + 50).await;
    store.be(Behavior::Well);
    spool.forwarded().await;
    assert_eq!(store.sorted(), (0..taken + 50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_fsync_rejects_appends_and_forwards_the_backlog() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    store.be(Behavior::Away);
    let spool = open(&disk, &store).await;
    append(&spool, 0..20).await;
    disk.inject(Fault::eio(Operation::Sync).below("/spool/journal"));
    assert_eq!(spool.append(&[20]).await.unwrap_err().advice(), Advice::Fatal);
    assert_eq!(spool.append(&[21]).await.unwrap_err().advice(), Advice::Fatal);
    assert!(spool.status().poisoned);
    store.be(Behavior::Well);
    spool.forwarded().await;
    assert_eq!(store.sorted(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn unsaved_watermark_only_repeats_events() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    let spool = open(&disk, &store).await;
    disk.inject(Fault::eio(Operation::Create).below("/spool/forwarded.tmp").forever());
    append(&spool, 0..50).await;
    spool.forwarded().await;
    spool.close(LONG).await;
    disk.heal();
    store.be(Behavior::Away);
    let spool = open(&disk, &store).await;
    assert_eq!(spool.status().behind_events, 50);
    store.be(Behavior::Well);
    spool.forwarded().await;
    assert_eq!((store.distinct().len(), store.stored().len()), (50, 100));
    spool.close(LONG).await;
    assert_eq!(open(&disk, &store).await.status().behind_events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn fatal_or_panicking_store_halts_without_loss() {
    for behavior in [Behavior::Finished, Behavior::Panics] {
        let (disk, store) = (SimFs::new(), TestStore::new());
        store.be(behavior);
        let spool = open(&disk, &store).await;
        append(&spool, 0..100).await;
        spool.forwarded().await;
        let status = spool.status();
        assert!(status.halted, "{status:?}");
        assert!(status.error.is_some_and(|error| error.contains(if behavior == Behavior::Finished {
            "all"
        } else {
            "panic"
        })));
        // Events are still stored durably in the spool.
        append(&spool, 100..120).await;
        let error = spool.stored(LONG).append(&[120]).await.unwrap_err();
        assert_eq!(error.advice(), Advice::Retry, "an append to a halted store fails at once: {error}");
        assert_eq!(spool.close(LONG).await.behind_events, 121);
        assert!(store.letters().is_empty());

        store.be(Behavior::Well);
        let spool = open(&disk, &store).await;
        spool.forwarded().await;
        assert_eq!(store.sorted(), (0..121).collect::<Vec<_>>());
    }
}

/// Panics when it is deserialized.
#[derive(Debug, Clone, serde::Serialize)]
struct Cursed;

impl<'de> serde::Deserialize<'de> for Cursed {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("as it must")
    }
}

struct Nowhere;

impl Store<Cursed> for Nowhere {
    async fn append(&self, batch: &[Cursed]) -> Result<Appended, StoreError> {
        panic!("{batch:?} cannot be read")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_deserialization_halts_with_an_error() {
    let spool = Spooled::open(options(&SimFs::new()), Nowhere, |_| ()).await.unwrap();
    spool.append(&[Cursed]).await.unwrap();
    timeout(LONG, spool.forwarded()).await.unwrap();
    let status = spool.close(LONG).await;
    assert!(status.halted && status.error.is_some_and(|error| error.contains("panicked")));
    assert_eq!(status.behind_events, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_frames_are_reported_and_later_ones_forwarded() {
    for at_rest in [true, false] {
        let (disk, store) = (SimFs::new(), TestStore::new());
        store.be(Behavior::Away);
        let spool = open(&disk, &store).await;
        for number in 0..10 {
            append(&spool, [number]).await;
        }
        let flip = || {
            let journal = disk.files().into_iter().find(|path| path.extension().is_some_and(|end| end == "log"));
            // Within the payload of the third frame.
            disk.flip(journal.unwrap(), 36 + 2 * (20 + 18) + 30, 1).unwrap();
        };
        let spool = if at_rest {
            spool.close(LONG).await;
            flip();
            store.be(Behavior::Well);
            open(&disk, &store).await
        } else {
            // Stalls the store before the rest is read. The limit of one frame in flight is used up by the first frame.
            spool.close(LONG).await;
            store.be(Behavior::Stalled);
            let spool = try_open(options(&disk).in_flight_bytes(1), &store).await.unwrap();
            until("the first is on its way", || store.appends() > 1).await;
            store.be(Behavior::Well);
            flip();
            spool
        };
        tokio::time::timeout(LONG, spool.forwarded()).await.unwrap();
        let found = store.distinct();
        if at_rest {
            assert_eq!(found, [0, 1, 3, 4, 5, 6, 7, 8, 9]);
            assert_eq!(spool.status().damage, 1);
        } else {
            // The frame may have been read before the bit flipped.
            assert!(found.len() >= 9, "{found:?}");
        }
        append(&spool, [10]).await;
        spool.forwarded().await;
        assert!(store.stored().contains(&10));
        assert_eq!(spool.status().behind_events, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_newest_frame_does_not_hide_new_events() {
    let (disk, store) = (SimFs::new(), TestStore::new());
    let spool = open(&disk, &store).await;
    append(&spool, [1]).await;
    append(&spool, [2]).await;
    spool.close(LONG).await;
    // The watermark is 2, and damage to the newest frame looks like a torn write.
    let journal = disk.files().into_iter().find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    let len = disk.read(&journal).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    disk.flip(&journal, len as u64, 0x40).unwrap();
    let spool = open(&disk, &store).await;
    append(&spool, [3]).await;
    spool.forwarded().await;
    assert_eq!(store.sorted(), [1, 2, 3], "its frame does not count as forwarded");
}
