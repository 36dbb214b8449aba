//! The store of a project, as imports of files use it.

use std::time::Duration;

use martech_core::{Appended, Store, StoreError, event::Event};

use super::{Project, backend::Backend};

/// How long an import waits before it sends events of many days again.
const BEHIND: Duration = Duration::from_secs(1);

/// The store behind the queue of a project. An import has a queue of its own, so that live events do not wait for it.
#[derive(Debug, Clone)]
pub(crate) struct ImportStore(Project);

impl Project {
    /// Returns the store for an import. The import must end before the project is closed.
    pub(crate) fn import_store(&self) -> ImportStore {
        ImportStore(self.clone())
    }
}

impl Store<Event> for ImportStore {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        if let Err(refusal) = self.0.admit_days(batch) {
            return Err(StoreError::retry_after(BEHIND, refusal.to_string()));
        }
        match self.0.backend() {
            // The file is on disk already, and only MongoDB knows which events are duplicates.
            Backend::Spooled(mongo, _) => mongo.store.append(batch).await,
            backend => backend.append(batch).await,
        }
    }
}
