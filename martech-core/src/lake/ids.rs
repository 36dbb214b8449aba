//! The id index of an event file: which event ids are in it, in four bytes an id, exactly.
//!
//! A hash table on disk. An id hashes to a bucket of about sixteen; the bucket lists, for each of its ids, twelve more
//! bits of the hash and the row. A row whose bits agree is looked up in the event file itself, where ids lie plain and
//! uncompressed, so the answer is exact and an id that is not there costs a read in one case of 256.
//!
//! ```text
//! "MTI1" | rows u32 | buckets u32 | pages u32 | checksum of the header u32
//! pages × (first row u32, position of its id in the event file u64)
//! (buckets + 1) × where the bucket begins u32
//! rows × (hash bits u12, row u20)
//! CRC32C of each block of 8 KiB of the above u32
//! CRC32C of those u32                                                     (all little-endian)
//! ```

use std::{io, path::Path, sync::Arc};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    error::{Context, LakeError, Result},
    sums::Sums,
};
use crate::fs::{File, FileSystem};

/// What a file of events may hold at most, so that a row number fits its twenty bits.
pub(super) const MAX_ROWS: usize = 1 << 20;

const MAGIC: &[u8; 4] = b"MTI1";
const HEADER: usize = 20;
const PAGE: usize = 12;
const IDS_PER_BUCKET: usize = 16;

/// Where the ids of a page begin in the event file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IdPage {
    pub(super) first_row: u32,
    pub(super) position: u64,
}

/// Writes the index of `ids` (by row) and makes it durable; gives its length.
pub(super) fn write(fs: &dyn FileSystem, path: &Path, ids: &[[u8; 16]], pages: &[IdPage]) -> Result<u64> {
    let bytes = encode(ids, pages);
    let file = fs.create(path).context("cannot make", path)?;
    file.write_all_at(&bytes, 0).and_then(|()| file.sync()).context("cannot write", path)?;
    Ok(bytes.len() as u64)
}

fn encode(ids: &[[u8; 16]], pages: &[IdPage]) -> Vec<u8> {
    assert!(ids.len() <= MAX_ROWS, "an event file has at most {MAX_ROWS} rows");
    let buckets = buckets(ids.len());
    let mut entries: Vec<(u32, u32)> = ids
        .iter()
        .enumerate()
        .map(|(row, id)| {
            let hash = xxh3_64(id);
            (bucket_of(hash, buckets) as u32, entry(hash, row as u32))
        })
        .collect();
    entries.sort_unstable();

    let mut bytes = Vec::with_capacity(HEADER + pages.len() * PAGE + (buckets + 1 + ids.len() + 1) * 4);
    bytes.extend_from_slice(MAGIC);
    for number in [ids.len(), buckets, pages.len()] {
        bytes.extend_from_slice(&(number as u32).to_le_bytes());
    }
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    for page in pages {
        bytes.extend_from_slice(&page.first_row.to_le_bytes());
        bytes.extend_from_slice(&page.position.to_le_bytes());
    }
    let mut begin = 0;
    for bucket in 0..=buckets as u32 {
        begin += entries[begin..].iter().take_while(|entry| entry.0 < bucket).count();
        bytes.extend_from_slice(&(begin as u32).to_le_bytes());
    }
    for (_, entry) in entries {
        bytes.extend_from_slice(&entry.to_le_bytes());
    }
    let sums = Sums::of(&bytes).encode();
    bytes.extend_from_slice(&sums);
    bytes.extend_from_slice(&crc32c::crc32c(&sums).to_le_bytes());
    bytes
}

fn buckets(rows: usize) -> usize {
    rows.div_ceil(IDS_PER_BUCKET).max(1)
}

fn bucket_of(hash: u64, buckets: usize) -> usize {
    ((u128::from(hash) * buckets as u128) >> 64) as usize
}

fn entry(hash: u64, row: u32) -> u32 {
    tag(hash) << 20 | row
}

fn tag(hash: u64) -> u32 {
    (hash & 0xfff) as u32
}

/// An index in memory.
#[derive(Debug)]
pub(super) struct IdIndex {
    pages: Vec<IdPage>,
    begins: Box<[u32]>,
    entries: Box<[u32]>,
}

impl IdIndex {
    /// Reads an index as a whole and checks it.
    pub(super) fn read(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let file = fs.open(path).context("cannot open", path)?;
        let mut bytes = vec![0; file.len().context("cannot read", path)? as usize];
        file.read_exact_at(&mut bytes, 0).context("cannot read", path)?;
        Self::decode(&bytes).ok_or_else(|| damaged(path))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let header = Header::decode(bytes)?;
        let (content, sums) = bytes.split_at_checked(header.content())?;
        let sound = header.sums(sums)? == Sums::of(content);
        let body = content.get(HEADER..).filter(|_| sound)?;
        let (pages, rest) = body.split_at(header.pages * PAGE);
        let (begins, entries) = rest.split_at((header.buckets + 1) * 4);
        let index = Self {
            pages: pages.chunks_exact(PAGE).map(page).collect(),
            begins: numbers(begins),
            entries: numbers(entries),
        };
        index.is_consistent().then_some(index)
    }

