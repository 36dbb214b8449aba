//! Reads events user by user, ascending by id, as the users files are sorted, with bounded memory.
//!
//! Each event file is sorted by user. Users are cut into slices of about [`SLICE_ROWS`] events. A slice is read from
//! one file after another, from those pages that may hold its users.

use std::{ops::Range, sync::Arc};

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Decimal128Type, TimestampMillisecondType},
};
use parquet::arrow::arrow_reader::RowSelection;

use crate::{
    analytics::{Row, Symbol, Symbols, session_key},
    lake::{
        error::Result,
        files::{
            live::{EventsFile, user_pages},
            schema::column,
        },
        rows::{
            currency_of,
            row::{compare_users, user_head},
        },
    },
};

/// The approximate number of events in a slice.
const SLICE_ROWS: usize = 960 * 1024;
const BATCH_ROWS: usize = 8 * 1024;

/// The columns that the summary of a user is made of, ascending.
const COLUMNS: [usize; 6] = [
    column::USER_ID,
    column::EVENT_TYPE,
    column::OCCURRED_AT,
    column::SESSION_ID,
    column::ORDER_VALUE,
    column::CURRENCY,
];

/// Calls `each` with every user, ascending, and the user's rows in time order. The rows have no pages, products and
/// search terms.
pub(super) fn for_each_user(
    files: &[Arc<EventsFile>],
    mut each: impl FnMut(&str, &[Row], &Symbols) -> Result<()>,
) -> Result<()> {
    for slice in slices(files)? {
        // Each slice gets new symbols, because the names of all slices together may not fit into memory.
        let (mut loaded, mut symbols) = (Loaded::default(), Symbols::new());
        for file in files {
            loaded.read(file, &slice, &mut symbols)?;
        }
        loaded.for_each_user(|user_id, rows| each(user_id, rows, &symbols))?;
    }
    Ok(())
}

/// A half-open range of users: `from` is included, `to` is not.
struct Slice {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl Slice {
    fn holds(&self, user: &[u8]) -> bool {
        user >= self.from.as_slice() && self.to.as_ref().is_none_or(|to| user < to.as_slice())
    }
}

fn slices(files: &[Arc<EventsFile>]) -> Result<Vec<Slice>> {
    let mut pages: Vec<(Vec<u8>, usize)> = Vec::new();
    for file in files {
        let (_, footer) = file.open()?;
        pages.extend(user_pages(&footer, column::USER_ID).iter().map(|page| (page.first_user.to_vec(), page.rows)));
    }
    pages.sort_unstable();
    let (mut slices, mut from, mut sum) = (Vec::new(), Vec::new(), 0);
    for (user, rows) in pages {
        if sum + rows > SLICE_ROWS && from < user {
            slices.push(Slice { from: std::mem::replace(&mut from, user.clone()), to: Some(user) });
            sum = 0;
        }
        sum += rows;
    }
    slices.push(Slice { from, to: None });
    Ok(slices)
}

/// The rows of a slice, file by file.
#[derive(Default)]
struct Loaded {
    rows: Vec<Row>,
    users: Vec<u8>,
    runs: Vec<Run>,
}

/// The rows of one user in one file, in time order.
struct Run {
    /// The head of the user id. Most comparisons end with it.
    head: u128,
    user: Range<usize>,
    rows: Range<usize>,
}

impl Loaded {
    fn read(&mut self, file: &EventsFile, slice: &Slice, symbols: &mut Symbols) -> Result<()> {
        let (_, footer) = file.open()?;
        let pages = user_pages(&footer, column::USER_ID);
        let touched = pages.iter().filter(|page| {
            page.last_user >= slice.from.as_slice()
                && slice.to.as_ref().is_none_or(|to| page.first_user < to.as_slice())
        });
        let ranges: Vec<_> = touched.map(|page| page.first_row..page.first_row + page.rows).collect();
        if ranges.is_empty() {
            return Ok(());
        }
        let rows = RowSelection::from_consecutive_ranges(ranges.into_iter(), file.entry.rows as usize);
        let first = self.runs.len();
        file.for_each_part(&COLUMNS, Some(rows), BATCH_ROWS, |batch| {
            self.take(batch, slice, first, symbols);
            Ok(())
        })
    }

    /// Takes the rows of the slice from a batch. `first` is the first run of the file.
    fn take(&mut self, batch: &RecordBatch, slice: &Slice, first: usize, symbols: &mut Symbols) {
        let texts = |column: usize| batch.column(column).as_string::<i32>();
        let [users, types, sessions, currencies] = [texts(0), texts(1), texts(3), texts(5)];
        let times = batch.column(2).as_primitive::<TimestampMillisecondType>();
        let values = batch.column(4).as_primitive::<Decimal128Type>();
        for row in (0..batch.num_rows()).filter(|row| slice.holds(users.value(*row).as_bytes())) {
            let user = users.value(row).as_bytes();
            if self.runs[first..].last().is_none_or(|run| self.users[run.user.clone()] != *user) {
                let begin = self.users.len();
                self.users.extend_from_slice(user);
                let rows = self.rows.len()..self.rows.len();
                self.runs.push(Run { head: user_head(user), user: begin..self.users.len(), rows });
            }
            let session = sessions.is_valid(row).then(|| session_key(sessions.value(row)));
            let code = currencies.is_valid(row).then(|| currencies.value(row));
            self.rows.push(Row {
                session: session.unwrap_or_default(),
                order_value: if values.is_valid(row) { values.value(row) as i64 } else { 0 },
                currency: code.map_or(Symbol::NONE, |code| currency_of(code, &mut symbols.currencies)),
                ..Row::new(times.value(row), symbols.types.intern(types.value(row)))
            });
            if let Some(run) = self.runs.last_mut() {
                run.rows.end = self.rows.len();
            }
        }
    }

    fn for_each_user(&mut self, mut each: impl FnMut(&str, &[Row]) -> Result<()>) -> Result<()> {
        let users = &self.users;
        let user = |run: &Run| &users[run.user.clone()];
        let compare = |left: &Run, right: &Run| compare_users((left.head, user(left)), (right.head, user(right)));
        self.runs.sort_by(compare);
        let mut joined = Vec::new();
        for runs in self.runs.chunk_by(|left, right| compare(left, right).is_eq()) {
            joined.clear();
            runs.iter().for_each(|run| joined.extend_from_slice(&self.rows[run.rows.clone()]));
            joined.sort_by_key(|row| row.occurred_at);
            // Texts of a batch are valid UTF-8.
            each(&String::from_utf8_lossy(user(&runs[0])), &joined)?;
        }
        Ok(())
    }
}
