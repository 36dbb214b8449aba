//! How much room the disk of the data folder has, and whether that is enough for public senders.
//!
//! Anybody can fill a disk. So events that come without a key, or with the key of a page, are taken as long as so much is free as
//! the settings say, and what is left is for those with a secret key and for the store's own work.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use martech_core::event::Sender;
use tokio::task::JoinSet;

use crate::error::ApiError;

/// How often the disk is asked.
const EVERY: Duration = Duration::from_secs(1);
/// When senders may ask again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Watches the free space of a folder's disk. Cheap to ask.
#[derive(Debug)]
pub(crate) struct Space {
    floor: u64,
    /// In bytes. More than there can be where nobody knows.
    free: Arc<AtomicU64>,
    /// Ends when this is dropped.
    _watch: JoinSet<()>,
}

impl Space {
    /// From now on. To be called in a runtime.
    pub(crate) fn watch(dir: PathBuf, floor: u64) -> Self {
        let free = Arc::new(AtomicU64::new(free_of(&dir).unwrap_or(u64::MAX)));
        let (seen, mut watch) = (free.clone(), JoinSet::new());
        watch.spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let dir = dir.clone();
                // A disk that is far away may take its time.
                if let Ok(Some(free)) = tokio::task::spawn_blocking(move || free_of(&dir)).await {
                    seen.store(free, Ordering::Relaxed);
                }
            }
        });
        Self { floor, free, _watch: watch }
    }

    /// Takes events of a sender, or refuses them before their body is read.
    pub(crate) fn admit(&self, sender: Sender) -> Result<(), ApiError> {
        if !sender.is_public() || !self.is_short() {
            return Ok(());
        }
        let message =
            "the disk is nearly full: only events with a secret key are taken until there is room; send it again later";
        Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "disk_space_low", message).retry_after(RETRY_AFTER))
    }

    /// Whether public senders are refused.
    pub(crate) fn is_short(&self) -> bool {
        self.free.load(Ordering::Relaxed) < self.floor
    }

    /// What is free, in bytes; `None` where the system does not tell.
    pub(crate) fn free(&self) -> Option<u64> {
        Some(self.free.load(Ordering::Relaxed)).filter(|free| *free != u64::MAX)
    }

    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }
}

/// What may still be written by who is not the superuser.
fn free_of(dir: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(dir);
    let found = found.inspect_err(|error| tracing::debug!(%error, "the free space of the disk is not known")).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
