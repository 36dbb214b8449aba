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
fn accepts_the_same_texts_as_serde_json() {
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
fn accepts_huge_numbers_and_lone_surrogates() {
    let long = "1".repeat(60);
    for text in ["1e999", "-1E-999", &long, r#""\ud800""#, r#"{"\udc00": "\ud83d\ude00"}"#] {
        assert!(strict(text).is_ok(), "{text}");
    }
}

#[test]
fn decodes_string_escapes() {
    let Value::String(text) = strict(r#""\ud83d\ude00 \u00e9\/""#).unwrap() else { panic!() };
    assert_eq!(text.text(), "😀 é/");
}

#[test]
fn replaces_lone_surrogates_with_u_fffd() {
    for (json, text, replaced) in [
        (r#""cut \ud83d""#, "cut \u{fffd}", r#""cut \ufffd""#),
        (r#""\uDE00 cut""#, "\u{fffd} cut", r#""\ufffd cut""#),
        (r#""\ud83d\ude00""#, "😀", r#""\ud83d\ude00""#),
        (r#""\uD83D\ude00\ud83d""#, "😀\u{fffd}", r#""\uD83D\ude00\ufffd""#),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀", r#""\ufffd\ud83d\ude00""#),
        (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}", r#""\ufffd\ufffd""#),
        (r#""\ud83d\n\ude00""#, "\u{fffd}\n\u{fffd}", r#""\ufffd\n\ufffd""#),
        (r#""\ud83dude00 é""#, "\u{fffd}ude00 é", r#""\ufffdude00 é""#),
        (r#""\\ud83d \\\ud83d""#, "\\ud83d \\\u{fffd}", r#""\\ud83d \\\ufffd""#),
        (r#""\ud7ff\ue000""#, "\u{d7ff}\u{e000}", r#""\ud7ff\ue000""#),
    ] {
        let mut scanner = Scanner::strict(json, 32);
        let Value::String(read) = scanner.value().unwrap() else { panic!("{json}") };
        assert_eq!(read.text(), text, "{json}");
        assert_eq!((&*replace_lone_surrogates(json), scanner.has_halves()), (replaced, json != replaced), "{json}");
        assert_eq!(serde_json::from_str::<String>(replaced).unwrap(), text);
    }
    // Malformed escapes stay unchanged.
    for text in ["", "\\", "\\é", "\\u", "\\ud83", "\\ud83é"] {
        assert_eq!(replace_lone_surrogates(text), text);
    }
}

#[test]
fn finds_repeated_keys() {
    let many: Vec<_> = (0..100).map(|n| format!(r#""k{}": 0"#, n % 99)).collect();
    let many = format!("{{{}}}", many.join(","));
    for (text, path) in [
        (r#"{"a":1,"a":2}"#, "a"),
        (r#"{"a":1,"\u0061":2}"#, "a"),
        (r#"{"x":1,"a":[0,{"b":{},"c":{"d":1,"e":2,"d":3}}]}"#, "a.1.c.d"),
        (r#"[{"a":1},{"b":{"\ud800":1,"\uD800":2}}]"#, "1.b.\u{fffd}"),
        (r#"{"\ud800":1,"\ud801":2}"#, "\u{fffd}"),
        (r#"{"a\ufffd":1,"a\udc00":2}"#, "a\u{fffd}"),
        (&many, "k0"),
    ] {
        let error = *Scanner::strict(text, 32).value().unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::DuplicateKey, Some(path)), "{text}");
        assert!(lenient(text).is_ok());
    }
    for text in [
        r#"{"a":{"a":{"a":1}},"b":{"a":2}}"#,
        r#"[{"a":1},{"a":1}]"#,
        r#"{"a":1,"A":1}"#,
        r#"{"\ud800":1,"\ud800\udc00":2}"#,
    ] {
        assert!(strict(text).is_ok(), "{text}");
    }
}

#[test]
fn limits_depth_only_in_strict_scans() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(strict(&nested(32)).is_ok());
    assert_eq!(strict(&nested(33)), Err(ErrorCode::TooDeep));
    assert_eq!(strict(&"[".repeat(100_000)), Err(ErrorCode::TooDeep));
    assert_eq!(strict(&r#"{"a":"#.repeat(100_000)), Err(ErrorCode::TooDeep));

    assert!(lenient(&nested(100_000)).is_ok());
    assert_eq!(lenient(&"[".repeat(100_000)), Err(ErrorCode::MalformedJson));
    // Brackets inside strings do not count.
    assert!(lenient(&format!(r#"{}["]]"]{}"#, "[".repeat(40), "]".repeat(40))).is_ok());
}

#[test]
fn syntax_errors_name_line_and_column() {
    let error = |text| Scanner::strict(text, 32).value().unwrap_err().message;
    assert_eq!(error("{\n  \"é\": NaN}"), "malformed JSON at line 2, column 8: expected a value, not 'N'");
    assert_eq!(error("[1"), "malformed JSON at column 3: expected a comma or ], but the text ends");
}
