//! Journeys: the events of one user in time order. Facts tell which rows they are, and the pages of the event files that
//! hold these rows are read.

use std::{
    cmp::Reverse,
    collections::VecDeque,
    io,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use arrow_array::{Array, RecordBatch, cast::AsArray, types::Int64Type};
use parquet::arrow::arrow_reader::RowSelection;

use crate::{
    event::{Event, EventType, MILLIS_PER_DAY, Timestamp},
    lake::{
        error::{Context, LakeError, Result},
        files::{
            facts::{Block, Coded, Facts, person_key},
            live::EventsFile,
            schema::{EVENTS, column},
        },
        rows::row::{BadRow, Row},
        snapshot::Snapshot,
    },
    query::{JourneyCursor, JourneyPage, JourneyQuery, Order},
};

/// The columns that an answer shows, besides those of the facts.
const COLUMNS: [usize; 6] =
    [column::EVENT_ID, column::USER_ID, column::DELAY, column::ANONYMOUS_ID, column::SESSION_ID, column::PROPERTIES];
/// The number of blocks of one user among which the first wanted one is not searched for.
const FEW_BLOCKS: usize = 8;

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

    fn takes_type(&self, event_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted.as_str() == event_type)
    }

    fn takes(&self, occurred_at: i64, id: [u8; 16], event_type: &str) -> bool {
        let key = (occurred_at, id);
        (self.from..self.to).contains(&occurred_at)
            && self.takes_type(event_type)
            && self.cursor.is_none_or(|cursor| match self.order {
                Order::Ascending => key > cursor,
                Order::Descending => key < cursor,
            })
    }
}

/// Reads the user's events in a file: those that may be on the page, and at most a few more.
fn read(file: &EventsFile, query: &JourneyQuery, wanted: &Wanted<'_>) -> Result<Vec<Event>> {
    // Most files do not hold a given user, and are not read further.
    if !file.may_hold_user(&query.user_id)? {
        return Ok(Vec::new());
    }
    let found = match find(&*file.facts()?, file.seed(), query, wanted) {
        Ok(found) => found,
        Err(_) => find(&*file.remake_facts()?, file.seed(), query, wanted).context("cannot read", file.facts_path())?,
    };
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let (input, footer) = file.open()?;
    let ranges = found.iter().map(|found| found.row..found.row + 1);
    let selection = RowSelection::from_consecutive_ranges(ranges, file.entry.rows as usize);
    let reader = input.read(&footer, &EVENTS, &COLUMNS, Some(selection), found.len());
    let mut events = Vec::with_capacity(found.len());
    let mut found = found.iter();
    for batch in reader.context("cannot read", file.path())? {
        let batch = batch.context("cannot read", file.path())?;
        for (row, found) in (0..batch.num_rows()).zip(&mut found) {
            let row = row_at(&batch, row, found);
            // Another user may have the same key, though that is most unlikely.
            if row.user_id == query.user_id && wanted.takes(row.occurred_at, row.id, row.event_type) {
                let damaged = |bad: BadRow| LakeError::Damaged { path: file.path().clone(), message: bad.to_string() };
                events.push(row.to_event().map_err(damaged)?);
            }
        }
    }
    Ok(events)
}

/// A row of a file, as its facts describe it.
struct Found {
    row: usize,
    occurred_at: i64,
    event_type: Arc<str>,
}

