//! Reading events user by user, each user's in time order, with bounded memory however many there are.
//!
//! Files are sorted by user within a day, so the events of one user lie in many files. The users are cut into slices
//! of about [`SLICE_ROWS`] events; a slice is read from one file after another, and its runs (the rows of one user in
//! one file) are then put in order. Only the pages that hold users of the slice are read.

use std::{ops::Range, sync::Arc};

use arrow_array::{
    Array, DictionaryArray, RecordBatch, StringArray,
    cast::AsArray,
    types::{Decimal128Type, Int32Type, TimestampMillisecondType},
};
use parquet::arrow::arrow_reader::RowSelection;

use super::{
    error::{Context, Result},
    files::{EventsFile, user_pages},
    row,
    schema::{EVENTS_BY_DICTIONARY, column},
    sorted::Sorted,
};
use crate::{
    analytics::{Interner, Row, Symbol, Symbols, session_key},
    event::Currency,
};

/// Events of a slice, about.
const SLICE_ROWS: usize = 640 * 1024;
const BATCH_ROWS: usize = 8 * 1024;

/// What figures are made of.
const COLUMNS: [usize; 9] = [
    column::USER_ID,
    column::EVENT_TYPE,
    column::OCCURRED_AT,
    column::SESSION_ID,
    column::ORDER_VALUE,
    column::CURRENCY,
    column::PAGE,
    column::PRODUCT,
    column::SEARCH,
];

/// The files and the part of the hot table that hold a span of time.
pub(super) struct Scan<'a> {
    /// Opened when they are read and not before: there may be more than a process may have open.
    files: Vec<&'a EventsFile>,
    hot: &'a Sorted<'a>,
    times: Range<i64>,
}

/// Users from one (inclusive) to another (exclusive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
    /// About how many events.
    rows: usize,
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

    /// Reads a slice.
    pub(super) fn load(&self, slice: &Slice, symbols: &mut Symbols) -> Result<Loaded> {
        // Grown step by step, it would take twice the room at times.
        let mut loaded = Loaded { rows: Vec::with_capacity(slice.rows), ..Loaded::default() };
        for file in &self.files {
            self.load_file(file, slice, symbols, &mut loaded)?;
        }
        self.load_hot(slice, symbols, &mut loaded);
        Ok(loaded)
    }

    fn load_file(&self, file: &EventsFile, slice: &Slice, symbols: &mut Symbols, loaded: &mut Loaded) -> Result<()> {
        let path = file.path();
        let (input, footer) = file.open()?;
        let pages = user_pages(&footer, column::USER_ID);
        let pages = pages.iter().filter(|page| {
            page.last_user >= slice.from.as_slice()
                && slice.to.as_ref().is_none_or(|to| page.first_user < to.as_slice())
        });
        let ranges: Vec<_> = pages.map(|page| page.first_row..page.first_row + page.rows).collect();
        if ranges.is_empty() {
            return Ok(());
        }
        let selection = RowSelection::from_consecutive_ranges(ranges.into_iter(), file.entry.rows as usize);
        let reader = input.read(&footer, &EVENTS_BY_DICTIONARY, &COLUMNS, Some(selection), BATCH_ROWS);
        let mut columns = Columns::default();
        for batch in reader.context("cannot read", path)? {
            columns.load(&batch.context("cannot read", path)?, slice, &self.times, symbols, loaded);
        }
        Ok(())
    }

    fn load_hot(&self, slice: &Slice, symbols: &mut Symbols, loaded: &mut Loaded) {
        let users = self.hot.users();
        let bound = |user: &[u8]| self.hot.users_before(user);
        for positions in &users[bound(&slice.from)..slice.to.as_ref().map_or(users.len(), |to| bound(to))] {
            let begin = loaded.rows.len();
            let rows = positions.clone().map(|position| self.hot.row(position));
            let within = rows.filter(|row| self.times.contains(&row.occurred_at));
            loaded.rows.extend(within.map(|row| to_row(&row, symbols)));
            loaded.end_run(self.hot.user_id(positions.start), begin);
        }
    }
}

/// An event as the figures see it.
pub(super) fn to_row(row: &row::Row<'_>, symbols: &mut Symbols) -> Row {
    let text = |interner: &mut Interner<Arc<str>>, text: Option<&str>| match text {
        Some(text) => interner.intern(text),
        None => Symbol::NONE,
    };
    Row {
        occurred_at: row.occurred_at,
        session: row.session_id.map_or(0, session_key),
        order_value: row.order_value.unwrap_or(0),
        event_type: symbols.types.intern(row.event_type),
        currency: row.currency.map_or(Symbol::NONE, |code| currency_of(code, &mut symbols.currencies)),
        page: text(&mut symbols.pages, row.page),
        product: text(&mut symbols.products, row.product),
        search: text(&mut symbols.searches, row.search),
    }
}

/// The rows of a slice, file by file, and where each user's lie.
#[derive(Default)]
pub(super) struct Loaded {
    rows: Vec<Row>,
    runs: Vec<Run>,
    users: String,
}

/// The rows of one user in one file.
struct Run {
    /// Most comparisons end with it.
    head: u128,
    user: Range<u32>,
    rows: Range<u32>,
}

impl Loaded {
    /// The rows from `begin` on are those of one user, if there are any.
    fn end_run(&mut self, user_id: &str, begin: usize) {
        if begin == self.rows.len() {
            return;
        }
        let start = self.users.len() as u32;
        self.users.push_str(user_id);
        self.runs.push(Run {
            head: row::user_head(user_id),
            user: start..self.users.len() as u32,
            rows: begin as u32..self.rows.len() as u32,
        });
    }

