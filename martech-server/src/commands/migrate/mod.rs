//! `martech-server migrate`: copies all events of one store into another.
//!
//! Events are read in a fixed order (in a lake: day, user, time, id; in a MongoDB: id) and passed to a sink in front of
//! the destination. Batches are settled in order. Once a batch is settled, the cursor behind it may be saved in the
//! state file. An interrupted migration resumes at the saved cursor; events behind it that were already copied count as
//! duplicates. At the end, the events of both stores are counted.

mod source;
mod state;

use std::{
    collections::VecDeque,
    fmt, io,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use martech_core::{
    event::{Event, EventId},
    lake::{Lake, LakeOptions},
    mongodb::MongoStore,
    sink::{BatchReceipt, ConfigError, EventSink, NotStored, Outcome, Refusal, RetryPolicy},
};

use self::{
    source::{Cursor, Source},
    state::{Checkpoint, StateFile},
};
use crate::{
    commands::{output::print_line, signals::interrupted, verify::bar},
    projects::backend::{Backend, BackendError, Mongo, StoreChoice},
};

/// Copies all events of one store into another. Neither store changes otherwise. No server may be running on a data
/// folder that is the source or the destination.
///
/// After an interruption, the same command resumes where it stopped. Events that already exist are not added again. At
/// the end, the events of both stores are counted.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit code: 0 all events are in the destination, 1 some were rejected or the counts differ, 2 the migration could not be finished"
)]
pub struct MigrateArgs {
    /// Source: a data folder, or a MongoDB connection string
    #[arg(long, env = "MARTECH_MIGRATE_FROM", hide_env_values = true, value_name = "DIR|URI", value_parser = parse_end)]
    from: End,

    /// Destination: a data folder, or a MongoDB connection string
    #[arg(long, env = "MARTECH_MIGRATE_TO", hide_env_values = true, value_name = "DIR|URI", value_parser = parse_end)]
    to: End,

    /// File with the progress of the migration
    #[arg(long, default_value = "martech-migrate.json", value_name = "FILE")]
    state: PathBuf,
}

/// The source or destination of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// A data folder.
    Folder(PathBuf),
    /// A MongoDB database.
    Mongo(StoreChoice),
}

fn parse_end(text: &str) -> Result<End, String> {
    match text.parse() {
        Ok(mongo @ StoreChoice::Mongo(_)) => Ok(End::Mongo(mongo)),
        _ if text.is_empty() => {
            Err("expected a data folder, or a connection string that begins with mongodb://".to_owned())
        }
        _ if text.contains("://") => Err("a connection string must begin with mongodb:// or mongodb+srv://".to_owned()),
        _ => Ok(End::Folder(text.into())),
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(dir) => dir.display().fmt(f),
            Self::Mongo(choice) => choice.fmt(f),
        }
    }
}

