use std::{
    fs,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use clap::Parser;
use martech_core::{Appended, StoreError, event::EventId, memory::MemoryStore};
use serde_json::Value;

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

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ImportArgs,
}

/// A folder with files to import, and a store.
struct Shop {
    dir: tempfile::TempDir,
    store: MemoryStore<Event>,
}

impl Shop {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), store: MemoryStore::keyed(|event: &Event| event.id) }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn args(&self, file: &Path, options: &[&str]) -> ImportArgs {
        let words = ["import", file.to_str().unwrap(), "--data-dir", self.dir.path().to_str().unwrap()];
        let rejects = self.rejects_path();
        let words = words.into_iter().chain(["--rejects", rejects.to_str().unwrap()]);
        Command::try_parse_from(words.chain(options.iter().copied())).unwrap().args
    }

    fn rejects_path(&self) -> PathBuf {
        self.dir.path().join("rejects")
    }

    fn import_to(&self, store: impl Store<Event>, file: &Path, options: &[&str]) -> Result<FileReport, ImportError> {
        let args = self.args(file, options);
        let jobs = plan(&args)?;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut report = runtime.block_on(import_into(store, &args, &jobs, |_| ()))?;
        Ok(report.files.remove(0))
    }

    fn import(&self, file: &Path, options: &[&str]) -> FileReport {
        self.import_to(self.store.clone(), file, options).unwrap()
    }

    fn rejects(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.rejects_path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn ids(&self) -> Vec<EventId> {
        self.store.events().iter().map(|event| event.id).collect()
    }

    fn states(&self) -> usize {
        fs::read_dir(self.dir.path().join("imports")).map_or(0, |entries| entries.count())
    }
}

