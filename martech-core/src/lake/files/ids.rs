//! The id index of an event file: the exact set of event ids in the file, with a fingerprint of each event. It takes
//! about eight bytes per event.
//!
//! The index is a hash table on disk. An id hashes to a bucket of about sixteen ids. For each of its ids, a bucket
//! lists twelve more bits of the hash, and the row. If the bits of a row match, a lookup reads the id of that row in
//! the event file, where ids are stored plain and uncompressed. The answer is therefore exact, and the lookup of an
//! absent id costs a read in about one case of 256.
//!
//! If the id is present, the stored event is either the same event or another event with the same id. The fingerprints
//! of the rows tell them apart. They are stored after the table and are read only in this case.
//!
//! ```text
//! "MTI2" | rows u32 | buckets u32 | pages u32 | checksum of the header u32
//! pages × (first row u32, position of its id in the event file u64)
//! (buckets + 1) × where the bucket begins u32
//! rows × (hash bits u12, row u20)
//! rows × fingerprint u32                                          (by row; absent in the first version, "MTI1")
//! CRC32C of each block of 8 KiB of the above u32
//! CRC32C of those u32                                                     (all little-endian)
//! ```

use std::{io, ops::RangeInclusive, path::Path, sync::Arc};

use xxhash_rust::xxh3::xxh3_64;

use super::checksums::{Near, Sums};
use crate::{
    event::Fingerprint,
    fs::{File, FileSystem},
    lake::error::{Context, LakeError, Result},
};

/// From the least id to the greatest id, in byte order.
pub(crate) type IdRange = RangeInclusive<[u8; 16]>;

/// The largest number of rows in an event file, so that a row number fits into twenty bits.
pub(crate) const MAX_ROWS: usize = 1 << 20;

/// The first version, without fingerprints: every event with a known id counts as a duplicate.
const MAGIC_1: &[u8; 4] = b"MTI1";
const MAGIC: &[u8; 4] = b"MTI2";
const HEADER: usize = 20;
const PAGE: usize = 12;
const IDS_PER_BUCKET: usize = 16;

/// The position in the event file at which the ids of a page begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdPage {
    pub(crate) first_row: u32,
    pub(crate) position: u64,
}

/// The data of a row in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdRow {
    pub(crate) id: [u8; 16],
    pub(crate) print: Fingerprint,
}

/// Writes the index of `rows` and makes it durable. Returns its length in bytes.
pub(crate) fn write(fs: &dyn FileSystem, path: &Path, rows: &[IdRow], pages: &[IdPage]) -> Result<u64> {
    let bytes = encode(rows, pages);
    let file = fs.create(path).context("cannot create", path)?;
    file.write_all_at(&bytes, 0).and_then(|()| file.sync()).context("cannot write", path)?;
    Ok(bytes.len() as u64)
}

fn encode(rows: &[IdRow], pages: &[IdPage]) -> Vec<u8> {
    let mut bytes = table(MAGIC, rows, pages);
    rows.iter().for_each(|row| bytes.extend_from_slice(&row.print.bits().to_le_bytes()));
    sealed(bytes)
}

/// Encodes the part of the index before the fingerprints.
fn table(magic: &[u8; 4], rows: &[IdRow], pages: &[IdPage]) -> Vec<u8> {
    assert!(rows.len() <= MAX_ROWS, "an event file has at most {MAX_ROWS} rows");
    let buckets = buckets(rows.len());
    let mut entries: Vec<(u32, u32)> = rows
        .iter()
        .enumerate()
        .map(|(row, IdRow { id, .. })| {
            let hash = xxh3_64(id);
            (bucket_of(hash, buckets) as u32, entry(hash, row as u32))
        })
        .collect();
    entries.sort_unstable();

    let mut bytes = Vec::with_capacity(HEADER + pages.len() * PAGE + (buckets + 1 + 2 * rows.len() + 1) * 4);
    bytes.extend_from_slice(magic);
    for number in [rows.len(), buckets, pages.len()] {
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
    bytes
}

/// Appends the checksums.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sums = Sums::of(&bytes).encode();
    bytes.extend_from_slice(&sums);
    bytes.extend_from_slice(&crc32c::crc32c(&sums).to_le_bytes());
    bytes
}

