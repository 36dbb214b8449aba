//! Urgency: a caller that awaits a receipt ends the linger of its batch.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::Notify;

use crate::sync::AtomicBool;

/// Whether the events of one batch should be flushed without lingering. Exists only in sinks that linger.
#[derive(Debug)]
pub(super) struct Urgency {
    urgent: AtomicBool,
    /// Wakes a flush slot.
    work: Arc<Notify>,
}

impl Urgency {
    pub(super) fn new(work: Arc<Notify>) -> Self {
        Self { urgent: AtomicBool::new(false), work }
    }

    /// Ends the linger of the batch, and wakes a flush slot the first time.
    pub(super) fn request(&self) {
        if self.mark() {
            self.work.notify_one();
        }
    }

    /// Like [`request`](Self::request), but wakes no flush slot. Returns whether the batch was not urgent before.
    pub(super) fn mark(&self) -> bool {
        // The load keeps the cache line shared for all but the first caller.
        !self.is_urgent() && !self.urgent.swap(true, Ordering::AcqRel)
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::Acquire)
    }
}
