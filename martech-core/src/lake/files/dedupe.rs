//! Deduplication: finds out whether an event, or another event with its id, is already in a file. Memory is bounded,
//! regardless of the length of the history.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use quick_cache::{Weighter, sync::Cache};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    ids::{IdFile, IdIndex},
    layout::Layout,
    live::{EventsFile, Version},
    parquet_file::Input,
};
use crate::{
    event::{EventKey, Fingerprint},
    lake::{
        error::{Context, Result},
        rows::{
            hot::{EncodedKey, Known},
            row::day_of,
        },
    },
};

/// Looks up event ids in the id indexes of the files. A cache of bounded size holds indexes that are used often; other
/// indexes are read from disk by bucket.
pub(crate) struct Dedupe {
    layout: Layout,
    indexes: Cache<u64, Arc<Loaded>, LoadedWeight>,
}

#[derive(Debug)]
struct Loaded {
    index: IdIndex,
    files: Files,
}

/// The files that tell which event a row holds. They are opened once an id may be in them.
#[derive(Debug, Default)]
struct Files {
    /// The event file, which holds the ids.
    events: OnceLock<Input>,
    /// The id index, which holds the fingerprints.
    index: OnceLock<IdFile>,
}

/// Weighs an index by its size, and at least by `least`, so that at most [`MAX_LOADED`] indexes are in memory.
#[derive(Clone)]
struct LoadedWeight {
    least: u64,
}

impl Weighter<u64, Arc<Loaded>> for LoadedWeight {
    fn weight(&self, _file: &u64, loaded: &Arc<Loaded>) -> u64 {
        loaded.index.size().max(self.least)
    }
}

/// An index is loaded as a whole if a batch has more than one lookup for this many of its rows.
const ROWS_PER_QUESTION: u64 = 1000;

/// The largest number of indexes in memory. Each keeps its own file and its event file open.
const MAX_LOADED: usize = 192;

impl Dedupe {
    pub(crate) fn new(layout: Layout, memory: usize) -> Self {
        let memory = memory as u64;
        let weight = LoadedWeight { least: memory.div_ceil(MAX_LOADED as u64) };
        Self { layout, indexes: Cache::with_weighter(MAX_LOADED, memory, weight) }
    }

    /// Looks up events in the files, and adds the results to `known`.
    pub(crate) fn find(&self, version: &Version, events: &[EncodedKey], known: &mut [Option<Known>]) -> Result<()> {
        // Sorting the lookups of a large batch would cost more than the lookups.
        if is_in_no_file(version, events, known) {
            return Ok(());
        }
        let mut questions: Vec<Question<'_>> = questions(events, known).collect();
        questions.sort_unstable_by_key(|question| (question.key.day, question.position));
        let (Some(first), Some(last)) = (questions.first(), questions.last()) else { return Ok(()) };
        for file in version.of_days(first.key.day..=last.key.day) {
            let days = file.entry.days;
            let from = questions.partition_point(|question| question.key.day < days.first());
            let to = questions.partition_point(|question| question.key.day <= days.last());
            let questions = &questions[from..to];
            let ids = || questions.iter().map(|question| *question.key.id.as_bytes());
            let (Some(least), Some(greatest)) = (ids().min(), ids().max()) else { continue };
            match file.ids()? {
                // New events mostly have ids of the present time, and files have older ids, so most lookups end here.
                Some(ids) if greatest < *ids.start() || least > *ids.end() => {}
                Some(ids) if least < *ids.start() || greatest > *ids.end() => {
                    let within = |question: &&Question<'_>| ids.contains(question.key.id.as_bytes());
                    let questions: Vec<_> = questions.iter().filter(within).copied().collect();
                    if !questions.is_empty() {
                        self.ask(file, &questions, known)?;
                    }
                }
                _ => self.ask(file, questions, known)?,
            }
        }
        Ok(())
    }

