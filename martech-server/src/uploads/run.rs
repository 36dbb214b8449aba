//! Runs the import of an upload.

use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use martech_core::event::Timestamp;
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    MAX_PLAIN_BYTES, MAX_REJECTS, MAX_RUNNING, State, Table, Upload, UploadError, Uploads,
    error::{NO_ROOM, is_full_disk, public_message},
    folder::Folder,
    receive::blocking,
};
use crate::{
    import::{
        self, Counts, FileImport, FileOutcome, ImportError, ImportOptions, Nowhere, Opened, Reading, Reasons,
        RejectsPath, Source, Watch, chain,
    },
    projects::{ImportPermit, Project},
};

/// How long the end of an import waits for events on their way to the store.
const CLOSING: Duration = Duration::from_secs(1);
/// How long the end of an import waits for writes that the store of a closing project has begun. Shorter than the time
/// that a project has to close.
const WRITING: Duration = Duration::from_secs(8);

/// An import that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) progress: Progress,
    cancel: Option<oneshot::Sender<()>>,
    /// Closed when the import has ended.
    ended: watch::Receiver<()>,
}

impl Running {
    /// Cancels the import. The future completes when it has ended.
    pub(super) fn cancel(&mut self) -> impl Future<Output = ()> + Send + use<> {
        if let Some(cancel) = self.cancel.take() {
            // The import may have ended already.
            _ = cancel.send(());
        }
        let mut ended = self.ended.clone();
        async move { while ended.changed().await.is_ok() {} }
    }
}

/// The progress of an import. A clone is a handle to the same import.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    reading: Reading,
    settled: Arc<Mutex<Settled>>,
}

/// The outcome of the records so far.
#[derive(Debug, Default)]
struct Settled {
    counts: Counts,
    reasons: Reasons,
    rejects_omitted: u64,
}

impl Progress {
    fn new() -> Self {
        Self { reading: Reading::bounded(MAX_PLAIN_BYTES), settled: Arc::default() }
    }

    /// Sets the progress in the description of the upload.
    pub(super) fn describe(&self, upload: &mut Upload) {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        upload.counts = settled.counts;
        upload.set_reasons(&settled.reasons);
        upload.rejects_omitted = settled.rejects_omitted;
        upload.bytes_read = self.reading.bytes();
    }
}

impl Watch for Progress {
    fn opened(&mut self, _opened: &Opened<'_>) {}

    fn settled(&mut self, counts: &Counts, reasons: &Reasons, omitted: u64) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.counts = *counts;
        settled.reasons.clone_from(reasons);
        settled.rejects_omitted = omitted;
    }
}

/// How an import ended early.
enum Ended {
    Cancelled,
    /// The server is stopping.
    Stopped,
    /// The project is closing.
    Closing,
    /// The disk is almost full.
    NoRoom,
    Failed(ImportError),
}

impl Ended {
    fn is_full_disk(&self) -> bool {
        match self {
            Self::NoRoom => true,
            Self::Failed(error) => is_full_disk(error),
            _ => false,
        }
    }
}

impl Uploads {
    /// Starts to import an upload, and returns it. Calls `done` when the import has ended.
    ///
    /// # Errors
    ///
    /// Returns [`UploadError::Options`] if the options do not fit the file.
    pub(crate) async fn run<F: Future<Output = ()> + Send + 'static>(
        &self,
        project: &Project,
        id: &str,
        mut options: ImportOptions,
        done: impl FnOnce(Upload) -> F + Send + 'static,
    ) -> Result<Upload, UploadError> {
        let permit = project.import_permit().ok_or_else(|| UploadError::NoProject(project.id().clone()))?;
        let (upload, folder) = self.startable(project, id)?;
        complete(&mut options, &upload);
        let source = Source::File(folder.file(), upload.file_name.clone());
        let checked = {
            let (source, options) = (source.clone(), options.clone());
            spawn_blocking(move || import::check(&source, &options)).await.map_err(std::io::Error::other)?
        };
        checked.map_err(UploadError::Options)?;

        // Another request may have started an import in the meantime.
        let mut table = self.table();
        self.check_startable(&mut table, project, id)?;
        let (progress, (cancel, cancelled), (end, ended)) = (Progress::new(), oneshot::channel(), watch::channel(()));
        let entry = table.entry(project, id)?;
        entry.upload.begin(options.dry_run);
        entry.running = Some(Running { progress: progress.clone(), cancel: Some(cancel), ended });
        let started = entry.upload.clone();
        let job = Job { permit: permit.clone(), folder: folder.clone(), source, options, progress: progress.clone() };
        let (uploads, mut upload) = (self.clone(), started.clone());
        while table.tasks.try_join_next().is_some() {}
        table.tasks.spawn(async move {
            save(&folder, &upload).await;
            let (stop, stopped) = oneshot::channel();
            let watching = async {
                let why = tokio::select! {
                    () = uploads.stopped() => Ended::Stopped,
                    () = permit.closing() => Ended::Closing,
                    () = uploads.inner.disk_space.spare_is_used() => Ended::NoRoom,
                    // The sender is dropped with the import only.
                    _ = cancelled => Ended::Cancelled,
                };
                // The import may wait for the disk.
                progress.reading.stop();
                // It may also have ended.
                _ = stop.send(why);
                pending::<Infallible>().await
            };
            // On a thread of its own, because it waits for the disk.
            let work = spawn_blocking(move || Handle::current().block_on(job.run(stopped)));
            let result = tokio::select! {
                result = work => result.unwrap_or(Err(Ended::Failed(ImportError::Stopped))),
                never = watching => match never {},
            };
            progress.describe(&mut upload);
            if let Err(Ended::Failed(error)) = &result {
                tracing::error!(project = %upload.project, import = upload.id, error = chain(error), "an import has failed");
            }
            upload.end(result);
            save(&folder, &upload).await;
            // The project may close now, and its folder may be moved.
            drop(permit);
            if let Some(entry) = uploads.table().entries.get_mut(&upload.id) {
                entry.upload = upload.clone();
                entry.running = None;
            }
            drop(end);
            done(upload).await;
        });
        Ok(started)
    }

    /// Returns an upload and its folder if its import can start.
    fn startable(&self, project: &Project, id: &str) -> Result<(Upload, Folder), UploadError> {
        let mut table = self.table();
        self.check_startable(&mut table, project, id)?;
        let entry = table.entry(project, id)?;
        Ok((entry.upload.clone(), entry.folder.clone()))
    }

    fn check_startable(&self, table: &mut Table, project: &Project, id: &str) -> Result<(), UploadError> {
        table.entry(project, id)?;
        if *self.inner.stopping.borrow() {
            return Err(UploadError::Stopping);
        }
        let running: Vec<_> = table.entries.values().filter(|entry| entry.running.is_some()).collect();
        if running.iter().any(|entry| entry.upload.is_of(project)) {
            return Err(UploadError::Running);
        }
        if running.len() >= MAX_RUNNING { Err(UploadError::Busy) } else { Ok(()) }
    }
}

