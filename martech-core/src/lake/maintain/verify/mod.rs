//! Complete check of a data folder, without changing a byte of it.
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
//! - The catalog: its checksum, that no file number is given twice, and that it is right about each file.
//! - Event files: the checksums of the metadata and of every block. Every row can be read in every column, and comes
//!   after the row before it. The rows have the days that the catalog states. Page statistics and Bloom filter exclude
//!   no user in the file. Strict JSON readers accept the properties. The id index finds every row and has the right
//!   fingerprint of it. Facts agree with the events.
//! - Users files: the checksums, the order, and that the files together agree with the events about every user.
//! - The journal: segments, checksums of frames, no missing sequence, payloads that are events. Rows that should be in
//!   files are in files.
//! - No event is stored twice, in files or in the journal.
//!
//! # Cost
//! All files are read three times: once for their bytes and rows, once for their ids (more often if the ids of one day
//! do not fit into the given memory), and once to sum up the users. Memory: the ids; the ids, the index
//! and the facts of one file; a slice of events of about 45 MiB; and 24 bytes for each event in the journal.
//!
//! # Limits
//! A flipped bit in the newest frame of the journal looks like an interrupted write. If the newest of several segments
//! is missing, nothing tells that it existed. Without a catalog, nothing proves the metadata of a Parquet file, so
//! damage there may go unnoticed. The checksums in the metadata prove the data before it.

mod events;
mod ids;
mod journal;
mod report;
mod survey;

use std::{fmt, path::PathBuf, sync::Arc};

use serde::Serialize;

pub use self::report::{Checked, Finding, Kind, Report};
pub(crate) use self::{
    ids::{look_at, ranges, rows_of},
    survey::Survey,
};

use crate::{
    fs::{Disk, FileSystem, ReadOnly},
    lake::{error::Result, files::layout::Layout},
    setters::setters,
};

/// Options of a check or a repair.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// The data folder.
    pub dir: PathBuf,
    /// The file system that holds the data folder.
    pub fs: Arc<dyn FileSystem>,
    /// The memory for ids that are compared at a time, in bytes.
    pub memory: usize,
}

impl VerifyOptions {
    /// Returns the default options for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), fs: Arc::new(Disk), memory: 64 << 20 }
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout { fs: self.fs.clone(), root: self.dir.clone() }
    }
}

setters! {
    VerifyOptions {
        fs: Arc<dyn FileSystem>,
        memory: usize,
    }
}

/// The progress of a check or a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Progress {
    /// The current phase.
    pub phase: Phase,
    /// The finished part of the phase: in bytes for [`Phase::Files`], in events for the other phases.
    pub done: u64,
    /// The whole phase, approximately, in the same unit.
    pub total: u64,
}

/// The phases of a check or a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Phase {
    /// Reading every file to its end.
    Files,
    /// Looking for events that are stored more than once.
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

/// Checks a data folder without changing it. `progress` is called from time to time.
///
/// # Errors
/// Returns an error if no verdict is possible: another process has the folder open
/// ([`Locked`](crate::lake::LakeError::Locked)), there is no lake in it ([`NoLake`](crate::lake::LakeError::NoLake)),
/// the catalog has a newer format ([`UnknownFormat`](crate::lake::LakeError::UnknownFormat)), or a folder cannot be
/// listed. A file that cannot be read is a finding and not an error.
pub fn verify(options: &VerifyOptions, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
    let _lock = Layout { fs: Arc::new(ReadOnly(options.fs.clone())), ..options.layout() }.take_lock()?;
    Survey::take(options, progress).map(|survey| survey.report)
}
