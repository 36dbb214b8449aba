//! Files that may be absent.

use std::io;

/// Returns `None` if the file or folder does not exist. Another failure remains one.
pub(crate) fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
