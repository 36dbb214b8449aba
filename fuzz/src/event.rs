//! Events and batches as JSON. Accepted input is what `serde_json` reads, input that it rejects is rejected, and every
//! event that is written is read back as the same event.

use std::{collections::HashMap, str};

use martech_core::event::{
    Batch, ErrorCode, Event, EventError, EventId, EventRules, EventTypes, MAX_DEPTH, MAX_EVENT_BYTES, Sender, Timestamp,
};
use serde_json::{Value, value::RawValue};

const RECEIVED_AT: Timestamp = Timestamp::from_millis(1_795_400_000_000);

pub fn run(data: &[u8]) {
    let rules = EventRules::default().types(EventTypes::any());
    if let Ok(text) = str::from_utf8(data) {
        one(&rules, text);
    }
    lines(&rules, data);
    body(&rules, data);
}

/// Checks a text as one event.
fn one(rules: &EventRules, text: &str) {
    let raw = serde_json::from_str::<&RawValue>(text);
    // The map cannot hold keys that are not valid UTF-8 after unescaping. Such texts skip the checks that use it.
    let members: Option<HashMap<String, &RawValue>> = serde_json::from_str(text).ok();
    let tree: Option<Value> = serde_json::from_str(text).ok();
    match rules.parse(text, RECEIVED_AT) {
        Ok(event) => {
            assert!(raw.is_ok(), "{text:?} is no JSON and was taken");
            assert!(text.trim().len() <= MAX_EVENT_BYTES);
            if let Some(members) = members {
                assert!(!repeats(text, members.len()), "{text:?} has a key twice and was taken");
                same(&event, &members, text);
            }
            if let Some(tree) = tree {
                assert!(depth(&tree) <= MAX_DEPTH, "{text:?} is too deep and was taken");
            }
            read_back(rules, &event);
        }
        Err(error) => {
            check(&error);
            match error.code {
                ErrorCode::MalformedJson => assert!(raw.is_err(), "{text:?} is JSON and was refused: {error}"),
                ErrorCode::EventTooLarge => assert!(text.len() > MAX_EVENT_BYTES),
                ErrorCode::TooDeep => assert!(tree.is_none_or(|tree| depth(&tree) > MAX_DEPTH), "{text:?}: {error}"),
                ErrorCode::UnknownField => {
                    assert!(members.is_none_or(|members| members.keys().any(|key| !FIELDS.contains(&&**key))));
                }
                ErrorCode::DuplicateKey => assert!(raw.is_err() || has_repeated_keys(text), "{text:?}: {error}"),
                _ => {}
            }
        }
    }
}

const FIELDS: [&str; 8] =
    ["eventId", "userId", "type", "occurredAt", "anonymousId", "sessionId", "properties", "receivedAt"];

/// Asserts that every field of the event matches the JSON member of the same name.
fn same(event: &Event, members: &HashMap<String, &RawValue>, text: &str) {
    let member = |name: &str| members.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null");
    let string = |name: &str| member(name).map(decoded);
    assert_eq!(string("userId").or_else(|| string("anonymousId")), Some(event.user_id.clone()), "{text:?}");
    assert_eq!(string("anonymousId"), event.anonymous_id, "{text:?}");
    assert_eq!(string("sessionId"), event.session_id, "{text:?}");
    assert_eq!(string("type").as_deref(), Some(event.event_type.as_str()), "{text:?}");
    match (member("properties"), event.properties.as_deref()) {
        (Some(sent), Some(kept)) => same_text(sent, kept),
        (sent, kept) => assert_eq!(sent, kept, "{text:?}"),
    }
    assert_eq!(member("occurredAt").is_none(), event.estimated_time, "{text:?}");
    if let Some(id) = string("eventId") {
        assert_eq!(EventId::from_text(&id), Ok(event.id), "{text:?}");
    }
    if let Some(millis) = member("occurredAt").and_then(|raw| raw.parse::<i64>().ok()) {
        assert_eq!(event.occurred_at.millis(), millis, "{text:?}");
    }
    assert!((0..=RECEIVED_AT.millis() + 86_400_000).contains(&event.occurred_at.millis()));
}

/// Asserts that properties are kept as they were sent, except for lone surrogates, so that strict parsers can read all
/// strings.
fn same_text(sent: &str, kept: &str) {
    let (sent_strings, kept_strings) = (strings(sent), strings(kept));
    assert_eq!(sent_strings.len(), kept_strings.len(), "{sent:?} became {kept:?}");
    for (sent, kept) in sent_strings.iter().zip(&kept_strings) {
        let strict = serde_json::from_str::<String>(kept);
        assert_eq!(strict.ok(), Some(decoded(sent)), "{sent:?} became {kept:?}");
    }
    let others =
        |text: &str, strings: &[&str]| strings.iter().fold(text.to_owned(), |rest, text| rest.replacen(text, "", 1));
    assert_eq!(others(sent, &sent_strings), others(kept, &kept_strings));
}

