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
    args::ImportArgs,
    error::ImportError,
    input::Source,
    records::{Message, Parsed, Records},
    rejects::{Reason, Rejects, RejectsPath},
    report::{Complaint, FileReport, Progress, Words},
    state::{Checkpoint, StateFile},
};

/// Number of chunks on their way to the store.
const IN_FLIGHT: usize = 5;
/// Interval between writes of the state file.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// The import of one file.
pub(crate) struct FileImport {
    name: String,
    state: Checkpoint,
    state_file: Option<StateFile>,
    saved: Instant,
    rejects: Rejects,
    rejects_path: PathBuf,
    resumed_at: Option<u64>,
    /// The first event, in a dry run.
    first: Option<String>,
}

impl FileImport {
    /// Prepares an import, and resumes an interrupted import of this file if there is one.
    pub(crate) fn prepare(source: &Source, rejects: &RejectsPath, args: &ImportArgs) -> Result<Self, ImportError> {
        let name = source.name();
        let state_file = match source {
            Source::Path(path) if path.is_file() && !args.dry_run => {
                Some(StateFile::new(path, rejects.path(), args).map_err(ImportError::read(name.clone()))?)
            }
            _ => None,
        };
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
        Ok(Self { name, state, state_file, saved: Instant::now(), rejects, rejects_path, resumed_at, first: None })
    }

    /// Reads the file to its end. After an error or a cancellation, [`checkpoint`](Self::checkpoint) saves the
    /// progress.
    pub(crate) async fn run(
        &mut self,
        source: &Source,
        args: &ImportArgs,
        sink: &EventSink<Event>,
    ) -> Result<FileReport, ImportError> {
        let started = Instant::now();
        if !self.state.finished {
            self.read(source, args, sink).await?;
            self.state.finished = true;
            self.checkpoint()?;
        }
        Ok(FileReport {
            name: self.name.clone(),
            counts: self.state.counts,
            elapsed: started.elapsed(),
            rejects: self.rejects.path().map(Path::to_owned),
            resumed_at: self.resumed_at,
            complaint: Complaint::of(&self.state.counts, args.max_rejects),
            reasons: self.state.reasons.commonest(),
            first: self.first.take(),
            dry_run: args.dry_run,
        })
    }

    async fn read(&mut self, source: &Source, args: &ImportArgs, sink: &EventSink<Event>) -> Result<(), ImportError> {
        let dir = self.rejects_path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let records = Records::open(source, args, dir, self.state.position)?;
        if let Some(record) = self.resumed_at {
            eprintln!("{}: resuming after record {record}", self.name);
        }
        for column in records.left_out() {
            eprintln!(
                "{}: ignoring column {column}, because another mapping sets the same figure; \
                 to keep it, use --map properties.NAME={column}",
                self.name
            );
        }
        let progress = Progress::new(&self.name, records.input(), self.state.counts);
        let mut messages = records.start(args.batch_size.into());
        let mut in_flight = VecDeque::with_capacity(IN_FLIGHT);
        loop {
            match messages.recv().await.ok_or(ImportError::Stopped)?? {
                Message::End => break,
                Message::Parsed(mut parsed) => {
                    let events = std::mem::take(&mut parsed.events);
                    if args.dry_run && self.first.is_none() {
                        self.first = events.first().and_then(as_json);
                    }
                    let receipt = sink.push_batch(events).await.map_err(|error| error.into_parts().1)?;
                    in_flight.push_back((parsed, receipt));
                }
            }
            if in_flight.len() == IN_FLIGHT {
                self.settle_oldest(&mut in_flight).await?;
                progress.show(self.state.counts);
                if self.saved.elapsed() >= CHECKPOINT_INTERVAL {
                    self.checkpoint()?;
                }
            }
        }
        while !in_flight.is_empty() {
            self.settle_oldest(&mut in_flight).await?;
        }
        Ok(())
    }

    /// Waits until the events of the oldest chunk are durable, and counts them. If cancelled while it waits, it counts
    /// nothing.
    async fn settle_oldest(&mut self, in_flight: &mut VecDeque<(Parsed, BatchReceipt)>) -> Result<(), ImportError> {
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
        Ok(())
    }

    /// Prints the progress of an unfinished file on standard error.
    pub(crate) fn tell_progress(&self) {
        if self.state.counts.read > 0 {
            eprintln!("{}: so far {}", self.name, Words(&self.state.counts));
        }
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

    /// Removes the state file, once all files of the command are imported.
    pub(crate) fn remove_state_file(&self) -> Result<(), ImportError> {
        match &self.state_file {
            Some(file) => file.remove().map_err(ImportError::write(file.path())),
            None => Ok(()),
        }
    }
}

fn as_json(event: &Event) -> Option<String> {
    let mut line = Vec::new();
    event.write_ndjson(&mut line).ok()?;
    String::from_utf8(line).ok().map(|line| line.trim_end().to_owned())
}
