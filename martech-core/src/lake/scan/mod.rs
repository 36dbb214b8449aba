//! Reading events user by user, each user's in time order, with bounded memory however many there are.
//!
//! Files are sorted by user within a day, so the events of one user lie in many files. The users are cut into slices
//! of about [`SLICE_ROWS`] events; a slice is read from one file after another, and its runs (the rows of one user in
//! one file) are then put in order. Only the pages that hold users of the slice are read.

mod loaded;
mod reader;

use std::ops::Range;

pub(super) use self::reader::{SliceReader, to_row};
use super::{
    error::Result,
    files::{EventsFile, user_pages},
    parquet_file::Footer,
    schema::column,
    sorted::Sorted,
};

/// Events of a slice, about.
const SLICE_ROWS: usize = 960 * 1024;

/// The files and the part of the hot table that hold a span of time.
pub(super) struct Scan<'a> {
    /// Opened when they are read and not before: there may be more than a process may have open.
    files: Vec<&'a EventsFile>,
    hot: &'a Sorted<'a>,
    times: Range<i64>,
}

impl<'a> Scan<'a> {
    /// Of `files`, which hold the days of `times`.
    pub(super) fn new(files: impl Iterator<Item = &'a EventsFile>, hot: &'a Sorted<'a>, times: Range<i64>) -> Self {
        Self { files: files.collect(), hot, times }
    }

    /// Cuts the users into slices with about as many events each.
    pub(super) fn slices(&self) -> Result<Vec<Slice>> {
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

/// Users from one (inclusive) to another (exclusive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    /// About how many events.
    rows: usize,
}

impl Slice {
    fn holds(&self, user: &[u8]) -> bool {
        user >= self.from.as_slice() && self.to.as_ref().is_none_or(|to| user < to.as_slice())
    }

    /// The rows of the pages of a file that may hold users of the slice.
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
