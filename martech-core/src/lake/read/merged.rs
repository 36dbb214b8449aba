//! A streaming merge of event files, in sort order. Memory holds one batch of each file.

use std::{cmp::Reverse, collections::BinaryHeap, path::PathBuf, sync::Arc};

use arrow_array::{
    FixedSizeBinaryArray, RecordBatch, StringArray, TimestampMillisecondArray, cast::AsArray,
    types::TimestampMillisecondType,
};
use arrow_select::interleave::interleave_record_batch;

use crate::lake::{
    error::{Context, Result},
    files::{
        live::EventsFile,
        parquet_file::Batches,
        schema::{EVENTS, all_columns, column},
    },
};

/// The number of rows read from a file at a time.
const READ_ROWS: usize = 2 * 1024;

/// Reads the rows of several files in sort order.
pub(crate) struct Merged {
    sources: Vec<Source>,
    heap: BinaryHeap<Reverse<(Head, usize)>>,
}

impl Merged {
    pub(crate) fn open(files: &[Arc<EventsFile>]) -> Result<Self> {
        let sources = files.iter().map(|file| Source::open(file)).collect::<Result<Vec<_>>>()?;
        let heads = sources.iter().enumerate();
        let heap = heads.filter_map(|(number, source)| Some(Reverse((source.head()?, number)))).collect();
        Ok(Self { sources, heap })
    }

    /// Returns the next rows as one batch of at most `most` rows. Returns `None` after the last row.
    pub(crate) fn next_batch(&mut self, most: usize) -> Result<Option<RecordBatch>> {
        // The batches that hold the rows, and the position among them of each source's current batch.
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut current = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            current.push(batches.len());
            batches.extend(source.batch.clone());
        }
        let mut rows = Vec::with_capacity(most);
        while rows.len() < most
            && let Some(Reverse((_, number))) = self.heap.pop()
        {
            let source = &mut self.sources[number];
            rows.push((current[number], source.index));
            if source.advance()?
                && let Some(batch) = &source.batch
            {
                current[number] = batches.len();
                batches.push(batch.clone());
            }
            self.heap.extend(source.head().map(|head| Reverse((head, number))));
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let batches: Vec<_> = batches.iter().collect();
        interleave_record_batch(&batches, &rows).context("cannot merge", &self.sources[0].path).map(Some)
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
        let reader =
            input.read(&footer, &EVENTS, &all_columns(), None, READ_ROWS).context("cannot read", file.path())?;
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
