//! The write-ahead log: segmented append-only files with group commit.

use std::{path::Path, sync::Arc};

use crate::fs::FileSystem;

/// Sizes of a journal.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// A new segment begins when the current one has grown to this.
    pub segment_bytes: u64,
    /// What all segments together may hold; beyond it [`JournalError::Full`].
    pub capacity_bytes: u64,
}

/// What went wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The journal holds as much as it may; trim it, then try again.
    #[error("the journal is full")]
    Full,
}

/// What was found when a journal was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {}

/// A write-ahead log. Cheap to clone; the last clone stops the writer thread.
#[derive(Debug, Clone)]
pub struct Journal {}

/// What a journal holds and has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// On disk, all segments.
    pub bytes: u64,
    /// Sequence of the newest durable frame; 0 when there was none yet.
    pub last_sequence: u64,
}

/// A frame as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counts up by one from 1, over the whole life of the journal.
    pub sequence: u64,
    /// What was appended.
    pub payload: bytes::Bytes,
}

impl Journal {
    /// Opens or makes the journal in `dir`, cutting a torn tail and setting damage aside.
    pub fn open(
        _fs: Arc<dyn FileSystem>,
        _dir: &Path,
        _options: JournalOptions,
    ) -> Result<(Self, Recovery), JournalError> {
        unimplemented!()
    }

    /// Hands a payload to the writer thread and returns at once; `done` runs on that thread, in the order of
    /// sequences, when the frame is durable (with its sequence) or could not be made so.
    /// On `Err` here, `done` is dropped without being called.
    pub fn submit(
        &self,
        _payload: Vec<u8>,
        _done: impl FnOnce(Result<u64, JournalError>) + Send + 'static,
    ) -> Result<(), JournalError> {
        unimplemented!()
    }

    /// Appends a payload and waits until it is durable.
    pub async fn append(&self, _payload: Vec<u8>) -> Result<u64, JournalError> {
        unimplemented!()
    }

    /// Reads the durable frames behind a sequence, one after another, with bounded memory.
    pub fn read(&self, _after: u64) -> Box<dyn Iterator<Item = Result<Frame, JournalError>> + Send> {
        unimplemented!()
    }

    /// Removes the segments in which no frame is newer than `through`.
    pub fn trim(&self, _through: u64) -> Result<(), JournalError> {
        unimplemented!()
    }

    /// Figures.
    pub fn stats(&self) -> JournalStats {
        unimplemented!()
    }
}
