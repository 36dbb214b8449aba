use std::path::Path;

use rusqlite::{Connection, params};

use super::{
    CACHE, Rival,
    row::{self, Batch, StoredEvent},
};

pub(super) struct Sqlite(Connection);

impl Sqlite {
    pub(super) fn open(dir: &Path) -> Self {
        let connection = Connection::open(dir.join("sqlite")).expect("SQLite opens");
        let set_up = format!(
            "PRAGMA page_size = 4096;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -{cache};
             PRAGMA wal_autocheckpoint = {checkpoint};
             CREATE TABLE ids (id BLOB PRIMARY KEY) WITHOUT ROWID;
             CREATE TABLE events (user TEXT, time INTEGER, id BLOB, row BLOB, PRIMARY KEY (user, time, id)) WITHOUT ROWID;",
            cache = CACHE >> 10,
            checkpoint = (64 << 20) / 4096,
        );
        connection.execute_batch(&set_up).expect("the settings are valid");
        Self(connection)
    }
}

impl Rival for Sqlite {
    fn commit(&mut self, group: &[Batch<'_>]) -> Vec<usize> {
        let mut stored = vec![0; group.len()];
        let write = self.0.transaction().expect("there is no other writer");
        {
            let mut ids = write.prepare_cached("INSERT OR IGNORE INTO ids VALUES (?)").expect("the SQL is valid");
            let mut new: Vec<_> = row::by_id(group);
            new.retain(|(at, event)| {
                let inserted = ids.execute([event.id]).expect("the disk accepts ids");
                stored[*at] += inserted;
                inserted == 1
            });
            new.sort_unstable_by_key(|(_, event)| (event.user, event.time, event.id));
            let mut events = write.prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?)").expect("the SQL is valid");
            for (_, event) in new {
                events.execute(params![event.user, event.time, event.id, event.row]).expect("the disk accepts events");
            }
        }
        write.commit().expect("the disk syncs");
        stored
    }

    fn journey(&mut self, user: &str) -> Vec<StoredEvent> {
        let query = "SELECT time, id, row FROM events WHERE user = ? ORDER BY time, id";
        let mut events = self.0.prepare_cached(query).expect("the SQL is valid");
        let events = events.query_map([user], |event| {
            Ok(StoredEvent::new(event.get(0)?, event.get(1)?, event.get_ref(2)?.as_blob()?))
        });
        events.expect("the query succeeds").map(|event| event.expect("the query succeeds")).collect()
    }
}
