//! Documents as a user of the database sees them, and round trips of their values.

use martech_core::{
    Appended, Event, EventRules, Store,
    event::Timestamp,
    query::{JourneyQuery, Reader},
};
use mongodb::bson::{Bson, Document, doc, spec::BinarySubtype};

use crate::server::{Scratch, event, events};

#[tokio::test]
async fn document_has_the_documented_fields() {
    let Some(scratch) = Scratch::new() else { return };
    let json = r#"{"eventId":"018f3f7e-0000-7000-8000-00000000beef","userId":"u1","anonymousId":"a1","sessionId":"s1",
        "type":"purchase","occurredAt":1780000000000,
        "properties":{"total":"12.50","currency":"eur","page":"/p","sku":"x","items":[{"sku":"x","count":2}]}}"#;
    let purchase = EventRules::default().parse(json, Timestamp::from_millis(1_780_000_000_123)).unwrap();
    let view = r#"{"userId":"u2","type":"page_view"}"#;
    let view = EventRules::default().parse(view, Timestamp::from_millis(1_780_000_000_123)).unwrap();
    let store = scratch.store().await;
    assert_eq!(store.append(&[purchase.clone(), view.clone()]).await.unwrap(), Appended::all(2));

    let documents = scratch.documents().await;
    let found = documents.find_one(doc! { "properties.items.sku": "x" }).await.unwrap().unwrap();
    let fields: Vec<&str> = found.keys().map(String::as_str).collect();
    let expected = [
        "_id",
        "userId",
        "type",
        "occurredAt",
        "receivedAt",
        "anonymousId",
        "sessionId",
        "orderValue",
        "currency",
        "page",
        "product",
        "properties",
    ];
    assert_eq!(fields, expected);
    let Some(Bson::Binary(id)) = found.get("_id") else { panic!("_id is a UUID: {found}") };
    assert_eq!((id.subtype, id.bytes.as_slice()), (BinarySubtype::Uuid, purchase.id.as_bytes().as_slice()));
    assert_eq!(found.get("orderValue").unwrap().to_string(), "12.5");
    assert!(matches!(found.get("orderValue"), Some(Bson::Decimal128(_))));
    assert_eq!(found.get_datetime("occurredAt").unwrap().timestamp_millis(), 1_780_000_000_000);
    assert_eq!(found.get_datetime("receivedAt").unwrap().timestamp_millis(), 1_780_000_000_123);
    assert_eq!(found.get_str("currency").unwrap(), "EUR");
    assert_eq!(found.get_document("properties").unwrap().keys().next().unwrap(), "total");

    let found = documents.find_one(doc! { "userId": "u2" }).await.unwrap().unwrap();
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), expected[..5]);
    assert_eq!(store.journey(JourneyQuery::new("u2")).await.unwrap().events[0].id, view.id);
}

