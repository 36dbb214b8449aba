//! Files that admins upload to import them, and their imports.
//!
//! An upload is a folder, `imports/ID` in the folder of its project: the file as it came, a description, and the rejects
//! of the last import.
//!
//! ```text
//! receive ──▶ uploaded ──▶ running ──▶ finished, failed, cancelled
//!                             ▲              │
//!                             └──────────────┘
//! ```
//!
//! - An upload belongs to the server that received it, and to one project. When the project is removed, its import ends,
//!   and its uploads are removed. A later project with the same id does not see them.
//! - An import can be repeated with other options: the ids of events derive from the records, so the store counts those
//!   that it has as duplicates.
//! - Everything is bounded: the size of a file and of its rejects, the uploads of a project and of a server, and the
//!   imports that run at once. Uploads and imports stop before the disk is so full that events are refused. Uploads are
//!   removed after a day.
//! - A server that stops cancels its imports. What they stored stays. An import that a crash interrupted counts as
//!   cancelled.

mod error;
mod folder;
mod receive;
mod run;
mod upload;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use martech_core::event::Timestamp;
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinSet, spawn_blocking},
};

pub(crate) use self::{
    error::UploadError,
    receive::Incoming,
    upload::{Reason, State, Upload},
};
use self::{folder::Folder, run::Running};
use crate::{
    identity::ProjectId,
    projects::{Project, ProjectError, Projects, disk_space::DiskSpace},
    util::{every, unless_missing},
};

/// Maximum size of a file, in bytes: 4 GiB.
pub(crate) const MAX_BYTES: u64 = 4 << 30;
/// Maximum size of a compressed file after decompression, in bytes: 64 GiB.
const MAX_PLAIN_BYTES: u64 = 64 << 30;
/// Maximum size of the rejects of an import, in bytes. Further rejects are only counted.
const MAX_REJECTS: u64 = 64 << 20;
/// Maximum number of uploads of a project.
pub(crate) const MAX_UPLOADS: usize = 10;
/// Maximum number of uploads of all projects. The description of each may use 2 MiB of memory.
pub(crate) const MAX_ON_SERVER: usize = 50;
/// Maximum number of files whose format is detected at once.
const MAX_DETECTING: usize = 2;
/// Maximum number of imports that run at once, of all projects. Each may use 150 MiB.
pub(crate) const MAX_RUNNING: usize = 2;
/// How long an upload is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Interval at which old uploads, and uploads of removed projects, are removed.
const SWEEPING: Duration = Duration::from_secs(60);

/// The uploads of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Uploads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    data_dir: PathBuf,
    projects: Projects,
    disk_space: Arc<DiskSpace>,
    table: Mutex<Table>,
    /// The files whose format may be detected now.
    detecting: Semaphore,
    /// Whether the server is stopping.
    stopping: watch::Sender<bool>,
    /// The task that removes old uploads.
    _sweeping: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<String, Entry>,
    /// The number of files that are being received, by project.
    incoming: BTreeMap<ProjectId, usize>,
    /// The imports that run.
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Entry {
    upload: Upload,
    folder: Folder,
    running: Option<Running>,
}

impl Uploads {
    /// Finds the uploads in a data folder, and removes old and incomplete ones. Must be called in a Tokio runtime.
    pub(crate) fn open(data_dir: PathBuf, projects: Projects, disk_space: Arc<DiskSpace>) -> Self {
        let mut table = Table::default();
        for (folder, upload) in folder::find(&data_dir) {
            table.entries.insert(upload.id.clone(), Entry { upload, folder, running: None });
        }
        let inner = Arc::new(Inner {
            data_dir,
            projects,
            disk_space,
            table: Mutex::new(table),
            detecting: Semaphore::new(MAX_DETECTING),
            stopping: watch::Sender::new(false),
            _sweeping: Mutex::default(),
        });
        let uploads = Self { inner };
        delete(uploads.take_old(Timestamp::now()));
        let weak = Arc::downgrade(&uploads.inner);
        let sweep = every(SWEEPING, weak, async |inner| {
            let uploads = Self { inner };
            let old = uploads.take_old(Timestamp::now());
            _ = spawn_blocking(move || delete(old)).await;
            uploads.forget_removed().await;
        });
        uploads.inner._sweeping.lock().unwrap_or_else(PoisonError::into_inner).spawn(sweep);
        uploads
    }

    /// Returns the uploads of a project, newest first.
    pub(crate) fn list(&self, project: &Project) -> Vec<Upload> {
        let table = self.table();
        let own = table.entries.values().filter(|entry| entry.upload.is_of(project));
        let mut uploads: Vec<Upload> = own.map(Entry::now).collect();
        uploads.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
        uploads
    }

