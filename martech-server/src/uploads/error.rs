//! Errors of uploads.

use std::io;

use super::{MAX_BYTES, MAX_RUNNING, MAX_UPLOADS};
use crate::import::{ImportError, chain};

/// An error of receiving, running or removing an upload.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// The file is larger than [`MAX_BYTES`].
    #[error("the file is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("there is no such import; another server may have it")]
    Unknown,
    #[error("a project has at most {MAX_UPLOADS} uploads; remove one first")]
    TooMany,
    #[error("an import of this project is running; wait for its end, or cancel it")]
    Running,
    #[error("{MAX_RUNNING} imports are running on this server, which is the limit; retry when one has finished")]
    Busy,
    #[error("the server is stopping")]
    Stopping,
    /// The file cannot be imported, whatever the options.
    #[error("{}", told(.0))]
    Unreadable(ImportError),
    /// The options do not fit the file.
    #[error("{}", told(.0))]
    Options(ImportError),
    #[error("cannot store the upload: {0}")]
    Folder(#[from] io::Error),
}

/// Returns the text of an error and its causes, in terms of the API.
pub(super) fn told(error: &ImportError) -> String {
    match error {
        // A person who imports cannot see the folders of the server.
        ImportError::Write { .. } | ImportError::Rejects { .. } | ImportError::Temporary { .. } => {
            tracing::error!(error = chain(error), "an import has failed");
            "the server cannot write the files of the import; its log has the cause".to_owned()
        }
        error => chain(error),
    }
}
