//! Reads a stream ahead, until a line or a number of bytes is complete.

use std::io::{self, Read};

use memchr::memchr2;

use super::record::MAX_RECORD;

/// Bytes of a stream that have been read and not consumed.
pub(super) struct Buffer<R> {
    reader: R,
    bytes: Vec<u8>,
    start: usize,
    ended: bool,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, bytes: Vec::new(), start: 0, ended: false }
    }

    pub(super) fn reader(&self) -> &R {
        &self.reader
    }

    /// Returns the bytes from the current position on.
    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Returns whether the end of the stream has been read.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Consumes bytes.
    pub(super) fn advance(&mut self, length: usize) {
        self.start += length;
    }

    /// Takes back bytes consumed since the last [`fill`](Self::fill).
    pub(super) fn rewind(&mut self, length: usize) {
        self.start -= length;
    }

    /// Returns at least `wanted` bytes from the current position on, or fewer at the end of the stream.
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        const STEP: usize = 256 * 1024;
        while self.bytes.len() - self.start < wanted && !self.ended {
            self.bytes.drain(..self.start);
            self.start = 0;
            let filled = self.bytes.len();
            self.bytes.resize(filled + STEP, 0);
            let read = loop {
                match self.reader.read(&mut self.bytes[filled..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            self.bytes.truncate(filled + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
        }
        Ok(self.pending())
    }

    /// Returns the length of the next line with its end; `Some(None)` if the line is too long, `None` at the end of the
    /// stream.
    pub(super) fn line(&mut self) -> io::Result<Option<Option<usize>>> {
        let mut searched = 0;
        loop {
            let pending = self.pending();
            if let Some(at) = memchr2(b'\n', b'\r', &pending[searched..]) {
                let length = self.behind_line_end(searched + at)?;
                return Ok(Some((length <= MAX_RECORD).then_some(length)));
            }
            searched = pending.len();
            if searched > MAX_RECORD {
                return Ok(Some(None));
            }
            if self.ended {
                return Ok((searched > 0).then_some(Some(searched)));
            }
            self.fill(searched + 1)?;
        }
    }

    /// Returns the distance to the byte behind the line end that begins at `at`.
    pub(super) fn behind_line_end(&mut self, at: usize) -> io::Result<usize> {
        let is_pair = self.fill(at + 2)?[at..].starts_with(b"\r\n");
        Ok(at + 1 + usize::from(is_pair))
    }
}
