use std::time::Duration;

use serde::Serialize;

use crate::timing::seconds;

/// How a spool and the store behind it are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SpoolStatus {
    /// Whether the store answered the last append; `None` before the first answer.
    pub connected: Option<bool>,
    /// Events that are durable here and that the store does not have yet.
    pub behind_events: u64,
    /// What those take of the journal.
    pub behind_bytes: u64,
    /// How long the oldest of them has been here, in seconds.
    #[serde(rename = "behindSeconds", serialize_with = "seconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64))]
    pub behind: Duration,
    /// What the journal takes of the disk: a part of it may be forwarded already.
    pub bytes: u64,
    /// What it may take.
    pub capacity_bytes: u64,
    /// Events that the store has because of this process.
    pub stored: u64,
    /// Events that it had already.
    pub duplicates: u64,
    /// Events that it refuses for good; they went to the dead-letter handler.
    pub rejected: u64,
    /// Appends that were repeated because the store said so.
    pub retries: u64,
    /// Parts of the journal that were damaged.
    pub damage: u64,
    /// What the store said when it was not [connected](Self::connected), or why nothing is forwarded any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether nothing is forwarded any more in the life of this process. What is in the journal stays there.
    pub halted: bool,
    /// Whether the journal takes nothing any more in the life of this process, after a failure of its disk.
    pub poisoned: bool,
}