    fn ask(&self, file: &EventsFile, questions: &[Question<'_>], known: &mut [Option<Known>]) -> Result<()> {
        let worthwhile = questions.len() as u64 * ROWS_PER_QUESTION >= file.entry.rows && self.fits(file);
        let loaded = match self.indexes.get(&file.entry.id) {
            Some(loaded) => Some(loaded),
            None if worthwhile => Some(self.load(file)?),
            None => None,
        };
        let path = self.layout.ids_file(file.entry.id);
        match loaded {
            Some(loaded) => {
                let mut rows = Vec::new();
                for question in questions {
                    for row in loaded.index.candidates(question.hash()) {
                        rows.push((loaded.index.position(row).context("cannot read", &path)?, row, question));
                    }
                }
                self.compare(file, &loaded.files, rows, known)
            }
            None => {
                let files = Files { index: IdFile::open(&*self.layout.fs, &path)?.into(), ..Files::default() };
                let (index, mut rows) = (self.index(file, &files)?, Vec::new());
                for question in questions {
                    for row in index.candidates(question.hash()).context("cannot read", &path)? {
                        rows.push((index.position(row).context("cannot read", &path)?, row, question));
                    }
                }
                self.compare(file, &files, rows, known)
            }
        }
    }

    /// Compares events with the rows that may have their ids. Each row comes with the position of its id in the event
    /// file.
    fn compare(
        &self,
        file: &EventsFile,
        files: &Files,
        mut rows: Vec<(u64, u32, &Question<'_>)>,
        known: &mut [Option<Known>],
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_unstable_by_key(|(offset, ..)| *offset);
        let events = opened(&files.events, || Ok(file.open()?.0))?;
        let (mut ids, mut prints) = (events.near(), None);
        // Rows with the id of an event, in a file of several days: the row may be of another day than the event.
        let mut others: Vec<(u32, &Question<'_>, Option<Fingerprint>)> = Vec::new();
        for (offset, row, question) in rows {
            let Question { key, position, .. } = question;
            if *ids.read(offset, 16).context("cannot read", file.path())? != *key.id.as_bytes() {
                continue;
            }
            let prints = match &mut prints {
                Some(prints) => prints,
                none => none.insert(self.index(file, files)?.prints()),
            };
            let print = prints.of(row).context("cannot read", self.layout.ids_file(file.entry.id))?;
            if file.entry.days.is_one() {
                known[*position] = known[*position].max(question.compare(print));
            } else {
                others.push((row, question, print));
            }
        }
        others.sort_unstable_by_key(|(row, ..)| *row);
        let mut rows: Vec<u32> = others.iter().map(|(row, ..)| *row).collect();
        rows.dedup();
        if rows.is_empty() {
            return Ok(());
        }
        let days: HashMap<u32, i32> = rows.iter().copied().zip(file.times_of(&rows)?.into_iter().map(day_of)).collect();
        for (row, question, print) in others {
            if days.get(&row) == Some(&question.key.day) {
                known[question.position] = known[question.position].max(question.compare(print));
            }
        }
        Ok(())
    }

    fn index<'a>(&self, file: &EventsFile, files: &'a Files) -> Result<&'a IdFile> {
        opened(&files.index, || IdFile::open(&*self.layout.fs, &self.layout.ids_file(file.entry.id)))
    }

    fn fits(&self, file: &EventsFile) -> bool {
        // An entry takes four bytes, plus a quarter for buckets and pages. The cache would immediately evict an index
        // larger than one of its shards.
        file.entry.rows * 5 <= self.indexes.shard_capacity()
    }

    fn load(&self, file: &EventsFile) -> Result<Arc<Loaded>> {
        let index = IdIndex::read(&*self.layout.fs, &self.layout.ids_file(file.entry.id))?;
        let loaded = Arc::new(Loaded { index, files: Files::default() });
        self.indexes.insert(file.entry.id, loaded.clone());
        Ok(loaded)
    }

    /// Removes the indexes of files that are no longer live.
    pub(crate) fn remove_indexes(&self, files: impl IntoIterator<Item = u64>) {
        for file in files {
            self.indexes.remove(&file);
        }
    }

    /// Returns the memory in use, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.indexes.weight()
    }
}

/// Returns whether [`Dedupe::find`] would find nothing, going by the ranges of ids that are in memory.
pub(crate) fn is_in_no_file(version: &Version, events: &[EncodedKey], known: &[Option<Known>]) -> bool {
    questions(events, known).all(|Question { key, .. }| {
        let is_outside = |file: &EventsFile| file.ids_in_memory().is_some_and(|ids| !ids.contains(key.id.as_bytes()));
        version.of_day(key.day).all(|file| is_outside(file))
    })
}

