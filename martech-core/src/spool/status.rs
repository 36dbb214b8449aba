use std::time::Duration;

use serde::Serialize;

use crate::timing::seconds;

/// Status of a spool and of the store behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SpoolStatus {
    /// `true` if the store answered the last append; absent before the first answer.
    pub connected: Option<bool>,
    /// Events that are durable here and that the store does not have yet.
    pub behind_events: u64,
    /// Size of these events in the journal, in bytes.
    pub behind_bytes: u64,
    /// Age of the oldest of these events, in seconds.
    #[serde(rename = "behindSeconds", serialize_with = "seconds")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64))]
    pub behind: Duration,
    /// Size of the journal on disk, in bytes. Part of it may be forwarded already.
    pub bytes: u64,
    /// Maximum size of the journal, in bytes.
    pub capacity_bytes: u64,
    /// Events made durable in the store by this process.
    pub stored: u64,
    /// Events that the store already had.
    pub duplicates: u64,
    /// Events that the store rejected permanently. They went to the dead-letter handler.
    pub rejected: u64,
    /// Appends repeated at the store's request.
    pub retries: u64,
    /// Number of damaged parts of the journal.
    pub damage: u64,
    /// The store's error when it is not connected, or the reason why forwarding has halted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `true` if forwarding has halted for the rest of this process. The content of the journal stays there.
    pub halted: bool,
    /// `true` if the journal accepts nothing more in this process, after a disk failure.
    pub poisoned: bool,
}
