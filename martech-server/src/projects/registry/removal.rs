//! Deletion of the events of removed projects.
//!
//! 1. One transaction removes the project from the records and stores a [`ProjectRemoval`]. From then on the project
//!    does not exist, and no other can be created under its id.
//! 2. The server closes the project and renames its folder. From then on no project can find its files.
//! 3. With MongoDB, it drops the collection of the events.
//! 4. The removal is done. With the embedded store, it is deleted. With MongoDB, it stays for a while: the other servers
//!    close the project when they see it, drop what they stored in the meantime, and rename their own folders, which
//!    have spools and dead letters.
//!
//! After a crash, or while MongoDB is unavailable, the removal stays, and a server carries it out when it next reads the
//! records. A removal is leased, so that only one server at a time carries it out. The embedded store has one server,
//! which needs no lease.
//!
//! A server that was down all the time from the removal of a project to its creation under the same id keeps the events
//! in its spool, and forwards them to the new project.

use martech_core::event::Timestamp;

use super::{ProjectError, Projects};
use crate::{
    identity::{ProjectId, ProjectRemoval},
    projects::{backend::Backend, removed_files},
    records::transact,
};

impl Projects {
    /// Deletes the events of a project that was [removed](Self::remove) with them. If a project with its id is being filled,
    /// they are deleted already, and the order in the records is that of the new project.
    ///
    /// # Errors
    /// Fails if the store does not delete them now. A server tries again.
    pub(crate) async fn delete_events(&self, id: &ProjectId) -> Result<(), ProjectError> {
        let changing = self.inner.changing.lock().await;
        if !self.is_filling(id)
            && let Some(removal) = self.removal(id).await?
        {
            self.carry_out(removal).await?;
        }
        drop(changing);
        self.delete_files().await;
        Ok(())
    }

    /// Carries out the removals that are due.
    pub(super) async fn carry_out_removals(&self) -> Result<(), ProjectError> {
        let mut removals: Vec<ProjectRemoval> = self.inner.records.all(None).await?;
        removals.retain(|removal| !self.is_over(removal));
        let is_none = removals.is_empty();
        for removal in removals {
            let _changing = self.inner.changing.lock().await;
            if let Err(error) = self.carry_out_due(&removal.id).await {
                tracing::error!(project = %removal.id, %error, "cannot delete the events of a removed project; retrying");
            }
        }
        if !is_none {
            self.delete_files().await;
        }
        Ok(())
    }

    /// Returns whether a removal leaves nothing to do for this server.
    fn is_over(&self, removal: &ProjectRemoval) -> bool {
        let ProjectRemoval { id, is_done, .. } = removal;
        *is_done && !self.opened_others().contains_key(id) && !id.folder(&self.inner.options.data_dir).exists()
    }

    /// Carries out the removal of a project, if there is one, no other server works on it, and the project is not being
    /// filled. The caller must hold `changing`.
    pub(super) async fn carry_out_due(&self, id: &ProjectId) -> Result<(), ProjectError> {
        if self.is_filling(id) {
            return Ok(());
        }
        let (now, is_only_server) = (Timestamp::now(), self.is_only_server());
        let claimed = transact!(self.inner.records, ProjectError, |transaction| {
            let removal = transaction.get::<ProjectRemoval>(id.as_str()).await?;
            let removal = removal.filter(|removal| is_only_server || !removal.is_leased(now));
            if let Some(removal) = removal.as_ref().filter(|removal| !removal.is_done) {
                transaction.put(&ProjectRemoval::begun(removal.id.clone(), now));
            }
            Ok(removal)
        })?;
        match claimed {
            Some(removal) => self.carry_out(removal).await,
            None => Ok(()),
        }
    }

    /// Carries out a removal. The caller must hold `changing`, and the lease of the removal unless it is done. Only the
    /// creation of a project carries out the removal that it began with.
    pub(super) async fn carry_out(&self, removal: ProjectRemoval) -> Result<(), ProjectError> {
        let ProjectRemoval { id, is_done, .. } = &removal;
        let was_open = self.shut(id).await;
        removed_files::set_aside(&self.inner.options.data_dir, id).await.map_err(ProjectError::Folder)?;
        if *is_done && !was_open {
            return Ok(());
        }
        self.inner.default.backend().remove_beside(id).await?;
        let is_only_server = self.is_only_server();
        transact!(self.inner.records, ProjectError, |transaction| {
            let is_there = transaction.get::<ProjectRemoval>(id.as_str()).await?.is_some();
            if is_there && is_only_server {
                transaction.remove::<ProjectRemoval>(id.as_str());
            } else if is_there && !is_done {
                transaction.put(&ProjectRemoval { is_done: true, ..removal.clone() });
            }
            Ok(())
        })?;
        tracing::info!(project = %id, "the events of a removed project were deleted");
        Ok(())
    }

    /// Deletes files that were set aside.
    pub(super) async fn delete_files(&self) {
        removed_files::delete(&self.inner.options.data_dir).await;
    }

    pub(super) async fn removal(&self, id: &ProjectId) -> Result<Option<ProjectRemoval>, ProjectError> {
        Ok(self.inner.records.get(id.as_str()).await?.map(|stored| stored.entity))
    }

    /// Returns whether no other server can share the records: the embedded store locks its folder.
    fn is_only_server(&self) -> bool {
        matches!(self.inner.default.backend(), Backend::Lake(_))
    }
}
