//! Errors that end an import.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use martech_core::{
    lake::LakeError,
    mongodb::MongoError,
    sink::{ConfigError, NotStored, Refusal},
};

use super::layout::LayoutError;
use crate::{projects::backend::advised, records::RecordsError};

/// An error that ended an import. Events stored before the error stay stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The options contradict each other or do not fit the file.
    #[error("{0}")]
    Options(String),
    /// A file could not be opened or read to its end.
    #[error("cannot read {name}")]
    Read {
        /// The name of the source.
        name: String,
        /// The underlying error.
        #[source]
        source: io::Error,
    },
    /// A file of the import, such as its state file, could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: io::Error,
    },
    /// The rejects file could not be written.
    #[error("cannot write the rejects to {path}; set another file with --rejects", path = path.display())]
    Rejects {
        /// The path of the file.
        path: PathBuf,
        /// The underlying error.
        #[source]
        source: io::Error,
    },
    /// The temporary file that counts equal records could not be created or used.
    #[error("cannot create a temporary file in {}, which files with so many records need; set another folder with --rejects", dir.display())]
    Temporary {
        /// The folder of the temporary file.
        dir: PathBuf,
        /// The underlying error.
        #[source]
        source: io::Error,
    },
    /// The project does not exist.
    #[error("there is no project {project}; existing projects: {there}")]
    NoProject {
        /// The requested project.
        project: String,
        /// The existing projects, separated by commas.
        there: String,
    },
    /// The server does not accept the token.
    #[error("{url} rejected the token in MARTECH_TOKEN; use the admin token or a write key")]
    Token {
        /// The server's URL.
        url: String,
    },
    /// The server refuses events from this sender.
    #[error("{url} refuses events with {status}: {message}")]
    Forbidden {
        /// The server's URL.
        url: String,
        /// The status of the response.
        status: u16,
        /// The server's message.
        message: String,
    },
    /// The URL has no route for events.
    #[error("{url} is not a martech server: it has no POST /events")]
    NotAServer {
        /// The URL.
        url: String,
    },
    /// The server at the URL cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The server's URL.
        url: String,
        /// The underlying error.
        reason: String,
    },
    /// The data folder could not be opened or closed.
    #[error("cannot use the data folder: {}", advised(.0))]
    Lake(LakeError),
    /// MongoDB cannot be used.
    #[error("cannot use the database")]
    Mongo(#[from] MongoError),
    /// The projects in the database cannot be read.
    #[error("cannot read the list of projects")]
    Projects(#[from] RecordsError),
    /// The store or the server neither stored nor rejected an event.
    #[error("cannot store the events")]
    NotStored(#[from] NotStored),
    /// The sink accepts no more events.
    #[error("cannot store the events")]
    Refused(#[from] Refusal),
    /// The sink could not be created.
    #[error("cannot store the events")]
    Sink(#[from] ConfigError),
    /// The runtime could not be created.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// A thread of the import ended unexpectedly.
    #[error("an import thread stopped unexpectedly; this is a bug")]
    Stopped,
    /// SIGINT or SIGTERM interrupted the import.
    #[error("interrupted; run the same command again to resume")]
    Interrupted,
}

impl From<LakeError> for ImportError {
    fn from(error: LakeError) -> Self {
        Self::Lake(error)
    }
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

    /// Returns the error and its causes on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl From<LayoutError> for ImportError {
    fn from(error: LayoutError) -> Self {
        Self::Options(error.to_string())
    }
}
