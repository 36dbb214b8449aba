//! A block: up to [`BLOCK_ROWS`] rows, in the order of their persons' keys.
//!
//! ```text
//! rows: varint; runs: varint
//! of each run: first key (u64), then the distances of the other keys from the one before;
//!              rows; first row in the event file
//! of each row: time; session; type; currency; page; product; search; amount (of rows with a currency)
//! CRC32C of all that: u32
//! ```
//!
//! Lists of numbers are [`packed`]. Sessions are a bit for each row, which is set where the session differs from that
//! of the row before, and the key of each such session. A column of codes is dense (0, then a code for each row) or
//! sparse (1, then a bit for each row that has a value, then the codes of these).

use std::ops::Range;

use super::packed;
use crate::varint;

/// The largest number of rows in a block.
pub(crate) const BLOCK_ROWS: usize = 1024;

/// The columns of codes. A code is the position of a text in the dictionary of the column, counted from 1, or 0 for
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coded {
    Type,
    Currency,
    Page,
    Product,
    Search,
}

impl Coded {
    pub(crate) const ALL: [Self; 5] = [Self::Type, Self::Currency, Self::Page, Self::Product, Self::Search];
}

/// Consecutive rows of a person in the event file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) key: u64,
    /// The row in the event file.
    pub(crate) first: u32,
    pub(crate) rows: u32,
}

/// Columns of rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) times: Vec<i64>,
    /// [`session_key`](crate::analytics::session_key), or 0.
    pub(crate) sessions: Vec<u64>,
    /// Millionths, or 0.
    pub(crate) amounts: Vec<i64>,
    /// By [`Coded`].
    pub(crate) codes: [Vec<u32>; Coded::ALL.len()],
}

/// A decoded block. It is used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) runs: Vec<Run>,
    pub(crate) columns: Columns,
    room: Room,
}

/// Room to decode in.
#[derive(Debug, Default)]
struct Room {
    distances: Vec<u64>,
    numbers: Vec<i64>,
    codes: Vec<u32>,
}

