use std::{io, path::PathBuf};

use crate::{journal::JournalError, sink::ConfigError};

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process has it open.
    #[error("the spool {0} is in use by another process; each needs a folder of its own")]
    Locked(PathBuf),
    /// The folder, or a file in it, could not be made or read.
    #[error("the spool {path} cannot be opened: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What lies in the folder was not written by a spool, or by one of a newer version. Nothing was changed.
    #[error("frame {sequence} in {path} is none of a spool: {reason}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Of the frame.
        sequence: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The settings of the inner sink make no sense.
    #[error("the sink of the spool cannot be built: {0}")]
    Sink(#[from] ConfigError),
}
