//! Changing which files are live: the catalog on disk first, then what readers see.

use std::sync::{Arc, PoisonError};

use super::{
    catalog::{Catalog, EventsEntry, UsersEntry, WaitingEntry},
    error::Result,
    files::{EventsFile, Shared, UsersFile, Version},
    inner::Inner,
    writing::Folders,
};

/// What is on disk and what the catalog says of it, guarded by a lock of its own: one change at a time.
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
    /// Files, of events or users, that are live no longer.
    pub(super) retire: Vec<u64>,
    /// Everything up to this journal frame is now in the files, but for what waits.
    pub(super) sequence: Option<u64>,
    /// What waits from now on, where that changes.
    pub(super) waiting: Option<Vec<WaitingEntry>>,
    /// Where the new files lie.
    pub(super) folders: Folders,
}

impl Inner {
    /// The number of a new file. A number is given once, whatever becomes of the file.
    pub(super) fn take_file_id(&self) -> u64 {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).catalog.take_file_id()
    }

    /// All files have a smaller number.
    pub(super) fn next_file_id(&self) -> u64 {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).catalog.next_file
    }

    /// Everything up to this journal frame is in files, or waits.
    pub(super) fn rolled(&self) -> u64 {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).catalog.sequence
    }

    /// Makes a change durable and then visible; when that fails, the new files are removed and nothing has changed.
    /// `show` gets the new version before another change can come.
    pub(super) fn publish(&self, change: Change, show: impl FnOnce(Version)) -> Result<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = files.catalog.with(&change);
        let synced = change.folders.sync(&self.shared.layout);
        if let Err(error) = synced.and_then(|()| catalog.store(&self.shared.layout)) {
            // The new catalog may be in place although making that durable failed; and then its files must be, too.
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
