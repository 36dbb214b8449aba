use mongodb::bson::{Bson, Document};
use proptest::prelude::*;

use super::*;

fn written(json: &str) -> (Vec<u8>, Content) {
    let mut out = Vec::new();
    let names = write(json, &mut out).unwrap();
    (out, names)
}

fn document(json: &str) -> Document {
    Document::try_from(RawDocument::from_bytes(&written(json).0).unwrap()).unwrap()
}

fn through_bson(json: &str) -> String {
    read(RawDocument::from_bytes(&written(json).0).unwrap()).unwrap()
}

fn refused(json: &str) -> String {
    write(json, &mut Vec::new()).unwrap_err().0
}

#[test]
fn json_values_map_to_expected_bson_types() {
    let found = document(
        r#"{"i":7,"l":3000000000,"d":12.5,"e":1e2,"big":18446744073709551615,"fine":0.1000000000000000000001,
            "s":"é\u0000\n","t":true,"f":false,"n":null,"o":{"x":{}},"a":[1,[2,{"y":-9223372036854775808}]]}"#,
    );
    assert_eq!(found.get("i"), Some(&Bson::Int32(7)));
    assert_eq!(found.get("l"), Some(&Bson::Int64(3_000_000_000)));
    assert_eq!(found.get("d"), Some(&Bson::Double(12.5)));
    assert_eq!(found.get("e"), Some(&Bson::Double(100.0)));
    assert_eq!(found.get("big").unwrap().to_string(), "18446744073709551615");
    assert!(matches!(found.get("fine"), Some(Bson::Decimal128(_))));
    assert_eq!(found.get_str("s").unwrap(), "é\0\n");
    assert!(found.get_bool("t").unwrap());
    assert!(!found.get_bool("f").unwrap());
    assert_eq!(found.get("n"), Some(&Bson::Null));
    assert_eq!(found.get("o").unwrap().to_string(), r#"{ "x": {} }"#);
    assert_eq!(found.get("a").unwrap().to_string(), r#"[1, [2, { "y": -9223372036854775808 }]]"#);
}

#[test]
fn json_roundtrips_compact_and_in_order() {
    let json = r#"{"z":1,"a":{"":-0.0,"$x":[true,null,"\"\\\u0001"]},"b.c":[]}"#;
    assert_eq!(through_bson(&json.replace(':', " :\n ")), json);
}

#[test]
fn numbers_keep_their_value() {
    for (number, back) in [
        ("-0", "-0.0"),
        ("-0.0", "-0.0"),
        ("1.50", "1.5"),
        ("1E2", "100.0"),
        ("1e999", "1e999"),
        ("-12e-6000", "-12e-6000"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775808"),
        ("0.1", "0.1"),
        ("0.30000000000000004", "0.30000000000000004"),
        // Two decimal texts are equally short for this double.
        ("2.5003128051757812", "2.5003128051757812"),
        ("2.5003128051757813", "25003128051757813e-16"),
        ("1234567890123456789012345678901234", "1234567890123456789012345678901234"),
    ] {
        assert_eq!(through_bson(&format!(r#"{{"n":{number}}}"#)), format!(r#"{{"n":{back}}}"#));
    }
}

#[test]
fn detects_content_that_some_servers_refuse() {
    for name in ["", "$", "$ref", "a.b", "."] {
        assert_eq!(written(&format!(r#"{{"x":[{{"{name}":1}}]}}"#)).1, Content::Awkward, "{name}");
    }
    assert_eq!(written(r#"{"a$":"$","b":["."],"c":[{"d":[]}]}"#).1, Content::Plain);
    assert_eq!(written(r#"{"a":[1,[]]}"#).1, Content::Awkward);
    assert_eq!(written(r#"{"a":[1e400],"b.c":1}"#).1, Content::Decimal);
}

#[test]
fn unstorable_values_are_rejected_with_their_path() {
    let number = refused(r#"{"a":{"b":[0,12345678901234567890123456789012345]}}"#);
    assert!(number.starts_with("properties.a.b.1 is 12345678901234567890123456789012345, "), "{number}");
    assert!(refused(r#"{"n":1e6145}"#).starts_with("properties.n is 1e6145"));
    assert!(refused(r#"{"n":1e-6177}"#).starts_with("properties.n is 1e-6177"));
    assert!(refused(r#"{"o":{"a\u0000b":1}}"#).contains("has a NUL in its name"));
    for text in ["", "[]", "1", "{", "{}x", r#"{"a":1,"a":2}"#, r#"{"a":tru}"#] {
        assert!(refused(text).starts_with("properties cannot be stored: "), "{text}");
    }
    let deep = format!("{}1{}", r#"{"a":"#.repeat(40), "}".repeat(40));
    assert!(refused(&deep).contains("nested"));
}

/// JSON with exact numbers, compared without the rounding of `serde_json`.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Number(Decimal),
    Word(&'static str),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u128>().prop_map(|number| (number >> 20).to_string()),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        (any::<i64>(), 0..1_000_000_u32, -400..400_i32).prop_map(|(a, b, c)| format!("{a}.{b}e{c}")),
    ]
}

fn json(depth: u32) -> BoxedStrategy<String> {
    let text = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
    let leaf = prop_oneof![number(), text, Just("true".to_owned()), Just("false".into()), Just(" null ".into())];
    if depth == 0 {
        return leaf.boxed();
    }
    let array = prop::collection::vec(json(depth - 1), 0..4).prop_map(|items| format!("[{}]", items.join(", ")));
    prop_oneof![leaf, array, object(depth - 1)].boxed()
}

fn object(depth: u32) -> impl Strategy<Value = String> {
    let name = any::<String>().prop_map(|name| name.replace('\0', "."));
    prop::collection::hash_map(name, json(depth), 0..5).prop_map(|members| {
        let members: Vec<_> = members
            .into_iter()
            .map(|(name, value)| format!("{} : {value}", serde_json::to_string(&name).unwrap()))
            .collect();
        format!("{{{}}}", members.join(",\n"))
    })
}

fn parsed(text: &str) -> Json {
    let mut scanner = Scanner::strict(text, MAX_DEPTH);
    parsed_value(&mut scanner)
}

fn parsed_value(scanner: &mut Scanner<'_>) -> Json {
    match scanner.peek().unwrap().0 {
        b'{' => {
            scanner.enter(b'{').unwrap();
            let mut members = Vec::new();
            while let Some(key) = scanner.next_key().unwrap() {
                members.push((key.text().into_owned(), parsed_value(scanner)));
            }
            Json::Object(members)
        }
        b'[' => {
            scanner.enter(b'[').unwrap();
            let mut items = Vec::new();
            while scanner.next_element().unwrap().is_some() {
                items.push(parsed_value(scanner));
            }
            Json::Array(items)
        }
        b't' => (scanner.value().unwrap(), Json::Word("true")).1,
        b'f' => (scanner.value().unwrap(), Json::Word("false")).1,
        b'n' => (scanner.value().unwrap(), Json::Word("null")).1,
        _ => match scanner.value().unwrap() {
            Value::Number(number) => Json::Number(Decimal::parse(number).unwrap()),
            Value::String(text) => Json::Text(text.text().into_owned()),
            other => panic!("{other:?}"),
        },
    }
}

proptest! {
    #[test]
    fn arbitrary_json_roundtrips(json in object(4)) {
        let back = through_bson(&json);
        prop_assert_eq!(parsed(&back), parsed(&json));
        prop_assert_eq!(through_bson(&back), back);
    }

    #[test]
    fn arbitrary_text_never_panics(json in "\\PC{0,40}|[{}\\[\\]\":,0-9eE.+\\-a\\\\u ]{0,40}") {
        let mut out = Vec::new();
        if write(&json, &mut out).is_ok() {
            prop_assert!(read(RawDocument::from_bytes(&out).unwrap()).is_ok());
        }
    }
}