/// Runs the example from the module's documentation.
#[tokio::test]
async fn revenue_by_currency_is_one_aggregation() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    let paid = |total: &str| event("u", &format!(r#"{{"total":"{total}","currency":"EUR"}}"#));
    store.append(&[paid("0.1"), paid("0.2"), paid("999999999999.999999")]).await.unwrap();
    let pipeline = [
        doc! { "$match": { "type": "purchase" } },
        doc! { "$group": { "_id": "$currency", "revenue": { "$sum": "$orderValue" }, "orders": { "$sum": 1 } } },
    ];
    let mut cursor = scratch.documents().await.aggregate(pipeline).await.unwrap();
    assert!(cursor.advance().await.unwrap());
    let row: Document = cursor.deserialize_current().unwrap();
    assert_eq!(row.get("revenue").unwrap().to_string(), "1000000000000.299999", "{row}");
}

/// Stores one event per text and reads all of them back.
async fn through_the_store(texts: &[String]) -> Option<Vec<String>> {
    let scratch = Scratch::new()?;
    let store = scratch.store().await;
    let batch: Vec<Event> = texts.iter().map(|text| event("u", text)).collect();
    let appended = store.append(&batch).await.unwrap();
    assert_eq!(appended, Appended::all(batch.len()));
    // A resend of each is a duplicate.
    let all: Vec<usize> = (0..batch.len()).collect();
    assert_eq!(store.append(&batch).await.unwrap().duplicates, all);
    let found = store.journey(JourneyQuery::new("u").limit(1000)).await.unwrap().events;
    let text_of = |event: &Event| {
        let found = found.iter().find(|found| found.id == event.id).unwrap();
        found.properties.clone().unwrap()
    };
    Some(batch.iter().map(text_of).collect())
}

#[tokio::test]
async fn special_names_roundtrip() {
    let names = [
        "a.b",
        ".",
        "a.",
        ".a",
        "$",
        "$x",
        "$set",
        "$where",
        "$ref",
        "$id",
        "$db",
        "$date",
        "$oid",
        "$numberLong",
        "$binary",
        "$uuid",
        "$numberDecimal",
        "$timestamp",
        "$regularExpression",
        "$undefined",
        "$minKey",
        "_id",
        "",
        " ",
        "__proto__",
        "constructor",
        "length",
        "0",
        "é",
        "日本",
        "😀",
        "\\u0001",
        "x'\\\"",
    ];
    let mut texts: Vec<String> = names.map(|name| format!(r#"{{"{name}":1}}"#)).into();
    texts.extend(names.map(|name| format!(r#"{{"z":[{{"{name}":{{"{name}":"x"}}}}],"a":null}}"#)));
    texts.push(r#"{"$ref":"c","$id":1,"$db":"d"}"#.to_owned());
    texts.push(r#"{"$date":{"$numberLong":"5"}}"#.to_owned());
    texts.push(r#"{"b":1,"a":2,"$x":3,"a.b":4,"":5}"#.to_owned());
    let Some(found) = through_the_store(&texts).await else { return };
    assert_eq!(found, texts);
}

#[tokio::test]
async fn numbers_and_strings_roundtrip() {
    let values = [
        "0",
        "-1",
        "2147483647",
        "2147483648",
        "-2147483649",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551615",
        "0.1",
        "12.5",
        "-0.0",
        "1e100",
        "5e-324",
        "1.7976931348623157e308",
        "1e999",
        "1e-6176",
        "1234567890123456789012345678901234",
        "0.1234567890123456789012345678901234",
        "true",
        "null",
        r#""""#,
        r#""\u0000""#,
        r#""a\u0000b""#,
        r#""\n\t\"\\""#,
        "[]",
        "{}",
        "[[],{}]",
        r#""😀""#,
    ];
    let texts: Vec<String> = values.map(|value| format!(r#"{{"v":{value}}}"#)).into();
    let Some(found) = through_the_store(&texts).await else { return };
    for (found, sent) in found.iter().zip(&texts) {
        // The same number in another notation.
        let expected = match sent.as_str() {
            r#"{"v":0.1234567890123456789012345678901234}"# => r#"{"v":1234567890123456789012345678901234e-34}"#,
            other => other,
        };
        assert_eq!(found.replace("e+", "e"), expected);
    }
}

#[tokio::test]
async fn unstorable_event_is_rejected_alone() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    let mut batch = events(0..3);
    batch.insert(1, event("u", r#"{"a":{"n":123456789012345678901234567890123456}}"#));
    batch.insert(3, event("u", r#"{"a\u0000b":1}"#));
    let appended = store.append(&batch).await.unwrap();
    assert_eq!((appended.stored, appended.duplicates.len()), (3, 0));
    let rejected: Vec<(usize, &str)> =
        appended.rejected.iter().map(|rejection| (rejection.index, rejection.reason.as_str())).collect();
    let [(1, number), (3, name)] = rejected[..] else { panic!("{rejected:?}") };
    assert!(number.starts_with("properties.a.n is 123456789012345678901234567890123456"), "{number}");
    assert!(name.contains("NUL in its name"), "{name}");
    assert_eq!(store.count().await.unwrap(), 3);
}

/// If a server refuses a document because of its names, the properties are stored as text.
#[tokio::test]
async fn refused_properties_are_stored_as_text() {
    let Some(scratch) = Scratch::new() else { return };
    let database = scratch.database().await;
    let validator = doc! { "$nor": [{ "properties.refused": 1 }] };
    if let Err(error) = database.create_collection("events").validator(validator).await {
        eprintln!("skipped: the server has no validators: {}", error.kind);
        return;
    }
    let store = scratch.store().await;
    let awkward = r#"{"refused":1,"$x":{"a.b":1.50}}"#;
    let batch = [event("u", awkward), event("u", r#"{"refused":1}"#), event("u", r#"{"taken":1}"#)];
    let appended = store.append(&batch).await.unwrap();
    if appended.stored == 3 {
        eprintln!("skipped: the server does not validate");
        return;
    }
    assert_eq!((appended.stored, appended.rejected.len(), appended.rejected[0].index), (2, 1, 1), "{appended:?}");
    let found = scratch.documents().await.find_one(doc! { "propertiesText": awkward }).await.unwrap().unwrap();
    assert!(!found.contains_key("properties"));
    let journey = store.journey(JourneyQuery::new("u")).await.unwrap().events;
    assert!(journey.iter().any(|event| event.properties.as_deref() == Some(awkward)));
    assert_eq!(store.append(&batch[..1]).await.unwrap().duplicates, [0]);
}

#[tokio::test]
async fn foreign_document_is_reported_by_its_id() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    let strange = doc! { "_id": "mine", "userId": "u", "occurredAt": mongodb::bson::DateTime::from_millis(5) };
    scratch.documents().await.insert_one(strange).await.unwrap();
    let error = store.journey(JourneyQuery::new("u")).await.unwrap_err().to_string();
    assert!(error.contains("mine") && error.contains("is not an event"), "{error}");
}

#[tokio::test]
async fn export_returns_all_events_ordered_by_id() {
    let Some(scratch) = Scratch::new() else { return };
    let store = scratch.store().await;
    let mut batch = events(0..250);
    store.append(&batch).await.unwrap();
    assert_eq!(store.count().await.unwrap(), 250);
    batch.sort_by_key(|event| event.id);
    for from in [0_usize, 1, 125, 250] {
        let (mut found, after) = (Vec::new(), from.checked_sub(1).map(|last| batch[last].id));
        let mut export = store.export(after);
        loop {
            let part = export.next(100).await.unwrap();
            assert!(part.len() <= 100);
            if part.is_empty() {
                break;
            }
            found.extend(part);
        }
        assert_eq!(found, batch[from..]);
    }
    store.ping().await.unwrap();
}
