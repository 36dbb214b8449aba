//! Journeys: the events of one user in time order, read from the pages that hold them.

use std::{
    cmp::Reverse,
    collections::VecDeque,
    ops::{Range, RangeInclusive},
};

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Int64Type, TimestampMillisecondType},
};
use parquet::{
    arrow::arrow_reader::RowSelection,
    file::page_index::{
        column_index::{ColumnIndexMetaData, PrimitiveColumnIndex},
        offset_index::PageLocation,
    },
};

use crate::{
    event::{Event, EventType, MILLIS_PER_DAY, Timestamp},
    lake::{
        error::{Context, LakeError, Result},
        files::{
            live::{EventsFile, user_pages},
            parquet_file::{Batches, Footer, Input},
            schema::{EVENTS, column},
        },
        rows::row::{BadRow, Row},
        snapshot::Snapshot,
    },
    query::{JourneyCursor, JourneyPage, JourneyQuery, Order},
};

/// The columns that decide whether a row is on the page, and in which order.
const KEY_COLUMNS: [usize; 4] = [column::EVENT_ID, column::USER_ID, column::EVENT_TYPE, column::OCCURRED_AT];
/// The columns that an answer shows.
const EVENT_COLUMNS: [usize; 8] = [
    column::EVENT_ID,
    column::USER_ID,
    column::EVENT_TYPE,
    column::OCCURRED_AT,
    column::DELAY,
    column::ANONYMOUS_ID,
    column::SESSION_ID,
    column::PROPERTIES,
];
const BATCH_ROWS: usize = 4 * 1024;

/// Returns a page of a journey.
pub(crate) fn journey(snapshot: &Snapshot, query: &JourneyQuery) -> Result<JourneyPage> {
    let wanted = Wanted::new(query);
    let hot = snapshot.hot.iter().flat_map(|hot| hot.rows_of(&query.user_id));
    let mut hot: Vec<Row<'_>> = hot.filter(|row| wanted.takes(row.occurred_at, row.id, row.event_type)).collect();
    match query.order {
        Order::Ascending => hot.sort_unstable_by_key(|row| (row.occurred_at, row.id)),
        Order::Descending => hot.sort_unstable_by_key(|row| Reverse((row.occurred_at, row.id))),
    }
    // The events that come first, of all that have been read.
    let mut events: Vec<Event> = hot.into_iter().take(query.limit + 1).map(event_of).collect();
    let mut files: Vec<_> = snapshot.version.of_days(wanted.days()).collect();
    // The next file is the last of the list.
    match query.order {
        Order::Ascending => files.sort_by_key(|file| Reverse(file.entry.days.first())),
        Order::Descending => files.sort_by_key(|file| file.entry.days.last()),
    }
    while let Some(file) = files.pop() {
        let days = file.entry.days;
        let is_before_file = |event: &Event| match query.order {
            Order::Ascending => event.occurred_at.day() < days.first(),
            Order::Descending => event.occurred_at.day() > days.last(),
        };
        if events.get(query.limit).is_some_and(is_before_file) {
            break;
        }
        events.extend(read(file, query, &wanted)?);
        match query.order {
            Order::Ascending => events.sort_by_key(|event| (event.occurred_at, event.id)),
            Order::Descending => events.sort_by_key(|event| Reverse((event.occurred_at, event.id))),
        }
        events.truncate(query.limit + 1);
    }
    let more = events.len() > query.limit;
    events.truncate(query.limit);
    let last = events.last().filter(|_| more);
    let next = last.map(|last| JourneyCursor { occurred_at: last.occurred_at, event_id: last.id });
    Ok(JourneyPage { events, next })
}

/// The rows of one user that a query asks for.
struct Wanted<'a> {
    from: i64,
    to: i64,
    types: &'a [EventType],
    order: Order,
    cursor: Option<(i64, [u8; 16])>,
}

