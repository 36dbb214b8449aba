//! Splits a stream of bytes into records, with bounded memory.
//!
//! A line ends with `\n`, `\r\n` or `\r`. A malformed record ends with its first line: reading continues with the next
//! line.

mod buffer;
mod record;

use std::io::{self, Read};

use memchr::{memchr, memchr2, memchr2_iter};

use self::buffer::Buffer;
pub(crate) use self::record::{Chunk, Fault, MAX_RECORD, Position, Record};
use super::{
    options::Delimiter,
    quotes::{self, RecordScan},
    values::{self, MAX_TOKEN, Token, ValueScan, Within},
};

/// Approximate maximum size of a chunk. A chunk may exceed it by one record.
const CHUNK_BYTES: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How the records of a stream are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Each line is a record.
    Lines,
    /// RFC 4180 with this delimiter: a quoted column may contain line ends.
    Quoted(u8),
    /// JSON values over any number of lines; see the `values` module.
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

/// Reads records from a stream.
pub(crate) struct Splitter<R> {
    buffer: Buffer<R>,
    framing: Framing,
    position: Position,
}

/// The extent of the next record.
struct Found {
    /// Length of its text with the line end.
    length: usize,
    fault: Option<Fault>,
    /// Whether its line continues behind that length.
    is_cut: bool,
}

impl Found {
    fn sound(length: usize) -> Self {
        Self { length, fault: None, is_cut: false }
    }
}

