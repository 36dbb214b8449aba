//! The reasons for which a project refuses events.

use std::{num::NonZero, time::Duration};

use super::availability::Unavailable;

const FAILED: &str = "the store has failed and accepts no events until the server is restarted";
const UNAVAILABLE: &str = "the store is unavailable; retry after the time in Retry-After; see /health";

/// The reason for which a project refuses a body of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IngestRefusal {
    /// Too many large or compressed bodies are on their way to the queue.
    #[error("too many large or compressed bodies are being processed; retry after the time in Retry-After")]
    Busy,
    /// The disk is almost full, and the events are sent without a secret key.
    #[error("the disk is almost full; until there is room, only events sent with a secret key are accepted")]
    DiskSpaceLow,
    /// The store is known to fail.
    #[error("{}", if .0.is_final { FAILED } else { UNAVAILABLE })]
    Unavailable(Unavailable),
    /// The quota of the day has `left` events left, and the body has `events`.
    #[error(
        "this project has a quota of {quota} events a day, and {left} are left until midnight UTC; this body has {events}"
    )]
    QuotaExceeded { quota: NonZero<u64>, left: u64, events: usize, until_tomorrow: Duration },
}

impl IngestRefusal {
    /// Returns the time after which the events should be sent again.
    pub(crate) fn retry_after(self) -> Duration {
        match self {
            Self::Busy => Duration::from_secs(1),
            Self::DiskSpaceLow | Self::Unavailable(Unavailable { is_final: true }) => Duration::from_secs(30),
            Self::Unavailable(_) => Duration::from_secs(5),
            Self::QuotaExceeded { until_tomorrow, .. } => until_tomorrow,
        }
    }
}

impl From<Unavailable> for IngestRefusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}
