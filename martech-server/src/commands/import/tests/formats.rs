//! Files in many formats and encodings are read.

use super::*;

const CDNOW: &str = " customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n 00002 19970112  1   12.00\r\n 00002 19970112  5   77.00\r\n";
const CDNOW_OPTIONS: &[&str] = &[
    "--delimiter",
    "whitespace",
    "--map",
    "userId=customer_id",
    "--map",
    "occurredAt=date",
    "--time-format",
    "%Y%m%d",
    "--map",
    "properties.cds=number_of_cds",
    "--map",
    "properties.total=dollar_value",
    "--set",
    "type=purchase",
    "--set",
    "properties.currency=USD",
];

#[test]
fn imports_cdnow_purchases() {
    let shop = Shop::new();
    let file = shop.file("CDNOW.txt", CDNOW);
    assert_eq!(counts(&shop.import(&file, CDNOW_OPTIONS)), [3, 3, 0, 0]);
    let event = &shop.store.events()[2];
    assert_eq!((event.user_id.as_str(), event.event_type.as_str()), ("00002", "purchase"));
    assert_eq!(event.occurred_at.to_string(), "1997-01-12T00:00:00.000Z");
    assert_eq!(event.properties.as_deref(), Some(r#"{"cds":5,"currency":"USD","total":77.00}"#));
    assert_eq!(event.facts.order_value.map(|value| value.to_string()).as_deref(), Some("77.00"));
    assert!(!shop.rejects_path().exists());
    assert_eq!(shop.states(), 0);

    assert_eq!(counts(&shop.import(&file, CDNOW_OPTIONS)), [3, 0, 3, 0]);
}

#[test]
fn accepts_column_names_and_files_without_header() {
    let shop = Shop::new();
    let tsv = shop.file("a.tsv", "u1\tsearch\t2026-01-01\n");
    let report = shop.import(&tsv, &["--no-header", "--map", "userId=1", "--map", "type=2", "--map", "occurredAt=3"]);
    assert_eq!(counts(&report), [1, 1, 0, 0]);
    let report = shop.import(&tsv, &["--no-header", "--columns", "userId,type,occurredAt"]);
    assert_eq!(counts(&report), [1, 0, 1, 0]);
    let headed = shop.file("b.txt", "a;b;c\nu1;search;2026-01-01\n");
    let report = shop.import(&headed, &["--columns", "userId,type,occurredAt", "--delimiter", ";"]);
    assert_eq!(counts(&report), [1, 1, 0, 0]);
}

/// Orders from the export of a German shop.
const ORDERS: &str = "order_id;customer;ordered_at;amount\r\n1001;u1;22.11.2026 10:20;59,90\r\n1002;Jürgen;22.11.2026 10:21;1.234,50 €\r\n";
const ORDERS_OPTIONS: &[&str] = &[
    "--delimiter",
    ";",
    "--time-zone",
    "Europe/Berlin",
    "--time-format",
    "%d.%m.%Y %H:%M",
    "--decimal",
    ",",
    "--thousands",
    ".",
    "--currency",
    "EUR",
    "--map",
    "eventId=order_id",
    "--map",
    "userId=customer",
    "--map",
    "occurredAt=ordered_at",
    "--map",
    "properties.total=amount",
    "--set",
    "type=purchase",
];

#[test]
fn imports_german_orders_in_several_encodings() {
    let utf16 = |unit: fn(u16) -> [u8; 2], mark: &[u8]| {
        [mark, &ORDERS.encode_utf16().flat_map(unit).collect::<Vec<u8>>()].concat()
    };
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode(ORDERS);
    let cases: [(&str, Vec<u8>, &[&str]); 8] = [
        ("a.csv", ORDERS.into(), &[]),
        ("B.CSV", ORDERS.replace("\r\n", "\r").into(), &[]),
        ("c.csv", utf16(u16::to_le_bytes, b"\xff\xfe"), &[]),
        ("d.csv", utf16(u16::to_be_bytes, b"\xfe\xff"), &[]),
        ("e.csv", utf16(u16::to_le_bytes, b""), &["--encoding", "utf-16le"]),
        ("F.CSV.GZ", gzip(&latin), &["--encoding", "latin1"]),
        // A byte order mark takes precedence over the option.
        ("h.csv", utf16(u16::to_be_bytes, b"\xfe\xff"), &["--encoding", "utf-16"]),
        ("g.csv", format!("sep=;\r\n{ORDERS}").into(), &[]),
    ];
    let shop = Shop::new();
    for (at, (name, content, encoding)) in cases.into_iter().enumerate() {
        let report = shop.import(&shop.file(name, content), &[ORDERS_OPTIONS, encoding].concat());
        assert_eq!(counts(&report), if at == 0 { [2, 2, 0, 0] } else { [2, 0, 2, 0] }, "{name}");
    }
    let event = &shop.store.events()[1];
    assert_eq!(
        (event.user_id.as_str(), event.occurred_at.to_string().as_str()),
        ("Jürgen", "2026-11-22T09:21:00.000Z")
    );
    assert_eq!(event.facts.order_value.map(|value| value.to_string()).as_deref(), Some("1234.50"));
    assert_eq!(event.facts.currency.map(|currency| currency.to_string()).as_deref(), Some("EUR"));

    // Invalid UTF-8 is reported with the option that would read it.
    let report = shop.import(&shop.file("k.csv", &latin[..]), ORDERS_OPTIONS);
    assert_eq!(counts(&report), [2, 0, 1, 1]);
    let message = shop.rejects()[0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("0xfc is \"ü\"") && message.contains("--encoding windows-1252"), "{message}");
    let file = shop.file("j.csv", b"stra\xdfe;b\n");
    let error = shop.import_to(shop.store.clone(), &file, &[]).unwrap_err().to_string();
    assert!(error.contains("j.csv") && error.contains("--encoding windows-1252"), "{error}");
    let shift_jis = shop.file("i.csv", b"userId,type,occurredAt\nu\x81,search,2026-11-22\n");
    assert_eq!(counts(&shop.import(&shift_jis, &["--encoding", "shift_jis"])), [1, 0, 0, 1]);
    assert_eq!(shop.rejects()[0]["code"], "invalid_encoding");
}

#[test]
fn reads_the_delimiter_from_the_first_line() {
    let shop = Shop::new();
    let rows = "userId;type;occurredAt\nu1;search;2026-01-01\nu2;search;never\n";
    for (name, line) in [("a.csv", "sep=;\n"), ("b.csv", "\"sep=;\"\r\n"), ("c.csv", "\u{feff}sep=;\r")] {
        let report = shop.import(&shop.file(name, format!("{line}{rows}")), &[]);
        assert_eq!((report.counts.read, report.counts.rejected), (2, 1), "{name}");
        assert_eq!(shop.rejects()[0]["line"], 4);
    }
    assert_eq!(shop.store.len(), 1);
    let flag = shop.file("d.csv", "sep=,\nuserId;type;occurredAt\nu3;search;2026-01-01\n");
    assert_eq!(counts(&shop.import(&flag, &["--delimiter", ";"])), [1, 1, 0, 0]);
}

#[test]
fn pads_rows_on_request() {
    let shop = Shop::new();
    let file = shop.file(
        "a.csv",
        "userId,type,occurredAt,a,b\nu1,search,2026-01-01\nu2,search,2026-01-01,1,2,,\nu3,search,2026-01-01,1,2,3\n",
    );
    assert_eq!(counts(&shop.import(&file, &[])), [3, 0, 0, 3]);
    let messages: Vec<_> = shop.rejects().iter().map(|reject| reject["message"].as_str().unwrap().to_owned()).collect();
    assert!(messages[0].contains("3 columns instead of 5; --pad-rows"), "{messages:?}");
    assert!(messages[1].contains("--pad-rows") && !messages[2].contains("--pad-rows"), "{messages:?}");
    assert_eq!(counts(&shop.import(&file, &["--pad-rows"])), [3, 2, 0, 1]);
    assert_eq!(shop.store.events()[1].properties.as_deref(), Some(r#"{"a":1,"b":2}"#));
}

#[test]
fn imports_json_arrays_and_envelopes() {
    let event = |user: &str| {
        format!("{{\n  \"userId\": \"{user}\",\n  \"type\": \"search\",\n  \"occurredAt\": \"2026-01-01\"\n}}")
    };
    let shop = Shop::new();
    let pretty = format!("[\n{},\n{}\n]\n", event("u1"), event("u2"));
    assert_eq!(counts(&shop.import(&shop.file("a.json", pretty), &[])), [2, 2, 0, 0]);
    let envelope = format!("{{\"sentAt\": 1760000000000, \"events\": [{}, {{\"no\": 1}}]}}", event("u3"));
    assert_eq!(counts(&shop.import(&shop.file("b.json", envelope), &[])), [2, 1, 0, 1]);
    assert_eq!(shop.rejects()[0]["line"], 5);
    let one_line = format!("[{}]", [event("u4"), event("u5")].join(",").replace('\n', ""));
    assert_eq!(counts(&shop.import(&shop.file("c", one_line), &["--format", "json"])), [2, 2, 0, 0]);
    let cut_off = format!("[{}, {}", event("u6"), event("u7"));
    assert_eq!(counts(&shop.import(&shop.file("d.json", cut_off), &[])), [3, 2, 0, 1]);
    assert_eq!(shop.rejects()[0]["code"], "cut_off");
    let report = shop.import(&shop.file("e.ndjson", "[{}]\n"), &[]);
    assert_eq!(counts(&report), [1, 0, 0, 1]);
    assert!(shop.rejects()[0]["message"].as_str().unwrap().contains("--format json"));
}

#[test]
fn accepts_empty_files() {
    let shop = Shop::new();
    for name in ["a.csv", "a.ndjson"] {
        assert_eq!(counts(&shop.import(&shop.file(name, ""), &["--map", "userId=x"])), [0; 4]);
    }
}

#[test]
fn imports_nothing_of_a_damaged_file() {
    let shop = Shop::new();
    let content = gzip(events(50_000).as_bytes());
    let mut flipped = content.clone();
    flipped[content.len() / 2] ^= 4;
    for damaged in [&content[..content.len() - 100], &flipped] {
        let file = shop.file("a.ndjson.gz", damaged);
        let error = shop.import_to(shop.store.clone(), &file, &[]).unwrap_err();
        assert!(matches!(error, CommandError::File(ImportError::Read { .. })), "{error}");
        assert!(error.chain().contains("nothing was imported"), "{}", error.chain());
        assert_eq!(shop.store.len(), 0);
    }
}
