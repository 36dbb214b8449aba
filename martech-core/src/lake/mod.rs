//! The embedded store: a journal, a hot table and sorted Parquet files.
//!
//! ```text
//! data/
//!   LOCK                                  one process at a time
//!   catalog                               which files are live, up to which journal frame they hold everything
//!   journal/*.log                         what is in no file yet
//!   events/date=2026-11-22/*.parquet      the events of a UTC day, sorted by user, time and id
//!   ids/*.ids                             for each file of events, which event ids are in it
//!   users/*.parquet                       for each user: first and last seen, events, sessions, orders, revenue
//! ```
//!
//! # The way of an event
//! 1. [`append`](Store::append) drops what is there already (`dedupe`), hands the rest to the journal, and answers
//!    when it is durable. The same bytes are then rows of the hot table, which every query reads.
//! 2. A roll (`roll`) sets the hot table aside, sorts it, writes a file for each day and one for the users,
//!    replaces the catalog and trims the journal. Where there are very many days, the rows of some wait for a later one
//!    (`waiting`).
//! 3. Compaction (`compaction`) merges the files of a day, and the files of users, so that they stay few.
//!
//! # What holds
//! - An event is durable when it is acknowledged: it is in a synced journal frame, or in a file that the catalog names.
//! - It is there once: the catalog says up to which frame the files hold everything, and which days wait since which
//!   frame; opening replays what that leaves, and nothing else. Files that no catalog names are removed when the lake is opened.
//! - A file never changes. Readers hold a snapshot of the hot table and of the list of files; a file that is live no
//!   longer is removed when its last reader is done.
//! - Events are the same when id and UTC day are the same.
//!
//! # When things fail
//! - A write to the journal fails (disk full): the batch is refused with [`Advice::RetryAfter`](crate::store::Advice),
//!   nothing of it is stored. An fsync fails: the journal takes nothing any more, appends fail for good.
//! - A roll fails: its events stay in the journal and in the hot table, and it is tried again; meanwhile the journal
//!   grows up to its bound, then appends are refused until there is room.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{
    event::{Event, Timestamp},
    fs::{Disk, FileSystem},
    journal::JournalStats,
    query::{JourneyPage, JourneyQuery, Reader, Stats, StatsQuery, UsersPage, UsersQuery},
    store::{Appended, Store, StoreError},
};

mod admission;
mod catalog;
mod compaction;
mod dedupe;
mod error;
mod export;
mod files;
mod hot;
mod ids;
mod inner;
mod journey;
mod layout;
mod mending;
mod merge;
mod opening;
mod pace;
mod pages;
mod parallel;
mod parquet_file;
mod publish;
pub mod repair;
mod retention;
mod roll;
mod row;
mod scan;
mod schema;
mod sorted;
mod state;
mod stats;
mod sums;
mod users;
pub mod verify;
mod waiting;
mod work;
mod worker;
mod writing;

pub use error::LakeError;
pub use export::{Export, ExportCursor};
use inner::{Inner, Snapshot};
pub use work::WorkStats;

/// Where a lake lies and how large its parts may grow.
#[derive(Debug, Clone)]
pub struct LakeOptions {
    /// The data folder; made when missing.
    pub dir: PathBuf,
    /// The file system that it lies on.
    pub fs: Arc<dyn FileSystem>,
    /// The hot table is written to files when it holds this many bytes,
    pub roll_bytes: usize,
    /// or when its oldest event has been in it this long.
    pub roll_age: Duration,
    /// How many UTC days one roll writes at most. What is beyond waits, in the journal and in memory, and later rolls follow at
    /// once, with new events between them: each day costs files and syncs, however few events it has.
    pub roll_days: usize,
    /// What the indexes of event ids may take of memory.
    pub dedupe_memory: usize,
    /// What the journal may take of the disk.
    pub journal_capacity: u64,
    /// Whether files are merged in the background.
    pub auto_compaction: bool,
}

impl LakeOptions {
    /// The defaults, in a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            fs: Arc::new(Disk),
            roll_bytes: 24 << 20,
            roll_age: Duration::from_secs(300),
            roll_days: 128,
            dedupe_memory: 64 << 20,
            journal_capacity: 256 << 20,
            auto_compaction: true,
        }
    }
}

/// What a lake holds.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LakeStatus {
    /// All events.
    pub events: u64,
    /// Those that are in no file yet.
    pub hot_events: u64,
    /// UTC days of such events that no roll has had room for yet: 0 unless events of very many days come at once.
    pub waiting_days: u64,
    /// Live files of events.
    pub files: u64,
    /// Bytes of all live files.
    pub file_bytes: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of memory that the id indexes take.
    pub dedupe_bytes: u64,
    /// Damaged parts of the journal that were set aside when the lake was opened.
    pub journal_damage: u64,
    /// Bytes that were cut from the end of the journal when the lake was opened: a write that a power loss interrupted, or
    /// damage to the newest events.
    pub journal_cut_bytes: u64,
    /// Hot tables that were written to files.
    pub rolls: WorkStats,
    /// Merges of files.
    pub compactions: WorkStats,
    /// Why nothing is taken or rolled, when that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The embedded store. Cheap to clone. Needs a tokio runtime.
