//! Facts files: a compact twin of each event file, from which figures are counted.
//!
//! A facts file has the columns that figures need, bit-packed in blocks of 1,024 rows that are decoded one by one. Rows
//! are sorted by the key of the person, which is a hash of the user id, and then as in the event file. So the rows of a
//! range of persons are in few blocks of each file, and persons of several files are joined without comparing text.
//!
//! Facts are a cache: a function of the event file and of the seed of the keys. They are not synced and no catalog
//! names them. A file that is missing, torn, or made for another event file is made again from the event file.

mod block;
mod builder;
mod file;
mod packed;

use std::{
    fmt,
    io::{self, ErrorKind},
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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
use crate::{
    fs,
    lake::error::{Context, Result},
};

/// The memory for directories of facts files, in bytes.
const MEMORY: u64 = 32 << 20;
/// The number of rows read from an event file at a time.
const BATCH_ROWS: usize = 8 * 1024;

/// The facts files of a lake.
pub(crate) struct FactsFiles {
    layout: Layout,
    seed: OnceLock<u64>,
    known: Cache<u64, Arc<Facts>, Weight>,
    /// Held while damaged facts are made again, so that it happens once.
    remaking: Mutex<()>,
    /// The number of the next temporary file.
    temporary: AtomicU64,
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
    /// There are no facts, or they agree with the event file.
    Right,
    /// The facts would not be used, because a checksum is wrong or they belong to another event file.
    Torn,
    /// All checksums are right, and yet the facts contradict the event file.
    Wrong,
}

impl FactsFiles {
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            layout,
            seed: OnceLock::new(),
            known: Cache::with_weighter(1000, MEMORY, Weight),
            remaking: Mutex::new(()),
            temporary: AtomicU64::new(0),
        }
    }

    /// Returns the seed of the keys of persons, which senders cannot know. A folder without one gets a new seed, and
    /// its facts are made again.
    pub(crate) fn seed(&self) -> u64 {
        *self.seed.get_or_init(|| read_seed(&self.layout).unwrap_or_else(|| new_seed(&self.layout)))
    }

    /// Returns the facts of an event file. Makes them if there are none.
    pub(crate) fn of(
        &self,
        entry: &EventsEntry,
        open: impl FnOnce() -> Result<(Input, Arc<Footer>)>,
    ) -> Result<Arc<Facts>> {
        self.known.get_or_insert_with(&entry.id, || match Facts::open(self.on_disk(entry.id), self.head(entry)) {
            Err(error) if is_unusable(&error) => self.make(entry, open).map(Arc::new),
            opened => opened.map(Arc::new).context("cannot read", self.path(entry.id)),
        })
    }

    /// Makes facts again, because `failed` turned out to be damaged with this error. Other errors are returned.
    pub(crate) fn remake(
        &self,
        entry: &EventsEntry,
        failed: &Arc<Facts>,
        error: io::Error,
        open: impl FnOnce() -> Result<(Input, Arc<Footer>)>,
    ) -> Result<Arc<Facts>> {
        if !is_unusable(&error) {
            return Err(error).context("cannot read", self.path(entry.id));
        }
        let _one = self.remaking.lock().unwrap_or_else(PoisonError::into_inner);
        // Another reader may have made them meanwhile.
        if let Some(facts) = self.known.get(&entry.id).filter(|facts| !Arc::ptr_eq(facts, failed)) {
            return Ok(facts);
        }
        tracing::warn!(path = %self.path(entry.id).display(), "a facts file is damaged; it is made again");
        let facts = Arc::new(self.make(entry, open)?);
        self.known.insert(entry.id, facts.clone());
        Ok(facts)
    }

    fn make(&self, entry: &EventsEntry, open: impl FnOnce() -> Result<(Input, Arc<Footer>)>) -> Result<Facts> {
        let (input, footer) = open()?;
        let events = self.layout.events_file(entry.id);
        let mut builder = FactsBuilder::new(self.seed(), entry.rows as usize);
        for batch in input.read(&footer, &EVENTS, &SOURCES, None, BATCH_ROWS).context("cannot read", &events)? {
            builder.push_sources(&batch.context("cannot read", &events)?);
        }
        let path = self.path(entry.id);
        self.write(entry.id, &builder.finish(entry.tail)).context("cannot write", &path)?;
        Facts::open(self.on_disk(entry.id), self.head(entry)).context("cannot read", path)
    }

    /// Compares the facts of an event file with what they should be.
    pub(crate) fn compare(&self, entry: &EventsEntry, expected: FactsBuilder) -> Fit {
        let expected = Source::Memory(expected.finish(entry.tail).into());
        let opened = [self.on_disk(entry.id), expected].map(|source| Facts::open(source, self.head(entry)));
        match opened {
            [Err(error), _] if error.kind() == ErrorKind::NotFound => Fit::Right,
            [Ok(found), Ok(expected)] => match found.is_same(&expected) {
                Ok(true) => Fit::Right,
                Ok(false) => Fit::Wrong,
                Err(_) => Fit::Torn,
            },
            _ => Fit::Torn,
        }
    }

    fn head(&self, entry: &EventsEntry) -> Head {
        Head { rows: entry.rows as u32, seed: self.seed(), tail: entry.tail }
    }

    /// Writes a facts file. Neither the content nor the name is durable, and they need not be.
    pub(crate) fn write(&self, id: u64, content: &[u8]) -> io::Result<()> {
        let (fs, path) = (&self.layout.fs, self.path(id));
        // A name of its own, because several threads may write the same facts.
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{number}.tmp"));
        self.layout.remove(&temporary).map_err(io::Error::other)?;
        let written = fs.create(&temporary).and_then(|file| file.write_all_at(content, 0));
        let written = written.and_then(|()| fs.rename(&temporary, &path));
        if written.is_err() {
            // The next start removes it otherwise.
            let _ = fs.remove(&temporary);
        }
        written
    }

    /// Forgets the facts of a file that is removed.
    pub(crate) fn forget(&self, id: u64) {
        self.known.remove(&id);
    }

    fn on_disk(&self, id: u64) -> Source {
        Source::Disk(self.layout.fs.clone(), self.path(id))
    }

    fn path(&self, id: u64) -> PathBuf {
        self.layout.facts_file(id)
    }
}

/// Returns whether facts that cannot be read with this error must be made again.
fn is_unusable(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

/// Reads the seed: eight bytes and their CRC32C.
pub(crate) fn read_seed(layout: &Layout) -> Option<u64> {
    let file = layout.fs.open_to_read(&layout.facts_seed()).ok()?;
    let mut bytes = [0; 12];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let (seed, checksum) = bytes.split_first_chunk()?;
    (crc32c::crc32c(seed).to_le_bytes() == *checksum).then_some(u64::from_le_bytes(*seed))
}

/// Chooses a seed. If it cannot be written, facts of this process do not outlive it.
fn new_seed(layout: &Layout) -> u64 {
    let seed = layout.fs.random();
    let bytes = seed.to_le_bytes();
    let content = [&bytes[..], &crc32c::crc32c(&bytes).to_le_bytes()].concat();
    if let Err(error) = fs::replace(&*layout.fs, &layout.facts_seed(), &content) {
        tracing::warn!(%error, "cannot write the seed of facts; they are made again at the next start");
    }
    seed
}

#[cfg(test)]
mod tests;
