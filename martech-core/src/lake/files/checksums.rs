//! Checksums of the blocks of a file. A read checks exactly the blocks that it reads, so it detects damage in them.

use std::io::{self, Write};

use bytes::Bytes;

use crate::fs::File;

/// Small enough to check a single id cheaply, and large enough that the checksums take a two-thousandth of a file.
const BLOCK: u64 = 8 << 10;

/// The CRC32C of each block of 8 KiB from the beginning of a file. The last block may be shorter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    blocks: Box<[u32]>,
    /// The number of bytes that the checksums cover. 0 while they are not known yet.
    len: u64,
}

impl Sums {
    /// Computes the checksums of all bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut sums = Summing::new(io::sink());
        sums.update(bytes);
        sums.finish()
    }

    /// Returns the number of checksums for `len` bytes.
    pub(crate) fn count(len: u64) -> usize {
        len.div_ceil(BLOCK) as usize
    }

    /// Decodes the checksums of `len` bytes from the output of [`encode`](Self::encode).
    pub(crate) fn decode(bytes: &[u8], len: u64) -> Option<Self> {
        let (blocks, []) = bytes.as_chunks() else { return None };
        let blocks: Box<[u32]> = blocks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
        (blocks.len() == Self::count(len)).then_some(Self { blocks, len })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.blocks.iter().flat_map(|sum| sum.to_le_bytes()).collect()
    }

    /// Returns the number of bytes, from the beginning of the file, that the checksums cover.
    pub(crate) fn covered(&self) -> u64 {
        self.len
    }

    /// Returns the memory in use, in bytes.
    pub(crate) fn size(&self) -> usize {
        size_of_val(&*self.blocks)
    }

    /// Reads a range of the file, and checks the covered part of it. Fails with `InvalidData` if a checksum does not
    /// match.
    pub(crate) fn read(&self, file: &dyn File, start: u64, length: usize) -> io::Result<Bytes> {
        let end = start + length as u64;
        let (from, to) = if start < self.len {
            (start - start % BLOCK, end.next_multiple_of(BLOCK).min(self.len).max(end))
        } else {
            (start, end)
        };
        let mut bytes = vec![0; (to - from) as usize];
        file.read_exact_at(&mut bytes, from)?;
        let covered = self.len.saturating_sub(from).min(bytes.len() as u64) as usize;
        for (block, at) in bytes[..covered].chunks(BLOCK as usize).zip((from / BLOCK) as usize..) {
            if crc32c::crc32c(block) != self.blocks[at] {
                let message = format!("checksum mismatch in the block at offset {}", at as u64 * BLOCK);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        let offset = (start - from) as usize;
        Ok(Bytes::from(bytes).slice(offset..offset + length))
    }
}

/// Small reads of a file in ascending order. Reads within one block read and check the block once.
pub(crate) struct Near<'a> {
    sums: &'a Sums,
    file: &'a dyn File,
    /// The block that was read last, and its offset.
    block: Bytes,
    start: u64,
}

impl<'a> Near<'a> {
    pub(crate) fn new(sums: &'a Sums, file: &'a dyn File) -> Self {
        Self { sums, file, block: Bytes::new(), start: 0 }
    }

    /// Reads a range as [`Sums::read`] does.
    pub(crate) fn read(&mut self, start: u64, length: usize) -> io::Result<Bytes> {
        let first = start - start % BLOCK;
        let end = start.checked_add(length as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > self.sums.len || first + BLOCK < end {
            return self.sums.read(self.file, start, length);
        }
        if self.block.is_empty() || self.start != first {
            let size = (self.sums.len - first).min(BLOCK) as usize;
            (self.block, self.start) = (self.sums.read(self.file, first, size)?, first);
        }
        let offset = (start - first) as usize;
        Ok(self.block.slice(offset..offset + length))
    }
}

/// A writer that computes checksums of the bytes that it passes on.
#[derive(Debug)]
pub(crate) struct Summing<W> {
    engine: W,
    blocks: Vec<u32>,
    block: u32,
    len: u64,
    /// The length of a block. All bytes after the last [`finish`](Self::finish) are one block.
    limit: u64,
}

impl<W: Write> Summing<W> {
    pub(crate) fn new(engine: W) -> Self {
        Self { engine, blocks: Vec::new(), block: 0, len: 0, limit: BLOCK }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.limit - self.len % self.limit;
            let (part, rest) = bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            self.block = crc32c::crc32c_append(self.block, part);
            self.len += part.len() as u64;
            if self.len.is_multiple_of(self.limit) {
                self.blocks.push(std::mem::take(&mut self.block));
            }
            bytes = rest;
        }
    }

