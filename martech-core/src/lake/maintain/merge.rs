//! The merge of event files of one window of days, and the removal of rows.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use arrow_array::{BooleanArray, RecordBatch, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::{filter::filter_record_batch, take::take_record_batch};

use crate::lake::{
    engine::Engine,
    error::{Context, LakeError, Result},
    files::{
        catalog::EventsEntry,
        events_writer::{EventsWriter, Folders},
        live::EventsFile,
        schema::days_in,
    },
    read::merged::Merged,
    rows::window::{Days, Window, Windows},
};

/// The number of rows written at a time.
const WRITE_ROWS: usize = 4 * 1024;

/// Merged files are kept for a long time, so size counts more than speed.
pub(crate) const ZSTD_LEVEL: i32 = 6;

/// A narrower window gets a file of its own if at least this many rows of a merge belong to it. A question about a few
/// days then reads fewer rows of other days.
pub(crate) const DENSE_ROWS: u64 = 32 * 1024;

/// Writes the rows of several files to one file, and to one for each narrower window that has become dense. Fails with
/// [`LakeError::Closed`] once the lake is closed. After an error, `entries` has the files that were finished.
pub(crate) fn merge_files(
    engine: &Engine,
    files: &[Arc<EventsFile>],
    entries: &mut Vec<EventsEntry>,
    folders: &mut Folders,
) -> Result<()> {
    let before: u64 = files.iter().map(|file| file.entry.rows).sum();
    let made = entries.len();
    let (set, parts) = (&engine.files, Parts::of(files, engine.options.roll_windows)?);
    let mut writers = BTreeMap::<Window, EventsWriter<'_>>::new();
    let mut merged = Merged::open(files)?;
    while let Some(batch) = merged.next_batch(WRITE_ROWS)? {
        if engine.is_closed() {
            return Err(LakeError::Closed);
        }
        for (window, part) in parts.cut(&batch).context("cannot merge", files[0].path())? {
            let writer = match writers.entry(window) {
                Entry::Occupied(writer) => writer.into_mut(),
                Entry::Vacant(none) => {
                    let rows = parts.windows.rows_in(window) as usize;
                    none.insert(EventsWriter::create(set.shared(), set.take_file_id(), rows, ZSTD_LEVEL)?)
                }
            };
            writer.write(&part)?;
        }
    }
    for writer in writers.into_values() {
        entries.push(writer.finish(folders)?);
    }
    if before != entries[made..].iter().map(|entry| entry.rows).sum::<u64>() {
        let message = "the row count of this file, or of one merged with it, differs from the catalog";
        return Err(files[0].damaged(message));
    }
    Ok(())
}

/// The parts of a merge.
struct Parts {
    windows: Windows,
}

impl Parts {
    fn of(files: &[Arc<EventsFile>], most: usize) -> Result<Self> {
        let all = files.iter().map(|file| file.entry.days).reduce(|all, days| all.with(days.first()).with(days.last()));
        let all = all.unwrap_or_else(|| Days::of_day(0));
        let mut days = BTreeMap::<i32, u64>::new();
        for file in files {
            if all.is_one() {
                *days.entry(all.first()).or_default() += file.entry.rows;
            } else {
                file.for_each_day(|day| *days.entry(day).or_default() += 1)?;
            }
        }
        Ok(Self { windows: Windows::dense(most, DENSE_ROWS, Window::of(all), days) })
    }

    /// Cuts a batch into the parts of each window, in order.
    fn cut(&self, batch: &RecordBatch) -> Result<Vec<(Window, RecordBatch)>, ArrowError> {
        if let Some(window) = self.windows.only() {
            return Ok(vec![(window, batch.clone())]);
        }
        let mut rows = BTreeMap::<Window, Vec<u32>>::new();
        for (row, day) in days_in(batch).enumerate() {
            rows.entry(self.windows.window_of(day)).or_default().push(row as u32);
        }
        let part = |(window, rows)| Ok((window, take_record_batch(batch, &UInt32Array::from(rows))?));
        rows.into_iter().map(part).collect()
    }
}

/// Writes the rows of a file for which `keep` returns `true`, given the number of the row and its UTC day. Returns
/// `None` if there are none.
pub(crate) fn rewrite(
    mut writer: EventsWriter<'_>,
    file: &EventsFile,
    keep: impl Fn(usize, i32) -> bool,
    folders: &mut Folders,
) -> Result<Option<EventsEntry>> {
    let (mut first, mut written) = (0, 0);
    file.for_each_batch(WRITE_ROWS, |batch| {
        let kept: BooleanArray = days_in(batch).enumerate().map(|(row, day)| Some(keep(first + row, day))).collect();
        first += batch.num_rows();
        written += kept.true_count();
        if kept.true_count() == 0 {
            return Ok(());
        }
        writer.write(&filter_record_batch(batch, &kept).context("cannot read", file.path())?)
    })?;
    if written == 0 { Ok(None) } else { writer.finish(folders).map(Some) }
}
