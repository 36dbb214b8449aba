//! Export of all events of a lake.

use std::{collections::VecDeque, fmt, sync::Arc};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    lake::{
        blocking::blocking,
        error::{Context, LakeError, Result},
        files::{
            live::EventsFile,
            parquet_file::Batches,
            schema::{self, EVENTS, all_columns},
        },
        snapshot::Snapshot,
    },
};

const BATCH_ROWS: usize = 1024;

/// A stream of the events of a lake, file by file. [`Lake::export`](crate::lake::Lake::export) creates it.
///
/// ```
/// # use martech_core::{Event, EventRules, EventType, Lake, LakeOptions, Store};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?; let dir = dir.path();
/// # let lake = Lake::open(LakeOptions::new(dir)).await?;
/// # let event = Event::builder("u1", EventType::PURCHASE).property("total", "12.50").build(&EventRules::default())?;
/// # lake.append(&[event.clone()]).await?;
/// let mut export = lake.export(None).await?;
/// let events = export.next(1000).await?; // empty at the end
/// # assert_eq!(events[0].id, event.id);
/// let behind = lake.export(export.cursor()).await?.next(1000).await?;
/// assert!(behind.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct Export {
    position: Option<Position>,
    cursor: Option<ExportCursor>,
    /// The cursor stays before this one: files with smaller numbers may be published later from here on.
    settled: ExportCursor,
}

struct Position {
    files: VecDeque<Arc<EventsFile>>,
    /// The file that is being read.
    reading: Option<Reading>,
    cursor: Option<ExportCursor>,
}

struct Reading {
    file: Arc<EventsFile>,
    batches: Batches,
    batch: Option<RecordBatch>,
    /// The number of rows before the batch.
    before: u64,
    /// The number of rows of the batch that have been exported.
    row: usize,
}

/// The position behind an event in an export: a file, and the number of its rows that were exported.
///
/// A merge of files gives their events a later position, and files that were new when the export began may come again.
/// So an export that continues after it returns some events again. None is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportCursor {
    file: u64,
    rows: u64,
}

impl Export {
    /// Exports a snapshot. When it was taken, all files with new events and a number below `settled` were live.
    pub(crate) fn new(snapshot: Snapshot, settled: u64, after: Option<ExportCursor>) -> Self {
        let is_left = |file: &&Arc<EventsFile>| {
            after.is_none_or(|ExportCursor { file: id, rows }| {
                file.id() > id || (file.id() == id && rows < file.entry.rows)
            })
        };
        let mut files: Vec<_> = snapshot.version.events().filter(is_left).cloned().collect();
        files.sort_by_key(|file| file.id());
        Self {
            position: Some(Position { files: files.into(), reading: None, cursor: after }),
            cursor: after,
            settled: ExportCursor { file: settled, rows: 0 },
        }
    }

    /// Returns the position behind the last returned event. Returns `None` if none was returned yet.
    pub fn cursor(&self) -> Option<ExportCursor> {
        self.cursor
    }

    /// Returns the next events: `limit` of them, or fewer at the end. Returns an empty list once the export is
    /// complete.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read. After an error, and after a cancelled call, every call returns
    /// [`LakeError::Closed`].
    pub async fn next(&mut self, limit: usize) -> Result<Vec<Event>> {
        let mut position = self.position.take().ok_or(LakeError::Closed)?;
        let (position, events) = blocking(move || {
            let events = position.take(limit)?;
            Ok((position, events))
        })
        .await?;
        self.cursor = position.cursor.map(|cursor| cursor.min(self.settled));
        self.position = Some(position);
        Ok(events)
    }
}

impl Position {
    fn take(&mut self, limit: usize) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        while events.len() < limit {
            let Some(reading) = &mut self.reading else {
                let Some(file) = self.files.pop_front() else { break };
                let exported = self.cursor.filter(|cursor| cursor.file == file.id()).map_or(0, |cursor| cursor.rows);
                self.reading = Some(Reading::open(file, exported)?);
                continue;
            };
            if reading.take(limit, &mut events)? {
                self.cursor = Some(reading.cursor());
            } else {
                self.reading = None;
            }
        }
        Ok(events)
    }
}

impl Reading {
    fn open(file: Arc<EventsFile>, exported: u64) -> Result<Self> {
        let (input, footer) = file.open()?;
        let (exported, rows) = (exported as usize, file.entry.rows as usize);
        let rest = RowSelection::from(vec![RowSelector::skip(exported), RowSelector::select(rows - exported)]);
        let batches = input.read(&footer, &EVENTS, &all_columns(), Some(rest), BATCH_ROWS);
        let batches = batches.context("cannot read", file.path())?;
        Ok(Self { file, batches, batch: None, before: exported as u64, row: 0 })
    }

    fn cursor(&self) -> ExportCursor {
        ExportCursor { file: self.file.id(), rows: self.before + self.row as u64 }
    }

    /// Appends events of one batch, until there are `limit`. Returns `false` at the end of the file.
    fn take(&mut self, limit: usize, events: &mut Vec<Event>) -> Result<bool> {
        if self.batch.as_ref().is_none_or(|batch| self.row == batch.num_rows()) {
            self.before += self.row as u64;
            self.row = 0;
            self.batch = self.batches.next().transpose().context("cannot read", self.file.path())?;
        }
        let Some(batch) = &self.batch else { return Ok(false) };
        let end = batch.num_rows().min(self.row.saturating_add(limit - events.len()));
        for row in self.row..end {
            let event = schema::row_at(batch, row).to_event();
            events.push(event.map_err(|bad| self.file.damaged(format!("row {}: {bad}", self.before + row as u64)))?);
        }
        self.row = end;
        Ok(true)
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Export").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use crate::{
        event::{Event, EventRules, EventType},
        lake::{Lake, LakeOptions},
        store::Store,
        testing::SimFs,
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn continued_export_has_files_of_a_roll_that_was_in_progress() {
        let disk = SimFs::new();
        let open = || Lake::open(LakeOptions::new("/data").fs(Arc::new(disk.clone())).auto_compaction(false));
        let lake = open().await.unwrap();
        let event = || Event::builder("u1", EventType::PAGE_VIEW).build(&EventRules::default()).unwrap();
        for _ in 0..2 {
            lake.append(&[event()]).await.unwrap();
            lake.roll().await.unwrap();
        }
        // A roll takes the number of its file. Before it publishes the file, a compaction publishes one.
        let files = &lake.workers.engine().files;
        files.begin_roll();
        let rolling = files.take_file_id();
        lake.compact().await.unwrap();
        let mut export = lake.export(None).await.unwrap();
        assert_eq!(export.next(usize::MAX).await.unwrap().len(), 2);
        let cursor = export.cursor().unwrap();
        assert!(cursor.file <= rolling, "{cursor:?}");
        files.end_roll();
        let late = event();
        lake.append(std::slice::from_ref(&late)).await.unwrap();
        lake.roll().await.unwrap();
        let mut export = lake.export(Some(cursor)).await.unwrap();
        let ids: HashSet<_> = export.next(10).await.unwrap().iter().map(|event| event.id).collect();
        assert!(ids.contains(&late.id));
    }
}
