use clap::Parser;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    commands::import::ImportArgs,
    import::{Delimiter, ImportOptions, cells::Cells, members::Members},
};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ImportArgs,
}

fn options(flags: &str) -> ImportOptions {
    let words = format!("import {flags}");
    let args = Command::try_parse_from(words.split(' ').filter(|word| !word.is_empty())).unwrap().args;
    let args = if args.url.is_some() { args } else { args.of_project(None) };
    args.options().unwrap()
}

fn object(flags: &str, record: &str) -> Result<String, Reason> {
    let layout = Layout::for_objects(&options(flags)).unwrap();
    let members = Members::parse(record).unwrap();
    Composer::new(layout).compose(View::Object(&members), record, 0).map(str::to_owned)
}

fn columns(flags: &str, header: &str, record: &str) -> Result<String, Reason> {
    let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
    let layout = Layout::for_columns(&options(flags), &columns).unwrap();
    let mut cells = Cells::new(Delimiter::Byte(b','));
    cells.split(record);
    Composer::new(layout).compose(View::Columns { cells: &cells, record }, record, 0).map(str::to_owned)
}

/// Returns the event without its generated id.
fn value(event: Result<String, Reason>) -> Json {
    let mut event: Json = serde_json::from_str(&event.unwrap()).unwrap();
    event.as_object_mut().unwrap().remove("eventId");
    event
}

fn code(event: Result<String, Reason>) -> String {
    event.unwrap_err().code().to_owned()
}

