//! Creation of a project together with its events.
//!
//! The order to delete the events of the project is stored before its first event, and removed in the transaction that
//! puts the project into the records. After a crash in between, the events are deleted. The project becomes available
//! when all of its events are stored.
//!
//! Meanwhile its id is reserved on this server: no other project is created under it, and only the creation itself carries
//! out its order. All other projects can be created, changed and removed. Other servers respect the lease of the order.
//! A server that closes waits for the creation, which gives up at its next batch.

use std::{
    collections::BTreeSet,
    panic::resume_unwind,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use martech_core::{
    Store,
    event::{Event, EventError, Timestamp},
};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::timeout,
};

use super::{ProjectError, Projects, changes::check_new};
use crate::{
    identity::{Actor, ProjectChange, ProjectId, ProjectRecord, ProjectRemoval, Role},
    projects::{Project, ProjectSettings},
    records::{RecordsError, transact},
};

/// How long the store may take for all events. Another server deletes them if this one takes longer than the lease of a
/// removal, so this must be shorter.
const FILL_TIMEOUT: Duration = Duration::from_secs(60);
/// The batches of events that wait for the store.
const WAITING: usize = 2;

impl Projects {
    /// Creates a project with the events that `events` makes of its settings, and returns the number of events. They go
    /// straight to the store, batch by batch. If one batch fails, there is no project.
    ///
    /// The creation continues if this future is dropped.
    pub(crate) async fn make_filled<Batches>(
        &self,
        actor: &Actor,
        id: ProjectId,
        change: ProjectChange,
        now: Timestamp,
        events: impl FnOnce(&ProjectSettings) -> Batches + Send + 'static,
    ) -> Result<(ProjectRecord, u64), ProjectError>
    where
        Batches: Iterator<Item = Result<Vec<Event>, EventError>> + Send + 'static,
    {
        let record = ProjectRecord::new(id, now).with(change, now).map_err(ProjectError::Invalid)?;
        let (projects, actor) = (self.clone(), actor.clone());
        let made = tokio::spawn(async move {
            let stored = projects.fill_new(&actor, &record, events).await?;
            Ok((record, stored))
        });
        made.await.unwrap_or_else(|failed| match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(RecordsError::Closed.into()),
        })
    }

    async fn fill_new<Batches>(
        &self,
        actor: &Actor,
        record: &ProjectRecord,
        events: impl FnOnce(&ProjectSettings) -> Batches + Send + 'static,
    ) -> Result<u64, ProjectError>
    where
        Batches: Iterator<Item = Result<Vec<Event>, EventError>> + Send + 'static,
    {
        let (project, removal, _reservation) = self.begin_filling(actor, record).await?;
        let filled = timeout(FILL_TIMEOUT, fill(&project, &self.inner.stopping, events)).await;
        let filled = match filled.unwrap_or(Err(ProjectError::NotStoredInTime)) {
            Ok(stored) => self.enter_filled(actor, record, &project, &removal).await.map(|()| stored),
            Err(error) => Err(error),
        };
        match &filled {
            Ok(events) => tracing::info!(project = %record.id, events, "a project was created with its events"),
            Err(_) => self.undo_filling(&project, removal).await,
        }
        filled
    }

    /// Reserves the id of a new project, opens the project, and orders the deletion of its events.
    async fn begin_filling(
        &self,
        actor: &Actor,
        record: &ProjectRecord,
    ) -> Result<(Project, ProjectRemoval, Reservation<'_>), ProjectError> {
        let closing = self.inner.changing.lock().await;
        if *closing {
            return Err(RecordsError::Closed.into());
        }
        check_new(&record.id, &self.records().await?)?;
        self.check_free(&record.id).await?;
        let reservation = Reservation::new(&self.inner.filling, &record.id);
        let project = self.build(record).await?;
        match self.begin_new(actor, record, &project).await {
            Ok(removal) => Ok((project, removal, reservation)),
            Err(error) => {
                Self::close_removed(&project).await;
                Err(error)
            }
        }
    }

    /// Makes a project available that has all its events.
    async fn enter_filled(
        &self,
        actor: &Actor,
        record: &ProjectRecord,
        project: &Project,
        removal: &ProjectRemoval,
    ) -> Result<(), ProjectError> {
        let _changing = self.inner.changing.lock().await;
        self.record_new(actor, record, Some(removal)).await?;
        self.enter(record, project);
        Ok(())
    }

    /// Closes a project that could not be filled, and deletes its events.
    async fn undo_filling(&self, project: &Project, removal: ProjectRemoval) {
        Self::close_removed(project).await;
        let changing = self.inner.changing.lock().await;
        if let Err(error) = self.carry_out(removal).await {
            tracing::error!(project = %project.id(), %error, "cannot delete the events of a failed project; retrying");
        }
        drop(changing);
        self.delete_files().await;
    }

    /// Returns whether a project with this id is being created with its events.
    pub(super) fn is_filling(&self, id: &ProjectId) -> bool {
        self.inner.filling.borrow().contains(id)
    }

    /// Waits until no project is being created with its events.
    pub(super) async fn until_filled(&self) {
        // The sender lives as long as `self`.
        _ = self.inner.filling.subscribe().wait_for(BTreeSet::is_empty).await;
    }

    /// Orders the deletion of the events of a project that is being created.
    async fn begin_new(
        &self,
        actor: &Actor,
        record: &ProjectRecord,
        project: &Project,
    ) -> Result<ProjectRemoval, ProjectError> {
        if !project.backend().is_empty().await? {
            return Err(ProjectError::HasEvents(record.id.clone()));
        }
        let begun = ProjectRemoval::begun(record.id.clone(), Timestamp::now());
        transact!(self.inner.records, ProjectError, |transaction| {
            actor.permissions(transaction).await?.need(Role::Owner, &ProjectId::default())?;
            check_new(&record.id, &transaction.all(None).await?)?;
            match transaction.get::<ProjectRemoval>(record.id.as_str()).await? {
                Some(removal) if !removal.is_done => Err(ProjectError::Removing(record.id.clone())),
                _ => {
                    transaction.put(&begun);
                    Ok(())
                }
            }
        })?;
        Ok(begun)
    }
}

