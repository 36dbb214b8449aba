//! What the background work has done, counted.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::timing::{TotalTime, seconds};

/// Rolls or compactions since the lake was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkStats {
    /// Those that became visible.
    pub done: u64,
    /// Those that failed; what they were about is as it was before.
    pub failed: u64,
    /// How long all of them took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64))]
    pub time: Duration,
}

/// Counts one kind of work.
#[derive(Debug, Default)]
pub(super) struct Work {
    done: AtomicU64,
    failed: AtomicU64,
    time: TotalTime,
}

/// A piece of work that has begun. It counts as failed unless it is done, also where it panics.
pub(super) struct Piece<'a> {
    work: &'a Work,
    begun: Instant,
    counter: Option<&'a AtomicU64>,
}

impl Work {
    pub(super) fn begin(&self) -> Piece<'_> {
        Piece { work: self, begun: Instant::now(), counter: Some(&self.failed) }
    }

    pub(super) fn stats(&self) -> WorkStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkStats { done: count(&self.done), failed: count(&self.failed), time: self.time.get() }
    }
}

impl Piece<'_> {
    /// It has become visible.
    pub(super) fn done(mut self) {
        self.counter = Some(&self.work.done);
    }

    /// It was stopped half-way, which is no failure.
    pub(super) fn stopped(mut self) {
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
