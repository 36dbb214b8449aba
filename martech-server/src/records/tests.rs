//! What every place for records must do, checked on each.

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

async fn keys(records: &AnyRecords, by: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let listed: Vec<Stored<Note>> = records.list(Some(by), after, limit).await.unwrap();
    listed.into_iter().map(|note| note.entity.id).collect()
}

async fn conforms(records: &AnyRecords) {
    // Of what is not there.
    assert_eq!(records.get::<Note>("a").await.unwrap(), None);
    assert!(!records.remove::<Note>("a").await.unwrap());
    assert_eq!(keys(records, "u", None, 10).await, [""; 0]);
    assert_eq!(records.sweep::<Note>(Timestamp::now()).await.unwrap(), 0);

    // Only the first one with a key gets in, and kinds do not know of each other.
    assert!(records.insert(&note("a", "u")).await.unwrap());
    assert!(!records.insert(&note("a", "v")).await.unwrap());
    assert!(records.insert(&Other("a".to_owned())).await.unwrap());
    assert_eq!(records.get::<Note>("a").await.unwrap().unwrap().entity, note("a", "u"));

    // Of two who have read the same, one changes it.
    let read = records.get::<Note>("a").await.unwrap().unwrap();
    let again = records.get::<Note>("a").await.unwrap().unwrap();
    let changed = Note { text: None, by: "v".to_owned(), ..note("a", "u") };
    assert!(records.replace(&read, &changed).await.unwrap());
    assert!(!records.replace(&again, &note("a", "w")).await.unwrap());
    assert_eq!(records.get::<Note>("a").await.unwrap().unwrap().entity, changed);

    // Lists follow, in pages.
    for id in ["c", "b", "e", "d"] {
        assert!(records.insert(&note(id, "v")).await.unwrap());
    }
    assert!(records.insert(&note("f", "vv")).await.unwrap());
    assert_eq!(keys(records, "u", None, 10).await, [""; 0]);
    assert_eq!(keys(records, "v", None, 10).await, ["a", "b", "c", "d", "e"]);
    assert_eq!(keys(records, "v", None, 2).await, ["a", "b"]);
    assert_eq!(keys(records, "v", Some("b"), 2).await, ["c", "d"]);
    assert_eq!(keys(records, "v", Some("e"), 2).await, [""; 0]);

    let all: Vec<Stored<Note>> = records.list(None, Some("a"), 4).await.unwrap();
    assert_eq!(all.into_iter().map(|note| note.entity.id).collect::<Vec<_>>(), ["b", "c", "d", "e"]);

    // Only one removes it, and what was removed cannot be changed.
    let read = records.get::<Note>("c").await.unwrap().unwrap();
    assert!(records.remove::<Note>("c").await.unwrap());
    assert!(!records.remove::<Note>("c").await.unwrap());
    assert!(!records.replace(&read, &note("c", "v")).await.unwrap());
    assert_eq!(keys(records, "v", None, 10).await, ["a", "b", "d", "e"]);
    assert!(records.get::<Other>("a").await.unwrap().is_some());

    // What has expired goes, and only that.
    let now = Timestamp::from_millis(4_102_444_800_000);
    for (id, until) in [("x", now.millis() - 1), ("y", now.millis()), ("z", now.millis() + 1)] {
        let note = Note { until: Some(Timestamp::from_millis(until)), ..note(id, "w") };
        assert!(records.insert(&note).await.unwrap());
    }
    assert_eq!(records.sweep::<Note>(now).await.unwrap(), 2);
    assert_eq!(keys(records, "w", None, 10).await, ["z"]);
    assert_eq!(keys(records, "v", None, 10).await, ["a", "b", "d", "e"]);

    // Of many at once, one wins.
    let winners = futures_util::future::join_all((0..8).map(|_| async {
        let one = note("race", "r");
        records.insert(&one).await.unwrap()
    }));
    assert_eq!(winners.await.into_iter().filter(|won| *won).count(), 1);
    let removers =
        futures_util::future::join_all((0..8).map(|_| async { records.remove::<Note>("race").await.unwrap() }));
    assert_eq!(removers.await.into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn beside_the_lake() {
    let dir = tempfile::tempdir().unwrap();
    let records = AnyRecords::open(dir.path()).unwrap();
    conforms(&records).await;
    drop(records);
    let records = AnyRecords::open(dir.path()).unwrap();
    assert_eq!(keys(&records, "v", None, 10).await, ["a", "b", "d", "e"], "they outlive the process");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(dir.path().join(FILE)).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_of_something_else_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), "no database at all, but long enough to be one".repeat(1000)).unwrap();
    let error = AnyRecords::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("accounts.redb"), "{error}");
}

#[tokio::test]
async fn beside_events_in_mongodb() {
    let Ok(uri) = std::env::var("MARTECH_TEST_MONGODB_URI") else {
        return eprintln!("skipped: MARTECH_TEST_MONGODB_URI is not set");
    };
    let (server, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let name = uuid::Uuid::new_v4().simple();
    let options = MongoOptions::new(format!("{}/martech_records_{name}?{query}", server.trim_end_matches('/')));
    let store = MongoStore::new(options).await.unwrap();
    conforms(&AnyRecords::beside(&store)).await;
    store.database().drop().await.unwrap();
}
