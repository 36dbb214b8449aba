//! The progress of an import, kept on disk so that the same import can resume after an interruption.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use martech_core::fs::{Disk, replace};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{reasons::Reasons, split::Position};
use crate::util::unless_missing;

/// Counts of the records so far, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportCounts)]
pub(crate) struct Counts {
    /// Records read, without the header and blank lines.
    pub(crate) read: u64,
    /// Events that this import stored durably.
    pub(crate) stored: u64,
    /// Events that were already in the store.
    pub(crate) duplicates: u64,
    /// Records that cannot become events, or that the store rejected.
    pub(crate) rejected: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, stored, duplicates, rejected } = self;
        write!(f, "{read} read, {stored} stored, {duplicates} duplicates, {rejected} rejected")
    }
}

/// A checkpoint of an import: everything before `position` is settled and durable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The key of the file and options that the state belongs to.
    key: String,
    pub(crate) position: Position,
    pub(crate) counts: Counts,
    /// Length of the rejects file, in bytes.
    pub(crate) rejects: u64,
    /// Why records were rejected.
    #[serde(default)]
    pub(crate) reasons: Reasons,
    /// Whether the file was read to its end. It is then skipped while other files of the same import are unfinished.
    pub(crate) finished: bool,
}

/// The state file of one import.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    key: String,
}

impl StateFile {
    /// Returns the state file at a path. The key stands for the file to import and for the options.
    pub(crate) fn new(path: PathBuf, key: String) -> Self {
        Self { path, key }
    }

    /// Returns the state of an interrupted import of exactly this file with exactly these options. Any other state
    /// counts as absent.
    pub(crate) fn load(&self) -> Option<Checkpoint> {
        let state: Checkpoint = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        (state.key == self.key).then_some(state)
    }

    pub(crate) fn save(&self, state: &Checkpoint) -> io::Result<()> {
        let state = Checkpoint { key: self.key.clone(), ..state.clone() };
        if let Some(dir) = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            fs::create_dir_all(dir)?;
        }
        replace(&Disk, &std::path::absolute(&self.path)?, &serde_json::to_vec(&state)?)
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        unless_missing(fs::remove_file(&self.path)).map(drop)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
