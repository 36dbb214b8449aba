use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{
    CACHE, Rival,
    row::{self, Batch, StoredEvent},
};

pub(super) struct Fjall {
    database: Database,
    ids: Keyspace,
    events: Keyspace,
}

impl Fjall {
    pub(super) fn open(dir: &Path) -> Self {
        let builder = Database::builder(dir).cache_size(CACHE as u64).worker_threads(2);
        let database = builder.max_journaling_size(1 << 30).open().expect("fjall opens");
        let keyspace = |name| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(256 << 20);
            database.keyspace(name, options).expect("a keyspace can be created")
        };
        Self { ids: keyspace("ids"), events: keyspace("events"), database }
    }
}

impl Rival for Fjall {
    fn commit(&mut self, group: &[Batch<'_>]) -> Vec<usize> {
        let mut stored = vec![0; group.len()];
        let mut write = self.database.batch().durability(Some(PersistMode::SyncData));
        let (mut last, mut new) = (None, Vec::new());
        for (at, event) in row::by_id(group) {
            let is_duplicate = last.replace(event.id) == Some(event.id);
            if is_duplicate || self.ids.contains_key(event.id).expect("the query succeeds") {
                continue;
            }
            stored[at] += 1;
            write.insert(&self.ids, event.id, []);
            new.push((event.key(), &event.row));
        }
        new.sort_unstable();
        for (key, row) in new {
            write.insert(&self.events, key, &row[..]);
        }
        write.commit().expect("the disk accepts events");
        stored
    }

    fn journey(&mut self, user: &str) -> Vec<StoredEvent> {
        let events = self.events.prefix(row::user_prefix(user));
        events
            .map(|event| {
                let (key, row) = event.into_inner().expect("the query succeeds");
                StoredEvent::from_key(&key, &row)
            })
            .collect()
    }
}
