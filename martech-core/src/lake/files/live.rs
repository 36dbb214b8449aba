//! Live files: what a reader sees of them, and when they are removed.

use std::{
    fmt, io,
    ops::RangeInclusive,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow_array::{RecordBatch, cast::AsArray, types::TimestampMillisecondType};
use parquet::{arrow::arrow_reader::RowSelection, file::page_index::column_index::ColumnIndexMetaData};
use quick_cache::{Weighter, sync::Cache};

use super::{
    catalog::{EventsEntry, UsersEntry},
    facts::{Facts, FactsBuilder, FactsFiles, Fit, read_seed},
    ids::{IdRange, MAX_ROWS},
    layout::Layout,
    parquet_file::{Footer, Input, Tail},
    schema::{EVENTS, all_columns, column},
};
use crate::lake::{
    error::{Context, LakeError, Result},
    rows::{row::day_of, window::ByWindow},
};

/// The memory for the footers of files, in bytes.
const FOOTER_MEMORY: u64 = 24 << 20;

/// A cache of the footers of files, with bounded memory.
pub(crate) type Footers = Cache<u64, Arc<Footer>, FooterWeight>;

#[derive(Debug, Clone)]
pub(crate) struct FooterWeight;

impl Weighter<u64, Arc<Footer>> for FooterWeight {
    fn weight(&self, _id: &u64, footer: &Arc<Footer>) -> u64 {
        footer.size()
    }
}

/// State that all files of a lake share.
pub(crate) struct Shared {
    pub(crate) layout: Layout,
    pub(crate) footers: Footers,
    pub(crate) facts: FactsFiles,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(layout: Layout) -> Self {
        let facts = FactsFiles::new(layout.clone());
        Self { layout, footers: Cache::with_weighter(1000, FOOTER_MEMORY, FooterWeight), facts }
    }
}

/// A live file. After it is [retired](Self::retire), its last reader removes it from disk.
#[derive(Debug)]
pub(crate) struct LiveFile<Entry> {
    pub(crate) entry: Entry,
    id: u64,
    rows: u64,
    tail: Tail,
    paths: Vec<PathBuf>,
    /// The paths of caches, which may be missing.
    caches: Vec<PathBuf>,
    shared: Arc<Shared>,
    obsolete: AtomicBool,
    /// The range of ids of an event file, once it was asked for: see [`EventsFile::ids`].
    ids: OnceLock<Option<IdRange>>,
}

pub(crate) type EventsFile = LiveFile<EventsEntry>;
pub(crate) type UsersFile = LiveFile<UsersEntry>;

impl EventsFile {
    pub(crate) fn events(entry: EventsEntry, shared: &Arc<Shared>) -> Arc<Self> {
        let layout = &shared.layout;
        Self::new(
            entry,
            entry.id,
            entry.rows,
            entry.tail,
            vec![layout.events_file(entry.id), layout.ids_file(entry.id)],
            vec![layout.facts_file(entry.id)],
            shared,
        )
    }

    /// Returns the range of the ids in the file, if the file states it. UUIDv7 ids begin with their time of creation,
    /// so new ids mostly lie outside the range of older files.
    pub(crate) fn ids(&self) -> Result<Option<&IdRange>> {
        if let Some(ids) = self.ids.get() {
            return Ok(ids.as_ref());
        }
        let (_, footer) = self.open()?;
        Ok(self.ids.get_or_init(|| footer.id_range()).as_ref())
    }

    /// Returns [`ids`](Self::ids), or `None` if that would read the file.
    pub(crate) fn ids_in_memory(&self) -> Option<&IdRange> {
        self.ids.get().and_then(Option::as_ref)
    }

    /// Returns whether the file may have events of a user.
    pub(crate) fn may_hold_user(&self, user_id: &str) -> Result<bool> {
        if let Some(footer) = self.shared.footers.get(&self.id)
            && let Some(may_hold) = footer.may_hold_in_memory(user_id)
        {
            return Ok(may_hold);
        }
        let (input, footer) = self.open()?;
        footer.may_hold(&input, column::USER_ID, user_id).context("cannot read", self.path())
    }

    /// Returns the facts of the file, and makes them first if there are none.
    pub(crate) fn facts(&self) -> Result<Arc<Facts>> {
        self.shared.facts.of(&self.entry, || self.open())
    }

    /// Returns a builder for the facts of the file, to compare with those that it has. Returns `None` if the folder has
    /// no seed, and so no facts that fit.
    pub(crate) fn facts_to_compare(&self) -> Option<FactsBuilder> {
        let seed = read_seed(&self.shared.layout)?;
        Some(FactsBuilder::new(seed, (self.rows as usize).min(MAX_ROWS)))
    }

    /// Compares the facts with what they should be.
    pub(crate) fn compare_facts(&self, expected: FactsBuilder) -> Fit {
        self.shared.facts.compare(&self.entry, expected)
    }

    /// Returns the seed of the keys in the facts.
    pub(crate) fn seed(&self) -> u64 {
        self.shared.facts.seed()
    }

    pub(crate) fn facts_path(&self) -> PathBuf {
        self.shared.layout.facts_file(self.id)
    }

    /// Makes the facts again, because `failed` turned out to be damaged with this error. Other errors are returned.
    pub(crate) fn remake_facts(&self, failed: &Arc<Facts>, error: io::Error) -> Result<Arc<Facts>> {
        self.shared.facts.remake(&self.entry, failed, error, || self.open())
    }

    /// Returns the times of some rows, which must ascend.
    pub(crate) fn times_of(&self, rows: &[u32]) -> Result<Vec<i64>> {
        let ranges = rows.iter().map(|row| *row as usize..*row as usize + 1);
        let selection = RowSelection::from_consecutive_ranges(ranges, self.entry.rows as usize);
        let mut times = Vec::with_capacity(rows.len());
        self.for_each_part(&[column::OCCURRED_AT], Some(selection), rows.len().max(1), |batch| {
            times.extend_from_slice(batch.column(0).as_primitive::<TimestampMillisecondType>().values());
            Ok(())
        })?;
        Ok(times)
    }

    /// Calls `each` with the UTC day of every row.
    pub(crate) fn for_each_day(&self, mut each: impl FnMut(i32)) -> Result<()> {
        self.for_each_part(&[column::OCCURRED_AT], None, 64 * 1024, |batch| {
            let times = batch.column(0).as_primitive::<TimestampMillisecondType>();
            times.values().iter().for_each(|time| each(day_of(*time)));
            Ok(())
        })
    }

    /// Calls `each` with all rows and columns, batch by batch.
    pub(crate) fn for_each_batch(&self, rows: usize, each: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        self.for_each_part(&all_columns(), None, rows, each)
    }

    /// Calls `each` with these columns of the selected rows, or of all, batch by batch.
    pub(crate) fn for_each_part(
        &self,
        columns: &[usize],
        rows: Option<RowSelection>,
        batch_rows: usize,
        mut each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let (input, footer) = self.open()?;
        let reader = input.read(&footer, &EVENTS, columns, rows, batch_rows).context("cannot read", self.path())?;
        for batch in reader {
            each(&batch.context("cannot read", self.path())?)?;
        }
        Ok(())
    }
}

impl UsersFile {
    pub(crate) fn users(entry: UsersEntry, shared: &Arc<Shared>) -> Arc<Self> {
        Self::new(entry, entry.id, entry.rows, entry.tail, vec![shared.layout.users_file(entry.id)], Vec::new(), shared)
    }
}

impl<Entry> LiveFile<Entry> {
    fn new(
        entry: Entry,
        id: u64,
        rows: u64,
        tail: Tail,
        paths: Vec<PathBuf>,
        caches: Vec<PathBuf>,
        shared: &Arc<Shared>,
    ) -> Arc<Self> {
        let (shared, obsolete, ids) = (shared.clone(), AtomicBool::new(false), OnceLock::new());
        Arc::new(Self { entry, id, rows, tail, paths, caches, shared, obsolete, ids })
    }

    /// Returns the file number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the path of the Parquet file.
    pub(crate) fn path(&self) -> &PathBuf {
        &self.paths[0]
    }

    /// Returns an error that says the file is damaged.
    pub(crate) fn damaged(&self, message: impl Into<String>) -> LakeError {
        LakeError::Damaged { path: self.path().clone(), message: message.into() }
    }

    /// Returns the paths of all files that belong to this one.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Opens the file and returns it with its footer.
    pub(crate) fn open(&self) -> Result<(Input, Arc<Footer>)> {
        let input = Input::open(&*self.shared.layout.fs, self.path())?;
        let footer = self.shared.footers.get_or_insert_with(&self.id, || {
            input.footer(self.rows, self.tail).map(Arc::new).context("cannot read", self.path())
        })?;
        Ok((input.checked(&footer), footer))
    }

    /// Marks the file as obsolete: the catalog no longer names it.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl<Entry> Drop for LiveFile<Entry> {
    fn drop(&mut self) {
        if !self.obsolete.load(Ordering::Acquire) {
            return;
        }
        self.shared.footers.remove(&self.id);
        self.shared.facts.forget(self.id);
        for path in self.paths.iter().chain(&self.caches) {
            if let Err(error) = self.shared.layout.remove(path) {
                // The next start removes files that no catalog names.
                tracing::warn!(%error, "cannot remove an old file; it stays until the next start");
            }
        }
    }
}

/// The live files according to one state of the catalog.
#[derive(Debug, Default, Clone)]
pub(crate) struct Version {
    pub(crate) events: ByWindow<Arc<EventsFile>>,
    pub(crate) users: Vec<Arc<UsersFile>>,
}

impl Version {
    pub(crate) fn new(
        events: impl IntoIterator<Item = Arc<EventsFile>>,
        users: impl IntoIterator<Item = Arc<UsersFile>>,
    ) -> Self {
        let mut version = Self { users: users.into_iter().collect(), ..Self::default() };
        events.into_iter().for_each(|file| version.add(file));
        version
    }

    pub(crate) fn add(&mut self, file: Arc<EventsFile>) {
        self.events.push(file.entry.days, file);
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Arc<EventsFile>> {
        self.events.iter()
    }

    /// Returns the event files that may have rows of a day.
    pub(crate) fn of_day(&self, day: i32) -> impl Iterator<Item = &Arc<EventsFile>> {
        self.events.around(day).filter(move |file| file.entry.days.holds(day))
    }

    /// Returns the event files that may have rows of these days.
    pub(crate) fn of_days(&self, days: RangeInclusive<i32>) -> impl Iterator<Item = &Arc<EventsFile>> {
        self.events().filter(move |file| file.entry.days.touches(&days))
    }
}

/// Consecutive rows of a file, and the range of users in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserPage<'a> {
    pub(crate) first_row: usize,
    pub(crate) rows: usize,
    pub(crate) first_user: &'a [u8],
    pub(crate) last_user: &'a [u8],
}

/// Returns the pages of a file that is sorted by user. `user_id` is the position of the column of users.
pub(crate) fn user_pages(footer: &Footer, user_id: usize) -> Vec<UserPage<'_>> {
    let footer = &footer.metadata;
    let rows = footer.file_metadata().num_rows() as usize;
    let whole = || vec![UserPage { first_row: 0, rows, first_user: &[], last_user: &[0xff; 4] }];
    let Some(index) = footer.page_index() else { return whole() };
    let (Some(ColumnIndexMetaData::BYTE_ARRAY(users)), Some(offsets)) =
        (index.column_index(0, user_id), index.offset_index(0, user_id))
    else {
        return whole();
    };
    let locations = offsets.page_locations();
    (0..locations.len())
        .map(|page| {
            let first_row = locations[page].first_row_index as usize;
            let end = locations.get(page + 1).map_or(rows, |next| next.first_row_index as usize);
            UserPage {
                first_row,
                rows: end - first_row,
                first_user: users.min_value(page).unwrap_or_default(),
                last_user: users.max_value(page).unwrap_or(&[0xff; 4]),
            }
        })
        .collect()
}