impl<'a> Wanted<'a> {
    fn new(query: &'a JourneyQuery) -> Self {
        let mut from = query.from.map_or(i64::MIN, Timestamp::millis);
        let mut to = query.to.map_or(i64::MAX, Timestamp::millis);
        let cursor = query.cursor.map(|cursor| (cursor.occurred_at.millis(), *cursor.event_id.as_bytes()));
        match (cursor, query.order) {
            (Some((time, _)), Order::Ascending) => from = from.max(time),
            (Some((time, _)), Order::Descending) => to = to.min(time.saturating_add(1)),
            (None, _) => {}
        }
        Self { from, to, types: &query.types, order: query.order, cursor }
    }

    fn days(&self) -> RangeInclusive<i32> {
        // The days saturate: an open side of the range is the most distant time.
        let day = |millis: i64| millis.div_euclid(MILLIS_PER_DAY).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        day(self.from)..=day(self.to.saturating_sub(1))
    }

    fn takes(&self, occurred_at: i64, id: [u8; 16], event_type: &str) -> bool {
        let key = (occurred_at, id);
        (self.from..self.to).contains(&occurred_at)
            && (self.types.is_empty() || self.types.iter().any(|wanted| wanted.as_str() == event_type))
            && self.cursor.is_none_or(|cursor| match self.order {
                Order::Ascending => key > cursor,
                Order::Descending => key < cursor,
            })
    }
}

/// Reads the user's events in a file: at most one more than the page holds.
fn read(file: &EventsFile, query: &JourneyQuery, wanted: &Wanted<'_>) -> Result<Vec<Event>> {
    let (input, footer) = file.open()?;
    let user = query.user_id.as_bytes();
    let times = TimePages::new(&footer);
    let pages: Vec<_> = user_pages(&footer, column::USER_ID)
        .iter()
        .filter(|page| page.first_user <= user && page.last_user >= user)
        .map(|page| page.first_row..page.first_row + page.rows)
        .filter(|rows| times.may_hold(rows, wanted.from..wanted.to))
        .collect();
    // Most files do not hold a given user, and are not read further.
    if pages.is_empty()
        || !footer.may_hold(&input, column::USER_ID, &query.user_id).context("cannot read", file.path())?
    {
        return Ok(Vec::new());
    }
    let rows = find(file, &input, &footer, &pages, query, wanted)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ranges = rows.iter().map(|&row| row..row + 1);
    let selection = RowSelection::from_consecutive_ranges(ranges, file.entry.rows as usize);
    let reader = input.read(&footer, &EVENTS, &EVENT_COLUMNS, Some(selection), rows.len());
    let mut events = Vec::with_capacity(rows.len());
    for batch in reader.context("cannot read", file.path())? {
        let batch = batch.context("cannot read", file.path())?;
        for row in 0..batch.num_rows() {
            let damaged = |bad: BadRow| LakeError::Damaged { path: file.path().clone(), message: bad.to_string() };
            events.push(event_at(&batch, row).map_err(damaged)?);
        }
    }
    Ok(events)
}

/// Finds the wanted rows, ascending: at most one more than the page holds.
///
/// The rows of a user are in time order, so the search starts at the requested end and stops once it has found enough.
/// Each part is twice as large as the one before, because wanted rows may be rare.
fn find(
    file: &EventsFile,
    input: &Input,
    footer: &Footer,
    mut pages: &[Range<usize>],
    query: &JourneyQuery,
    wanted: &Wanted<'_>,
) -> Result<VecDeque<usize>> {
    let (mut found, mut part_rows) = (VecDeque::new(), BATCH_ROWS);
    while !pages.is_empty() && found.len() <= query.limit {
        let mut rows = 0;
        let mut is_enough = |page: &Range<usize>| {
            rows += page.len();
            rows >= part_rows
        };
        let part;
        match query.order {
            Order::Ascending => {
                let last = pages.iter().position(&mut is_enough).unwrap_or(pages.len() - 1);
                (part, pages) = pages.split_at(last + 1);
                found.extend(find_in(file, input, footer, part, query, wanted)?);
                found.truncate(query.limit + 1);
            }
            Order::Descending => {
                let first = pages.iter().rposition(&mut is_enough).unwrap_or(0);
                (pages, part) = pages.split_at(first);
                let rows = find_in(file, input, footer, part, query, wanted)?;
                rows.into_iter().rev().take(query.limit + 1 - found.len()).for_each(|row| found.push_front(row));
            }
        }
        part_rows *= 2;
    }
    Ok(found)
}