    /// Whether each bucket, and each row's place, is found where a lookup looks.
    fn is_consistent(&self) -> bool {
        self.begins.is_sorted() && self.begins.last().is_some_and(|end| *end as usize == self.entries.len())
    }

    /// What it takes of memory.
    pub(super) fn size(&self) -> u64 {
        (size_of_val(&*self.pages) + size_of_val(&*self.begins) + size_of_val(&*self.entries)) as u64
    }

    /// The rows that may hold this id.
    pub(super) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        let bucket = bucket_of(hash, self.begins.len() - 1);
        let range = self.begins[bucket] as usize..self.begins[bucket + 1] as usize;
        self.entries[range].iter().filter(move |entry| *entry >> 20 == tag(hash)).map(|entry| entry & 0xf_ffff)
    }

    /// Why this is not the index of `ids` (by row), which lie in `pages`, if it is not.
    pub(super) fn find_fault(&self, ids: &[[u8; 16]], pages: &[IdPage]) -> Option<String> {
        if self.entries.len() != ids.len() {
            return Some(format!("it has {} entries, and its file of events {} rows", self.entries.len(), ids.len()));
        }
        if self.pages != pages {
            return Some("it does not say where the ids lie".to_owned());
        }
        let is_found = |(row, id): (usize, &[u8; 16])| self.candidates(xxh3_64(id)).any(|found| found as usize == row);
        let lost = ids.iter().enumerate().filter(|row| !is_found(*row)).count();
        (lost > 0).then(|| format!("{lost} rows of its file of events cannot be found by it"))
    }

    /// Where the id of a row lies in the event file.
    pub(super) fn position(&self, row: u32) -> io::Result<u64> {
        position(&self.pages, row)
    }
}

/// An index that stays on disk: a lookup reads the bucket.
#[derive(Debug)]
pub(super) struct IdFile {
    file: Arc<dyn File>,
    header: Header,
    sums: Sums,
}

impl IdFile {
    pub(super) fn open(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let file = fs.open(path).context("cannot open", path)?;
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, 0).context("cannot read", path)?;
        let header = Header::decode(&bytes).ok_or_else(|| damaged(path))?;
        let mut sums = vec![0; header.trailer()];
        file.read_exact_at(&mut sums, header.content() as u64).context("cannot read", path)?;
        let sums = header.sums(&sums).ok_or_else(|| damaged(path))?;
        Ok(Self { file, header, sums })
    }

    /// The rows that may hold this id.
    pub(super) fn candidates(&self, hash: u64) -> io::Result<Vec<u32>> {
        let begins = (HEADER + self.header.pages * PAGE) as u64;
        let entries = begins + (self.header.buckets as u64 + 1) * 4;
        let bucket = bucket_of(hash, self.header.buckets) as u64;
        let range = numbers(&self.sums.read(&*self.file, begins + bucket * 4, 8)?);
        let (begin, end) = (range[0] as usize, range[1] as usize);
        if begin > end || end > self.header.rows {
            return Err(nowhere());
        }
        let bytes = self.sums.read(&*self.file, entries + begin as u64 * 4, (end - begin) * 4)?;
        Ok(numbers(&bytes).iter().filter(|entry| *entry >> 20 == tag(hash)).map(|entry| entry & 0xf_ffff).collect())
    }

    /// Where the id of a row lies in the event file.
    pub(super) fn position(&self, row: u32) -> io::Result<u64> {
        let bytes = self.sums.read(&*self.file, HEADER as u64, self.header.pages * PAGE)?;
        position(&bytes.chunks_exact(PAGE).map(page).collect::<Vec<_>>(), row)
    }
}

#[derive(Debug, Clone, Copy)]
struct Header {
    rows: usize,
    buckets: usize,
    pages: usize,
}

impl Header {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?;
        let words = numbers(&bytes[4..]);
        let sound = &bytes[..4] == MAGIC && crc32c::crc32c(&bytes[..16]) == words[3];
        let header = Self { rows: words[0] as usize, buckets: words[1] as usize, pages: words[2] as usize };
        let plausible = header.rows <= MAX_ROWS && header.buckets == buckets(header.rows) && header.pages <= MAX_ROWS;
        (sound && plausible).then_some(header)
    }

    /// Length of all that the checksums behind it are of.
    fn content(&self) -> usize {
        HEADER + self.pages * PAGE + (self.buckets + 1 + self.rows) * 4
    }

    /// Length of the checksums.
    fn trailer(&self) -> usize {
        (Sums::count(self.content() as u64) + 1) * 4
    }

    /// The checksums of the blocks; `None` when they are damaged.
    fn sums(&self, trailer: &[u8]) -> Option<Sums> {
        let (sums, checksum) = trailer.split_last_chunk::<4>().filter(|_| trailer.len() == self.trailer())?;
        let sound = crc32c::crc32c(sums).to_le_bytes() == *checksum;
        Sums::decode(sums, self.content() as u64).filter(|_| sound)
    }
}

