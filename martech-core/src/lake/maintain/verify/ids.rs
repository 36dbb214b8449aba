//! Finds events that are stored more than once, by id and day, with bounded memory.
//!
//! The days are cut into ranges whose ids fit into memory. If the ids of one day do not, they are read in as many
//! passes as needed: each pass looks at the ids whose hash lies in one part of the range of hashes.

use std::sync::Arc;

use arrow_array::{cast::AsArray, types::TimestampMillisecondType};
use xxhash_rust::xxh3::xxh3_64;

use super::journal::JournalEvent;
use crate::{
    event::{EventId, EventKey},
    lake::{
        error::Result,
        files::{
            catalog::EventsEntry,
            ids::IdRow,
            live::EventsFile,
            schema::{IDENTITY, column, id_rows},
        },
        rows::{row::day_of, window::Days},
    },
};

const BATCH_ROWS: usize = 64 * 1024;

/// The result for the ids of some days.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// Events that are stored more than once, ascending.
    pub(crate) doubled: Vec<EventKey>,
    /// The number of surplus copies of these events.
    pub(crate) surplus: u64,
    /// Events of the journal that should be in a file and are in none.
    pub(crate) not_in_files: Vec<EventKey>,
}

/// Cuts the calendar into ranges of days, with about as many rows in each as have their ids in `memory` bytes.
pub(crate) fn ranges(files: &[Arc<EventsFile>], memory: usize) -> Vec<Days> {
    let most = (memory / size_of::<EventKey>()) as u64;
    let mut files: Vec<_> = files.iter().map(|file| file.entry).collect();
    files.sort_unstable_by_key(|entry| entry.days.first());
    let (mut ranges, mut first, mut rows) = (Vec::new(), i32::MIN, 0);
    for EventsEntry { days, rows: of_file, .. } in files {
        if rows > 0 && rows + of_file > most && first < days.first() {
            ranges.push(Days::of_day(first).with(days.first() - 1));
            (first, rows) = (days.first(), 0);
        }
        rows += of_file;
    }
    ranges.push(Days::of_day(first).with(i32::MAX));
    ranges
}

/// Checks all ids of a range of days. `files` are all files with one of these days, and `journal` are the events of
/// these days. `memory` bounds the ids held at a time, in bytes.
pub(crate) fn look_at(
    days: Days,
    files: &[Arc<EventsFile>],
    journal: &[JournalEvent],
    memory: usize,
) -> Result<Looked> {
    let rows: u64 = files.iter().map(|file| file.entry.rows).sum();
    let parts = (rows * size_of::<EventKey>() as u64).div_ceil(memory.max(1) as u64).max(1);
    let mut looked = Looked::default();
    let mut keys: Vec<EventKey> = Vec::new();
    for part in 0..parts {
        let is_of_part = |key: &EventKey| days.holds(key.day) && part_of(key.id.as_bytes(), parts) == part;
        keys.clear();
        for file in files {
            for_each_key(file, |key| keys.extend(Some(key).filter(is_of_part)))?;
        }
        keys.sort_unstable();
        let events: Vec<_> = journal.iter().filter(|event| is_of_part(&event.key)).collect();
        let gone = |event: &&&JournalEvent| !event.hot && keys.binary_search(&event.key).is_err();
        looked.not_in_files.extend(events.iter().filter(gone).map(|event| event.key));
        keys.extend(events.iter().filter(|event| event.hot).map(|event| event.key));
        keys.sort_unstable();
        for same in keys.chunk_by(|left, right| left == right).filter(|same| same.len() > 1) {
            looked.doubled.push(same[0]);
            looked.surplus += same.len() as u64 - 1;
        }
    }
    looked.doubled.sort_unstable();
    Ok(looked)
}

/// Returns the part of an id. Parts have about the same size: hashes are spread evenly, while ids are not.
fn part_of(id: &[u8; 16], parts: u64) -> u64 {
    ((u128::from(xxh3_64(id)) * u128::from(parts)) >> 64) as u64
}

/// Calls `each` with the key of every row of a file.
fn for_each_key(file: &EventsFile, mut each: impl FnMut(EventKey)) -> Result<()> {
    file.for_each_part(&[column::EVENT_ID, column::OCCURRED_AT], None, BATCH_ROWS, |batch| {
        let times = batch.column(1).as_primitive::<TimestampMillisecondType>();
        for (id, time) in batch.column(0).as_fixed_size_binary().iter().flatten().zip(times.values()) {
            let id = EventId::from_bytes(id.try_into().expect("an id has 16 bytes"));
            each(EventKey { id, day: day_of(*time) });
        }
        Ok(())
    })
}

/// Returns the rows that the id index of a file should have.
pub(crate) fn rows_of(file: &EventsFile) -> Result<Vec<IdRow>> {
    let mut rows = Vec::with_capacity(file.entry.rows as usize);
    file.for_each_part(&IDENTITY, None, BATCH_ROWS, |batch| {
        rows.extend(id_rows(batch));
        Ok(())
    })?;
    Ok(rows)
}

/// Returns how many rows of a file have one of `keys`, which must ascend.
pub(crate) fn count(file: &EventsFile, keys: &[EventKey]) -> Result<u64> {
    let mut count = 0;
    for_each_key(file, |key| count += u64::from(keys.binary_search(&key).is_ok()))?;
    Ok(count)
}
