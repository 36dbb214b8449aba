//! Errors of uploads.

use std::io;

use super::{MAX_BYTES, MAX_ON_SERVER, MAX_RUNNING, MAX_UPLOADS};
use crate::{
    identity::ProjectId,
    import::{ImportError, chain},
};

/// An error of receiving, running or removing an upload.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// The file is larger than [`MAX_BYTES`].
    #[error("the file is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("there is no such import; another server may have it")]
    Unknown,
    /// The project was removed in the meantime.
    #[error("there is no project {0}")]
    NoProject(ProjectId),
    #[error("a project has at most {MAX_UPLOADS} uploads; remove one first")]
    TooMany,
    #[error("this server has {MAX_ON_SERVER} uploads, which is the limit; remove one first, or retry tomorrow")]
    TooManyOnServer,
    #[error("an import of this project is running; wait for its end, or cancel it")]
    Running,
    #[error("{MAX_RUNNING} imports are running on this server, which is the limit; retry when one has finished")]
    Busy,
    #[error("the server is stopping")]
    Stopping,
    #[error("the disk is almost full")]
    NoRoom,
    /// The file cannot be imported, whatever the options.
    #[error("{}", public_message(.0))]
    Unreadable(ImportError),
    /// The options do not fit the file.
    #[error("{}", public_message(.0))]
    Options(ImportError),
    #[error("cannot store the upload: {0}")]
    Folder(#[from] io::Error),
}

/// The message of an import that ended because the disk is almost full.
pub(super) const NO_ROOM: &str = "the disk of the server is almost full; free some space, and run the import again";

/// Returns whether an import failed because it could not store its files on a full disk.
pub(super) fn is_full_disk(error: &ImportError) -> bool {
    matches!(
        error,
        ImportError::Rejects { source, .. } | ImportError::Write { source, .. }
            if source.kind() == io::ErrorKind::StorageFull
    )
}

/// Returns the text of an error and its causes for people who import. They have no access to the folders, the store and
/// the log of the server.
pub(super) fn public_message(error: &ImportError) -> String {
    match error {
        error if is_full_disk(error) => NO_ROOM.to_owned(),
        ImportError::Write { .. } | ImportError::Rejects { .. } | ImportError::Temporary { .. } => {
            "the server cannot write the files of the import; its log has the cause".to_owned()
        }
        ImportError::NotStored(_) | ImportError::Refused(_) | ImportError::Sink(_) => {
            "the store did not take the events; the log of the server has the cause".to_owned()
        }
        ImportError::Options(_) | ImportError::Layout(_) | ImportError::Read { .. } | ImportError::Stopped => {
            chain(error)
        }
    }
}
