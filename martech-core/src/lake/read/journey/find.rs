//! Finds the rows of a user in a file, in its facts.

use std::{collections::VecDeque, io, ops::Range, sync::Arc};

use super::wanted::Wanted;
use crate::{
    lake::files::facts::{Block, Coded, Facts},
    query::Order,
};

/// The number of blocks of one user among which the first wanted one is not searched for.
const FEW_BLOCKS: usize = 8;

/// A row of an event file, as its facts describe it.
pub(super) struct Found {
    pub(super) row: u32,
    pub(super) occurred_at: i64,
    pub(super) event_type: Arc<str>,
}

/// The part of a file that could not be read.
pub(super) enum FindError {
    Facts(io::Error),
    Ids(io::Error),
}

impl From<io::Error> for FindError {
    fn from(error: io::Error) -> Self {
        Self::Facts(error)
    }
}

/// Finds the first `enough` wanted rows with a key, counted from the requested end. Returns them ascending. `id_of`
/// reads the id of a row.
///
/// The rows of a user are sorted by time and id, so the search stops early. Rows of two users with the same key are
/// not: without `enough`, all rows of the wanted times and types are returned.
pub(super) fn find(
    facts: &Facts,
    key: u64,
    wanted: &Wanted<'_>,
    enough: Option<usize>,
    id_of: &mut impl FnMut(u32) -> io::Result<[u8; 16]>,
) -> Result<Vec<Found>, FindError> {
    let types = facts.types()?;
    let mut blocks = facts.blocks_between(key, key);
    if enough.is_some() && blocks.len() > FEW_BLOCKS {
        blocks = within(facts, key, blocks, wanted)?;
    }
    let (mut found, mut block) = (VecDeque::new(), Block::default());
    while enough.is_none_or(|enough| found.len() < enough)
        && let Some(number) = match wanted.order {
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
            let found = Found { row: of_file, occurred_at: times[row], event_type: event_type.clone() };
            wanted.takes_type(event_type).then_some(found)
        });
        let mut rows: Vec<Found> = rows.collect();
        if enough.is_some() {
            drop_before_cursor(&mut rows, wanted, id_of).map_err(FindError::Ids)?;
        }
        match wanted.order {
            Order::Ascending => found.extend(rows),
            Order::Descending => rows.into_iter().rev().for_each(|row| found.push_front(row)),
        }
    }
    let surplus = enough.map_or(0, |enough| found.len().saturating_sub(enough));
    match wanted.order {
        Order::Ascending => found.truncate(found.len() - surplus),
        Order::Descending => drop(found.drain(..surplus)),
    }
    Ok(found.into())
}

/// Drops rows of the cursor's time that are not behind the cursor. Rows of one time are sorted by id.
fn drop_before_cursor(
    rows: &mut Vec<Found>,
    wanted: &Wanted<'_>,
    id_of: &mut impl FnMut(u32) -> io::Result<[u8; 16]>,
) -> io::Result<()> {
    let Some((time, id)) = wanted.cursor else { return Ok(()) };
    let ties = rows.partition_point(|row| row.occurred_at < time)..rows.partition_point(|row| row.occurred_at <= time);
    match wanted.order {
        Order::Ascending => {
            let end = partition_point(ties.clone(), |index| Ok(id_of(rows[index].row)? <= id))?;
            rows.drain(ties.start..end);
        }
        Order::Descending => {
            let start = partition_point(ties.clone(), |index| Ok(id_of(rows[index].row)? < id))?;
            rows.drain(start..ties.end);
        }
    }
    Ok(())
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
