//! `martech-server import`: imports events from files into the data folder, a MongoDB or a running server.
//!
//! [`crate::import`] does the work. This module chooses the store, prints, and handles signals.

mod args;
mod error;
mod http;
mod report;
mod state;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use martech_core::{
    Store,
    event::Event,
    lake::{Lake, LakeOptions},
    mongodb::MongoStore,
};

pub use self::args::ImportArgs;
use self::{
    error::CommandError,
    http::HttpStore,
    report::{FileReport, Report, Terminal},
    state::state_file,
};
use crate::{
    commands::{output::print_line, signals::interrupted},
    identity::{ProjectId, ProjectRecord},
    import::{self, FileImport, ImportError, Nowhere, Reading, RejectsPath, Source, same_file, shape_of},
    projects::{self, backend::database_of},
    records::Records,
};

/// Imports files and prints the results: one line for each file on standard output, and problems on standard error. The
/// exit code is 2 if a file has a [complaint](report::Complaint), 130 after SIGINT or SIGTERM, and 1 if the import could not be
/// finished.
pub(super) fn run(args: ImportArgs) -> ExitCode {
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
            if matches!(error, CommandError::Interrupted) { ExitCode::from(130) } else { ExitCode::FAILURE }
        }
    }
}

/// Imports all files, and calls `done` after each one.
///
/// # Errors
///
/// Returns a [`CommandError`] if the import cannot be finished. Events stored before the error stay stored.
///
/// # Panics
///
/// Panics if called inside a Tokio runtime, because it creates its own.
fn import(args: &ImportArgs, done: impl FnMut(&FileReport)) -> Result<Report, CommandError> {
    let jobs = plan(args)?;
    let runtime = tokio::runtime::Runtime::new().map_err(CommandError::Runtime)?;
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
                let store = store.map_err(|error| CommandError::Options(error.to_string()))?;
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
async fn with_project_settings(args: &ImportArgs) -> Result<(Option<MongoStore>, ImportArgs), CommandError> {
    if args.url.is_some() {
        return Ok((None, args.clone()));
    }
    let mongo = match args.store.mongo() {
        Some(options) => Some(MongoStore::new(options).await?),
        None => None,
    };
    let records = match &mongo {
        Some(mongo) => Records::beside(mongo).all(None).await?,
        None => projects::cached_records(&args.data_dir),
    };
    let project = find_project(&args.project.clone().unwrap_or_default(), records)?;
    Ok((mongo, args.of_project(project.as_ref())))
}

/// Returns the record of a project. The default project always exists, even without a record.
fn find_project(project: &ProjectId, there: Vec<ProjectRecord>) -> Result<Option<ProjectRecord>, CommandError> {
    check_project(project, there.iter().map(|record| record.id.clone()))?;
    Ok(there.into_iter().find(|record| record.id == *project))
}

/// Returns an error if the project does not exist.
fn check_project(project: &ProjectId, there: impl Iterator<Item = ProjectId>) -> Result<(), CommandError> {
    let mut there: BTreeSet<ProjectId> = there.collect();
    there.insert(ProjectId::default());
    if there.contains(project) {
        return Ok(());
    }
    let there: Vec<&str> = there.iter().map(ProjectId::as_str).collect();
    Err(CommandError::NoProject { project: project.to_string(), there: there.join(", ") })
}

/// One source, and the path for its rejects.
struct Job {
    source: Source,
    rejects: RejectsPath,
}

/// Validates the command before anything is read or written.
fn plan(args: &ImportArgs) -> Result<Vec<Job>, CommandError> {
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin[..] } else { &args.files };
    if args.rejects.is_some() && files.len() > 1 {
        let message = "--rejects applies to a single FILE; for several, each gets its own FILE.rejects.ndjson";
        return Err(CommandError::Options(message.to_owned()));
    }
    let options = args.options()?;
    let mut jobs: Vec<Job> = Vec::with_capacity(files.len());
    for path in files {
        let source = Source::new(path);
        shape_of(&source, &options)?;
        if let Source::File(path, _) = &source {
            let unreadable = |source| ImportError::Read { name: path.display().to_string(), source };
            std::fs::metadata(path).map_err(unreadable)?;
        }
        if jobs.iter().any(|job| job.source.is_same(&source)) {
            return Err(CommandError::Options(format!("{} is given twice", source.name())));
        }
        let rejects = match &args.rejects {
            Some(path) => RejectsPath::Given(path.clone()),
            None => RejectsPath::Beside(rejects_of(&source)),
        };
        if files.iter().any(|file| same_file(rejects.path(), file)) {
            let message = format!("the rejects file {} would overwrite an input file", rejects.path().display());
            return Err(CommandError::Options(message));
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
        Source::File(path, _) => path.with_file_name(name),
    }
}

async fn import_into(
    store: impl Store<Event>,
    args: &ImportArgs,
    jobs: &[Job],
    mut done: impl FnMut(&FileReport),
) -> Result<Report, CommandError> {
    let options = args.options()?;
    let sink = import::sink(store, options.batch_size).map_err(ImportError::from)?;
    let mut interrupted = std::pin::pin!(interrupted());
    let mut report = Report::default();
    let mut imports = Vec::with_capacity(jobs.len());
    let mut result = Ok(());
    for Job { source, rejects } in jobs {
        let mut import = prepare(source, rejects, args)?;
        let (mut terminal, started) = (Terminal::new(source.name()), Instant::now());
        let outcome = tokio::select! {
            outcome = import.run(&options, &sink, &mut terminal) => outcome.map_err(CommandError::from),
            () = &mut interrupted => Err(CommandError::Interrupted),
        };
        drop(terminal);
        match outcome {
            Ok(file) => {
                let file = FileReport::new(source.name(), file, started.elapsed(), args);
                done(&file);
                report.files.push(file);
                imports.push(import);
            }
            Err(error) => {
                report::tell_progress(&source.name(), import.counts());
                if let Err(error) = import.checkpoint() {
                    let error = CommandError::from(error).chain();
                    tracing::warn!(error, "cannot save the progress; the next import starts over");
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

/// Prepares the import of a file. Only files that can be read again have a state file.
fn prepare(source: &Source, rejects: &RejectsPath, args: &ImportArgs) -> Result<FileImport, ImportError> {
    let state_file = match source {
        Source::File(path, name) if path.is_file() && !args.dry_run => {
            let unreadable = |source| ImportError::Read { name: name.clone(), source };
            Some(state_file(path, rejects.path(), args).map_err(unreadable)?)
        }
        _ => None,
    };
    FileImport::prepare(source.clone(), Reading::default(), rejects, state_file)
}

#[cfg(test)]
mod tests;
