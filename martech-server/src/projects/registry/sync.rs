//! Keeps the open projects in step with the records, which other servers also change.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{ProjectError, Projects};
use crate::{
    identity::{ProjectId, ProjectRecord, ProjectRemoval},
    projects::{ProjectSettings, record_cache, retention},
    util::every,
};

/// How long a starting server waits for the list of projects.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval at which a server reads changes by other servers.
const SYNCING: Duration = Duration::from_secs(5);

impl Projects {
    /// Opens the projects in the records, or those of the local copies if the records cannot be read in time.
    pub(super) async fn begin(&self) {
        if let Ok(Ok(())) = timeout(START_TIMEOUT, self.sync()).await {
            return;
        }
        tracing::warn!("cannot read the list of projects; opening the projects of the last run");
        for record in record_cache::read(&self.inner.options.data_dir) {
            if let Err(error) = self.follow(&record).await {
                tracing::error!(project = %record.id, %error, "cannot open a project");
            }
        }
    }

    /// Starts the background tasks: reading the records, and retention.
    pub(super) async fn go_on(&self) {
        let inner = Arc::downgrade(&self.inner);
        let mut tasks = self.inner.tasks.lock().await;
        let this = self.clone();
        tasks.spawn(async move { this.delete_files().await });
        tasks.spawn(every(SYNCING, inner.clone(), async |inner| Self { inner }.synced().await));
        tasks.spawn(async move {
            if let Some(inner) = inner.upgrade() {
                Self { inner }.apply_retention().await;
            }
            every(retention::EVERY, inner, async |inner| Self { inner }.apply_retention().await).await;
        });
    }

    async fn synced(&self) {
        if let Err(error) = self.sync().await {
            tracing::error!(%error, "cannot read the list of projects; retrying");
        }
    }

    /// Opens, updates and closes projects until the open projects match the records.
    pub(super) async fn sync(&self) -> Result<(), ProjectError> {
        self.inner.records.settle().await?;
        self.carry_out_removals().await?;
        let records: Vec<ProjectRecord> = self.inner.records.all(None).await?;
        let removals: Vec<ProjectRemoval> = self.inner.records.all(None).await?;
        let gone: Vec<ProjectId> = {
            // A project whose events are being deleted stays open until they are: its last events must go too.
            let is_there = |id: &ProjectId| {
                records.iter().any(|record| record.id == *id) || removals.iter().any(|removal| removal.id == *id)
            };
            self.opened_others().keys().filter(|id| !is_there(id)).cloned().collect()
        };
        for id in gone {
            let _changing = self.inner.changing.lock().await;
            // The project may have been created again in the meantime.
            if self.record(&id).await?.is_none() {
                self.shut(&id).await;
            }
        }
        for record in records {
            if let Err(error) = self.follow(&record).await {
                // One project that cannot be opened must not block the others.
                tracing::error!(project = %record.id, %error, "cannot open a project; retrying");
            }
        }
        Ok(())
    }

    /// Opens the project of a record, and applies the settings of the record.
    pub(super) async fn follow(&self, record: &ProjectRecord) -> Result<(), ProjectError> {
        let project = if record.id.is_default() { self.default().clone() } else { self.opened(record).await? };
        if !project.settings().are_of(record) {
            project.set(ProjectSettings::new(Some(record), &self.inner.options.defaults));
            record_cache::keep(record, &record.id.folder(&self.inner.options.data_dir));
        }
        Ok(())
    }
}
