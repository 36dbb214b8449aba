use super::*;

fn strict(text: &str) -> Result<Value<'_>, ErrorCode> {
    scan(Scanner::strict(text, 32))
}

fn lenient(text: &str) -> Result<Value<'_>, ErrorCode> {
    scan(Scanner::lenient(text, 32))
}

fn scan(mut scanner: Scanner<'_>) -> Result<Value<'_>, ErrorCode> {
    let value = scanner.value().map_err(|error| error.code)?;
    scanner.end().map_err(|error| error.code)?;
    Ok(value)
}

#[test]
fn takes_and_refuses_what_serde_json_does() {
    let texts = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1.5",
        "1e5",
        "1E-5",
        "-1.5e+5",
        r#""""#,
        r#""a\n\u00e9\"""#,
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        r#"{"a":{"b":[1,{"c":null}]}}"#,
        "\t\r\n1",
        r#"["a", {"b": []}]"#,
        "[[],[[]]]",
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "NaN",
        "Infinity",
        "-Infinity",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "'a'",
        r#"""#,
        r#""\x""#,
        r#""\u12g4""#,
        r#""\u12"#,
        "\"\n\"",
        "\"\u{0}\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[}",
        "{",
        "}",
        "{]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{a:1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{,"a":1}"#,
        "1 2",
        "[] []",
        "// 1",
        "\u{feff}1",
        "\u{a0}1",
        r#"{"a":1]"#,
        r#"[1}"#,
        r#"{1:1}"#,
        r#"{"a"::1}"#,
    ];
    for text in texts {
        let right = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        assert_eq!(strict(text).is_ok(), right, "{text}");
        assert_eq!(lenient(text).is_ok(), right, "{text}");
    }
}

#[test]
fn lets_numbers_and_surrogates_through_that_rust_cannot_hold() {
    let long = "1".repeat(60);
    for text in ["1e999", "-1E-999", &long, r#""\ud800""#, r#"{"\udc00": "\ud83d\ude00"}"#] {
        assert!(strict(text).is_ok(), "{text}");
    }
}

#[test]
fn decodes_strings() {
    let Value::String(text) = strict(r#""\ud83d\ude00 \u00e9\/""#).unwrap() else { panic!() };
    assert_eq!(text.text().unwrap(), "😀 é/");
    let Value::String(lone) = strict(r#""a\ud800b""#).unwrap() else { panic!() };
    assert_eq!(lone.text(), None);
    assert!(lone.lossy().starts_with('a') && lone.lossy().ends_with('b') && lone.lossy().contains('\u{fffd}'));
}

#[test]
fn finds_repeated_keys() {
    let many: Vec<_> = (0..100).map(|n| format!(r#""k{}": 0"#, n % 99)).collect();
    let many = format!("{{{}}}", many.join(","));
    for (text, path) in [
        (r#"{"a":1,"a":2}"#, "a"),
        (r#"{"a":1,"\u0061":2}"#, "a"),
        (r#"{"x":1,"a":[0,{"b":{},"c":{"d":1,"e":2,"d":3}}]}"#, "a.1.c.d"),
        (r#"[{"a":1},{"b":{"\ud800":1,"\uD800":2}}]"#, "1.b.\u{fffd}\u{fffd}\u{fffd}"),
        (&many, "k0"),
    ] {
        let error = *Scanner::strict(text, 32).value().unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::DuplicateKey, Some(path)), "{text}");
        assert!(lenient(text).is_ok());
    }
    for text in
        [r#"{"a":{"a":{"a":1}},"b":{"a":2}}"#, r#"[{"a":1},{"a":1}]"#, r#"{"a":1,"A":1}"#, r#"{"\ud800":1,"\ud801":2}"#]
    {
        assert!(strict(text).is_ok(), "{text}");
    }
}

#[test]
fn counts_levels() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(strict(&nested(32)).is_ok());
    assert_eq!(strict(&nested(33)), Err(ErrorCode::TooDeep));
    assert_eq!(strict(&"[".repeat(100_000)), Err(ErrorCode::TooDeep));
    assert_eq!(strict(&r#"{"a":"#.repeat(100_000)), Err(ErrorCode::TooDeep));

    assert!(lenient(&nested(100_000)).is_ok());
    assert_eq!(lenient(&"[".repeat(100_000)), Err(ErrorCode::MalformedJson));
    // A bracket inside a string is none.
    assert!(lenient(&format!(r#"{}["]]"]{}"#, "[".repeat(40), "]".repeat(40))).is_ok());
}

#[test]
fn says_where_it_went_wrong() {
    let error = |text| Scanner::strict(text, 32).value().unwrap_err().message;
    assert_eq!(error("{\n  \"é\": NaN}"), "malformed JSON at line 2, column 8: expected a value, not 'N'");
    assert_eq!(error("[1"), "malformed JSON at line 1, column 3: expected a comma or ], but the text ends");
}
