//! Cuts a stream of bytes into records, with bounded memory.

use std::{
    io::{self, Read},
    ops::Range,
};

use memchr::{memchr, memchr_iter};

use super::args::Delimiter;

/// The longest record; a longer one is rejected.
pub(crate) const MAX_RECORD: usize = 1 << 20;
/// A chunk holds at most about this much, or one record.
const CHUNK_BYTES: usize = 1 << 20;

/// How the records of a stream are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A line is a record.
    Lines,
    /// RFC 4180: a quoted column may hold line ends.
    Quoted(u8),
}

impl Framing {
    pub(crate) fn of(delimiter: Option<Delimiter>) -> Self {
        match delimiter {
            None | Some(Delimiter::Whitespace) => Self::Lines,
            Some(Delimiter::Byte(byte)) => Self::Quoted(byte),
        }
    }
}

/// Where in a stream a reader stands: at the start of a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Position {
    /// Decompressed bytes before.
    pub(crate) offset: u64,
    /// Lines before.
    pub(crate) lines: u64,
    /// Records before, the header not counted.
    pub(crate) records: u64,
}

/// Some records in a row, and the bytes they lie in.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Record>,
    /// Behind the last record.
    pub(crate) end: Position,
}

/// A record as it was found; blank lines are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its text in the chunk, without the line end.
    pub(crate) range: Range<usize>,
    /// Counted from 1.
    pub(crate) line: u64,
    /// Counted from 1, the header not counted.
    pub(crate) number: u64,
    pub(crate) fault: Option<Fault>,
}

/// Why the text of a record is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Longer than [`MAX_RECORD`]; its beginning is kept.
    TooLong,
    /// A quote was opened and not closed within [`MAX_RECORD`]; its first line is kept, and the next line is read by itself.
    OpenQuote,
}

/// Reads records.
pub(crate) struct Splitter<R> {
    reader: R,
    framing: Framing,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    position: Position,
}

/// What the next record was found to be.
struct Found {
    /// Length of its text with the line end.
    length: usize,
    fault: Option<Fault>,
}

impl<R: Read> Splitter<R> {
    /// From the start of a stream; a byte order mark is passed over.
    pub(crate) fn new(reader: R, framing: Framing) -> io::Result<Self> {
        let mut splitter = Self::at(reader, framing, Position::default());
        if splitter.fill(3)?.starts_with(b"\xef\xbb\xbf") {
            splitter.start += 3;
            splitter.position.offset += 3;
        }
        Ok(splitter)
    }

    /// From a position on; the reader stands there already.
    pub(crate) fn at(reader: R, framing: Framing, position: Position) -> Self {
        Self { reader, framing, buffer: Vec::new(), start: 0, ended: false, position }
    }

    #[cfg(test)]
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    pub(crate) fn reader(&self) -> &R {
        &self.reader
    }

    /// The next up to `max` records into an emptied chunk; `false` when there is none any more.
    pub(crate) fn next_chunk(&mut self, max: usize, chunk: &mut Chunk) -> io::Result<bool> {
        chunk.bytes.clear();
        chunk.records.clear();
        while chunk.records.len() < max && chunk.bytes.len() < CHUNK_BYTES {
            let Some(found) = self.find()? else { break };
            self.take(&found, chunk);
            if found.fault == Some(Fault::TooLong) {
                self.skip_line()?;
            }
        }
        chunk.end = self.position;
        Ok(!chunk.records.is_empty())
    }

    /// The first record, which is then read again.
    pub(crate) fn peek(&mut self) -> io::Result<Option<Chunk>> {
        let (mut chunk, position) = (Chunk::default(), self.position);
        let Some(found) = self.find()? else { return Ok(None) };
        let start = self.start;
        self.take(&found, &mut chunk);
        // Blank lines before it were passed over, which does no harm: they are so again.
        (self.start, self.position) = (start, Position { records: position.records, ..self.position });
        self.position.offset -= found.length as u64;
        self.position.lines = chunk.records[0].line - 1;
        Ok(Some(chunk))
    }

