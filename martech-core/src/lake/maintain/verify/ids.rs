//! Finds events that are stored more than once: by id, one day at a time, with bounded memory.
//!
//! The ids of a day are read in as many passes as needed. Each pass looks at the ids whose hash lies in one part of the
//! range of hashes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use xxhash_rust::xxh3::xxh3_64;

use super::journal::{Id, JournalEvent};
use crate::lake::{
    error::{Context, Result},
    files::{
        ids::IdRow,
        live::EventsFile,
        schema::{EVENTS, IDENTITY, column, id_rows},
    },
};

const BATCH_ROWS: usize = 64 * 1024;

/// The result for the ids of a day.
#[derive(Debug, Default)]
pub(crate) struct Day {
    /// Ids that are stored more than once, ascending.
    pub(crate) doubled: Vec<Id>,
    /// The number of surplus copies of these ids.
    pub(crate) surplus: u64,
    /// Events of the journal that should be in a file and are in none.
    pub(crate) not_in_files: Vec<Id>,
}

/// Checks all ids of a day. `files` and `journal` are those of the day. `memory` bounds the ids held at a time, in
/// bytes.
pub(crate) fn look_at_day(files: &[Arc<EventsFile>], journal: &[JournalEvent], memory: usize) -> Result<Day> {
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

/// Returns the part of an id. Parts have about the same size: hashes are spread evenly, while ids are not.
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

/// Returns the rows that the id index of a file should have.
pub(crate) fn rows_of(file: &EventsFile) -> Result<Vec<IdRow>> {
    let (input, footer) = file.open()?;
    let mut rows = Vec::with_capacity(file.entry.rows as usize);
    let reader = input.read(&footer, &EVENTS, &IDENTITY, None, BATCH_ROWS);
    for batch in reader.context("cannot read", file.path())? {
        rows.extend(id_rows(&batch.context("cannot read", file.path())?));
    }
    Ok(rows)
}

/// Returns how many rows of a file have one of `ids`, which must ascend.
pub(crate) fn count(file: &EventsFile, ids: &[Id]) -> Result<u64> {
    let mut count = 0;
    for_each_id(file, |id| count += u64::from(ids.binary_search(&id).is_ok()))?;
    Ok(count)
}
