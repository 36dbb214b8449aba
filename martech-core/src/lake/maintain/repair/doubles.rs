//! Events that are stored more than once.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use xxhash_rust::xxh3::xxh3_128;

use super::{Builder, Conflict};
use crate::{
    event::EventKey,
    lake::{
        error::Result,
        files::{catalog::EventsEntry, events_writer::EventsWriter, layout::date, live::EventsFile, schema::row_at},
        maintain::{
            merge::{ZSTD_LEVEL, rewrite},
            verify::{Phase, Progress, look_at, ranges},
        },
        rows::row::{Row, key_of},
    },
};

const BATCH_ROWS: usize = 4 * 1024;

/// The copies of one event.
#[derive(Debug, Default)]
struct Copies {
    /// The hash of the content of the copy found last.
    content: u128,
    differ: bool,
    locations: Vec<CopyLocation>,
}

/// The location of a copy. The least one is kept: the copy that was received first and, if times of receipt are equal,
/// the copy in the largest file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CopyLocation {
    received_at: i64,
    file_rows: Reverse<u64>,
    file: usize,
    row: usize,
}

impl Builder<'_> {
    /// Returns the files without duplicates. Files with dropped rows are rewritten without them.
    pub(crate) fn without_doubles(
        &mut self,
        entries: Vec<EventsEntry>,
        memory: usize,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<EventsEntry>> {
        let files: Vec<_> = entries.iter().map(|entry| EventsFile::events(*entry, &self.shared)).collect();
        let keys = doubled(&files, memory, progress)?;
        if keys.is_empty() {
            return Ok(entries);
        }
        let days: BTreeSet<i32> = keys.iter().map(|key| key.day).collect();
        let mut copies: Vec<Copies> = keys.iter().map(|_| Copies::default()).collect();
        for (number, file) in files.iter().enumerate() {
            if days.range(file.entry.days.first()..=file.entry.days.last()).next().is_some() {
                find_copies(file, number, &keys, &mut copies)?;
            }
        }
        let mut dropped: Vec<Vec<usize>> = vec![Vec::new(); files.len()];
        for (key, copies) in keys.iter().zip(&copies) {
            let kept = copies.locations.iter().min().filter(|_| !copies.differ);
            for location in copies.locations.iter().filter(|location| Some(*location) != kept) {
                dropped[location.file].push(location.row);
            }
            if copies.differ {
                let day = date(key.day).to_string();
                let id = key.id.to_string();
                self.losses.conflicts.push(Conflict { id, day, copies: copies.locations.len() as u64 });
            } else {
                self.losses.copies += copies.locations.len() as u64 - 1;
            }
        }
        let mut kept = Vec::new();
        for (file, mut dropped) in files.iter().zip(dropped) {
            dropped.sort_unstable();
            if dropped.is_empty() {
                kept.push(file.entry);
            } else if (dropped.len() as u64) < file.entry.rows {
                kept.extend(self.without_rows(file, &dropped)?);
            }
        }
        Ok(kept)
    }

    /// Writes the rows of a file, except those at `dropped` (ascending), to a new file.
    pub(crate) fn without_rows(&mut self, file: &EventsFile, dropped: &[usize]) -> Result<Option<EventsEntry>> {
        let rows = file.entry.rows as usize - dropped.len();
        let shared = self.shared.clone();
        let writer = EventsWriter::create(&shared, self.take_id(), rows, ZSTD_LEVEL)?;
        rewrite(writer, file, |row, _| dropped.binary_search(&row).is_err(), &mut self.folders)
    }
}

/// Returns the events that are in the files more than once, ascending.
fn doubled(files: &[Arc<EventsFile>], memory: usize, progress: &mut dyn FnMut(Progress)) -> Result<Vec<EventKey>> {
    let total = files.iter().map(|file| file.entry.rows).sum();
    let (mut keys, mut done) = (Vec::new(), 0);
    for days in ranges(files, memory) {
        progress(Progress { phase: Phase::Ids, done, total });
        let ending = files.iter().filter(|file| days.holds(file.entry.days.last()));
        done += ending.map(|file| file.entry.rows).sum::<u64>();
        let files: Vec<_> = files.iter().filter(|file| file.entry.days.overlaps(days)).cloned().collect();
        keys.extend(look_at(days, &files, &[], memory)?.doubled);
    }
    keys.sort_unstable();
    Ok(keys)
}

fn find_copies(file: &EventsFile, number: usize, keys: &[EventKey], copies: &mut [Copies]) -> Result<()> {
    let mut first = 0;
    file.for_each_batch(BATCH_ROWS, |batch| {
        for index in 0..batch.num_rows() {
            let row = row_at(batch, index);
            if let Ok(found) = keys.binary_search(&key_of(&row)) {
                let (copies, content) = (&mut copies[found], content_of(&row));
                copies.differ |= !copies.locations.is_empty() && copies.content != content;
                copies.content = content;
                copies.locations.push(CopyLocation {
                    received_at: row.received_at,
                    file_rows: Reverse(file.entry.rows),
                    file: number,
                    row: first + index,
                });
            }
        }
        first += batch.num_rows();
        Ok(())
    })
}

/// Hashes what the sender stated: all fields except the time of receipt.
fn content_of(row: &Row<'_>) -> u128 {
    xxh3_128(&Row { received_at: 0, ..*row }.encode(Vec::new()))
}
