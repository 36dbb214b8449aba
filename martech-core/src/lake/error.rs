use std::{
    io,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
};

use crate::{journal::JournalError, query::QueryError};

/// An error of opening, rolling or reading a lake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
    /// Another process has the data folder open.
    #[error("the data folder {0} is in use by another process; stop that process or choose another folder")]
    Locked(PathBuf),
    /// A file could not be read or written.
    #[error("{action} {path}: {source}")]
    Io {
        /// The operation that failed.
        action: &'static str,
        /// The file of the operation.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file does not hold valid content.
    #[error("{path} is damaged: {message}")]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// A description of the damage.
        message: String,
    },
    /// A file has a newer format. Nothing was changed.
    #[error("{path} has format {format}, which this program does not support")]
    UnknownFormat {
        /// The file with the unknown format.
        path: PathBuf,
        /// The format that the file states.
        format: u32,
    },
    /// The lake has an older format. Nothing was changed.
    #[error("the lake in {0} has an older format; open it once with this program, which brings it to the present one")]
    OldFormat(PathBuf),
    /// The folder holds no lake.
    #[error("no lake in {0}")]
    NoLake(PathBuf),
    /// A repair of the folder was interrupted. Run the repair again before you open the lake.
    #[error("a repair of {0} was interrupted; run the repair again to finish it")]
    Repairing(PathBuf),
    /// Parquet or Arrow failed.
    #[error("{path}: {source}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The error of the library.
        source: parquet::errors::ParquetError,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The query is invalid.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A thread of the lake panicked. Its work had no effect.
    #[error("a lake task failed: {0}")]
    Task(String),
    /// The lake was closed.
    #[error("the lake is closed")]
    Closed,
}

pub(crate) type Result<T, E = LakeError> = std::result::Result<T, E>;

/// Runs `work` and turns a panic into an error, so that the worker continues and its callers get the error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(LakeError::Task("the task panicked; see the log".to_owned())))
}

/// Adds the operation and the file to an error.
pub(crate) trait Context<T> {
    fn context(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| LakeError::Io { action, path: path.into(), source })
    }
}

impl<T> Context<T> for parquet::errors::Result<T> {
    fn context(self, _action: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| LakeError::Parquet { path: path.into(), source })
    }
}

impl<T> Context<T> for std::result::Result<T, arrow_schema::ArrowError> {
    fn context(self, _action: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| LakeError::Parquet { path: path.into(), source: source.into() })
    }
}
