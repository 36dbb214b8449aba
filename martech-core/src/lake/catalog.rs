//! The catalog: which files are live, and up to which journal frame they hold everything.
//!
//! It is replaced as a whole, so that after a crash either the old or the new state is there. Its first line is the
//! state as JSON, its second the CRC32C of the first.

use std::{collections::HashSet, io, io::Read};

use serde::{Deserialize, Serialize};

use super::{
    error::{Context, LakeError, Result},
    layout::Layout,
    parquet_file::Tail,
    row,
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
    pub(super) tail: Tail,
}

/// A file of what users did in some of the rolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UsersEntry {
    pub(super) id: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) tail: Tail,
}

const FORMAT: u32 = 1;

/// Nothing in a lake is counted further.
const MAX_COUNT: u64 = 1 << 48;

impl Default for Catalog {
    fn default() -> Self {
        Self { format: FORMAT, sequence: 0, next_file: 1, events: Vec::new(), users: Vec::new() }
    }
}

impl Catalog {
    /// Reads the catalog of a folder, and makes an empty one where nothing is yet. From then on there always is one: files
    /// without a catalog are those of a lake that has lost it, and not leftovers that may go.
    pub(super) fn load_or_begin(layout: &Layout) -> Result<Self> {
        match Self::load(layout) {
            Err(LakeError::Io { source, path, .. }) if source.kind() == io::ErrorKind::NotFound => {
                if !layout.data_files()?.is_empty() {
                    return Err(LakeError::Damaged { path, message: "it is gone, and there are files".to_owned() });
                }
                let empty = Self::default();
                empty.store(layout)?;
                Ok(empty)
            }
            loaded => loaded,
        }
    }

    /// Reads the catalog of a folder.
    pub(super) fn load(layout: &Layout) -> Result<Self> {
        let path = layout.catalog();
        let mut bytes = Vec::new();
        let file = layout.fs.open(&path).context("cannot open", &path)?;
        Cursor::new(file, 0).read_to_end(&mut bytes).context("cannot read", &path)?;
        let catalog = str::from_utf8(&bytes).map_err(|_| "it is no text".to_owned()).and_then(Self::decode);
        catalog.map_err(|message| LakeError::Damaged { path, message })
    }

    fn decode(text: &str) -> Result<Self, String> {
        let (state, checksum) = text.trim_end().split_once('\n').ok_or("it has no checksum")?;
        if format!("{:08x}", crc32c::crc32c(state.as_bytes())) != checksum {
            return Err("its checksum does not fit".to_owned());
        }
        let catalog: Self = serde_json::from_str(state).map_err(|error| error.to_string())?;
        if catalog.format != FORMAT {
            return Err(format!("it has format {}, this program reads format {FORMAT}", catalog.format));
        }
        catalog.check()?;
        Ok(catalog)
    }

    /// No lake writes anything else; what is counted on from here on cannot overflow.
    fn check(&self) -> Result<(), String> {
        let events = self.events.iter().map(|file| (file.id, file.rows, file.bytes));
        let files = events.chain(self.users.iter().map(|file| (file.id, file.rows, file.bytes)));
        let mut ids = HashSet::new();
        for (id, rows, bytes) in files {
            if id >= self.next_file || !ids.insert(id) {
                return Err(format!("it gives the number {id} to a file that cannot have it"));
            }
            if rows > MAX_COUNT || bytes > MAX_COUNT {
                return Err(format!("it gives file {id} a size that no file has"));
            }
        }
        if self.sequence > MAX_COUNT || self.next_file > MAX_COUNT {
            return Err("it counts further than any lake comes".to_owned());
        }
        match self.events.iter().find(|file| !row::is_day(file.day)) {
            Some(file) => Err(format!("file {} is of the day {}, which no calendar has", file.id, file.day)),
            None => Ok(()),
        }
    }

    /// Makes this the state of the folder.
    pub(super) fn store(&self, layout: &Layout) -> Result<()> {
        let state = serde_json::to_string(self).expect("numbers serialize without errors");
        let text = format!("{state}\n{:08x}\n", crc32c::crc32c(state.as_bytes()));
        let path = layout.catalog();
        fs::replace(&*layout.fs, &path, text.as_bytes()).context("cannot write", path)
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
        layout.create().unwrap();
        assert_eq!(Catalog::load_or_begin(&layout).unwrap(), Catalog::default());
        assert_eq!(Catalog::load(&layout).unwrap(), Catalog::default());
        let mut catalog = Catalog { sequence: 7, ..Catalog::default() };
        let id = catalog.take_file_id();
        catalog.events.push(EventsEntry { id, day: 20_000, rows: 3, bytes: 400, tail: Tail::default() });
        catalog.store(&layout).unwrap();
        assert_eq!(Catalog::load(&layout).unwrap(), catalog);
        let mut bytes = std::fs::read(layout.catalog()).unwrap();
        bytes[10] ^= 1;
        std::fs::write(layout.catalog(), bytes).unwrap();
        assert!(matches!(Catalog::load(&layout), Err(LakeError::Damaged { .. })));
    }

    #[test]
    fn what_no_lake_writes_is_refused_though_its_checksum_fits() {
        let decode = |state: &str| Catalog::decode(&format!("{state}\n{:08x}\n", crc32c::crc32c(state.as_bytes())));
        let with = |sequence: u64, next: u64, events: &str, users: &str| {
            decode(&format!(
                r#"{{"format":1,"sequence":{sequence},"nextFile":{next},"events":[{events}],"users":[{users}]}}"#
            ))
        };
        let file = r#"{"id":1,"day":20000,"rows":3,"bytes":400,"tail":{"bytes":50,"checksum":50}}"#;
        let users = r#"{"id":2,"rows":3,"bytes":400,"tail":{"bytes":50,"checksum":50}}"#;
        assert!(with(7, 3, file, users).is_ok());
        assert!(with(u64::MAX, 3, "", "").is_err());
        assert!(with(7, u64::MAX, "", "").is_err());
        assert!(with(7, 2, file, users).is_err(), "the next file would have the number of one that is there");
        assert!(with(7, 3, file, &users.replace('2', "1")).is_err(), "two files of one number");
        assert!(with(7, 3, &file.replace("20000", "2147483647"), "").is_err());
        assert!(with(7, 3, &file.replace("3", "18446744073709551615"), "").is_err());
    }
}
