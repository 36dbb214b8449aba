//! Converts pages and rows of the hot table to rows for analytics.

use std::{collections::HashMap, ops::Range, sync::Arc};

use parquet::errors::{ParquetError, Result as ParquetResult};

use super::{Scan, Slice, loaded::Loaded};
use crate::{
    analytics::{Row, Symbol, Symbols, session_key_of},
    lake::{
        error::{Context, Result},
        files::{
            parquet_file::{Footer, Input},
            schema::column,
        },
        read::pages::{Decoder, Dictionary, Pages, plain_number, plain_text},
        rows::{currency_of, to_row, window::Days},
    },
};

/// Reads slices, one after another, for one accumulator.
pub(crate) struct SliceReader<'a> {
    scan: &'a Scan<'a>,
    decoder: Decoder,
    users: Users,
    columns: Columns,
    names: Names,
    loaded: Loaded,
}

/// The users of the rows in a part of a file.
#[derive(Default)]
struct Users {
    text: Vec<u8>,
    /// For each run: the position of the user in the text, and the rows.
    runs: Vec<(Range<usize>, Range<usize>)>,
}

/// The values of a part of a file, row by row.
#[derive(Default)]
struct Columns {
    types: Vec<Symbol>,
    occurred_at: Vec<i64>,
    sessions: Vec<u64>,
    order_values: Vec<i64>,
    currencies: Vec<Symbol>,
    pages: Vec<Symbol>,
    products: Vec<Symbol>,
    searches: Vec<Symbol>,
}

/// The symbols of dictionary values, so that no dictionary is decoded again for each slice.
#[derive(Default)]
struct Names {
    /// Dictionaries by file number and column.
    known: HashMap<(u64, usize), Dictionary<Symbol>>,
    values: usize,
}

/// The largest number of dictionary values that are kept, at four bytes each.
const MAX_KEPT: usize = 1 << 20;

impl<'a> SliceReader<'a> {
    pub(crate) fn new(scan: &'a Scan<'a>) -> Self {
        Self {
            scan,
            decoder: Decoder::default(),
            users: Users::default(),
            columns: Columns::default(),
            names: Names::default(),
            loaded: Loaded::default(),
        }
    }

    /// Reads a slice. All calls must pass the same `symbols`.
    pub(crate) fn load(&mut self, slice: &Slice, symbols: &mut Symbols) -> Result<&mut Loaded> {
        self.loaded.clear(slice.rows);
        for file in &self.scan.files {
            let (input, footer) = file.open()?;
            if let Some(rows) = slice.rows_of(&footer) {
                let part =
                    Part { file: file.entry.id, days: file.entry.days, input: &Arc::new(input), footer: &footer, rows };
                self.load_part(part, slice, symbols).context("cannot read", file.path())?;
            }
        }
        self.load_hot(slice, symbols);
        Ok(&mut self.loaded)
    }

    fn load_part(&mut self, mut part: Part<'_>, slice: &Slice, symbols: &mut Symbols) -> ParquetResult<()> {
        let Self { scan, decoder, users, columns, names, loaded } = self;
        users.clear();
        decoder.runs(part.pages(column::USER_ID), &part.rows, |user, rows| {
            if slice.holds(user) {
                users.push(user, rows);
            }
        })?;
        let (Some((_, first)), Some((_, last))) = (users.runs.first(), users.runs.last()) else { return Ok(()) };
        part.rows = first.start..last.end;
        columns.read(&part, decoder, names, symbols)?;
        let all_within = scan.holds(part.days) || columns.occurred_at.iter().all(|time| scan.is_within(*time));
        for (user, rows) in &users.runs {
            let begin = loaded.rows.len();
            let rows = rows.start - part.rows.start..rows.end - part.rows.start;
            if all_within {
                loaded.rows.extend(rows.map(|row| columns.row(row)));
            } else {
                let within = rows.filter(|row| scan.is_within(columns.occurred_at[*row]));
                loaded.rows.extend(within.map(|row| columns.row(row)));
            }
            loaded.end_run(&users.text[user.clone()], begin);
        }
        Ok(())
    }

