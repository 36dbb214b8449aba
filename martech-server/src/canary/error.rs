use std::{error::Error, io, path::PathBuf, time::Duration};

use crate::backend::BackendError;

/// Why an event of the canary did not come back.
#[derive(Debug, thiserror::Error)]
pub(super) enum CanaryError {
    /// Its folder cannot be made empty.
    #[error("its folder {path} cannot be used: {source}")]
    Folder { path: PathBuf, source: io::Error },
    /// Its store cannot be opened.
    #[error("its store cannot be opened: {0}")]
    Open(String),
    /// The event was not taken, or not stored.
    #[error("it was not stored: {0}")]
    NotStored(String),
    /// The question for it was not answered.
    #[error("it could not be asked for: {0}")]
    NotRead(BackendError),
    /// What is too old cannot be removed.
    #[error("those of earlier days could not be removed: {0}")]
    NotForgotten(BackendError),
    /// It came back as another one.
    #[error("another event came back in its place")]
    Changed,
    /// It took too long.
    #[error("it did not come back within {0:?}")]
    Late(Duration),
    /// An earlier one took too long, and its work goes on.
    #[error("an earlier one is still on its way")]
    Stuck,
    /// A defect.
    #[error("the run panicked: {0}")]
    Panicked(String),
}

impl CanaryError {
    pub(super) fn open(error: &dyn Error) -> Self {
        Self::Open(with_causes(error))
    }

    pub(super) fn not_stored(error: &dyn Error) -> Self {
        Self::NotStored(with_causes(error))
    }
}

/// An error and what it comes from, for those that do not say so themselves.
fn with_causes(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}