/// The reservation of the id of a project that is being created with its events.
struct Reservation<'a> {
    filling: &'a watch::Sender<BTreeSet<ProjectId>>,
    id: ProjectId,
}

impl<'a> Reservation<'a> {
    /// Reserves an id. The caller must hold `changing`, and must have checked that the id is free.
    fn new(filling: &'a watch::Sender<BTreeSet<ProjectId>>, id: &ProjectId) -> Self {
        filling.send_modify(|ids| _ = ids.insert(id.clone()));
        Self { filling, id: id.clone() }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.filling.send_modify(|ids| _ = ids.remove(&self.id));
    }
}

/// Stores the events that `events` makes on another thread, and returns their number. Gives up when the server stops.
async fn fill<Batches>(
    project: &Project,
    stopping: &AtomicBool,
    events: impl FnOnce(&ProjectSettings) -> Batches + Send + 'static,
) -> Result<u64, ProjectError>
where
    Batches: Iterator<Item = Result<Vec<Event>, EventError>> + Send + 'static,
{
    let (sender, mut batches) = mpsc::channel(WAITING);
    let settings = project.settings();
    let making = spawn_blocking(move || {
        for batch in events(&settings) {
            // The store has failed, or took too long.
            if sender.blocking_send(batch).is_err() {
                return;
            }
        }
    });
    let mut stored = 0;
    while let Some(batch) = batches.recv().await {
        if stopping.load(Ordering::Relaxed) {
            return Err(RecordsError::Closed.into());
        }
        let batch = batch?;
        if !batch.is_empty() {
            stored += project.backend().append(&batch).await?.stored as u64;
        }
    }
    match making.await {
        Ok(()) => Ok(stored),
        Err(failed) => resume_unwind(failed.into_panic()),
    }
}