    /// Returns an upload of a project.
    pub(crate) fn get(&self, project: &Project, id: &str) -> Result<Upload, UploadError> {
        self.table().entry(project, id).map(|entry| entry.now())
    }

    /// Opens the rejects of the last import. Returns `None` if there are none.
    pub(crate) async fn rejects(&self, project: &Project, id: &str) -> Result<Option<File>, UploadError> {
        let path = {
            let mut table = self.table();
            let entry = table.entry(project, id)?;
            if entry.running.is_some() {
                return Err(UploadError::Running);
            }
            entry.folder.rejects()
        };
        receive::blocking(move || unless_missing(File::open(path))).await
    }

    /// Removes an upload, its rejects, and its import if one runs.
    pub(crate) async fn remove(&self, project: &Project, id: &str) -> Result<(), UploadError> {
        let ended = self.table().entry(project, id)?.running.as_mut().map(Running::cancel);
        if let Some(ended) = ended {
            ended.await;
        }
        let entry = {
            let mut table = self.table();
            if table.entry(project, id)?.running.is_some() {
                // Another request has started it again.
                return Err(UploadError::Running);
            }
            table.entries.remove(id)
        };
        let Some(entry) = entry else { return Err(UploadError::Unknown) };
        receive::blocking(move || entry.folder.remove()).await
    }

    /// Cancels all imports, and refuses further ones.
    pub(crate) fn stop(&self) {
        self.inner.stopping.send_replace(true);
    }

    /// Waits until all imports have ended, for at most `timeout`.
    pub(crate) async fn close(&self, timeout: Duration) {
        self.stop();
        let tasks = std::mem::take(&mut self.table().tasks);
        if tokio::time::timeout(timeout, tasks.join_all()).await.is_err() {
            tracing::warn!("an import did not end in time; it can be run again after the restart");
        }
    }

    /// Completes when the server stops.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.inner.stopping.subscribe();
        // The sender lives as long as `self`.
        _ = stopping.wait_for(|is_stopping| *is_stopping).await;
    }

    /// Removes the uploads of projects that do not exist any more, and ends their imports.
    pub(crate) async fn forget_removed(&self) {
        let projects: BTreeSet<_> = self.table().entries.values().map(|entry| entry.upload.project.clone()).collect();
        for id in projects {
            let existing = match self.inner.projects.find(&id).await {
                Ok(project) => Some(project),
                Err(ProjectError::Unknown(_)) => None,
                // Whether the project exists is not known now.
                Err(_) => continue,
            };
            let is_gone =
                |upload: &Upload| upload.project == id && !existing.as_ref().is_some_and(|now| upload.is_of(now));
            let ended: Vec<_> = {
                let mut table = self.table();
                let gone = table.entries.values_mut().filter(|entry| is_gone(&entry.upload));
                gone.filter_map(|entry| entry.running.as_mut()).map(Running::cancel).collect()
            };
            join_all(ended).await;
            let gone = self.take(is_gone);
            _ = spawn_blocking(move || delete(gone)).await;
        }
    }

    /// Takes the uploads that are kept no longer out of the table.
    fn take_old(&self, now: Timestamp) -> Vec<Entry> {
        self.take(|upload| now.millis().saturating_sub(upload.created_at.millis()) > KEPT.as_millis() as i64)
    }

    /// Takes uploads that are not being imported out of the table.
    fn take(&self, is_meant: impl Fn(&Upload) -> bool) -> Vec<Entry> {
        let mut table = self.table();
        let taken = table.entries.extract_if(.., |_, entry| entry.running.is_none() && is_meant(&entry.upload));
        taken.map(|(_, entry)| entry).collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.inner.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn entry(&mut self, project: &Project, id: &str) -> Result<&mut Entry, UploadError> {
        self.entries.get_mut(id).filter(|entry| entry.upload.is_of(project)).ok_or(UploadError::Unknown)
    }
}

impl Entry {
    /// Returns the upload with the progress of its import.
    fn now(&self) -> Upload {
        let mut upload = self.upload.clone();
        if let Some(running) = &self.running {
            running.progress.describe(&mut upload);
        }
        upload
    }
}

/// Deletes the files of uploads. Logs a failure; the next start tries again.
fn delete(entries: Vec<Entry>) {
    for Entry { upload, folder, .. } in entries {
        tracing::info!(project = %upload.project, import = upload.id, "removing an upload");
        if let Err(error) = folder.remove() {
            tracing::warn!(%error, import = upload.id, "cannot remove an upload");
        }
    }
}

#[cfg(test)]
mod tests;