/// Where the id of a row lies, in a file with these pages.
fn position(pages: &[IdPage], row: u32) -> io::Result<u64> {
    let page = pages.partition_point(|page| page.first_row <= row).checked_sub(1).ok_or_else(nowhere)?;
    let IdPage { first_row, position } = pages[page];
    let distance = u64::from(row.checked_sub(first_row).ok_or_else(nowhere)?) * 16;
    position.checked_add(distance).ok_or_else(nowhere)
}

/// A part of an index that is read by itself has no checksum.
fn nowhere() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the index is damaged: it leads nowhere")
}

fn page(bytes: &[u8]) -> IdPage {
    let (first_row, position) = bytes.split_at(4);
    IdPage {
        first_row: u32::from_le_bytes(first_row.try_into().expect("four bytes")),
        position: u64::from_le_bytes(position.try_into().expect("eight bytes")),
    }
}

fn numbers(bytes: &[u8]) -> Box<[u32]> {
    bytes.chunks_exact(4).map(|chunk| u32::from_le_bytes(chunk.try_into().expect("four bytes"))).collect()
}

fn damaged(path: &Path) -> LakeError {
    LakeError::Damaged { path: path.into(), message: "its checksum does not fit".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Disk;

    fn ids(count: u32) -> Vec<[u8; 16]> {
        (0..count).map(|number| xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes()).to_le_bytes()).collect()
    }

    #[test]
    fn finds_every_row_in_memory_and_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        for count in [1, 15, 1000, 5000] {
            let path = dir.path().join(format!("{count}.ids"));
            let ids = ids(count);
            let pages: Vec<_> =
                (0..count).step_by(1024).map(|row| IdPage { first_row: row, position: u64::from(row) * 100 }).collect();
            let length = write(&Disk, &path, &ids, &pages).unwrap();
            assert_eq!(length, std::fs::metadata(&path).unwrap().len());
            let (index, file) = (IdIndex::read(&Disk, &path).unwrap(), IdFile::open(&Disk, &path).unwrap());
            for (row, id) in ids.iter().enumerate() {
                let hash = xxh3_64(id);
                let found: Vec<_> = index.candidates(hash).collect();
                assert!(found.contains(&(row as u32)));
                assert_eq!(found, file.candidates(hash).unwrap());
                assert_eq!(index.position(row as u32).unwrap(), file.position(row as u32).unwrap());
            }
            assert_eq!(index.position(0).unwrap(), 0);
        }
    }

    #[test]
    fn damage_is_noticed_in_the_bucket_that_is_read() {
        let ids = ids(5000);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.ids");
        let bytes = encode(&ids, &[IdPage { first_row: 0, position: 4 }]);
        let content = Header::decode(&bytes).unwrap().content();
        for flipped in (0..bytes.len()).step_by(501) {
            let mut damaged = bytes.clone();
            damaged[flipped] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            let find = |row: usize| -> Result<bool> {
                let file = IdFile::open(&Disk, &path)?;
                Ok(file.candidates(xxh3_64(&ids[row])).context("cannot read", &path)?.contains(&(row as u32)))
            };
            let found: Vec<_> = (0..5000).step_by(50).map(find).collect();
            assert!(found.iter().all(|found| !matches!(found, Ok(false))), "an id is hidden by byte {flipped}");
            assert!(flipped < content || found.iter().all(|found| found.is_err()), "byte {flipped}");
        }
    }

    #[test]
    fn few_ids_are_mistaken_for_others() {
        let bytes = encode(&ids(20_000), &[IdPage { first_row: 0, position: 4 }]);
        let index = IdIndex::decode(&bytes).unwrap();
        let strangers = (0..20_000_u64).map(|number| xxh3_64(&(number + (1 << 40)).to_le_bytes()));
        let mistaken = strangers.filter(|hash| index.candidates(*hash).next().is_some()).count();
        assert!(mistaken < 200, "{mistaken} of 20,000");
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = encode(&ids(100), &[IdPage { first_row: 0, position: 4 }]);
        assert!(IdIndex::decode(&bytes).is_some());
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert!(IdIndex::decode(&damaged).is_none(), "byte {index}");
            assert!(IdIndex::decode(&bytes[..index]).is_none(), "length {index}");
        }
    }
}
