//! The index, and its use by queries.

use std::time::Duration;

use martech_core::{
    Store,
    mongodb::{MongoError, MongoStore},
    query::{JourneyQuery, Reader, UsersQuery},
};
use mongodb::{
    IndexModel,
    bson::{Document, doc},
    options::IndexOptions,
};

use crate::server::{Scratch, events, with_options};

async fn names_of_indexes(scratch: &Scratch) -> Vec<(String, Document)> {
    let mut found = Vec::new();
    let mut cursor = scratch.documents().await.list_indexes().await.unwrap();
    while cursor.advance().await.unwrap() {
        let index = cursor.deserialize_current().unwrap();
        found.push((index.options.unwrap().name.unwrap(), index.keys));
    }
    found
}

async fn with_index(scratch: &Scratch, keys: Document, options: IndexOptions) {
    let index = IndexModel::builder().keys(keys).options(options).build();
    scratch.documents().await.create_index(index).await.unwrap();
}

#[tokio::test]
async fn index_is_created_once() {
    let Some(scratch) = Scratch::new() else { return };
    for _ in 0..2 {
        let store = scratch.store().await;
        store.prepare().await.unwrap();
        store.append(&events(0..3)).await.unwrap();
        let found = names_of_indexes(&scratch).await;
        assert!(found.iter().any(|(name, keys)| {
            name == "userId_1_occurredAt_1" && keys.keys().map(String::as_str).eq(["userId", "occurredAt"])
        }));
        assert_eq!(found.len(), 2, "{found:?}");
    }
}

#[tokio::test]
async fn existing_index_with_the_same_name_is_kept() {
    let Some(scratch) = Scratch::new() else { return };
    let named = IndexOptions::builder().name("userId_1_occurredAt_1".to_owned()).build();
    with_index(&scratch, doc! { "userId": 1 }, named).await;
    let store = scratch.store().await;
    assert_eq!(store.prepare().await.unwrap().warnings, [""; 0]);
    assert_eq!(names_of_indexes(&scratch).await.len(), 3);
}

#[tokio::test]
async fn unique_index_is_an_error_until_dropped() {
    let Some(scratch) = Scratch::new() else { return };
    let unique = IndexOptions::builder().name("mine".to_owned()).unique(true).build();
    with_index(&scratch, doc! { "userId": 1, "occurredAt": 1 }, unique).await;
    let store = scratch.store().await;
    let error = store.prepare().await.unwrap_err();
    assert!(matches!(&error, MongoError::WrongIndex(why) if why.contains("mine")), "{error}");
    assert!(matches!(
        store.append(&events(0..3)).await.unwrap_err().advice(),
        martech_core::store::Advice::RetryAfter(_)
    ));
    scratch.documents().await.drop_index("mine").await.unwrap();
    assert_eq!(store.append(&events(0..3)).await.unwrap().stored, 3);
}

#[tokio::test]
async fn unusable_index_is_a_warning_with_the_same_answers() {
    let Some(scratch) = Scratch::new() else { return };
    let sparse = IndexOptions::builder().sparse(true).build();
    with_index(&scratch, doc! { "userId": 1, "occurredAt": 1 }, sparse).await;
    let store = scratch.store().await;
    let warnings = store.prepare().await.unwrap().warnings.clone();
    assert!(warnings.iter().any(|warning| warning.contains("may omit events")), "{warnings:?}");
    store.append(&events(0..20)).await.unwrap();
    assert_eq!(store.journey(JourneyQuery::new("user-1")).await.unwrap().events.len(), 4);
    assert_eq!(store.users(UsersQuery::default()).await.unwrap().total, 5);
}

#[tokio::test]
async fn queries_survive_a_dropped_index_or_collection() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    store.append(&events(0..20)).await.unwrap();
    scratch.documents().await.drop_index("userId_1_occurredAt_1").await.unwrap();
    assert_eq!(store.journey(JourneyQuery::new("user-1")).await.unwrap().events.len(), 4);
    scratch.documents().await.drop().await.unwrap();
    assert_eq!(store.users(UsersQuery::default()).await.unwrap().total, 0);
    assert_eq!(store.append(&events(0..20)).await.unwrap().stored, 20);
    assert_eq!(store.users(UsersQuery::default()).await.unwrap().total, 5);
    assert_eq!(names_of_indexes(&scratch).await.len(), 2);
}

