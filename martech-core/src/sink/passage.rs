//! When a batch went its way, for those who trace.

use std::time::Instant;

use crate::store::Steps;

/// The way of a batch through the sink. All who had events in it had the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// A flush slot took it; before that it waited for one.
    pub taken: Instant,
    /// The fate of each of its events was known.
    pub settled: Instant,
    /// How many those were, of whomever.
    pub events: usize,
    /// What the store says of the time in between.
    pub steps: Steps,
}

impl Passage {
    /// That of two batches as if they had been one.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            taken: self.taken.min(other.taken),
            settled: self.settled.max(other.settled),
            events: self.events + other.events,
            steps: self.steps.and(other.steps),
        }
    }
}
