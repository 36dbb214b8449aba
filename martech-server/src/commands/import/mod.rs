//! `martech-server import`: reads events from files into the data folder, a MongoDB or a running server.
//!
//! ```text
//! file ─ decompress ─ split ──▶ parse ──▶ EventSink ──▶ Lake, MongoDB
//!           one thread        one thread             └▶ POST /events
//! ```
//!
//! Chunks of up to `--batch-size` records (and about 1 MiB) pass through bounded channels, so memory does not grow with
//! the size of a file. The `ordinals` module describes the memory for counting equal records.
//!
//! Chunks are settled in order. Once the store has made a chunk durable, the import writes its rejects, counts its
//! records, and may save the position behind it in the state file. All records before that position are therefore
//! settled, whenever an import ends. The next import reads the records behind it again. Their ids are derived from
//! content (see the `id` module), so the store counts those that it already has as duplicates.

mod amount;
mod args;
mod cells;
mod compose;
mod error;
mod http;
mod id;
mod input;
mod layout;
mod members;
mod ordinals;
mod quotes;
mod reasons;
mod records;
mod rejects;
mod report;
mod run;
mod shape;
mod split;
mod state;
mod target;
mod time;
mod values;

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode, time::Duration};

use martech_core::{
    Appended, Store, StoreError,
    event::Event,
    lake::{Lake, LakeOptions},
    mongodb::MongoStore,
    sink::{EventSink, RetryPolicy},
};

pub use args::ImportArgs;
pub use error::ImportError;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use records::read_records;
pub use report::{Complaint, FileReport, Report};
pub use state::Counts;

use self::{
    http::HttpStore,
    input::{Source, same_file},
    rejects::RejectsPath,
    run::FileImport,
    shape::shape_of,
};
use crate::{
    commands::{output::print_line, signals::interrupted},
    identity::{ProjectId, ProjectRecord},
    projects::{self, backend::database_of},
    records::{AnyRecords, Records as _},
};

/// Imports files and prints the results: one line for each file on standard output, and problems on standard error. The
/// exit code is 2 if a file has a [complaint](Complaint), 130 after SIGINT or SIGTERM, and 1 if the import could not be
/// finished.
pub fn run(args: ImportArgs) -> ExitCode {
    let told = |file: &FileReport| {
        print_line(file);
        file.complaints().iter().for_each(|line| eprintln!("{line}"));
    };
    match import(&args, told) {
        Ok(report) => {
            let is_fine = report.is_fine();
            if report.files.len() > 1 && !args.dry_run {
                print_line(report);
            }
            if is_fine { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
        Err(error) => {
            eprintln!("martech-server: {}", error.chain());
            // Shells report status 130 for a program that SIGINT ended.
            if matches!(error, ImportError::Interrupted) { ExitCode::from(130) } else { ExitCode::FAILURE }
        }
    }
}

/// Imports all files, and calls `done` after each one.
///
/// # Errors
///
/// Returns an [`ImportError`] if the import cannot be finished. Events stored before the error stay stored.
///
/// # Panics
///
/// Panics if called inside a Tokio runtime, because it creates its own.
pub fn import(args: &ImportArgs, done: impl FnMut(&FileReport)) -> Result<Report, ImportError> {
    let jobs = plan(args)?;
    let runtime = tokio::runtime::Runtime::new().map_err(ImportError::Runtime)?;
    let result = runtime.block_on(async {
        let (mongo, args) = &with_project_settings(args).await?;
        let server = match &args.url {
            Some(url) => {
                let server = HttpStore::new(url, &args.trust, args.token.as_deref(), args.project.as_ref())?;
                server.find(args.project.as_ref()).await?;
                Some(server)
            }
            None => None,
        };
        if args.dry_run {
            return import_into(Nowhere, args, &jobs, done).await;
        }
        match (server, mongo) {
            (Some(server), _) => import_into(server, args, &jobs, done).await,
            (None, Some(mongo)) => {
                let store = database_of(&args.project.clone().unwrap_or_default(), mongo);
                let store = store.map_err(|error| ImportError::Options(error.to_string()))?;
                // Reports problems of the database before a file is read.
                store.prepare().await?;
                import_into(store, args, &jobs, done).await
            }
            (None, None) => {
                let lake = Lake::open(LakeOptions::new(args.folder())).await?;
                let result = import_into(lake.clone(), args, &jobs, done).await;
                let rolled = if result.is_ok() { lake.roll().await } else { Ok(()) };
                let closed = lake.close().await;
                let report = result?;
                rolled?;
                closed?;
                Ok(report)
            }
        }
    });
    // A thread may still be blocked on standard input.
    runtime.shutdown_background();
    result
}

/// Returns the MongoDB that the events go to, if any, and the arguments with the settings of the project. A running
/// server applies the settings itself.
async fn with_project_settings(args: &ImportArgs) -> Result<(Option<MongoStore>, ImportArgs), ImportError> {
    if args.url.is_some() {
        return Ok((None, args.clone()));
    }
    let mongo = match args.store.mongo() {
        Some(options) => Some(MongoStore::new(options).await?),
        None => None,
    };
    let records = match &mongo {
        Some(mongo) => AnyRecords::beside(mongo).all(None).await?,
        None => projects::cached_records(&args.data_dir),
    };
    let project = find_project(&args.project.clone().unwrap_or_default(), records)?;
    Ok((mongo, args.of_project(project.as_ref())))
}

/// Returns the record of a project. The default project always exists, even without a record.
fn find_project(project: &ProjectId, there: Vec<ProjectRecord>) -> Result<Option<ProjectRecord>, ImportError> {
    check_project(project, there.iter().map(|record| record.id.clone()))?;
    Ok(there.into_iter().find(|record| record.id == *project))
}

/// Returns an error if the project does not exist.
fn check_project(project: &ProjectId, there: impl Iterator<Item = ProjectId>) -> Result<(), ImportError> {
    let mut there: BTreeSet<ProjectId> = there.collect();
    there.insert(ProjectId::default());
    if there.contains(project) {
        return Ok(());
    }
    let there: Vec<&str> = there.iter().map(ProjectId::as_str).collect();
    Err(ImportError::NoProject { project: project.to_string(), there: there.join(", ") })
}

/// Store of a dry run. It stores nothing and counts every event as stored.
struct Nowhere;

impl Store<Event> for Nowhere {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        Ok(Appended { stored: batch.len(), ..Appended::default() })
    }
}

/// One source, and the path for its rejects.
struct Job {
    source: Source,
    rejects: RejectsPath,
}

/// Validates the command before anything is read or written.
fn plan(args: &ImportArgs) -> Result<Vec<Job>, ImportError> {
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin[..] } else { &args.files };
    if args.rejects.is_some() && files.len() > 1 {
        let message = "--rejects applies to a single FILE; for several, each gets its own FILE.rejects.ndjson";
        return Err(ImportError::Options(message.to_owned()));
    }
    let mut jobs: Vec<Job> = Vec::with_capacity(files.len());
    for path in files {
        let source = Source::new(path);
        shape_of(&source, args)?;
        if let Source::Path(path) = &source {
            std::fs::metadata(path).map_err(ImportError::read(path.display().to_string()))?;
        }
        if jobs.iter().any(|job| job.source.is_same(&source)) {
            return Err(ImportError::Options(format!("{} is given twice", source.name())));
        }
        let rejects = match &args.rejects {
            Some(path) => RejectsPath::Given(path.clone()),
            None => RejectsPath::Beside(rejects_of(&source)),
        };
        if files.iter().any(|file| same_file(rejects.path(), file)) {
            let message = format!("the rejects file {} would overwrite an input file", rejects.path().display());
            return Err(ImportError::Options(message));
        }
        jobs.push(Job { source, rejects });
    }
    Ok(jobs)
}

