//! A conformance suite that runs on every store of records.

use martech_core::mongodb::{MongoOptions, MongoStore};
use serde::Deserialize;

use super::*;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    id: String,
    by: String,
    text: Option<String>,
    until: Option<Timestamp>,
}

impl Entity for Note {
    const TABLE: &'static str = "notes";

    fn key(&self) -> &str {
        &self.id
    }

    fn owner(&self) -> &str {
        &self.by
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.until
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Other(String);

impl Entity for Other {
    const TABLE: &'static str = "others";

    fn key(&self) -> &str {
        &self.0
    }

    fn owner(&self) -> &str {
        ""
    }
}

fn note(id: &str, by: &str) -> Note {
    Note { id: id.to_owned(), by: by.to_owned(), text: Some("é\0\"$x.y".to_owned()), until: None }
}

async fn keys(records: &Records, by: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let listed: Vec<Stored<Note>> = records.list(Some(by), after, limit).await.unwrap();
    listed.into_iter().map(|note| note.entity.id).collect()
}

/// Inserts an entity if its key is free. Returns whether it was.
async fn insert<E: Entity>(records: &Records, entity: E) -> bool {
    let inserted = transact!(records, RecordsError, |transaction| {
        let is_free = transaction.get::<E>(entity.key()).await?.is_none();
        if is_free {
            transaction.put(&entity);
        }
        Ok(is_free)
    });
    inserted.unwrap()
}

async fn remove<E: Entity>(records: &Records, key: &str) -> bool {
    let removed = transact!(records, RecordsError, |transaction| {
        let is_there = transaction.get::<E>(key).await?.is_some();
        transaction.remove::<E>(key);
        Ok(is_there)
    });
    removed.unwrap()
}

async fn conforms(records: &Records) {
    // Operations on missing records.
    assert_eq!(records.get::<Note>("a").await.unwrap(), None);
    assert!(!remove::<Note>(records, "a").await);
    assert_eq!(keys(records, "u", None, 10).await, [""; 0]);
    assert_eq!(records.sweep::<Note>(Timestamp::now()).await.unwrap(), 0);

    // An insert fails if the key is taken. Entity types are independent.
    assert!(insert(records, note("a", "u")).await);
    assert!(!insert(records, note("a", "v")).await);
    assert!(insert(records, Other("a".to_owned())).await);
    assert_eq!(records.get::<Note>("a").await.unwrap().unwrap().entity, note("a", "u"));

    // If two replacements follow the same read, one succeeds.
    let read = records.get::<Note>("a").await.unwrap().unwrap();
    let again = records.get::<Note>("a").await.unwrap().unwrap();
    let changed = Note { text: None, by: "v".to_owned(), ..note("a", "u") };
    assert!(records.replace(&read, &changed).await.unwrap());
    assert!(!records.replace(&again, &note("a", "w")).await.unwrap());
    assert_eq!(records.get::<Note>("a").await.unwrap().unwrap().entity, changed);
    // A replacement fails if a transaction has written the record after the read.
    let read = records.get::<Note>("a").await.unwrap().unwrap();
    let put = transact!(records, RecordsError, |transaction| {
        transaction.put(&changed);
        Ok(())
    });
    put.unwrap();
    assert!(!records.replace(&read, &note("a", "w")).await.unwrap());

    // Lists reflect changes and support keyset pagination.
    for id in ["c", "b", "e", "d"] {
        assert!(insert(records, note(id, "v")).await);
    }
    records.append(&note("f", "vv")).await.unwrap();
    assert_eq!(keys(records, "u", None, 10).await, [""; 0]);
    assert_eq!(keys(records, "v", None, 10).await, ["a", "b", "c", "d", "e"]);
    assert_eq!(keys(records, "v", None, 2).await, ["a", "b"]);
    assert_eq!(keys(records, "v", Some("b"), 2).await, ["c", "d"]);
    assert_eq!(keys(records, "v", Some("e"), 2).await, [""; 0]);

    let all: Vec<Stored<Note>> = records.list(None, Some("a"), 4).await.unwrap();
    assert_eq!(all.into_iter().map(|note| note.entity.id).collect::<Vec<_>>(), ["b", "c", "d", "e"]);

    // A removed record cannot be replaced, is not listed, and can be inserted again.
    let read = records.get::<Note>("c").await.unwrap().unwrap();
    assert!(remove::<Note>(records, "c").await);
    assert!(!remove::<Note>(records, "c").await);
    assert!(!records.replace(&read, &note("c", "v")).await.unwrap());
    assert_eq!(records.get::<Note>("c").await.unwrap(), None);
    assert_eq!(keys(records, "v", None, 10).await, ["a", "b", "d", "e"]);
    let all: Vec<Stored<Note>> = records.list(None, None, 4).await.unwrap();
    assert_eq!(all.into_iter().map(|note| note.entity.id).collect::<Vec<_>>(), ["a", "b", "d", "e"]);
    assert!(records.get::<Other>("a").await.unwrap().is_some());
    assert!(insert(records, note("c", "again")).await);
    assert!(!records.replace(&read, &note("c", "v")).await.unwrap());
    assert_eq!(keys(records, "again", None, 10).await, ["c"]);

    // A transaction is atomic.
    let fails = transact!(records, RecordsError, |transaction| {
        transaction.put(&note("x", "none"));
        transaction.remove::<Note>("a");
        Err::<(), _>(RecordsError::Closed)
    });
    assert!(matches!(fails, Err(RecordsError::Closed)));
    assert!(records.get::<Note>("x").await.unwrap().is_none() && records.get::<Note>("a").await.unwrap().is_some());
    // The last write to a record in one transaction wins.
    let twice = transact!(records, RecordsError, |transaction| {
        for by in ["one", "two", "three"] {
            transaction.put(&note("twice", by));
        }
        transaction.put(&note("gone", "one"));
        transaction.remove::<Note>("gone");
        Ok(())
    });
    twice.unwrap();
    assert_eq!(keys(records, "one", None, 10).await, [""; 0]);
    assert_eq!(keys(records, "three", None, 10).await, ["twice"]);

    // A sweep removes expired records only.
    let now = Timestamp::from_millis(4_102_444_800_000);
    records.sweep::<Note>(now).await.unwrap();
    for (id, until) in [("x", now.millis() - 1), ("y", now.millis()), ("z", now.millis() + 1)] {
        let note = Note { until: Some(Timestamp::from_millis(until)), ..note(id, "w") };
        assert!(insert(records, note).await);
    }
    assert_eq!(records.sweep::<Note>(now).await.unwrap(), 2);
    assert_eq!(keys(records, "w", None, 10).await, ["z"]);
    assert_eq!(keys(records, "v", None, 10).await, ["a", "b", "d", "e"]);
}

/// Checks concurrent transactions on several servers with the same records: no lost update, no partial read.
async fn races(servers: &[Records]) {
    let each = |count: usize| (0..count).map(|number| servers[number % servers.len()].clone());
    let winners = futures_util::future::join_all(each(8).map(|records| async move {
        tokio::spawn(async move { insert(&records, note("race", "r")).await }).await.unwrap()
    }));
    assert_eq!(winners.await.into_iter().filter(|won| *won).count(), 1);
    let removers = futures_util::future::join_all(each(8).map(|records| async move {
        tokio::spawn(async move { remove::<Note>(&records, "race").await }).await.unwrap()
    }));
    assert_eq!(removers.await.into_iter().filter(|won| *won).count(), 1);

    // Concurrent transfers keep the sum of two accounts.
    for (id, text) in [("left", "100"), ("right", "0")] {
        let account = Note { text: Some(text.to_owned()), ..note(id, "bank") };
        assert!(insert(&servers[0], account).await);
    }
    let moved = futures_util::future::join_all(each(24).enumerate().map(|(number, records)| async move {
        let moving = async move {
            loop {
                let moved = transact!(records, RecordsError, |transaction| {
                    let of = |note: Option<Note>| note.unwrap().text.unwrap().parse::<i64>().unwrap();
                    let (left, right) = (of(transaction.get("left").await?), of(transaction.get("right").await?));
                    let amount = number as i64 + 1;
                    for (id, sum) in [("left", left - amount), ("right", right + amount)] {
                        transaction.put(&Note { text: Some(sum.to_string()), ..note(id, "bank") });
                    }
                    Ok(left + right)
                });
                match moved {
                    // On a busy machine a transaction may wait for longer than its timeout.
                    Err(RecordsError::Busy) => {}
                    moved => return moved.unwrap(),
                }
            }
        };
        tokio::spawn(moving).await.unwrap()
    }));
    assert!(moved.await.into_iter().all(|sum| sum == 100), "a transaction saw a part of another");
    let right = servers[0].get::<Note>("right").await.unwrap().unwrap();
    assert_eq!(right.text.as_deref(), Some("300"), "the sum of 1 to 24");
}

#[tokio::test]
async fn redb_records_conform() {
    let dir = tempfile::tempdir().unwrap();
    let records = Records::open(dir.path()).unwrap();
    conforms(&records).await;
    races(&[records.clone(), records.clone()]).await;
    drop(records);
    let records = Records::open(dir.path()).unwrap();
    assert_eq!(keys(&records, "v", None, 10).await, ["a", "b", "d", "e"], "they outlive the process");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(dir.path().join(FILE)).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn rejects_a_file_of_another_format() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), "no database at all, but long enough to be one".repeat(1000)).unwrap();
    let error = Records::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("accounts.redb"), "{error}");
}

