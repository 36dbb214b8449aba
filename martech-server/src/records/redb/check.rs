//! Checks the integrity of a file.

use std::{fs, path::Path};

use redb::{Database, StorageBackend, backends::InMemoryBackend};

use super::tables::{Failure, count};

/// Checks the integrity of a file by reading it from end to end, and returns the number of records. The file is only
/// read: recovery after a crash runs on a copy in memory.
pub(crate) fn check(path: &Path) -> Result<u64, String> {
    let looked = std::panic::catch_unwind(|| {
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        if bytes.is_empty() {
            return Err("it is empty".to_owned());
        }
        let memory = InMemoryBackend::new();
        let copied = memory.set_len(bytes.len() as u64).and_then(|()| memory.write(0, &bytes));
        copied.map_err(|error| format!("{error:?}"))?;
        let mut database = Database::builder().create_with_backend(memory).map_err(|error| error.to_string())?;
        match database.check_integrity() {
            Ok(true) => count(&database).map_err(|failure| match failure {
                Failure::File(error) => error.to_string(),
                Failure::Record(error) => error.to_string(),
            }),
            Ok(false) => Err("its pages contradict each other".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    });
    looked.unwrap_or_else(|_| Err("it cannot be read".to_owned()))
}
