//! Publication of a change of the live files: first the catalog on disk, then the version that readers see.

use std::sync::{Arc, PoisonError};

use super::{
    catalog::{Catalog, EventsEntry, UsersEntry, WaitingEntry},
    error::Result,
    files::{EventsFile, Shared, UsersFile, Version},
    inner::Inner,
    writing::Folders,
};

/// The live files and the catalog that names them. A lock of their own allows one change at a time.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) catalog: Catalog,
    pub(super) version: Version,
}

/// A change of the live files.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) add_events: Vec<EventsEntry>,
    pub(super) add_users: Vec<UsersEntry>,
    /// The numbers of event files and users files that are no longer live.
    pub(super) retire: Vec<u64>,
    /// Files now hold all rows up to this journal frame, except for the waiting days.
    pub(super) sequence: Option<u64>,
    /// The days that wait from now on, if that changes.
    pub(super) waiting: Option<Vec<WaitingEntry>>,
    /// The folders of the new files.
    pub(super) folders: Folders,
}

impl Inner {
    /// Returns the number for a new file. A number is given once, even if the file is never published.
    pub(super) fn take_file_id(&self) -> u64 {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).catalog.take_file_id()
    }

    /// Returns the number of the next file. All existing files have a smaller number.
    pub(super) fn next_file_id(&self) -> u64 {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).catalog.next_file
    }

    /// Returns the journal frame up to which all rows are in files or wait.
    pub(super) fn rolled(&self) -> u64 {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).catalog.sequence
    }

    /// Makes a change durable and then visible. If that fails, the new files are removed and nothing has changed.
    /// `show` receives the new version before another change can be published.
    pub(super) fn publish(&self, change: Change, show: impl FnOnce(Version)) -> Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = files.catalog.with(&change);
        let synced = change.folders.sync(&self.shared.layout);
        if let Err(error) = synced.and_then(|()| catalog.store(&self.shared.layout)) {
            // The new catalog may be in place even if making it durable failed. Its files must stay in that case.
            let on_disk = Catalog::load(&self.shared.layout);
            if on_disk.is_ok_and(|on_disk| on_disk.is_some_and(|on_disk| on_disk != catalog)) {
                self.discard(&change.add_events, &change.add_users);
            }
            return Err(error);
        }
        files.catalog = catalog;
        files.version = files.version.with(&change.add_events, &change.add_users, &change.retire, &self.shared);
        show(files.version.clone());
        Ok(())
    }

    /// Removes files that were written and never published.
    pub(super) fn discard(&self, events: &[EventsEntry], users: &[UsersEntry]) {
        events.iter().for_each(|entry| EventsFile::events(*entry, &self.shared).retire());
        users.iter().for_each(|entry| UsersFile::users(*entry, &self.shared).retire());
    }
}

impl Catalog {
    fn with(&self, change: &Change) -> Self {
        let mut catalog = self.clone();
        catalog.events.retain(|entry| !change.retire.contains(&entry.id));
        catalog.users.retain(|entry| !change.retire.contains(&entry.id));
        catalog.events.extend(&change.add_events);
        catalog.users.extend(&change.add_users);
        catalog.sequence = change.sequence.unwrap_or(catalog.sequence);
        if let Some(waiting) = &change.waiting {
            catalog.waiting.clone_from(waiting);
        }
        catalog
    }
}

impl Version {
    fn with(&self, events: &[EventsEntry], users: &[UsersEntry], retire: &[u64], shared: &Arc<Shared>) -> Self {
        let mut version = self.clone();
        for files in version.events.values_mut() {
            files.extract_if(.., |file| retire.contains(&file.entry.id)).for_each(|file| file.retire());
        }
        version.events.retain(|_, files| !files.is_empty());
        version.users.extract_if(.., |file| retire.contains(&file.entry.id)).for_each(|file| file.retire());
        for entry in events {
            version.events.entry(entry.day).or_default().push(EventsFile::events(*entry, shared));
        }
        version.users.extend(users.iter().map(|entry| UsersFile::users(*entry, shared)));
        version
    }
}
