//! Creates, changes and removes projects.

use std::str::FromStr;

use martech_core::event::Timestamp;
use utoipa::ToSchema;

use super::{MAX_PROJECTS, ProjectError, Projects};
use crate::{
    identity::{Actor, ProjectChange, ProjectId, ProjectRecord, ProjectRemoval, Role, remove_project_access},
    records::transact,
};

/// Whether the events of a project are deleted when it is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) enum RemovalPolicy {
    /// They remain in place.
    #[default]
    Keep,
    /// They are deleted, with the dead letters of the project.
    Delete,
}

impl FromStr for RemovalPolicy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "keep" => Ok(Self::Keep),
            "delete" => Ok(Self::Delete),
            _ => Err("must be keep or delete"),
        }
    }
}

impl Projects {
    /// Creates a project, and opens it.
    ///
    /// The transaction checks the permission of the actor again, because it may have been revoked since the request
    /// started. [`change`](Self::change) and [`remove`](Self::remove) do the same.
    pub(crate) async fn make(
        &self,
        actor: &Actor,
        id: ProjectId,
        change: ProjectChange,
        now: Timestamp,
    ) -> Result<ProjectRecord, ProjectError> {
        if id.is_default() {
            return Err(ProjectError::Exists(id));
        }
        let record = ProjectRecord::new(id, now).with(change, now).map_err(ProjectError::Invalid)?;
        let closing = self.inner.changing.lock().await;
        check_new(&record.id, &self.records().await?)?;
        self.check_free(&record.id).await?;
        // Open the project before recording it, so that a project that cannot be opened is not created.
        self.open_now(&record, *closing).await?;
        if let Err(error) = self.record_new(actor, &record, None).await {
            if !matches!(error, ProjectError::Exists(_)) {
                self.shut(&record.id).await;
            }
            return Err(error);
        }
        tracing::info!(project = %record.id, "a project was created");
        Ok(record)
    }

    /// Checks that no project with this id is being created, and that no events of an earlier one are to be deleted, after
    /// an attempt to delete them. The caller must hold `changing`.
    pub(super) async fn check_free(&self, id: &ProjectId) -> Result<(), ProjectError> {
        if self.is_filling(id) {
            return Err(ProjectError::Exists(id.clone()));
        }
        self.carry_out_due(id).await?;
        self.delete_files().await;
        match self.removal(id).await? {
            Some(removal) if !removal.is_done => Err(ProjectError::Removing(id.clone())),
            _ => Ok(()),
        }
    }

    /// Puts a new project into the records. `own` is the removal that its creation began with.
    pub(super) async fn record_new(
        &self,
        actor: &Actor,
        record: &ProjectRecord,
        own: Option<&ProjectRemoval>,
    ) -> Result<(), ProjectError> {
        loop {
            let is_made = transact!(self.inner.records, ProjectError, |transaction| {
                actor.permissions(transaction).await?.need(Role::Owner, &ProjectId::default())?;
                check_new(&record.id, &transaction.all(None).await?)?;
                let removal = transaction.get::<ProjectRemoval>(record.id.as_str()).await?;
                if removal.as_ref() != own && removal.as_ref().is_some_and(|removal| !removal.is_done) {
                    return Err(ProjectError::Removing(record.id.clone()));
                }
                // An earlier project with the same id may have left keys, invitations or roles: older versions removed
                // projects less thoroughly.
                let is_anew = remove_project_access(transaction, &record.id).await?;
                if is_anew {
                    transaction.put(record);
                    transaction.remove::<ProjectRemoval>(record.id.as_str());
                }
                Ok(is_anew)
            });
            if is_made? {
                return Ok(());
            }
        }
    }

    /// Changes the settings of a project.
    pub(crate) async fn change(
        &self,
        actor: &Actor,
        id: &ProjectId,
        change: ProjectChange,
        now: Timestamp,
    ) -> Result<ProjectRecord, ProjectError> {
        let record = transact!(self.inner.records, ProjectError, |transaction| {
            actor.permissions(transaction).await?.need(Role::Admin, id)?;
            let old = match transaction.get::<ProjectRecord>(id.as_str()).await? {
                Some(old) => old,
                None if id.is_default() => ProjectRecord::new(id.clone(), now),
                None => return Err(ProjectError::Unknown(id.clone())),
            };
            let record = old.with(change.clone(), now).map_err(ProjectError::Invalid)?;
            transaction.put(&record);
            Ok(record)
        })?;
        self.follow(&record).await?;
        Ok(record)
    }

    /// Removes a project with its keys, invitations and roles. The events remain in place, or are still to be
    /// [deleted](Self::delete_events).
    pub(crate) async fn remove(
        &self,
        actor: &Actor,
        id: &ProjectId,
        events: RemovalPolicy,
        now: Timestamp,
    ) -> Result<(), ProjectError> {
        if id.is_default() {
            return Err(ProjectError::Default);
        }
        loop {
            let is_gone = transact!(self.inner.records, ProjectError, |transaction| {
                actor.permissions(transaction).await?.need(Role::Owner, &ProjectId::default())?;
                if transaction.get::<ProjectRecord>(id.as_str()).await?.is_none() {
                    return Err(ProjectError::Unknown(id.clone()));
                }
                let is_all = remove_project_access(transaction, id).await?;
                if is_all {
                    transaction.remove::<ProjectRecord>(id.as_str());
                    if events == RemovalPolicy::Delete {
                        transaction.put(&ProjectRemoval::begun(id.clone(), now));
                    }
                }
                Ok(is_all)
            });
            if is_gone? {
                break;
            }
        }
        match events {
            RemovalPolicy::Keep => tracing::info!(project = %id, "a project was removed; its events remain in place"),
            RemovalPolicy::Delete => tracing::info!(project = %id, "a project was removed, and its events are deleted"),
        }
        let _changing = self.inner.changing.lock().await;
        self.shut(id).await;
        Ok(())
    }
}

/// Checks whether a project can be created beside the existing ones. The default project counts, even without a record.
///
/// # Errors
///
/// Returns [`ProjectError::Exists`] or [`ProjectError::TooMany`].
pub(super) fn check_new(id: &ProjectId, there: &[ProjectRecord]) -> Result<(), ProjectError> {
    if there.iter().any(|other| other.id == *id) {
        return Err(ProjectError::Exists(id.clone()));
    }
    if there.iter().filter(|other| !other.id.is_default()).count() + 1 >= MAX_PROJECTS {
        return Err(ProjectError::TooMany);
    }
    Ok(())
}
