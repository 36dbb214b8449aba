//! The embedded store: a journal (write-ahead log), a hot table (memtable) and sorted Parquet files.
//!
//! ```text
//! data/
//!   LOCK                                  one process at a time
//!   catalog                               the live files, and the journal frame up to which they hold all rows
//!   journal/*.log                         events that are in no file yet
//!   events/date=2026-11-22/*.parquet      the events of a UTC day, sorted by user, time and id
//!   ids/*.ids                             for each event file: the event ids in it
//!   users/*.parquet                       for each user: first and last seen, events, sessions, orders, revenue
//! ```
//!
//! # Write path
//! 1. [`append`](Store::append) drops events that are already stored (`dedupe`), writes the rest to the journal, and
//!    answers when they are durable. The same bytes become rows of the hot table, which every query reads.
//! 2. A roll (`roll`) freezes the hot table, sorts it, writes a file for each day and one for the users, replaces the
//!    catalog, and trims the journal. If there are very many days, the rows of some days wait for a later roll
//!    (`waiting`).
//! 3. Compaction (`compaction`) merges the files of a day, and the users files, so that their number stays small.
//!
//! # Invariants
//! - An acknowledged event is durable: it is in a synced journal frame, or in a file that the catalog names.
//! - An event is stored once. The catalog states up to which frame files hold all rows, and after which frame the rows
//!   of a waiting day are in no file. Opening replays exactly the rows that are in no file, and removes files that no
//!   catalog names.
//! - Files are immutable. Readers hold a snapshot of the hot table and of the list of files. A file that is no longer
//!   live is removed when its last reader is done.
//! - The key of an event is its id and UTC day. An event with a stored key is a duplicate if user, type and time agree
//!   (an estimated time is not compared). Otherwise it is rejected.
//!
//! # Failures
//! - If a write to the journal fails (disk full), the batch is refused with
//!   [`Advice::RetryAfter`](crate::store::Advice), and none of it is stored. If an fsync fails, the journal accepts no
//!   more frames, and all appends fail until the lake is opened again.
//! - If a roll fails, its events stay in the journal and in the hot table, and the roll is retried. Meanwhile the
//!   journal grows up to its capacity. Then appends are refused until there is room.

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

/// The location of a lake, and the limits of its parts.
#[derive(Debug, Clone)]
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
    /// The largest number of UTC days that one roll writes. Each day costs files and syncs, however few events it has.
    /// Events of further days wait in the journal and in memory. The next rolls follow at once and write them, along
    /// with new events.
    pub roll_days: usize,
    /// The memory for the indexes of event ids, in bytes.
    pub dedupe_memory: usize,
    /// The capacity of the journal on disk, in bytes.
    pub journal_capacity: u64,
    /// Whether files are merged in the background.
    pub auto_compaction: bool,
}

impl LakeOptions {
    /// Returns the default options for a folder.
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

/// Figures of a lake.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LakeStatus {
    /// Number of events.
    pub events: u64,
    /// Number of events that are in no file yet.
    pub hot_events: u64,
    /// UTC days whose events wait for a later roll. 0 unless events of very many days arrive at once.
    pub waiting_days: u64,
    /// Number of live event files.
    pub files: u64,
    /// Bytes of all live files.
    pub file_bytes: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of memory of the id indexes.
    pub dedupe_bytes: u64,
    /// Parts of the journal that were damaged or missing when the lake was opened.
    pub journal_damage: u64,
    /// Bytes that were cut from the end of the journal when the lake was opened: a write that a power loss interrupted,
    /// or damage to the newest events.
    pub journal_cut_bytes: u64,
    /// Rolls: hot tables that were written to files.
    pub rolls: WorkStats,
    /// Compactions: merges of files.
    pub compactions: WorkStats,
    /// Why the lake accepts no events or cannot roll. Absent if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The embedded store. Clones are cheap and share one lake. Requires a Tokio runtime.
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
    /// Opens a lake, or creates one, and replays its journal.
    ///
    /// # Errors
    /// Returns an error if another process has the folder open ([`LakeError::Locked`]), a repair of it was interrupted
    /// ([`LakeError::Repairing`]), a file is damaged or has a newer format, or a file cannot be read or written.
    pub async fn open(options: LakeOptions) -> Result<Self, LakeError> {
        let workers = blocking(move || Inner::open(options).map(worker::Workers::start)).await?;
        Ok(Self { workers: Arc::new(workers) })
    }

    /// Writes the hot table to files now. Returns when all events that were stored before the call are in files.
    pub async fn roll(&self) -> Result<(), LakeError> {
        self.workers.roll().await
    }

    /// Merges files until each day, and the users, have as few files as possible.
    pub async fn compact(&self) -> Result<(), LakeError> {
        self.workers.compact().await
    }

    /// Removes the events of all UTC days that ended by `before`, and returns their number. Users without remaining
    /// events are removed too. Rolls first. The call takes as long as reading all remaining events.
    ///
    /// The lake no longer knows the removed events: if one is sent again, it is stored again.
    pub async fn forget(&self, before: Timestamp) -> Result<u64, LakeError> {
        self.roll().await?;
        self.workers.forget(before.day()).await
    }

    /// Returns an export of all events, with their facts, that come after the position `after` of an earlier export.
    /// Use it to copy a whole lake. Rolls first. Events that are appended later are not included.
    pub async fn export(&self, after: Option<ExportCursor>) -> Result<Export, LakeError> {
        self.roll().await?;
        Ok(Export::new(self.inner().snapshot()?, after))
    }

    /// Runs a query on a snapshot once a permit is available.
    async fn read<T: Send + 'static>(
        &self,
        turns: &Arc<Semaphore>,
        ask: impl FnOnce(&Snapshot) -> error::Result<T> + Send + 'static,
    ) -> Result<T, LakeError> {
        let turn = turns.clone().acquire_owned().await.map_err(|_| LakeError::Closed)?;
        let inner = self.inner().clone();
        blocking(move || {
            // The work holds the permit, because it runs to its end even if the caller was dropped.
            let _turn = turn;
            ask(&inner.snapshot()?)
        })
        .await
    }

    /// Returns the data folder.
    pub fn dir(&self) -> &Path {
        &self.inner().options.dir
    }

    /// Returns the current figures.
    pub fn status(&self) -> LakeStatus {
        self.inner().status()
    }

    /// Returns whether days wait for a roll while the journal is more than a quarter full. The journal is shared by all
    /// senders, so a sender with events of many more days should wait. The check is cheap.
    pub fn is_behind(&self) -> bool {
        let inner = self.inner();
        let waits = !inner.state().waiting.is_empty();
        let JournalStats { bytes, capacity_bytes, .. } = inner.journal.stats();
        waits && bytes > capacity_bytes / 4
    }

    /// Returns figures of the journal.
    pub fn journal(&self) -> JournalStats {
        self.inner().journal.stats()
    }

    /// Stops accepting events, ends the background work and releases the folder. Events in the journal stay there.
    pub async fn close(&self) -> Result<(), LakeError> {
        let workers = self.workers.clone();
        blocking(move || workers.close()).await
    }

    fn inner(&self) -> &Arc<Inner> {
        self.workers.inner()
    }
}

/// Runs file reads and long computations off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> error::Result<T> + Send + 'static) -> error::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => Err(LakeError::Task(panic.to_string())),
    }
}
