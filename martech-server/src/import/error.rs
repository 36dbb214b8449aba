//! Why an import ends before its time.

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
use crate::{RecordsError, backend::advised};

/// An import that could not be finished. What it stored until then stays stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Options that do not go together, or not with the file.
    #[error("{0}")]
    Options(String),
    /// A file could not be opened or read to its end.
    #[error("cannot read {name}")]
    Read {
        /// What was read.
        name: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// A file that belongs to the import could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The rejects could not be written.
    #[error("cannot write the rejects to {path}; --rejects names another file", path = path.display())]
    Rejects {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// There is no room to remember which records were read.
    #[error("cannot make a temporary file in {}, which files of so many records need; --rejects names another folder", dir.display())]
    Temporary {
        /// Where it should be.
        dir: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// There is no project of that name.
    #[error("there is no project {project}; there are: {there}")]
    NoProject {
        /// The one that was asked for.
        project: String,
        /// The existing projects, separated by commas.
        there: String,
    },
    /// The server does not know the token.
    #[error("{url} does not know the token in MARTECH_TOKEN; it is the admin token, or a write key")]
    Token {
        /// The server's URL.
        url: String,
    },
    /// The server at the URL cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The server's URL.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The data folder could not be opened or closed.
    #[error("cannot use the data folder: {}", advised(.0))]
    Lake(LakeError),
    /// MongoDB cannot be used.
    #[error("cannot use the database")]
    Mongo(#[from] MongoError),
    /// What the database says of projects cannot be read.
    #[error("cannot find out which projects there are")]
    Projects(#[from] RecordsError),
    /// The store, or the server, did not take an event and did not refuse it either.
    #[error("the events could not be stored")]
    NotStored(#[from] NotStored),
    /// The sink takes nothing any more.
    #[error("the events could not be stored")]
    Refused(#[from] Refusal),
    /// The sink could not be made.
    #[error("the events cannot be stored")]
    Sink(#[from] ConfigError),
    /// There is no runtime to run in.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// A thread of the import ended before its time.
    #[error("a thread of the import stopped; this is a bug")]
    Stopped,
    /// SIGINT or SIGTERM came.
    #[error("interrupted; the same command goes on from here")]
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

    /// The error and all that caused it, on one line.
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
