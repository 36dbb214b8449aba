//! Journeys: the events of one user in time order. Facts tell in which rows they are, and the pages of the event files
//! that hold these rows are read.

mod find;
mod wanted;

use std::cmp::Reverse;

use arrow_array::{Array, RecordBatch, cast::AsArray, types::Int64Type};
use parquet::arrow::arrow_reader::RowSelection;

use self::{
    find::{FindError, Found, find},
    wanted::Wanted,
};
use crate::{
    event::Event,
    lake::{
        error::{Context, LakeError, Result},
        files::{
            events_writer::id_pages,
            facts::person_key,
            ids::id_position,
            live::EventsFile,
            parquet_file::{Footer, Input},
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
    let mut events: Vec<Event> = hot.into_iter().take(query.limit.saturating_add(1)).map(event_of).collect();
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
        events.truncate(query.limit.saturating_add(1));
    }
    let more = events.len() > query.limit;
    events.truncate(query.limit);
    let last = events.last().filter(|_| more);
    let next = last.map(|last| JourneyCursor { occurred_at: last.occurred_at, event_id: last.id });
    Ok(JourneyPage { events, next })
}

/// Reads the user's events in a file: at most one more than the page holds.
fn read(file: &EventsFile, query: &JourneyQuery, wanted: &Wanted<'_>) -> Result<Vec<Event>> {
    // Most files do not hold a given user, and are not read further.
    if !file.may_hold_user(&query.user_id)? {
        return Ok(Vec::new());
    }
    let (input, footer) = file.open()?;
    let pages = id_pages(&footer.metadata).ok_or_else(|| file.damaged("no page index"))?;
    let mut near = input.near();
    let mut id_of = |row| near.read(id_position(&pages, row)?, 16).map(|id| id_at(&id));
    let key = person_key(file.seed(), &query.user_id);
    let mut facts = file.facts()?;
    let enough = Some(query.limit.saturating_add(1));
    let mut found = find(&facts, key, wanted, enough, &mut id_of);
    if let Err(FindError::Facts(error)) = found {
        facts = file.remake_facts(&facts, error)?;
        found = find(&facts, key, wanted, enough, &mut id_of);
    }
    let (events, others) = events_at(file, &input, &footer, &in_file(file, found)?, query, wanted)?;
    if others == 0 {
        return Ok(events);
    }
    // Another user has the same key, though that is most unlikely.
    let found = find(&facts, key, wanted, None, &mut id_of);
    Ok(events_at(file, &input, &footer, &in_file(file, found)?, query, wanted)?.0)
}

/// Adds the file to an error.
fn in_file(file: &EventsFile, found: Result<Vec<Found>, FindError>) -> Result<Vec<Found>> {
    match found {
        Ok(found) => Ok(found),
        Err(FindError::Facts(error)) => Err(error).context("cannot read", file.facts_path()),
        Err(FindError::Ids(error)) => Err(error).context("cannot read", file.path()),
    }
}

/// Reads the events in some rows. Returns those of the user that are wanted, and how many rows are of others.
fn events_at(
    file: &EventsFile,
    input: &Input,
    footer: &Footer,
    found: &[Found],
    query: &JourneyQuery,
    wanted: &Wanted<'_>,
) -> Result<(Vec<Event>, usize)> {
    if found.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let ranges = found.iter().map(|found| found.row as usize..found.row as usize + 1);
    let selection = RowSelection::from_consecutive_ranges(ranges, file.entry.rows as usize);
    let batch_rows = found.len().min(BATCH_ROWS);
    let reader =
        input.read(footer, &EVENTS, &COLUMNS, Some(selection), batch_rows).context("cannot read", file.path())?;
    let (mut events, mut others, mut found) = (Vec::new(), 0, found.iter());
    for batch in reader {
        let batch = batch.context("cannot read", file.path())?;
        for (row, found) in (0..batch.num_rows()).zip(&mut found) {
            let row = row_at(&batch, row, found);
            if row.user_id != query.user_id {
                others += 1;
            } else if wanted.takes(row.occurred_at, row.id, row.event_type) {
                let damaged = |bad: BadRow| LakeError::Damaged { path: file.path().clone(), message: bad.to_string() };
                events.push(row.to_event().map_err(damaged)?);
            }
        }
    }
    Ok((events, others))
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
