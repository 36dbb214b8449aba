//! Scans events person by person, each person's events in time order, with bounded memory.
//!
//! A person is a [key](person_key), a hash of the user id. The facts of each file are sorted by key, and a file has few
//! days, so the events of a person are in many files. The range of keys is cut into slices. A slice is read from one
//! file after another. Its runs (the rows of a person in a file) are then sorted.

mod loaded;
mod reader;

use std::{ops::Range, sync::Arc};

pub(crate) use self::reader::SliceReader;
use super::parallel;
use crate::{
    event::{MILLIS_PER_DAY, Timestamp},
    lake::{
        error::Result,
        files::{
            facts::{Facts, person_key},
            live::EventsFile,
        },
        rows::{sorted::Sorted, window::Days},
    },
    query::TimeRange,
};

/// The number of rows of a slice in a file, if keys and rows are spread evenly: a few blocks, since the first and the
/// last one also have rows of other slices.
const FILE_ROWS: usize = 8 * 1024;
/// The number of rows in a slice, which bounds the memory of a thread.
const SLICE_ROWS: Range<usize> = 16 * 1024..960 * 1024;

/// The largest number of names of files whose symbols a thread keeps, at four bytes each.
const MAX_KEPT: usize = 2 << 20;

/// The files and the rows of the hot table for spans of time.
pub(crate) struct Scan<'a> {
    files: Vec<(&'a EventsFile, Arc<Facts>)>,
    hot: &'a Sorted<'a>,
    /// The positions of each person's rows in the hot table, ascending by key.
    hot_runs: Vec<(u64, Range<usize>)>,
    spans: &'a [TimeRange],
}

impl<'a> Scan<'a> {
    /// Creates a scan of `files`, which must hold the days of `spans`. Makes facts that are missing.
    pub(crate) fn new(
        files: impl Iterator<Item = &'a EventsFile>,
        hot: &'a Sorted<'a>,
        spans: &'a [TimeRange],
    ) -> Result<Self> {
        let files: Vec<_> = files.collect();
        // Without files, any keys will do.
        let seed = files.first().map_or(0, |file| file.seed());
        let mut files = parallel::map(&files, |file| Ok((*file, file.facts()?)))?;
        files.sort_unstable_by_key(|(file, _)| file.id());
        let users = hot.users().iter();
        let mut hot_runs: Vec<_> =
            users.map(|rows| (person_key(seed, hot.user_id(rows.start)), rows.clone())).collect();
        hot_runs.sort_unstable_by_key(|(key, rows)| (*key, rows.start));
        Ok(Self { files, hot, hot_runs, spans })
    }

    /// Returns whether one of the spans holds all of these UTC days.
    fn holds(&self, days: Days) -> bool {
        let start = i64::from(days.first()) * MILLIS_PER_DAY;
        let end = Timestamp::from_millis((i64::from(days.last()) + 1) * MILLIS_PER_DAY);
        self.spans.iter().any(|span| span.from.millis() <= start && end <= span.to)
    }

    /// Returns whether a time, in milliseconds, lies in one of the spans.
    fn is_within(&self, time: i64) -> bool {
        self.spans.iter().any(|span| span.contains(Timestamp::from_millis(time)))
    }

    /// Cuts the keys into slices with about the same number of events. Keys are hashes, so equal ranges have about
    /// equal numbers.
    pub(crate) fn slices(&self) -> Vec<Slice> {
        let rows = self.files.iter().map(|(file, _)| file.entry.rows as usize).sum::<usize>() + self.hot.len();
        let names: u64 = self.files.iter().map(|(_, facts)| facts.texts()).sum();
        let of_slice = match self.files.len() * FILE_ROWS {
            // Names that are not kept are read again for each slice.
            _ if names > MAX_KEPT as u64 => SLICE_ROWS.end,
            rows => rows.clamp(SLICE_ROWS.start, SLICE_ROWS.end),
        };
        let count = rows.div_ceil(of_slice).max(1);
        let bound = |number: usize| ((number as u128) << 64) / count as u128;
        let slice =
            |number| Slice { from: bound(number) as u64, to: (bound(number + 1) - 1) as u64, rows: rows / count };
        (0..count).map(slice).collect()
    }
}

/// A range of keys, with both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    from: u64,
    to: u64,
    /// The approximate number of events.
    rows: usize,
}

impl Slice {
    fn holds(&self, key: u64) -> bool {
        (self.from..=self.to).contains(&key)
    }
}
