//! Cuts a stream of bytes into records, with bounded memory.
//!
//! A line ends with `\n`, `\r\n` or `\r`. A record that cannot be understood costs the line that it begins on: what follows is
//! read from the next line on.

use std::{
    io::{self, Read},
    ops::Range,
};

use memchr::{memchr, memchr2, memchr2_iter};

use super::{
    args::Delimiter,
    quotes::{self, BadQuote, RecordScan},
    values::{self, MAX_TOKEN, Token, ValueScan, Within},
};

/// The longest record; a longer one is rejected.
pub(crate) const MAX_RECORD: usize = 1 << 20;
/// A chunk holds at most about this much, or one record.
const CHUNK_BYTES: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the records of a stream are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A line is a record.
    Lines,
    /// RFC 4180: a quoted column may hold line ends.
    Quoted(u8),
    /// JSON values over any number of lines: see the `values` module.
    Values,
}

impl Framing {
    pub(crate) fn of(delimiter: Delimiter) -> Self {
        match delimiter {
            Delimiter::Whitespace => Self::Lines,
            Delimiter::Byte(byte) => Self::Quoted(byte),
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
    /// Among JSON values.
    #[serde(default)]
    pub(crate) within: Within,
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
    /// A quote was opened and not closed within [`MAX_RECORD`]. Its first line is kept, as that of all below.
    OpenQuote,
    BadQuote(BadQuote),
    /// A JSON value is not closed within [`MAX_RECORD`], or not well formed.
    BadValue,
    /// The file ends within an array.
    CutOff,
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
    /// Whether its line goes on behind that.
    is_cut: bool,
}

impl Found {
    fn sound(length: usize) -> Self {
        Self { length, fault: None, is_cut: false }
    }
}

impl<R: Read> Splitter<R> {
    /// From the start of a stream. A byte order mark is passed over before each record: files may have been joined.
    pub(crate) fn new(reader: R, framing: Framing) -> Self {
        Self { reader, framing, buffer: Vec::new(), start: 0, ended: false, position: Position::default() }
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// For the records that follow.
    pub(crate) fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Whether the first value, which is no array, stands on a line of its own: then lines tell records apart, also broken ones.
    pub(crate) fn is_ndjson(&mut self) -> io::Result<bool> {
        let Some(first) = self.peek()? else { return Ok(true) };
        let length = first.records[0].range.len();
        if self.position.within != Within::Nothing || first.records[0].fault.is_some() {
            return Ok(false);
        }
        let line = self.line()?.flatten();
        let start = self.start;
        Ok(line.is_some_and(|line| {
            line >= length && self.buffer[start + length..start + line].iter().all(u8::is_ascii_whitespace)
        }))
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
            if found.is_cut {
                self.skip_line()?;
            }
        }
        chunk.end = self.position;
        Ok(!chunk.records.is_empty())
    }

    /// The first record, which is then read again.
    pub(crate) fn peek(&mut self) -> io::Result<Option<Chunk>> {
        let Some(found) = self.find()? else { return Ok(None) };
        let (mut chunk, start, position) = (Chunk::default(), self.start, self.position);
        self.take(&found, &mut chunk);
        (self.start, self.position) = (start, position);
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
            self.skip_mark()?;
            if self.framing == Framing::Values {
                return self.find_value();
            }
            let Some(line) = self.line()? else { return Ok(None) };
            let Some(length) = line else { return self.first_line(Fault::TooLong).map(Some) };
            let text = &self.buffer[self.start..self.start + length];
            if text.iter().all(u8::is_ascii_whitespace) {
                self.position.lines += line_ends(text, None);
                self.advance(length);
                continue;
            }
            return match self.framing {
                Framing::Quoted(delimiter) if memchr(b'"', text).is_some() => self.find_quoted(delimiter),
                _ => Ok(Found::sound(length)),
            }
            .map(Some);
        }
    }

    /// Length of the next line with its end; `Some(None)` when it is too long, `None` at the end of the stream.
    fn line(&mut self) -> io::Result<Option<Option<usize>>> {
        let mut searched = 0;
        loop {
            let pending = &self.buffer[self.start..];
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

    /// How far it is to behind the line's end that stands, or begins, at `at`.
    fn behind_line_end(&mut self, at: usize) -> io::Result<usize> {
        let is_pair = self.fill(at + 2)?[at..].starts_with(b"\r\n");
        Ok(at + 1 + usize::from(is_pair))
    }

    /// The line that begins here, of a record that cannot be understood.
    fn first_line(&mut self, fault: Fault) -> io::Result<Found> {
        Ok(match self.line()?.flatten() {
            Some(length) => Found { length, fault: Some(fault), is_cut: false },
            None => {
                let length = self.fill(MAX_RECORD)?.len().min(MAX_RECORD);
                Found { length, fault: Some(fault), is_cut: true }
            }
        })
    }

    /// The record that begins with a line in which there are quotes.
    fn find_quoted(&mut self, delimiter: u8) -> io::Result<Found> {
        let mut scan = RecordScan::new(delimiter);
        let mut read = 0;
        loop {
            match scan.read(&self.buffer[self.start + read..]) {
                quotes::Found::End(at) => {
                    let length = self.behind_line_end(read + at)?;
                    return if length <= MAX_RECORD {
                        Ok(Found::sound(length))
                    } else {
                        self.first_line(Fault::OpenQuote)
                    };
                }
                quotes::Found::Bad(why) => return self.first_line(Fault::BadQuote(why)),
                quotes::Found::Nothing => read = self.buffer.len() - self.start,
            }
            if read > MAX_RECORD {
                return self.first_line(Fault::OpenQuote);
            }
            if self.fill(read + 1)?.len() == read {
                return if scan.is_in_quotes() { self.first_line(Fault::OpenQuote) } else { Ok(Found::sound(read)) };
            }
        }
    }

    /// The next JSON value; passes over what encloses it.
    fn find_value(&mut self) -> io::Result<Option<Found>> {
        loop {
            self.skip_blanks()?;
            if self.skip_mark()? {
                continue;
            }
            self.fill(MAX_TOKEN)?;
            let (pending, within) = (&self.buffer[self.start..], self.position.within);
            if pending.is_empty() {
                let cut_off = Found { length: 0, fault: Some(Fault::CutOff), is_cut: false };
                return Ok((within != Within::Nothing).then_some(cut_off));
            }
            match within.token(pending) {
                Token::Structure(length, within) => {
                    self.position.lines += line_ends(&pending[..length], None);
                    self.advance(length);
                    self.position.within = within;
                }
                Token::Value => break,
            }
        }
        let mut scan = ValueScan::default();
        let mut read = 0;
        loop {
            let mut found = scan.read(&self.buffer[self.start + read..]);
            let pending = self.buffer.len() - self.start;
            if found == values::Found::Nothing && pending <= MAX_RECORD && self.fill(pending + 1)?.len() == pending {
                found = scan.at_end(pending - read);
            }
            match found {
                values::Found::End(at) if read + at <= MAX_RECORD => return Ok(Some(Found::sound(read + at))),
                values::Found::Nothing if pending <= MAX_RECORD => read = pending,
                _ => return self.first_line(Fault::BadValue).map(Some),
            }
        }
    }

    /// Passes over a byte order mark; whether there was one.
    fn skip_mark(&mut self) -> io::Result<bool> {
        let is_there = self.fill(BYTE_ORDER_MARK.len())?.starts_with(BYTE_ORDER_MARK);
        if is_there {
            self.advance(BYTE_ORDER_MARK.len());
        }
        Ok(is_there)
    }

    fn skip_blanks(&mut self) -> io::Result<()> {
        loop {
            self.fill(1)?;
            let pending = &self.buffer[self.start..];
            let blanks = pending.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = pending.get(blanks).copied();
            // The last one may be the first half of a line's end.
            let passed = if next.is_none() && !self.ended { blanks.saturating_sub(1) } else { blanks };
            self.position.lines += line_ends(&pending[..passed], pending.get(passed).copied());
            self.advance(passed);
            if next.is_some() || self.ended {
                return Ok(());
            }
            self.fill(2)?;
        }
    }

    fn take(&mut self, found: &Found, chunk: &mut Chunk) {
        let text = &self.buffer[self.start..self.start + found.length];
        let lines = if found.is_cut { 0 } else { line_ends(text, None) };
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
        self.position.lines += lines;
        self.advance(found.length);
        if found.fault == Some(Fault::CutOff) {
            // Once is enough.
            self.position.within = Within::Nothing;
        }
    }

    /// Passes over the rest of a line that is too long.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let pending = self.fill(1)?;
            let (length, ends) = (pending.len(), memchr2(b'\n', b'\r', pending));
            match ends {
                Some(at) => {
                    let length = self.behind_line_end(at)?;
                    self.advance(length);
                    self.position.lines += 1;
                    return Ok(());
                }
                None if length == 0 => return Ok(()),
                None => self.advance(length),
            }
        }
    }

    fn advance(&mut self, length: usize) {
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

/// How many lines end in some bytes; `next` is the byte behind them.
fn line_ends(bytes: &[u8], next: Option<u8>) -> u64 {
    let is_end = |at: &usize| bytes[*at] == b'\n' || bytes.get(at + 1).copied().or(next) != Some(b'\n');
    memchr2_iter(b'\n', b'\r', bytes).filter(is_end).count() as u64
}

#[cfg(test)]
mod tests;
