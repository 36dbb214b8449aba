//! Publication of a change of the live files: first the catalog on disk, then the version that readers see.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    catalog::{Catalog, EventsEntry, UsersEntry},
    events_writer::Folders,
    layout::Layout,
    live::{EventsFile, Shared, UsersFile, Version},
};
use crate::lake::error::Result;

/// The set of live files. Changes are made one at a time.
#[derive(Debug)]
pub(crate) struct FileSet {
    shared: Arc<Shared>,
    /// Persisted while files are added or retired. Lock order: this lock before the lock of the engine's state.
    live: Mutex<Live>,
}

/// The live files, and the catalog that names them.
#[derive(Debug)]
struct Live {
    catalog: Catalog,
    version: Version,
    /// The number of the first file of the roll that is in progress.
    rolling: Option<u64>,
}

/// A change of the live files.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) add_events: Vec<EventsEntry>,
    pub(crate) add_users: Vec<UsersEntry>,
    /// The numbers of event files and users files that are no longer live.
    pub(crate) retire: Vec<u64>,
    /// Files now hold all rows up to this journal frame.
    pub(crate) sequence: Option<u64>,
    /// The folders of the new files.
    pub(crate) folders: Folders,
}

impl FileSet {
    pub(crate) fn new(shared: Arc<Shared>, catalog: Catalog, version: Version) -> Self {
        Self { shared, live: Mutex::new(Live { catalog, version, rolling: None }) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Returns the paths of the data folder.
    pub(crate) fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    /// Returns the number for a new file. A number is given once, even if the file is never published.
    pub(crate) fn take_file_id(&self) -> u64 {
        self.live().catalog.take_file_id()
    }

    /// Returns the number of the next file. All existing files have a smaller number.
    pub(crate) fn next_file_id(&self) -> u64 {
        self.live().catalog.next_file
    }

    /// Notes that a roll begins, until [`end_roll`](Self::end_roll).
    pub(crate) fn begin_roll(&self) {
        let mut live = self.live();
        live.rolling = Some(live.catalog.next_file);
    }

    pub(crate) fn end_roll(&self) {
        self.live().rolling = None;
    }

    /// Returns a number below which no roll will publish another file.
    pub(crate) fn settled(&self) -> u64 {
        let live = self.live();
        live.rolling.unwrap_or(live.catalog.next_file)
    }

    /// Returns the journal frame up to which all rows are in files.
    pub(crate) fn rolled(&self) -> u64 {
        self.live().catalog.sequence
    }

    /// Makes a change durable and then visible. If that fails, the new files are removed and nothing has changed.
    /// `show` receives the new version before another change can be published.
    pub(crate) fn publish(&self, change: Change, show: impl FnOnce(Version)) -> Result<()> {
        let mut live = self.live();
        let catalog = live.catalog.with(&change);
        let synced = change.folders.sync(self.layout());
        if let Err(error) = synced.and_then(|()| catalog.store(self.layout())) {
            // The new catalog may be in place even if making it durable failed. Its files must stay in that case.
            let on_disk = Catalog::load(self.layout());
            if on_disk.is_ok_and(|on_disk| on_disk.is_some_and(|on_disk| on_disk != catalog)) {
                self.discard(&change.add_events, &change.add_users);
            }
            return Err(error);
        }
        live.catalog = catalog;
        live.version = live.version.with(&change.add_events, &change.add_users, &change.retire, &self.shared);
        show(live.version.clone());
        Ok(())
    }

    /// Returns an event file that was written and is not published yet.
    pub(crate) fn file(&self, entry: EventsEntry) -> Arc<EventsFile> {
        EventsFile::events(entry, &self.shared)
    }

    /// Removes files that were written and never published.
    pub(crate) fn discard(&self, events: &[EventsEntry], users: &[UsersEntry]) {
        events.iter().for_each(|entry| EventsFile::events(*entry, &self.shared).retire());
        users.iter().for_each(|entry| UsersFile::users(*entry, &self.shared).retire());
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catalog {
    fn with(&self, change: &Change) -> Self {
        let mut catalog = self.clone();
        catalog.events.retain(|entry| !change.retire.contains(&entry.id));
        catalog.users.retain(|entry| !change.retire.contains(&entry.id));
        catalog.events.extend(&change.add_events);
        catalog.users.extend(&change.add_users);
        if let Some(sequence) = change.sequence {
            catalog.sequence = sequence;
            catalog.waiting.clear();
        }
        catalog
    }
}

impl Version {
    fn with(&self, events: &[EventsEntry], users: &[UsersEntry], retire: &[u64], shared: &Arc<Shared>) -> Self {
        let mut version = self.clone();
        let retired = version.events.remove_if(|file| retire.contains(&file.entry.id));
        retired.iter().for_each(|file| file.retire());
        version.users.extract_if(.., |file| retire.contains(&file.entry.id)).for_each(|file| file.retire());
        events.iter().for_each(|entry| version.add(EventsFile::events(*entry, shared)));
        version.users.extend(users.iter().map(|entry| UsersFile::users(*entry, shared)));
        version
    }
}
