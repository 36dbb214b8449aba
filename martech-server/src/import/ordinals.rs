//! Counts exactly how many equal records come before a record in its file, for files of any size.
//!
//! The first records are in memory, by 96 bits of a hash, with 17 bytes for each slot of the map. If there are more
//! than [`IN_MEMORY`] different records, all of them move to a temporary file without a name, with about 30 bytes each.
//! The file disappears when the import ends, however it ends. Memory stays below 100 MiB: first for the map while it
//! grows, then for the cache of the file.
//!
//! The counts are not kept for a later import. An import that resumes counts the earlier records again.

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction, backends::FileBackend};
use xxhash_rust::xxh3::xxh3_128;

/// Number of different records in memory: the load of a map with 2^21 slots before it grows.
const IN_MEMORY: usize = (1 << 21) / 8 * 7;
/// Cache size of the temporary file.
const CACHE_BYTES: usize = 32 << 20;

type Key = [u8; 12];
const COUNTS: TableDefinition<'static, &'static Key, u64> = TableDefinition::new("counts");

/// Counts equal records.
pub(crate) struct Ordinals {
    memory: HashMap<Key, u32>,
    most: usize,
    file: Option<CountsFile>,
    dir: PathBuf,
}

/// The temporary file. Its only transaction is never committed.
struct CountsFile {
    counts: WriteTransaction,
    _database: Database,
}

impl Ordinals {
    /// Starts with no counts. The temporary file is created in `dir` when it is needed.
    pub(crate) fn new(dir: &Path) -> Self {
        Self::with(dir, IN_MEMORY)
    }

    fn with(dir: &Path, most: usize) -> Self {
        Self { memory: HashMap::new(), most, file: None, dir: dir.to_owned() }
    }

    /// Returns how many times this text was passed before.
    pub(crate) fn next(&mut self, text: &str) -> io::Result<u64> {
        let mut key = Key::default();
        key.copy_from_slice(&xxh3_128(text.as_bytes()).to_le_bytes()[..12]);
        if self.file.is_none() {
            if let Some(count) = self.memory.get_mut(&key) {
                *count += 1;
                return Ok(u64::from(*count - 1));
            }
            if self.memory.len() < self.most {
                self.memory.insert(key, 1);
                return Ok(0);
            }
        }
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(CountsFile::new(&self.dir, std::mem::take(&mut self.memory))?),
        };
        file.next(&key).map_err(io::Error::other)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl CountsFile {
    /// Creates the file with the counts from memory.
    fn new(dir: &Path, counts: HashMap<Key, u32>) -> io::Result<Self> {
        let file = tempfile::tempfile_in(dir)?;
        let mut counts: Vec<(Key, u32)> = counts.into_iter().collect();
        // Sorted keys fill the file sequentially.
        counts.sort_unstable();
        Self::filled(file, &counts).map_err(io::Error::other)
    }

    fn filled(file: File, counts: &[(Key, u32)]) -> Result<Self, redb::Error> {
        let backend = FileBackend::new(file)?;
        let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(COUNTS)?;
            for (key, count) in counts {
                table.insert(key, u64::from(*count))?;
            }
        }
        Ok(Self { counts: transaction, _database: database })
    }

    fn next(&self, key: &Key) -> Result<u64, redb::Error> {
        let mut table = self.counts.open_table(COUNTS)?;
        let before = table.get(key)?.map_or(0, |count| count.value());
        table.insert(key, before + 1)?;
        Ok(before)
    }
}

impl fmt::Debug for Ordinals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordinals").field("in_memory", &self.memory.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the counts with a plain map, in memory and in a file.
    #[test]
    fn counts_exactly_in_memory_and_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        for most in [10, 1_000, 100_000] {
            let mut random = fastrand::Rng::with_seed(most as u64);
            let mut ordinals = Ordinals::with(dir.path(), most);
            let mut model: HashMap<u32, u64> = HashMap::new();
            for _ in 0..20_000 {
                let record = random.u32(..3_000);
                let count = model.entry(record).or_default();
                assert_eq!(ordinals.next(&format!("record {record}")).unwrap(), *count);
                *count += 1;
            }
            assert_eq!(ordinals.file.is_some(), most < 3_000);
            assert!(ordinals.memory.len() <= most);
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
        }
    }

    #[test]
    fn reports_that_the_temporary_file_cannot_be_created() {
        let dir = tempfile::tempdir().unwrap();
        let mut ordinals = Ordinals::with(&dir.path().join("nowhere"), 1);
        assert_eq!(ordinals.next("a").unwrap(), 0);
        assert_eq!(ordinals.next("b").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
