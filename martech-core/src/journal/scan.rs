//! Finds the frames in a segment, and finds them again behind damage.

use std::{io, ops::Range, sync::Arc};

use super::{
    frame::{self, Header},
    segment,
};
use crate::fs::File;

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// What lies at the scanner's position.
#[derive(Debug)]
pub(super) enum Scanned {
    /// A sound frame; [`Scanner::payload`] has its payload until the next step.
    Frame {
        /// Its sequence.
        sequence: u64,
    },
    /// Bytes up to the next sound frame, or up to the end.
    Damage(Range<u64>),
}

/// Goes through a segment from its first frame on. Memory: one chunk, or one frame where that is longer.
///
/// A frame is sound when its checksum fits and its sequence is newer than the one before. The second rule keeps out
/// what a file system may bring back after a power loss: blocks that an older segment of this journal once had.
#[derive(Debug)]
pub(super) struct Scanner {
    file: Arc<dyn File>,
    marker: u32,
    position: u64,
    oldest: u64,
    payload: Range<usize>,
    buffer: Vec<u8>,
    base: u64,
}

impl Scanner {
    /// Frames older than `oldest` are taken for damage.
    pub(super) fn new(file: Arc<dyn File>, marker: u32, oldest: u64) -> Self {
        Self { file, marker, position: segment::HEADER_LEN, oldest, payload: 0..0, buffer: Vec::new(), base: 0 }
    }

    /// The next step, looking at nothing behind `end`. `None` at the end; a later call may pass a greater one.
    pub(super) fn next(&mut self, end: u64) -> io::Result<Option<Scanned>> {
        let start = self.position;
        let mut candidate = (self.marker != frame::NO_MARKER).then_some(start);
        while let Some(at) = candidate.filter(|at| *at < end) {
            if let Some((sequence, payload)) = self.frame_at(at, end)? {
                if at > start {
                    // The frame itself is the next step.
                    self.position = at;
                    return Ok(Some(Scanned::Damage(start..at)));
                }
                self.position = at + (frame::HEADER_LEN + payload.len()) as u64;
                self.oldest = sequence + 1;
                self.payload = payload;
                return Ok(Some(Scanned::Frame { sequence }));
            }
            candidate = self.find_marker(at + 1, end)?;
        }
        if start >= end {
            return Ok(None);
        }
        self.position = end;
        Ok(Some(Scanned::Damage(start..end)))
    }

    /// Where the next step begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The payload of the frame that the last step found.
    pub(super) fn payload(&self) -> &[u8] {
        &self.buffer[self.payload.clone()]
    }

    /// Sequence and payload (as a range of the buffer) of a sound frame at an offset.
    fn frame_at(&mut self, at: u64, end: u64) -> io::Result<Option<(u64, Range<usize>)>> {
        if end - at < frame::HEADER_LEN as u64 {
            return Ok(None);
        }
        let start = self.load(at, frame::HEADER_LEN, end)?;
        let Some(header) = self.buffer[start..].first_chunk().and_then(|bytes| Header::decode(bytes, self.marker))
        else {
            return Ok(None);
        };
        let length = frame::HEADER_LEN + header.payload_len();
        if header.sequence < self.oldest || end - at < length as u64 {
            return Ok(None);
        }
        let start = self.load(at, length, end)?;
        let payload = start + frame::HEADER_LEN..start + length;
        Ok(header.fits(&self.buffer[payload.clone()]).then_some((header.sequence, payload)))
    }

    fn find_marker(&mut self, from: u64, end: u64) -> io::Result<Option<u64>> {
        let marker = self.marker.to_le_bytes();
        let mut at = from;
        while at + frame::HEADER_LEN as u64 <= end {
            let length = (end - at).min(CHUNK as u64) as usize;
            let start = self.load(at, length, end)?;
            let window = &self.buffer[start..start + length];
            if let Some(found) = window.windows(marker.len()).position(|bytes| bytes == marker) {
                return Ok(Some(at + found as u64));
            }
            // The marker may begin in this window's last bytes and end in the next.
            at += (length - (marker.len() - 1)) as u64;
        }
        Ok(None)
    }

    /// Has `length` bytes from `at` on in the buffer; gives where they begin in it.
    fn load(&mut self, at: u64, length: usize, end: u64) -> io::Result<usize> {
        if at < self.base || at + length as u64 > self.base + self.buffer.len() as u64 {
            let wanted = (end - at).min(length.max(CHUNK) as u64) as usize;
            if self.buffer.capacity() > 2 * wanted.max(CHUNK) {
                self.buffer = Vec::new(); // gives back what one long frame took
            }
            self.buffer.resize(wanted, 0);
            self.base = at;
            if let Err(error) = self.file.read_exact_at(&mut self.buffer, at) {
                self.buffer.clear();
                return Err(error);
            }
        }
        Ok((at - self.base) as usize)
    }
}
