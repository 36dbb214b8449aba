//! The progress of an import, kept on disk so that the same command can resume after an interruption.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use martech_core::fs::{Disk, replace};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::{args::ImportArgs, reasons::Reasons, split::Position};

/// Counts of the records so far, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records read, without the header and blank lines.
    pub read: u64,
    /// Events that this import stored durably.
    pub stored: u64,
    /// Events that were already in the store.
    pub duplicates: u64,
    /// Records that cannot become events, or that the store rejected.
    pub rejected: u64,
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
    /// Whether the file was read to its end. It is then skipped while other files of the command are unfinished.
    pub(crate) finished: bool,
}

/// The state file of one import.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    key: String,
}

impl StateFile {
    /// Returns the state file for a file and options. It is in the data folder, or beside the rejects file if the
    /// events go elsewhere.
    pub(crate) fn new(path: &Path, rejects: &Path, args: &ImportArgs) -> io::Result<Self> {
        let key = key(path, rejects, args)?;
        let path = if !args.is_local() {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(".import-state.json");
            rejects.with_file_name(name)
        } else {
            args.folder().join("imports").join(format!("{key}.json"))
        };
        Ok(Self { path, key })
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
        replace(&Disk, &absolute(&self.path)?, &serde_json::to_vec(&state)?)
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Hashes what identifies the file (path, size, first and last 64 KiB), the path of the rejects file, and the options
/// that determine the events.
fn key(path: &Path, rejects: &Path, args: &ImportArgs) -> io::Result<String> {
    const PIECE: u64 = 64 * 1024;
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut hash = Xxh3::new();
    let options = (
        (&args.format, &args.delimiter, args.no_header, &args.columns, &args.maps, &args.constants, &args.renames),
        (args.only_mapped, &args.time_format, &args.time_zone, &args.currency, &args.event_types),
        (args.decimal, args.thousands, &args.nulls, args.encoding, args.pad_rows),
        (&args.url, &args.store.store, &args.project),
    );
    hash.update(format!("{size} {:?} {:?} {options:?}", path.canonicalize()?, absolute(rejects)?).as_bytes());
    for start in [0, size.saturating_sub(PIECE)] {
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        file.by_ref().take(PIECE).read_to_end(&mut piece)?;
        hash.update(&piece);
    }
    Ok(format!("{:032x}", hash.digest128()))
}