    /// Returns the checksums of the bytes written so far. All later bytes are one block.
    pub(crate) fn finish(&mut self) -> Sums {
        if !self.len.is_multiple_of(self.limit) {
            self.blocks.push(self.block);
        }
        let sums = Sums { blocks: std::mem::take(&mut self.blocks).into(), len: self.len };
        (self.block, self.len, self.limit) = (0, 0, u64::MAX);
        sums
    }

    /// Returns the length and the CRC32C of the bytes since the last [`finish`](Self::finish).
    pub(crate) fn since(&self) -> (u64, u32) {
        (self.len, self.block)
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.engine.write(buffer)?;
        self.update(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.engine.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{fs::FileSystem, testing::SimFs};

    #[test]
    fn detects_flipped_bits_only_in_blocks_read() {
        let content: Vec<u8> = (0..20_000_u32).map(|number| number as u8 ^ (number >> 8) as u8).collect();
        let sums = Sums::of(&content);
        assert_eq!(Sums::decode(&sums.encode(), 20_000).as_ref(), Some(&sums));
        assert_eq!(Sums::decode(&sums.encode(), 30_000), None);
        let disk = SimFs::new();
        disk.write("file", [&content[..], b"not covered"].concat()).unwrap();
        let file = disk.open(Path::new("file")).unwrap();
        for (start, length) in
            [(0, 1), (8191, 2), (5000, 15_000), (16_384, 3616), (19_990, 15), (20_000, 11), (0, 20_011)]
        {
            let whole = disk.read("file").unwrap();
            let mut near = Near::new(&sums, &*file);
            assert_eq!(near.read(start, length).unwrap(), sums.read(&*file, start, length).unwrap());
            assert_eq!(sums.read(&*file, start, length).unwrap(), whole[start as usize..start as usize + length]);
            for flipped in (0..20_000).step_by(997).chain([8191, 8192, 19_999]) {
                disk.flip("file", flipped, 4).unwrap();
                let touched =
                    start / BLOCK <= flipped / BLOCK && flipped / BLOCK <= (start + length as u64 - 1) / BLOCK;
                let read = sums.read(&*file, start, length);
                assert_eq!(read.is_err(), touched && start < 20_000, "{flipped} flipped, {length} read at {start}");
                disk.flip("file", flipped, 4).unwrap();
            }
        }
        assert_eq!(Sums::default().read(&*file, 0, 5).unwrap(), content[..5], "an old file is not checked");
    }

    #[test]
    fn near_reads_return_checked_file_content() {
        let content: Vec<u8> = (0..20_000_u32).map(|number| number as u8 ^ (number >> 8) as u8).collect();
        let (sums, disk) = (Sums::of(&content), SimFs::new());
        disk.write("file", content.clone()).unwrap();
        let file = disk.open(Path::new("file")).unwrap();
        let mut near = Near::new(&sums, &*file);
        for start in (0..19_990).step_by(7).chain([5, 8185, 8186, 0]) {
            assert_eq!(near.read(start, 10).unwrap(), content[start as usize..start as usize + 10], "{start}");
        }
        disk.flip("file", 9000, 1).unwrap();
        assert!(near.read(8192, 4).is_err());
        assert!(near.read(100, 4).is_ok() && near.read(8190, 4).is_err());
    }

    #[test]
    fn checksums_do_not_depend_on_write_sizes() {
        let content = vec![7; 20_000];
        let mut summing = Summing::new(Vec::new());
        for part in content.chunks(333) {
            summing.write_all(part).unwrap();
        }
        assert_eq!(summing.finish(), Sums::of(&content));
        summing.write_all(b"ta").unwrap();
        summing.write_all(b"il").unwrap();
        assert_eq!(summing.since(), (4, crc32c::crc32c(b"tail")));
    }
}
