//! Figures of a sink.

use std::time::Duration;

use super::{EventOutcome, FlushCounts, FlushOutcome, NotStored, Outcome};

/// What a sink has done, read at one moment.
///
/// `accepted = stored + duplicates + rejected + dead_lettered + returned + pending`, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkStats {
    /// Events taken in.
    pub accepted: u64,
    /// Events that are durable because of this sink.
    pub stored: u64,
    /// Events that the store had already.
    pub duplicates: u64,
    /// Events that the store refuses for good. They went to the dead-letter handler.
    pub rejected: u64,
    /// Events given up for the store's sake: retries exhausted, or the sink poisoned. They went to the handler as well.
    pub dead_lettered: u64,
    /// Events that closing gave back.
    pub returned: u64,
    /// Events waiting or being appended.
    pub pending: u64,
    /// Their size in bytes.
    pub pending_bytes: u64,
    /// Pushes that wait for room.
    pub waiting: u64,
    /// Calls of `try_push` and `try_push_batch` that found no room.
    pub refused: u64,
    /// Appends that were repeated because the store said so.
    pub retries: u64,
    /// How many events the store settles in a second, averaged over the last seconds; zero before the first.
    pub drain_per_second: u64,
    /// How long the oldest of the pending events has waited; zero when none does.
    pub oldest: Duration,
    /// How long the store has settled no event although some wait; zero when none does.
    pub stalled: Duration,
    /// Batches that were flushed.
    pub flushes: FlushCounts,
}

/// What became of the events of one batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: u64,
    pub(super) dead_lettered: u64,
    pub(super) returned: u64,
}

impl Tally {
    /// Of `events` events, all are stored but those listed.
    pub(super) fn new(events: usize, exceptions: &[(usize, EventOutcome)]) -> Self {
        let mut tally = Self { stored: (events - exceptions.len()) as u64, ..Self::default() };
        for (_, outcome) in exceptions {
            let count = match outcome {
                Ok(Outcome::Stored) => &mut tally.stored,
                Ok(Outcome::Duplicate) => &mut tally.duplicates,
                Ok(Outcome::Rejected { .. }) => &mut tally.rejected,
                Err(NotStored::RetriesExhausted(_) | NotStored::Poisoned(_)) => &mut tally.dead_lettered,
                Err(NotStored::Returned) => &mut tally.returned,
            };
            *count += 1;
        }
        tally
    }

    /// Whether the store said anything of these events.
    pub(super) fn is_progress(&self) -> bool {
        self.stored + self.duplicates + self.rejected > 0
    }

    pub(super) fn flush_outcome(&self) -> FlushOutcome {
        if self.dead_lettered + self.returned == 0 { FlushOutcome::Answered } else { FlushOutcome::Failed }
    }
}

impl SinkStats {
    pub(super) fn add(&mut self, tally: Tally) {
        self.stored += tally.stored;
        self.duplicates += tally.duplicates;
        self.rejected += tally.rejected;
        self.dead_lettered += tally.dead_lettered;
        self.returned += tally.returned;
    }
}
