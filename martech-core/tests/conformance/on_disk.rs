use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use martech_core::{
    Event,
    event::Timestamp,
    lake::{Lake, LakeOptions},
    testing::conformance::Subject,
};
use tempfile::TempDir;

/// Lakes in a temporary directory that roll and compact when disturbed.
pub(crate) struct OnDisk {
    root: TempDir,
    lakes: AtomicU64,
    set: fn(LakeOptions) -> LakeOptions,
}

impl OnDisk {
    pub(crate) fn new(set: fn(LakeOptions) -> LakeOptions) -> Self {
        Self { root: tempfile::tempdir().unwrap(), lakes: AtomicU64::new(0), set }
    }

    async fn lake(&self, dir: PathBuf) -> Lake {
        Lake::open((self.set)(LakeOptions::new(dir))).await.unwrap()
    }
}

impl Subject for OnDisk {
    type Event = Event;
    type Store = Lake;
    const PERSISTENT: bool = true;

    async fn open(&self) -> Lake {
        let number = self.lakes.fetch_add(1, Ordering::Relaxed);
        self.lake(self.root.path().join(number.to_string())).await
    }

    async fn reopen(&self, lake: Lake) -> Lake {
        let dir = lake.dir().to_owned();
        lake.close().await.unwrap();
        self.lake(dir).await
    }

    async fn remove_before(&self, lake: &Lake, before: Timestamp) -> Option<u64> {
        Some(lake.remove_before(before).await.unwrap())
    }

    async fn disturb(&self, lake: &Lake, random: u64) {
        match random % 4 {
            0 => {}
            1 | 2 => lake.roll().await.unwrap(),
            _ => lake.compact().await.unwrap(),
        }
    }
}
