//! Facts files: a compact twin of each event file, from which figures are counted.
//!
//! A facts file has the columns that figures need, bit-packed in blocks of 1,024 rows that are decoded one by one. Rows
//! are sorted by the key of the person, which is a hash of the user id, and then as in the event file. So the rows of a
//! range of persons are in few blocks of each file, and persons of several files are joined without comparing text.
//!
//! Facts are a cache: a function of the event file and of the seed of the keys. They are not synced and no catalog names
//! them. A file that is missing, torn, or made for another event file is made again from the event file. If it cannot be
//! written, it stays in memory.

mod block;
mod builder;
mod file;
mod packed;

use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use quick_cache::{Weighter, sync::Cache};

pub(crate) use self::{
    block::{Block, Coded, Columns},
    builder::{FactsBuilder, person_key},
    file::Facts,
};
use self::{
    builder::SOURCES,
    file::{Head, Source},
};
use super::{
    catalog::EventsEntry,
    layout::Layout,
    parquet_file::{Footer, Input},
    schema::EVENTS,
};
use crate::lake::error::{Context, Result};

/// The memory for directories of open facts files, in bytes.
const MEMORY: u64 = 32 << 20;
/// The number of rows read from an event file at a time.
const BATCH_ROWS: usize = 8 * 1024;

/// The facts files of a lake.
pub(crate) struct FactsFiles {
    layout: Layout,
    seed: OnceLock<u64>,
    open: Cache<u64, Arc<Facts>, Weight>,
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<u64, Arc<Facts>> for Weight {
    fn weight(&self, _file: &u64, facts: &Arc<Facts>) -> u64 {
        facts.size()
    }
}

impl fmt::Debug for FactsFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FactsFiles").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// Whether facts fit their event file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Absent,
    Right,
    /// The facts would not be used, because a checksum is wrong or they belong to another event file.
    Torn,
    /// All checksums are right, and yet the facts contradict the event file.
    Wrong,
}

impl FactsFiles {
    pub(crate) fn new(layout: Layout) -> Self {
        let open = Cache::with_weighter(1000, MEMORY, Weight);
        Self { layout, seed: OnceLock::new(), open }
    }

    /// Returns the seed of the keys of persons, which senders cannot know. A folder without one gets a new seed, and its
    /// facts are made again.
    pub(crate) fn seed(&self) -> u64 {
        *self.seed.get_or_init(|| read_seed(&self.layout).unwrap_or_else(|| new_seed(&self.layout)))
    }

    /// Returns the facts of an event file. Makes them if there are none.
    pub(crate) fn of(
        &self,
        entry: &EventsEntry,
        open: impl FnOnce() -> Result<(Input, Arc<Footer>)>,
    ) -> Result<Arc<Facts>> {
        self.open.get_or_insert_with(&entry.id, || {
            let found = Facts::open(self.on_disk(entry.id), self.head(entry));
            found.or_else(|_| self.make(entry, open)).map(Arc::new)
        })
    }

    /// Makes the facts of an event file again, because they turned out to be damaged.
    pub(crate) fn remake(
        &self,
        entry: &EventsEntry,
        open: impl FnOnce() -> Result<(Input, Arc<Footer>)>,
    ) -> Result<Arc<Facts>> {
        tracing::warn!(path = %self.path(entry.id).display(), "a facts file is damaged; it is made again");
        let facts = Arc::new(self.make(entry, open)?);
        self.open.insert(entry.id, facts.clone());
        Ok(facts)
    }

    fn make(&self, entry: &EventsEntry, open: impl FnOnce() -> Result<(Input, Arc<Footer>)>) -> Result<Facts> {
        let (input, footer) = open()?;
        let path = self.layout.events_file(entry.id);
        let mut builder = FactsBuilder::new(self.seed(), entry.rows as usize);
        for batch in input.read(&footer, &EVENTS, &SOURCES, None, BATCH_ROWS).context("cannot read", &path)? {
            builder.push_sources(&batch.context("cannot read", &path)?);
        }
        let content = builder.finish(entry.tail);
        let source = match self.write(entry.id, &content) {
            Ok(()) => self.on_disk(entry.id),
            Err(error) => {
                tracing::warn!(%error, "cannot write a facts file; its content stays in memory");
                Source::Memory(content.into())
            }
        };
        Facts::open(source, self.head(entry)).context("cannot read", self.path(entry.id))
    }

    /// Compares the facts of an event file with what they should be.
    pub(crate) fn compare(&self, entry: &EventsEntry, expected: FactsBuilder) -> Fit {
        let Ok(file) = self.layout.fs.open_to_read(&self.path(entry.id)) else { return Fit::Absent };
        let expected = expected.finish(entry.tail);
        let mut found = vec![0; expected.len()];
        if file.len().is_ok_and(|len| len == found.len() as u64)
            && file.read_exact_at(&mut found, 0).is_ok()
            && found == expected
        {
            return Fit::Right;
        }
        let facts = Facts::open(self.on_disk(entry.id), self.head(entry));
        if facts.is_ok_and(|facts| facts.check().is_ok()) { Fit::Wrong } else { Fit::Torn }
    }

    /// Returns whether an event file has facts, sound or not.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.layout.fs.open_to_read(&self.path(id)).is_ok()
    }

    fn head(&self, entry: &EventsEntry) -> Head {
        Head { rows: entry.rows as u32, seed: self.seed(), tail: entry.tail }
    }

    /// Writes a facts file. The content is not durable, and need not be.
    pub(crate) fn write(&self, id: u64, content: &[u8]) -> io::Result<()> {
        let path = self.path(id);
        self.remove(id)?;
        let written = self.layout.fs.create(&path).and_then(|file| file.write_all_at(content, 0));
        if written.is_err() {
            let _ = self.remove(id);
        }
        written
    }

    /// Removes the facts of a file. A missing file is not an error.
    pub(crate) fn remove(&self, id: u64) -> io::Result<()> {
        self.open.remove(&id);
        match self.layout.fs.remove(&self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn on_disk(&self, id: u64) -> Source {
        Source::Disk(self.layout.fs.clone(), self.path(id))
    }

    fn path(&self, id: u64) -> PathBuf {
        self.layout.facts_file(id)
    }
}

fn read_seed(layout: &Layout) -> Option<u64> {
    let file = layout.fs.open_to_read(&layout.facts_seed()).ok()?;
    let mut seed = [0; 8];
    file.read_exact_at(&mut seed, 0).ok()?;
    Some(u64::from_le_bytes(seed))
}

/// Chooses a seed. If it cannot be written, the facts of this process fit only until it ends.
fn new_seed(layout: &Layout) -> u64 {
    let seed = fastrand::u64(..);
    let path = layout.facts_seed();
    let _ = layout.remove(&path);
    let written = layout.fs.create(&path).and_then(|file| file.write_all_at(&seed.to_le_bytes(), 0));
    if let Err(error) = written {
        tracing::warn!(%error, "cannot write the seed of facts; they are made again at the next start");
    }
    seed
}

#[cfg(test)]
mod tests;