impl<R: Read> Splitter<R> {
    /// Starts at the beginning of a stream. A byte order mark is skipped before each record, because files may have
    /// been joined.
    pub(crate) fn new(reader: R, framing: Framing) -> Self {
        Self { buffer: Buffer::new(reader), framing, position: Position::default() }
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Sets the framing of the records that follow.
    pub(crate) fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Returns whether the content is NDJSON: the first value is not inside an array or envelope, and is alone on its
    /// line. Lines then separate records, including malformed ones. An empty stream counts as NDJSON.
    pub(crate) fn is_ndjson(&mut self) -> io::Result<bool> {
        let Some(first) = self.peek()? else { return Ok(true) };
        let length = first.records[0].range.len();
        if self.position.within != Within::Nothing || first.records[0].fault.is_some() {
            return Ok(false);
        }
        let line = self.buffer.line()?.flatten();
        Ok(line.is_some_and(|line| {
            line >= length && self.buffer.pending()[length..line].iter().all(u8::is_ascii_whitespace)
        }))
    }

    pub(crate) fn reader(&self) -> &R {
        self.buffer.reader()
    }

    /// Clears the chunk and reads up to `max` records into it. Returns `false` at the end of the stream.
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

    /// Returns the next record without consuming it.
    pub(crate) fn peek(&mut self) -> io::Result<Option<Chunk>> {
        let Some(found) = self.find()? else { return Ok(None) };
        let (mut chunk, position) = (Chunk::default(), self.position);
        self.take(&found, &mut chunk);
        self.buffer.rewind(found.length);
        self.position = position;
        Ok(Some(chunk))
    }

    /// Reads the first record as a header, which is not counted.
    pub(crate) fn header(&mut self) -> io::Result<Option<Chunk>> {
        let mut chunk = Chunk::default();
        let found = self.next_chunk(1, &mut chunk)?;
        self.position.records = 0;
        Ok(found.then_some(chunk))
    }

    /// Finds the next record, and skips blank lines.
    fn find(&mut self) -> io::Result<Option<Found>> {
        loop {
            self.skip_mark()?;
            if self.framing == Framing::Values {
                return self.find_value();
            }
            let Some(line) = self.buffer.line()? else { return Ok(None) };
            let Some(length) = line else { return self.first_line(Fault::TooLong).map(Some) };
            let text = &self.buffer.pending()[..length];
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

    /// Returns the first line of a malformed record.
    fn first_line(&mut self, fault: Fault) -> io::Result<Found> {
        Ok(match self.buffer.line()?.flatten() {
            Some(length) => Found { length, fault: Some(fault), is_cut: false },
            None => {
                let length = self.buffer.fill(MAX_RECORD)?.len().min(MAX_RECORD);
                Found { length, fault: Some(fault), is_cut: true }
            }
        })
    }

    /// Finds the record that begins here, whose first line contains quotes.
    fn find_quoted(&mut self, delimiter: u8) -> io::Result<Found> {
        let mut scan = RecordScan::new(delimiter);
        let mut read = 0;
        loop {
            match scan.read(&self.buffer.pending()[read..]) {
                quotes::Found::End(at) => {
                    let length = self.buffer.behind_line_end(read + at)?;
                    return if length <= MAX_RECORD {
                        Ok(Found::sound(length))
                    } else {
                        self.first_line(Fault::OpenQuote)
                    };
                }
                quotes::Found::Bad(why) => return self.first_line(Fault::BadQuote(why)),
                quotes::Found::Nothing => read = self.buffer.pending().len(),
            }
            if read > MAX_RECORD {
                return self.first_line(Fault::OpenQuote);
            }
            if self.buffer.fill(read + 1)?.len() == read {
                return if scan.is_in_quotes() { self.first_line(Fault::OpenQuote) } else { Ok(Found::sound(read)) };
            }
        }
    }

    /// Finds the next JSON value. Skips the structure around it.
    fn find_value(&mut self) -> io::Result<Option<Found>> {
        loop {
            self.skip_blanks()?;
            if self.skip_mark()? {
                continue;
            }
            self.buffer.fill(MAX_TOKEN)?;
            let (pending, within) = (self.buffer.pending(), self.position.within);
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
            let mut found = scan.read(&self.buffer.pending()[read..]);
            let pending = self.buffer.pending().len();
            if found == values::Found::Nothing
                && pending <= MAX_RECORD
                && self.buffer.fill(pending + 1)?.len() == pending
            {
                found = scan.at_end(pending - read);
            }
            match found {
                values::Found::End(at) if read + at <= MAX_RECORD => return Ok(Some(Found::sound(read + at))),
                values::Found::Nothing if pending <= MAX_RECORD => read = pending,
                _ => return self.first_line(Fault::BadValue).map(Some),
            }
        }
    }

    /// Skips a byte order mark. Returns whether there was one.
    fn skip_mark(&mut self) -> io::Result<bool> {
        let is_there = self.buffer.fill(BYTE_ORDER_MARK.len())?.starts_with(BYTE_ORDER_MARK);
        if is_there {
            self.advance(BYTE_ORDER_MARK.len());
        }
        Ok(is_there)
    }

    fn skip_blanks(&mut self) -> io::Result<()> {
        loop {
            self.buffer.fill(1)?;
            let pending = self.buffer.pending();
            let blanks = pending.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = pending.get(blanks).copied();
            // The last blank may be the `\r` of a line end whose `\n` has not been read yet.
            let passed = if next.is_none() && !self.buffer.has_ended() { blanks.saturating_sub(1) } else { blanks };
            self.position.lines += line_ends(&pending[..passed], pending.get(passed).copied());
            self.advance(passed);
            if next.is_some() || self.buffer.has_ended() {
                return Ok(());
            }
            self.buffer.fill(2)?;
        }
    }

    fn take(&mut self, found: &Found, chunk: &mut Chunk) {
        let text = &self.buffer.pending()[..found.length];
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
            // The fault is reported once.
            self.position.within = Within::Nothing;
        }
    }

    /// Skips the rest of a line that is too long.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let pending = self.buffer.fill(1)?;
            let (length, ends) = (pending.len(), memchr2(b'\n', b'\r', pending));
            match ends {
                Some(at) => {
                    let length = self.buffer.behind_line_end(at)?;
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
        self.buffer.advance(length);
    }
}

/// Counts the line ends in some bytes. `next` is the byte behind them.
fn line_ends(bytes: &[u8], next: Option<u8>) -> u64 {
    let is_end = |at: &usize| bytes[*at] == b'\n' || bytes.get(at + 1).copied().or(next) != Some(b'\n');
    memchr2_iter(b'\n', b'\r', bytes).filter(is_end).count() as u64
}

#[cfg(test)]
mod tests;
