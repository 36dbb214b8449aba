use mongodb::bson::RawDocument;

use super::*;
use crate::{
    event::{EventRules, EventType},
    store::Advice,
};

fn event(size: usize) -> Event {
    let builder = Event::builder("u", EventType::PAGE_VIEW).property("text", "x".repeat(size));
    builder.build(&EventRules::default()).unwrap()
}

const LIMITS: Limits = Limits { document_bytes: 2000, message_bytes: 48_000_000, documents: 3 };

#[test]
fn insert_command_has_expected_fields() {
    let mut command = Command::new("events");
    assert!(matches!(command.push(4, &event(5), Form::Document, true, LIMITS), Pushed::Taken));
    assert!(matches!(command.push(7, &event(6), Form::Document, true, LIMITS), Pushed::Taken));
    let mut concern = Vec::new();
    let mark = begin(&mut concern);
    string(&mut concern, "w", "majority");
    end(&mut concern, mark);
    let (bytes, indices, incompatible) = command.finish(&concern);
    let read = Document::try_from(RawDocument::from_bytes(&bytes).unwrap()).unwrap();
    assert_eq!(read.keys().map(String::as_str).collect::<Vec<_>>(), ["insert", "ordered", "documents", "writeConcern"]);
    assert_eq!((read.get_str("insert").unwrap(), read.get_bool("ordered").unwrap()), ("events", false));
    assert_eq!(read.get_array("documents").unwrap().len(), 2);
    assert_eq!(read.get_document("writeConcern").unwrap(), &doc! { "w": "majority" });
    assert_eq!((indices, incompatible), (vec![4, 7], vec![]));
}

#[test]
fn command_is_limited_by_count_and_by_bytes() {
    let mut command = Command::new("events");
    for index in 0..3 {
        assert!(matches!(command.push(index, &event(1), Form::Document, true, LIMITS), Pushed::Taken));
    }
    let length = command.bytes.len();
    let Pushed::NoRoom(document, names) = command.push(3, &event(1), Form::Document, true, LIMITS) else {
        panic!("three are enough")
    };
    assert_eq!(command.bytes.len(), length);
    let mut next = Command::new("events");
    next.push_document(3, document, names);
    // Two such events exceed the limit of one document.
    assert!(matches!(next.push(4, &event(1500), Form::Document, true, LIMITS), Pushed::Taken));
    assert!(matches!(next.push(5, &event(1500), Form::Document, true, LIMITS), Pushed::NoRoom(..)));
    let Pushed::Unfit(why) = next.push(6, &event(2000), Form::Document, true, LIMITS) else {
        panic!("it is too large alone")
    };
    assert!(why.contains("bytes; MongoDB accepts at most 2000"), "{why}");
    let (bytes, indices, _) = next.finish(&[5, 0, 0, 0, 0]);
    assert_eq!((Document::try_from(RawDocument::from_bytes(&bytes).unwrap()).is_ok(), indices), (true, vec![3, 4]));
}

#[test]
fn awkward_names_are_tracked_across_commands() {
    let incompatible = Event { properties: Some(r#"{"$x":1}"#.to_owned()), ..event(1) };
    let one = Limits { documents: 1, ..LIMITS };
    let mut command = Command::new("events");
    assert!(matches!(command.push(0, &event(1), Form::Document, true, one), Pushed::Taken));
    let Pushed::NoRoom(document, names) = command.push(1, &incompatible, Form::Document, true, one) else {
        panic!("one is enough")
    };
    let mut next = Command::new("events");
    next.push_document(1, document, names);
    assert_eq!((command.incompatible, next.incompatible), (vec![], vec![1]));
}

fn advice(answer: Document, sent: usize) -> Advice {
    Answer::read(&answer, sent).unwrap_err().advice()
}

#[test]
fn response_is_parsed_per_document() {
    let answer = doc! { "ok": 1, "n": 1, "writeErrors": [
        { "index": 1, "code": 11000, "errmsg": "E11000", "keyPattern": { "_id": 1 } },
        { "index": 2, "code": 11000, "errmsg": "E11000 collection: a.b index: other_1 dup key", },
        { "index": 3_i64, "code": 121.0, "errmsg": "Document failed validation" },
    ] };
    let errors = Answer::read(&answer, 4).unwrap().errors;
    assert_eq!(
        errors.iter().map(|error| (error.position, error.is_known)).collect::<Vec<_>>(),
        [(1, true), (2, false), (3, false)]
    );
    assert_eq!(errors[2].reason, "Document failed validation (code 121)");
    assert_eq!(Answer::read(&doc! { "n": 4 }, 4).unwrap().errors, []);
}

#[test]
fn invalid_response_makes_the_batch_retry() {
    assert_eq!(advice(doc! { "n": 2, "writeConcernError": { "code": 64, "errmsg": "waited" } }, 2), Advice::Retry);
    assert_eq!(advice(doc! { "n": 2, "writeConcernError": { "code": 91, "errmsg": "going down" } }, 2), Advice::Retry);
    let unmet = doc! { "n": 2, "writeConcernError": { "code": 100, "errmsg": "Not enough data-bearing nodes" } };
    assert!(matches!(advice(unmet, 2), Advice::RetryAfter(_)));
    for code in [10107, 11600, 112, 50] {
        assert_eq!(
            advice(doc! { "n": 1, "writeErrors": [{ "index": 0, "code": code, "errmsg": "" }] }, 2),
            Advice::Retry
        );
    }
    for code in [14031, 13] {
        let full = doc! { "n": 1, "writeErrors": [{ "index": 0, "code": code, "errmsg": "" }] };
        assert!(matches!(advice(full, 2), Advice::RetryAfter(_)), "{code}");
    }
    for strange in [
        doc! { "ok": 1 },
        doc! { "n": 1 },
        doc! { "n": 3 },
        doc! { "n": 1, "writeErrors": [{ "index": 2, "code": 121, "errmsg": "" }] },
        doc! { "n": 1, "writeErrors": ["?"] },
    ] {
        assert!(matches!(advice(strange, 2), Advice::RetryAfter(_)));
    }
}