/// Returns the strings of a JSON text, with their quotes.
fn strings(json: &str) -> Vec<&str> {
    let (mut strings, mut begin, mut escaped) = (Vec::new(), None, false);
    for (at, byte) in json.bytes().enumerate() {
        match (begin, byte) {
            (None, b'"') => begin = Some(at),
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(from), b'"') => {
                strings.push(&json[from..=at]);
                begin = None;
            }
            _ => {}
        }
    }
    strings
}

/// Decodes a JSON string as JavaScript reads it and encodes it as UTF-8.
fn decoded(quoted: &str) -> String {
    let mut units = Vec::new();
    let mut chars = quoted[1..quoted.len() - 1].chars();
    while let Some(char) = chars.next() {
        let char = match (char, if char == '\\' { chars.next() } else { None }) {
            (_, Some('u')) => {
                let digits: String = chars.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).expect("what an event took is JSON"));
                continue;
            }
            (_, Some('n')) => '\n',
            (_, Some('r')) => '\r',
            (_, Some('t')) => '\t',
            (_, Some('b')) => '\u{8}',
            (_, Some('f')) => '\u{c}',
            (_, Some(other)) => other,
            (char, None) => char,
        };
        units.extend(char.encode_utf16(&mut [0; 2]).iter());
    }
    String::from_utf16_lossy(&units)
}

/// Whether an object with this number of different keys repeats one at its top level.
fn repeats(text: &str, different: usize) -> bool {
    struct Count(usize);

    impl<'de> serde::Deserialize<'de> for Count {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Counter;

            impl<'de> serde::de::Visitor<'de> for Counter {
                type Value = Count;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
                    let mut count = 0;
                    while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {
                        count += 1;
                    }
                    Ok(Count(count))
                }
            }
            deserializer.deserialize_map(Counter)
        }
    }
    serde_json::from_str::<Count>(text).is_ok_and(|count| count.0 != different)
}

/// Whether any object in a text may repeat a key. True for texts with keys that the map cannot hold.
fn has_repeated_keys(text: &str) -> bool {
    let Ok(members) = serde_json::from_str::<HashMap<String, &RawValue>>(text) else {
        return match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) => items.iter().any(|item| has_repeated_keys(item.get())),
            Err(_) => text.starts_with('{'),
        };
    };
    repeats(text, members.len()) || members.values().any(|value| has_repeated_keys(value.get()))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Asserts that both serializations of an event are read back as the same event.
fn read_back(rules: &EventRules, event: &Event) {
    let wanted = Event { estimated_time: false, ..event.clone() };
    let shown = serde_json::to_string(event).expect("an event that was parsed has a JSON text");
    // A journey names the user once, not in each event.
    let user = serde_json::to_string(&event.user_id).expect("text");
    let sent = format!("{{\"userId\":{user},{}", &shown[1..]);
    assert_eq!(rules.parse(&sent, RECEIVED_AT).as_ref(), Ok(&wanted), "{sent}");

    let mut line = Vec::new();
    event.write_ndjson(&mut line).expect("a vector takes every byte");
    let line = str::from_utf8(&line).expect("JSON is UTF-8");
    assert!(line.ends_with('\n') && line.lines().count() == 1 && !line[..line.len() - 1].contains('\r'), "{line:?}");
    let blank = |text: &String| text.replace(['\n', '\r'], " ");
    let wanted = Event { properties: wanted.properties.as_ref().map(blank), ..wanted };
    assert_eq!(rules.parse(line, RECEIVED_AT).as_ref(), Ok(&wanted), "{line}");
}

/// Asserts that an error is short and contains no control characters, which could corrupt a log.
fn check(error: &EventError) {
    assert!(error.message.len() < 1500 && !error.message.contains(char::is_control), "{error:?}");
    assert!(
        error.field.as_ref().is_none_or(|field| field.len() < 700 && !field.contains(char::is_control)),
        "{error:?}"
    );
}

