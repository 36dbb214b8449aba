use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::{
    CACHE, Rival,
    row::{self, Batch, Told},
};

const IDS: TableDefinition<'_, [u8; 16], ()> = TableDefinition::new("ids");
const EVENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("events");

pub(super) struct Redb(Database);

impl Redb {
    pub(super) fn open(dir: &Path) -> Self {
        Self(Database::builder().set_cache_size(CACHE).create(dir.join("redb")).expect("it opens"))
    }
}

impl Rival for Redb {
    fn commit(&mut self, group: &[Batch<'_>]) -> Vec<usize> {
        let mut stored = vec![0; group.len()];
        let mut write = self.0.begin_write().expect("nobody else writes");
        write.set_durability(Durability::Immediate).expect("that is allowed at the beginning");
        {
            let mut ids = write.open_table(IDS).expect("a table can be made");
            let mut new = Vec::new();
            for (at, event) in row::by_id(group) {
                if ids.insert(event.id, ()).expect("the disk takes ids").is_none() {
                    stored[at] += 1;
                    new.push((event.key(), &event.row));
                }
            }
            new.sort_unstable();
            let mut events = write.open_table(EVENTS).expect("a table can be made");
            for (key, row) in new {
                events.insert(&key[..], &row[..]).expect("the disk takes events");
            }
        }
        write.commit().expect("the disk syncs");
        stored
    }

    fn journey(&mut self, user: &str) -> Vec<Told> {
        let read = self.0.begin_read().expect("it can be read");
        let events = read.open_table(EVENTS).expect("the table is there");
        let first = row::user_prefix(user);
        // Keys contain a zero byte after the user id.
        let mut end = first.clone();
        *end.last_mut().expect("a prefix has bytes") = 1;
        events
            .range(&first[..]..&end[..])
            .expect("it answers")
            .map(|event| {
                let (key, row) = event.expect("it answers");
                Told::of_key(key.value(), row.value())
            })
            .collect()
    }
}
