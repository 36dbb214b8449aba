use std::{io, path::PathBuf};

use martech_core::{lake::LakeError, mongodb::MongoError, spool::SpoolError};

/// Why a store cannot be opened, asked or closed.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The embedded store.
    #[error("{}", advised(.0))]
    Lake(#[from] LakeError),
    /// MongoDB.
    #[error(transparent)]
    Mongo(#[from] MongoError),
    /// What keeps events until MongoDB has them.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A project's database cannot have its name.
    #[error("MongoDB takes no name of a database as long as {0}; choose a shorter one for the project")]
    DatabaseName(String),
    /// Another process uses the data folder.
    #[error("the data folder {0} is in use by another process; each server needs a folder of its own")]
    Locked(PathBuf),
    /// The data folder cannot be used.
    #[error("cannot use {path}: {source}")]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a lake, and which command helps.
pub(crate) fn advised(error: &LakeError) -> String {
    match error {
        LakeError::Damaged { .. } => {
            format!("{error}; `martech-server verify` says what is wrong and what can be done")
        }
        LakeError::Repairing(_) => format!("{error}; `martech-server repair` does that"),
        _ => error.to_string(),
    }
}