/// Returns `FILE.rejects.ndjson`, beside the file.
fn rejects_of(source: &Source) -> PathBuf {
    let name = format!("{}.rejects.ndjson", source.name());
    match source {
        Source::Stdin => PathBuf::from(name),
        Source::Path(path) => path.with_file_name(name),
    }
}

async fn import_into(
    store: impl Store<Event>,
    args: &ImportArgs,
    jobs: &[Job],
    mut done: impl FnMut(&FileReport),
) -> Result<Report, ImportError> {
    let batch = usize::from(args.batch_size);
    let sink = EventSink::builder()
        .max_batch(batch)
        .flush_interval(Duration::ZERO)
        .capacity(batch.saturating_mul(5))
        .size_of(Event::size)
        // Leaves time for a server to restart. Giving up is harmless: the state file lets the import resume.
        .retry(RetryPolicy::default().deadline(Duration::from_secs(300)))
        // Receipts report the outcome of each event, and rejected records go to the rejects file.
        .dead_letters(drop)
        .build(store)?;
    let mut interrupted = std::pin::pin!(interrupted());
    let mut report = Report::default();
    let mut imports = Vec::with_capacity(jobs.len());
    let mut result = Ok(());
    for Job { source, rejects } in jobs {
        let mut import = FileImport::prepare(source, rejects, args)?;
        let outcome = tokio::select! {
            outcome = import.run(source, args, &sink) => outcome,
            () = &mut interrupted => Err(ImportError::Interrupted),
        };
        match outcome {
            Ok(file) => {
                done(&file);
                report.files.push(file);
                imports.push(import);
            }
            Err(error) => {
                import.tell_progress();
                if let Err(error) = import.checkpoint() {
                    tracing::warn!(error = error.chain(), "cannot save the progress; the next import starts over");
                }
                result = Err(error);
                break;
            }
        }
    }
    // After a success nothing is left in the sink. After an error, the next import reads the remaining records again.
    let closed = sink.close(Duration::from_secs(1)).await;
    result?;
    debug_assert!(closed.unstored.is_empty());
    imports.iter().try_for_each(FileImport::remove_state_file)?;
    Ok(report)
}

#[cfg(test)]
mod tests;
