//! The content of a file: what can be read, and what a power loss leaves of it.

use std::{
    io::{self, IoSlice},
    ops::Range,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::Space;

const SECTOR: usize = 512;

#[derive(Debug)]
pub(super) struct Inode {
    data: RwLock<Data>,
    space: Arc<Space>,
}

/// The durable content is `content[..stable]` and then `cut`.
#[derive(Debug, Clone, Default)]
struct Data {
    content: Vec<u8>,
    /// Up to here the durable content is the content.
    stable: usize,
    /// Durable bytes that were truncated and not synced since.
    cut: Vec<u8>,
    /// Bytes that a failed sync left clean but not on disk: no later sync writes them.
    never: Vec<Range<usize>>,
    /// Whether the file was removed: then it takes no space.
    removed: bool,
}

impl Inode {
    /// A file with durable content.
    pub(super) fn new(content: Vec<u8>, space: Arc<Space>) -> Self {
        // Content that is put there counts, and need not fit.
        space.add(content.len() as u64);
        let data = Data { stable: content.len(), content, ..Data::default() };
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

    /// Appends at most `limit` bytes of the buffers, as far as there is space; gives how many.
    pub(super) fn append(&self, buffers: &[IoSlice<'_>], limit: usize) -> usize {
        let mut data = self.write();
        let wanted = buffers.iter().map(|buffer| buffer.len()).sum::<usize>().min(limit);
        let taken = if data.removed { wanted } else { self.space.take(wanted as u64) as usize };
        let mut limit = taken;
        for buffer in buffers {
            let part = &buffer[..buffer.len().min(limit)];
            data.content.extend_from_slice(part);
            limit -= part.len();
        }
        taken
    }

    /// The last name of the file is gone.
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
        if len < data.stable {
            let mut cut = data.content[len..data.stable].to_vec();
            cut.append(&mut data.cut);
            data.cut = cut;
            data.stable = len;
        }
        data.content.truncate(len);
        data.never.retain_mut(|range| {
            range.end = range.end.min(len);
            range.start < range.end
        });
        Ok(())
    }

    pub(super) fn sync(&self, works: bool) {
        let mut data = self.write();
        let unsynced = data.stable..data.content.len();
        if works {
            data.stable = data.content.len();
            data.cut.clear();
        } else if !unsynced.is_empty() {
            data.never.push(unsynced);
        }
    }

    pub(super) fn flip(&self, offset: u64, mask: u8) -> io::Result<()> {
        let mut data = self.write();
        let byte = usize::try_from(offset).ok().and_then(|offset| data.content.get_mut(offset));
        *byte.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))? ^= mask;
        Ok(())
    }

    /// The same file in another file system: what was not synced is there and still is not.
    pub(super) fn copy(&self, space: Arc<Space>) -> Self {
        let data = self.read().clone();
        if !data.removed {
            space.add(data.content.len() as u64);
        }
        Self { data: RwLock::new(data), space }
    }

    /// What a power loss leaves: what is durable, or with randomness any part of the rest as well.
    pub(super) fn after_crash(&self, random: Option<&mut fastrand::Rng>) -> Vec<u8> {
        let data = self.read();
        match random {
            None => data.durable(),
            Some(random) => data.torn(random),
        }
    }
}

impl Data {
    fn durable(&self) -> Vec<u8> {
        let mut content = [&self.content[..self.stable], &self.cut].concat();
        for range in &self.never {
            let end = range.end.min(content.len());
            content[range.start.min(end)..end].fill(0);
        }
        content
    }

    /// Length and sectors reach the disk each on their own.
    fn torn(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        let before = [&self.content[..self.stable], &self.cut].concat();
        // A truncation that was not synced reached the disk or did not.
        let len = match random.u8(..4) {
            _ if !self.cut.is_empty() && random.bool() => before.len(),
            0 => self.stable,
            1 => self.content.len(),
            _ => random.usize(self.stable..=self.content.len()),
        };
        let mut after = self.content[..self.stable].to_vec();
        after.resize(len, 0);
        for sector in sectors(self.stable..len) {
            // Mostly all of a write is there, or nothing.
            let written = sector.start < self.content.len() && random.u8(..8) > 0;
            let source = if written { &self.content } else { &before };
            let there = sector.start.min(source.len())..sector.end.min(source.len());
            after[sector.start..sector.start + there.len()].copy_from_slice(&source[there]);
        }
        for range in &self.never {
            for sector in sectors(range.start.min(len)..range.end.min(len)) {
                // Whether it was written before the sync failed nobody knows.
                if random.bool() {
                    after[sector].fill(0);
                }
            }
        }
        after
    }
}

/// The parts of the sectors of a file that lie in a range.
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
