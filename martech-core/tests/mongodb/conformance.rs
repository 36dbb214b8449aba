use std::{env, sync::Mutex};

use martech_core::{
    Event,
    event::Timestamp,
    mongodb::{Limits, MongoOptions, MongoStore},
    testing::conformance::{self, Identity, Report, Subject},
};

use crate::server::{Scratch, event};

/// Databases on the server, dropped at the end.
struct OnMongo {
    set: fn(&mut MongoOptions),
    databases: Mutex<Vec<Scratch>>,
}

impl OnMongo {
    fn new(set: fn(&mut MongoOptions)) -> Self {
        Self { set, databases: Mutex::default() }
    }

    async fn at(&self, uri: String) -> MongoStore {
        let mut options = MongoOptions::new(uri);
        (self.set)(&mut options);
        MongoStore::new(options).await.unwrap()
    }
}

impl Subject for OnMongo {
    type Event = Event;
    type Store = MongoStore;
    const PERSISTENT: bool = true;
    const IDENTITY: Identity = Identity::Id;

    async fn open(&self) -> MongoStore {
        let scratch = Scratch::new().unwrap();
        let uri = scratch.uri.clone();
        self.databases.lock().unwrap().push(scratch);
        self.at(uri).await
    }

    /// Connects again to the most recent database. The checks run in sequence, so that is the right one.
    async fn reopen(&self, store: MongoStore) -> MongoStore {
        drop(store);
        let uri = self.databases.lock().unwrap().last().unwrap().uri.clone();
        self.at(uri).await
    }

    async fn remove_before(&self, store: &MongoStore, before: Timestamp) -> Option<u64> {
        Some(store.remove_before(before).await.unwrap())
    }

    fn poison(&self, number: u64) -> Option<Event> {
        Some(event("u", &format!(r#"{{"n":1{number:040}7}}"#)))
    }
}

fn assert_conforms(report: &Report) {
    if env::var_os("MARTECH_TEST_REPORT").is_some() {
        println!("{report}");
    }
    report.assert_passed();
    assert_eq!(report.not_applicable().count(), 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_as_it_comes() {
    if Scratch::new().is_none() {
        return;
    }
    assert_conforms(&conformance::run_events(&OnMongo::new(|_| {})).await);
}

/// Many inserts per batch, split at places where the server's limits would not split them.
#[tokio::test(flavor = "multi_thread")]
async fn store_with_small_inserts_conforms() {
    if Scratch::new().is_none() {
        return;
    }
    let small = OnMongo::new(|options| {
        options.limits = Limits::NONE.documents(7).document_bytes(8 << 10);
    });
    assert_conforms(&conformance::run(&small).await);
}
