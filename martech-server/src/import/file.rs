//! Imports one file into a sink.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use martech_core::{
    event::Event,
    sink::{BatchReceipt, EventSink, Outcome},
};

use super::{
    error::ImportError,
    input::{Reading, Source},
    options::ImportOptions,
    reasons::Reasons,
    records::{Message, Parsed, Records},
    rejects::{Reason, Rejects, RejectsPath},
    state::{Checkpoint, Counts, StateFile},
};

/// Number of chunks on their way to the store.
const IN_FLIGHT: usize = 5;
/// Interval between writes of the state file.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// The import of one file.
pub(crate) struct FileImport {
    source: Source,
    reading: Reading,
    state: Checkpoint,
    state_file: Option<StateFile>,
    saved: Instant,
    rejects: Rejects,
    rejects_path: PathBuf,
    resumed_at: Option<u64>,
    /// The first event, in a dry run.
    first: Option<String>,
}

/// The result of importing one file. After a resumption, the counts include the earlier runs.
#[derive(Debug)]
pub(crate) struct FileOutcome {
    pub(crate) counts: Counts,
    /// Path of the rejects file, if there is one.
    pub(crate) rejects: Option<PathBuf>,
    /// The number of records that an interrupted import had settled, if this import resumed it.
    pub(crate) resumed_at: Option<u64>,
    pub(crate) reasons: Reasons,
    /// The number of rejected records that are not in the rejects file, because its size is limited.
    pub(crate) omitted: u64,
    /// The first event of a dry run, as JSON.
    pub(crate) first: Option<String>,
}

/// Watches the import of a file.
pub(crate) trait Watch {
    /// The file is open, and the options fit it.
    fn opened(&mut self, opened: &Opened<'_>);

    /// The records of another chunk are settled. `omitted` is the number of rejected records that are not in the rejects
    /// file.
    fn settled(&mut self, counts: &Counts, reasons: &Reasons, omitted: u64);
}

/// A file that is open.
pub(crate) struct Opened<'a> {
    /// Length of the file in bytes, if it is a regular file.
    pub(crate) size: Option<u64>,
    pub(crate) reading: &'a Reading,
    /// The number of records that an interrupted import had settled, if this import resumes it.
    pub(crate) resumed_at: Option<u64>,
    /// Columns that are left out, because others are mapped to the same figure.
    pub(crate) left_out: &'a [String],
    pub(crate) counts: &'a Counts,
}

impl FileImport {
    /// Prepares an import, and resumes the interrupted import of the state file if there is one.
    pub(crate) fn prepare(
        source: Source,
        reading: Reading,
        rejects: &RejectsPath,
        state_file: Option<StateFile>,
    ) -> Result<Self, ImportError> {
        let left = state_file.as_ref().and_then(StateFile::load);
        let rejects_path = rejects.path().to_owned();
        let resumed = match left {
            Some(state) => Rejects::resume(rejects.clone(), state.rejects)
                .map_err(ImportError::write(&rejects_path))?
                .map(|rejects| (rejects, state)),
            None => None,
        };
        let (rejects, state, resumed_at) = match resumed {
            Some((rejects, state)) => {
                let record = state.position.records;
                (rejects, state, Some(record))
            }
            None => {
                let rejects = Rejects::begin(rejects.clone()).map_err(ImportError::write(&rejects_path))?;
                (rejects, Checkpoint::default(), None)
            }
        };
        let saved = Instant::now();
        Ok(Self { source, reading, state, state_file, saved, rejects, rejects_path, resumed_at, first: None })
    }

    /// Reads the file to its end. After an error or a cancellation, [`checkpoint`](Self::checkpoint) saves the
    /// progress.
    ///
    /// Opens the file and writes the rejects on the calling thread.
    pub(crate) async fn run(
        &mut self,
        options: &ImportOptions,
        sink: &EventSink<Event>,
        watch: &mut impl Watch,
    ) -> Result<FileOutcome, ImportError> {
        if !self.state.finished {
            self.read(options, sink, watch).await?;
            self.state.finished = true;
            self.checkpoint()?;
        }
        Ok(FileOutcome {
            counts: self.state.counts,
            rejects: self.rejects.path().map(Path::to_owned),
            resumed_at: self.resumed_at,
            reasons: self.state.reasons.clone(),
            omitted: self.rejects.omitted(),
            first: self.first.take(),
        })
    }

