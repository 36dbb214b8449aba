use std::{path::PathBuf, sync::Arc, time::Duration};

use super::permits::ScanLimit;
use crate::{
    fs::{Disk, FileSystem},
    setters::setters,
};

/// The location of a lake, and the limits of its parts.
///
/// ```
/// use std::time::Duration;
///
/// use martech_core::lake::LakeOptions;
///
/// let options = LakeOptions::new("data").roll_age(Duration::from_secs(60)).dedupe_memory(16 << 20);
/// assert_eq!(options.roll_age, Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LakeOptions {
    /// The data folder. It is created if it does not exist.
    pub dir: PathBuf,
    /// The file system that holds the data folder.
    pub fs: Arc<dyn FileSystem>,
    /// The size in bytes at which the hot table is written to files. If this is more than a quarter of
    /// `journal_capacity`, a quarter of `journal_capacity` applies.
    pub roll_bytes: usize,
    /// The age at which the oldest event causes the hot table to be written to files.
    pub roll_age: Duration,
    /// The largest number of windows of days that one roll, or one merge, writes. Each is a file, however few events it
    /// has. Where events have more days than this, days with few events share a window.
    pub roll_windows: usize,
    /// The memory for the indexes of event ids, in bytes.
    pub dedupe_memory: usize,
    /// The capacity of the journal on disk, in bytes.
    pub journal_capacity: u64,
    /// Whether files are merged in the background.
    pub auto_compaction: bool,
    /// The limit of `stats` queries that this lake shares with others. By default, it shares none.
    pub scan_limit: ScanLimit,
}

impl LakeOptions {
    /// Returns the default options for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            fs: Arc::new(Disk),
            roll_bytes: 24 << 20,
            roll_age: Duration::from_secs(300),
            roll_windows: 16,
            dedupe_memory: 64 << 20,
            journal_capacity: 256 << 20,
            auto_compaction: true,
            scan_limit: ScanLimit::new(1),
        }
    }
}

setters! {
    LakeOptions {
        fs: Arc<dyn FileSystem>,
        roll_bytes: usize,
        roll_age: Duration,
        roll_windows: usize,
        dedupe_memory: usize,
        journal_capacity: u64,
        auto_compaction: bool,
        scan_limit: ScanLimit,
    }
}
