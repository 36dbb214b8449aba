//! Errors that end the import of a file.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use martech_core::sink::{ConfigError, NotStored, Refusal};

use super::layout::LayoutError;

/// An error that ended the import of a file. Events stored before the error stay stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The options contradict each other or do not fit the file.
    #[error("{0}")]
    Options(String),
    /// The mapping options contradict each other, or do not fit the columns.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A file could not be opened or read to its end.
    #[error("cannot read {name}")]
    Read {
        /// The name of the source.
        name: String,
        #[source]
        source: io::Error,
    },
    /// A file of the import, such as its state file, could not be written.
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The rejects file could not be written.
    #[error("cannot write the rejects to {path}; set another file with --rejects", path = path.display())]
    Rejects {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The temporary file that counts equal records could not be created or used.
    #[error("cannot create a temporary file in {}, which files with so many records need; set another folder with --rejects", dir.display())]
    Temporary {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The store neither stored nor rejected an event.
    #[error("cannot store the events")]
    NotStored(#[from] NotStored),
    /// The sink accepts no more events.
    #[error("cannot store the events")]
    Refused(#[from] Refusal),
    /// The sink could not be created.
    #[error("cannot store the events")]
    Sink(#[from] ConfigError),
    /// A thread of the import ended unexpectedly.
    #[error("an import thread stopped unexpectedly; this is a bug")]
    Stopped,
}

impl ImportError {
    pub(super) fn read(name: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let name = name.into();
        move |source| Self::Read { name, source }
    }

    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}

/// Returns an error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
