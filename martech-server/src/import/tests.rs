use std::{
    fs,
    io::Write,
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
fn imports_the_purchases_of_cdnow() {
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
fn compression_and_names_do_not_matter() {
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
fn rejects_are_told_with_their_lines() {
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

    // When nothing is rejected any more, no stale file tells otherwise.
    shop.import(&shop.file("b.csv", [header.as_bytes(), lines[0]].concat()), &[]);
    assert!(!shop.rejects_path().exists());
}

#[test]
fn columns_can_be_named_and_headers_left_out() {
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

#[test]
fn an_empty_file_holds_nothing() {
    let shop = Shop::new();
    for name in ["a.csv", "a.ndjson"] {
        assert_eq!(counts(&shop.import(&shop.file(name, ""), &["--map", "userId=x"])), [0; 4]);
    }
}

#[test]
fn the_command_line_is_sound() {
    <Command as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn mistakes_in_the_command_come_first() {
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
    assert!(fails(&file, &["--format", "ndjson", "--delimiter", ";"]).contains("NDJSON"));
}

#[test]
fn a_cut_off_file_fails_and_keeps_what_was_read() {
    let shop = Shop::new();
    let content = gzip(events(50_000).as_bytes());
    let file = shop.file("a.ndjson.gz", &content[..content.len() - 100]);
    let error = shop.import_to(shop.store.clone(), &file, &[]).unwrap_err();
    assert!(matches!(error, ImportError::Read { .. }), "{error}");
    assert!(shop.store.len() > 10_000);
}

/// A store whose disk fails for good after some appends.
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
fn goes_on_where_it_was() {
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

        // What a killed import wrote behind its last checkpoint.
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

        // The same ids as if nothing had happened.
        let calm = Shop::new();
        calm.import(&calm.file("b.ndjson", &content), &[]);
        let (mut ids, mut calm_ids) = (shop.ids(), calm.ids());
        ids.sort();
        calm_ids.sort();
        assert_eq!(ids, calm_ids);
    }
}

#[test]
fn starts_over_when_the_file_or_the_options_are_others() {
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

/// Refuses the events of one user.
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
fn what_the_store_refuses_has_its_line_too() {
    let shop = Shop::new();
    let content = events(15).replace("u4", "");
    let picky = Picky(Arc::new(shop.store.clone()));
    let report = shop.import_to(picky, &shop.file("a.ndjson", content), &["--batch-size", "4"]).unwrap();
    assert_eq!(counts(&report), [15, 11, 0, 4]);
    let lines: Vec<_> = shop.rejects().iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [4, 5, 11, 12]);
    assert_eq!(shop.rejects()[0]["message"], "not that one");
}

/// Answers as a server does that is overloaded at first, and takes zstd only.
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
fn sends_to_a_server() {
    let shop = Shop::new();
    let fake = Arc::new(Fake { store: shop.store.clone(), requests: AtomicUsize::new(0) });
    let server = tokio::runtime::Runtime::new().unwrap();
    let listener = server.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/events", axum::routing::post(take)).with_state(fake.clone());
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
fn files_of_one_name_have_rejects_of_their_own() {
    let mut taken = HashSet::new();
    assert_eq!(free_name("a.csv", &mut taken), Path::new("a.csv.rejects.ndjson"));
    assert_eq!(free_name("a.csv", &mut taken), Path::new("a.csv.2.rejects.ndjson"));
}
