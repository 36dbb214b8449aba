use clap::Parser;
use serde_json::{Value as Json, json};

use super::*;
use crate::import::args::{Delimiter, ImportArgs};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ImportArgs,
}

fn args(options: &str) -> ImportArgs {
    Command::try_parse_from(format!("import {options}").split(' ').filter(|word| !word.is_empty())).unwrap().args
}

fn object(options: &str, record: &str) -> Result<String, Reason> {
    let layout = Layout::for_objects(&args(options)).unwrap();
    let members = Members::parse(record).unwrap();
    Composer::new(layout).compose(View::Object(&members), record, 7).map(str::to_owned)
}

fn columns(options: &str, header: &str, record: &str) -> Result<String, Reason> {
    let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
    let layout = Layout::for_columns(&args(options), &columns).unwrap();
    let mut cells = Cells::new(Delimiter::Byte(b','));
    cells.split(record);
    Composer::new(layout).compose(View::Columns { cells: &cells, record }, record, 7).map(str::to_owned)
}

/// The event without its made id.
fn value(event: Result<String, Reason>) -> Json {
    let mut event: Json = serde_json::from_str(&event.unwrap()).unwrap();
    event.as_object_mut().unwrap().remove("eventId");
    event
}

fn code(event: Result<String, Reason>) -> String {
    event.unwrap_err().code().to_owned()
}

#[test]
fn an_event_passes_as_it_is() {
    let record = r#"{"eventId":"e1","userId":"ü\n","type":"search","occurredAt":1,"anonymousId":"a","sessionId":"s","receivedAt":2,"properties":{"n":1.10,"deep":{"x":[1,null]}}}"#;
    let event = object("", record).unwrap();
    assert!(event.contains(r#""properties":{"n":1.10,"deep":{"x":[1,null]}}"#), "{event}");
    let mut expected: Json = serde_json::from_str(record).unwrap();
    expected.as_object_mut().unwrap().remove("receivedAt");
    assert_eq!(serde_json::from_str::<Json>(&event).unwrap(), expected);
}

#[test]
fn columns_go_by_their_names() {
    let event =
        columns("", "userId,type,occurredAt,properties.page.url,price,note", "0012,page_view,2026-11-22,/a,1.50,");
    assert!(event.as_ref().unwrap().contains(r#""price":1.50"#));
    assert_eq!(
        value(event),
        json!({"userId": "0012", "type": "page_view", "occurredAt": 1_795_305_600_000_i64, "properties": {"page": {"url": "/a"}, "price": 1.5}})
    );
}

#[test]
fn options_go_before_names() {
    let options = "--map userId=customer --map properties.total=amount --set type=purchase --set properties.currency=USD \
                   --time-format %Y%m%d --map occurredAt=day";
    let event = columns(options, "customer,day,amount,type,currency", "1,19970101,11.770,search,EUR");
    assert!(event.as_ref().unwrap().contains(r#""total":11.770"#));
    assert_eq!(
        value(event),
        json!({"userId": "1", "type": "purchase", "occurredAt": 852_076_800_000_i64, "properties": {"currency": "USD", "total": 11.77}})
    );
}

#[test]
fn what_is_left_can_be_dropped() {
    let record =
        r#"{"who":{"id":5},"type":"product_view","occurredAt":"2026-11-22T00:00:00Z","x":1,"properties":{"y":2}}"#;
    let options = "--map userId=who.id --rename product_view=page_view";
    let with_rest = value(object(options, record));
    assert_eq!(with_rest["userId"], "5");
    assert_eq!(with_rest["type"], "page_view");
    assert_eq!(with_rest["properties"], json!({"y": 2, "x": 1, "who": {"id": 5}}));
    let without = value(object(&format!("{options} --only-mapped"), record));
    assert_eq!(without["properties"], json!({"y": 2}));
    let columns = columns("--only-mapped --set type=search", "userId,occurredAt,x", "1,2026-11-22,3");
    assert_eq!(value(columns).get("properties"), None);
}

#[test]
fn mapped_properties_are_laid_over_those_that_are_there() {
    let record = r#"{"userId":"u","type":"search","occurredAt":1,"t":9,"properties":{"a":{"b":1,"c":2},"d":3,"e":4}}"#;
    let event = value(object("--map properties.a.b=t --set properties.d=x --map properties.e=absent", record));
    assert_eq!(event["properties"], json!({"a": {"b": 9, "c": 2}, "d": "x", "e": 4}));
}

#[test]
fn texts_that_are_no_plain_numbers_stay_texts() {
    for text in ["0", "-1", "10.50", "123456789012345678901234567890", "0.10"] {
        assert!(is_plain_number(text), "{text}");
    }
    for text in ["", "-", "007", "1e5", ".5", "5.", "+1", "1,5", "NaN", "--1", "1 "] {
        assert!(!is_plain_number(text), "{text}");
    }
}

#[test]
fn ids_are_made_of_text_number_and_type() {
    let record = r#"{"userId":"u","type":"search","occurredAt":1}"#;
    let id = IdMaker::default().id(record, 7, "search").to_string();
    assert!(object("", record).unwrap().contains(&id));
    assert!(!object("--set type=purchase", record).unwrap().contains(&id));
    assert!(object("--set properties.a=b", record).unwrap().contains(&id));
}

#[test]
fn faults_are_named() {
    let head = r#""userId":"u","type":"search""#;
    assert_eq!(code(object("", &format!("{{{head}}}"))), "missing_field");
    assert_eq!(code(object("", &format!(r#"{{{head},"occurredAt":null}}"#))), "missing_field");
    assert_eq!(code(object("", &format!(r#"{{{head},"occurredAt":"soon"}}"#))), "invalid_time");
    assert_eq!(code(object("", r#"{"userId":"u","occurredAt":1}"#)), "missing_field");
    assert_eq!(code(object("", r#"{"type":{},"occurredAt":1}"#)), "wrong_type");
    assert_eq!(code(object("", &format!(r#"{{{head},"userId":"v"}}"#))), "duplicate_key");
    assert_eq!(code(object("", &format!(r#"{{{head},"occurredAt":1,"x":1,"properties":[]}}"#))), "wrong_type");
    let injected = columns("", "userId;type;occurredAt;properties", "");
    assert!(injected.is_err());
    let header = "userId,type,occurredAt,properties";
    assert_eq!(code(columns("", header, r#"u,search,2026-11-22,"{},""type"":""purchase""""#)), "malformed_json");
    let event = value(columns("", header, r#"u,search,2026-11-22,"{""a"":1}""#));
    assert_eq!(event["properties"], json!({"a": 1}));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let error = |options: &str, header: &str| {
        let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
        Layout::for_columns(&args(options), &columns).unwrap_err().to_string()
    };
    assert!(error("--map userId=a --set userId=b", "a,b").contains("twice"));
    assert!(error("--map userId=c", "a,b").contains("a, b"));
    assert!(error("", "a,a").contains("two columns"));
    assert!(error("--map properties.a=b --map properties.a.c=d", "b,d").contains("at once"));
    assert!(error("--map properties.a.c=d", "a,d").contains("--only-mapped"));
}
