/// Size limits of a journal.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// Maximum length of a segment in bytes. A single frame may be longer.
    pub segment_bytes: u64,
    /// Maximum size in bytes of all frames, on disk and waiting. Further frames fail with
    /// [`JournalError::Full`](super::JournalError::Full).
    pub capacity_bytes: u64,
}
