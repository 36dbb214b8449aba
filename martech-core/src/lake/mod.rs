//! The embedded store: a journal (write-ahead log), a hot table (memtable) and sorted Parquet files.
//!
//! ```text
//! data/
//!   LOCK                                  one process at a time
//!   catalog                               the live files, and the journal frame up to which they hold all rows
//!   journal/*.log                         events that are in no file yet
//!   events/*.parquet                      events of a day, or of more days if they have few, by user, time and id
//!   ids/*.ids                             for each event file: the event ids in it
//!   users/*.parquet                       for each user: first and last seen, events, sessions, orders, revenue
//!   facts/*.facts                         a cache: the columns of an event file that figures are counted from
//! ```
//!
//! # Write path
//! 1. [`append`](Store::append) drops events that are already stored (`dedupe`), writes the rest to the journal, and
//!    answers when they are durable. The same bytes become rows of the hot table, which every query reads.
//! 2. A roll (`roll`) freezes the hot table, sorts it, writes a file for each window of days (`window`) and one for the
//!    users, replaces the catalog, and trims the journal.
//! 3. Compaction (`compaction`) merges the files of a window, and the users files, so that their number stays small.
//!
//! # Invariants
//! - An acknowledged event is durable: it is in a synced journal frame, or in a file that the catalog names.
//! - An event is stored once. The catalog states up to which frame files hold all rows. Opening replays exactly the
//!   rows that are in no file, and removes files that no catalog names.
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

use std::{path::Path, sync::Arc};

use crate::{
    event::{Event, Timestamp},
    journal::JournalStats,
    query::{JourneyPage, JourneyQuery, Reader, Stats, StatsQuery, UsersPage, UsersQuery},
    store::{Appended, Store, StoreError},
};

mod blocking;
mod engine;
mod error;
mod files;
mod maintain;
mod options;
mod permits;
mod read;
mod rows;
mod snapshot;
mod worker;
mod write;

use self::{
    blocking::blocking,
    engine::Engine,
    permits::QueryPermit,
    read::{journey, stats, users},
    snapshot::Snapshot,
    worker::Workers,
    write::admission,
};
pub use self::{
    engine::{counters::WorkStats, status::LakeStatus},
    error::LakeError,
    maintain::{repair, verify},
    options::LakeOptions,
    permits::ScanLimit,
    read::export::{Export, ExportCursor},
};

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
    workers: Arc<Workers>,
}

impl Store<Event> for Lake {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        admission::append(self.engine(), batch).await
    }
}

impl Reader for Lake {
    type Error = LakeError;

    async fn journey(&self, query: JourneyQuery) -> Result<JourneyPage, LakeError> {
        let permit = self.engine().permits.lookup().await;
        self.read(permit, move |snapshot| journey::journey(snapshot, &query)).await
    }

    async fn users(&self, query: UsersQuery) -> Result<UsersPage, LakeError> {
        let permit = self.engine().permits.lookup().await;
        self.read(permit, move |snapshot| users::page(snapshot, &query)).await
    }

    async fn stats(&self, query: StatsQuery) -> Result<Stats, LakeError> {
        let permit = self.engine().permits.scan().await;
        self.read(permit, move |snapshot| stats::stats(snapshot, &query)).await
    }
}

impl Lake {
    /// Opens a lake, or creates one, and replays its journal. A lake of an older format is brought to the present one.
    ///
    /// # Errors
    /// Returns an error if another process has the folder open ([`LakeError::Locked`]), a repair of it was interrupted
    /// ([`LakeError::Repairing`]), a file is damaged or has a newer format, or a file cannot be read or written.
    pub async fn open(options: LakeOptions) -> Result<Self, LakeError> {
        let workers = blocking(move || engine::opening::open(options).map(Workers::start)).await?;
        Ok(Self { workers: Arc::new(workers) })
    }

    /// Writes the hot table to files now. Returns when all events that were stored before the call are in files.
    pub async fn roll(&self) -> Result<(), LakeError> {
        self.workers.roll().await
    }

    /// Merges files until each window of days, and the users, have as few files as possible.
    pub async fn compact(&self) -> Result<(), LakeError> {
        self.workers.compact().await
    }

    /// Removes the events of all UTC days that ended by `before`, and returns their number. Users without remaining
    /// events are removed too. Rolls first. The call takes as long as reading all remaining events.
    ///
    /// The lake no longer knows the removed events: if one is sent again, it is stored again.
    pub async fn remove_before(&self, before: Timestamp) -> Result<u64, LakeError> {
        self.roll().await?;
        self.workers.remove_before(before.day()).await
    }

    /// Returns an export of all events, with their facts, that come after the position `after` of an earlier export.
    /// Use it to copy a whole lake. Rolls first. Events that are appended later are not included.
    pub async fn export(&self, after: Option<ExportCursor>) -> Result<Export, LakeError> {
        self.roll().await?;
        let settled = self.engine().files.settled();
        Ok(Export::new(self.engine().snapshot()?, settled, after))
    }

    /// Runs a query on a snapshot.
    async fn read<T: Send + 'static>(
        &self,
        permit: QueryPermit,
        ask: impl FnOnce(&Snapshot) -> error::Result<T> + Send + 'static,
    ) -> Result<T, LakeError> {
        let engine = self.engine().clone();
        blocking(move || {
            // The work holds the permit, because it runs to its end even if the caller was dropped.
            let _permit = permit;
            ask(&engine.snapshot()?)
        })
        .await
    }

    /// Returns the data folder.
    pub fn dir(&self) -> &Path {
        &self.engine().options.dir
    }

    /// Returns the current figures.
    pub fn status(&self) -> LakeStatus {
        self.engine().status()
    }

    /// Returns figures of the journal.
    pub fn journal(&self) -> JournalStats {
        self.engine().journal.stats()
    }

    /// Stops accepting events, ends the background work and releases the folder. Events in the journal stay there.
    pub async fn close(&self) -> Result<(), LakeError> {
        let workers = self.workers.clone();
        blocking(move || workers.close()).await
    }

    fn engine(&self) -> &Arc<Engine> {
        self.workers.engine()
    }
}
