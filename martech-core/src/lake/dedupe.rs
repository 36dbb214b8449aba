//! Whether an event is in a file already, or another one with its id: within a bound of memory, however long the history.

use std::sync::{Arc, OnceLock};

use quick_cache::{Weighter, sync::Cache};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    error::{Context, Result},
    files::{EventsFile, Version},
    hot::{EncodedKey, Known},
    ids::{IdFile, IdIndex},
    layout::Layout,
    parquet_file::Input,
};
use crate::event::EventKey;

/// Looks event ids up in the files' id indexes. Those in use stay in memory, up to a bound; the others are read by bucket.
pub(super) struct Dedupe {
    layout: Layout,
    indexes: Cache<u64, Arc<Loaded>, LoadedWeight>,
}

#[derive(Debug)]
struct Loaded {
    index: IdIndex,
    files: Files,
}

/// The files that say which event a row holds, opened once an id may be in them.
#[derive(Debug, Default)]
struct Files {
    /// Where the ids lie.
    events: OnceLock<Input>,
    /// Where the fingerprints lie.
    index: OnceLock<IdFile>,
}

/// The least that an index counts for, so that there are never more than [`MAX_LOADED`].
#[derive(Clone)]
struct LoadedWeight {
    least: u64,
}

impl Weighter<u64, Arc<Loaded>> for LoadedWeight {
    fn weight(&self, _file: &u64, loaded: &Arc<Loaded>) -> u64 {
        loaded.index.size().max(self.least)
    }
}

/// An index is loaded as a whole when a batch asks it more than one question for this many of its rows.
const ROWS_PER_QUESTION: u64 = 1000;

/// The most indexes in memory, each of which keeps its file and its event file open.
const MAX_LOADED: usize = 192;

impl Dedupe {
    pub(super) fn new(layout: Layout, memory: usize) -> Self {
        let memory = memory as u64;
        let weight = LoadedWeight { least: memory.div_ceil(MAX_LOADED as u64) };
        Self { layout, indexes: Cache::with_weighter(MAX_LOADED, memory, weight) }
    }

    /// Looks up in files what is not known of events yet, and adds it to what is `known`.
    pub(super) fn find(&self, version: &Version, events: &[EncodedKey], known: &mut [Option<Known>]) -> Result<()> {
        let mut questions: Vec<Question<'_>> = Vec::with_capacity(events.len());
        for (position, event) in events.iter().enumerate() {
            match known[position] {
                Some(Known::Duplicate) => {}
                // Its own day has no other event of this id. The days beside may have the one that it repeats.
                Some(Known::Conflict) if !event.estimated => {}
                _ => questions.extend(event.candidates().map(|key| Question { key, event, position })),
            }
        }
        questions.sort_unstable_by_key(|question| (question.key.day, question.position));
        for questions in questions.chunk_by(|left, right| left.key.day == right.key.day) {
            let ids = || questions.iter().map(|question| *question.key.id.as_bytes());
            let (Some(least), Some(greatest)) = (ids().min(), ids().max()) else { continue };
            for file in version.day(questions[0].key.day) {
                match file.ids()? {
                    // New events mostly have ids of now, and files those of before: then nobody need look into any.
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

    /// Compares events with the rows that may have their ids, each with the place of its id.
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
        rows.sort_unstable_by_key(|(place, ..)| *place);
        let events = opened(&files.events, || Ok(file.open()?.0))?;
        let (mut ids, mut prints) = (events.near(), None);
        for (place, row, Question { key, event, position }) in rows {
            if *ids.read(place, 16).context("cannot read", file.path())? != *key.id.as_bytes() {
                continue;
            }
            let prints = match &mut prints {
                Some(prints) => prints,
                none => none.insert(self.index(file, files)?.prints()),
            };
            let print = prints.of(row).context("cannot read", self.layout.ids_file(file.entry.id))?;
            // An index of the first version does not say which event it is.
            let found = print.map_or(Some(Known::Duplicate), |print| event.beside(*key, print));
            known[*position] = known[*position].max(found);
        }
        Ok(())
    }

    fn index<'a>(&self, file: &EventsFile, files: &'a Files) -> Result<&'a IdFile> {
        opened(&files.index, || IdFile::open(&*self.layout.fs, &self.layout.ids_file(file.entry.id)))
    }

    fn fits(&self, file: &EventsFile) -> bool {
        // Four bytes a row, a quarter more for buckets and pages. What a part of the cache cannot hold would be loaded
        // for nothing.
        file.entry.rows * 5 <= self.indexes.shard_capacity()
    }

    fn load(&self, file: &EventsFile) -> Result<Arc<Loaded>> {
        let index = IdIndex::read(&*self.layout.fs, &self.layout.ids_file(file.entry.id))?;
        let loaded = Arc::new(Loaded { index, files: Files::default() });
        self.indexes.insert(file.entry.id, loaded.clone());
        Ok(loaded)
    }

    /// Forgets files that are no longer live.
    pub(super) fn forget(&self, files: impl IntoIterator<Item = u64>) {
        for file in files {
            self.indexes.remove(&file);
        }
    }

    /// Bytes in use.
    pub(super) fn memory(&self) -> u64 {
        self.indexes.weight()
    }
}

/// Whether an event is in a file under one of its keys.
#[derive(Clone, Copy)]
struct Question<'a> {
    key: EventKey,
    event: &'a EncodedKey,
    /// Of the event in its batch.
    position: usize,
}

impl Question<'_> {
    fn hash(&self) -> u64 {
        xxh3_64(self.key.id.as_bytes())
    }
}

/// What is in the cell, opened first if it is not yet.
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
        event::Fingerprint,
        lake::{catalog::EventsEntry, files::Shared, ids},
        testing::SimFs,
    };

    #[test]
    fn few_files_are_open_however_many_small_ones_there_are() {
        let layout = Layout { fs: Arc::new(SimFs::new()), root: "/".into() };
        layout.create().unwrap();
        let shared = Arc::new(Shared::new(layout.clone(), 0));
        let dedupe = Dedupe::new(layout.clone(), 64 << 20);
        layout.fs.create_dir_all(&layout.events_day(0)).unwrap();
        for id in 0..2_000 {
            let page = ids::IdPage { first_row: 0, position: 4 };
            let row = ids::IdRow { id: [1; 16], print: Fingerprint::from_bits(1) };
            let bytes = ids::write(&*layout.fs, &layout.ids_file(id), &[row], &[page]).unwrap();
            layout.fs.create(&layout.events_file(0, id)).unwrap();
            let file = EventsFile::events(
                EventsEntry { id, day: 0, rows: 1, bytes, tail: crate::lake::parquet_file::Tail::default() },
                &shared,
            );
            assert!(dedupe.fits(&file));
            dedupe.load(&file).unwrap();
        }
        assert!((1..=MAX_LOADED).contains(&dedupe.indexes.len()), "{} are open", dedupe.indexes.len());
    }
}
