//! Checks of an event file and its id index.

use arrow_array::{
    FixedSizeBinaryArray, RecordBatch, StringArray, TimestampMillisecondArray, cast::AsArray,
    types::TimestampMillisecondType,
};

use parquet::file::reader::Length;

use crate::{
    event::EventType,
    lake::{
        error::{Context, LakeError, Result},
        files::{
            events_writer::id_pages,
            facts::{FactsBuilder, Fit},
            ids::{IdFile, IdPage, IdRow, MAX_ROWS},
            layout::Layout,
            live::{EventsFile, UserPage, user_pages},
            parquet_file::{Footer, Input},
            schema::{EVENTS, all_columns, column, id_rows},
            surrogates,
        },
        rows::{row::day_of, window::Days},
    },
};

const BATCH_ROWS: usize = 8 * 1024;

/// The result for an event file that holds valid content.
#[derive(Debug)]
pub(crate) struct Sound {
    /// The length of the Parquet file, without the id index.
    pub(crate) bytes: u64,
    /// The length of the id index, or an error that says what is wrong with it.
    pub(crate) index: Result<u64>,
    /// The number of events whose properties must be [replaced](surrogates).
    pub(crate) broken: u64,
    /// The days of the rows.
    pub(crate) days: Days,
    pub(crate) facts: Fit,
}

/// Reads a file to its end: first all blocks, against their checksums, then every row. The entry of `file` must agree
/// with what the file states about itself. Only a catalog can prove these statements.
pub(crate) fn check(layout: &Layout, file: &EventsFile) -> Result<Sound> {
    let (input, footer) = file.open()?;
    input.check_all().context("cannot read", file.path())?;
    let mut facts = file.facts_to_compare();
    let (rows, broken, days) = Content { file, input: &input, footer: &footer }.check(&mut facts)?;
    let pages = id_pages(&footer.metadata).ok_or_else(|| file.damaged("no page index"))?;
    check_plain_ids(file, &input, &pages, &rows)?;
    let facts = facts.map_or(Fit::Right, |expected| file.compare_facts(expected));
    Ok(Sound { bytes: input.len(), index: check_index(layout, file, &rows, &pages), broken, days, facts })
}

struct Content<'a> {
    file: &'a EventsFile,
    input: &'a Input,
    footer: &'a Footer,
}

impl Content<'_> {
    /// Adds the rows to `facts`. Returns the rows that the id index should have, the number of events that must be
    /// rewritten, and the days.
    fn check(&self, facts: &mut Option<FactsBuilder>) -> Result<(Vec<IdRow>, u64, Days)> {
        let rows = self.file.entry.rows as usize;
        if rows > MAX_ROWS {
            return Err(self.file.damaged(format!("{rows} rows are more than a file can have")));
        }
        let reader = self.input.read(self.footer, &EVENTS, &all_columns(), None, BATCH_ROWS);
        let (mut found, mut broken) = (Vec::with_capacity(rows), 0);
        let mut pass =
            Pass { last: None, days: None, event_type: String::new(), pages: user_pages(self.footer, column::USER_ID) };
        for batch in reader.context("cannot read", self.file.path())? {
            let batch = batch.context("cannot read", self.file.path())?;
            pass.take(self, &batch, found.len())?;
            broken += surrogates::count(&batch) as u64;
            if let Some(facts) = facts {
                facts.push(&batch);
            }
            found.extend(id_rows(&batch));
        }
        if found.len() != rows {
            return Err(self.file.damaged(format!("the footer says {rows} rows, but the file has {}", found.len())));
        }
        let days = pass.days.ok_or_else(|| self.file.damaged("the file has no rows"))?;
        Ok((found, broken, days))
    }
}

/// State that is kept from row to row.
struct Pass<'a> {
    last: Option<(String, i64, [u8; 16])>,
    days: Option<Days>,
    /// The event type that was checked last.
    event_type: String,
    pages: Vec<UserPage<'a>>,
}

