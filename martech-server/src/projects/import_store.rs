//! The use of a project by uploads and imports of files.
//!
//! An import writes to the store behind the queue of its project, so the project must know when it ends:
//! [`Project::close`] tells the holders of [`ImportPermit`]s to stop, and waits for them. A closed project gives no
//! permits, and its [`ImportStore`]s store nothing.

use std::sync::Arc;

use martech_core::{
    Appended, Store, StoreError,
    event::{Event, Timestamp},
};
use tokio::sync::{RwLock, watch};

use super::{Project, backend::Backend};

/// Gives permits until it is closed. The value is whether it is.
#[derive(Debug)]
pub(super) struct ImportGate(watch::Sender<bool>);

impl Default for ImportGate {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl ImportGate {
    /// Gives no further permits, and completes when all permits are dropped.
    pub(super) async fn close(&self) {
        self.0.send_replace(true);
        self.0.closed().await;
    }
}

/// Permits an upload or an import to use a project, which does not close while its permits exist. A clone is another
/// permit.
#[derive(Debug, Clone)]
pub(crate) struct ImportPermit {
    project: Project,
    /// When the project was created. Another project with the same id may follow it.
    created_at: Timestamp,
    is_closing: watch::Receiver<bool>,
}

impl Project {
    /// Returns a permit, or `None` if the project is closing.
    pub(crate) fn import_permit(&self) -> Option<ImportPermit> {
        // Subscribed before the value is read, so that a project that closes now waits for the permit.
        let is_closing = self.parts.imports.0.subscribe();
        let permit = ImportPermit { project: self.clone(), created_at: self.created_at(), is_closing };
        (!permit.is_closing()).then_some(permit)
    }
}

impl ImportPermit {
    pub(crate) fn project(&self) -> &Project {
        &self.project
    }

    /// Returns when the project was created for which the permit was given.
    pub(crate) fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Returns the store behind the queue of the project. An import has a queue of its own, so that live events do not
    /// wait for it.
    pub(crate) fn store(&self) -> ImportStore {
        ImportStore { permit: self.clone(), writing: Arc::default() }
    }

    /// Returns whether the permit must be dropped soon, because the project is closing.
    pub(crate) fn is_closing(&self) -> bool {
        *self.is_closing.borrow()
    }

    /// Completes when the project is closing.
    pub(crate) async fn closing(&self) {
        // The sender lives as long as the project.
        _ = self.is_closing.clone().wait_for(|is_closing| *is_closing).await;
    }
}

/// The store of a project for one import.
#[derive(Debug, Clone)]
pub(crate) struct ImportStore {
    permit: ImportPermit,
    /// Each write holds it for reading.
    writing: Arc<RwLock<()>>,
}

impl ImportStore {
    /// Waits until the writes that have begun are over. A write that is canceled may take effect later, after the events
    /// of a removed project were deleted.
    pub(crate) async fn idle(&self) {
        drop(self.writing.write().await);
    }
}

impl Store<Event> for ImportStore {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        let ImportPermit { project, created_at, .. } = &self.permit;
        let _writing = self.writing.read().await;
        if self.permit.is_closing() {
            // A fatal error would cancel the writes that have begun.
            return Err(StoreError::retry("the project is closing"));
        }
        if project.created_at() != *created_at {
            return Err(StoreError::fatal("the project was removed"));
        }
        match project.backend() {
            // The file is on disk already, and only MongoDB knows which events are duplicates.
            Backend::Spooled(mongo, _) => mongo.store.append(batch).await,
            backend => backend.append(batch).await,
        }
    }
}
