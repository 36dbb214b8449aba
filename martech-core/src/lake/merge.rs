//! A streaming merge of the files of one day in sort order. Memory holds one batch of each file. Compaction writes the
//! rows to one file; an export reads them as events.

use std::{cmp::Reverse, collections::BinaryHeap, path::PathBuf, sync::Arc};

use arrow_array::{
    FixedSizeBinaryArray, RecordBatch, StringArray, TimestampMillisecondArray, cast::AsArray,
    types::TimestampMillisecondType,
};
use arrow_select::interleave::interleave_record_batch;

use super::{
    catalog::EventsEntry,
    error::{Context, LakeError, Result},
    files::EventsFile,
    inner::Inner,
    parquet_file::Batches,
    schema::{EVENTS, column},
    writing::{EventsWriter, Folders},
};

/// The number of rows read from a file at a time.
const READ_ROWS: usize = 2 * 1024;
/// The number of rows written at a time.
const WRITE_ROWS: usize = 4 * 1024;

/// Merged files are kept for a long time, so size counts more than speed.
const ZSTD_LEVEL: i32 = 6;

/// Writes one file with the rows of several files of the same day.
pub(super) fn merge_files(inner: &Inner, files: &[Arc<EventsFile>], folders: &mut Folders) -> Result<EventsEntry> {
    let rows = files.iter().map(|file| file.entry.rows as usize).sum();
    let (id, day) = (inner.take_file_id(), files[0].entry.day);
    let mut writer = EventsWriter::create(&inner.shared.layout, id, day, rows, ZSTD_LEVEL)?;
    let Merged { mut sources, mut heap } = Merged::open(files)?;
    // The batches of the pending rows, the position in `batches` of each source's current batch, and the pending rows
    // in order.
    let mut batches: Vec<RecordBatch> = sources.iter().filter_map(|source| source.batch.clone()).collect();
    let mut at: Vec<usize> = (0..sources.len()).collect();
    let mut rows = Vec::with_capacity(WRITE_ROWS);
    while let Some(Reverse((_, number))) = heap.pop() {
        let source = &mut sources[number];
        rows.push((at[number], source.index));
        if source.advance()?
            && let Some(batch) = &source.batch
        {
            at[number] = batches.len();
            batches.push(batch.clone());
        }
        if let Some(head) = source.head() {
            heap.push(Reverse((head, number)));
        }
        if rows.len() == WRITE_ROWS {
            if inner.state().closed {
                return Err(LakeError::Closed);
            }
            write(&mut writer, &batches, &rows, &files[0])?;
            rows.clear();
            batches.clear();
            for (number, source) in sources.iter().enumerate() {
                at[number] = batches.len();
                batches.extend(source.batch.clone());
            }
        }
    }
    if !rows.is_empty() {
        write(&mut writer, &batches, &rows, &files[0])?;
    }
    let merged = writer.finish(folders)?;
    if merged.rows != files.iter().map(|file| file.entry.rows).sum::<u64>() {
        inner.discard(&[merged], &[]);
        return Err(LakeError::Damaged {
            path: files[0].path().clone(),
            message: "the row count of this file, or of one merged with it, differs from the catalog".to_owned(),
        });
    }
    Ok(merged)
}

fn write(
    writer: &mut EventsWriter<'_>,
    batches: &[RecordBatch],
    rows: &[(usize, usize)],
    file: &EventsFile,
) -> Result<()> {
    let batches: Vec<_> = batches.iter().collect();
    writer.write(&interleave_record_batch(&batches, rows).context("cannot merge", file.path())?)
}

/// Reads the rows of several files of one day in sort order.
pub(super) struct Merged {
    sources: Vec<Source>,
    heap: BinaryHeap<Reverse<(Head, usize)>>,
}

impl Merged {
    pub(super) fn open(files: &[Arc<EventsFile>]) -> Result<Self> {
        let sources = files.iter().map(|file| Source::open(file)).collect::<Result<Vec<_>>>()?;
        let heads = sources.iter().enumerate();
        let heap = heads.filter_map(|(number, source)| Some(Reverse((source.head()?, number)))).collect();
        Ok(Self { sources, heap })
    }

    /// Returns what `read` makes of the next row. Returns `None` after the last row.
    pub(super) fn next<T>(&mut self, read: impl FnOnce(&RecordBatch, usize) -> T) -> Result<Option<T>> {
        let Some(Reverse((_, number))) = self.heap.pop() else { return Ok(None) };
        let source = &mut self.sources[number];
        let made = source.batch.as_ref().map(|batch| read(batch, source.index));
        source.advance()?;
        self.heap.extend(source.head().map(|head| Reverse((head, number))));
        Ok(made)
    }
}

/// The sort keys of the rows of a batch.
#[derive(Debug)]
struct Keys {
    users: StringArray,
    times: TimestampMillisecondArray,
    ids: FixedSizeBinaryArray,
}

impl Keys {
    fn of(batch: &RecordBatch) -> Self {
        Self {
            users: batch.column(column::USER_ID).as_string::<i32>().clone(),
            times: batch.column(column::OCCURRED_AT).as_primitive::<TimestampMillisecondType>().clone(),
            ids: batch.column(column::EVENT_ID).as_fixed_size_binary().clone(),
        }
    }
}

/// The next row of a file. Rows are ordered by user, time and id.
#[derive(Debug, Clone)]
struct Head {
    keys: Arc<Keys>,
    row: usize,
}

impl Head {
    fn key(&self) -> (&str, i64, &[u8]) {
        (self.keys.users.value(self.row), self.keys.times.value(self.row), self.keys.ids.value(self.row))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

struct Source {
    reader: Batches,
    path: PathBuf,
    /// `None` at the end of the file.
    batch: Option<RecordBatch>,
    keys: Option<Arc<Keys>>,
    index: usize,
}

impl Source {
    fn open(file: &EventsFile) -> Result<Self> {
        let (input, footer) = file.open()?;
        let columns: Vec<usize> = (0..EVENTS.fields().len()).collect();
        let reader = input.read(&footer, &EVENTS, &columns, None, READ_ROWS).context("cannot read", file.path())?;
        let mut source = Self { reader, path: file.path().clone(), batch: None, keys: None, index: 0 };
        source.next_batch()?;
        Ok(source)
    }

    fn head(&self) -> Option<Head> {
        self.keys.as_ref().map(|keys| Head { keys: keys.clone(), row: self.index })
    }

    /// Moves to the next row. Returns whether a new batch began or the file ended.
    fn advance(&mut self) -> Result<bool> {
        self.index += 1;
        if self.batch.as_ref().is_some_and(|batch| self.index < batch.num_rows()) {
            return Ok(false);
        }
        self.next_batch()?;
        Ok(true)
    }

    fn next_batch(&mut self) -> Result<()> {
        self.index = 0;
        self.batch = self.reader.next().transpose().context("cannot read", &self.path)?;
        self.keys = self.batch.as_ref().map(|batch| Arc::new(Keys::of(batch)));
        Ok(())
    }
}
