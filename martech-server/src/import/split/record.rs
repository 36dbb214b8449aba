//! Records in the text of a stream, and their positions.

use std::ops::Range;

use crate::import::{quotes::BadQuote, values::Within};

/// Maximum length of a record. Longer records are rejected.
pub(crate) const MAX_RECORD: usize = 1 << 20;

/// A position in a stream, at the start of a record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Position {
    /// Decompressed bytes before the position.
    pub(crate) offset: u64,
    /// Lines before the position.
    pub(crate) lines: u64,
    /// Records before the position, without the header.
    pub(crate) records: u64,
    /// The JSON structure around the position.
    #[serde(default)]
    pub(crate) within: Within,
}

/// Consecutive records, and the bytes that contain them.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Record>,
    /// Position behind the last record.
    pub(crate) end: Position,
}

/// A record as found in the stream. Blank lines are not records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Range of its text in the chunk, without the line end.
    pub(crate) range: Range<usize>,
    /// Number of its first line, from 1.
    pub(crate) line: u64,
    /// Number of the record, from 1, without the header.
    pub(crate) number: u64,
    pub(crate) fault: Option<Fault>,
}

/// Why the text of a record is incomplete or invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The record is longer than [`MAX_RECORD`]. Its beginning is kept.
    TooLong,
    /// A quote is not closed within [`MAX_RECORD`]. Only the first line is kept, as for the faults below.
    OpenQuote,
    BadQuote(BadQuote),
    /// A JSON value is not closed within [`MAX_RECORD`], or is malformed.
    BadValue,
    /// The file ends inside an array.
    CutOff,
}
