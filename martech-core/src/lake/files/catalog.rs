//! The catalog: the list of live files, and the journal frame up to which they hold all rows.
//!
//! The catalog is replaced as a whole, so a crash leaves either the old state or the new one. The first line is the
//! state as JSON. The second line is the CRC32C of the first.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Read},
    ops::RangeInclusive,
    path::Path,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    layout::{Layout, MAX_COUNT},
    parquet_file::Tail,
};
use crate::{
    fs::{self, Cursor},
    lake::{
        error::{Context, LakeError, Result},
        rows::{row, window::Days},
    },
};

/// The state of a lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Catalog {
    /// The version of the format.
    format: u32,
    /// Files hold all rows up to this journal frame, except for the days in `waiting`.
    pub(crate) sequence: u64,
    /// Days whose rows of these frames are only partly in files. Only a lake of format 2 has them, until its first
    /// roll.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waiting: Vec<WaitingEntry>,
    /// The number of the next file.
    pub(crate) next_file: u64,
    /// Live event files.
    pub(crate) events: Vec<EventsEntry>,
    /// Live users files.
    pub(crate) users: Vec<UsersEntry>,
}

/// Days whose rows are only partly in files. Rows of frames up to `after` are in files. Rows of later frames, up to the
/// sequence of the catalog, are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaitingEntry {
    pub(crate) after: u64,
    /// UTC days, counted from 1970-01-01.
    pub(crate) days: Vec<i32>,
}

/// The rows of the journal that are in files, as a catalog states it.
#[derive(Debug, Default)]
pub(crate) struct Persisted {
    sequence: u64,
    waiting: HashMap<i32, u64>,
}

impl Persisted {
    /// Returns whether the rows of a frame that belong to `day` are in files.
    pub(crate) fn holds(&self, frame: u64, day: i32) -> bool {
        frame <= self.sequence && self.after(day).is_none_or(|after| frame <= after)
    }

    /// Returns the frame after which rows of a waiting day are in no file. Returns `None` if the day does not wait.
    pub(crate) fn after(&self, day: i32) -> Option<u64> {
        self.waiting.get(&day).copied()
    }

    /// Returns the newest frame up to which all rows are in files.
    pub(crate) fn through(&self) -> u64 {
        self.waiting.values().min().copied().unwrap_or(self.sequence)
    }
}

/// An event file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventsEntry {
    pub(crate) id: u64,
    pub(crate) days: Days,
    pub(crate) rows: u64,
    /// The length in bytes, including the id index.
    pub(crate) bytes: u64,
    pub(crate) tail: Tail,
}

/// A users file: summaries of the users of one or more rolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsersEntry {
    pub(crate) id: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) tail: Tail,
}

/// The format of this program. Lakes of older formats are [upgraded](super::upgrade) when they are opened.
const FORMAT: u32 = 3;

/// Reads a sealed file of one of these formats: one line of JSON with a `format`, then the CRC32C of that line in
/// hexadecimal. Returns `None` if the file does not exist.
pub(crate) fn load_sealed<T: DeserializeOwned>(
    layout: &Layout,
    path: &Path,
    formats: RangeInclusive<u32>,
) -> Result<Option<T>> {
    let file = match layout.fs.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.context("cannot open", path)?,
    };
    let mut bytes = Vec::new();
    Cursor::new(file, 0).read_to_end(&mut bytes).context("cannot read", path)?;
    let damaged = |message: String| LakeError::Damaged { path: path.to_owned(), message };
    let state = unseal(&bytes).map_err(|message| damaged(message.to_owned()))?;
    // The checksum matches, so another format means that another program wrote the file. It is not damage.
    match serde_json::from_slice(state) {
        Ok(Format { format }) if format > *formats.end() => {
            Err(LakeError::UnknownFormat { path: path.to_owned(), format })
        }
        Ok(Format { format }) if format < *formats.start() => Err(LakeError::OldFormat(layout.root.clone())),
        _ => serde_json::from_slice(state).map(Some).map_err(|error| damaged(error.to_string())),
    }
}

/// Replaces a sealed file as a whole.
pub(crate) fn store_sealed(layout: &Layout, path: &Path, state: &impl Serialize) -> Result<()> {
    let state = serde_json::to_string(state).expect("serializing numbers and text cannot fail");
    let text = format!("{state}\n{:08x}\n", crc32c::crc32c(state.as_bytes()));
    fs::replace(&*layout.fs, path, text.as_bytes()).context("cannot write", path)
}

/// Returns the first line, if the second line is its checksum and nothing follows.
fn unseal(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let (state, checksum) = bytes.split_last_chunk::<10>().ok_or("the file is truncated")?;
    let expected = format!("\n{:08x}\n", crc32c::crc32c(state));
    if *checksum == *expected.as_bytes() { Ok(state) } else { Err("checksum mismatch") }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { format: FORMAT, sequence: 0, waiting: Vec::new(), next_file: 1, events: Vec::new(), users: Vec::new() }
    }
}

impl Catalog {
    /// Reads the catalog of a folder. Returns `None` if there is none.
    pub(crate) fn load(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.catalog();
        let catalog: Option<Self> = load_sealed(layout, &path, FORMAT..=FORMAT)?;
        catalog.as_ref().map_or(Ok(()), Self::check).map_err(|message| LakeError::Damaged { path, message })?;
        Ok(catalog)
    }

