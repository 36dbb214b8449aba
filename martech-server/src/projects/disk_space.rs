//! The free space on the disk of the data folder, and admission of public senders by it.
//!
//! Public senders could fill the disk. Events without a key, or with a page key, are accepted only while the configured
//! minimum is free. The rest is for senders with a secret key and for the store itself.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use martech_core::event::Sender;
use tokio::task::JoinSet;

use super::IngestRefusal;

/// The interval between measurements.
const EVERY: Duration = Duration::from_secs(1);

/// Watches the free space of a folder's disk. Its methods read a cached value.
#[derive(Debug)]
pub(crate) struct DiskSpace {
    floor: u64,
    /// In bytes; `u64::MAX` if unknown.
    free: Arc<AtomicU64>,
    /// The task ends when this is dropped.
    _watch: JoinSet<()>,
}

impl DiskSpace {
    /// Starts to watch. Must be called in a Tokio runtime.
    pub(crate) fn watch(dir: PathBuf, floor: u64) -> Self {
        let free = Arc::new(AtomicU64::new(free_of(&dir).unwrap_or(u64::MAX)));
        let (seen, mut watch) = (free.clone(), JoinSet::new());
        watch.spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let dir = dir.clone();
                // A network disk may respond slowly.
                if let Ok(Some(free)) = tokio::task::spawn_blocking(move || free_of(&dir)).await {
                    seen.store(free, Ordering::Relaxed);
                }
            }
        });
        Self { floor, free, _watch: watch }
    }

    /// Rejects events of public senders while space is short, before their body is read.
    pub(crate) fn admit(&self, sender: Sender) -> Result<(), IngestRefusal> {
        if sender.is_public() && self.is_short() { Err(IngestRefusal::DiskSpaceLow) } else { Ok(()) }
    }

    /// Returns whether so many bytes leave the configured minimum free.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.free.load(Ordering::Relaxed).saturating_sub(self.floor) >= bytes && !self.is_short()
    }

    /// Returns whether public senders are rejected.
    pub(crate) fn is_short(&self) -> bool {
        self.free.load(Ordering::Relaxed) < self.floor
    }

    /// Returns the free space in bytes; `None` if it is unknown.
    pub(crate) fn free(&self) -> Option<u64> {
        Some(self.free.load(Ordering::Relaxed)).filter(|free| *free != u64::MAX)
    }

    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }
}

/// Returns the space available to unprivileged users, in bytes.
fn free_of(dir: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(dir);
    let found = found.inspect_err(|error| tracing::debug!(%error, "cannot read the free space of the disk")).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
