//! Runs the import of an upload.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use martech_core::event::Timestamp;
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    task::spawn_blocking,
};

use super::{MAX_RUNNING, State, Upload, UploadError, Uploads, error::told, folder::Folder, receive::blocking};
use crate::{
    import::{
        self, Counts, FileImport, FileOutcome, ImportError, ImportOptions, Nowhere, Opened, Reading, Reasons,
        RejectsPath, Source, Watch,
    },
    projects::Project,
};

/// How long the end of an import waits for events on their way to the store.
const CLOSING: Duration = Duration::from_secs(1);

/// An import that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) progress: Progress,
    cancel: Option<oneshot::Sender<()>>,
    /// Closed when the import has ended.
    ended: watch::Receiver<()>,
}

impl Running {
    /// Makes the import fail if it waits for the disk.
    pub(super) fn stop_reading(&self) {
        self.progress.reading.stop();
    }

    /// Cancels the import. The future completes when it has ended.
    pub(super) fn cancel(&mut self) -> impl Future<Output = ()> + Send + use<> {
        if let Some(cancel) = self.cancel.take() {
            // The import may have ended already.
            _ = cancel.send(());
            self.stop_reading();
        }
        let mut ended = self.ended.clone();
        async move { while ended.changed().await.is_ok() {} }
    }
}

/// The progress of an import. A clone is a handle to the same import.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    reading: Reading,
    settled: Arc<Mutex<(Counts, Reasons)>>,
}

impl Progress {
    /// Describes the progress.
    pub(super) fn tell(&self, upload: &mut Upload) {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        upload.counts = settled.0;
        upload.set_reasons(&settled.1);
        upload.bytes_read = self.reading.bytes();
    }
}

impl Watch for Progress {
    fn opened(&mut self, _opened: &Opened<'_>) {}

    fn settled(&mut self, counts: &Counts, reasons: &Reasons) {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.0 = *counts;
        settled.1.clone_from(reasons);
    }
}

/// How an import ended early.
enum Ended {
    Cancelled,
    Stopped,
    Failed(ImportError),
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
        let (progress, (cancel, cancelled), (end, ended)) =
            (Progress::default(), oneshot::channel(), watch::channel(()));
        let entry = table.entry(project.id(), id)?;
        entry.upload.begin(options.dry_run);
        entry.running = Some(Running { progress: progress.clone(), cancel: Some(cancel), ended });
        let started = entry.upload.clone();
        let job = Job { project: project.clone(), folder: folder.clone(), source, options, progress: progress.clone() };
        let (uploads, mut upload) = (self.clone(), started.clone());
        while table.tasks.try_join_next().is_some() {}
        table.tasks.spawn(async move {
            save(&folder, &upload).await;
            let stopped = uploads.clone();
            let stop = async move {
                tokio::select! {
                    () = stopped.stopped() => Ended::Stopped,
                    // The sender is dropped with the import only.
                    _ = cancelled => Ended::Cancelled,
                }
            };
            // On a thread of its own, because it waits for the disk.
            let work = move || Handle::current().block_on(job.run(stop));
            let result = spawn_blocking(work).await.unwrap_or(Err(Ended::Failed(ImportError::Stopped)));
            progress.tell(&mut upload);
            upload.end(result);
            save(&folder, &upload).await;
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
        let entry = table.entry(project.id(), id)?;
        Ok((entry.upload.clone(), entry.folder.clone()))
    }

    fn check_startable(&self, table: &mut super::Table, project: &Project, id: &str) -> Result<(), UploadError> {
        table.entry(project.id(), id)?;
        if *self.inner.stopping.borrow() {
            return Err(UploadError::Stopping);
        }
        let running: Vec<_> = table.entries.values().filter(|entry| entry.running.is_some()).collect();
        if running.iter().any(|entry| entry.upload.project == *project.id()) {
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
            Ok(FileOutcome { counts, reasons, first, .. }) => {
                self.counts = counts;
                self.set_reasons(&reasons);
                self.first_event = first;
                self.bytes_read = self.bytes;
                (State::Finished, None)
            }
            Err(Ended::Cancelled) => (State::Cancelled, None),
            Err(Ended::Stopped) => (State::Cancelled, Some("the server stopped; run the import again".to_owned())),
            Err(Ended::Failed(error)) => (State::Failed, Some(told(&error))),
        };
    }
}

/// What an import needs.
struct Job {
    project: Project,
    folder: Folder,
    source: Source,
    options: ImportOptions,
    progress: Progress,
}

impl Job {
    async fn run(mut self, stop: impl Future<Output = Ended>) -> Result<FileOutcome, Ended> {
        let Self { project, folder, source, options, progress } = &mut self;
        let sink = match options.dry_run {
            true => import::sink(Nowhere, options.batch_size),
            false => import::sink(project.import_store(), options.batch_size),
        };
        let sink = sink.map_err(|error| Ended::Failed(error.into()))?;
        let rejects = RejectsPath::Beside(folder.rejects());
        let reading = progress.reading.clone();
        let import = FileImport::prepare(source.clone(), reading.clone(), &rejects, None);
        let mut import = import.map_err(Ended::Failed)?;
        let mut stop = std::pin::pin!(stop);
        let mut result = tokio::select! {
            biased;
            ended = &mut stop => Err(ended),
            result = import.run(options, &sink, progress) => result.map_err(Ended::Failed),
        };
        if result.is_err() {
            // Reading fails if the import is cancelled while it waits for the disk.
            if reading.is_stopped() && matches!(result, Err(Ended::Failed(_))) {
                result = Err(stop.await);
            }
            reading.stop();
            if let Err(error) = import.checkpoint() {
                tracing::warn!(error = told(&error), "cannot store the rejects of an import");
            }
        }
        // A later import reads the records of events that were not stored again.
        _ = sink.close(CLOSING).await;
        result
    }
}
