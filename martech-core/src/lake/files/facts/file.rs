//! The parts of a facts file and where they are.
//!
//! ```text
//! head (40 bytes): "MTF1"; rows u32; hash of the seed u64; length u64 and CRC32C u32 of the event file's tail;
//! directory: offset u64, length u32 (all little-endian) blocks dictionaries: of each column, the texts (varint length,
//! bytes), compressed by zstd; CRC32C u32 directory: blocks varint; of each block: first key u64, offset u64 of each
//! dictionary: offset u64, compressed length u64, length u64, texts u64, 1 if texts were left out u64 CRC32C of the
//! head and the directory: u32
//! ```

use std::{
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::block::{Block, Coded};
use crate::{
    fs::FileSystem,
    lake::files::{pages::decompress, parquet_file::Tail},
    varint,
};

const MAGIC: [u8; 4] = *b"MTF1";
const HEAD_BYTES: usize = 40;
const ZSTD_LEVEL: i32 = 1;

/// What a facts file belongs to. A file with another head does not fit its event file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) rows: u32,
    /// The seed of keys.
    pub(super) seed: u64,
    /// The tail of the event file.
    pub(super) tail: Tail,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let Tail { bytes, checksum } = self.tail;
        let rows = self.rows.to_le_bytes();
        let seed = xxh3_64(&self.seed.to_le_bytes()).to_le_bytes();
        [&MAGIC[..], &rows, &seed, &bytes.to_le_bytes(), &checksum.to_le_bytes()].concat()
    }
}

/// Where a dictionary is.
#[derive(Debug, Clone, Copy)]
struct Dictionary {
    offset: u64,
    compressed: u64,
    length: u64,
    texts: u64,
    /// Whether there were more texts than a dictionary may have.
    overflowed: bool,
}

/// The first key of a block, and where the block begins.
#[derive(Debug, Clone, Copy)]
struct BlockEntry {
    key: u64,
    offset: u64,
}

/// Puts the parts of a facts file together.
pub(super) struct Writer {
    bytes: Vec<u8>,
    blocks: Vec<BlockEntry>,
    dictionaries: Vec<Dictionary>,
}

impl Writer {
    pub(super) fn new(head: Head) -> Self {
        let mut bytes = head.encode();
        bytes.resize(HEAD_BYTES, 0);
        Self { bytes, blocks: Vec::new(), dictionaries: Vec::new() }
    }

    /// Adds a block with this first key.
    pub(super) fn block(&mut self, key: u64, write: impl FnOnce(&mut Vec<u8>)) {
        self.blocks.push(BlockEntry { key, offset: self.bytes.len() as u64 });
        write(&mut self.bytes);
    }

    /// Adds the dictionary of the next column. All blocks come before.
    pub(super) fn dictionary<'a>(&mut self, texts: impl Iterator<Item = &'a str>, overflowed: bool) {
        let (mut plain, mut count) = (Vec::new(), 0);
        for text in texts {
            varint::write(&mut plain, text.len() as u64);
            plain.extend_from_slice(text.as_bytes());
            count += 1;
        }
        let compressed = zstd::bulk::compress(&plain, ZSTD_LEVEL).expect("compression to memory cannot fail");
        let offset = self.bytes.len() as u64;
        let (length, compressed_length) = (plain.len() as u64, compressed.len() as u64);
        self.dictionaries.push(Dictionary { offset, compressed: compressed_length, length, texts: count, overflowed });
        self.bytes.extend_from_slice(&compressed);
        self.bytes.extend_from_slice(&crc32c::crc32c(&compressed).to_le_bytes());
    }

    /// Returns the file.
    pub(super) fn finish(self) -> Vec<u8> {
        let Self { mut bytes, blocks, dictionaries } = self;
        let offset = bytes.len();
        varint::write(&mut bytes, blocks.len() as u64);
        for BlockEntry { key, offset } in blocks {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        for Dictionary { offset, compressed, length, texts, overflowed } in dictionaries {
            [offset, compressed, length, texts, u64::from(overflowed)]
                .iter()
                .for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        }
        let length = (bytes.len() - offset) as u32;
        bytes[HEAD_BYTES - 12..HEAD_BYTES - 4].copy_from_slice(&(offset as u64).to_le_bytes());
        bytes[HEAD_BYTES - 4..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..HEAD_BYTES]), &bytes[offset..]);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// The bytes of a facts file: on disk, or in memory, for comparison. A file is opened for each read, so that no lake