/// Finds all wanted rows of some pages, ascending.
fn find_in(
    file: &EventsFile,
    input: &Input,
    footer: &Footer,
    pages: &[Range<usize>],
    query: &JourneyQuery,
    wanted: &Wanted<'_>,
) -> Result<Vec<usize>> {
    let selection = RowSelection::from_consecutive_ranges(pages.iter().cloned(), file.entry.rows as usize);
    let reader: Batches =
        input.read(footer, &EVENTS, &KEY_COLUMNS, Some(selection), BATCH_ROWS).context("cannot read", file.path())?;
    let mut numbers = pages.iter().cloned().flatten();
    let mut found = Vec::new();
    for batch in reader {
        let batch = batch.context("cannot read", file.path())?;
        let [ids, users, types, times] = [0, 1, 2, 3].map(|column| batch.column(column));
        let (ids, users, types) = (ids.as_fixed_size_binary(), users.as_string::<i32>(), types.as_string::<i32>());
        let times = times.as_primitive::<TimestampMillisecondType>();
        let rows = (0..batch.num_rows()).zip(&mut numbers).filter(|(row, _)| {
            users.value(*row) == query.user_id
                && wanted.takes(times.value(*row), id_at(ids.value(*row)), types.value(*row))
        });
        found.extend(rows.map(|(_, number)| number));
    }
    Ok(found)
}

/// The time range of each page of `occurred_at`, if the file states it.
struct TimePages<'a>(Option<(&'a [PageLocation], &'a PrimitiveColumnIndex<i64>)>);

impl<'a> TimePages<'a> {
    fn new(footer: &'a Footer) -> Self {
        let of_column = footer.metadata.page_index().and_then(|index| {
            let offsets = index.offset_index(0, column::OCCURRED_AT)?;
            match index.column_index(0, column::OCCURRED_AT)? {
                ColumnIndexMetaData::INT64(times) => Some((offsets.page_locations().as_slice(), times)),
                _ => None,
            }
        });
        Self(of_column)
    }

    /// Returns whether consecutive rows may include one within these times.
    fn may_hold(&self, rows: &Range<usize>, times: Range<i64>) -> bool {
        let Some((pages, index)) = self.0 else { return true };
        let behind = |row: usize| pages.partition_point(|page| (page.first_row_index as usize) < row);
        let first = behind(rows.start + 1).saturating_sub(1);
        (first..behind(rows.end)).any(|page| {
            index.min_value(page).is_none_or(|least| *least < times.end)
                && index.max_value(page).is_none_or(|most| *most >= times.start)
        })
    }
}

fn id_at(bytes: &[u8]) -> [u8; 16] {
    bytes.try_into().expect("an id has 16 bytes")
}

/// Returns the event of a row that was checked at admission, as a journey shows it: without the facts. Rows read from
/// files have none either, because a journey reads only some columns.
fn event_of(row: Row<'_>) -> Event {
    let shown = Row { order_value: None, currency: None, page: None, product: None, search: None, ..row };
    shown.to_event().expect("rows are checked before they are shown")
}

/// Returns the event in a row of a batch of [`EVENT_COLUMNS`].
fn event_at(batch: &RecordBatch, row: usize) -> Result<Event, BadRow> {
    let text = |column: usize| {
        let column = batch.column(column).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row))
    };
    let occurred_at = batch.column(3).as_primitive::<TimestampMillisecondType>().value(row);
    let row = Row {
        id: id_at(batch.column(0).as_fixed_size_binary().value(row)),
        user_id: text(1).unwrap_or_default(),
        event_type: text(2).unwrap_or_default(),
        occurred_at,
        received_at: occurred_at.saturating_add(batch.column(4).as_primitive::<Int64Type>().value(row)),
        anonymous_id: text(5),
        session_id: text(6),
        properties: text(7),
        order_value: None,
        currency: None,
        page: None,
        product: None,
        search: None,
    };
    row.to_event()
}
