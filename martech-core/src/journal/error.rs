use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::store::StoreError;

/// What to wait before a batch is offered again to a journal that has no room just now.
const FULL: Duration = Duration::from_millis(100);
/// What to wait after the disk refused a write.
const WRITE_FAILED: Duration = Duration::from_secs(1);

/// What went wrong. Cheap to clone, because one failure answers a whole group.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The journal holds as much as it may; trim it, then try again.
    #[error("the journal is full")]
    Full,
    /// Too much is waiting for the disk; try again in a moment.
    #[error("the journal's queue is full")]
    Busy,
    /// A payload that no journal takes.
    #[error("a payload of {len} bytes is over the limit of {max} bytes")]
    TooLarge {
        /// Length of the payload in bytes.
        len: usize,
        /// What is allowed, in bytes.
        max: usize,
    },
    /// The disk is full. Nothing of the frame is in the journal, which goes on when there is space again.
    #[error("no space is left for the journal")]
    NoSpace {
        /// What the system said.
        #[source]
        cause: Arc<io::Error>,
    },
    /// The disk refused a write. Nothing of the frame is in the journal, which goes on.
    #[error("the journal could not be written")]
    Write {
        /// What the system said.
        #[source]
        cause: Arc<io::Error>,
    },
    /// It is unknown what the disk holds, so the journal takes nothing any more until it is opened again.
    /// A frame that fails so may or may not be found then.
    #[error("the journal has stopped after a failure of its disk")]
    Poisoned {
        /// The failure.
        #[source]
        cause: Arc<io::Error>,
    },
    /// A file or directory of the journal could not be opened, read or removed.
    #[error("the journal failed at {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Arc<io::Error>,
    },
    /// Bytes that were sound when the journal was opened no longer are. Reading goes on behind them.
    #[error("{len} bytes at {offset} of {} are damaged", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the damage begins, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        len: u64,
    },
    /// A segment of a newer format. Nothing was changed.
    #[error("{} has version {version}, which this program does not know", path.display())]
    UnsupportedVersion {
        /// The segment.
        path: PathBuf,
        /// The version that it states.
        version: u32,
    },
}

impl JournalError {
    /// A write that failed and left nothing behind.
    pub(super) fn write(cause: io::Error) -> Self {
        let no_space = matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let cause = Arc::new(cause);
        if no_space { Self::NoSpace { cause } } else { Self::Write { cause } }
    }

    /// Turns an error of the file system at `path` into one of the journal.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<'_> {
        move |cause| Self::Io { path: path.to_owned(), cause: Arc::new(cause) }
    }
}

/// As a store that keeps its batches in a journal answers.
impl From<JournalError> for StoreError {
    fn from(error: JournalError) -> Self {
        match &error {
            JournalError::Full | JournalError::Busy => Self::retry_after(FULL, "the journal is full"),
            JournalError::Write { .. } | JournalError::NoSpace { .. } => {
                Self::retry_after(WRITE_FAILED, "the journal could not be written")
            }
            JournalError::TooLarge { .. } => Self::refused("the batch is larger than a frame of the journal"),
            _ => Self::fatal("the journal takes nothing any more"),
        }
        .with_source(error)
    }
}