    fn load_hot(&mut self, slice: &Slice, symbols: &mut Symbols) {
        let (hot, loaded) = (self.scan.hot, &mut self.loaded);
        let bound = |user: &[u8]| hot.users_before(user);
        let users = bound(&slice.from)..slice.to.as_ref().map_or(hot.users().len(), |to| bound(to));
        for positions in &hot.users()[users] {
            let begin = loaded.rows.len();
            let rows = positions.clone().map(|position| hot.row(position));
            let within = rows.filter(|row| self.scan.is_within(row.occurred_at));
            loaded.rows.extend(within.map(|row| to_row(&row, symbols)));
            loaded.end_run(hot.user_id(positions.start).as_bytes(), begin);
        }
    }
}

/// A range of rows of a file.
struct Part<'a> {
    file: u64,
    days: Days,
    input: &'a Arc<Input>,
    footer: &'a Footer,
    rows: Range<usize>,
}

impl<'a> Part<'a> {
    fn pages(&self, column: usize) -> Pages<'a> {
        Pages::new(self.input, self.footer, column)
    }
}

impl Users {
    fn clear(&mut self) {
        self.text.clear();
        self.runs.clear();
    }

    fn push(&mut self, user: &[u8], rows: Range<usize>) {
        let begin = self.text.len();
        self.text.extend_from_slice(user);
        self.runs.push((begin..self.text.len(), rows));
    }
}

impl Columns {
    fn read(
        &mut self,
        part: &Part<'_>,
        decoder: &mut Decoder,
        names: &mut Names,
        symbols: &mut Symbols,
    ) -> ParquetResult<()> {
        let pages = |column| part.pages(column);
        decoder.numbers(pages(column::OCCURRED_AT), &part.rows, &mut self.occurred_at)?;
        decoder.texts(pages(column::SESSION_ID), &part.rows, 0, session_key_of, &mut self.sessions)?;
        let values = pages(column::ORDER_VALUE);
        decoder.values(values, &part.rows, 0, &mut plain_number, &mut None, &mut self.order_values)?;

        let mut read = |column, intern: &mut dyn FnMut(&str) -> Symbol, made: &mut Vec<Symbol>| {
            let mut dictionary = names.take(part.file, column);
            let mut name = |bytes: &mut &[u8]| str::from_utf8(plain_text(bytes)?).ok().map(&mut *intern);
            decoder.values(pages(column), &part.rows, Symbol::NONE, &mut name, &mut dictionary, made)?;
            names.keep(part.file, column, dictionary);
            Ok::<_, ParquetError>(())
        };
        let Symbols { types, currencies, pages, products, searches } = symbols;
        read(column::EVENT_TYPE, &mut |name| types.intern(name), &mut self.types)?;
        read(column::CURRENCY, &mut |code| currency_of(code, currencies), &mut self.currencies)?;
        read(column::PAGE, &mut |name| pages.intern(name), &mut self.pages)?;
        read(column::PRODUCT, &mut |name| products.intern(name), &mut self.products)?;
        read(column::SEARCH, &mut |name| searches.intern(name), &mut self.searches)?;

        let symbols = [&self.types, &self.currencies, &self.pages, &self.products, &self.searches];
        let lengths = [self.occurred_at.len(), self.sessions.len(), self.order_values.len()];
        if symbols.map(Vec::len).into_iter().chain(lengths).any(|length| length != part.rows.len()) {
            return Err(ParquetError::General("columns have different lengths".to_owned()));
        }
        Ok(())
    }

    fn row(&self, row: usize) -> Row {
        Row {
            occurred_at: self.occurred_at[row],
            session: self.sessions[row],
            order_value: self.order_values[row],
            event_type: self.types[row],
            currency: self.currencies[row],
            page: self.pages[row],
            product: self.products[row],
            search: self.searches[row],
        }
    }
}

impl Names {
    fn take(&mut self, file: u64, column: usize) -> Option<Dictionary<Symbol>> {
        let dictionary = self.known.remove(&(file, column))?;
        self.values -= dictionary.len();
        Some(dictionary)
    }

    fn keep(&mut self, file: u64, column: usize, dictionary: Option<Dictionary<Symbol>>) {
        if let Some(dictionary) = dictionary.filter(|dictionary| self.values + dictionary.len() <= MAX_KEPT) {
            self.values += dictionary.len();
            self.known.insert((file, column), dictionary);
        }
    }
}
