//! Whether an event is in a file already: exact, within a bound of memory, however long the history.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    error::{Context, Result},
    files::{EventsFile, Version},
    hot::EncodedKey,
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
    /// Opened once an id may be in it.
    events: OnceLock<Input>,
}

impl Loaded {
    fn events(&self, file: &EventsFile) -> Result<&Input> {
        if let Some(events) = self.events.get() {
            return Ok(events);
        }
        let (events, _) = file.open()?;
        Ok(self.events.get_or_init(|| events))
    }
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

/// The most indexes in memory, each of which keeps its event file open.
const MAX_LOADED: usize = 256;

impl Dedupe {
    pub(super) fn new(layout: Layout, memory: usize) -> Self {
        let memory = memory as u64;
        let weight = LoadedWeight { least: memory.div_ceil(MAX_LOADED as u64) };
        Self { layout, indexes: Cache::with_weighter(MAX_LOADED, memory, weight) }
    }

    /// Of the events at `positions`, those that are in a file.
    pub(super) fn find(&self, version: &Version, keys: &[EncodedKey], positions: &[usize]) -> Result<Vec<usize>> {
        let mut by_day: Vec<(EventKey, usize)> = positions
            .iter()
            .flat_map(|&position| keys[position].candidates().map(move |key| (key, position)))
            .collect();
        by_day.sort_unstable_by_key(|(key, position)| (key.day, *position));
        let mut found = Vec::new();
        for questions in by_day.chunk_by(|left, right| left.0.day == right.0.day) {
            let ids = || questions.iter().map(|(key, _)| *key.id.as_bytes());
            let (Some(least), Some(greatest)) = (ids().min(), ids().max()) else { continue };
            for file in version.day(questions[0].0.day) {
                match file.ids()? {
                    // New events mostly have ids of now, and files those of before: then nobody need look into any.
                    Some(ids) if greatest < *ids.start() || least > *ids.end() => {}
                    Some(ids) if least < *ids.start() || greatest > *ids.end() => {
                        let within = |question: &&(EventKey, usize)| ids.contains(question.0.id.as_bytes());
                        let questions: Vec<_> = questions.iter().filter(within).copied().collect();
                        if !questions.is_empty() {
                            self.ask(file, &questions, &mut found)?;
                        }
                    }
                    _ => self.ask(file, questions, &mut found)?,
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn ask(&self, file: &EventsFile, questions: &[(EventKey, usize)], found: &mut Vec<usize>) -> Result<()> {
        let worthwhile = questions.len() as u64 * ROWS_PER_QUESTION >= file.entry.rows && self.fits(file);
        let loaded = match self.indexes.get(&file.entry.id) {
            Some(loaded) => Some(loaded),
            None if worthwhile => Some(self.load(file)?),
            None => None,
        };
        match loaded {
            Some(loaded) => {
                for (key, position) in questions {
                    for row in loaded.index.candidates(xxh3_64(key.id.as_bytes())) {
                        let place =
                            loaded.index.position(row).context("cannot read", self.layout.ids_file(file.entry.id))?;
                        let id = id_at(loaded.events(file)?, place).context("cannot read", file.path())?;
                        if *id == *key.id.as_bytes() {
                            found.push(*position);
                        }
                    }
                }
            }
            None => self.ask_on_disk(file, questions, found)?,
        }
        Ok(())
    }

    fn ask_on_disk(&self, file: &EventsFile, questions: &[(EventKey, usize)], found: &mut Vec<usize>) -> Result<()> {
        let path = self.layout.ids_file(file.entry.id);
        let index = IdFile::open(&*self.layout.fs, &path)?;
        let mut events = None;
        for (key, position) in questions {
            for row in index.candidates(xxh3_64(key.id.as_bytes())).context("cannot read", &path)? {
                let events = match &mut events {
                    Some(events) => events,
                    None => events.insert(file.open()?.0),
                };
                let place = index.position(row).context("cannot read", &path)?;
                if *id_at(events, place).context("cannot read", file.path())? == *key.id.as_bytes() {
                    found.push(*position);
                }
            }
        }
        Ok(())
    }

    fn fits(&self, file: &EventsFile) -> bool {
        // Four bytes a row, a quarter more for buckets and pages. What a part of the cache cannot hold would be loaded
        // for nothing.
        file.entry.rows * 5 <= self.indexes.shard_capacity()
    }

    fn load(&self, file: &EventsFile) -> Result<Arc<Loaded>> {
        let index = IdIndex::read(&*self.layout.fs, &self.layout.ids_file(file.entry.id))?;
        let loaded = Arc::new(Loaded { index, events: OnceLock::new() });
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

/// The sixteen bytes of the id that lies there.
fn id_at(events: &Input, position: u64) -> std::io::Result<Bytes> {
    events.bytes(position, 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
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
            let bytes = ids::write(&*layout.fs, &layout.ids_file(id), &[[1; 16]], &[page]).unwrap();
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
