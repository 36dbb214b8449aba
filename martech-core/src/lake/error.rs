use std::{
    io,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
};

use crate::{journal::JournalError, query::QueryError};

/// Why a lake cannot be opened, rolled or read.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Another process has it open.
    #[error("the data folder {0} is in use by another process; stop that one, or choose another folder")]
    Locked(PathBuf),
    /// A file could not be read or written.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} is damaged: {message}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A file of a newer format. Nothing was changed.
    #[error("{path} has format {format}, which this program does not know")]
    UnknownFormat {
        /// Which file.
        path: PathBuf,
        /// The format that it states.
        format: u32,
    },
    /// There is no lake in the folder.
    #[error("{0} holds no lake")]
    NoLake(PathBuf),
    /// A repair was begun there and not brought to its end.
    #[error("a repair of {0} was interrupted, and has to be brought to its end")]
    Repairing(PathBuf),
    /// Parquet or Arrow failed.
    #[error("{path}: {source}")]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// What the library said.
        source: parquet::errors::ParquetError,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The question cannot be answered as it was put.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A thread of the lake ended in a panic; what it was doing did not happen.
    #[error("a task of the lake failed: {0}")]
    Task(String),
    /// The lake was closed.
    #[error("the lake is closed")]
    Closed,
}

pub(super) type Result<T, E = LakeError> = std::result::Result<T, E>;

/// A panic is a failure like others: a worker lives on, and those who wait for it hear of it.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(LakeError::Task("it panicked; the log says where".to_owned())))
}

/// Says of a result what was tried, and with which file.
pub(super) trait Context<T> {
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
