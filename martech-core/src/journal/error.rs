use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::store::StoreError;

/// Retry delay for a batch when the journal is full.
const FULL: Duration = Duration::from_millis(100);
/// Retry delay after a failed write.
const WRITE_FAILED: Duration = Duration::from_secs(1);

/// Error of a journal operation. Cheap to clone, because one failure is reported to a whole group.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The journal has reached its capacity. Trim it, then retry.
    #[error("the journal is full")]
    Full,
    /// Too many frames or bytes wait for the disk. Retry shortly.
    #[error("the journal queue is full")]
    Busy,
    /// The payload exceeds the maximum length.
    #[error("a payload of {len} bytes exceeds the limit of {max} bytes")]
    TooLarge {
        /// Length of the payload in bytes.
        len: usize,
        /// Maximum length of a payload in bytes.
        max: usize,
    },
    /// The disk is full. The frame was not written, and the journal continues when space is available.
    #[error("no disk space left for the journal")]
    NoSpace {
        /// Error from the operating system.
        #[source]
        cause: Arc<io::Error>,
    },
    /// A write failed. The frame was not written, and the journal continues.
    #[error("cannot write to the journal")]
    Write {
        /// Error from the operating system.
        #[source]
        cause: Arc<io::Error>,
    },
    /// The state of the disk is unknown, so the journal accepts nothing until it is reopened. The failed frame may or
    /// may not be present then.
    #[error("the journal stopped after a disk failure")]
    Poisoned {
        /// The failure that stopped the journal.
        #[source]
        cause: Arc<io::Error>,
    },
    /// A file or directory of the journal could not be opened, read or removed.
    #[error("the journal cannot access {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Error from the operating system.
        #[source]
        cause: Arc<io::Error>,
    },
    /// Bytes that were valid when the journal was opened are now damaged. Reading continues after them.
    #[error("{len} bytes at offset {offset} of {} are damaged", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Offset of the damage in the segment, in bytes.
        offset: u64,
        /// Length of the damage in bytes.
        len: u64,
    },
    /// The segment has a newer format version. Nothing was changed.
    #[error("{} has version {version}, which this program does not support", path.display())]
    UnsupportedVersion {
        /// The segment.
        path: PathBuf,
        /// Version in the segment's header.
        version: u32,
    },
}

impl JournalError {
    /// Returns the error for a failed write that left nothing behind.
    pub(super) fn write(cause: io::Error) -> Self {
        let no_space = matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let cause = Arc::new(cause);
        if no_space { Self::NoSpace { cause } } else { Self::Write { cause } }
    }

    /// Maps an I/O error at `path` to [`Io`](Self::Io).
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<'_> {
        move |cause| Self::Io { path: path.to_owned(), cause: Arc::new(cause) }
    }
}

/// Maps journal errors to the answers of a store that keeps its batches in a journal.
impl From<JournalError> for StoreError {
    fn from(error: JournalError) -> Self {
        match &error {
            JournalError::Full | JournalError::Busy => Self::retry_after(FULL, "the journal is full"),
            JournalError::Write { .. } | JournalError::NoSpace { .. } => {
                Self::retry_after(WRITE_FAILED, "cannot write to the journal")
            }
            JournalError::TooLarge { .. } => Self::refused("the batch exceeds the size limit of a journal frame"),
            _ => Self::fatal("the journal no longer accepts events"),
        }
        .with_source(error)
    }
}
