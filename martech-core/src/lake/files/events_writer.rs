//! Writing an event file: temporary name, content, fsync, id index, final name.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use arrow_array::RecordBatch;
use parquet::file::metadata::ParquetMetaData;

use super::{
    catalog::EventsEntry,
    facts::FactsBuilder,
    ids::{self, IdPage, IdRow, MAX_ROWS},
    layout::Layout,
    live::Shared,
    parquet_file::Output,
    schema::{BatchBuilder, EVENTS, column, days_in, id_rows, writing},
    surrogates,
};
use crate::lake::{
    error::{Context, LakeError, Result},
    rows::{sorted::Sorted, window::Days},
};

/// The number of rows converted to columns at a time.
const BATCH_ROWS: usize = 8 * 1024;

/// Files of a roll are merged soon, so speed counts more than size.
const FAST_ZSTD_LEVEL: i32 = 1;

/// A file under a temporary name. Drop removes it unless it was renamed to its final name.
pub(crate) struct Temporary<'a> {
    layout: &'a Layout,
    path: PathBuf,
}

impl<'a> Temporary<'a> {
    /// Chooses a temporary name next to the final one, and removes an older file of that name.
    pub(crate) fn beside(layout: &'a Layout, path: &Path) -> Result<Self> {
        let path = path.with_extension("tmp");
        layout.remove(&path)?;
        Ok(Self { layout, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the file to its final name.
    pub(crate) fn rename(self, path: &Path) -> Result<()> {
        self.layout.fs.rename(&self.path, path).context("cannot rename", &self.path)
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // After the rename there is nothing to remove. If the removal fails, the next start removes the file.
        let _ = self.layout.remove(&self.path);
    }
}

/// An event file that is being written.
pub(crate) struct EventsWriter<'a> {
    shared: &'a Shared,
    id: u64,
    /// `None` before the first row.
    days: Option<Days>,
    temporary: Temporary<'a>,
    output: Output,
    ids: Vec<IdRow>,
    facts: FactsBuilder,
}

impl<'a> EventsWriter<'a> {
    /// Begins file `id` for about `rows` events, compressed by zstd at `level`.
    pub(crate) fn create(shared: &'a Shared, id: u64, rows: usize, level: i32) -> Result<Self> {
        let layout = &shared.layout;
        let temporary = Temporary::beside(layout, &layout.events_file(id))?;
        let output = Output::create(&*layout.fs, temporary.path(), &EVENTS, writing(rows, level))?;
        let facts = FactsBuilder::new(shared.facts.seed(), rows);
        Ok(Self { shared, id, days: None, temporary, output, ids: Vec::with_capacity(rows), facts })
    }

    /// Writes rows, sorted by user, time and id, that come after all rows written before.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.write_unchanged(&surrogates::replace(batch))
    }

    /// Writes rows without replacing lone surrogates, as older programs did.
    pub(crate) fn write_unchanged(&mut self, batch: &RecordBatch) -> Result<()> {
        self.ids.extend(id_rows(batch));
        self.facts.push(batch);
        for day in days_in(batch) {
            self.days = Some(self.days.map_or(Days::of_day(day), |days| days.with(day)));
        }
        self.output.write(batch).context("cannot write", self.temporary.path())
    }

    /// Makes the content durable under its final name. The name itself is durable after [`Folders::sync`].
    pub(crate) fn finish(self, folders: &mut Folders) -> Result<EventsEntry> {
        let Self { shared, id, days, temporary, output, ids, facts } = self;
        let layout = &shared.layout;
        let days = days.ok_or_else(|| LakeError::Task("an event file needs at least one event".to_owned()))?;
        let (footer, tail, bytes) = output.finish().context("cannot write", temporary.path())?;
        let pages = id_pages(&footer).ok_or_else(|| LakeError::Damaged {
            path: temporary.path().into(),
            message: "the ids are not stored in plain encoding".to_owned(),
        })?;
        let index = Temporary::beside(layout, &layout.ids_file(id))?;
        let index_bytes = ids::write(&*layout.fs, index.path(), &ids, &pages)?;
        index.rename(&layout.ids_file(id))?;
        temporary.rename(&layout.events_file(id))?;
        if let Err(error) = shared.facts.write(id, &facts.finish(tail)) {
            tracing::warn!(%error, "cannot write facts; the first question makes them");
        }
        folders.0.extend([layout.events(), layout.ids()]);
        Ok(EventsEntry { id, days, rows: ids.len() as u64, bytes: bytes + index_bytes, tail })
    }
}

/// Folders with new names that are not durable yet.
#[derive(Debug, Default)]
pub(crate) struct Folders(pub(crate) BTreeSet<PathBuf>);

impl Folders {
    /// Makes the new names durable.
    pub(crate) fn sync(self, layout: &Layout) -> Result<()> {
        for dir in self.0 {
            layout.fs.sync_dir(&dir).context("cannot sync the folder", dir)?;
        }
        Ok(())
    }
}

/// Returns the positions of the ids. The values of a plain, uncompressed page without nulls are its last bytes.
pub(crate) fn id_pages(footer: &ParquetMetaData) -> Option<Vec<IdPage>> {
    let rows = footer.file_metadata().num_rows();
    let locations = footer.page_index()?.offset_index(0, column::EVENT_ID)?.page_locations();
    let ends = locations.iter().skip(1).map(|next| next.first_row_index).chain([rows]);
    let pages = locations.iter().zip(ends).map(|(page, end)| {
        let end_of_page = page.offset as u64 + page.compressed_page_size as u64;
        IdPage {
            first_row: page.first_row_index as u32,
            position: end_of_page - (end - page.first_row_index) as u64 * 16,
        }
    });
    Some(pages.collect())
}

/// Writes the rows of at most `windows` windows, each to one or more files. `wrote` is called now and then with the
/// number of rows written so far. After an error, `entries` has the files that were finished.
pub(crate) fn write_sorted(
    shared: &Shared,
    sorted: &Sorted<'_>,
    windows: usize,
    mut take_id: impl FnMut() -> u64,
    entries: &mut Vec<EventsEntry>,
    folders: &mut Folders,
    wrote: impl Fn(usize),
) -> Result<()> {
    let mut builder = BatchBuilder::new();
    let mut rows = 0;
    for positions in sorted.windows(windows) {
        for positions in positions.chunks(MAX_ROWS) {
            let mut writer = EventsWriter::create(shared, take_id(), positions.len(), FAST_ZSTD_LEVEL)?;
            for positions in positions.chunks(BATCH_ROWS) {
                positions.iter().for_each(|&position| builder.push(&sorted.row(position as usize)));
                let batch = builder.finish().context("cannot write", shared.layout.events())?;
                writer.write(&batch)?;
                rows += positions.len();
                wrote(rows);
            }
            entries.push(writer.finish(folders)?);
        }
    }
    Ok(())
}
