//! Scans events user by user, each user's events in time order, with bounded memory.
//!
//! Files are sorted by user, and a file has few days, so the events of one user are in many files. Users are cut into slices of
//! about [`SLICE_ROWS`] events. A slice is read from one file after another. Its runs (the rows of one user in one
//! file) are then sorted. Only pages that hold users of the slice are read.

mod loaded;
mod reader;

use std::ops::Range;

pub(crate) use self::reader::SliceReader;
use crate::{
    event::{MILLIS_PER_DAY, Timestamp},
    lake::{
        error::Result,
        files::{
            live::{EventsFile, user_pages},
            parquet_file::Footer,
            schema::column,
        },
        rows::{sorted::Sorted, window::Days},
    },
    query::TimeRange,
};

/// The approximate number of events in a slice.
const SLICE_ROWS: usize = 960 * 1024;

/// The files and the rows of the hot table for spans of time.
pub(crate) struct Scan<'a> {
    /// Files are opened when they are read, because there may be more than a process can have open.
    files: Vec<&'a EventsFile>,
    hot: &'a Sorted<'a>,
    spans: &'a [TimeRange],
}

impl<'a> Scan<'a> {
    /// Creates a scan of `files`, which must hold the days of `spans`.
    pub(crate) fn new(
        files: impl Iterator<Item = &'a EventsFile>,
        hot: &'a Sorted<'a>,
        spans: &'a [TimeRange],
    ) -> Self {
        Self { files: files.collect(), hot, spans }
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

    /// Cuts the users into slices with about the same number of events.
    pub(crate) fn slices(&self) -> Result<Vec<Slice>> {
        let mut pages: Vec<(Vec<u8>, usize)> = Vec::new();
        for file in &self.files {
            let (_, footer) = file.open()?;
            let of_file = user_pages(&footer, column::USER_ID);
            pages.extend(of_file.iter().map(|page| (page.first_user.to_vec(), page.rows)));
        }
        pages.extend((0..self.hot.len()).step_by(1024).map(|row| (self.hot.user_id(row).as_bytes().to_vec(), 1024)));
        pages.sort_unstable();
        let mut slices = Vec::new();
        let mut slice = Slice { from: Vec::new(), to: None, rows: 0 };
        for (user, rows) in pages {
            if slice.rows + rows > SLICE_ROWS && slice.from < user {
                slices.push(Slice { to: Some(user.clone()), ..slice });
                slice = Slice { from: user, to: None, rows: 0 };
            }
            slice.rows += rows;
        }
        slices.push(slice);
        Ok(slices)
    }
}

/// A half-open range of users: `from` is included, `to` is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    /// The approximate number of events.
    rows: usize,
}

impl Slice {
    fn holds(&self, user: &[u8]) -> bool {
        user >= self.from.as_slice() && self.to.as_ref().is_none_or(|to| user < to.as_slice())
    }

    /// Returns the rows of those pages of a file that may hold users of the slice.
    fn rows_of(&self, footer: &Footer) -> Option<Range<usize>> {
        let pages = user_pages(footer, column::USER_ID);
        let mut touched = pages.iter().filter(|page| {
            page.last_user >= self.from.as_slice() && self.to.as_ref().is_none_or(|to| page.first_user < to.as_slice())
        });
        let first = touched.next()?;
        let last = touched.next_back().unwrap_or(first);
        Some(first.first_row..last.first_row + last.rows)
    }
}
