//! The reasons for which a project refuses events.

use std::{num::NonZero, time::Duration};

use super::availability::Unavailable;

/// The reason for which a project refuses a body of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IngestRefusal {
    /// Too many large or compressed bodies are on their way to the queue.
    Busy,
    /// The disk is nearly full, and the events are sent without a secret key.
    DiskSpaceLow,
    /// The store is known to fail.
    Unavailable(Unavailable),
    /// The store is behind, and the events are of more than `most` days.
    TooManyDays { most: usize },
    /// The quota of the day has `left` events left, and the body has `events`.
    QuotaExceeded { quota: NonZero<u64>, left: u64, events: usize, until_tomorrow: Duration },
}

impl IngestRefusal {
    /// Returns the time after which the events should be sent again.
    pub(crate) fn retry_after(self) -> Duration {
        match self {
            Self::Busy => Duration::from_secs(1),
            Self::DiskSpaceLow | Self::Unavailable(Unavailable { is_final: true }) => Duration::from_secs(30),
            Self::Unavailable(_) | Self::TooManyDays { .. } => Duration::from_secs(5),
            Self::QuotaExceeded { until_tomorrow, .. } => until_tomorrow,
        }
    }
}

impl From<Unavailable> for IngestRefusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}
