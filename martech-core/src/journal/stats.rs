use std::time::Duration;

use serde::Serialize;

use crate::timing::seconds;

/// Statistics of a journal since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct JournalStats {
    /// Bytes on disk, in all segments.
    pub bytes: u64,
    /// Capacity in bytes, as in the options.
    pub capacity_bytes: u64,
    /// Number of segments.
    pub segments: usize,
    /// First sequence of the oldest segment.
    pub first_sequence: u64,
    /// Sequence of the newest durable frame, trimmed or not; 0 when there was none yet.
    pub last_sequence: u64,
    /// Frames waiting to become durable.
    pub queued_frames: u64,
    /// Bytes of the waiting frames.
    pub queued_bytes: u64,
    /// Groups of frames made durable.
    pub groups: u64,
    /// Calls of fsync for groups, new segments and directories.
    pub fsyncs: u64,
    /// Total time of these calls.
    #[serde(rename = "fsyncSeconds", serialize_with = "seconds")]
    pub fsync_time: Duration,
    /// `true` if the journal has stopped after a disk failure.
    pub poisoned: bool,
}
