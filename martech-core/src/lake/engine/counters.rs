//! Counters of the background work.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::timing::{TotalTime, seconds};

/// Counters of rolls or of compactions since the lake was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct WorkStats {
    /// The number of rolls or compactions that succeeded. Their results are visible.
    pub done: u64,
    /// The number of rolls or compactions that failed. A failure changes nothing.
    pub failed: u64,
    /// The total time of all of them.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64))]
    pub time: Duration,
}

/// The counters of one kind of work.
#[derive(Debug, Default)]
pub(crate) struct Work {
    done: AtomicU64,
    failed: AtomicU64,
    time: TotalTime,
}

/// A piece of work in progress. It counts as failed unless it is marked as done, also if it panics.
pub(crate) struct Piece<'a> {
    work: &'a Work,
    begun: Instant,
    counter: Option<&'a AtomicU64>,
}

impl Work {
    pub(crate) fn begin(&self) -> Piece<'_> {
        Piece { work: self, begun: Instant::now(), counter: Some(&self.failed) }
    }

    pub(crate) fn stats(&self) -> WorkStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkStats { done: count(&self.done), failed: count(&self.failed), time: self.time.get() }
    }
}

impl Piece<'_> {
    /// Marks the piece as done: its result is visible.
    pub(crate) fn done(mut self) {
        self.counter = Some(&self.work.done);
    }

    /// Marks the piece as stopped. It counts neither as done nor as failed.
    pub(crate) fn stopped(mut self) {
        self.counter = None;
    }
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        let Some(counter) = self.counter else { return };
        counter.fetch_add(1, Ordering::Relaxed);
        self.work.time.add(self.begun.elapsed());
    }
}