/// Stores the description of an upload. The import goes on without it.
async fn save(folder: &Folder, upload: &Upload) {
    let (folder, description) = (folder.clone(), upload.clone());
    if let Err(error) = blocking(move || folder.save(&description)).await {
        tracing::warn!(%error, import = upload.id, "cannot store the state of an import");
    }
}

/// Completes options with what the upload has shown.
fn complete(options: &mut ImportOptions, upload: &Upload) {
    if options.delimiter.is_none() && options.format.is_none_or(|format| format == upload.format) {
        options.format = Some(upload.format);
        options.delimiter = upload.delimiter.as_deref().and_then(|delimiter| delimiter.parse().ok());
    }
    if options.encoding.is_none() {
        options.encoding = upload.encoding.as_deref().and_then(|name| import::parse_encoding(name).ok());
    }
}

impl Upload {
    fn end(&mut self, result: Result<FileOutcome, Ended>) {
        self.finished_at = Some(Timestamp::now());
        (self.state, self.error) = match result {
            Ok(FileOutcome { counts, reasons, omitted, first, .. }) => {
                self.counts = counts;
                self.set_reasons(&reasons);
                self.rejects_omitted = omitted;
                self.first_event = first;
                self.bytes_read = self.bytes;
                (State::Finished, None)
            }
            Err(Ended::Cancelled) => (State::Cancelled, None),
            Err(Ended::Stopped) => (State::Cancelled, Some("the server stopped; run the import again".to_owned())),
            Err(Ended::Closing) => (State::Cancelled, Some("the project was removed".to_owned())),
            Err(Ended::Failed(error)) => (State::Failed, Some(public_message(&error))),
            Err(Ended::NoRoom) => (State::Failed, Some(NO_ROOM.to_owned())),
        };
    }
}

/// What an import needs.
struct Job {
    permit: ImportPermit,
    folder: Folder,
    source: Source,
    options: ImportOptions,
    progress: Progress,
}

impl Job {
    /// Imports the file, until `stopped` tells why the import must end.
    async fn run(mut self, stopped: oneshot::Receiver<Ended>) -> Result<FileOutcome, Ended> {
        let Self { permit, folder, source, options, progress } = &mut self;
        let store = permit.store();
        let sink = match options.dry_run {
            true => import::sink(Nowhere, options.batch_size),
            false => import::sink(store.clone(), options.batch_size),
        };
        let sink = sink.map_err(|error| Ended::Failed(error.into()))?;
        let rejects = RejectsPath::Bounded(folder.rejects(), MAX_REJECTS);
        let reading = progress.reading.clone();
        let import = FileImport::prepare(source.clone(), reading.clone(), &rejects, None);
        let mut import = import.map_err(Ended::Failed)?;
        // The sender is dropped with the runtime only.
        let mut stop = std::pin::pin!(async { stopped.await.unwrap_or(Ended::Stopped) });
        let mut result = tokio::select! {
            biased;
            ended = &mut stop => Err(ended),
            result = import.run(options, &sink, progress) => result.map_err(Ended::Failed),
        };
        if result.is_err() {
            // Reading fails if the import is stopped while it waits for the disk.
            if matches!(result, Err(Ended::Failed(_))) && reading.is_stopped() {
                result = Err(stop.await);
            }
            reading.stop();
        }
        let kept = match &result {
            Ok(_) => Ok(()),
            Err(ended) if ended.is_full_disk() => folder.remove_rejects().map_err(|error| error.to_string()),
            Err(_) => import.checkpoint().map_err(|error| chain(&error)),
        };
        if let Err(error) = kept {
            tracing::warn!(error, "cannot store or remove the rejects of an import");
        }
        if matches!(result, Err(Ended::Closing)) && timeout(WRITING, store.idle()).await.is_err() {
            tracing::warn!("a write of an import to the store of a closing project did not end in time");
        }
        // A later import reads the records of events that were not stored again.
        _ = sink.close(CLOSING).await;
        result
    }
}