    /// The first record, as a header: it is not counted.
    pub(crate) fn header(&mut self) -> io::Result<Option<Chunk>> {
        let mut chunk = Chunk::default();
        let found = self.next_chunk(1, &mut chunk)?;
        self.position.records = 0;
        Ok(found.then_some(chunk))
    }

    /// Finds the next record that is no blank line.
    fn find(&mut self) -> io::Result<Option<Found>> {
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            let Some(length) = line else { return Ok(Some(Found { length: MAX_RECORD, fault: Some(Fault::TooLong) })) };
            let text = &self.buffer[self.start..self.start + length];
            if text.iter().all(u8::is_ascii_whitespace) {
                self.advance(length);
                continue;
            }
            return match self.framing {
                Framing::Quoted(delimiter) if memchr(b'"', text).is_some() => self.find_quoted(delimiter, length),
                _ => Ok(Found { length, fault: None }),
            }
            .map(Some);
        }
    }

    /// Length of the next line with its end; `Some(None)` when it is too long, `None` at the end of the stream.
    fn line(&mut self) -> io::Result<Option<Option<usize>>> {
        let mut searched = 0;
        loop {
            let pending = &self.buffer[self.start..];
            if let Some(at) = memchr(b'\n', &pending[searched..]) {
                let length = searched + at + 1;
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

    /// The record that begins with a line in which there are quotes.
    fn find_quoted(&mut self, delimiter: u8, first_line: usize) -> io::Result<Found> {
        let mut parser =
            csv_core::ReaderBuilder::new().delimiter(delimiter).terminator(csv_core::Terminator::Any(b'\n')).build();
        let (mut fields, mut ends) = (vec![0; 4096], vec![0; 256]);
        let mut read = 0;
        loop {
            let pending = &self.buffer[self.start + read..];
            if pending.is_empty() {
                if read > MAX_RECORD {
                    return Ok(Found { length: first_line, fault: Some(Fault::OpenQuote) });
                }
                if self.fill(read + 1)?.len() > read {
                    continue;
                }
                // The last line may lack its end: give it one, and see whether that ends the record.
                let closed =
                    matches!(parser.read_record(b"\n", &mut fields, &mut ends).0, csv_core::ReadRecordResult::Record);
                return Ok(if closed {
                    Found { length: read, fault: None }
                } else {
                    Found { length: first_line, fault: Some(Fault::OpenQuote) }
                });
            }
            let (result, consumed, ..) = parser.read_record(pending, &mut fields, &mut ends);
            read += consumed;
            if matches!(result, csv_core::ReadRecordResult::Record) {
                let fault = (read > MAX_RECORD).then_some(Fault::OpenQuote);
                return Ok(Found { length: if fault.is_some() { first_line } else { read }, fault });
            }
        }
    }

    fn take(&mut self, found: &Found, chunk: &mut Chunk) {
        let text = &self.buffer[self.start..self.start + found.length];
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let begin = chunk.bytes.len();
        chunk.bytes.extend_from_slice(text);
        self.position.records += 1;
        chunk.records.push(Record {
            range: begin..chunk.bytes.len(),
            line: self.position.lines + 1,
            number: self.position.records,
            fault: found.fault,
        });
        self.advance(found.length);
    }

    /// Passes over the rest of a line that is too long.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let pending = self.fill(1)?;
            let (length, found) = match memchr(b'\n', pending) {
                Some(at) => (at + 1, true),
                None => (pending.len(), false),
            };
            self.advance(length);
            if found || length == 0 {
                return Ok(());
            }
        }
    }

    fn advance(&mut self, length: usize) {
        let passed = &self.buffer[self.start..self.start + length];
        self.position.lines += memchr_iter(b'\n', passed).count() as u64;
        self.position.offset += length as u64;
        self.start += length;
    }

    /// At least `wanted` bytes from the current position on, fewer at the end of the stream.
    fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        const STEP: usize = 256 * 1024;
        while self.buffer.len() - self.start < wanted && !self.ended {
            self.buffer.drain(..self.start);
            self.start = 0;
            let filled = self.buffer.len();
            self.buffer.resize(filled + STEP, 0);
            let read = loop {
                match self.reader.read(&mut self.buffer[filled..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
        }
        Ok(&self.buffer[self.start..])
    }
}

#[cfg(test)]
mod tests;