fn counts(report: &FileReport) -> [u64; 4] {
    let Counts { read, stored, duplicates, rejected } = report.counts;
    [read, stored, duplicates, rejected]
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn events(count: usize) -> String {
    (0..count)
        .map(|n| format!("{{\"userId\":\"u{}\",\"type\":\"search\",\"occurredAt\":\"2026-01-01T00:00:00Z\"}}\n", n % 7))
        .collect()
}

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
fn ids_do_not_depend_on_compression_or_names() {
    let shop = Shop::new();
    let content = events(5000);
    let (first, second) = content.split_at(content.len() / 2);
    assert_eq!(counts(&shop.import(&shop.file("a.ndjson", &content), &[])), [5000, 5000, 0, 0]);
    let members = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    assert_eq!(counts(&shop.import(&shop.file("b.jsonl.gz", members), &[])), [5000, 0, 5000, 0]);
    let frames = [first, second].map(|part| zstd::encode_all(part.as_bytes(), 1).unwrap()).concat();
    assert_eq!(counts(&shop.import(&shop.file("c.json.zst", frames), &["--batch-size", "7"])), [5000, 0, 5000, 0]);
}

#[test]
fn writes_rejects_with_line_code_and_text() {
    let shop = Shop::new();
    let header = "userId,type,occurredAt,note\r\n";
    let lines: [&[u8]; 6] = [
        b"u1,search,2026-01-01,\"two\nlines\"\r\n",
        b"u2,search,never,x\r\n",
        b"u3,search,2026-01-01\r\n",
        b"u4,search,2026-01-01,\xff\r\n",
        b"u5,dance,2026-01-01,x\r\n",
        b"u6,search,2026-01-01,\"open\r\n",
    ];
    let file = shop.file("a.csv", [header.as_bytes(), &lines.concat()].concat());
    let report = shop.import(&file, &[]);
    assert_eq!(counts(&report), [6, 1, 0, 5]);
    assert_eq!(report.rejects, Some(shop.rejects_path()));
    assert_eq!(shop.store.events()[0].properties.as_deref(), Some(r#"{"note":"two\nlines"}"#));
    let rejects = shop.rejects();
    let told: Vec<_> =
        rejects.iter().map(|reject| (reject["line"].as_u64().unwrap(), reject["code"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [(4, "invalid_time"), (5, "column_count"), (6, "invalid_utf8"), (7, "unknown_type"), (8, "open_quote")]
    );
    assert_eq!(rejects[0]["record"], 2);
    assert_eq!(rejects[0]["field"], "occurredAt");
    assert_eq!(rejects[0]["raw"], "u2,search,never,x");

    // An import without rejects removes a stale rejects file beside the input.
    let file = shop.file("b.csv", [header.as_bytes(), lines[0]].concat());
    let stale = shop.file("b.csv.rejects.ndjson", "stale");
    let args = ImportArgs { rejects: None, ..shop.args(&file, &[]) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(import_into(shop.store.clone(), &args, &plan(&args).unwrap(), |_| ())).unwrap();
    assert!(!stale.exists());
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
fn overlapping_or_reordered_exports_add_only_new_records() {
    let header = "userId,type,occurredAt\n";
    let row = |user: usize| format!("u{user},search,2026-01-0{}\n", user % 9 + 1);
    let export = |users: &mut dyn Iterator<Item = usize>| header.to_owned() + &users.map(row).collect::<String>();
    let shop = Shop::new();
    let first = shop.file("monday.csv", export(&mut (0..100)));
    assert_eq!(counts(&shop.import(&first, &[])), [100, 100, 0, 0]);
    let newest_first = shop.file("tuesday.csv", export(&mut (50..150).rev()));
    assert_eq!(counts(&shop.import(&newest_first, &[])), [100, 50, 50, 0]);
    // Equal rows are separate events.
    let twice = shop.file("twice.csv", export(&mut [7, 8, 7, 7].into_iter()));
    assert_eq!(counts(&shop.import(&twice, &[])), [4, 2, 2, 0]);
    assert_eq!(counts(&shop.import(&twice, &[])), [4, 0, 4, 0]);
}

#[test]
fn a_row_added_after_an_interruption_duplicates_nothing() {
    let shop = Shop::new();
    let file = shop.file("a.ndjson", events(5000));
    let store = Failing { store: shop.store.clone(), left: AtomicUsize::new(20) };
    shop.import_to(store, &file, &["--batch-size", "100"]).unwrap_err();
    let stored = shop.store.len() as u64;
    assert!(stored > 0);
    let grown = format!("{{\"userId\":\"new\",\"type\":\"search\",\"occurredAt\":\"2026-01-01\"}}\n{}", events(5000));
    let report = shop.import(&shop.file("a.ndjson", grown), &["--batch-size", "100"]);
    assert_eq!((report.resumed_at, report.counts.stored, report.counts.duplicates), (None, 5001 - stored, stored));
    assert_eq!(shop.store.len(), 5001);
}

#[test]
fn complains_with_the_most_frequent_reasons() {
    let shop = Shop::new();
    let content = |bad: usize| events(20).replacen("search", "dance", bad);
    let report = shop.import(&shop.file("a.ndjson", content(20)), &[]);
    assert_eq!(report.complaint, Some(Complaint::NothingStored));
    assert!(report.complaints()[0].ends_with("a.ndjson: nothing was stored"), "{:?}", report.complaints());
    assert!(report.complaints()[1].starts_with("  20 records: unknown_type (type): "), "{:?}", report.complaints());
    let of = |bad, options: &[&str]| shop.import(&shop.file("b.ndjson", content(bad)), options).complaint;
    assert_eq!(of(2, &[]), None);
    assert_eq!(of(3, &[]), Some(Complaint::TooManyRejected(10.0)));
    assert_eq!(of(3, &["--max-rejects", "15%"]), None);
    assert_eq!(of(1, &["--max-rejects", "0"]), Some(Complaint::TooManyRejected(0.0)));
    assert_eq!(of(0, &["--max-rejects", "0"]), None);
}

#[test]
fn dry_run_stores_nothing() {
    let shop = Shop::new();
    let file = shop.file("a.ndjson", events(10).replacen("u3", "", 1));
    let report = import(&shop.args(&file, &["--dry-run"]), |_| ()).unwrap();
    let report = &report.files[0];
    assert_eq!(counts(report), [10, 9, 0, 1]);
    let told = report.to_string();
    assert!(told.contains("10 read, 9 valid, 1 rejected, nothing stored; first event: {\"eventId\":"), "{told}");
    assert_eq!(report.complaints().len(), 1, "the reason of the one that was rejected");
    let mut left: Vec<_> = fs::read_dir(shop.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.ndjson", "rejects"]);
}

#[test]
fn an_unknown_project_error_lists_existing_projects() {
    let shop = Shop::new();
    let file = shop.file("a.ndjson", events(1));
    let import = |project| import(&shop.args(&file, &["--project", project]), |_| ());
    let told = import("hamburg").unwrap_err().to_string();
    assert_eq!(told, "there is no project hamburg; existing projects: default");
    let folder = shop.dir.path().join("projects/berlin");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("project.json"), project_record().to_string()).unwrap();
    let told = import("hamburg").unwrap_err().to_string();
    assert_eq!(told, "there is no project hamburg; existing projects: berlin, default");
    assert_eq!(counts(&import("berlin").unwrap().files[0]), [1, 1, 0, 0]);
}

fn project_record() -> Value {
    let time = "2026-01-01T00:00:00Z";
    serde_json::json!({"id": "berlin", "name": "Berlin", "currency": "EUR", "eventTypes": ["wishlist"], "createdAt": time, "updatedAt": time})
}

#[test]
fn applies_the_settings_of_the_project() {
    let shop = Shop::new();
    let record = serde_json::from_value(project_record()).unwrap();
    let file = shop.file("a.csv", "userId,type,occurredAt,total\nu,purchase,2026-11-22,5\nu,wishlist,2026-11-22,\n");
    let rules = |options: &[&str]| {
        let args = shop.args(&file, options).of_project(Some(&record));
        (args.currency.unwrap().to_string(), args.event_types.unwrap().get("wishlist").is_some())
    };
    assert_eq!(rules(&[]), ("EUR".to_owned(), true));
    assert_eq!(rules(&["--currency", "CHF", "--event-types", "dance"]), ("CHF".to_owned(), false));
    assert_eq!(shop.args(&file, &[]).of_project(None).currency.unwrap().to_string(), "USD");

    let folder = shop.dir.path().join("projects/berlin");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("project.json"), project_record().to_string()).unwrap();
    let report = import(&shop.args(&file, &["--project", "berlin"]), |_| ()).unwrap();
    assert_eq!(counts(&report.files[0]), [2, 2, 0, 0]);
}

#[test]
fn accepts_empty_files() {
    let shop = Shop::new();
    for name in ["a.csv", "a.ndjson"] {
        assert_eq!(counts(&shop.import(&shop.file(name, ""), &["--map", "userId=x"])), [0; 4]);
    }
}

#[test]
fn command_line_definition_is_valid() {
    <Command as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn reports_invalid_commands_before_importing() {
    let shop = Shop::new();
    let file = shop.file("a.csv", "x,y\n1,2\n");
    let fails = |file: &Path, options: &[&str]| {
        let error = shop.import_to(shop.store.clone(), file, options).unwrap_err();
        error.chain()
    };
    assert!(fails(&file, &["--map", "userId=z"]).contains("x, y"));
    assert!(fails(&shop.dir.path().join("none.csv"), &[]).contains("none.csv"));
    assert!(fails(&shop.file("a.txt", "x"), &[]).contains("--delimiter"));
    assert!(fails(&shop.file("rejects", "x"), &["--format", "csv"]).contains("overwrite"));
    assert!(fails(&file, &["--format", "ndjson", "--delimiter", ";"]).contains("JSON"));
    assert!(fails(&file, &["--decimal", ",", "--thousands", ","]).contains("--thousands"));
    assert!(fails(&shop.file("b.csv", "h\0e\0a\0d\0"), &[]).contains("--encoding utf-16le"));
    assert!(fails(&shop.file("c.csv", "\0h\0e\0a\0d"), &[]).contains("--encoding utf-16be"));
    assert!(fails(&shop.file("d.csv", "PK\x03\x04..."), &[]).contains("workbook"));
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
        assert!(matches!(error, ImportError::Read { .. }), "{error}");
        assert!(error.chain().contains("nothing was imported"), "{}", error.chain());
        assert_eq!(shop.store.len(), 0);
    }
}

/// A store that fails permanently after some appends.
struct Failing {
    store: MemoryStore<Event>,
    left: AtomicUsize,
}

impl Store<Event> for Failing {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => self.store.append(batch).await,
            Err(_) => Err(StoreError::fatal("the disk is broken")),
        }
    }
}

#[test]
fn resumes_after_an_interruption() {
    let mut content = events(10_000).replace("u3", "");
    content.insert_str(0, "\n\n");
    for (name, bytes) in [("a.ndjson", content.clone().into_bytes()), ("a.ndjson.gz", gzip(content.as_bytes()))] {
        let shop = Shop::new();
        let file = shop.file(name, bytes);
        let options = ["--batch-size", "100"];
        let store = Failing { store: shop.store.clone(), left: AtomicUsize::new(40) };
        let error = shop.import_to(store, &file, &options).unwrap_err();
        assert!(error.chain().contains("the disk is broken"), "{}", error.chain());
        assert_eq!(shop.states(), 1);
        let stored = shop.store.len();

        // Bytes that a killed import wrote behind its last checkpoint.
        let mut rejects = fs::OpenOptions::new().append(true).open(shop.rejects_path()).unwrap();
        rejects.write_all(b"{\"line\":").unwrap();

        let report = shop.import(&file, &options);
        let resumed = report.resumed_at.unwrap();
        assert!((100..=4900).contains(&resumed) && resumed as usize <= stored * 7 / 6 + 100, "{resumed}");
        let rejected = (0..10_000).filter(|n| n % 7 == 3).count() as u64;
        assert_eq!((report.counts.read, report.counts.rejected), (10_000, rejected));
        assert_eq!(shop.store.len() as u64, 10_000 - rejected);
        let lines: Vec<u64> = shop.rejects().iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, (0..10_000).filter(|n| n % 7 == 3).map(|n| n + 3).collect::<Vec<u64>>());
        assert_eq!(shop.states(), 0);

        // An uninterrupted import produces the same ids.
        let calm = Shop::new();
        calm.import(&calm.file("b.ndjson", &content), &[]);
        let (mut ids, mut calm_ids) = (shop.ids(), calm.ids());
        ids.sort();
        calm_ids.sort();
        assert_eq!(ids, calm_ids);
    }
}

#[test]
fn starts_over_if_the_file_or_options_changed() {
    for (change, options) in [(true, &[][..]), (false, &["--set", "properties.a=b"][..])] {
        let shop = Shop::new();
        let file = shop.file("a.ndjson", events(5000));
        let store = Failing { store: shop.store.clone(), left: AtomicUsize::new(20) };
        shop.import_to(store, &file, &["--batch-size", "100"]).unwrap_err();
        if change {
            shop.file("a.ndjson", events(5001));
        }
        assert_eq!(shop.import(&file, options).resumed_at, None);
        assert_eq!(shop.store.len(), if change { 5001 } else { 5000 });
    }
}

/// Rejects the events of one user.
#[derive(Clone)]
struct Picky(Arc<MemoryStore<Event>>);

impl Store<Event> for Picky {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        let (bad, good): (Vec<_>, Vec<_>) = batch.iter().cloned().enumerate().partition(|(_, e)| e.user_id == "u3");
        let good: Vec<Event> = good.into_iter().map(|(_, event)| event).collect();
        let stored = self.0.append(&good).await?.stored;
        let refuse = |(index, _)| martech_core::Rejection::unfit(index, "not that one");
        Ok(Appended { stored, rejected: bad.into_iter().map(refuse).collect(), ..Appended::default() })
    }
}

#[test]
fn writes_rejections_of_the_store_with_their_lines() {
    let shop = Shop::new();
    let content = events(15).replace("u4", "");
    let picky = Picky(Arc::new(shop.store.clone()));
    let report = shop.import_to(picky, &shop.file("a.ndjson", content), &["--batch-size", "4"]).unwrap();
    assert_eq!(counts(&report), [15, 11, 0, 4]);
    let lines: Vec<_> = shop.rejects().iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [4, 5, 11, 12]);
    assert_eq!(shop.rejects()[0]["message"], "not that one");
}

/// A server that is overloaded at the first request, and accepts only zstd.
struct Fake {
    store: MemoryStore<Event>,
    requests: AtomicUsize,
}

async fn take(
    axum::extract::State(fake): axum::extract::State<Arc<Fake>>,
    request: axum::extract::Request,
) -> axum::response::Response {
    use axum::{body::Body, response::Response};
    use http_body_util::BodyExt;

    let answer = |status: u16, body: Value| Response::builder().status(status).body(Body::from(body.to_string()));
    if fake.requests.fetch_add(1, Ordering::Relaxed) == 0 {
        let mut busy = answer(503, serde_json::json!({"code": "busy", "message": "later"})).unwrap();
        busy.headers_mut().insert("retry-after", 0.into());
        return busy;
    }
    assert_eq!(request.uri().query(), Some("ack=durable"));
    assert_eq!(request.headers()["authorization"], "Bearer secret");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(zstd::decode_all(&body[..]).unwrap()).unwrap();
    let rules = martech_core::event::EventRules::default();
    let (mut events, mut results) = (Vec::new(), Vec::new());
    for (index, line) in body.lines().enumerate() {
        match rules.parse(line, martech_core::event::Timestamp::now()) {
            Ok(event) => events.push((index, event)),
            Err(error) => results.push(serde_json::json!({
                "index": index, "status": "rejected", "code": error.code.as_str(), "message": error.message
            })),
        }
    }
    let rejected = results.len();
    let batch: Vec<Event> = events.iter().map(|(_, event)| event.clone()).collect();
    let appended = fake.store.append(&batch).await.unwrap();
    let duplicates =
        appended.duplicates.iter().map(|at| serde_json::json!({"index": events[*at].0, "status": "duplicate"}));
    results.extend(duplicates);
    let counts = (appended.stored, appended.duplicates.len());
    answer(
        202,
        serde_json::json!({"accepted": counts.0, "duplicates": counts.1, "rejected": rejected, "results": results}),
    )
    .unwrap()
}

#[test]
fn imports_to_a_running_server() {
    let shop = Shop::new();
    let fake = Arc::new(Fake { store: shop.store.clone(), requests: AtomicUsize::new(0) });
    let server = tokio::runtime::Runtime::new().unwrap();
    let listener = server.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new()
        .route("/events", axum::routing::post(take))
        .route("/livez", axum::routing::get(async || "ok"))
        .route("/admin/projects", axum::routing::get(async || r#"{"projects":[]}"#))
        .with_state(fake.clone());
    server.spawn(async move { axum::serve(listener, app).await });

    let mut content = events(100);
    content.insert_str(
        0,
        "{\"userId\":\"u\",\"type\":\"dance\",\"occurredAt\":1700000000000,\"properties\":{\"a\":[1.50]}}\n",
    );
    let args = shop.args(&shop.file("a.ndjson", content), &["--url", &url, "--token", "secret", "--batch-size", "30"]);
    let report = import(&args, |_| ()).unwrap();
    assert_eq!(counts(&report.files[0]), [101, 100, 0, 1]);
    let message = shop.rejects()[0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("unknown_type"), "{message}");
    let report = import(&args, |_| ()).unwrap();
    assert_eq!(counts(&report.files[0]), [101, 0, 100, 1]);
    assert!(!shop.dir.path().join("a.ndjson.import-state.json").exists());
}

#[test]
fn reports_an_unreachable_server() {
    let shop = Shop::new();
    let file = shop.file("a.ndjson", events(1));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = import(&shop.args(&file, &["--url", &format!("http://{closed}")]), |_| ()).unwrap_err();
    assert!(matches!(&error, ImportError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&format!("cannot reach http://{closed}: ")), "{error}");
}

#[test]
fn overwrites_a_named_rejects_file_only_with_rejects() {
    let shop = Shop::new();
    let notes = shop.file("rejects", "precious");
    shop.import(&shop.file("a.ndjson", events(1)), &[]);
    assert_eq!(fs::read_to_string(&notes).unwrap(), "precious");
    let link = shop.dir.path().join("link");
    std::os::unix::fs::symlink(&notes, &link).unwrap();
    let args = ImportArgs { rejects: Some(link.clone()), ..shop.args(&shop.file("b.ndjson", "nonsense\n"), &[]) };
    let jobs = plan(&args).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(import_into(shop.store.clone(), &args, &jobs, |_| ())).unwrap();
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&notes).unwrap().contains("\"raw\":\"nonsense\""));
}

#[test]
fn rejects_a_file_that_is_given_twice() {
    let shop = Shop::new();
    let file = shop.file("a.ndjson", events(1));
    let mut args = shop.args(&file, &[]);
    args.rejects = None;
    args.files.push(shop.dir.path().join("./a.ndjson"));
    assert!(plan(&args).is_err_and(|error| error.to_string().contains("given twice")));
}

#[test]
fn places_rejects_beside_the_file() {
    assert_eq!(rejects_of(&Source::new(Path::new("/shop/a.csv.gz"))), Path::new("/shop/a.csv.gz.rejects.ndjson"));
    assert_eq!(rejects_of(&Source::new(Path::new("a.csv"))), Path::new("a.csv.rejects.ndjson"));
    assert_eq!(rejects_of(&Source::Stdin), Path::new("stdin.rejects.ndjson"));
}