/// Encodes an index of the first version, as older programs wrote it.
#[cfg(test)]
pub(crate) fn encode_1(rows: &[IdRow], pages: &[IdPage]) -> Vec<u8> {
    sealed(table(MAGIC_1, rows, pages))
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

/// An index in memory, without the fingerprints.
#[derive(Debug)]
pub(crate) struct IdIndex {
    pages: Vec<IdPage>,
    begins: Box<[u32]>,
    entries: Box<[u32]>,
}

impl IdIndex {
    /// Reads an index, without its fingerprints, and checks it.
    pub(crate) fn read(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        Self::of(&IdFile::open(fs, path)?).context("cannot read", path)
    }

    fn of(file: &IdFile) -> io::Result<Self> {
        let IdFile { header, .. } = file;
        let bytes = file.sums.read(&*file.file, HEADER as u64, header.prints() - HEADER)?;
        let (pages, rest) = bytes.split_at(header.pages * PAGE);
        let (begins, entries) = rest.split_at((header.buckets + 1) * 4);
        let index = Self {
            pages: pages.chunks_exact(PAGE).map(page).collect(),
            begins: numbers(begins),
            entries: numbers(entries),
        };
        // Lookups rely on bucket offsets that ascend and end with the entries.
        let ends = index.begins.last().is_some_and(|end| *end as usize == index.entries.len());
        if index.begins.is_sorted() && ends { Ok(index) } else { Err(nowhere()) }
    }

    /// Returns the memory in use, in bytes.
    pub(crate) fn size(&self) -> u64 {
        (size_of_val(&*self.pages) + size_of_val(&*self.begins) + size_of_val(&*self.entries)) as u64
    }

    /// Returns the rows that may hold an id with this hash.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        let bucket = bucket_of(hash, self.begins.len() - 1);
        let range = self.begins[bucket] as usize..self.begins[bucket + 1] as usize;
        self.entries[range].iter().filter(move |entry| *entry >> 20 == tag(hash)).map(|entry| entry & 0xf_ffff)
    }

    /// Returns the position of the id of a row in the event file.
    pub(crate) fn position(&self, row: u32) -> io::Result<u64> {
        id_position(&self.pages, row)
    }
}

/// An index that stays on disk. A lookup reads one bucket.
#[derive(Debug)]
pub(crate) struct IdFile {
    file: Arc<dyn File>,
    header: Header,
    sums: Sums,
}

impl IdFile {
    pub(crate) fn open(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let file = fs.open(path).context("cannot open", path)?;
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, 0).context("cannot read", path)?;
        let header = Header::decode(&bytes).ok_or_else(|| damaged(path))?;
        let mut sums = vec![0; header.trailer()];
        file.read_exact_at(&mut sums, header.content() as u64).context("cannot read", path)?;
        let sums = header.sums(&sums).ok_or_else(|| damaged(path))?;
        Ok(Self { file, header, sums })
    }

    /// Returns why this is not the index of `rows` with ids at `pages`. Returns `None` if it is.
    pub(crate) fn find_fault(&self, rows: &[IdRow], pages: &[IdPage]) -> io::Result<Option<String>> {
        let index = IdIndex::of(self)?;
        if self.file.len()? != (self.header.content() + self.header.trailer()) as u64 {
            return Ok(Some("length differs from the header".to_owned()));
        }
        if index.entries.len() != rows.len() {
            let (entries, rows) = (index.entries.len(), rows.len());
            return Ok(Some(format!("{entries} entries, but the event file has {rows} rows")));
        }
        if index.pages != pages {
            return Ok(Some("wrong positions of the ids".to_owned()));
        }
        let is_found =
            |(row, IdRow { id, .. }): (usize, &IdRow)| index.candidates(xxh3_64(id)).any(|found| found as usize == row);
        let lost = rows.iter().enumerate().filter(|row| !is_found(*row)).count();
        if lost > 0 {
            return Ok(Some(format!("{lost} rows of the event file are missing from the index")));
        }
        if self.header.has_prints {
            let prints = numbers(&self.sums.read(&*self.file, self.header.prints() as u64, rows.len() * 4)?);
            let wrong = rows.iter().zip(&prints).filter(|(row, print)| row.print.bits() != **print).count();
            if wrong > 0 {
                return Ok(Some(format!("wrong fingerprints of {wrong} events")));
            }
        }
        Ok(None)
    }

    /// Returns a reader of fingerprints, for rows in ascending order.
    pub(crate) fn prints(&self) -> Prints<'_> {
        Prints { header: self.header, near: Near::new(&self.sums, &*self.file) }
    }

    /// Returns the rows that may hold an id with this hash.
    pub(crate) fn candidates(&self, hash: u64) -> io::Result<Vec<u32>> {
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

    /// Returns the position of the id of a row in the event file.
    pub(crate) fn position(&self, row: u32) -> io::Result<u64> {
        let bytes = self.sums.read(&*self.file, HEADER as u64, self.header.pages * PAGE)?;
        id_position(&bytes.chunks_exact(PAGE).map(page).collect::<Vec<_>>(), row)
    }
}

