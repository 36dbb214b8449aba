//! The progress of a migration, kept on disk so that the same command can resume after an interruption.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use martech_core::fs::{Disk, replace};
use serde::{Deserialize, Serialize};

use super::{End, source::Cursor};
use crate::util::unless_missing;

/// Counts of the events so far, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) read: u64,
    pub(super) copied: u64,
    /// Events that were already in the destination.
    pub(super) duplicates: u64,
    pub(super) refused: u64,
}

/// A checkpoint of a migration: everything up to the cursor is settled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub(super) cursor: Option<Cursor>,
    pub(super) counts: Counts,
}

/// The state file of one migration.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    ends: [String; 2],
}

#[derive(Serialize, Deserialize)]
struct Content {
    from: String,
    to: String,
    #[serde(flatten)]
    state: Checkpoint,
}

impl StateFile {
    pub(super) fn new(path: &Path, from: &End, to: &End) -> Self {
        Self { path: path.to_owned(), ends: [from, to].map(ToString::to_string) }
    }

    /// Returns the state of an interrupted migration between exactly these stores, in this direction.
    pub(super) fn load(&self) -> Option<Checkpoint> {
        let Content { from, to, state } = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        ([from, to] == self.ends).then_some(state)
    }

    pub(super) fn save(&self, state: &Checkpoint) -> io::Result<()> {
        let [from, to] = self.ends.clone();
        let content = serde_json::to_vec(&Content { from, to, state: state.clone() })?;
        replace(&Disk, &std::path::absolute(&self.path)?, &content)
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        unless_missing(fs::remove_file(&self.path)).map(drop)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use martech_core::event::EventId;

    use super::*;

    #[test]
    fn state_belongs_to_its_two_stores() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let ends = ["a", "b"].map(|name| End::Folder(name.into()));
        let file = StateFile::new(&path, &ends[0], &ends[1]);
        assert_eq!(file.load(), None);
        let state = Checkpoint {
            cursor: Some(Cursor::Mongo(EventId::from_bytes([7; 16]))),
            counts: Counts { read: 3, copied: 2, ..Counts::default() },
        };
        file.save(&state).unwrap();
        assert_eq!(file.load(), Some(state));
        assert_eq!(StateFile::new(&path, &ends[1], &ends[0]).load(), None, "the other way is another migration");
        file.remove().unwrap();
        file.remove().unwrap();
        assert_eq!(file.load(), None);
    }
}
