//! The space on the disk.

use std::sync::atomic::{AtomicU64, Ordering};

/// Used bytes and capacity.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) used: AtomicU64,
    pub(super) capacity: AtomicU64,
}

impl Default for Space {
    fn default() -> Self {
        Self { used: AtomicU64::new(0), capacity: AtomicU64::new(u64::MAX) }
    }
}

impl Space {
    /// Takes up to `wanted` bytes. Returns the number taken.
    pub(super) fn take(&self, wanted: u64) -> u64 {
        let mut taken = 0;
        let take = |used: u64| {
            taken = wanted.min(self.capacity.load(Ordering::Acquire).saturating_sub(used));
            Some(used + taken)
        };
        // The closure always returns `Some`, so the update cannot fail.
        let _ = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken
    }

    pub(super) fn add(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
    }
}