impl Pass<'_> {
    fn take(&mut self, content: &Content<'_>, batch: &RecordBatch, first_row: usize) -> Result<()> {
        let users = batch.column(column::USER_ID).as_string::<i32>();
        let times = batch.column(column::OCCURRED_AT).as_primitive::<TimestampMillisecondType>();
        let ids = batch.column(column::EVENT_ID).as_fixed_size_binary();
        let types = batch.column(column::EVENT_TYPE).as_string::<i32>();
        for row in 0..batch.num_rows() {
            let number = first_row + row;
            let damaged = |message: &str| content.file.damaged(format!("row {number}: {message}"));
            let day = day_of(times.value(row));
            self.days = Some(self.days.map_or(Days::of_day(day), |days| days.with(day)));
            let key = key_at(users, times, ids, row);
            let new_user = match row.checked_sub(1) {
                Some(before) => {
                    if key_at(users, times, ids, before) >= key {
                        return Err(damaged("out of order"));
                    }
                    users.value(before) != key.0
                }
                None => {
                    let last = self.last.as_ref();
                    if last.is_some_and(|(user, time, id)| (user.as_str(), *time, id.as_slice()) >= key) {
                        return Err(damaged("out of order"));
                    }
                    last.is_none_or(|(user, ..)| user != key.0)
                }
            };
            let page = self.pages.partition_point(|page| page.first_row <= number).checked_sub(1);
            let within = page
                .map(|page| &self.pages[page])
                .is_some_and(|page| page.first_user <= key.0.as_bytes() && key.0.as_bytes() <= page.last_user);
            if !within {
                return Err(damaged("the page statistics exclude the user"));
            }
            if new_user
                && !content
                    .footer
                    .may_hold(content.input, column::USER_ID, key.0)
                    .context("cannot read", content.file.path())?
            {
                return Err(damaged("the Bloom filter excludes the user"));
            }
            if types.value(row) != self.event_type {
                self.event_type = types.value(row).to_owned();
                EventType::parse(&self.event_type).map_err(|_| damaged("invalid event type"))?;
            }
        }
        if let Some(row) = batch.num_rows().checked_sub(1) {
            self.last = Some((users.value(row).to_owned(), times.value(row), id_at(ids, row)));
        }
        Ok(())
    }
}

fn key_at<'a>(
    users: &'a StringArray,
    times: &TimestampMillisecondArray,
    ids: &'a FixedSizeBinaryArray,
    row: usize,
) -> (&'a str, i64, &'a [u8]) {
    (users.value(row), times.value(row), ids.value(row))
}

fn id_at(ids: &FixedSizeBinaryArray, row: usize) -> [u8; 16] {
    ids.value(row).try_into().expect("an id has 16 bytes")
}

/// Checks that the ids are stored plain at the positions that the id index uses.
fn check_plain_ids(file: &EventsFile, input: &Input, pages: &[IdPage], rows: &[IdRow]) -> Result<()> {
    let ends = pages.iter().skip(1).map(|page| page.first_row as usize).chain([rows.len()]);
    for (page, end) in pages.iter().zip(ends) {
        let ids: Vec<[u8; 16]> =
            rows.get(page.first_row as usize..end).unwrap_or_default().iter().map(|row| row.id).collect();
        let ids = ids.as_flattened();
        let plain = input.bytes(page.position, ids.len()).context("cannot read", file.path())?;
        if plain != *ids {
            return Err(file.damaged("the ids are not stored in plain encoding"));
        }
    }
    Ok(())
}

fn check_index(layout: &Layout, file: &EventsFile, rows: &[IdRow], pages: &[IdPage]) -> Result<u64> {
    let path = layout.ids_file(file.entry.id);
    let index = IdFile::open(&*layout.fs, &path)?;
    match index.find_fault(rows, pages).context("cannot read", &path)? {
        Some(message) => Err(LakeError::Damaged { path, message }),
        None => layout.fs.open(&path).and_then(|file| file.len()).context("cannot read", path),
    }
}
