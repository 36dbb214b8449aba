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
//! - An upload belongs to the server that received it, and to one project.
//! - An import can be repeated with other options: the ids of events derive from the records, so the store counts those
//!   that it has as duplicates.
//! - Everything is bounded: the size of a file, the uploads of a project, and the imports that run at once. Uploads are
//!   removed after a day.
//! - A server that stops cancels its imports. What they stored stays. An import that a crash interrupted counts as
//!   cancelled.

mod error;
mod folder;
mod receive;
mod run;
mod upload;

use std::{
    collections::BTreeMap,
    fs::File,
    io::ErrorKind,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use martech_core::event::Timestamp;
use tokio::{sync::watch, task::JoinSet};

pub(crate) use self::{
    error::UploadError,
    receive::Incoming,
    upload::{Reason, State, Upload},
};
use self::{folder::Folder, run::Running};
use crate::{identity::ProjectId, util::every};

/// Maximum size of a file, in bytes: 4 GiB.
pub(crate) const MAX_BYTES: u64 = 4 << 30;
/// Maximum number of uploads of a project.
pub(crate) const MAX_UPLOADS: usize = 10;
/// Maximum number of imports that run at once, of all projects. Each may use 150 MiB.
pub(crate) const MAX_RUNNING: usize = 2;
/// How long an upload is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Interval at which old uploads are removed.
const SWEEPING: Duration = Duration::from_secs(600);

/// The uploads of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Uploads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    data_dir: PathBuf,
    table: Mutex<Table>,
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
    pub(crate) fn open(data_dir: PathBuf) -> Self {
        let mut table = Table::default();
        for (folder, upload) in folder::find(&data_dir) {
            table.entries.insert(upload.id.clone(), Entry { upload, folder, running: None });
        }
        let inner = Arc::new(Inner {
            data_dir,
            table: Mutex::new(table),
            stopping: watch::Sender::new(false),
            _sweeping: Mutex::default(),
        });
        let uploads = Self { inner };
        uploads.remove_old(Timestamp::now());
        let weak = Arc::downgrade(&uploads.inner);
        let sweep = every(SWEEPING, weak, async |inner| {
            let work = move || Self { inner }.remove_old(Timestamp::now());
            _ = tokio::task::spawn_blocking(work).await;
        });
        uploads.inner._sweeping.lock().unwrap_or_else(PoisonError::into_inner).spawn(sweep);
        uploads
    }

    /// Returns the uploads of a project, newest first.
    pub(crate) fn list(&self, project: &ProjectId) -> Vec<Upload> {
        let table = self.table();
        let own = table.entries.values().filter(|entry| entry.upload.project == *project);
        let mut uploads: Vec<Upload> = own.map(Entry::now).collect();
        uploads.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
        uploads
    }

    /// Returns an upload of a project.
    pub(crate) fn get(&self, project: &ProjectId, id: &str) -> Result<Upload, UploadError> {
        self.table().entry(project, id).map(|entry| entry.now())
    }

    /// Opens the rejects of the last import. Returns `None` if there are none.
    pub(crate) async fn rejects(&self, project: &ProjectId, id: &str) -> Result<Option<File>, UploadError> {
        let path = {
            let mut table = self.table();
            let entry = table.entry(project, id)?;
            if entry.running.is_some() {
                return Err(UploadError::Running);
            }
            entry.folder.rejects()
        };
        let open = move || match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        receive::blocking(open).await
    }

    /// Removes an upload, its rejects, and its import if one runs.
    pub(crate) async fn remove(&self, project: &ProjectId, id: &str) -> Result<(), UploadError> {
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
        self.table().entries.values().filter_map(|entry| entry.running.as_ref()).for_each(Running::stop_reading);
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

    fn remove_old(&self, now: Timestamp) {
        let is_old =
            |upload: &Upload| now.millis().saturating_sub(upload.created_at.millis()) > KEPT.as_millis() as i64;
        let old: Vec<Entry> = {
            let mut table = self.table();
            let gone = table.entries.extract_if(.., |_, entry| entry.running.is_none() && is_old(&entry.upload));
            gone.map(|(_, entry)| entry).collect()
        };
        for entry in old {
            tracing::info!(project = %entry.upload.project, import = entry.upload.id, "removing an upload after a day");
            if let Err(error) = entry.folder.remove() {
                tracing::warn!(%error, import = entry.upload.id, "cannot remove an upload");
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.inner.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn entry(&mut self, project: &ProjectId, id: &str) -> Result<&mut Entry, UploadError> {
        self.entries.get_mut(id).filter(|entry| entry.upload.project == *project).ok_or(UploadError::Unknown)
    }
}

impl Entry {
    /// Returns the upload with the progress of its import.
    fn now(&self) -> Upload {
        let mut upload = self.upload.clone();
        if let Some(running) = &self.running {
            running.progress.tell(&mut upload);
        }
        upload
    }
}

#[cfg(test)]
mod tests;
