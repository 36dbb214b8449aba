//! Statistics of a sink.

use std::time::Duration;

use serde::Serialize;

use super::{EventOutcome, FlushCounts, FlushOutcome, NotStored, Outcome};
use crate::timing::seconds;

/// Counters of a sink, all read at the same moment.
///
/// Invariant: `accepted = stored + duplicates + rejected + dead_lettered + returned + pending`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SinkStats {
    /// Accepted events.
    pub accepted: u64,
    /// Events made durable by this sink.
    pub stored: u64,
    /// Events that the store already had.
    pub duplicates: u64,
    /// Events that the store rejected permanently. They went to the dead-letter handler.
    pub rejected: u64,
    /// Events given up because retries were exhausted or the sink was poisoned. They also went to the dead-letter
    /// handler.
    pub dead_lettered: u64,
    /// Events returned by `close`.
    pub returned: u64,
    /// Events waiting or being appended.
    pub pending: u64,
    /// Size of the pending events in bytes.
    pub pending_bytes: u64,
    /// Pushes waiting for room.
    pub waiting: u64,
    /// Calls of `try_push` and `try_push_batch` that found no room.
    pub refused: u64,
    /// Appends repeated at the store's request.
    pub retries: u64,
    /// Events settled per second, averaged over the last seconds; zero before the first settlement.
    pub drain_per_second: u64,
    /// Age of the oldest pending event; zero if there is none.
    #[serde(rename = "oldestSeconds", serialize_with = "seconds")]
    pub oldest: Duration,
    /// Time for which the store has settled no event although some are pending; zero if there are none.
    #[serde(rename = "stalledSeconds", serialize_with = "seconds")]
    pub stalled: Duration,
    /// Flushed batches, by reason and outcome.
    pub flushes: FlushCounts,
}

/// Number of events of one batch by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: u64,
    pub(super) dead_lettered: u64,
    pub(super) returned: u64,
}

impl Tally {
    /// Counts the outcomes of `events` events, all of which are stored except `exceptions`.
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

    /// Whether the store decided about any of these events.
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