/// Finds the rows that may be wanted, ascending. The rows of a user are in time order, so the search begins at the
/// requested end, and stops once it has found enough.
fn find(facts: &Facts, seed: u64, query: &JourneyQuery, wanted: &Wanted<'_>) -> io::Result<Vec<Found>> {
    let key = person_key(seed, &query.user_id);
    let types = facts.types()?;
    let mut blocks = facts.blocks_between(key, key);
    if blocks.len() > FEW_BLOCKS {
        blocks = within(facts, key, blocks, wanted)?;
    }
    // A cursor may stand among events of the same millisecond, whose ids decide.
    let enough = query.limit + 1;
    let (mut found, mut block) = (VecDeque::new(), Block::default());
    let mut ties = 0;
    while found.len() < enough + ties
        && let Some(number) = match query.order {
            Order::Ascending => blocks.next(),
            Order::Descending => blocks.next_back(),
        }
    {
        facts.read(number..number + 1)?.next_into(&mut block)?;
        let runs = block.runs().filter(|(run, _)| run.key == key);
        let rows = runs.flat_map(|(run, rows)| rows.zip(run.first..));
        let times = &block.columns.times;
        let rows = rows.filter(|(row, _)| (wanted.from..wanted.to).contains(&times[*row]));
        let codes = &block.columns.codes[Coded::Type as usize];
        let rows = rows.filter_map(|(row, of_file)| {
            let event_type = types.get((codes[row] as usize).checked_sub(1)?)?;
            let found = Found { row: of_file as usize, occurred_at: times[row], event_type: event_type.clone() };
            wanted.takes_type(event_type).then_some(found)
        });
        let rows: Vec<Found> = rows.collect();
        ties += rows.iter().filter(|found| wanted.cursor.is_some_and(|(time, _)| found.occurred_at == time)).count();
        match query.order {
            Order::Ascending => found.extend(rows),
            Order::Descending => rows.into_iter().rev().for_each(|row| found.push_front(row)),
        }
    }
    match query.order {
        Order::Ascending => found.truncate(enough + ties),
        Order::Descending => drop(found.drain(..found.len().saturating_sub(enough + ties))),
    }
    Ok(found.into())
}

/// Returns the blocks of a long journey without those before and after the wanted times.
fn within(facts: &Facts, key: u64, blocks: Range<usize>, wanted: &Wanted<'_>) -> io::Result<Range<usize>> {
    let mut block = Block::default();
    let mut times_of = |number: usize| -> io::Result<(i64, i64)> {
        facts.read(number..number + 1)?.next_into(&mut block)?;
        let rows = block.runs().filter(|(run, _)| run.key == key).flat_map(|(_, rows)| rows);
        let mut times = rows.map(|row| block.columns.times[row]);
        let first = times.next().ok_or(io::ErrorKind::InvalidData)?;
        Ok((first, times.last().unwrap_or(first)))
    };
    // The first block may have no row of the user. All others begin with one.
    let others = blocks.start + 1..blocks.end;
    let first = partition_point(others.clone(), |number| Ok(times_of(number)?.1 < wanted.from))?;
    let end = partition_point(others.clone(), |number| Ok(times_of(number)?.0 < wanted.to))?;
    let start = if first == others.start { blocks.start } else { first };
    Ok(start..end.max(start))
}

/// Returns the first number of a range for which `is_before` is `false`. It must be so for all later ones.
fn partition_point(mut range: Range<usize>, mut is_before: impl FnMut(usize) -> io::Result<bool>) -> io::Result<usize> {
    while !range.is_empty() {
        let middle = range.start + range.len() / 2;
        if is_before(middle)? {
            range.start = middle + 1;
        } else {
            range.end = middle;
        }
    }
    Ok(range.start)
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

/// Returns a row of a batch of [`COLUMNS`].
fn row_at<'a>(batch: &'a RecordBatch, row: usize, found: &'a Found) -> Row<'a> {
    let text = |column: usize| {
        let column = batch.column(column).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row))
    };
    let delay = batch.column(2).as_primitive::<Int64Type>().value(row);
    Row {
        id: id_at(batch.column(0).as_fixed_size_binary().value(row)),
        user_id: text(1).unwrap_or_default(),
        event_type: &found.event_type,
        occurred_at: found.occurred_at,
        received_at: found.occurred_at.saturating_add(delay),
        anonymous_id: text(3),
        session_id: text(4),
        properties: text(5),
        order_value: None,
        currency: None,
        page: None,
        product: None,
        search: None,
    }
}
