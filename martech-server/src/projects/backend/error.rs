use std::{io, path::PathBuf};

use martech_core::{lake::LakeError, mongodb::MongoError, spool::SpoolError};

/// An error of opening, querying or closing a store.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// An error of the embedded store.
    #[error("{}", advised(.0))]
    Lake(#[from] LakeError),
    /// An error of MongoDB.
    #[error(transparent)]
    Mongo(#[from] MongoError),
    /// An error of the spool, which keeps events until MongoDB has them.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The database name of a project is too long for MongoDB.
    #[error("the database name {0} is too long for MongoDB; choose a shorter project id")]
    DatabaseName(String),
    /// Another process uses the data folder.
    #[error("another process uses the data folder {0}; each server needs its own folder")]
    Locked(PathBuf),
    /// The data folder cannot be used.
    #[error("cannot use {path}: {source}")]
    Folder {
        /// The path of the folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Returns the message of a lake error, with the command that helps.
pub(crate) fn advised(error: &LakeError) -> String {
    match error {
        LakeError::Damaged { .. } => {
            format!("{error}; `martech-server verify` says what is wrong and what can be done")
        }
        LakeError::Repairing(_) => format!("{error}; `martech-server repair` does that"),
        _ => error.to_string(),
    }
}
