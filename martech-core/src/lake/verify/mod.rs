//! Checking a data folder from end to end, without changing a byte of it.
//!
//! ```
//! # use martech_core::lake::{Lake, LakeOptions, verify::{VerifyOptions, verify}};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?; let dir = dir.path();
//! # Lake::open(LakeOptions::new(dir)).await?.close().await?;
//! let report = verify(&VerifyOptions::new(dir), &mut |_progress| {})?;
//! assert!(report.is_clean(), "{report}");
//! # Ok(()) }
//! ```
//!
//! # What is checked
//! - The catalog: its checksum, that no number is given twice, and that it says of each file what is true.
//! - Files of events: the checksums of the metadata and of every block; every row of every column can be read, is of the file's day, and comes behind the
//!   one before; page statistics and Bloom filter exclude no user who is there; strict JSON readers can read the properties; every row is found by the id index, which
//!   takes it for the event that it is.
//! - Files of users: the checksums, the order, and that together they say of every user what the events say.
//! - The journal: segments, checksums of frames, no sequence missing, payloads that are events; that what is said to be
//!   in files is in files.
//! - No event is there twice, in files or in the journal.
//!
//! # What it takes
//! All files are read three times: once as bytes and rows, once for their ids (oftener when the ids of one day do not
//! fit the memory given), once to sum up the users. Memory: the ids, one file's ids and index, a slice of events as
//! `/stats` reads them, and 24 bytes for each event in the journal.
//!
//! # What it cannot see
//! A flipped bit in the newest frame of the journal passes for a write that was interrupted. When the newest of several
//! segments is gone, nothing says that it was there. Without a catalog nothing proves the metadata of a
//! Parquet file, so damage there may pass; what stands before it is proven by the checksums in it.

mod events;
mod ids;
mod journal;
mod report;
mod survey;

use std::{fmt, path::PathBuf, sync::Arc};

pub use report::{Checked, Finding, Kind, Report};
pub(super) use {
    ids::{Id, look_at_day, rows_of},
    survey::Survey,
};

use super::{error::Result, layout::Layout};
use crate::fs::{Disk, FileSystem, ReadOnly};

/// What to check.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// The data folder.
    pub dir: PathBuf,
    /// The file system that it lies on.
    pub fs: Arc<dyn FileSystem>,
    /// What the ids that are compared at once may take, in bytes.
    pub memory: usize,
}

impl VerifyOptions {
    /// The defaults, for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), fs: Arc::new(Disk), memory: 64 << 20 }
    }

    pub(super) fn layout(&self) -> Layout {
        Layout { fs: self.fs.clone(), root: self.dir.clone() }
    }
}

/// How far a check or a repair has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// How much of it, in bytes (files) or events (the others).
    pub done: u64,
    /// How much there is; roughly.
    pub total: u64,
}

/// The parts of a check or a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading every file to its end.
    Files,
    /// Looking for events that are there more than once.
    Ids,
    /// Summing up the users.
    Users,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Files => "files",
            Self::Ids => "ids",
            Self::Users => "users",
        })
    }
}

/// Checks a data folder. Changes nothing. `progress` hears of it from time to time.
///
/// # Errors
/// Where no verdict is possible: another process has the folder open ([`Locked`](super::LakeError::Locked)), there is no lake in it
/// ([`NoLake`](super::LakeError::NoLake)), it is of a newer format, or a folder cannot be listed. A file that cannot be read is a
/// finding.
pub fn verify(options: &VerifyOptions, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
    let _lock = Layout { fs: Arc::new(ReadOnly(options.fs.clone())), ..options.layout() }.take_lock()?;
    Survey::take(options, progress).map(|survey| survey.report)
}
