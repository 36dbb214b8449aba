//! Timing of a batch in the sink, for tracing.

use std::time::Instant;

use crate::store::Steps;

/// Timing of a batch in the sink. Shared by all events of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchTiming {
    /// Time at which a flush slot took the batch; before that, the batch waited for a slot.
    pub taken: Instant,
    /// Time at which the outcome of every event was known.
    pub settled: Instant,
    /// Number of events in the batch, from all producers.
    pub events: usize,
    /// Timing steps that the store reported for the time in between.
    pub steps: Steps,
}

impl BatchTiming {
    /// Combines the timing of two batches as if they were one.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            taken: self.taken.min(other.taken),
            settled: self.settled.max(other.settled),
            events: self.events + other.events,
            steps: self.steps.and(other.steps),
        }
    }
}
