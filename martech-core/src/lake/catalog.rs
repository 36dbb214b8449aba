//! The catalog: which files are live, and up to which journal frame they hold everything.
//!
//! It is replaced as a whole, so that after a crash either the old or the new state is there. Its first line is the
//! state as JSON, its second the CRC32C of the first.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    error::{Context, LakeError, Result},
    layout::Layout,
};
use crate::fs::{self, Cursor};

/// The state of a lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Catalog {
    /// Of this format.
    format: u32,
    /// Everything up to this journal frame is in the files.
    pub(super) sequence: u64,
    /// The number of the next file.
    pub(super) next_file: u64,
    /// Files of events.
    pub(super) events: Vec<EventsEntry>,
    /// Files of users.
    pub(super) users: Vec<UsersEntry>,
}

/// A file of events of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EventsEntry {
    pub(super) id: u64,
    /// Counted from 1970-01-01.
    pub(super) day: i32,
    pub(super) rows: u64,
    /// With the id index.
    pub(super) bytes: u64,
    /// CRC32C of the Parquet file. Parquet has none of its own that is written, and not every flipped bit shows.
    pub(super) checksum: u32,
}

/// A file of what users did in some of the rolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UsersEntry {
    pub(super) id: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// CRC32C of the file.
    pub(super) checksum: u32,
}

const FORMAT: u32 = 1;

/// Reads a file of two lines: JSON with its `format`, and the CRC32C of the first in hexadecimal.
pub(super) fn load_sealed<T: DeserializeOwned>(layout: &Layout, path: PathBuf) -> Result<Option<T>> {
    let mut bytes = Vec::new();
    match layout.fs.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => Cursor::new(opened.context("cannot open", &path)?, 0).read_to_end(&mut bytes),
    }
    .context("cannot read", &path)?;
    let damaged = |message: String| LakeError::Damaged { path: path.clone(), message };
    let state = unseal(&bytes).map_err(|message| damaged(message.to_owned()))?;
    // Its checksum fits, so a number that is not known was written by a newer program: no damage.
    if let Ok(Format { format }) = serde_json::from_slice(state)
        && format != FORMAT
    {
        return Err(LakeError::UnknownFormat { path, format });
    }
    serde_json::from_slice(state).map(Some).map_err(|error| damaged(error.to_string()))
}

/// Replaces such a file as a whole.
pub(super) fn store_sealed(layout: &Layout, path: PathBuf, state: &impl Serialize) -> Result<()> {
    let state = serde_json::to_string(state).expect("numbers and text serialize without errors");
    let text = format!("{state}\n{:08x}\n", crc32c::crc32c(state.as_bytes()));
    fs::replace(&*layout.fs, &path, text.as_bytes()).context("cannot write", path)
}

/// The first line, when the second is its checksum and nothing follows.
fn unseal(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let (state, checksum) = bytes.split_last_chunk::<10>().ok_or("it is cut short")?;
    let expected = format!("\n{:08x}\n", crc32c::crc32c(state));
    if *checksum == *expected.as_bytes() { Ok(state) } else { Err("its checksum does not fit") }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { format: FORMAT, sequence: 0, next_file: 1, events: Vec::new(), users: Vec::new() }
    }
}

impl Catalog {
    /// Reads the catalog of a folder; `None` where there is none.
    pub(super) fn load(layout: &Layout) -> Result<Option<Self>> {
        load_sealed(layout, layout.catalog())
    }

    /// Makes this the state of the folder.
    pub(super) fn store(&self, layout: &Layout) -> Result<()> {
        store_sealed(layout, layout.catalog(), self)
    }

    /// The number of a new file.
    pub(super) fn take_file_id(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fs::Disk;

    #[test]
    fn comes_back_as_it_was_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout { fs: Arc::new(Disk), root: dir.path().to_owned() };
        assert_eq!(Catalog::load(&layout).unwrap(), None);
        let mut catalog = Catalog { sequence: 7, ..Catalog::default() };
        let id = catalog.take_file_id();
        catalog.events.push(EventsEntry { id, day: 20_000, rows: 3, bytes: 400, checksum: 5 });
        catalog.store(&layout).unwrap();
        assert_eq!(Catalog::load(&layout).unwrap(), Some(catalog));
        let bytes = std::fs::read(layout.catalog()).unwrap();
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            for damaged in [&damaged, &bytes[..index]] {
                std::fs::write(layout.catalog(), damaged).unwrap();
                assert!(matches!(Catalog::load(&layout), Err(LakeError::Damaged { .. })), "byte {index}");
            }
        }
        let newer = Catalog { format: 2, ..Catalog::default() };
        newer.store(&layout).unwrap();
        assert!(matches!(Catalog::load(&layout), Err(LakeError::UnknownFormat { format: 2, .. })));
    }
}
