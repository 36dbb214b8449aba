//! The registry of projects: the open projects of this server. `changes` creates, changes and removes projects,
//! `filling` creates a project together with its events, `removal` deletes the events of removed projects, and `sync`
//! keeps the open projects in step with the records.

mod changes;
mod filling;
mod removal;
mod sync;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use martech_core::{
    StoreError,
    event::{EventError, Timestamp},
    sink::ConfigError,
};
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
};

use super::{
    DeadLetterFile, Project, ProjectDefaults, ProjectOptions, ProjectSettings, WatcherLimit,
    backend::{Backend, BackendError},
    record_cache,
};
use crate::{
    identity::{AccountError, InvalidField, ProjectId, ProjectRecord},
    records::{Records, RecordsError},
};

/// Each project uses its own memory and files.
const MAX_PROJECTS: usize = 100;
/// How long the removal of a project waits for its pending events to be stored.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// An error of creating, changing, removing or finding a project.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    #[error("there is no project {0}")]
    Unknown(ProjectId),
    #[error("there is already a project {0}")]
    Exists(ProjectId),
    #[error("the events of an earlier project {0} are being deleted; retry in a few minutes")]
    Removing(ProjectId),
    #[error("an earlier project {0} has left events; to delete them, create it again and remove it with events=delete")]
    HasEvents(ProjectId),
    #[error("the project `default` cannot be removed")]
    Default,
    #[error("a server has at most {MAX_PROJECTS} projects")]
    TooMany,
    #[error("{} {}", .0.0, .0.1)]
    Invalid(InvalidField),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error("the store of the project cannot be opened: {0}")]
    Store(#[from] BackendError),
    #[error("the queue of the project cannot be built: {0}")]
    Sink(#[from] ConfigError),
    #[error("cannot create or move the folder of the project: {0}")]
    Folder(std::io::Error),
    #[error("the event of a new project is invalid: {0}")]
    Event(#[from] EventError),
    #[error("the events of a new project were not stored: {0}")]
    NotStored(#[from] StoreError),
    #[error("the events of a new project were not stored in time")]
    NotStoredInTime,
}

pub(crate) use self::changes::RemovalPolicy;

/// The projects of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Projects {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    default: Project,
    /// The other open projects.
    others: RwLock<BTreeMap<ProjectId, Project>>,
    records: Records,
    options: ProjectOptions,
    watchers: WatcherLimit,
    /// Held while projects are opened and closed. The value is whether the server is closing.
    changing: Mutex<bool>,
    /// The ids of the projects that are being created with their events. Changed while `changing` is held, except for
    /// the end of a creation.
    filling: watch::Sender<BTreeSet<ProjectId>>,
    /// Set before the server waits for `changing` and `filling` to close.
    stopping: AtomicBool,
    /// Background tasks. They end when the server closes, because they may hold resources that closing releases.
    tasks: Mutex<JoinSet<()>>,
}

impl Projects {
    /// Opens the default project and all projects in the records.
    ///
    /// If the records cannot be read, opens the projects of the local copies instead. A background task reads the
    /// records again every few seconds.
    pub(crate) async fn open(
        default: (Backend, Arc<DeadLetterFile>),
        records: Records,
        options: ProjectOptions,
    ) -> Result<Self, ConfigError> {
        let (backend, dead_letters) = default;
        let settings = ProjectSettings::new(None, &options.defaults);
        let (id, watchers) = (ProjectId::default(), WatcherLimit::default());
        let inner = Inner {
            default: Project::new(id, backend, dead_letters, options.queue, settings, &watchers)?,
            others: RwLock::default(),
            records,
            options,
            watchers,
            changing: Mutex::new(false),
            filling: watch::Sender::default(),
            stopping: AtomicBool::new(false),
            tasks: Mutex::default(),
        };
        let projects = Self { inner: Arc::new(inner) };
        projects.begin().await;
        projects.go_on().await;
        Ok(projects)
    }

    /// Returns the default project.
    pub(crate) fn default(&self) -> &Project {
        &self.inner.default
    }

    /// Returns the settings of the server, which apply where a project has none of its own.
    pub(crate) fn defaults(&self) -> &ProjectDefaults {
        &self.inner.options.defaults
    }

    /// Returns all open projects, the default project first.
    pub(crate) fn all(&self) -> Vec<Project> {
        std::iter::once(&self.inner.default).chain(self.opened_others().values()).cloned().collect()
    }

    /// Returns the open projects other than the default project.
    pub(crate) fn others(&self) -> Vec<Project> {
        self.opened_others().values().cloned().collect()
    }

    /// Returns the project with an id. Opens it if it is in the records and not open yet.
    pub(crate) async fn find(&self, id: &ProjectId) -> Result<Project, ProjectError> {
        match self.opened_now(id) {
            Some(project) => Ok(project),
            // Another server may have just created the project.
            None => match self.record(id).await? {
                Some(record) => self.opened(&record).await,
                None => Err(ProjectError::Unknown(id.clone())),
            },
        }
    }

    /// Returns the project with an id if it is open. Every project is, a few seconds after its creation.
    pub(crate) fn opened_now(&self, id: &ProjectId) -> Option<Project> {
        if id.is_default() { Some(self.inner.default.clone()) } else { self.opened_others().get(id).cloned() }
    }

    /// Returns the records of all projects, the default project first.
    pub(crate) async fn records(&self) -> Result<Vec<ProjectRecord>, RecordsError> {
        let mut records: Vec<ProjectRecord> = self.inner.records.all(None).await?;
        match records.iter().position(|record| record.id.is_default()) {
            Some(at) => records[..=at].rotate_right(1),
            None => records.insert(0, ProjectRecord::new(ProjectId::default(), Timestamp::from_millis(0))),
        }
        Ok(records)
    }

    /// Returns the number of watchers of all feeds.
    pub(crate) fn watchers(&self) -> usize {
        self.inner.watchers.watchers()
    }

    /// Ends the watchers of all feeds, and admits no further ones.
    pub(crate) fn end_watchers(&self) {
        self.inner.watchers.close();
        self.all().iter().for_each(|project| project.feed().close());
    }

    /// Closes all projects concurrently, and returns the number of events that were not stored within `timeout`.
    pub(crate) async fn close(&self, timeout: Duration) -> Result<usize, BackendError> {
        self.inner.stopping.store(true, Ordering::Relaxed);
        self.inner.tasks.lock().await.shutdown().await;
        *self.inner.changing.lock().await = true;
        self.until_filled().await;
        let _changing = self.inner.changing.lock().await;
        let all = self.all();
        let closed = futures_util::future::join_all(all.iter().map(|project| project.close(timeout))).await;
        closed.into_iter().try_fold(0, |sum, unstored| Ok(sum + unstored?))
    }

    fn opened_others(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<ProjectId, Project>> {
        self.inner.others.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn record(&self, id: &ProjectId) -> Result<Option<ProjectRecord>, RecordsError> {
        Ok(self.inner.records.get(id.as_str()).await?.map(|stored| stored.entity))
    }

    /// Returns the project of a record. Opens it if it is not open.
    async fn opened(&self, record: &ProjectRecord) -> Result<Project, ProjectError> {
        if let Some(project) = self.opened_now(&record.id) {
            return Ok(project);
        }
        let closing = self.inner.changing.lock().await;
        self.open_now(record, *closing).await
    }

    /// Does the work of [`opened`](Self::opened). The caller must hold `changing`, and passes its value.
    async fn open_now(&self, record: &ProjectRecord, closing: bool) -> Result<Project, ProjectError> {
        if let Some(project) = self.opened_others().get(&record.id) {
            return Ok(project.clone());
        }
        if closing {
            return Err(RecordsError::Closed.into());
        }
        let project = self.build(record).await?;
        self.enter(record, &project);
        Ok(project)
    }

    /// Opens the project of a record, without making it available.
    async fn build(&self, record: &ProjectRecord) -> Result<Project, ProjectError> {
        let inner = &*self.inner;
        let folder = record.id.folder(&inner.options.data_dir);
        std::fs::create_dir_all(&folder).map_err(ProjectError::Folder)?;
        let dead_letters = DeadLetterFile::new(&folder);
        let backend =
            inner.default.backend().beside(&record.id, &inner.options.backend, &folder, &dead_letters).await?;
        let settings = ProjectSettings::new(Some(record), &inner.options.defaults);
        let (id, queue) = (record.id.clone(), inner.options.queue);
        Ok(Project::new(id, backend, dead_letters, queue, settings, &inner.watchers)?)
    }

    /// Makes an open project available.
    fn enter(&self, record: &ProjectRecord, project: &Project) {
        record_cache::keep(record, &record.id.folder(&self.inner.options.data_dir));
        let mut others = self.inner.others.write().unwrap_or_else(PoisonError::into_inner);
        others.insert(record.id.clone(), project.clone());
    }

    /// Closes a project if it is open, and returns whether it was. The caller must hold `changing`.
    async fn shut(&self, id: &ProjectId) -> bool {
        let project = self.inner.others.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        record_cache::remove(&id.folder(&self.inner.options.data_dir));
        let Some(project) = project else { return false };
        Self::close_removed(&project).await;
        true
    }

    async fn close_removed(project: &Project) {
        let id = project.id();
        match project.close(REMOVAL_TIMEOUT).await {
            Ok(0) => {}
            Ok(events) => {
                tracing::error!(project = %id, events, "the dead-letter file has events of a removed project")
            }
            Err(error) => tracing::error!(project = %id, %error, "a removed project did not close cleanly"),
        }
    }
}
