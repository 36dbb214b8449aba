use std::{io, path::PathBuf};

use crate::{journal::JournalError, sink::ConfigError};

/// Error when opening or inspecting a spool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another process has the spool open.
    #[error("the spool {0} is in use by another process; each process needs its own folder")]
    Locked(PathBuf),
    /// The folder, or a file in it, could not be created or read.
    #[error("cannot open the spool {path}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Error from the operating system.
        source: io::Error,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The folder holds a frame that was not written by a spool, or was written by a newer version. The frame was not
    /// changed.
    #[error("frame {sequence} in {path} is not a spool frame: {reason}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Sequence of the frame.
        sequence: u64,
        /// The problem with the frame.
        reason: String,
    },
    /// The settings of the inner sink are invalid.
    #[error("cannot build the sink of the spool: {0}")]
    Sink(#[from] ConfigError),
}