///
/// ```
/// use martech_core::{
///     Event, EventRules, EventType, Lake, LakeOptions, Store,
///     query::{JourneyQuery, Reader},
/// };
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?; let dir = dir.path();
/// let lake = Lake::open(LakeOptions::new(dir)).await?;
/// let event = Event::builder("u1", EventType::PURCHASE).property("total", "12.50").build(&EventRules::default())?;
/// assert_eq!(lake.append(&[event.clone()]).await?.stored, 1); // durable and visible from here on
/// assert_eq!(lake.append(&[event]).await?.duplicates, [0]);
///
/// assert_eq!(lake.journey(JourneyQuery::new("u1")).await?.events.len(), 1);
/// lake.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Lake {
    workers: Arc<worker::Workers>,
}

impl Store<Event> for Lake {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        admission::append(self.inner(), batch).await
    }
}

impl Reader for Lake {
    type Error = LakeError;

    async fn journey(&self, query: JourneyQuery) -> Result<JourneyPage, LakeError> {
        self.read(&self.inner().lookups, move |snapshot| journey::journey(snapshot, &query)).await
    }

    async fn users(&self, query: UsersQuery) -> Result<UsersPage, LakeError> {
        self.read(&self.inner().lookups, move |snapshot| users::page(snapshot, &query)).await
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, LakeError> {
        self.read(&self.inner().scans, move |snapshot| stats::stats(snapshot, &query)).await
    }
}

impl Lake {
    /// Opens or makes a lake, and replays what is in its journal.
    pub async fn open(options: LakeOptions) -> Result<Self, LakeError> {
        let workers = blocking(move || Inner::open(options).map(worker::Workers::start)).await?;
        Ok(Self { workers: Arc::new(workers) })
    }

    /// Writes the hot table to files now; returns when all that was stored before the call is in them.
    pub async fn roll(&self) -> Result<(), LakeError> {
        self.workers.roll().await
    }

    /// Merges files until each day, and the users, have as few as may be.
    pub async fn compact(&self) -> Result<(), LakeError> {
        self.workers.compact().await
    }

    /// Removes the events of all UTC days that were over at a moment; how many. Users of whom there are no others go as well.
    /// Takes as long as reading all events that stay. Rolls first.
    ///
    /// The lake does not know the removed ones any more: one that is sent again is stored again.
    pub async fn forget(&self, before: Timestamp) -> Result<u64, LakeError> {
        self.roll().await?;
        self.workers.forget(before.day()).await
    }

    /// All events, facts included, behind a place where an earlier export stood: for copying the whole lake. Rolls first;
    /// what is appended later is not among them.
    pub async fn export(&self, after: Option<ExportCursor>) -> Result<Export, LakeError> {
        self.roll().await?;
        Ok(Export::new(self.inner().snapshot()?, after))
    }

    /// Asks a snapshot, when it is its turn.
    async fn read<T: Send + 'static>(
        &self,
        turns: &Arc<Semaphore>,
        ask: impl FnOnce(&Snapshot) -> error::Result<T> + Send + 'static,
    ) -> Result<T, LakeError> {
        let turn = turns.clone().acquire_owned().await.map_err(|_| LakeError::Closed)?;
        let inner = self.inner().clone();
        blocking(move || {
            // Goes with the work, which ends even when nobody waits for the answer any more.
            let _turn = turn;
            ask(&inner.snapshot()?)
        })
        .await
    }

    /// The data folder.
    pub fn dir(&self) -> &Path {
        &self.inner().options.dir
    }

    /// What it holds.
    pub fn status(&self) -> LakeStatus {
        self.inner().status()
    }

    /// Whether events of days that no roll has had room for keep more than a quarter of the journal, which is everybody's: whoever
    /// has events of many more days should wait. Cheap to ask.
    pub fn is_behind(&self) -> bool {
        let inner = self.inner();
        let waits = !inner.state().waiting.is_empty();
        let JournalStats { bytes, capacity_bytes, .. } = inner.journal.stats();
        waits && bytes > capacity_bytes / 4
    }

    /// Figures of its journal.
    pub fn journal(&self) -> JournalStats {
        self.inner().journal.stats()
    }

    /// Takes nothing any more, ends the background work and releases the folder. What is in the journal stays there.
    pub async fn close(&self) -> Result<(), LakeError> {
        let workers = self.workers.clone();
        blocking(move || workers.close()).await
    }

    fn inner(&self) -> &Arc<Inner> {
        self.workers.inner()
    }
}

/// Runs what reads files or computes for long beside the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> error::Result<T> + Send + 'static) -> error::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => Err(LakeError::Task(panic.to_string())),
    }
}
