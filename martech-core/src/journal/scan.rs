//! Finds the frames in a segment, and finds the next frame after damage.

use std::{io, ops::Range, sync::Arc};

use super::{
    frame::{self, Header},
    segment,
};
use crate::fs::File;

/// Number of bytes read at once.
const CHUNK: usize = 256 << 10;

/// The item at the scanner's position.
#[derive(Debug)]
pub(super) enum Scanned {
    /// A valid frame. [`Scanner::payload`] returns its payload until the next step.
    Frame {
        /// Sequence of the frame.
        sequence: u64,
    },
    /// Bytes up to the next valid frame, or up to the end.
    Damage(Range<u64>),
}

/// Steps through a segment from its first frame. Memory is bounded by one chunk or one frame, whichever is larger.
///
/// A frame is valid if its checksum matches and its sequence is newer than that of the frame before. The second rule
/// excludes blocks of an older segment of this journal, which a file system may expose after a power loss.
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
    /// Creates a scanner for which frames older than `oldest` count as damage.
    pub(super) fn new(file: Arc<dyn File>, marker: u32, oldest: u64) -> Self {
        Self { file, marker, position: segment::HEADER_LEN, oldest, payload: 0..0, buffer: Vec::new(), base: 0 }
    }

    /// Returns the next item, reading nothing past `end`; `None` at the end. A later call may pass a greater `end`.
    pub(super) fn next(&mut self, end: u64) -> io::Result<Option<Scanned>> {
        let start = self.position;
        let mut candidate = (self.marker != frame::NO_MARKER).then_some(start);
        while let Some(at) = candidate.filter(|at| *at < end) {
            if let Some((sequence, payload)) = self.frame_at(at, end)? {
                if at > start {
                    // The next call returns the frame itself.
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

    /// Offset at which the next step begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Payload of the frame found by the last step.
    pub(super) fn payload(&self) -> &[u8] {
        &self.buffer[self.payload.clone()]
    }

    /// Returns the sequence and the payload (as a range of the buffer) of a valid frame at an offset.
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
            // The marker may span two windows, so windows overlap.
            at += (length - (marker.len() - 1)) as u64;
        }
        Ok(None)
    }

    /// Loads `length` bytes from `at` into the buffer. Returns their position in the buffer.
    fn load(&mut self, at: u64, length: usize, end: u64) -> io::Result<usize> {
        if at < self.base || at + length as u64 > self.base + self.buffer.len() as u64 {
            let wanted = (end - at).min(length.max(CHUNK) as u64) as usize;
            if self.buffer.capacity() > 2 * wanted.max(CHUNK) {
                self.buffer = Vec::new(); // frees the memory of a long frame
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
