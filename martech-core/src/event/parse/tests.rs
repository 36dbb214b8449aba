use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::{Facts, Money};

/// 2026-11-22T10:15:00.250Z
const NOW: Timestamp = Timestamp::from_millis(1_795_342_500_250);

fn parse(json: &str) -> Result<Event, EventError> {
    EventRules::default().parse(json, NOW)
}

/// Parses a page view of `u1` with additional fields.
fn with(fields: &str) -> Result<Event, EventError> {
    parse(&format!(r#"{{"userId":"u1","type":"page_view",{fields}}}"#))
}

fn purchase(properties: &str) -> Result<Facts, EventError> {
    parse(&format!(r#"{{"userId":"u1","type":"purchase","properties":{properties}}}"#)).map(|event| event.facts)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, EventError>, code: ErrorCode, field: &str, part: &str) -> EventError {
    let error = result.unwrap_err();
    assert_eq!((error.code, error.field.as_deref().unwrap_or("")), (code, field), "{}", error.message);
    assert!(error.message.contains(part), "{part:?} is not in {:?}", error.message);
    assert!(error.message.len() < 400, "{}", error.message);
    error
}

#[test]
fn parses_every_field() {
    let event = parse(
        r#" { "eventId" : "018F3B2A-0000-7000-8000-0000000000AA", "userId" : "u\u00e91", "type" : "add_to_cart",
            "occurredAt" : "2026-11-22T09:00:00.1239+01:00", "anonymousId" : "a1", "sessionId" : "s1",
            "properties" : { "productId" : 42, "page":"/cart" } } "#,
    )
    .unwrap();
    assert_eq!(event.id.to_string(), "018f3b2a-0000-7000-8000-0000000000aa");
    assert_eq!(event.user_id, "ué1");
    assert_eq!(event.event_type, EventType::ADD_TO_CART);
    assert_eq!(event.occurred_at.to_string(), "2026-11-22T08:00:00.123Z");
    assert!(!event.estimated_time);
    assert_eq!(event.received_at, NOW);
    assert_eq!((event.anonymous_id.as_deref(), event.session_id.as_deref()), (Some("a1"), Some("s1")));
    assert_eq!(event.properties.as_deref(), Some(r#"{ "productId" : 42, "page":"/cart" }"#));
    assert_eq!(event.facts.product.as_deref(), Some("42"));
    assert_eq!(event.facts.page.as_deref(), Some("/cart"));
    assert_eq!(event.facts.order_value, None);
}

#[test]
fn fills_in_absent_fields() {
    let all_null = r#"{"userId":null,"anonymousId":"a1","type":"search","eventId":null,"occurredAt":null,"sessionId":null,"properties":null}"#;
    for json in [all_null, r#"{"anonymousId":"a1","type":"search"}"#] {
        let event = parse(json).unwrap();
        assert_eq!(event.user_id, "a1");
        assert_eq!(event.anonymous_id.as_deref(), Some("a1"));
        assert_eq!((event.occurred_at, event.estimated_time), (NOW, true));
        assert_eq!((event.session_id, event.properties, event.facts), (None, None, Facts::default()));
        assert_eq!(event.id.0.get_version_num(), 7);
    }
}

#[test]
fn parses_and_validates_event_ids() {
    let id = |text: &str| with(&format!(r#""eventId":{text}"#)).map(|event| event.id);
    assert_eq!(id(r#""order-1""#).unwrap(), EventId::from_text("order-1").unwrap());
    assert_eq!(id(r#""order-1""#).unwrap().0.get_version_num(), 5);
    assert!(id(&format!(r#""{}""#, "é".repeat(128))).is_ok());
    refused(id(&format!(r#""{}""#, "é".repeat(129))), ErrorCode::TooLong, "eventId", "128");
    refused(id(r#""""#), ErrorCode::EmptyValue, "eventId", "leave it out");
    refused(id(r#""  ""#), ErrorCode::EmptyValue, "eventId", "leave it out");
    for made in PLACEHOLDERS {
        refused(id(&format!("{made:?}")), ErrorCode::NotAnId, "eventId", "leave it out");
    }
    refused(id(r#""00000000-0000-0000-0000-000000000000""#), ErrorCode::EmptyValue, "eventId", "nil");
    refused(id("7"), ErrorCode::WrongType, "eventId", "must be a string, not a number");
}

/// Texts that JavaScript produces from missing values and objects.
const PLACEHOLDERS: [&str; 6] =
    ["undefined", "null", "NaN", "[object Object]", "[object Undefined]", "[object Promise]"];

#[test]
fn validates_user_anonymous_and_session_ids() {
    for field in ["userId", "anonymousId", "sessionId"] {
        let read = |value: &str| {
            parse(&format!(
                r#"{{"type":"search",{}"{field}":{value}}}"#,
                if field == "userId" { "" } else { r#""userId":"u","# }
            ))
        };
        assert!(read(&format!(r#""{}""#, "é".repeat(128))).is_ok());
        refused(read(&format!(r#""{}""#, "é".repeat(129))), ErrorCode::TooLong, field, "at most 128 characters");
        refused(read(r#""""#), ErrorCode::EmptyValue, field, "must not be empty");
        refused(read(r#""a\u0000b""#), ErrorCode::InvalidCharacter, field, "control characters");
        refused(read(r#""a\nb""#), ErrorCode::InvalidCharacter, field, "control characters");
        refused(read("\"a\u{85}b\""), ErrorCode::InvalidCharacter, field, "control characters");
        for blank in [" ", "\\t \\r\\n", "\u{a0}", "\u{3000}", "\u{200b}", "\u{feff} "] {
            refused(read(&format!("\"{blank}\"")), ErrorCode::EmptyValue, field, "must not be empty or blank");
        }
        for text in [" u", "u ", "u\u{a0}"] {
            refused(read(&format!("\"{text}\"")), ErrorCode::InvalidCharacter, field, "begin or end with white space");
        }
        for made in PLACEHOLDERS {
            let error = refused(
                read(&format!("{made:?}")),
                ErrorCode::NotAnId,
                field,
                "JavaScript produces from a missing value",
            );
            assert!(error.message.contains(made), "{error}");
        }
        // Surnames, and texts that only resemble placeholders.
        for name in ["Null", "None", "nan", "undefined1", "[object", "object Object", "false", "a b"] {
            assert!(read(&format!("{name:?}")).is_ok(), "{name}");
        }
        assert!(read(r#""u\ud83d""#).is_ok());
        refused(read("7"), ErrorCode::WrongType, field, "must be a string, not a number");
        refused(read("[]"), ErrorCode::WrongType, field, "must be a string, not an array");
    }
    refused(parse(r#"{"type":"search"}"#), ErrorCode::MissingField, "userId", "anonymousId");
    refused(parse("{}"), ErrorCode::MissingField, "userId", "anonymousId");
}

#[test]
fn accepts_known_and_configured_types() {
    let read = |rules: &str, name: &str| {
        let rules = EventRules { types: rules.parse().unwrap(), ..EventRules::default() };
        rules.parse(&json!({"userId": "u", "type": name}).to_string(), NOW).map(|event| event.event_type)
    };
    for known in EventType::KNOWN {
        assert_eq!(read("", known.as_str()).unwrap(), known);
    }
    refused(read("", "wishlist_add"), ErrorCode::UnknownType, "type", "known types are session_start, page_view");
    let advised = EventRules { types: EventTypes::known().advise("ask Ann for more"), ..EventRules::default() };
    let error = advised.parse(r#"{"userId":"u","type":"wishlist_add"}"#, NOW);
    refused(error, ErrorCode::UnknownType, "type", "video_pause; ask Ann for more");
    refused(advised.parse(r#"{"userId":"u","type":"wish list"}"#, NOW), ErrorCode::UnknownType, "type", "1 to 64");
    assert_eq!(read("a,wishlist_add", "wishlist_add").unwrap().as_str(), "wishlist_add");
    assert_eq!(read("*", "Order:Completed.v2").unwrap().as_str(), "Order:Completed.v2");
    refused(read("*", "order completed"), ErrorCode::UnknownType, "type", "1 to 64 characters");
    refused(read("*", ""), ErrorCode::UnknownType, "type", "1 to 64 characters");
    refused(read("*", &"x".repeat(65)), ErrorCode::UnknownType, "type", "1 to 64 characters");
    refused(parse(r#"{"userId":"u"}"#), ErrorCode::MissingField, "type", "page_view");
    refused(parse(r#"{"userId":"u","type":1}"#), ErrorCode::WrongType, "type", "a string");
}

#[test]
fn parses_and_validates_times() {
    let time = |text: &str| with(&format!(r#""occurredAt":{text}"#)).map(|event| event.occurred_at.to_string());
    for (text, shown) in [
        (r#""2026-11-22T10:15:00Z""#, "2026-11-22T10:15:00.000Z"),
        (r#""2026-11-22t10:15:00.9999z""#, "2026-11-22T10:15:00.999Z"),
        (r#""2026-11-22T10:15:00+05:30""#, "2026-11-22T04:45:00.000Z"),
        (r#""2026-11-22T10:15:00-00:00""#, "2026-11-22T10:15:00.000Z"),
        (r#""1970-01-01T00:00:00Z""#, "1970-01-01T00:00:00.000Z"),
        (r#""2026-10-29t10:15:00z""#, "2026-10-29T10:15:00.000Z"),
        (r#""2026-10-29T10:15:00-23:59""#, "2026-10-30T10:14:00.000Z"),
        (r#""2016-12-31T23:59:60Z""#, "2016-12-31T23:59:59.000Z"),
        ("1795342500250", "2026-11-22T10:15:00.250Z"),
        ("1795342500250.75", "2026-11-22T10:15:00.250Z"),
        (r#""1795342500250""#, "2026-11-22T10:15:00.250Z"),
        (r#""2026-11-23T10:15:00.250Z""#, "2026-11-23T10:15:00.250Z"),
    ] {
        assert_eq!(time(text).as_deref(), Ok(shown), "{text}");
    }
    for text in [
        r#""2026-11-22""#,
        r#""2026-11-22T10:15:00""#,
        r#""22.11.2026""#,
        r#""2026-13-01T00:00:00Z""#,
        r#""2026-02-30T00:00:00Z""#,
        r#""2026-11-22T25:00:00Z""#,
        r#""2026-11-22T10:15:00+25:00""#,
        r#""2026-11-22T10:15:00-24:00""#,
        r#""now""#,
        r#""""#,
        "1e12",
        "1795342500250e0",
        "99999999999999999999",
        r#""\ud800""#,
    ] {
        let error = time(text).unwrap_err();
        assert!(error.field.as_deref() == Some("occurredAt"), "{text}: {error:?}");
        assert!(matches!(error.code, ErrorCode::InvalidTime | ErrorCode::InvalidCharacter), "{text}: {error:?}");
    }
    refused(time("1795342500"), ErrorCode::InvalidTime, "occurredAt", "multiplied by 1000");
    refused(time(r#""1795342500.5""#), ErrorCode::InvalidTime, "occurredAt", "multiplied by 1000");
    refused(time("0"), ErrorCode::InvalidTime, "occurredAt", "multiplied by 1000");
    refused(time(r#""1969-12-31T23:59:59.999Z""#), ErrorCode::OccurredAtTooEarly, "occurredAt", "1970-01-01");
    refused(time(r#""0001-01-01T00:00:00Z""#), ErrorCode::OccurredAtTooEarly, "occurredAt", "1970-01-01");
    refused(time("-9223372036854775808"), ErrorCode::OccurredAtTooEarly, "occurredAt", "1970-01-01");
    refused(time(r#""2026-11-23T10:15:00.251Z""#), ErrorCode::OccurredAtInFuture, "occurredAt", "24 hours");
    refused(time(r#""9999-12-30T00:00:00Z""#), ErrorCode::OccurredAtInFuture, "occurredAt", "24 hours");
    refused(time("9223372036854775807"), ErrorCode::OccurredAtInFuture, "occurredAt", "24 hours");
    refused(time("true"), ErrorCode::WrongType, "occurredAt", "not a boolean");
}

#[test]
fn rejects_old_events_of_public_senders() {
    let rules = EventRules { public_days: NonZero::new(30), ..EventRules::default() };
    let read = |rules: &EventRules, sender, body: &str| {
        let batch = Batch::from_json(body.as_bytes()).unwrap();
        rules.parse_batch(&batch, NOW, sender).next().unwrap().map(|event| event.occurred_at.to_string())
    };
    let at = |time: &str| format!(r#"{{"userId":"u","type":"search","occurredAt":"{time}"}}"#);
    for sender in [Sender::Anonymous, Sender::Page] {
        assert!(read(&rules, sender, &at("2026-10-23T10:15:00.250Z")).is_ok(), "30 days ago to the millisecond");
        let part = "at most 30 days before 2026-11-22T10:15:00.250Z";
        let late = read(&rules, sender, &at("2026-10-23T10:15:00.249Z"));
        refused(late, ErrorCode::OccurredAtTooOld, "occurredAt", part);
        refused(read(&rules, sender, &at("1969-12-31T00:00:00Z")), ErrorCode::OccurredAtTooEarly, "occurredAt", "1970");
        assert!(read(&EventRules::default(), sender, &at("1970-01-01T00:00:00Z")).is_ok(), "any age");
        // The age limit applies to the stored time. The clock of this sender is ten days slow.
        let slow = |time| format!(r#"{{"sentAt":"2026-11-12T10:15:00.250Z","events":[{}]}}"#, at(time));
        assert_eq!(read(&rules, sender, &slow("2026-10-13T10:15:00.250Z")).unwrap(), "2026-10-23T10:15:00.250Z");
        let late = read(&rules, sender, &slow("2026-10-13T10:15:00.249Z"));
        refused(late, ErrorCode::OccurredAtTooOld, "occurredAt", "after the correction by sentAt");
    }
    assert!(read(&rules, Sender::Trusted, &at("1970-01-01T00:00:00Z")).is_ok());
}

#[test]
fn rejects_unknown_fields() {
    let error = refused(with(r#""ocurredAt":1"#), ErrorCode::UnknownField, "ocurredAt", "occurredAt, anonymousId");
    assert!(error.message.contains(r#"unknown field "ocurredAt""#));
    refused(
        with(&format!(r#""{}":1"#, "x".repeat(1000))),
        ErrorCode::UnknownField,
        &format!("{}…", "x".repeat(64)),
        "x…",
    );
    assert!(with(r#""receivedAt":"2026-11-22T10:15:00.250Z""#).is_ok());
}

#[test]
fn enforces_size_and_depth_limits() {
    let sized = |bytes: usize| with(&format!(r#""properties":{{"a":"{}"}}"#, "x".repeat(bytes)));
    let overhead = r#"{"userId":"u1","type":"page_view","properties":{"a":""}}"#.len();
    assert!(sized(MAX_EVENT_BYTES - overhead).is_ok());
    refused(sized(MAX_EVENT_BYTES - overhead + 1), ErrorCode::EventTooLarge, "", "32768");

    // The event and its properties are two levels.
    let nested =
        |levels: usize| with(&format!(r#""properties":{{"a":{}{}}}"#, "[".repeat(levels - 2), "]".repeat(levels - 2)));
    assert!(nested(MAX_DEPTH).is_ok());
    let path = format!("properties.a{}", ".0".repeat(30));
    refused(nested(MAX_DEPTH + 1), ErrorCode::TooDeep, &path, "32 levels");
    refused(parse(&"[".repeat(30_000)), ErrorCode::TooDeep, &format!("0{}", ".0".repeat(31)), "32 levels");
    assert_eq!(parse(&"[".repeat(100_000)).unwrap_err().code, ErrorCode::EventTooLarge);
}

#[test]
fn rejects_repeated_keys() {
    refused(with(r#""userId":"u2""#), ErrorCode::DuplicateKey, "userId", "more than once");
    refused(with(r#""us\u0065rId":"u2""#), ErrorCode::DuplicateKey, "userId", "more than once");
    refused(
        with(r#""properties":{"a":[{"b":1,"b":1}]}"#),
        ErrorCode::DuplicateKey,
        "properties.a.0.b",
        "more than once",
    );
    let huge = format!(r#""properties":{{"{0}":{{"{0}":1,"{0}":2}}}}"#, "k".repeat(5000));
    let error = with(&huge).unwrap_err();
    assert!(error.message.len() < 300 && error.field.unwrap().len() < 200);
}

#[test]
fn rejects_malformed_json_and_wrong_types() {
    for json in [
        "",
        "nul",
        "{",
        r#"{"userId":"u1""#,
        r#"{"userId":"u1"} x"#,
        r#"{"properties":{"a":NaN}}"#,
        r#"{"properties":{"a":-Infinity}}"#,
        "\u{c}{}",
        "{}\u{c}",
    ] {
        refused(parse(json), ErrorCode::MalformedJson, "", "at column");
    }
    for (json, kind) in [("null", "null"), ("[]", "an array"), ("1", "a number"), (r#""x""#, "a string")] {
        refused(parse(json), ErrorCode::WrongType, "", kind);
    }
    for value in ["[]", "1", r#""{}""#, "true"] {
        refused(with(&format!(r#""properties":{value}"#)), ErrorCode::WrongType, "properties", "must be a JSON object");
    }
}

#[test]
fn errors_carry_the_event_id_when_readable() {
    let id = EventId::from_text("e1").unwrap();
    for json in [
        r#"{"eventId":"e1"}"#,
        r#"{"properties":[],"eventId":"e1","userId":"u"}"#,
        r#"{"oops":1,"eventId":"e1"}"#,
        r#"{"eventId":"e1","a":{"b":1,"b":2}}"#,
        r#"{"eventId":"e1","a":NaN}"#,
    ] {
        assert_eq!(parse(json).unwrap_err().event_id, Some(id), "{json}");
    }
    assert_eq!(parse(r#"{"eventId":""}"#).unwrap_err().event_id, None);
    assert_eq!(parse("{}").unwrap_err().event_id, None);
}

#[test]
fn extracts_and_validates_order_values() {
    for (properties, value) in [
        (r#"{"revenue":1,"total":2,"value":3}"#, Some("1.00")),
        (r#"{"value":3,"total":2}"#, Some("2.00")),
        (r#"{"revenue":null,"value":"3.5"}"#, Some("3.50")),
        (r#"{"total":29.990000000000002}"#, Some("29.99")),
        (r#"{"total":-5}"#, Some("-5.00")),
        (r#"{"t\u006ftal":5}"#, Some("5.00")),
        (r#"{"order":{"total":5}}"#, None),
        ("{}", None),
    ] {
        let facts = purchase(properties).unwrap();
        assert_eq!(facts.order_value.map(|money| money.to_string()).as_deref(), value, "{properties}");
        assert_eq!(facts.currency, value.map(|_| Currency::USD));
    }
    refused(
        purchase(r#"{"total":"12,50"}"#),
        ErrorCode::InvalidAmount,
        "properties.total",
        r#""12,50": not a decimal number"#,
    );
    refused(purchase(r#"{"revenue":"","total":5}"#), ErrorCode::InvalidAmount, "properties.revenue", "decimal number");
    refused(purchase(r#"{"value":1e999}"#), ErrorCode::InvalidAmount, "properties.value", "1,000,000,000,000");
    refused(purchase(r#"{"total":[5]}"#), ErrorCode::InvalidAmount, "properties.total", "an array: must be a number");
    refused(purchase(r#"{"total":"NaN"}"#), ErrorCode::InvalidAmount, "properties.total", "NaN");
    assert!(with(r#""properties":{"total":"12,50"}"#).unwrap().facts.order_value.is_none());
}

#[test]
fn extracts_and_validates_currencies() {
    let currency = |text: &str| {
        purchase(&format!(r#"{{"total":"1","currency":{text}}}"#)).map(|facts| facts.currency.unwrap().to_string())
    };
    assert_eq!(currency(r#""eur""#).as_deref(), Ok("EUR"));
    assert_eq!(currency(r#""USDT2024""#).as_deref(), Ok("USDT2024"));
    assert_eq!(currency("null").as_deref(), Ok("USD"));
    for text in [r#""""#, r#""€""#, r#""eu""#, r#""123456789""#, "840"] {
        refused(currency(text), ErrorCode::InvalidCurrency, "properties.currency", "");
    }
    assert_eq!(purchase(r#"{"currency":"?"}"#).unwrap().currency, None);
}

#[test]
fn rejects_unlisted_currencies_of_public_senders() {
    let rules = EventRules { currency: "POINTS".parse().unwrap(), ..EventRules::default() };
    let read = |sender, currency: &str| {
        let order = json!({"userId": "u", "type": "purchase", "properties": {"total": 1, "currency": currency}});
        let body = order.to_string();
        let batch = Batch::from_json(body.as_bytes()).unwrap();
        let event = rules.parse_batch(&batch, NOW, sender).next().unwrap();
        event.map(|event| event.facts.currency.unwrap().to_string())
    };
    for sender in [Sender::Anonymous, Sender::Page] {
        assert_eq!(read(sender, "eur").as_deref(), Ok("EUR"));
        assert_eq!(read(sender, "points").as_deref(), Ok("POINTS"), "the configured one");
        let part = "not listed in ISO 4217; other codes need a secret key";
        refused(read(sender, "zaaaaaa"), ErrorCode::InvalidCurrency, "properties.currency", part);
    }
    assert_eq!(read(Sender::Trusted, "USDT").as_deref(), Ok("USDT"));
}

#[test]
fn extracts_pages_products_and_searches() {
    let facts = |kind: &str, properties: &str| {
        parse(&format!(r#"{{"userId":"u","type":"{kind}","properties":{properties}}}"#)).unwrap().facts
    };
    let read =
        facts("search", r#"{"url":"u","path":"/p","sku":"s","product_id":12.50,"term":"t","q":"Q \ud83d\ude00"}"#);
    assert_eq!(
        (read.page.as_deref(), read.product.as_deref(), read.search.as_deref()),
        (Some("/p"), Some("12.50"), Some("Q 😀"))
    );
    let read = facts("page_view", r#"{"page":{"path":"/no"},"path":"","url":"u","product":true,"q":"x"}"#);
    assert_eq!((read.page.as_deref(), read.product, read.search), (Some("u"), None, None));
    let read = facts("search", r#"{"page":404,"product":1.50,"q":501}"#);
    assert_eq!(
        (read.page.as_deref(), read.product.as_deref(), read.search.as_deref()),
        (Some("404"), Some("1.50"), Some("501")),
    );
    let read = facts("page_view", &json!({"page": "é".repeat(600), "sku": "\u{fffd}"}).to_string());
    assert_eq!(read.page, Some("é".repeat(Facts::MAX_CHARS)));
    assert_eq!(facts("page_view", r#"{"page":"a\ud800b"}"#).page.unwrap(), "a\u{fffd}b");
}

#[test]
fn preserves_properties_byte_for_byte() {
    let properties =
        format!(r#"{{"big":{},"float":1e999,"pair":"\ud83d\ude00","text":"a\u0000\/é" }}"#, "1234567890".repeat(6));
    let event = with(&format!(r#""properties":{properties}"#)).unwrap();
    assert_eq!(event.properties.as_deref(), Some(&*properties));
    let shown = serde_json::to_string(&event).unwrap();
    assert!(shown.ends_with(&format!(r#""properties":{properties}}}"#)), "{shown}");
}

#[test]
fn namespaces_ids_of_public_senders() {
    let read = |sender, id: &str| {
        let body = format!(r#"{{"eventId":"{id}","userId":"u","type":"search"}}"#);
        let batch = Batch::from_json(body.as_bytes()).unwrap();
        EventRules::default().parse_batch(&batch, NOW, sender).next().unwrap().map(|event| event.id)
    };
    let senders = [Sender::Anonymous, Sender::Page, Sender::Trusted];
    for given in ["order-1001", "018f3f7e-0000-7000-8000-00000000beef", "7a5e9d9e-1b1c-4c59-9d6f-0f3b1f2a4c5d"] {
        let ids = senders.map(|sender| read(sender, given).unwrap());
        assert_eq!(ids, senders.map(|sender| read(sender, given).unwrap()), "a retry has the same id");
        assert_eq!(ids[2], EventId::from_text(given).unwrap());
        assert!(ids[0] != ids[1] && !ids[..2].contains(&ids[2]));
        // An anonymous sender who learns the stored ids cannot reproduce any that came with a key.
        assert!(
            !ids.map(|stored| read(Sender::Anonymous, &stored.to_string()).unwrap())
                .iter()
                .any(|id| ids[1..].contains(id))
        );
    }
    let refused = Batch::from_json(br#"{"eventId":"e","userId":"","type":"search"}"#).unwrap();
    let error = EventRules::default().parse_batch(&refused, NOW, Sender::Page).next().unwrap().unwrap_err();
    assert_eq!(error.event_id, Some(Sender::Page.id(EventId::from_text("e").unwrap())));
    let made = Batch::from_json(br#"{"userId":"u","type":"search"}"#).unwrap();
    let event = EventRules::default().parse_batch(&made, NOW, Sender::Anonymous).next().unwrap().unwrap();
    assert_eq!(event.id.0.get_version_num(), 7);
}

#[test]
fn replaces_lone_surrogates_in_all_fields() {
    let json = r#"{"eventId":"e\ud83d","userId":"u\ud83d","anonymousId":"\ude00","sessionId":"\ud83d\ude00\ud83d","type":"search",
        "properties":{"q":"cut \ud83d","\ude00":[{"deep\ud83d":"\ud83d\ud83d\ude00 \\ud83d"}]}}"#;
    let event = parse(json).unwrap();
    assert_eq!(event.id, EventId::from_text("e\u{fffd}").unwrap());
    let ids = [Some(&event.user_id), event.anonymous_id.as_ref(), event.session_id.as_ref()];
    assert_eq!(ids, ["u\u{fffd}", "\u{fffd}", "😀\u{fffd}"].map(str::to_owned).each_ref().map(Some));
    assert_eq!(event.facts.search.as_deref(), Some("cut \u{fffd}"));
    let properties = event.properties.as_deref().unwrap();
    assert_eq!(properties, r#"{"q":"cut \ufffd","\ufffd":[{"deep\ufffd":"\ufffd\ud83d\ude00 \\ud83d"}]}"#);
    // Strict readers accept the result.
    let read: serde_json::Value = serde_json::from_str(properties).unwrap();
    assert_eq!(read, json!({"q": "cut \u{fffd}", "\u{fffd}": [{"deep\u{fffd}": "\u{fffd}😀 \\ud83d"}]}));

    refused(with(r#""properties":{"a\ud83d":1,"a\ude00":2}"#), ErrorCode::DuplicateKey, "properties.a\u{fffd}", "");
    refused(with(r#""\ud83d":1"#), ErrorCode::UnknownField, "\u{fffd}", "unknown field");
    refused(with(r#""occurredAt":"\ud83d""#), ErrorCode::InvalidTime, "occurredAt", "RFC 3339");
}

#[test]
fn serializes_as_a_journey_event() {
    let event = parse(r#"{"eventId":"e1","userId":"u1","type":"purchase","occurredAt":1795342500000,"sessionId":"s","anonymousId":"a","properties":{"total":1}}"#).unwrap();
    let right = json!({
        "eventId": EventId::from_text("e1").unwrap().to_string(), "type": "purchase", "occurredAt": "2026-11-22T10:15:00.000Z",
        "receivedAt": "2026-11-22T10:15:00.250Z", "sessionId": "s", "anonymousId": "a", "properties": {"total": 1},
    });
    assert_eq!(serde_json::to_value(&event).unwrap(), right);
    let bare = serde_json::to_value(parse(r#"{"userId":"u1","type":"purchase"}"#).unwrap()).unwrap();
    assert_eq!(bare.as_object().unwrap().keys().collect::<Vec<_>>(), ["eventId", "occurredAt", "receivedAt", "type"]);
}

#[test]
fn builder_applies_the_same_rules() {
    let rules = EventRules::default();
    let id = EventId::new_v7();
    let event = Event::builder("u1", EventType::PURCHASE)
        .id(id)
        .occurred_at(Timestamp::from_millis(5))
        .received_at(NOW)
        .anonymous_id("a")
        .session_id("s")
        .property("total", 12.5)
        .build(&rules)
        .unwrap();
    let occurred_at = Timestamp::from_millis(5);
    assert_eq!((event.id, event.occurred_at, event.estimated_time, event.received_at), (id, occurred_at, false, NOW));
    assert_eq!(event.facts.order_value, Some(Money::from_micros(12_500_000)));
    assert!(event.size() > size_of::<Event>() + "u1asa".len());
    let event = super::super::EventBuilder::anonymous("a", EventType::SEARCH).build(&rules).unwrap();
    assert_eq!((event.user_id.as_str(), event.properties), ("a", None));

    refused(Event::builder("", EventType::SEARCH).build(&rules), ErrorCode::EmptyValue, "userId", "empty");
    let big = Event::builder("u", EventType::SEARCH).property("x", "y".repeat(40_000)).build(&rules);
    refused(big, ErrorCode::EventTooLarge, "", "32768");
    let own = EventType::parse("own").unwrap();
    refused(
        Event::builder("u", own).build(&rules),
        ErrorCode::UnknownType,
        "type",
        "known types are session_start, page_view",
    );
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(8, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::hash_map(any::<String>(), inner, 0..8)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn properties_round_trip(value in any_json(), pretty in any::<bool>()) {
        let sent = json!({"userId": "u", "type": "page_view", "properties": {"x": value}});
        let text = if pretty { serde_json::to_string_pretty(&sent) } else { serde_json::to_string(&sent) }.unwrap();
        prop_assume!(text.len() <= MAX_EVENT_BYTES);
        let event = parse(&text).unwrap();
        let shown: serde_json::Value = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        prop_assert_eq!(&shown["properties"], &serde_json::from_str::<serde_json::Value>(&text).unwrap()["properties"]);
    }

    #[test]
    fn never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    /// Text that resembles JSON reaches deeper into the scanner than random text. `serde_json` is the reference.
    #[test]
    fn agrees_with_serde_json(text in r#"[\[\]{},: "\\u0-9a-d.eE+\-tfn\n]{0,40}"#) {
        let malformed = parse(&text).is_err_and(|error| error.code == ErrorCode::MalformedJson);
        let right = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err();
        // The scanner reports a repeated key before the end of the text.
        let repeated = parse(&text).is_err_and(|error| error.code == ErrorCode::DuplicateKey);
        prop_assert!(repeated || malformed == right, "{}", text);
    }
}