/// Reads the fingerprints of an index.
pub(crate) struct Prints<'a> {
    header: Header,
    near: Near<'a>,
}

impl Prints<'_> {
    /// Returns the fingerprint of a row. Returns `None` for an index of the first version.
    pub(crate) fn of(&mut self, row: u32) -> io::Result<Option<Fingerprint>> {
        if !self.header.has_prints {
            return Ok(None);
        }
        if row as usize >= self.header.rows {
            return Err(nowhere());
        }
        let bytes = self.near.read(self.header.prints() as u64 + u64::from(row) * 4, 4)?;
        Ok(numbers(&bytes).first().map(|bits| Fingerprint::from_bits(*bits)))
    }
}

#[derive(Debug, Clone, Copy)]
struct Header {
    rows: usize,
    buckets: usize,
    pages: usize,
    has_prints: bool,
}

impl Header {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?;
        let words = numbers(&bytes[4..]);
        let has_prints = &bytes[..4] == MAGIC;
        let sound = (has_prints || &bytes[..4] == MAGIC_1) && crc32c::crc32c(&bytes[..16]) == words[3];
        let header = Self { rows: words[0] as usize, buckets: words[1] as usize, pages: words[2] as usize, has_prints };
        let plausible = header.rows <= MAX_ROWS && header.buckets == buckets(header.rows) && header.pages <= MAX_ROWS;
        (sound && plausible).then_some(header)
    }

    /// Returns the offset of the fingerprints.
    fn prints(&self) -> usize {
        HEADER + self.pages * PAGE + (self.buckets + 1 + self.rows) * 4
    }

    /// Returns the length of the content that the checksums cover.
    fn content(&self) -> usize {
        self.prints() + if self.has_prints { self.rows * 4 } else { 0 }
    }

    /// Returns the length of the checksums.
    fn trailer(&self) -> usize {
        (Sums::count(self.content() as u64) + 1) * 4
    }

    /// Returns the checksums of the blocks. Returns `None` if they are damaged.
    fn sums(&self, trailer: &[u8]) -> Option<Sums> {
        let (sums, checksum) = trailer.split_last_chunk::<4>().filter(|_| trailer.len() == self.trailer())?;
        let sound = crc32c::crc32c(sums).to_le_bytes() == *checksum;
        Sums::decode(sums, self.content() as u64).filter(|_| sound)
    }
}

/// Returns the position of the id of a row in an event file with these pages.
pub(crate) fn id_position(pages: &[IdPage], row: u32) -> io::Result<u64> {
    let page = pages.partition_point(|page| page.first_row <= row).checked_sub(1).ok_or_else(nowhere)?;
    let IdPage { first_row, position } = pages[page];
    let distance = u64::from(row.checked_sub(first_row).ok_or_else(nowhere)?) * 16;
    position.checked_add(distance).ok_or_else(nowhere)
}

