use proptest::prelude::*;

use super::*;
use crate::event::{Event, EventRules, Sender};

/// 2026-11-22T10:15:00Z
const NOW: Timestamp = Timestamp::from_millis(1_795_342_500_000);

fn texts<'a>(batch: &Batch<'a>) -> Vec<&'a str> {
    batch.items.iter().map(|item| *item.as_ref().unwrap()).collect()
}

#[track_caller]
fn refused(body: impl AsRef<[u8]>, code: ErrorCode, field: &str, part: &str) {
    let error = Batch::from_json(body.as_ref()).unwrap_err();
    assert_eq!((error.code, error.field.as_deref().unwrap_or("")), (code, field), "{}", error.message);
    assert!(error.message.contains(part), "{part:?} is not in {:?}", error.message);
}

fn parse(body: &str) -> Vec<Result<Event, EventError>> {
    EventRules::default().parse_batch(&Batch::from_json(body.as_bytes()).unwrap(), NOW, Sender::Trusted).collect()
}

#[test]
fn distinguishes_single_event_array_and_envelope() {
    let single = Batch::from_json(br#" {"userId":"u", "sentAt": 1} "#).unwrap();
    assert_eq!((texts(&single), single.single, single.sent_at), (vec![r#"{"userId":"u", "sentAt": 1}"#], true, None));

    let list = Batch::from_json(b"\xef\xbb\xbf [ {\"a\":1} , 7,\n[]] ").unwrap();
    assert_eq!((texts(&list), list.single), (vec![r#"{"a":1}"#, "7", "[]"], false));

    let envelope = Batch::from_json(br#"{"sentAt":"2026-11-22T10:15:00Z","events":[{},{"b":{}}]}"#).unwrap();
    assert_eq!((texts(&envelope), envelope.single, envelope.sent_at), (vec!["{}", r#"{"b":{}}"#], false, Some(NOW)));
    assert_eq!(Batch::from_json(br#"{"events":[{}],"sentAt":null}"#).unwrap().sent_at, None);
}

#[test]
fn rejects_bodies_without_events() {
    for body in ["", "  \n", "[]", "[ ]", r#"{"events":[]}"#] {
        refused(body, ErrorCode::EmptyBatch, "", "at least one event");
    }
    for body in [&b""[..], b"\n\r\n \n", b"\xef\xbb\xbf"] {
        assert_eq!(Batch::from_ndjson(body).unwrap_err().code, ErrorCode::EmptyBatch);
    }
}

#[test]
fn rejects_malformed_bodies_as_a_whole() {
    refused("[{}", ErrorCode::MalformedJson, "", "at column 4");
    refused(
        "[{},\n{\"a\":NaN}]",
        ErrorCode::MalformedJson,
        "",
        "line 2, column 6: expected a value, not 'N' (in the event with index 1)",
    );
    refused(r#"{"events":[{},{},{"a"}]}"#, ErrorCode::MalformedJson, "", "(in the event with index 2)");
    refused("[{}]]", ErrorCode::MalformedJson, "", "the end of the text");
    refused("{}\n{}", ErrorCode::MalformedJson, "", "application/x-ndjson");
    refused("[".repeat(100_000), ErrorCode::MalformedJson, "", "index 0");
    refused(b"[{\"a\":\"\xff\"}]", ErrorCode::InvalidUtf8, "", "offset 7");
    refused("1", ErrorCode::WrongType, "", "not a number");
}

#[test]
fn rejects_invalid_envelopes() {
    refused(r#"{"events":{}}"#, ErrorCode::WrongType, "events", "not an object");
    refused(r#"{"events":null}"#, ErrorCode::WrongType, "events", "not null");
    refused(r#"{"events":[{}],"events":[{}]}"#, ErrorCode::DuplicateKey, "events", "more than once");
    refused(r#"{"events":[{}],"sentAt":1,"sentAt":2}"#, ErrorCode::DuplicateKey, "sentAt", "more than once");
    refused(r#"{"userId":"u","events":[{}]}"#, ErrorCode::UnknownField, "userId", "events, sentAt");
    refused(r#"{"events":[{}],"sentAt":1795342500}"#, ErrorCode::InvalidTime, "sentAt", "multiplied by 1000");
    refused(r#"{"events":[{}],"sentAt":"yesterday"}"#, ErrorCode::InvalidTime, "sentAt", "RFC 3339");
    refused(r#"{"events":[{}],"sentAt":{}}"#, ErrorCode::WrongType, "sentAt", "must be a string");
}

#[test]
fn enforces_the_event_limit() {
    assert_eq!(Batch::from_json_limited(b"[{},{},{}]", 3).unwrap().items.len(), 3);
    assert_eq!(Batch::from_json_limited(b"[{},{},{}]", 2).unwrap_err().code, ErrorCode::TooManyEvents);
    assert_eq!(Batch::from_ndjson_limited(b"{}\n{}", 2).unwrap().items.len(), 2);
    assert_eq!(Batch::from_ndjson_limited(b"{}\n{}\n{}", 2).unwrap_err().code, ErrorCode::TooManyEvents);
}

#[test]
fn reports_errors_per_event() {
    let deep = "[".repeat(50_000) + &"]".repeat(50_000);
    let large = "x".repeat(33_000);
    let good = r#"{"userId":"u","type":"search"}"#;
    let deepish = "[".repeat(40) + &"]".repeat(40);
    let body = format!(
        r#"[{good},{deep},{{"userId":"{large}"}},7,{good},{{"a":1,"a":1}},{{"userId":"u","type":"search","properties":{{"a":{deepish}}}}},{good}]"#
    );
    let codes: Vec<_> = parse(&body).into_iter().map(|result| result.err().map(|error| error.code)).collect();
    assert_eq!(
        codes,
        [
            None,
            Some(ErrorCode::EventTooLarge),
            Some(ErrorCode::EventTooLarge),
            Some(ErrorCode::WrongType),
            None,
            Some(ErrorCode::DuplicateKey),
            Some(ErrorCode::TooDeep),
            None
        ]
    );
}

#[test]
fn envelope_does_not_count_toward_event_depth() {
    let nested = "[".repeat(30) + &"]".repeat(30);
    let event = format!(r#"{{"userId":"u","type":"search","properties":{{"a":{nested}}}}}"#);
    for body in [event.clone(), format!("[{event}]"), format!(r#"{{"events":[{event}]}}"#)] {
        assert!(parse(&body)[0].is_ok(), "{body}");
    }
}

#[test]
fn splits_ndjson_lines() {
    let body = b"\xef\xbb\xbf{\"a\":1}\r\n\r\n  {\"b\":2}  \n\xff\n{broken\n{\"c\":3}";
    let batch = Batch::from_ndjson(body).unwrap();
    let items: Vec<_> = batch.items.iter().map(|item| item.as_ref().map_err(|error| error.code).copied()).collect();
    assert_eq!(items, [Ok("{\"a\":1}"), Ok("{\"b\":2}"), Err(ErrorCode::InvalidUtf8), Ok("{broken"), Ok("{\"c\":3}")]);
    assert!(batch.items[2].as_ref().unwrap_err().message.contains("line 4"));
    let results: Vec<_> = EventRules::default().parse_batch(&batch, NOW, Sender::Trusted).collect();
    assert_eq!(results[2].as_ref().unwrap_err().code, ErrorCode::InvalidUtf8);
    assert_eq!(results[3].as_ref().unwrap_err().code, ErrorCode::MalformedJson);
}

#[test]
fn corrects_sender_clock_skew_by_sent_at() {
    let read = |sent_at: &str, occurred_at: &str| {
        let body =
            format!(r#"{{"sentAt":{sent_at},"events":[{{"userId":"u","type":"search","occurredAt":{occurred_at}}}]}}"#);
        parse(&body).remove(0).map(|event| (event.occurred_at.millis() - NOW.millis(), event.estimated_time))
    };
    let at = |offset: i64| (NOW.millis() + offset).to_string();
    // Less than a minute counts as a slow request, not as a wrong clock.
    assert_eq!(read(&at(-59_999), &at(-70_000)), Ok((-70_000, false)));
    assert_eq!(read(&at(-60_000), &at(-70_000)), Ok((-10_000, true)));
    assert_eq!(read(&at(60_000), &at(55_000)), Ok((-5_000, true)));
    // Three days ahead: too far in the future without the correction.
    let days = 3 * 86_400_000;
    assert_eq!(read(&at(days), &at(days - 1000)), Ok((-1000, true)));
    assert_eq!(read(&at(days), "null"), Ok((0, true)));
    assert_eq!(read("null", &at(-5)), Ok((-5, false)));
    let error = read(&at(-days), &at(0)).unwrap_err();
    assert_eq!(error.code, ErrorCode::OccurredAtInFuture);
    assert!(error.message.contains("correction by sentAt"), "{}", error.message);
    assert_eq!(read("-9223372036854775808", &at(0)).unwrap_err().code, ErrorCode::OccurredAtInFuture);
}

proptest! {
    #[test]
    fn never_panics(body in any::<Vec<u8>>()) {
        if let Ok(batch) = Batch::from_json(&body) {
            EventRules::default().parse_batch(&batch, NOW, Sender::Anonymous).for_each(drop);
        }
        if let Ok(batch) = Batch::from_ndjson(&body) {
            EventRules::default().parse_batch(&batch, NOW, Sender::Anonymous).for_each(drop);
        }
    }
}

#[test]
fn rejects_bodies_truncated_at_any_byte() {
    let list = r#"[{"userId": "u\u0041", "type": "search", "properties": {"n": 1e5, "l": [1, [2]]}}, {}, {}]"#;
    for body in [list.to_owned(), format!("{{\"sentAt\": null, \"events\": {list}}}")] {
        assert!(Batch::from_json(body.as_bytes()).is_ok());
        for end in 0..body.len() {
            assert!(Batch::from_json(&body.as_bytes()[..end]).is_err(), "{body} cut at {end}");
        }
    }
}

#[test]
fn form_feed_is_not_json_white_space() {
    let batch = Batch::from_ndjson(b" \r\n\x0c\n").unwrap();
    assert_eq!(batch.items, [Ok("\u{c}")]);
}
