//! The server under test, and a database on it for each test.

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

/// A database that is dropped with this.
pub(crate) struct Scratch {
    pub(crate) uri: String,
    name: String,
}

impl Scratch {
    /// On the server of the environment; `None`, with a word, where there is none.
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

    /// Past the store, as other programs see it.
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

/// The same connection string with another database in its path.
fn with_database(uri: &str, name: &str) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = place.split('/').next().unwrap();
    // Who is known by another database than this has to say so.
    let query = match query.contains("authSource") || !hosts.contains('@') {
        true => query.to_owned(),
        false => format!("authSource=admin&{query}").trim_end_matches('&').to_owned(),
    };
    let joint = if query.is_empty() { "" } else { "?" };
    format!("{scheme}://{hosts}/{name}{joint}{query}")
}

/// The same connection string with more said in it.
pub(crate) fn with_options(uri: &str, options: &str) -> String {
    format!("{uri}{}{options}", if uri.contains('?') { "&" } else { "?" })
}

/// An event of a user, out of its JSON properties.
pub(crate) fn event(user: &str, properties: &str) -> Event {
    let json =
        format!(r#"{{"userId":"{user}","type":"purchase","occurredAt":1780000000000,"properties":{properties}}}"#);
    EventRules::default().parse(&json, Timestamp::from_millis(1_780_000_001_000)).unwrap()
}

/// Events of a few users, the same for the same numbers.
pub(crate) fn events(numbers: std::ops::Range<u64>) -> Vec<Event> {
    let one = |number: u64| Event {
        id: EventId(uuid::Uuid::from_u64_pair(7, number + 1)),
        occurred_at: Timestamp::from_millis(1_780_000_000_000 + number as i64 * 1000),
        ..event(&format!("user-{}", number % 5), &format!(r#"{{"number":{number}}}"#))
    };
    numbers.map(one).collect()
}

/// The name under which stores connect that are to fail on command.
pub(crate) const FAILING: &str = "failing";

/// Lets the next commands of these names fail on connections of [`FAILING`], as the server's `failCommand` does; whether it
/// has that.
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