    async fn read(
        &mut self,
        options: &ImportOptions,
        sink: &EventSink<Event>,
        watch: &mut impl Watch,
    ) -> Result<(), ImportError> {
        let dir = self.rejects_path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let records = Records::open(&self.source, options, dir, self.state.position, &self.reading)?;
        watch.opened(&Opened {
            size: records.size(),
            reading: &self.reading,
            resumed_at: self.resumed_at,
            left_out: records.left_out(),
            counts: &self.state.counts,
        });
        let mut messages = records.start(options.batch_size);
        let mut in_flight = VecDeque::with_capacity(IN_FLIGHT);
        loop {
            match messages.recv().await.ok_or(ImportError::Stopped)?? {
                Message::End => break,
                Message::Parsed(mut parsed) => {
                    let events = std::mem::take(&mut parsed.events);
                    if options.dry_run && self.first.is_none() {
                        self.first = events.first().and_then(as_json);
                    }
                    let receipt = sink.push_batch(events).await.map_err(|error| error.into_parts().1)?;
                    in_flight.push_back((parsed, receipt));
                }
            }
            if in_flight.len() == IN_FLIGHT {
                self.settle_oldest(&mut in_flight, watch).await?;
                if self.saved.elapsed() >= CHECKPOINT_INTERVAL {
                    self.checkpoint()?;
                }
            }
        }
        while !in_flight.is_empty() {
            self.settle_oldest(&mut in_flight, watch).await?;
        }
        Ok(())
    }

    /// Waits until the events of the oldest chunk are durable, and counts them. If cancelled while it waits, it counts
    /// nothing.
    async fn settle_oldest(
        &mut self,
        in_flight: &mut VecDeque<(Parsed, BatchReceipt)>,
        watch: &mut impl Watch,
    ) -> Result<(), ImportError> {
        let Some((parsed, receipt)) = in_flight.pop_front() else { return Ok(()) };
        let Parsed { chunk, origins, mut rejects, .. } = parsed;
        let outcome = receipt.await;
        let (stored, mut duplicates) = (outcome.stored() as u64, 0);
        for (index, outcome) in outcome.into_exceptions() {
            match outcome? {
                Outcome::Stored => {}
                Outcome::Duplicate => duplicates += 1,
                Outcome::Rejected { code, reason } => {
                    rejects.push((origins[index], Reason::new(code.as_str(), &*reason)));
                }
            }
        }
        // The rejections of the store were appended after those of the parser.
        rejects.sort_by_key(|(index, _)| *index);
        for (index, reason) in &rejects {
            let record = &chunk.records[*index];
            self.state.reasons.note(reason, record.line);
            let raw = &chunk.bytes[record.range.clone()];
            let written = self.rejects.write(record.line, record.number, reason, raw);
            written.map_err(|source| ImportError::Rejects { path: self.rejects_path.clone(), source })?;
        }
        let counts = &mut self.state.counts;
        counts.read += chunk.records.len() as u64;
        counts.stored += stored;
        counts.duplicates += duplicates;
        counts.rejected += rejects.len() as u64;
        self.state.position = chunk.end;
        watch.settled(&self.state.counts, &self.state.reasons, self.rejects.omitted());
        Ok(())
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.state.counts
    }

    /// Makes the progress durable.
    pub(crate) fn checkpoint(&mut self) -> Result<(), ImportError> {
        self.state.rejects = self.rejects.sync().map_err(ImportError::write(&self.rejects_path))?;
        if let Some(file) = &self.state_file {
            file.save(&self.state).map_err(ImportError::write(file.path()))?;
        }
        self.saved = Instant::now();
        Ok(())
    }

    /// Removes the state file. Call this when no later import needs to know that this file is finished.
    pub(crate) fn remove_state_file(&self) -> Result<(), ImportError> {
        match &self.state_file {
            Some(file) => file.remove().map_err(ImportError::write(file.path())),
            None => Ok(()),
        }
    }
}

/// A thread may still read the file.
impl Drop for FileImport {
    fn drop(&mut self) {
        self.reading.stop();
    }
}

fn as_json(event: &Event) -> Option<String> {
    let mut line = Vec::new();
    event.write_ndjson(&mut line).ok()?;
    String::from_utf8(line).ok().map(|line| line.trim_end().to_owned())
}
