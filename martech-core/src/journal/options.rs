use crate::setters::setters;

const SEGMENT_BYTES: u64 = 16 << 20;

/// Size limits of a journal.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JournalOptions {
    /// Maximum length of a segment in bytes. A single frame may be longer.
    pub segment_bytes: u64,
    /// Maximum size in bytes of all frames, on disk and waiting. Further frames fail with
    /// [`JournalError::Full`](super::JournalError::Full).
    pub capacity_bytes: u64,
}

impl JournalOptions {
    /// Returns the options for a capacity. The length of a segment is 16 MiB, or a quarter of a smaller capacity:
    /// trimming removes whole segments only.
    pub fn new(capacity_bytes: u64) -> Self {
        Self { segment_bytes: SEGMENT_BYTES.min(capacity_bytes / 4).max(1), capacity_bytes }
    }
}

setters! {
    JournalOptions {
        segment_bytes: u64,
    }
}