/// Returns the lookups for the events about which something is still to be found out.
fn questions<'a>(events: &'a [EncodedKey], known: &[Option<Known>]) -> impl Iterator<Item = Question<'a>> {
    let is_open = |(event, known): (&EncodedKey, &Option<Known>)| match known {
        Some(Known::Duplicate) => false,
        // Its own day has no other event of this id. An adjacent day may hold the event that this one repeats.
        Some(Known::Conflict) => event.estimated,
        None => true,
    };
    let open = events.iter().zip(known).enumerate().filter(move |(_, event)| is_open(*event));
    open.flat_map(|(position, (event, _))| event.candidates().map(move |key| Question { key, event, position }))
}

/// A lookup of an event in the files under one of its keys.
#[derive(Clone, Copy)]
struct Question<'a> {
    key: EventKey,
    event: &'a EncodedKey,
    /// The position of the event in its batch.
    position: usize,
}

impl Question<'_> {
    fn hash(&self) -> u64 {
        xxh3_64(self.key.id.as_bytes())
    }

    /// Compares the event with a stored one that has the key. An index of the first version has no fingerprint, which
    /// would tell which event it is.
    fn compare(&self, stored: Option<Fingerprint>) -> Option<Known> {
        stored.map_or(Some(Known::Duplicate), |stored| self.event.compare_stored(self.key, stored))
    }
}

/// Returns the value of the cell. Opens it first if the cell is empty.
fn opened<T>(cell: &OnceLock<T>, open: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(opened) = cell.get() {
        return Ok(opened);
    }
    let opened = open()?;
    Ok(cell.get_or_init(|| opened))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, EventId, EventRules, EventType, Fingerprint, MILLIS_PER_DAY, Timestamp},
        lake::{
            Lake, LakeOptions,
            files::{catalog::EventsEntry, ids, live::Shared, parquet_file::Tail},
            rows::window::Days,
        },
        store::Store,
        testing::SimFs,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn event_of_another_day_with_the_same_fingerprint_is_stored() {
        let options = LakeOptions::new("/data").fs(Arc::new(SimFs::new())).roll_windows(1);
        let lake = Lake::open(options).await.unwrap();
        let event = |id: u128, millis: i64| {
            let event = Event::builder("u1", EventType::PAGE_VIEW).id(EventId::from_bytes(id.to_be_bytes()));
            let time = Timestamp::from_millis(millis);
            event.occurred_at(time).received_at(time).build(&EventRules::default()).unwrap()
        };
        let first = event(1, 1_000);
        lake.append(&[first.clone(), event(2, 20 * MILLIS_PER_DAY)]).await.unwrap();
        lake.roll().await.unwrap();
        assert_eq!(lake.status().files, 1, "both days are in one file");
        let same = |event: &Event| event.signature().fingerprint() == first.signature().fingerprint();
        let mut later = (0..MILLIS_PER_DAY).map(|millis| event(1, 9 * MILLIS_PER_DAY + millis));
        let other = later.find(same).expect("fingerprints have 16 bits");
        assert_eq!(lake.append(&[other, first]).await.unwrap().duplicates, [1]);
    }

    #[test]
    fn keeps_few_files_open_with_many_small_files() {
        let layout = Layout { fs: Arc::new(SimFs::new()), root: "/".into() };
        layout.create().unwrap();
        let shared = Arc::new(Shared::new(layout.clone()));
        let dedupe = Dedupe::new(layout.clone(), 64 << 20);
        for id in 0..2_000 {
            let page = ids::IdPage { first_row: 0, position: 4 };
            let row = ids::IdRow { id: [1; 16], print: Fingerprint::from_bits(1) };
            let bytes = ids::write(&*layout.fs, &layout.ids_file(id), &[row], &[page]).unwrap();
            layout.fs.create(&layout.events_file(id)).unwrap();
            let file = EventsFile::events(
                EventsEntry { id, days: Days::of_day(0), rows: 1, bytes, tail: Tail::default() },
                &shared,
            );
            assert!(dedupe.fits(&file));
            dedupe.load(&file).unwrap();
        }
        assert!((1..=MAX_LOADED).contains(&dedupe.indexes.len()), "{} are open", dedupe.indexes.len());
    }
}