    /// Calls `each` with every user, ascending, and the user's rows in time order.
    pub(super) fn for_each_user(mut self, mut each: impl FnMut(&str, &[Row]) -> Result<()>) -> Result<()> {
        let users = &self.users;
        let user = |run: &Run| &users[run.user.start as usize..run.user.end as usize];
        let compare = |left: &Run, right: &Run| {
            left.head.cmp(&right.head).then_with(|| match left.user.len().max(right.user.len()) {
                ..=16 => left.user.len().cmp(&right.user.len()),
                _ => user(left).cmp(user(right)),
            })
        };
        // Stable, so that the runs of a user stay in the order of the files, which is that of the days.
        self.runs.sort_by(compare);
        let mut rows = Vec::new();
        for runs in self.runs.chunk_by(|left, right| compare(left, right).is_eq()) {
            rows.clear();
            for run in runs {
                rows.extend_from_slice(&self.rows[run.rows.start as usize..run.rows.end as usize]);
            }
            if !rows.is_sorted_by_key(|row: &Row| row.occurred_at) {
                rows.sort_by_key(|row| row.occurred_at);
            }
            each(user(&runs[0]), &rows)?;
        }
        Ok(())
    }
}

/// What each dictionary of a file stands for; it stays the same from batch to batch.
#[derive(Default)]
struct Columns {
    types: Dictionary,
    currencies: Dictionary,
    pages: Dictionary,
    products: Dictionary,
    searches: Dictionary,
}

impl Columns {
    fn load(
        &mut self,
        batch: &RecordBatch,
        slice: &Slice,
        times: &Range<i64>,
        symbols: &mut Symbols,
        loaded: &mut Loaded,
    ) {
        let dictionary = |column: usize| batch.column(column).as_dictionary::<Int32Type>();
        let users = batch.column(0).as_string::<i32>();
        let types = self.types.symbols(dictionary(1), |text| symbols.types.intern(text));
        let occurred_at = batch.column(2).as_primitive::<TimestampMillisecondType>();
        let sessions = batch.column(3).as_string::<i32>();
        let values = batch.column(4).as_primitive::<Decimal128Type>();
        let currencies = self.currencies.symbols(dictionary(5), |text| currency_of(text, &mut symbols.currencies));
        let pages = self.pages.symbols(dictionary(6), |text| symbols.pages.intern(text));
        let products = self.products.symbols(dictionary(7), |text| symbols.products.intern(text));
        let searches = self.searches.symbols(dictionary(8), |text| symbols.searches.intern(text));

        let within =
            |user: &[u8]| user >= slice.from.as_slice() && slice.to.as_ref().is_none_or(|to| user < to.as_slice());
        // Users ascend, so when the first and the last are of the slice, all are.
        let all_within = within(users.value(0).as_bytes()) && within(users.value(users.len() - 1).as_bytes());
        let mut row = 0;
        while row < users.len() {
            let user_id = users.value(row);
            let mut end = row + 1;
            while end < users.len() && users.value(end) == user_id {
                end += 1;
            }
            if all_within || within(user_id.as_bytes()) {
                let begin = loaded.rows.len();
                for row in (row..end).filter(|row| times.contains(&occurred_at.value(*row))) {
                    loaded.rows.push(Row {
                        occurred_at: occurred_at.value(row),
                        session: session_at(sessions, row),
                        order_value: if values.is_null(row) { 0 } else { values.value(row) as i64 },
                        event_type: types.at(row),
                        currency: currencies.at(row),
                        page: pages.at(row),
                        product: products.at(row),
                        search: searches.at(row),
                    });
                }
                loaded.end_run(user_id, begin);
            }
            row = end;
        }
    }
}

fn session_at(sessions: &StringArray, row: usize) -> u64 {
    if sessions.is_null(row) { 0 } else { session_key(sessions.value(row)) }
}

fn currency_of(code: &str, currencies: &mut Interner<Currency>) -> Symbol {
    code.parse().map_or(Symbol::NONE, |currency| currencies.intern(currency))
}

/// The symbols of the values of a dictionary.
#[derive(Default)]
struct Dictionary {
    values: Option<Arc<dyn Array>>,
    symbols: Vec<Symbol>,
}

impl Dictionary {
    fn symbols<'a>(
        &'a mut self,
        column: &'a DictionaryArray<Int32Type>,
        mut intern: impl FnMut(&str) -> Symbol,
    ) -> SymbolColumn<'a> {
        let same = self.values.as_ref().is_some_and(|values| Arc::ptr_eq(values, column.values()));
        if !same {
            self.symbols.clear();
            let values = column.values().as_string::<i32>();
            self.symbols.extend(values.iter().map(|value| value.map_or(Symbol::NONE, &mut intern)));
            self.values = Some(column.values().clone());
        }
        SymbolColumn { keys: column, symbols: &self.symbols }
    }
}

struct SymbolColumn<'a> {
    keys: &'a DictionaryArray<Int32Type>,
    symbols: &'a [Symbol],
}

impl SymbolColumn<'_> {
    fn at(&self, row: usize) -> Symbol {
        if self.keys.is_null(row) { Symbol::NONE } else { self.symbols[self.keys.keys().value(row) as usize] }
    }
}
