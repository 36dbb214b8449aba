//! Contents of a file: the bytes that can be read, and the bytes that survive a power loss.

use std::{
    io,
    ops::Range,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::space::Space;

const SECTOR: usize = 512;

#[derive(Debug)]
pub(super) struct Inode {
    data: RwLock<Data>,
    space: Arc<Space>,
}

/// The durable contents are `content[..stable]` followed by `cut`.
#[derive(Debug, Clone, Default)]
struct Data {
    content: Vec<u8>,
    /// Length of the common prefix of the contents and the durable contents.
    stable: usize,
    /// Durable bytes from `stable` on that were truncated or overwritten.
    cut: Vec<u8>,
    /// Minimum length since the last sync.
    shortest: usize,
    /// Ranges that a failed sync marked clean without writing them, so no later sync writes them: the offset, and the
    /// bytes on disk there.
    never: Vec<(usize, Vec<u8>)>,
    /// Whether the file was removed. A removed file takes no space.
    removed: bool,
}

impl Inode {
    /// Creates a file with durable contents.
    pub(super) fn new(content: Vec<u8>, space: Arc<Space>) -> Self {
        // Contents set up by a test count as used space but may exceed the capacity.
        space.add(content.len() as u64);
        let data = Data { stable: content.len(), shortest: content.len(), content, ..Data::default() };
        Self { data: RwLock::new(data), space }
    }

    fn read(&self) -> RwLockReadGuard<'_, Data> {
        self.data.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Data> {
        self.data.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> u64 {
        self.read().content.len() as u64
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.read().content.clone()
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        let data = self.read();
        let behind = usize::try_from(offset).ok().and_then(|offset| data.content.get(offset..)).unwrap_or_default();
        let length = behind.len().min(buffer.len());
        buffer[..length].copy_from_slice(&behind[..length]);
        length
    }

    /// Writes at most `limit` bytes at an offset, as far as there is space. Returns the number written.
    pub(super) fn write_at(&self, buffer: &[u8], offset: u64, limit: usize) -> io::Result<usize> {
        let mut data = self.write();
        let start = usize::try_from(offset).ok().filter(|start| *start <= data.content.len());
        let start = start.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let wanted = buffer.len().min(limit);
        let growth = (start + wanted).saturating_sub(data.content.len());
        let lacking = if data.removed { 0 } else { growth - self.space.take(growth as u64) as usize };
        let written = &buffer[..wanted - lacking];
        data.cut_at(start);
        let end = start + written.len();
        data.forget(start..end);
        let over = data.content.len().min(end);
        data.content.splice(start..over, written.iter().copied());
        Ok(written.len())
    }

    /// Marks the file as removed when its last name is gone, and returns its space.
    pub(super) fn remove(&self) {
        let mut data = self.write();
        if !std::mem::replace(&mut data.removed, true) {
            self.space.give_back(data.content.len() as u64);
        }
    }

    pub(super) fn truncate(&self, len: u64) -> io::Result<()> {
        let mut data = self.write();
        let len = usize::try_from(len).ok().filter(|len| *len <= data.content.len());
        let len = len.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        if !data.removed {
            self.space.give_back((data.content.len() - len) as u64);
        }
        data.cut_at(len);
        data.forget(len..usize::MAX);
        data.content.truncate(len);
        data.shortest = data.shortest.min(len);
        Ok(())
    }

    pub(super) fn sync(&self, works: bool) {
        let mut data = self.write();
        let (stable, len) = (data.stable, data.content.len());
        if works {
            data.stable = len;
            data.shortest = len;
            data.cut.clear();
        } else if stable < len {
            let mut on_disk = data.durable();
            on_disk.resize(len, 0);
            data.never.push((stable, on_disk.split_off(stable)));
        }
    }

    pub(super) fn flip(&self, offset: u64, mask: u8) -> io::Result<()> {
        let mut data = self.write();
        let byte = usize::try_from(offset).ok().and_then(|offset| data.content.get_mut(offset));
        *byte.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))? ^= mask;
        Ok(())
    }

    /// Copies the file to another file system. Unsynced data is copied as unsynced.
    pub(super) fn copy(&self, space: Arc<Space>) -> Self {
        let data = self.read().clone();
        if !data.removed {
            space.add(data.content.len() as u64);
        }
        Self { data: RwLock::new(data), space }
    }

    /// Returns the contents after a power loss: the durable bytes, or with randomness any part of the unsynced bytes as
    /// well.
    pub(super) fn after_crash(&self, random: Option<&mut fastrand::Rng>) -> Vec<u8> {
        let data = self.read();
        match random {
            None => data.durable(),
            Some(random) => data.torn(random),
        }
    }
}

impl Data {
    /// Records that the contents from `start` on are about to differ from the durable bytes.
    fn cut_at(&mut self, start: usize) {
        if start < self.stable {
            let mut cut = self.content[start..self.stable].to_vec();
            cut.append(&mut self.cut);
            self.cut = cut;
            self.stable = start;
        }
    }

    /// Marks a range as dirty again, so that the next sync writes it.
    fn forget(&mut self, range: Range<usize>) {
        for (start, mut old) in std::mem::take(&mut self.never) {
            let end = start + old.len();
            if end > range.end {
                let behind = range.end.max(start);
                self.never.push((behind, old.split_off(behind - start)));
            }
            old.truncate(range.start.saturating_sub(start));
            if !old.is_empty() {
                self.never.push((start, old));
            }
        }
    }

    fn durable(&self) -> Vec<u8> {
        let mut content = self.before();
        for (start, old) in &self.never {
            let end = (start + old.len()).min(content.len());
            let range = *start.min(&end)..end;
            content[range.clone()].copy_from_slice(&old[..range.len()]);
        }
        content
    }

    /// Contents as of the last sync, assuming that no sync failed.
    fn before(&self) -> Vec<u8> {
        [&self.content[..self.stable], &self.cut].concat()
    }

    /// Contents after a crash in which the length and each sector reach the disk independently.
    fn torn(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        let before = self.before();
        let len = match random.u8(..4) {
            // An unsynced truncation may or may not have reached the disk.
            _ if self.shortest < before.len() && random.bool() => before.len(),
            0 => self.shortest,
            1 => self.content.len(),
            _ => random.usize(self.shortest..=self.content.len()),
        };
        let mut after = self.content[..self.stable].to_vec();
        after.resize(len, 0);
        for sector in sectors(self.stable..len) {
            // Most draws keep the written sector, because whole or missing writes are the common case.
            let written = sector.start < self.content.len() && random.u8(..8) > 0;
            let source = if written { &self.content } else { &before };
            let there = sector.start.min(source.len())..sector.end.min(source.len());
            after[sector.start..sector.start + there.len()].copy_from_slice(&source[there]);
        }
        for (start, old) in &self.never {
            for sector in sectors(*start.min(&len)..(start + old.len()).min(len)) {
                // The sector may or may not have been written before the sync failed.
                if random.bool() {
                    after[sector.clone()].copy_from_slice(&old[sector.start - start..sector.end - start]);
                }
            }
        }
        after
    }
}

/// Splits a range of a file at sector boundaries.
fn sectors(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let first = range.start / SECTOR;
    let last = range.end.div_ceil(SECTOR);
    let parts =
        (first..last).map(move |sector| (sector * SECTOR).max(range.start)..((sector + 1) * SECTOR).min(range.end));
    parts.filter(|part| !part.is_empty())
}

impl Drop for Inode {
    fn drop(&mut self) {
        self.remove();
    }
}