/// Opens three servers on a new database in the test MongoDB; `None` if there is none.
async fn mongodb() -> Option<[MongoStore; 3]> {
    let Ok(uri) = std::env::var("MARTECH_TEST_MONGODB_URI") else {
        eprintln!("skipped: MARTECH_TEST_MONGODB_URI is not set");
        return None;
    };
    let (server, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let name = uuid::Uuid::new_v4().simple();
    let uri = format!("{}/martech_records_{name}?{query}", server.trim_end_matches('/'));
    let open = async || MongoStore::new(MongoOptions::new(uri.clone())).await.unwrap();
    Some([open().await, open().await, open().await])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_records_conform() {
    let Some(stores) = mongodb().await else { return };
    let servers = stores.each_ref().map(Records::beside);
    conforms(&servers[0]).await;
    races(&servers).await;
    stores[0].database().drop().await.unwrap();
}

#[tokio::test]
async fn another_server_finishes_a_dead_servers_transaction() {
    let Some(stores) = mongodb().await else { return };
    let [dead, alive, slow] = stores.each_ref().map(|store| MongoRecords::new(store.database()));
    let records = Records::from(Backend::Mongo(alive.clone()));
    assert!(insert(&records, note("old", "u")).await);
    let begun = dead.begin().await.unwrap();
    let writes = vec![Change::put(&note("new", "u")).unwrap(), Change::remove::<Note>("old")];
    let committed = dead.commit_alone(begun, writes.clone()).await.unwrap().unwrap();
    assert_eq!(keys(&records, "u", None, 10).await, ["old"], "the program ended before it wrote");
    // A transaction that began earlier must run again. The next one finds all writes.
    assert!(!alive.commit(begun, vec![Change::put(&note("late", "u")).unwrap()]).await.unwrap());
    records.settle().await.unwrap();
    assert_eq!(keys(&records, "u", None, 10).await, ["new"]);
    // A slow server does not overwrite later transactions.
    assert!(remove::<Note>(&records, "new").await);
    assert!(insert(&records, note("old", "v")).await);
    slow.carry_out(&committed).await.unwrap();
    assert_eq!(keys(&records, "u", None, 10).await, [""; 0]);
    assert_eq!(keys(&records, "v", None, 10).await, ["old"]);
    stores[0].database().drop().await.unwrap();
}
