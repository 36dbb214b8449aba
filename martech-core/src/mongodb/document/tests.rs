use mongodb::bson::{Bson, Document};
use proptest::prelude::*;

use super::*;
use crate::event::EventRules;

fn bytes(event: &Event, form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    write(event, form, true, &mut out).unwrap();
    out
}

fn raw(bytes: &[u8]) -> &RawDocument {
    RawDocument::from_bytes(bytes).unwrap()
}

fn purchase() -> Event {
    let json = r#"{"eventId":"018f3f7e-0000-7000-8000-000000000001","userId":"u","anonymousId":"a","sessionId":"s",
        "type":"purchase","occurredAt":1780000000000,
        "properties":{"total":"12.50","currency":"eur","page":"/p","sku":"x","items":[1,2.5]}}"#;
    EventRules::default().parse(json, Timestamp::from_millis(1_780_000_000_123)).unwrap()
}

#[test]
fn document_has_fields_in_documented_order() {
    let bytes = bytes(&purchase(), Form::Document);
    let document = Document::try_from(raw(&bytes)).unwrap();
    let names: Vec<&str> = document.keys().map(String::as_str).collect();
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
    assert_eq!(names, expected);
    assert!(matches!(document.get("orderValue"), Some(Bson::Decimal128(value)) if value.to_string() == "12.5"));
    assert_eq!(document.get_str("currency").unwrap(), "EUR");
    assert_eq!(document.get_datetime("occurredAt").unwrap().timestamp_millis(), 1_780_000_000_000);
    assert_eq!(document.get_document("properties").unwrap().get_str("total").unwrap(), "12.50");
}

#[test]
fn without_decimal128_events_keep_their_values() {
    let parse = |properties: &str| {
        let json =
            format!(r#"{{"userId":"u","type":"purchase","occurredAt":1780000000000,"properties":{properties}}}"#);
        EventRules::default().parse(&json, Timestamp::from_millis(1_780_000_000_123)).unwrap()
    };
    for (properties, as_text) in [(r#"{"total":"-12.000001"}"#, false), (r#"{"total":1,"n":[1e400,{"a":2}]}"#, true)] {
        let event = parse(properties);
        let mut out = Vec::new();
        assert_eq!(write(&event, Form::Document, false, &mut out).unwrap(), Content::Plain);
        let document = Document::try_from(raw(&out)).unwrap();
        assert_eq!(document.contains_key("propertiesText"), as_text);
        assert!(!format!("{document:?}").contains("Decimal128"), "{document:?}");
        assert_eq!(document.get_i64("orderValueMicros").unwrap(), event.facts.order_value.unwrap().micros());
        assert_eq!(read(raw(&out)).unwrap(), event);
        let row = row(raw(&out), &mut Symbols::new()).unwrap().1;
        assert_eq!(row.order_value, event.facts.order_value.unwrap().micros());
        assert!(is_resend(&event, raw(&out)));
    }
}

#[test]
fn absent_values_have_no_field() {
    let json = r#"{"userId":"u","type":"page_view"}"#;
    let event = EventRules::default().parse(json, Timestamp::now()).unwrap();
    let bytes = bytes(&event, Form::Document);
    assert_eq!(raw(&bytes).iter().count(), 5);
    assert_eq!(read(raw(&bytes)).unwrap(), Event { estimated_time: false, ..event });
}

#[test]
fn reads_properties_in_both_forms() {
    let event = purchase();
    let compact = event.properties.clone().map(|text| text.replace("\n", ""));
    for form in [Form::Document, Form::Text] {
        let bytes = bytes(&event, form);
        let back = read(raw(&bytes)).unwrap();
        assert_eq!(
            Event { properties: compact.clone(), ..back.clone() },
            Event { properties: compact.clone(), ..event.clone() }
        );
        assert_eq!(back.properties, compact);
        assert!(is_resend(&event, raw(&bytes)));
        assert_eq!(time_and_id(raw(&bytes)).unwrap(), (event.occurred_at, event.id));
    }
}

#[test]
fn row_matches_the_event() {
    let event = purchase();
    let bytes = bytes(&event, Form::Document);
    let (mut symbols, mut others) = (Symbols::new(), Symbols::new());
    let (user, found) = row(raw(&bytes), &mut symbols).unwrap();
    assert_eq!((user, found), ("u", Row::of(&event, &mut others)));
}

#[test]
fn another_user_type_or_time_is_another_event() {
    let event = purchase();
    let bytes = bytes(&event, Form::Document);
    let is_resend_with = |change: fn(&mut Event)| {
        let mut other = event.clone();
        change(&mut other);
        is_resend(&other, raw(&bytes))
    };
    assert!(is_resend_with(|event| event.received_at = Timestamp::from_millis(5)));
    assert!(is_resend_with(|event| (event.occurred_at, event.estimated_time) = (Timestamp::from_millis(5), true)));
    assert!(is_resend_with(|event| (event.anonymous_id, event.session_id, event.properties) = (None, None, None)));
    assert!(!is_resend_with(|event| event.user_id.push('x')));
    assert!(!is_resend_with(|event| event.event_type = EventType::SEARCH));
    assert!(!is_resend_with(|event| event.occurred_at = Timestamp::from_millis(5)));
}

#[test]
fn invalid_document_names_the_cause() {
    for (document, why) in [
        (mongodb::bson::rawdoc! { "_id": 7 }, "_id is not a UUID"),
        (mongodb::bson::rawdoc! { "userId": "u" }, "_id is missing"),
        (mongodb::bson::rawdoc! { "userId": 7 }, "userId is not a string"),
        (mongodb::bson::rawdoc! { "orderValue": "1" }, "orderValue is not an amount of money"),
        (mongodb::bson::rawdoc! { "properties": 1 }, "properties is not a document"),
    ] {
        assert_eq!(read(&document).unwrap_err().why, why);
        assert!(time_and_id(&document).is_err() && row(&document, &mut Symbols::new()).is_err());
    }
}

proptest! {
    #[test]
    fn events_roundtrip(user in ".{0,40}", session in proptest::option::of(".{0,9}"), micros: i64, at: i64, id: [u8; 16]) {
        let mut event = purchase();
        event.id = EventId::from_bytes(id);
        event.user_id = user;
        event.session_id = session;
        event.facts.order_value = Some(Money::from_micros(micros));
        event.occurred_at = Timestamp::from_millis(at);
        event.properties = Some(r#"{"a":1}"#.to_owned());
        let bytes = bytes(&event, Form::Document);
        prop_assert_eq!(read(raw(&bytes)).unwrap(), event);
    }

    /// Such bytes may come from an incompatible server or a failing disk.
    #[test]
    fn corrupted_bytes_never_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let event = purchase();
        for form in [Form::Document, Form::Text] {
            let mut bytes = bytes(&event, form);
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let Ok(document) = RawDocument::from_bytes(&bytes) else { continue };
            // These calls must not panic.
            let _ = (time_and_id(document), row(document, &mut Symbols::new()).is_ok(), is_resend(&event, document));
            let Ok(found) = read(document) else { continue };
            let mut again = Vec::new();
            if write(&found, form, true, &mut again).is_ok() {
                prop_assert_eq!(read(raw(&again)).unwrap(), found);
            }
        }
    }
}