/// An error that ended a migration. Events copied before the error stay copied.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrateError {
    /// The source and the destination are the same store.
    #[error("--from and --to are the same store")]
    Same,
    /// The source folder contains no data.
    #[error("there is no data in {0}")]
    NoData(PathBuf),
    /// A store cannot be used.
    #[error(transparent)]
    Store(#[from] BackendError),
    /// The state file cannot be written or removed.
    #[error("cannot write {path}: {source}")]
    State {
        /// The path of the file.
        path: PathBuf,
        /// The underlying error.
        source: io::Error,
    },
    /// The destination neither stored nor rejected an event.
    #[error("cannot store the events: {0}")]
    NotStored(#[from] NotStored),
    /// The sink accepts no more events.
    #[error("cannot store the events: {0}")]
    Refused(#[from] Refusal),
    /// The sink could not be created.
    #[error("cannot store the events: {0}")]
    Sink(#[from] ConfigError),
    /// The runtime could not be created.
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    /// SIGINT or SIGTERM interrupted the migration.
    #[error("interrupted; run the same command again to resume")]
    Interrupted,
}

/// The result of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    /// Counts over all runs of this migration.
    counts: state::Counts,
    /// Number of events in each store at the end.
    from: u64,
    to: u64,
    /// The first events that the destination rejected in this run, and the reasons.
    refused: Vec<String>,
    elapsed: Duration,
}

impl Report {
    /// Returns whether every event of the source is in the destination.
    pub(super) fn is_complete(&self) -> bool {
        self.counts.refused == 0 && self.counts.read == self.from && self.to >= self.from
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state::Counts { read, copied, duplicates, refused } = self.counts;
        writeln!(
            f,
            "{read} events read, {copied} copied, {duplicates} duplicates, {refused} rejected in {:.1} s",
            self.elapsed.as_secs_f64()
        )?;
        for refused in &self.refused {
            writeln!(f, "rejected: {refused}")?;
        }
        write!(f, "{} events in the source, {} in the destination", self.from, self.to)
    }
}

/// Migrates and prints the result.
pub(super) fn run(args: &MigrateArgs) -> ExitCode {
    match migrate(args) {
        Ok(report) => {
            print_line(&report);
            ExitCode::from(u8::from(!report.is_complete()))
        }
        Err(error) => {
            eprintln!("martech-server: {error}");
            ExitCode::from(2)
        }
    }
}

/// Copies all events from the source to the destination.
///
/// # Errors
///
/// Returns a [`MigrateError`] if the migration cannot be finished. Events copied before the error stay copied.
///
/// # Panics
///
/// Panics if called inside a Tokio runtime, because it creates its own.
pub(super) fn migrate(args: &MigrateArgs) -> Result<Report, MigrateError> {
    if args.from == args.to {
        return Err(MigrateError::Same);
    }
    let runtime = tokio::runtime::Runtime::new().map_err(MigrateError::Runtime)?;
    runtime.block_on(async {
        if let End::Folder(dir) = &args.from
            && !dir.join("catalog").exists()
        {
            return Err(MigrateError::NoData(dir.clone()));
        }
        // The files of the source stay as they are, so that a migration that continues finds its place in them.
        let from = open(&args.from, |options| options.auto_compaction(false)).await?;
        let to = open(&args.to, |options| options).await?;
        let report = Migration::new(args).run(&from, &to).await;
        for store in [from, to] {
            store.close(Duration::ZERO).await?;
        }
        report
    })
}

async fn open(end: &End, options: impl FnOnce(LakeOptions) -> LakeOptions) -> Result<Backend, BackendError> {
    match end {
        End::Folder(dir) => Ok(Backend::Lake(Lake::open(options(LakeOptions::new(dir))).await?)),
        End::Mongo(StoreChoice::Mongo(uri)) => {
            let store = MongoStore::new(martech_core::mongodb::MongoOptions::new(uri)).await?;
            store.prepare().await?;
            Ok(Backend::Mongo(Mongo::without_folder(store)))
        }
        End::Mongo(StoreChoice::Lake) => unreachable!("`End::Mongo` contains a connection string"),
    }
}

/// Number of events to read at once.
const BATCH: usize = 2_000;
/// Number of batches on their way to the destination.
const IN_FLIGHT: usize = 4;
/// Interval between writes of the state file.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
/// Leaves time for the destination to restart.
const RETRY_DEADLINE: Duration = Duration::from_secs(300);
/// Maximum number of rejected events in the report.
const MAX_NAMED: usize = 100;

struct Migration {
    file: StateFile,
    state: Checkpoint,
    refused: Vec<String>,
    begun: Instant,
    saved: Instant,
}

impl Migration {
    fn new(args: &MigrateArgs) -> Self {
        let file = StateFile::new(&args.state, &args.from, &args.to);
        let state = file.load().unwrap_or_default();
        if state.counts.read > 0 {
            eprintln!("resuming after event {}", state.counts.read);
        }
        Self { file, state, refused: Vec::new(), begun: Instant::now(), saved: Instant::now() }
    }

    async fn run(mut self, from: &Backend, to: &Backend) -> Result<Report, MigrateError> {
        let sink = EventSink::builder()
            .flush_interval(Duration::ZERO)
            .max_batch(BATCH)
            .capacity(BATCH * (IN_FLIGHT + 1))
            .size_of(Event::size)
            .retry(RetryPolicy::default().deadline(RETRY_DEADLINE))
            // Receipts report the outcome of each event.
            .dead_letters(drop)
            .build(to.clone())?;
        let copied = tokio::select! {
            copied = self.copy(from, &sink) => copied,
            () = interrupted() => Err(MigrateError::Interrupted),
        };
        // The next run reads the remaining events again.
        let _ = sink.close(Duration::from_secs(1)).await;
        if copied.is_err() {
            self.checkpoint()?;
        }
        copied?;
        if let Backend::Lake(lake) = to {
            lake.roll().await.map_err(BackendError::from)?;
        }
        let report = Report {
            counts: self.state.counts,
            from: count(from).await?,
            to: count(to).await?,
            refused: self.refused,
            elapsed: self.begun.elapsed(),
        };
        self.file.remove().map_err(|source| MigrateError::State { path: self.file.path().to_owned(), source })?;
        Ok(report)
    }

    async fn copy(&mut self, from: &Backend, sink: &EventSink<Event>) -> Result<(), MigrateError> {
        let bar = bar("events", count(from).await?);
        let mut source = Source::open(from, self.state.cursor).await?;
        let mut in_flight = VecDeque::with_capacity(IN_FLIGHT);
        loop {
            let events = source.next(BATCH).await?;
            let Some(cursor) = source.cursor(&events).filter(|_| !events.is_empty()) else { break };
            let ids: Vec<_> = events.iter().map(|event| event.id).collect();
            let receipt = sink.push_batch(events).await.map_err(|error| error.into_parts().1)?;
            in_flight.push_back(Flight { cursor, ids, receipt });
            if in_flight.len() == IN_FLIGHT {
                self.settle(&mut in_flight).await?;
                bar.set_position(self.state.counts.read);
                if self.saved.elapsed() >= CHECKPOINT_INTERVAL {
                    self.checkpoint()?;
                }
            }
        }
        while !in_flight.is_empty() {
            self.settle(&mut in_flight).await?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Waits for the oldest batch, and counts its events. If cancelled while it waits, it counts nothing.
    async fn settle(&mut self, in_flight: &mut VecDeque<Flight>) -> Result<(), MigrateError> {
        let Some(Flight { cursor, ids, receipt }) = in_flight.pop_front() else { return Ok(()) };
        let outcome = receipt.await;
        let mut counts = self.state.counts;
        counts.read += outcome.len() as u64;
        counts.copied += outcome.stored() as u64;
        for (index, outcome) in outcome.into_exceptions() {
            match outcome? {
                Outcome::Stored => counts.copied += 1,
                Outcome::Duplicate => counts.duplicates += 1,
                Outcome::Rejected { reason, .. } => {
                    counts.refused += 1;
                    if self.refused.len() < MAX_NAMED {
                        self.refused.push(format!("{}: {reason}", ids[index]));
                    }
                }
            }
        }
        self.state = Checkpoint { cursor: Some(cursor), counts };
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), MigrateError> {
        let saved = self.file.save(&self.state);
        saved.map_err(|source| MigrateError::State { path: self.file.path().to_owned(), source })?;
        self.saved = Instant::now();
        Ok(())
    }
}

struct Flight {
    cursor: Cursor,
    ids: Vec<EventId>,
    receipt: BatchReceipt,
}

async fn count(store: &Backend) -> Result<u64, BackendError> {
    match store {
        Backend::Lake(lake) => Ok(lake.status().events),
        Backend::Mongo(mongo) | Backend::Spooled(mongo, _) => Ok(mongo.store.count().await?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_folders_and_connection_strings() {
        assert_eq!(parse_end("./data"), Ok(End::Folder("./data".into())));
        assert!(matches!(parse_end("mongodb://h/db"), Ok(End::Mongo(StoreChoice::Mongo(_)))));
        assert!(parse_end("postgres://h/db").is_err() && parse_end("").is_err());
        assert_eq!(parse_end("mongodb://u:secret@h/db").unwrap().to_string(), "mongodb://h/db");
    }

    #[test]
    fn rejects_identical_stores_and_missing_sources() {
        let end = || End::Folder("data".into());
        let args = MigrateArgs { from: end(), to: end(), state: "state.json".into() };
        assert!(matches!(migrate(&args), Err(MigrateError::Same)));
        let args = MigrateArgs { to: End::Folder("other".into()), ..args };
        assert!(matches!(migrate(&args), Err(MigrateError::NoData(_))));
        assert!(!std::path::Path::new("other").exists());
    }
}
