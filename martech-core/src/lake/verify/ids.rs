//! Events that are there more than once: by id, a day at a time, within a bound of memory however many there are.
//!
//! The ids of a day are read as often as it takes to look at a part of them at a time: those whose hash lies in a part
//! of all hashes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    super::{
        error::{Context, Result},
        files::EventsFile,
        ids::IdRow,
        schema::{EVENTS, IDENTITY, column, id_rows},
    },
    journal::JournalEvent,
};

const BATCH_ROWS: usize = 64 * 1024;

/// An event id.
pub(in super::super) type Id = [u8; 16];

/// What the ids of a day say.
#[derive(Debug, Default)]
pub(in super::super) struct Day {
    /// Ids that are there more than once, ascending.
    pub(in super::super) doubled: Vec<Id>,
    /// How many events there are too many of them.
    pub(in super::super) surplus: u64,
    /// Events of the journal that should be in a file, and are in none.
    pub(in super::super) not_in_files: Vec<Id>,
}

/// Looks at all ids of a day: `files` and `journal` are those of the day. `memory` bounds the ids held at once.
pub(in super::super) fn look_at_day(files: &[Arc<EventsFile>], journal: &[JournalEvent], memory: usize) -> Result<Day> {
    let rows: u64 = files.iter().map(|file| file.entry.rows).sum();
    let parts = (rows * size_of::<Id>() as u64).div_ceil(memory.max(1) as u64).max(1);
    let mut day = Day::default();
    let mut ids: Vec<Id> = Vec::new();
    for part in 0..parts {
        let is_of_part = |id: &Id| part_of(id, parts) == part;
        ids.clear();
        for file in files {
            for_each_id(file, |id| ids.extend(Some(id).filter(is_of_part)))?;
        }
        ids.sort_unstable();
        let events: Vec<_> = journal.iter().filter(|event| is_of_part(event.id())).collect();
        let gone = |event: &&&JournalEvent| !event.hot && ids.binary_search(event.id()).is_err();
        day.not_in_files.extend(events.iter().filter(gone).map(|event| *event.id()));
        ids.extend(events.iter().filter(|event| event.hot).map(|event| *event.id()));
        ids.sort_unstable();
        for same in ids.chunk_by(|left, right| left == right).filter(|same| same.len() > 1) {
            day.doubled.push(same[0]);
            day.surplus += same.len() as u64 - 1;
        }
    }
    day.doubled.sort_unstable();
    Ok(day)
}

/// Parts are as large as each other: ids are not spread evenly, their hashes are.
fn part_of(id: &Id, parts: u64) -> u64 {
    ((u128::from(xxh3_64(id)) * u128::from(parts)) >> 64) as u64
}

/// Calls `each` with the id of every row of a file.
fn for_each_id(file: &EventsFile, mut each: impl FnMut(Id)) -> Result<()> {
    let (input, footer) = file.open()?;
    let reader = input.read(&footer, &EVENTS, &[column::EVENT_ID], None, BATCH_ROWS);
    for batch in reader.context("cannot read", file.path())? {
        let batch = batch.context("cannot read", file.path())?;
        for id in batch.column(0).as_fixed_size_binary().iter().flatten() {
            each(id.try_into().expect("an id has 16 bytes"));
        }
    }
    Ok(())
}

/// What the id index should say of the rows of a file.
pub(in super::super) fn rows_of(file: &EventsFile) -> Result<Vec<IdRow>> {
    let (input, footer) = file.open()?;
    let mut rows = Vec::with_capacity(file.entry.rows as usize);
    let reader = input.read(&footer, &EVENTS, &IDENTITY, None, BATCH_ROWS);
    for batch in reader.context("cannot read", file.path())? {
        rows.extend(id_rows(&batch.context("cannot read", file.path())?));
    }
    Ok(rows)
}

/// How many rows of a file have one of `ids`, which ascend.
pub(in super::super) fn count(file: &EventsFile, ids: &[Id]) -> Result<u64> {
    let mut count = 0;
    for_each_id(file, |id| count += u64::from(ids.binary_search(&id).is_ok()))?;
    Ok(count)
}
