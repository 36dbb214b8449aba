//! The embedded store: a journal, a hot table and sorted Parquet files.

use std::{path::PathBuf, time::Duration};

use crate::{
    event::Event,
    query::{JourneyPage, JourneyQuery, Stats, StatsQuery, UsersPage, UsersQuery},
    store::{Appended, Store, StoreError},
};

/// Where a lake lies and how large its parts may grow.
#[derive(Debug, Clone)]
pub struct LakeOptions {
    /// The data folder; made when missing.
    pub dir: PathBuf,
    /// The hot table is written to Parquet when it holds this many bytes,
    pub roll_bytes: usize,
    /// or when its oldest event has been in it this long.
    pub roll_age: Duration,
    /// What the indexes of event ids may take of memory.
    pub dedupe_memory: usize,
    /// What the journal may take of the disk.
    pub journal_capacity: u64,
}

impl LakeOptions {
    /// The defaults, in a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            roll_bytes: 32 << 20,
            roll_age: Duration::from_secs(300),
            dedupe_memory: 64 << 20,
            journal_capacity: 512 << 20,
        }
    }
}

/// What a lake holds.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LakeStatus {
    /// All events.
    pub events: u64,
    /// Those that are in no file yet.
    pub hot_events: u64,
    /// Live Parquet files of events.
    pub files: u64,
    /// Bytes of the live files, ids and users included.
    pub file_bytes: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Why the store takes or rolls nothing, when that is so.
    pub error: Option<String>,
}

/// Why a lake cannot be opened, rolled or read.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// A file could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// The embedded store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {}

impl Store<Event> for Lake {
    async fn append(&self, _batch: &[Event]) -> Result<Appended, StoreError> {
        unimplemented!()
    }
}

impl Lake {
    /// Opens or makes a lake.
    pub async fn open(_options: LakeOptions) -> Result<Self, LakeError> {
        unimplemented!()
    }
    /// Writes the hot table to Parquet now; returns when what was stored before the call is in the files.
    pub async fn roll(&self) -> Result<(), LakeError> {
        unimplemented!()
    }
    /// Merges small files until each day has as few as may be.
    pub async fn compact(&self) -> Result<(), LakeError> {
        unimplemented!()
    }
    /// A user's events in time order.
    pub async fn journey(&self, _query: JourneyQuery) -> Result<JourneyPage, LakeError> {
        unimplemented!()
    }
    /// Users with their figures.
    pub async fn users(&self, _query: UsersQuery) -> Result<UsersPage, LakeError> {
        unimplemented!()
    }
    /// The figures of a shop.
    pub async fn stats(&self, _query: StatsQuery) -> Result<Stats, LakeError> {
        unimplemented!()
    }
    /// What it holds.
    pub fn status(&self) -> LakeStatus {
        unimplemented!()
    }
    /// Stops taking events, finishes background work, releases the lock.
    pub async fn close(&self) -> Result<(), LakeError> {
        unimplemented!()
    }
}