/// Appends a block with these runs, whose rows are taken from `columns` by their rows in the event file.
pub(super) fn write(out: &mut Vec<u8>, runs: &[Run], columns: &Columns) {
    let begin = out.len();
    let rows = || runs.iter().flat_map(|run| (run.first as usize)..(run.first + run.rows) as usize);
    varint::write(out, rows().count() as u64);
    varint::write(out, runs.len() as u64);
    let first = runs.first().map_or(0, |run| run.key);
    out.extend_from_slice(&first.to_le_bytes());
    packed::write(out, runs.windows(2).map(|pair| pair[1].key.wrapping_sub(pair[0].key).cast_signed()));
    packed::write(out, runs.iter().map(|run| i64::from(run.rows)));
    packed::write(out, runs.iter().map(|run| i64::from(run.first)));
    packed::write(out, rows().map(|row| columns.times[row]));
    write_sessions(out, rows().map(|row| columns.sessions[row]));
    for codes in &columns.codes {
        write_codes(out, rows().map(|row| codes[row]));
    }
    let currencies = &columns.codes[Coded::Currency as usize];
    packed::write(out, rows().filter(|row| currencies[*row] > 0).map(|row| columns.amounts[row]));
    let checksum = crc32c::crc32c(&out[begin..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

fn write_sessions(out: &mut Vec<u8>, sessions: impl Iterator<Item = u64> + Clone) {
    let before = std::iter::once(0).chain(sessions.clone());
    let begins = sessions.clone().zip(before).map(|(session, before)| session != before);
    packed::write_bits(out, begins.clone());
    let changed = sessions.zip(begins).filter(|(_, begins)| *begins);
    changed.for_each(|(session, _)| out.extend_from_slice(&session.to_le_bytes()));
}

fn write_codes(out: &mut Vec<u8>, codes: impl Iterator<Item = u32> + Clone) {
    let present = codes.clone().filter(|code| *code > 0);
    let (count, some) = (codes.clone().count(), present.clone().count());
    let width = codes.clone().max().map_or(0, |most| 32 - most.leading_zeros()) as usize;
    if count + some * width < count * width {
        out.push(1);
        packed::write_bits(out, codes.map(|code| code > 0));
        packed::write(out, present.map(i64::from));
    } else {
        out.push(0);
        packed::write(out, codes.map(i64::from));
    }
}

impl Block {
    /// Decodes a block. Returns `None` if the bytes are damaged.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Option<()> {
        let (mut bytes, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(bytes) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let bytes = &mut bytes;
        let [rows, runs] = [varint::read(bytes)?, varint::read(bytes)?];
        let (rows, runs) = (usize::try_from(rows).ok()?, usize::try_from(runs).ok()?);
        if rows > BLOCK_ROWS || runs > rows {
            return None;
        }
        self.decode_runs(bytes, rows, runs)?;
        let Self { columns, room, .. } = self;
        packed::read(bytes, rows, &mut room.distances, &mut columns.times)?;
        read_sessions(bytes, rows, &mut columns.sessions)?;
        for codes in &mut columns.codes {
            read_codes(bytes, rows, room, codes)?;
        }
        let currencies = &columns.codes[Coded::Currency as usize];
        let amounts = currencies.iter().filter(|code| **code > 0).count();
        packed::read(bytes, amounts, &mut room.distances, &mut room.numbers)?;
        spread(currencies.iter().map(|code| *code > 0), &room.numbers, &mut columns.amounts);
        bytes.is_empty().then_some(())
    }

    fn decode_runs(&mut self, bytes: &mut &[u8], rows: usize, runs: usize) -> Option<()> {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        let mut key = u64::from_le_bytes(*first);
        self.runs.clear();
        self.runs.resize(runs, Run { key, first: 0, rows: 0 });
        let Room { distances, numbers, .. } = &mut self.room;
        packed::read(bytes, runs.saturating_sub(1), distances, numbers)?;
        for (run, distance) in self.runs.iter_mut().skip(1).zip(&*numbers) {
            key = key.wrapping_add(distance.cast_unsigned());
            run.key = key;
        }
        packed::read(bytes, runs, distances, numbers)?;
        let mut sum = 0;
        for (run, rows) in self.runs.iter_mut().zip(&*numbers) {
            run.rows = u32::try_from(*rows).ok()?;
            sum += u64::from(run.rows);
        }
        packed::read(bytes, runs, distances, numbers)?;
        for (run, first) in self.runs.iter_mut().zip(&*numbers) {
            run.first = u32::try_from(*first).ok()?;
        }
        (sum == rows as u64 && self.runs.is_sorted_by_key(|run| run.key)).then_some(())
    }

    /// Returns whether two blocks have the same rows.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.runs == other.runs && self.columns == other.columns
    }

    /// Returns each run, with the positions of its rows in the columns.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Run, Range<usize>)> {
        let mut end = 0;
        self.runs.iter().map(move |run| {
            let begin = end;
            end += run.rows as usize;
            (*run, begin..end)
        })
    }
}

fn read_sessions(bytes: &mut &[u8], rows: usize, sessions: &mut Vec<u64>) -> Option<()> {
    let begins = packed::read_bits(bytes, rows)?;
    let (keys, rest) = bytes.split_at_checked(begins.ones() * 8)?;
    *bytes = rest;
    let mut keys = keys.as_chunks::<8>().0.iter().map(|key| u64::from_le_bytes(*key));
    sessions.clear();
    let mut session = 0;
    for row in 0..rows {
        if begins.get(row) {
            session = keys.next()?;
        }
        sessions.push(session);
    }
    Some(())
}

fn read_codes(bytes: &mut &[u8], rows: usize, room: &mut Room, codes: &mut Vec<u32>) -> Option<()> {
    let (kind, rest) = bytes.split_first()?;
    *bytes = rest;
    if *kind == 0 {
        return packed::read_codes(bytes, rows, &mut room.distances, codes);
    }
    let present = packed::read_bits(bytes, rows)?;
    packed::read_codes(bytes, present.ones(), &mut room.distances, &mut room.codes)?;
    spread((0..rows).map(|row| present.get(row)), &room.codes, codes);
    Some(())
}

/// Gives each row that `has` a value the next one of `values`, and others the default.
fn spread<T: Copy + Default>(has: impl Iterator<Item = bool>, values: &[T], rows: &mut Vec<T>) {
    let mut next = 0;
    rows.clear();
    rows.extend(has.map(|has| {
        let value = values.get(next).copied().unwrap_or_default();
        next += usize::from(has);
        if has { value } else { T::default() }
    }));
}
