//! The metrics that Prometheus scrapes.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use axum::http::Method;
use martech_server::{MetricsAddr, bind_metrics};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Server, event};

/// The value of each series, as `name{label="value"}`.
type Figures = BTreeMap<String, f64>;

async fn start(flags: &[&str]) -> Server {
    Server::start_with(&[&["--metrics-addr", "127.0.0.1:0"], flags].concat()).await
}

async fn figures(server: &Server) -> Figures {
    let answer = server.ask_metrics(Method::GET, "/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines = answer.text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// Scrapes until the metrics satisfy the condition.
async fn until(server: &Server, is_so: impl Fn(&Figures) -> bool) -> Figures {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let found = figures(server).await;
        if is_so(&found) {
            return found;
        }
        assert!(Instant::now() < end, "{found:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn ingested(figures: &Figures, kind: &str, status: &str) -> f64 {
    figures[&format!("martech_events_ingested_total{{status=\"{status}\",type=\"{kind}\"}}")]
}

fn typed(id: &str, kind: &str) -> Value {
    let mut event = event("u1", id);
    event["type"] = kind.into();
    event
}

#[tokio::test]
async fn counts_events_by_type_and_status() {
    let server = start(&["--event-types", "wishlist_add"]).await;
    let before = figures(&server).await;
    assert_eq!(ingested(&before, "page_view", "accepted"), 0.0, "each series exists from the start");

    server.post("", typed("a", "page_view").to_string()).await.assert_counts(202, [1, 0, 0]);
    server.post("", typed("a", "page_view").to_string()).await.assert_counts(202, [0, 1, 0]);
    let mut nobody = typed("b", "search");
    nobody["userId"] = Value::Null;
    server.post("", nobody.to_string()).await.assert_error(400, "missing_field");
    server.post("?ack=stored", typed("c", "made_up").to_string()).await.assert_error(400, "unknown_type");
    let batch = json!([typed("d", "wishlist_add"), typed("e", "wishlist_add"), nobody, typed("f", "made_up")]);
    server.post("?ack=stored", batch.to_string()).await.assert_counts(200, [2, 0, 2]);
    server.post("", "no JSON").await.assert_error(400, "malformed_json");

    let after = figures(&server).await;
    let counted = |kind| ["accepted", "duplicate", "rejected", "refused", "failed"].map(|s| ingested(&after, kind, s));
    assert_eq!(counted("page_view"), [1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(counted("search"), [0.0, 0.0, 2.0, 0.0, 0.0]);
    assert_eq!(counted("wishlist_add"), [2.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(counted("other"), [0.0, 0.0, 2.0, 0.0, 0.0]);
    let took = |ack| after[&format!("martech_event_ingestion_duration_seconds_count{{ack=\"{ack}\"}}")];
    assert_eq!([took("buffered"), took("durable"), took("stored")], [0.0, 2.0, 1.0]);
    assert_eq!(after.keys().count(), before.keys().count() + new_http_series(&before, &after));
}

/// Counts the new HTTP series. A route gets its series with its first request.
fn new_http_series(before: &Figures, after: &Figures) -> usize {
    let is_new = |series: &&String| series.starts_with("martech_http_") && !before.contains_key(*series);
    after.keys().filter(is_new).count()
}

#[tokio::test]
async fn bounds_the_series_that_clients_can_create() {
    let server = start(&["--event-types", "*"]).await;
    for kind in ["page_view", "first"] {
        server.post("", typed(kind, kind).to_string()).await.assert_counts(202, [1, 0, 0]);
    }
    server.get("/no/such/page").await.assert_error(404, "not_found");
    let before = figures(&server).await;
    let events: Vec<Value> = (0..1_000).map(|n| typed(&format!("e{n}"), &format!("made_up_{n}"))).collect();
    server.post("", json!(events).to_string()).await.assert_counts(202, [1_000, 0, 0]);
    for n in 0..20 {
        server.get(&format!("/no/such/page/{n}")).await.assert_error(404, "not_found");
        let odd = server.request(Method::from_bytes(format!("ODD{n}").as_bytes()).unwrap(), "/no/such/page");
        server.send(odd.body(Default::default()).unwrap()).await.assert_error(404, "not_found");
    }
    let after = figures(&server).await;
    assert_eq!(ingested(&after, "other", "accepted"), 1_001.0);
    let new: Vec<&String> = after.keys().filter(|series| !before.contains_key(*series)).collect();
    assert!(new.iter().all(|series| series.contains("method=\"other\"")), "{new:?}");
    let requests =
        |method| after[&format!("martech_http_requests_total{{method=\"{method}\",route=\"other\",status=\"404\"}}")];
    assert_eq!([requests("GET"), requests("other")], [21.0, 20.0]);
}

#[tokio::test]
async fn counts_requests_by_route_and_rejections_by_reason() {
    let server = start(&[]).await;
    server.post("", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    for user in ["u1", "u2"] {
        assert_eq!(server.get(&format!("/users/{user}/journey")).await.status, 200);
    }
    let stranger = server.request(Method::GET, "/stats").body(Default::default()).unwrap();
    server.send(stranger).await.assert_error(401, "unauthorized");
    let wrong = json!({ "email": "nobody@shop.example", "password": "a password of nobody" });
    assert_eq!(server.send_json("POST", "/api/auth/sign-in/email", &[], &wrong).await.status, 401);

    let found = figures(&server).await;
    for (series, value) in [
        (r#"martech_http_requests_total{method="POST",route="/events",status="202"}"#, 1.0),
        (r#"martech_http_requests_total{method="GET",route="/users/{userId}/journey",status="200"}"#, 2.0),
        (r#"martech_http_request_duration_seconds_count{method="GET",route="/users/{userId}/journey"}"#, 2.0),
        (r#"martech_http_requests_total{method="POST",route="/api/auth/sign-in/email",status="401"}"#, 1.0),
        (r#"martech_http_refused_total{reason="unauthorized"}"#, 1.0),
        (r#"martech_http_refused_total{reason="INVALID_EMAIL_OR_PASSWORD"}"#, 1.0),
        (r#"martech_sign_ins_total{outcome="failed"}"#, 1.0),
        (r#"martech_sign_ins_total{outcome="signed_in"}"#, 0.0),
        ("martech_http_requests_in_flight", 0.0),
        ("martech_draining", 0.0),
    ] {
        assert_eq!(found.get(series), Some(&value), "{series} in {found:#?}");
    }
    assert!(found["martech_http_connections"] >= 1.0);
    assert!(!found.keys().any(|series| series.contains("/metrics")), "scrapes are not counted as requests");
}

#[tokio::test]
async fn in_flight_gauge_drops_when_client_disconnects() {
    let server = start(&[]).await;
    let mut raw = server.connect().await;
    raw.write("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        .await;
    raw.interim("HTTP/1.1 100 Continue\r\n\r\n").await;
    let now = figures(&server).await;
    assert_eq!((now["martech_http_requests_in_flight"], now["martech_http_connections"]), (1.0, 1.0));
    drop(raw);
    let ended = |found: &Figures| found["martech_http_connections"] == 0.0;
    assert_eq!(until(&server, ended).await["martech_http_requests_in_flight"], 0.0);
}

#[tokio::test]
async fn reports_store_and_process_metrics() {
    let server = start(&[]).await;
    let events: Vec<Value> = (0..50).map(|n| event("u1", &format!("e{n}"))).collect();
    server.post("", json!(events).to_string()).await.assert_counts(202, [50, 0, 0]);
    server.post("", json!(events).to_string()).await.assert_counts(202, [0, 50, 0]);
    let hot = figures(&server).await;
    assert_eq!((hot["martech_lake_events"], hot["martech_lake_hot_events"]), (50.0, 50.0));
    assert_eq!(server.command("/admin/roll").await.status, 200);

    let found = figures(&server).await;
    for (series, value) in [
        ("martech_lake_events", 50.0),
        ("martech_lake_hot_events", 0.0),
        ("martech_lake_files", 1.0),
        (r#"martech_lake_rolls_total{outcome="done"}"#, 1.0),
        (r#"martech_lake_rolls_total{outcome="failed"}"#, 0.0),
        (r#"martech_buffer_flushes_total{outcome="answered",reason="due"}"#, 2.0),
        (r#"martech_buffer_flushes_total{outcome="failed",reason="due"}"#, 0.0),
        (r#"martech_buffer_events_total{outcome="accepted"}"#, 100.0),
        (r#"martech_buffer_events_total{outcome="stored"}"#, 50.0),
        (r#"martech_buffer_events_total{outcome="duplicate"}"#, 50.0),
        ("martech_buffer_size", 0.0),
        ("martech_unaccounted_events", 0.0),
        ("martech_oldest_pending_event_age_seconds", 0.0),
        ("martech_stalled", 0.0),
        ("martech_store_failing", 0.0),
        (r#"martech_dead_letters_total{outcome="kept"}"#, 0.0),
        ("martech_journal_capacity_bytes", (256_u64 << 20) as f64),
    ] {
        assert_eq!(found.get(series), Some(&value), "{series} in {found:#?}");
    }
    let version = format!("martech_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(found[&version], 1.0);
    for series in [
        "martech_journal_fsyncs_total",
        "martech_journal_fsync_seconds_total",
        "martech_lake_roll_seconds_total",
        "martech_lake_file_bytes",
        "martech_runtime_workers",
        "martech_runtime_alive_tasks",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
        "process_start_time_seconds",
    ] {
        assert!(found.get(series).is_some_and(|value| *value > 0.0), "{series} in {found:#?}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - found["process_start_time_seconds"];
    assert!((-2.0..3_600.0).contains(&age), "the process is {age} s old");
}

#[tokio::test]
async fn reports_mongodb_outage_without_querying_it() {
    let nobody = "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=300";
    let server = start(&["--store", nobody]).await;
    server.post("", json!([event("u1", "a"), event("u2", "b")]).to_string()).await.assert_counts(202, [2, 0, 0]);
    let is_told = |found: &Figures| found["martech_spool_disconnected"] == 1.0;
    let found = until(&server, is_told).await;
    assert_eq!(found["martech_spool_behind_events"], 2.0);
    assert!(found["martech_spool_behind_seconds"] > 0.0 && found["martech_journal_bytes"] > 0.0);
    assert_eq!(found["martech_unaccounted_events"], 0.0);
    assert!(found[r#"martech_mongodb_commands_total{command="other",outcome="failed"}"#] > 0.0, "{found:#?}");
    assert!(!found.contains_key("martech_lake_events"));

    let before = found;
    let began = Instant::now();
    let after = figures(&server).await;
    let asked = |found: &Figures| found[r#"martech_mongodb_commands_total{command="other",outcome="failed"}"#];
    // The spool itself may have tried once more meanwhile.
    assert!(asked(&after) <= asked(&before) + 1.0, "{:?}", began.elapsed());
}

#[tokio::test]
async fn reports_pending_age_and_accounts_for_dead_letters() {
    let nobody = "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=300";
    let server = start(&["--store", nobody, "--spool", "off"]).await;
    server.post("?ack=buffered", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    let waits = |found: &Figures| found["martech_oldest_pending_event_age_seconds"] > 0.2;
    let found = until(&server, waits).await;
    let figure = |name| found[name];
    assert_eq!(["martech_buffer_size", "martech_unaccounted_events", "martech_stalled"].map(figure), [1.0, 0.0, 0.0]);
    let health = server.get("/health").await;
    assert!(health.json["sink"]["oldestPendingSeconds"].as_f64().unwrap() > 0.2, "{}", health.text);
    assert!(health.json["sink"]["stalledSeconds"].as_f64().unwrap() > 0.2, "{}", health.text);

    // Senders that wait get an error after ten seconds. Events of senders that do not wait go to the dead-letter file.
    let dead = r#"martech_dead_letters_total{outcome="kept"}"#;
    let found = until(&server, |found| found[dead] == 1.0 && found["martech_buffer_size"] == 0.0).await;
    assert_eq!(found["martech_unaccounted_events"], 0.0);
    assert_eq!(found["martech_oldest_pending_event_age_seconds"], 0.0);
    assert!(found["martech_dead_letter_file_bytes"] > 0.0);
    assert_eq!(found[r#"martech_buffer_flushes_total{outcome="failed",reason="due"}"#], 1.0);
    assert_eq!(found[r#"martech_buffer_events_total{outcome="dead_lettered"}"#], 1.0);
}

#[tokio::test]
async fn metrics_listener_serves_only_metrics() {
    let server = start(&[]).await;
    let answer = server.ask_metrics(Method::GET, "/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    server.ask_metrics(Method::GET, "/").await.assert_error(404, "not_found");
    server.ask_metrics(Method::GET, "/events").await.assert_error(404, "not_found");
    server.ask_metrics(Method::POST, "/metrics").await.assert_error(405, "method_not_allowed");
    // The main listener does not serve metrics.
    server.get("/metrics").await.assert_error(404, "not_found");
}

#[tokio::test]
async fn serves_metrics_while_draining() {
    let mut server = start(&[]).await;
    let mut raw = server.connect().await;
    raw.write("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        .await;
    raw.interim("HTTP/1.1 100 Continue\r\n\r\n").await;
    server.begin_stop();
    let found = until(&server, |found| found["martech_draining"] == 1.0).await;
    assert_eq!(found["martech_http_requests_in_flight"], 1.0);
    drop(raw);
    server.stopped().await;
}

#[tokio::test]
async fn fails_when_the_configured_address_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = bind_metrics(Some(MetricsAddr::At(taken.local_addr().unwrap()))).await.unwrap_err();
    assert!(error.to_string().contains("metrics") && error.to_string().contains("in use"), "{error}");
    assert!(bind_metrics(Some(MetricsAddr::Off)).await.unwrap().is_none());
}

/// Binds the default metrics address. Retries, because other tests on this machine may use the address for a while.
fn hold_default() -> TcpListener {
    let end = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        match TcpListener::bind("127.0.0.1:9464") {
            Ok(held) => return held,
            Err(error) => assert!(std::time::Instant::now() < end, "{error}"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn starts_without_metrics_when_default_address_is_taken() {
    let _held = hold_default();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let start = |flags: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_martech-server"))
            .args(["--addr", "127.0.0.1:0", "--log-format", "json", "--data-dir"])
            .arg(dir.path())
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = Vec::new();
        for line in BufReader::new(program.stderr.take().unwrap()).lines().map(Result::unwrap) {
            let has_started = line.contains("\"listening\"");
            lines.push(line);
            if has_started {
                program.kill().unwrap();
                break;
            }
        }
        (program.wait().unwrap().code(), lines.join("\n"))
    };
    let (_, log) = start(&[]);
    assert!(log.contains("\"listening\"") && log.contains("cannot serve metrics"), "{log}");
    let (_, log) = start(&["--metrics-addr", "off"]);
    assert!(log.contains("\"listening\"") && !log.contains("metrics"), "{log}");
    let (code, log) = start(&["--metrics-addr", &address]);
    assert!(code == Some(1) && log.contains("the address of the metrics") && !log.contains("listening"), "{log}");
}

#[tokio::test]
async fn counts_rejections_before_a_request_is_parsed() {
    let server = start(&["--max-connections-per-address", "2"]).await;
    let long = format!("GET /livez?{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(9 << 10));
    let large = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(60 << 10));
    for (text, status, code) in
        [("hello\r\n\r\n", 400, "malformed_request"), (&large, 431, "head_too_large"), (&long, 414, "uri_too_long")]
    {
        let mut raw = server.connect().await;
        raw.try_write(text).await;
        assert_eq!(raw.answer().await.status, status);
        drop(raw);
        let series = format!("martech_http_refused_total{{reason=\"{code}\"}}");
        until(&server, |figures| figures.get(&series) == Some(&1.0) && figures["martech_http_connections"] == 0.0)
            .await;
    }
    let (_first, _second) = (server.connect().await, server.connect().await);
    assert_eq!(server.connect().await.answer().await.json["code"], "too_many_connections");
    let series = r#"martech_http_refused_total{reason="too_many_connections"}"#;
    until(&server, |figures| figures.get(series) == Some(&1.0)).await;
}
