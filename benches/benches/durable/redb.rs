use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::{
    CACHE, Rival,
    row::{self, Batch, StoredEvent},
};

const IDS: TableDefinition<'_, [u8; 16], ()> = TableDefinition::new("ids");
const EVENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("events");

pub(super) struct Redb(Database);

impl Redb {
    pub(super) fn open(dir: &Path) -> Self {
        Self(Database::builder().set_cache_size(CACHE).create(dir.join("redb")).expect("redb opens"))
    }
}

impl Rival for Redb {
    fn commit(&mut self, group: &[Batch<'_>]) -> Vec<usize> {
        let mut stored = vec![0; group.len()];
        let mut write = self.0.begin_write().expect("there is no other writer");
        write.set_durability(Durability::Immediate).expect("no savepoint was changed");
        {
            let mut ids = write.open_table(IDS).expect("a table can be created");
            let mut new = Vec::new();
            for (at, event) in row::by_id(group) {
                if ids.insert(event.id, ()).expect("the disk accepts ids").is_none() {
                    stored[at] += 1;
                    new.push((event.key(), &event.row));
                }
            }
            new.sort_unstable();
            let mut events = write.open_table(EVENTS).expect("a table can be created");
            for (key, row) in new {
                events.insert(&key[..], &row[..]).expect("the disk accepts events");
            }
        }
        write.commit().expect("the disk syncs");
        stored
    }

    fn journey(&mut self, user: &str) -> Vec<StoredEvent> {
        let read = self.0.begin_read().expect("the database can be read");
        let events = read.open_table(EVENTS).expect("the table exists");
        let first = row::user_prefix(user);
        // Keys contain a zero byte after the user id.
        let mut end = first.clone();
        *end.last_mut().expect("a prefix has bytes") = 1;
        events
            .range(&first[..]..&end[..])
            .expect("the query succeeds")
            .map(|event| {
                let (key, row) = event.expect("the query succeeds");
                StoredEvent::from_key(key.value(), row.value())
            })
            .collect()
    }
}
