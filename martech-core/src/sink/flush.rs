//! Flush counters: batches by the reason for the flush and its outcome.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// Reason why a batch was flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FlushReason {
    /// The batch held `max_batch` events.
    Full,
    /// The oldest event of the batch had waited `flush_interval`. With a zero interval: a flush slot was free.
    Due,
    /// The sink was full and did not wait for the batch to grow.
    Backpressure,
    /// A caller requested a `flush`.
    Requested,
    /// The sink was closed or poisoned.
    Closing,
}

/// Outcome of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FlushOutcome {
    /// The store decided about every event: stored, duplicate or rejected.
    Answered,
    /// Some or all events were given up, or returned by `close`.
    Failed,
}

impl FlushReason {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::Full, Self::Due, Self::Backpressure, Self::Requested, Self::Closing];

    /// Returns the name used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Due => "due",
            Self::Backpressure => "backpressure",
            Self::Requested => "requested",
            Self::Closing => "closing",
        }
    }
}

impl FlushOutcome {
    /// Both outcomes.
    pub const ALL: [Self; 2] = [Self::Answered, Self::Failed];

    /// Returns the name used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
        }
    }
}

/// Number of flushed batches by reason and outcome. A batch counts once, even if it was appended several times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlushCounts([[u64; FlushOutcome::ALL.len()]; FlushReason::ALL.len()]);

impl FlushCounts {
    /// Returns the number of batches with this reason and outcome.
    pub fn get(&self, reason: FlushReason, outcome: FlushOutcome) -> u64 {
        self.0[reason as usize][outcome as usize]
    }

    /// Returns the number of all batches.
    pub fn total(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    pub(super) fn count(&mut self, reason: FlushReason, outcome: FlushOutcome) {
        self.0[reason as usize][outcome as usize] += 1;
    }
}

/// Serializes as a map by reason and outcome: `{"full": {"answered": 2, "failed": 0}, ...}`.
impl Serialize for FlushCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(FlushReason::ALL.map(|reason| {
            let outcomes = FlushOutcome::ALL.map(|outcome| (outcome.as_str(), self.get(reason, outcome)));
            (reason.as_str(), BTreeMap::from(outcomes))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serializes_counts_by_reason_and_outcome() {
        let mut counts = FlushCounts::default();
        counts.count(FlushReason::Full, FlushOutcome::Failed);
        let json = serde_json::to_value(counts).unwrap();
        assert_eq!(json["full"], serde_json::json!({"answered": 0, "failed": 1}));
        for reason in FlushReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert!(json[reason.as_str()].is_object(), "{json}");
        }
    }
}