#[test]
fn passes_complete_events_through_unchanged() {
    let record = r#"{"eventId":"e1","userId":"ü","type":"search","occurredAt":1760000000000,"anonymousId":"a","sessionId":"s","receivedAt":2,"properties":{"n":1.10,"deep":{"x":[1,null]}}}"#;
    let event = object("", record).unwrap();
    assert!(event.contains(r#""properties":{"n":1.10,"deep":{"x":[1,null]}}"#), "{event}");
    let mut expected: Json = serde_json::from_str(record).unwrap();
    expected.as_object_mut().unwrap().remove("receivedAt");
    expected["occurredAt"] = json!("2025-10-09T08:53:20.000Z");
    assert_eq!(serde_json::from_str::<Json>(&event).unwrap(), expected);
}

#[test]
fn assigns_columns_by_name() {
    let event =
        columns("", "userId,type,occurredAt,properties.page.url,price,note", "0012,page_view,2026-11-22,/a,1.50,");
    assert!(event.as_ref().unwrap().contains(r#""price":1.50"#));
    assert_eq!(
        value(event),
        json!({"userId": "0012", "type": "page_view", "occurredAt": "2026-11-22T00:00:00.000Z", "properties": {"page": {"url": "/a"}, "price": 1.5}})
    );
}

#[test]
fn options_take_precedence_over_column_names() {
    let options = "--map userId=customer --map properties.total=amount --set type=purchase --set properties.currency=USD \
                   --time-format %Y%m%d --map occurredAt=day";
    let event = columns(options, "customer,day,amount,type,currency", "1,19970101,11.770,search,EUR");
    assert!(event.as_ref().unwrap().contains(r#""total":11.770"#));
    assert_eq!(
        value(event),
        json!({"userId": "1", "type": "purchase", "occurredAt": "1997-01-01T00:00:00.000Z", "properties": {"currency": "USD", "total": 11.77}})
    );
}

#[test]
fn only_mapped_drops_remaining_columns() {
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
fn mapped_properties_override_properties_of_the_record() {
    let record = r#"{"userId":"u","type":"search","occurredAt":1760000000000,"t":9,"properties":{"a":{"b":1,"c":2},"d":3,"e":4}}"#;
    let event = value(object("--map properties.a.b=t --set properties.d=x --map properties.e=absent", record));
    assert_eq!(event["properties"], json!({"a": {"b": 9, "c": 2}, "d": "x", "e": 4}));
}

#[test]
fn derives_ids_from_text_and_type() {
    let record = r#"{"userId":"u","type":"search","occurredAt":1760000000000}"#;
    let id = IdMaker::default().id(record, 0, "search").to_string();
    assert!(object("", record).unwrap().contains(&id));
    assert!(!object("--set type=purchase", record).unwrap().contains(&id));
    assert!(object("--set properties.a=b", record).unwrap().contains(&id));
}

#[test]
fn reports_the_code_of_each_fault() {
    let head = r#""userId":"u","type":"search""#;
    assert_eq!(code(object("", &format!("{{{head}}}"))), "missing_field");
    assert_eq!(code(object("", &format!(r#"{{{head},"occurredAt":null}}"#))), "missing_field");
    assert_eq!(code(object("", &format!(r#"{{{head},"occurredAt":"soon"}}"#))), "invalid_time");
    assert_eq!(code(object("", r#"{"userId":"u","occurredAt":1760000000000}"#)), "missing_field");
    assert_eq!(code(object("", r#"{"type":{},"occurredAt":1760000000000}"#)), "wrong_type");
    assert_eq!(code(object("", &format!(r#"{{{head},"userId":"v"}}"#))), "duplicate_key");
    assert_eq!(
        code(object("", &format!(r#"{{{head},"occurredAt":1760000000000,"x":1,"properties":[]}}"#))),
        "wrong_type"
    );
    let injected = columns("", "userId;type;occurredAt;properties", "");
    assert!(injected.is_err());
    let header = "userId,type,occurredAt,properties";
    assert_eq!(code(columns("", header, r#"u,search,2026-11-22,"{},""type"":""purchase""""#)), "malformed_json");
    let event = value(columns("", header, r#"u,search,2026-11-22,"{""a"":1}""#));
    assert_eq!(event["properties"], json!({"a": 1}));
}

#[test]
fn rejects_contradictory_options() {
    let error = |flags: &str, header: &str| {
        let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
        Layout::for_columns(&options(flags), &columns).unwrap_err().to_string()
    };
    assert!(error("--map userId=a --set userId=b", "a,b").contains("twice"));
    assert!(error("--map userId=c", "a,b").contains("a, b"));
    assert!(error("", "a,a").contains("two columns"));
    assert!(error("--map properties.a=b --map properties.a.c=d", "b,d").contains("both a value and an object"));
    assert!(error("--map properties.a.c=d", "a,d").contains("--only-mapped"));
}

const ORDERS: &str = "--set type=purchase --set occurredAt=2026-11-22 --map properties.total=amount";

/// Returns the properties of an order with this amount.
fn order(options: &str, amount: &str) -> Result<Json, (String, String)> {
    let event = columns(&format!("{ORDERS} {options}"), "userId,amount", &format!("u,{amount}"));
    match event {
        Ok(event) => Ok(serde_json::from_str::<Json>(&event).unwrap()["properties"].clone()),
        Err(reason) => Err((reason.code().to_owned(), reason.message().to_owned())),
    }
}

#[test]
fn parses_amounts_in_the_notation_of_the_file() {
    assert_eq!(order("", " 59.90 "), Ok(json!({"total": 59.9})));
    assert_eq!(order("", "(12.00)"), Ok(json!({"total": -12.0})));
    assert_eq!(order("", "'-70"), Ok(json!({"total": -70})));
    assert_eq!(order("--decimal , --thousands .", "\"1.234,50\""), Ok(json!({"total": 1234.5})));
    let (code, message) = order("", "\"59,90\"").unwrap_err();
    assert!(code == "invalid_amount" && message.contains("use --decimal ,"), "{message}");
    let (code, message) = order("--decimal ,", "59.90").unwrap_err();
    assert!(code == "invalid_amount" && message.contains("without --decimal"), "{message}");
}

#[test]
fn takes_the_currency_from_the_sign() {
    assert_eq!(order("--decimal ,", "\"€59,90\""), Ok(json!({"total": 59.9, "currency": "EUR"})));
    assert_eq!(order("--currency CAD", "$7"), Ok(json!({"total": 7, "currency": "CAD"})));
    assert_eq!(order("--set properties.currency=AUD", "$7"), Ok(json!({"total": 7, "currency": "AUD"})));
    let (code, message) = order("--currency EUR", "$7").unwrap_err();
    assert!(code == "invalid_currency" && message.contains("--currency"), "{message}");
    let (code, message) = order("--set properties.currency=USD", "€7").unwrap_err();
    assert!(code == "invalid_currency" && message.contains("EUR"), "{message}");
}

#[test]
fn sends_the_given_currency_to_a_server() {
    let url = "--url http://localhost:3000";
    assert_eq!(order(&format!("{url} --currency EUR"), "10"), Ok(json!({"total": 10, "currency": "EUR"})));
    assert_eq!(order(&format!("{url} --currency JPY"), "¥20"), Ok(json!({"total": 20, "currency": "JPY"})));
    assert_eq!(order(&format!("{url} --currency EUR"), "20 CHF"), Ok(json!({"total": 20, "currency": "CHF"})));
    assert_eq!(order(url, "10"), Ok(json!({"total": 10})), "the server adds its default currency");
    let (code, _) = order(url, "$10").unwrap_err();
    assert_eq!(code, "invalid_currency");
    let record = r#"{"userId":"u","type":"purchase","occurredAt":1760000000000,"properties":{"total":5}}"#;
    let event = value(object(&format!("{url} --currency EUR"), record));
    assert_eq!(event["properties"], json!({"total": 5, "currency": "EUR"}));
}

#[test]
fn keeps_pages_products_and_search_terms_as_text() {
    let options = "--set type=search --map properties.query=w --decimal , --thousands .";
    let event = value(columns(options, "userId,occurredAt,w,page,productId,a", "u,2026-11-22,501,404, 1.234 ,1.234"));
    assert_eq!(event["properties"], json!({"query": "501", "page": "404", "productId": "1.234", "a": 1234}));
}

#[test]
fn parses_json_amounts_in_the_notation_of_the_file() {
    let order = |properties: &str| {
        let record =
            format!(r#"{{"userId":"u","type":"purchase","occurredAt":1760000000000,"properties":{properties}}}"#);
        object("--decimal ,", &record).map(|event| serde_json::from_str::<Json>(&event).unwrap()["properties"].clone())
    };
    assert_eq!(order(r#"{"total":"59,90","a":[1]}"#), Ok(json!({"total": 59.9, "a": [1]})));
    assert_eq!(order(r#"{"value":5.5,"currency":" eur "}"#), Ok(json!({"value": 5.5, "currency": "eur"})));
    assert_eq!(order(r#"{"total":null,"revenue":"7"}"#), Ok(json!({"total": null, "revenue": "7"})));
    assert_eq!(
        code(object("", r#"{"userId":"u","type":"purchase","occurredAt":"2026-11-22","total":"59,90"}"#)),
        "invalid_amount"
    );
    // Only purchases have an order value.
    let search = r#"{"userId":"u","type":"search","occurredAt":"2026-11-22","total":"many"}"#;
    assert_eq!(value(object("", search))["properties"], json!({"total": "many"}));
}

#[test]
fn parses_other_columns_in_the_notation_of_the_file() {
    let event = columns("--set type=search --decimal , --thousands .", "userId;occurredAt;a;b;c;d", "");
    assert!(event.is_err(), "one column");
    let options = "--set type=search --set properties.e=1.5 --decimal , --thousands .";
    let event =
        value(columns(options, "userId,occurredAt,a,b,c", r#"u,2026-11-22,"1.234,5",1.5,12345678901234567890"#));
    assert_eq!(event["properties"], json!({"a": 1234.5, "b": "1.5", "c": "12345678901234567890", "e": 1.5}));
}

#[test]
fn dropped_columns_are_left_out() {
    let options = "--set type=search --drop sessionId,email,properties.phone";
    let event = value(columns(options, "userId,occurredAt,sessionId,email,properties.phone,a", "u,2026-11-22,s,e,1,b"));
    assert_eq!(event["properties"], json!({"a": "b"}));
    assert_eq!(event["sessionId"], Json::Null);
    let record =
        r#"{"userId":"u","occurredAt":"2026-11-22","sessionId":"s","email":"e","a":1,"properties":{"phone":2,"b":3}}"#;
    let event = value(object(options, record));
    assert_eq!(event["properties"], json!({"a": 1, "b": 3}));
    assert_eq!(event["sessionId"], Json::Null);
    let event = value(object("--set type=search --drop properties --map properties.c=properties.b", record));
    assert_eq!(event["properties"], json!({"a": 1, "c": 3, "email": "e"}));
    let error = Layout::for_columns(&self::options("--drop mail"), &["userId".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "there is no column \"mail\" to drop; the columns are userId");
}

#[test]
fn mapped_columns_shadow_columns_for_the_same_figure() {
    let event = value(columns(ORDERS, "userId,amount,revenue,value", "u,59.90,1,2"));
    assert_eq!(event["properties"], json!({"total": 59.9, "value": 2}));
    let layout = Layout::for_columns(&options(ORDERS), &["userId", "amount", "revenue"].map(str::to_owned)).unwrap();
    assert_eq!(layout.left_out, ["revenue"]);
    let kept = value(columns(&format!("{ORDERS} --map properties.net=revenue"), "userId,amount,revenue", "u,59.90,1"));
    assert_eq!(kept["properties"], json!({"total": 59.9, "net": 1}));
    let record = r#"{"userId":"u","amount":5,"revenue":1,"properties":{"revenue":2,"page":"/a"},"page":"/b"}"#;
    let event = value(object(&format!("{ORDERS} --map properties.url=page"), record));
    assert_eq!(event["properties"], json!({"total": 5, "url": "/b"}));
}

#[test]
fn trims_blanks_around_ids_types_and_currencies() {
    let header = "eventId,userId,anonymousId,sessionId,type,occurredAt,total,currency";
    let event = value_with_id(columns("", header, " e1 , u , a\u{a0}, s , purchase , 2026-11-22 , 5 , EUR "));
    assert_eq!(
        event,
        json!({"eventId": "e1", "userId": "u", "anonymousId": "a", "sessionId": "s", "type": "purchase",
               "occurredAt": "2026-11-22T00:00:00.000Z", "properties": {"total": 5, "currency": "EUR"}})
    );
    let record = r#"{"eventId":" e1 ","userId":" u ","type":" search ","occurredAt":"2026-11-22"}"#;
    let event = value_with_id(object("--rename search=find", record));
    assert_eq!((&event["eventId"], &event["userId"], &event["type"]), (&json!("e1"), &json!("u"), &json!("find")));
    let blank = columns("--set type=search", "userId,occurredAt,eventId", "u,2026-11-22,  ");
    assert!(blank.unwrap().contains("\"eventId\":\""), "a blank id counts as absent, and the server generates one");
}

fn value_with_id(event: Result<String, Reason>) -> Json {
    serde_json::from_str(&event.unwrap()).unwrap()
}

#[test]
fn treats_null_texts_as_absent() {
    let properties = |options: &str, record: &str| {
        let event = columns(&format!("--set type=search {options}"), "userId,occurredAt,a,b", record);
        value(event).get("properties").cloned()
    };
    let record = r#"u,2026-11-22,NULL,"NULL""#;
    assert_eq!(properties("", record), Some(json!({"b": "NULL"})));
    assert_eq!(properties("", r"u,2026-11-22,\N,x"), Some(json!({"b": "x"})));
    assert_eq!(properties("--null NULL,-", record), None);
    assert_eq!(properties("--null NULL,-", "u,2026-11-22,-,\\N"), Some(json!({"b": "\\N"})));
    assert_eq!(properties("--null=", record), Some(json!({"a": "NULL", "b": "NULL"})));
    assert_eq!(
        code(columns("--set type=search --map userId=a", "a,occurredAt", "NULL,2026-11-22").and_then(|json| {
            Ok(martech_core::event::EventRules::default()
                .parse(&json, martech_core::event::Timestamp::now())
                .map(|_| json)?)
        })),
        "missing_field"
    );
    let record = r#"{"userId":"u","anonymousId":"-","type":"search","occurredAt":"2026-11-22","a":"-","properties":{"b":"-","c":null}}"#;
    let event = value(object("--null -", record));
    assert_eq!((event.get("anonymousId"), &event["properties"]), (None, &json!({"c": null})));
}