/// Returns the error for an offset or a row outside the index.
fn nowhere() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the index is damaged: position out of range")
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
    LakeError::Damaged { path: path.into(), message: "checksum mismatch".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Disk;

    fn rows(count: u32) -> Vec<IdRow> {
        let row = |number: u32| IdRow {
            id: xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes()).to_le_bytes(),
            print: Fingerprint::from_bits(number.wrapping_mul(0x9e37_79b9)),
        };
        (0..count).map(row).collect()
    }

    fn pages(rows: usize) -> Vec<IdPage> {
        (0..rows as u32).step_by(1024).map(|row| IdPage { first_row: row, position: u64::from(row) * 100 }).collect()
    }

    fn written(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.ids");
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn finds_every_row_in_memory_and_on_disk() {
        for count in [0, 1, 15, 1000, 5000] {
            let (rows, dir) = (rows(count), tempfile::tempdir().unwrap());
            let (pages, path) = (pages(rows.len()), dir.path().join("index.ids"));
            for has_prints in [true, false] {
                if has_prints {
                    let length = write(&Disk, &path, &rows, &pages).unwrap();
                    assert_eq!(length, std::fs::metadata(&path).unwrap().len());
                } else {
                    std::fs::write(&path, encode_1(&rows, &pages)).unwrap();
                }
                let (index, file) = (IdIndex::read(&Disk, &path).unwrap(), IdFile::open(&Disk, &path).unwrap());
                assert_eq!(file.find_fault(&rows, &pages).unwrap(), None);
                for (row, IdRow { id, print }) in rows.iter().enumerate() {
                    let hash = xxh3_64(id);
                    let found: Vec<_> = index.candidates(hash).collect();
                    assert!(found.contains(&(row as u32)));
                    assert_eq!(found, file.candidates(hash).unwrap());
                    assert_eq!(index.position(row as u32).unwrap(), file.position(row as u32).unwrap());
                    assert_eq!(file.prints().of(row as u32).unwrap(), has_prints.then_some(*print));
                }
            }
        }
    }

    #[test]
    fn detects_index_of_other_rows() {
        let (rows, pages) = (rows(2000), pages(2000));
        let (_dir, path) = written(&encode(&rows, &pages));
        let fault = |rows: &[IdRow], pages: &[IdPage]| {
            IdFile::open(&Disk, &path).unwrap().find_fault(rows, pages).unwrap().unwrap()
        };
        assert!(fault(&rows[1..], &pages).contains("2000 entries"));
        assert!(fault(&rows, &pages[1..]).contains("positions of the ids"));
        let changed = |change: fn(&mut IdRow)| {
            let mut changed = rows.clone();
            change(&mut changed[7]);
            changed
        };
        assert!(fault(&changed(|row| row.id = [0; 16]), &pages).contains("1 rows"));
        assert!(
            fault(&changed(|row| row.print = Fingerprint::from_bits(3)), &pages).contains("fingerprints of 1 events")
        );
        std::fs::write(&path, [encode(&rows, &pages), vec![0]].concat()).unwrap();
        assert!(fault(&rows, &pages).contains("length"));
    }

    #[test]
    fn lookups_detect_damage_in_blocks_they_read() {
        let (rows, page) = (rows(5000), [IdPage { first_row: 0, position: 4 }]);
        for bytes in [encode(&rows, &page), encode_1(&rows, &page)] {
            let content = Header::decode(&bytes).unwrap().content();
            for flipped in (0..bytes.len()).step_by(501) {
                let mut damaged = bytes.clone();
                damaged[flipped] ^= 1;
                let (_dir, path) = written(&damaged);
                let find = |row: usize| -> Result<bool> {
                    let file = IdFile::open(&Disk, &path)?;
                    let found = file.candidates(xxh3_64(&rows[row].id)).context("cannot read", &path)?;
                    let print = file.prints().of(row as u32).context("cannot read", &path)?;
                    Ok(found.contains(&(row as u32)) && print.is_none_or(|print| print == rows[row].print))
                };
                let found: Vec<_> = (0..5000).step_by(50).map(find).collect();
                assert!(found.iter().all(|found| !matches!(found, Ok(false))), "an event is hidden by byte {flipped}");
                assert!(flipped < content || found.iter().all(|found| found.is_err()), "byte {flipped}");
            }
        }
    }

    #[test]
    fn rarely_mistakes_absent_ids_for_present_ones() {
        let (_dir, path) = written(&encode(&rows(20_000), &[IdPage { first_row: 0, position: 4 }]));
        let index = IdIndex::read(&Disk, &path).unwrap();
        let strangers = (0..20_000_u64).map(|number| xxh3_64(&(number + (1 << 40)).to_le_bytes()));
        let mistaken = strangers.filter(|hash| index.candidates(*hash).next().is_some()).count();
        assert!(mistaken < 200, "{mistaken} of 20,000");
    }

    #[test]
    fn check_detects_every_damaged_byte() {
        let (rows, page) = (rows(100), [IdPage { first_row: 0, position: 4 }]);
        let bytes = encode(&rows, &page);
        let (_dir, path) = written(&bytes);
        let is_sound = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let fault = IdFile::open(&Disk, &path).map(|file| file.find_fault(&rows, &page));
            matches!(fault, Ok(Ok(None)))
        };
        assert!(is_sound(&bytes));
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert!(!is_sound(&damaged), "byte {index}");
            assert!(!is_sound(&bytes[..index]), "length {index}");
        }
    }
}
