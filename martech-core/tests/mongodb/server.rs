//! The server under test, and a separate database for each test.

use std::{env, thread};

use martech_core::{
    Event, EventRules,
    event::{EventId, Timestamp},
    mongodb::{MongoOptions, MongoStore},
};
use mongodb::{
    Client, Collection, Database,
    bson::{Document, doc},
};

/// A database that is dropped together with this value.
pub(crate) struct Scratch {
    pub(crate) uri: String,
    name: String,
}

impl Scratch {
    /// Creates a database on the server in the environment. Without a server, prints a message and returns `None`.
    pub(crate) fn new() -> Option<Self> {
        Self::on("MARTECH_TEST_MONGODB_URI")
    }

    pub(crate) fn on(variable: &str) -> Option<Self> {
        let Some(server) = env::var(variable).ok().filter(|uri| !uri.is_empty()) else {
            eprintln!("skipped: {variable} is not set");
            return None;
        };
        let name = format!("martech_test_{}", EventId::new_v7().0.simple());
        Some(Self { uri: with_database(&server, &name), name })
    }

    pub(crate) fn options(&self) -> MongoOptions {
        MongoOptions::new(&self.uri)
    }

    pub(crate) async fn store(&self) -> MongoStore {
        MongoStore::new(self.options()).await.unwrap()
    }

    /// Direct access to the database, as other programs have it.
    pub(crate) async fn database(&self) -> Database {
        Client::with_uri_str(&self.uri).await.unwrap().database(&self.name)
    }

    pub(crate) async fn documents(&self) -> Collection<Document> {
        self.database().await.collection("events")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (uri, name) = (self.uri.clone(), self.name.clone());
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { Client::with_uri_str(uri).await?.database(&name).drop().await })
        });
        if !matches!(dropping.join(), Ok(Ok(()))) {
            eprintln!("the database {} is left behind", self.name);
        }
    }
}

/// Returns the connection string with another database in its path.
fn with_database(uri: &str, name: &str) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = place.split('/').next().unwrap();
    // Credentials are checked against the path's database by default, so the original one has to be named.
    let query = match query.contains("authSource") || !hosts.contains('@') {
        true => query.to_owned(),
        false => format!("authSource=admin&{query}").trim_end_matches('&').to_owned(),
    };
    let joint = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{hosts}/{name}{joint}{query}")
}

/// Returns the connection string with more options.
pub(crate) fn with_options(uri: &str, options: &str) -> String {
    format!("{uri}{}{options}", if uri.contains('?') { "&" } else { "?" })
}

/// Creates an event of a user from JSON properties.
pub(crate) fn event(user: &str, properties: &str) -> Event {
    let json =
        format!(r#"{{"userId":"{user}","type":"purchase","occurredAt":1780000000000,"properties":{properties}}}"#);
    EventRules::default().parse(&json, Timestamp::from_millis(1_780_000_001_000)).unwrap()
}

/// Creates events of a few users. Equal numbers give equal events.
pub(crate) fn events(numbers: std::ops::Range<u64>) -> Vec<Event> {
    let one = |number: u64| Event {
        id: EventId(uuid::Uuid::from_u64_pair(7, number + 1)),
        occurred_at: Timestamp::from_millis(1_780_000_000_000 + number as i64 * 1000),
        ..event(&format!("user-{}", number % 5), &format!(r#"{{"number":{number}}}"#))
    };
    numbers.map(one).collect()
}

/// Application name of stores whose commands fail on request.
pub(crate) const FAILING: &str = "failing";

/// Makes the next commands with these names fail on connections of [`FAILING`], with the server's `failCommand`.
/// Returns whether the server supports that.
pub(crate) async fn fail(database: &Database, times: i32, commands: &[&str], how: Document) -> bool {
    let mut data = doc! { "failCommands": commands, "appName": FAILING };
    data.extend(how);
    let command = doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data };
    let answer = database.client().database("admin").run_command(command).await;
    if let Err(error) = &answer {
        eprintln!("skipped: the server has no failpoints (--enable-test-commands): {}", error.kind);
    }
    answer.is_ok()
}

pub(crate) async fn fail_no_more(database: &Database) {
    let command = doc! { "configureFailPoint": "failCommand", "mode": "off" };
    database.client().database("admin").run_command(command).await.unwrap();
}