#[tokio::test]
async fn weaker_write_concern_is_a_warning() {
    let Some(scratch) = Scratch::new() else { return };
    let mut options = scratch.options();
    options.uri = with_options(&options.uri, "w=1&journal=false");
    let store = MongoStore::new(options).await.unwrap();
    let warnings = store.prepare().await.unwrap().warnings.clone();
    assert!(warnings[0].contains("w=1") && warnings[0].contains("journal=false"), "{warnings:?}");
    assert_eq!(store.append(&events(0..3)).await.unwrap().stored, 3);
}

/// Collects the names of all stages in a query plan.
fn stages(plan: &Document, found: &mut Vec<String>) {
    for (name, value) in plan {
        match value {
            mongodb::bson::Bson::Document(inner) if name != "rejectedPlans" => stages(inner, found),
            mongodb::bson::Bson::Array(items) if name != "rejectedPlans" => {
                items.iter().filter_map(mongodb::bson::Bson::as_document).for_each(|inner| stages(inner, found));
            }
            mongodb::bson::Bson::String(stage) if name == "stage" => found.push(stage.clone()),
            _ => {}
        }
    }
}

async fn explained(scratch: &Scratch, command: Document) -> Vec<String> {
    let command = doc! { "explain": command, "verbosity": "queryPlanner" };
    let plan = scratch.database().await.run_command(command).await.unwrap();
    let mut found = Vec::new();
    stages(&plan, &mut found);
    assert!(!found.is_empty(), "{plan}");
    found
}

/// Returns the commands that the store sends for queries.
async fn questions(scratch: &Scratch) -> Vec<Document> {
    use std::sync::{Arc, Mutex};
    let commands = Arc::new(Mutex::new(Vec::new()));
    let noted = commands.clone();
    let proxy = crate::proxy::Proxy::to(&scratch.uri).await;
    proxy.on_message(move |message| noted.lock().unwrap().extend(crate::proxy::command(message)));
    let mut options = scratch.options();
    options.uri = proxy.uri(&scratch.uri);
    let store = MongoStore::new(options).await.unwrap();
    store.prepare().await.unwrap();
    commands.lock().unwrap().clear();
    store.journey(JourneyQuery::new("user-1")).await.unwrap();
    let types = vec![martech_core::EventType::PURCHASE];
    let order = martech_core::query::Order::Descending;
    let from = Some(martech_core::event::Timestamp::from_millis(5));
    store.journey(JourneyQuery::new("user-1").types(types).order(order).from(from)).await.unwrap();
    store.users(UsersQuery::default().prefix("user-")).await.unwrap();
    let commands = commands.lock().unwrap().clone();
    commands.into_iter().filter(|command| command.contains_key("find") || command.contains_key("aggregate")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn journeys_and_users_use_the_index() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    store.append(&events(0..300)).await.unwrap();
    let control = doc! { "find": "events", "filter": { "userId": "user-1" }, "sort": { "userId": 1, "occurredAt": 1 },
    "hint": { "userId": 1, "occurredAt": 1 } };
    let shows_sorts_anyway = explained(&scratch, control).await.iter().any(|stage| stage == "SORT");
    if shows_sorts_anyway {
        eprintln!("not checked: the plans of this server have a SORT even where the index gives the order");
    }
    let questions = questions(&scratch).await;
    // Two for the journeys, and three for users: total, places and summaries.
    assert_eq!(questions.len(), 5, "{questions:#?}");
    for mut command in questions {
        for name in ["$db", "lsid", "$clusterTime", "$readPreference", "maxTimeMS"] {
            command.remove(name);
        }
        let found = explained(&scratch, command.clone()).await;
        assert!(found.iter().any(|stage| matches!(stage.as_str(), "IXSCAN" | "DISTINCT_SCAN")), "{found:?}: {command}");
        assert!(!found.iter().any(|stage| stage == "COLLSCAN"), "{found:?}: {command}");
        if command.contains_key("find") && !shows_sorts_anyway {
            assert!(!found.iter().any(|stage| stage == "SORT"), "{found:?}: {command}");
        }
    }
}

#[tokio::test]
async fn query_with_a_time_limit_is_accepted() {
    let Some(scratch) = Scratch::new() else { return };
    let mut options = scratch.options();
    options.query_timeout = Some(Duration::from_secs(9));
    let store = MongoStore::new(options).await.unwrap();
    assert_eq!(store.prepare().await.unwrap().warnings, [""; 0]);
    store.journey(JourneyQuery::new("nobody")).await.unwrap();
}