/// Asserts that each line of a body is an item, parsed on its own.
fn lines(rules: &EventRules, data: &[u8]) {
    let is_blank = |byte: &u8| b" \t\r".contains(byte);
    let lines = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data).split(|byte| *byte == b'\n');
    let lines: Vec<&[u8]> = lines.filter(|line| !line.iter().all(is_blank)).collect();
    match Batch::from_ndjson(data) {
        Ok(batch) => {
            assert_eq!(batch.items.len(), lines.len());
            for (item, line) in batch.items.iter().zip(&lines) {
                match (item, str::from_utf8(line)) {
                    (Ok(item), Ok(line)) => assert_eq!(item.trim(), line.trim()),
                    (item, line) => assert_eq!(item.is_ok(), line.is_ok(), "{line:?}"),
                }
            }
            assert!(batch.sent_at.is_none() && !batch.single);
            each_for_itself(rules, &batch);
        }
        Err(error) => {
            check(&error);
            assert!(lines.is_empty(), "{error}");
        }
    }
}

/// Checks a body as JSON: one event, a list of events, or an envelope.
fn body(rules: &EventRules, data: &[u8]) {
    let Ok(text) = str::from_utf8(data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data)) else {
        assert_eq!(Batch::from_json(data).map_err(|error| error.code), Err(ErrorCode::InvalidUtf8));
        return;
    };
    let list: Option<Vec<&RawValue>> = serde_json::from_str(text).ok();
    match Batch::from_json(data) {
        Ok(batch) if batch.single => {
            let event = batch.items[0].as_ref().expect("an event that stands alone is text");
            // Nesting beyond the limit is checked only when the event is parsed.
            let alone: Result<&RawValue, _> = serde_json::from_str(text);
            assert!(alone.as_ref().is_ok_and(|alone| alone.get() == *event) || too_deep(text), "{text:?}");
            each_for_itself(rules, &batch);
        }
        Ok(batch) => {
            let events = list.or_else(|| {
                let mut envelope: HashMap<String, &RawValue> = serde_json::from_str(text).ok()?;
                serde_json::from_str(envelope.remove("events")?.get()).ok()
            });
            let items: Vec<&str> = batch.items.iter().map(|item| *item.as_ref().expect("items are text")).collect();
            match events {
                Some(events) => assert_eq!(events.iter().map(|event| event.get()).collect::<Vec<_>>(), items),
                None => assert!(too_deep(text), "{text:?} is no JSON and was taken"),
            }
            each_for_itself(rules, &batch);
            as_lines(rules, &batch);
        }
        Err(error) => {
            check(&error);
            assert!(list.is_none_or(|list| list.is_empty()), "{text:?} is a list and was refused: {error}");
            if error.code == ErrorCode::MalformedJson {
                assert!(serde_json::from_str::<&RawValue>(text).is_err(), "{text:?} is JSON and was refused: {error}");
            }
        }
    }
}

fn too_deep(text: &str) -> bool {
    text.bytes().filter(|byte| b"[{".contains(byte)).count() > MAX_DEPTH
}

/// Asserts that events parse the same in a batch as alone, unless the sender's clock is corrected.
fn each_for_itself(rules: &EventRules, batch: &Batch<'_>) {
    let parsed: Vec<_> = rules.parse_batch(batch, RECEIVED_AT, Sender::Trusted).collect();
    assert_eq!(parsed.len(), batch.items.len());
    if batch.sent_at.is_some() {
        return;
    }
    for (parsed, item) in parsed.into_iter().zip(&batch.items) {
        assert_eq!(nameless(parsed), nameless(item.clone().and_then(|item| rules.parse(item, RECEIVED_AT))));
    }
}

/// Asserts that the events of a list are the same when sent one per line.
fn as_lines(rules: &EventRules, batch: &Batch<'_>) {
    let unshifted = Batch { sent_at: None, ..batch.clone() };
    let items = batch.items.iter().flatten();
    let lines = items.map(|item| item.replace(['\n', '\r'], " ")).collect::<Vec<_>>().join("\n");
    let again = Batch::from_ndjson(lines.as_bytes()).expect("there are lines, and all are text");
    let code =
        |result: &Result<Event, EventError>| result.as_ref().map(|event| event.user_id.clone()).map_err(|e| e.code);
    let before: Vec<_> =
        rules.parse_batch(&unshifted, RECEIVED_AT, Sender::Trusted).map(|parsed| code(&parsed)).collect();
    let after: Vec<_> = rules.parse_batch(&again, RECEIVED_AT, Sender::Trusted).map(|parsed| code(&parsed)).collect();
    assert_eq!(before, after);
}

/// Replaces a generated id, which differs on every call.
fn nameless(result: Result<Event, EventError>) -> Result<Event, EventError> {
    result.map(|event| match event.id.0.get_version_num() {
        7 => Event { id: EventId::from_bytes([1; 16]), ..event },
        _ => event,
    })
}