/// keeps hundreds of files open.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Disk(Arc<dyn FileSystem>, PathBuf),
    Memory(Bytes),
}

impl Source {
    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        match self {
            Self::Disk(fs, path) => {
                let mut bytes = vec![0; length];
                fs.open_to_read(path)?.read_exact_at(&mut bytes, offset)?;
                Ok(bytes.into())
            }
            Self::Memory(bytes) => {
                let range = usize::try_from(offset).ok().and_then(|from| Some(from..from.checked_add(length)?));
                let range = range.filter(|range| range.end <= bytes.len());
                Ok(bytes.slice(range.ok_or(io::ErrorKind::UnexpectedEof)?))
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        match self {
            Self::Disk(fs, path) => fs.open_to_read(path)?.len(),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// An open facts file.
#[derive(Debug)]
pub(crate) struct Facts {
    source: Source,
    blocks: Vec<BlockEntry>,
    /// Where the blocks end.
    end: u64,
    dictionaries: [Dictionary; Coded::ALL.len()],
    /// The event types, once they were asked for.
    types: OnceLock<Vec<Arc<str>>>,
}

impl Facts {
    /// Opens a facts file. Fails with `InvalidData` unless it is whole and has this head.
    pub(super) fn open(source: Source, head: Head) -> io::Result<Self> {
        let bytes = source.read(0, HEAD_BYTES)?;
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let (expected, directory) = bytes.split_at(HEAD_BYTES - 12);
        if expected != head.encode() {
            return Err(damaged());
        }
        let mut directory = directory;
        let offset = take_u64(&mut directory).ok_or_else(damaged)?;
        let length = u32::from_le_bytes(directory.try_into().map_err(|_| damaged())?) as usize;
        if source.len()? != offset.saturating_add(length as u64 + 4) {
            return Err(damaged());
        }
        let behind = source.read(offset, length + 4)?;
        let (mut directory, checksum) = behind.split_at(length);
        if crc32c::crc32c_append(crc32c::crc32c(&bytes), directory).to_le_bytes() != checksum {
            return Err(damaged());
        }
        let (blocks, dictionaries) = decode_directory(&mut directory).ok_or_else(damaged)?;
        let end = dictionaries[0].offset;
        Ok(Self { source, blocks, end, dictionaries, types: OnceLock::new() })
    }

    /// Returns the memory in use, in bytes.
    pub(super) fn size(&self) -> u64 {
        let bytes = match &self.source {
            Source::Disk(_, path) => path.as_os_str().len(),
            Source::Memory(bytes) => bytes.len(),
        };
        let types = self.dictionaries[Coded::Type as usize];
        let types = types.length + types.texts * 32;
        (size_of::<Self>() + size_of_val(&*self.blocks) + bytes) as u64 + types
    }

    /// Returns the blocks that may have keys from `from` to `to`, both included.
    pub(crate) fn blocks_between(&self, from: u64, to: u64) -> std::ops::Range<usize> {
        // A run may begin in the block before the first one that begins with its key.
        let first = self.blocks.partition_point(|block| block.key < from).saturating_sub(1);
        let end = self.blocks.partition_point(|block| block.key <= to);
        first..end.max(first)
    }

    /// Reads some blocks at once.
    pub(crate) fn read(&self, blocks: std::ops::Range<usize>) -> io::Result<ReadBlocks<'_>> {
        let begin = self.offset(blocks.start);
        let length = self.offset(blocks.end).checked_sub(begin).ok_or(io::ErrorKind::InvalidData)?;
        Ok(ReadBlocks { facts: self, bytes: self.source.read(begin, length as usize)?, begin, blocks })
    }

    /// Returns whether two facts files have the same rows and texts. Their compressed bytes may differ.
    pub(super) fn is_same(&self, other: &Self) -> io::Result<bool> {
        let all = |facts: &Self| 0..facts.blocks.len();
        let (mut blocks, mut others) = (self.read(all(self))?, other.read(all(other))?);
        let (mut block, mut other_block) = (Block::default(), Block::default());
        loop {
            let more = [blocks.next_into(&mut block)?, others.next_into(&mut other_block)?];
            if more == [false; 2] {
                break;
            }
            if more != [true; 2] || !block.is_same(&other_block) {
                return Ok(false);
            }
        }
        for coded in Coded::ALL {
            let (mut texts, mut others) = (Vec::new(), Vec::new());
            let lost = self.for_each_text(coded, |text| texts.push(text.to_owned()))?;
            if lost != other.for_each_text(coded, |text| others.push(text.to_owned()))? || texts != others {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn offset(&self, block: usize) -> u64 {
        self.blocks.get(block).map_or(self.end, |block| block.offset)
    }

    /// Returns the event types, by code from 1 on.
    pub(crate) fn types(&self) -> io::Result<&[Arc<str>]> {
        if let Some(types) = self.types.get() {
            return Ok(types);
        }
        let mut types = Vec::new();
        self.for_each_text(Coded::Type, |text| types.push(text.into()))?;
        Ok(self.types.get_or_init(|| types))
    }

    /// Returns the number of texts of all columns.
    pub(crate) fn texts(&self) -> u64 {
        self.dictionaries.iter().map(|dictionary| dictionary.texts).sum()
    }

    /// Calls `each` with the texts of a column, by code from 1 on. Returns whether texts were left out.
    pub(crate) fn for_each_text(&self, coded: Coded, mut each: impl FnMut(&str)) -> io::Result<bool> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let Dictionary { offset, compressed, length, texts, overflowed } = self.dictionaries[coded as usize];
        let bytes = self.source.read(offset, compressed as usize + 4)?;
        let (bytes, checksum) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32c::crc32c(bytes).to_le_bytes() != *checksum {
            return Err(damaged());
        }
        let plain = decompress(bytes, length)?;
        let mut rest = plain.as_slice();
        for _ in 0..texts {
            let length = varint::read(&mut rest).ok_or_else(damaged)?;
            let (text, behind) = rest.split_at_checked(length as usize).ok_or_else(damaged)?;
            each(str::from_utf8(text).map_err(|_| damaged())?);
            rest = behind;
        }
        Ok(overflowed)
    }
}

/// Blocks whose bytes are in memory.
pub(crate) struct ReadBlocks<'a> {
    facts: &'a Facts,
    bytes: Bytes,
    begin: u64,
    blocks: std::ops::Range<usize>,
}

impl ReadBlocks<'_> {
    /// Decodes the next block. Returns `false` after the last one.
    pub(crate) fn next_into(&mut self, block: &mut Block) -> io::Result<bool> {
        let Some(number) = self.blocks.next() else { return Ok(false) };
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let at = |block| (self.facts.offset(block) - self.begin) as usize;
        let bytes = self.bytes.get(at(number)..at(number + 1)).ok_or_else(damaged)?;
        block.decode(bytes).map(|()| true).ok_or_else(damaged)
    }
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

fn decode_directory(bytes: &mut &[u8]) -> Option<(Vec<BlockEntry>, [Dictionary; Coded::ALL.len()])> {
    let count = usize::try_from(varint::read(bytes)?).ok()?;
    if bytes.len() / 16 < count {
        return None;
    }
    let blocks = (0..count).map(|_| Some(BlockEntry { key: take_u64(bytes)?, offset: take_u64(bytes)? }));
    let blocks: Vec<_> = blocks.collect::<Option<_>>()?;
    let none = Dictionary { offset: 0, compressed: 0, length: 0, texts: 0, overflowed: false };
    let mut dictionaries = [none; Coded::ALL.len()];
    for dictionary in &mut dictionaries {
        let [offset, compressed, length, texts] =
            [take_u64(bytes)?, take_u64(bytes)?, take_u64(bytes)?, take_u64(bytes)?];
        *dictionary = Dictionary { offset, compressed, length, texts, overflowed: take_u64(bytes)? != 0 };
    }
    bytes.is_empty().then_some((blocks, dictionaries))
}