    /// Refuses values that no lake writes, so that later arithmetic on these numbers cannot overflow.
    fn check(&self) -> Result<(), String> {
        let events = self.events.iter().map(|file| (file.id, file.rows, file.bytes));
        let files = events.chain(self.users.iter().map(|file| (file.id, file.rows, file.bytes)));
        let mut ids = HashSet::new();
        for (id, rows, bytes) in files {
            if id >= self.next_file || !ids.insert(id) {
                return Err(format!("invalid or repeated file number {id}"));
            }
            if rows > MAX_COUNT || bytes > MAX_COUNT {
                return Err(format!("the size of file {id} is out of range"));
            }
        }
        if self.sequence > MAX_COUNT || self.next_file > MAX_COUNT {
            return Err("the frame sequence or the next file number is out of range".to_owned());
        }
        let waiting = || self.waiting.iter().flat_map(|entry| entry.days.iter().map(|day| (*day, entry.after)));
        let mut days = HashSet::new();
        if let Some((day, after)) =
            waiting().find(|(day, after)| !row::is_day(*day) || *after >= self.sequence || !days.insert(*day))
        {
            return Err(format!("invalid entry for waiting rows of day {day} after frame {after}"));
        }
        let is_wrong =
            |days: Days| !row::is_day(days.first()) || !row::is_day(days.last()) || days.last() < days.first();
        match self.events.iter().find(|file| is_wrong(file.days)) {
            Some(EventsEntry { id, days, .. }) => {
                Err(format!("file {id} has days {} to {}, which is out of range", days.first(), days.last()))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn persisted(&self) -> Persisted {
        let days = |entry: &WaitingEntry| entry.days.iter().map(|day| (*day, entry.after)).collect::<Vec<_>>();
        Persisted { sequence: self.sequence, waiting: self.waiting.iter().flat_map(days).collect() }
    }

    /// Makes this catalog the state of the folder.
    pub(crate) fn store(&self, layout: &Layout) -> Result<()> {
        store_sealed(layout, &layout.catalog(), self)
    }

    /// Returns the number for a new file.
    pub(crate) fn take_file_id(&mut self) -> u64 {
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
    fn round_trips_and_detects_damage() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout { fs: Arc::new(Disk), root: dir.path().to_owned() };
        assert_eq!(Catalog::load(&layout).unwrap(), None);
        let mut catalog = Catalog { sequence: 7, ..Catalog::default() };
        let id = catalog.take_file_id();
        catalog.events.push(EventsEntry { id, days: Days::of_day(20_000), rows: 3, bytes: 400, tail: Tail::default() });
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
        let newer = Catalog { format: FORMAT + 1, ..Catalog::default() };
        newer.store(&layout).unwrap();
        assert!(matches!(Catalog::load(&layout), Err(LakeError::UnknownFormat { format: 4, .. })));
        let older = Catalog { format: FORMAT - 1, ..Catalog::default() };
        older.store(&layout).unwrap();
        assert!(matches!(Catalog::load(&layout), Err(LakeError::OldFormat(_))));
    }

    #[test]
    fn tracks_which_journal_rows_are_in_files() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout { fs: Arc::new(Disk), root: dir.path().to_owned() };
        let waiting = |after, days: &[i32]| WaitingEntry { after, days: days.to_vec() };
        let catalog =
            Catalog { sequence: 9, waiting: vec![waiting(3, &[5, 6]), waiting(7, &[8])], ..Catalog::default() };
        catalog.store(&layout).unwrap();
        assert_eq!(Catalog::load(&layout).unwrap(), Some(catalog.clone()));
        let persisted = catalog.persisted();
        let in_files = |frame| [5, 6, 7, 8].map(|day| persisted.holds(frame, day));
        assert_eq!(in_files(3), [true; 4]);
        assert_eq!(in_files(4), [false, false, true, true]);
        assert_eq!(in_files(9), [false, false, true, false]);
        assert_eq!(in_files(10), [false; 4]);
        assert_eq!((persisted.through(), Catalog { sequence: 9, ..Catalog::default() }.persisted().through()), (3, 9));
        for wrong in [vec![waiting(9, &[5])], vec![waiting(3, &[5]), waiting(4, &[5])], vec![waiting(3, &[i32::MAX])]] {
            Catalog { waiting: wrong, ..catalog.clone() }.store(&layout).unwrap();
            assert!(matches!(Catalog::load(&layout), Err(LakeError::Damaged { .. })));
        }
    }

    #[test]
    fn refuses_invalid_values_despite_valid_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout { fs: Arc::new(Disk), root: dir.path().to_owned() };
        let with = |sequence: u64, next: u64, events: &str, users: &str| {
            let state = format!(
                r#"{{"format":3,"sequence":{sequence},"nextFile":{next},"events":[{events}],"users":[{users}]}}"#
            );
            std::fs::write(layout.catalog(), format!("{state}\n{:08x}\n", crc32c::crc32c(state.as_bytes()))).unwrap();
            Catalog::load(&layout)
        };
        let file = r#"{"id":1,"days":[20000,20001],"rows":3,"bytes":400,"tail":{"bytes":50,"checksum":50}}"#;
        let users = r#"{"id":2,"rows":3,"bytes":400,"tail":{"bytes":50,"checksum":50}}"#;
        assert!(with(7, 3, file, users).is_ok());
        assert!(with(u64::MAX, 3, "", "").is_err());
        assert!(with(7, u64::MAX, "", "").is_err());
        assert!(with(7, 2, file, users).is_err(), "the next file would have the number of one that is there");
        assert!(with(7, 3, file, &users.replace('2', "1")).is_err(), "two files of one number");
        assert!(with(7, 3, &file.replace("20001", "2147483647"), "").is_err());
        assert!(with(7, 3, &file.replace("20001", "19999"), "").is_err(), "the last day is before the first");
        assert!(with(7, 3, &file.replace("3", "18446744073709551615"), "").is_err());
    }
}
