//! The free space on the disk of the data folder, and admission by it.
//!
//! - Public senders could fill the disk. Events without a key, or with a page key, are accepted only while the configured
//!   minimum is free. The rest is for senders with a secret key and for the store itself.
//! - Uploads and imports could fill the disk too. They stop earlier, while [`SPARE`] times the minimum is free, so that
//!   events are still accepted.

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

/// How many times the configured minimum is free as long as uploads and imports may go on.
const SPARE: u64 = 2;
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

    /// Returns whether an upload or an import may use so many bytes more.
    pub(crate) fn has_spare(&self, bytes: u64) -> bool {
        let left = self.free.load(Ordering::Relaxed).checked_sub(self.floor.saturating_mul(SPARE));
        left.is_some_and(|left| left >= bytes)
    }

    /// Completes when uploads and imports must stop.
    pub(crate) async fn spare_is_used(&self) {
        while self.has_spare(0) {
            tokio::time::sleep(EVERY).await;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn uploads_stop_before_public_senders() {
        let space = |floor| DiskSpace { floor, free: Arc::new(AtomicU64::new(1000)), _watch: JoinSet::new() };
        let roomy = space(400);
        assert_eq!((roomy.has_spare(0), roomy.has_spare(200), roomy.has_spare(201)), (true, true, false));
        let low = space(600);
        assert!(!low.is_short() && !low.has_spare(0));
        low.spare_is_used().await;
        assert!(space(0).has_spare(1000) && !space(u64::MAX).has_spare(0));
    }
}
