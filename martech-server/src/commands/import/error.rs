//! Errors that end an import from the command line.

use std::io;

use martech_core::{lake::LakeError, mongodb::MongoError};

use crate::{
    import::{ImportError, chain},
    projects::backend::advised,
    records::RecordsError,
};

/// An error that ended an import. Events stored before the error stay stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The options contradict each other or do not fit the file.
    #[error("{0}")]
    Options(String),
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
    /// The runtime could not be created.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// The import of a file ended early.
    #[error(transparent)]
    File(#[from] ImportError),
    /// SIGINT or SIGTERM interrupted the import.
    #[error("interrupted; run the same command again to resume")]
    Interrupted,
}

impl From<LakeError> for CommandError {
    fn from(error: LakeError) -> Self {
        Self::Lake(error)
    }
}

impl CommandError {
    /// Returns the error and its causes on one line.
    pub(crate) fn chain(&self) -> String {
        chain(self)
    }
}
