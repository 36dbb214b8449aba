//! The traces and logs that the real program exports over OTLP, decoded with the official messages. `scripts/otlp/run`
//! checks them in more detail.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    trace::v1::Span,
};
use prost::Message;
use tokio::net::TcpListener;

#[derive(Debug, Default)]
struct Received {
    spans: Vec<Span>,
    /// The text and the trace id of each log record.
    logs: Vec<(String, Vec<u8>)>,
}

type Shared = Arc<Mutex<Received>>;

async fn collector() -> (String, Shared) {
    let received = Shared::default();
    let router =
        Router::new().route("/v1/traces", post(traces)).route("/v1/logs", post(logs)).with_state(received.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    (endpoint, received)
}

async fn traces(State(received): State<Shared>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|told| told.scope_spans);
    received.lock().unwrap().spans.extend(scopes.flat_map(|scope| scope.spans));
}

async fn logs(State(received): State<Shared>, body: Bytes) {
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    let scopes = request.resource_logs.into_iter().flat_map(|told| told.scope_logs);
    let records = scopes.flat_map(|scope| scope.log_records);
    received.lock().unwrap().logs.extend(records.map(|record| (format!("{record:?}"), record.trace_id)));
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: [u8; 8] = [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31];

/// Starts the program, sends an event with a `traceparent`, and stops the program. Returns its exit code and its log.
fn traced_event(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_martech-server"))
        .args(["--addr", "127.0.0.1:0", "--metrics-addr", "off", "--log-format", "json"])
        .args(["--log", "info,martech_server=debug", "--data-dir"])
        .arg(dir.path())
        .envs(variables.iter().copied())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines().map(Result::unwrap);
    let listening = lines.by_ref().find(|line| line.contains("\"listening\"")).unwrap();
    let listening: serde_json::Value = serde_json::from_str(&listening).unwrap();
    let answer = ureq::post(format!("http://{}/events?key=mtw_secret", listening["addr"].as_str().unwrap()))
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"));
    // The server rejects an unknown key, but requires none.
    assert!(answer.send(r#"{"userId":"u","type":"search"}"#).is_err());
    let answer = ureq::post(format!("http://{}/events", listening["addr"].as_str().unwrap()))
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"));
    assert_eq!(answer.send(r#"{"userId":"u","type":"search"}"#).unwrap().status(), 202);
    let kill = Command::new("kill").arg(program.id().to_string()).status().unwrap();
    assert!(kill.success());
    let said = lines.collect::<Vec<_>>().join("\n");
    (program.wait().unwrap().code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_a_request_from_caller_to_fsync() {
    let (endpoint, received) = collector().await;
    // The delay is so long that the program exports everything when it stops.
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "600000".to_owned()),
    ];
    let run = move || {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        traced_event(&variables)
    };
    let (code, said) = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(TRACE), "the log contains the trace id:\n{said}");

    let received = received.lock().unwrap();
    let is_of_trace = |trace: &[u8]| trace.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == TRACE;
    assert!(received.spans.iter().all(|span| is_of_trace(&span.trace_id)), "{received:#?}");
    let request = received.spans.iter().filter(|span| span.name == "POST /events");
    let (refused, taken): (Vec<_>, Vec<_>) = request.partition(|span| format!("{span:?}").contains("IntValue(401)"));
    assert_eq!((refused.len(), taken.len()), (1, 1), "{received:#?}");
    let taken = taken[0];
    assert_eq!(taken.parent_span_id, CALLER);
    let child = |parent: &Span, name: &str| {
        let of_parent = |span: &&Span| span.name == name && span.parent_span_id == parent.span_id;
        let child = received.spans.iter().find(of_parent).unwrap_or_else(|| panic!("{name} of {parent:#?}"));
        let [outer, inner] = [parent, child].map(|span| span.start_time_unix_nano..=span.end_time_unix_nano);
        assert!(outer.contains(inner.start()) && outer.contains(inner.end()), "{parent:#?} {child:#?}");
        child
    };
    for name in ["receive body", "parse events", "wait in queue"] {
        child(taken, name);
    }
    let sync = child(child(taken, "append batch"), "fsync journal");
    assert!(sync.start_time_unix_nano < sync.end_time_unix_nano);
    assert!(received.logs.iter().any(|(text, trace)| text.contains("answered") && is_of_trace(trace)));
    // The program exports neither the key in the query nor the set-up link, which is in the log on standard error.
    let link = said.split("sign-up#").nth(1).unwrap().split('"').next().unwrap();
    let sent = format!("{received:?}");
    assert!(!link.is_empty() && !sent.contains(link) && !sent.contains("mtw_secret"));
}

#[test]
fn exits_cleanly_when_the_collector_is_unreachable() {
    // No server listens on the discard port.
    let (code, said) = traced_event(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")]);
    assert_eq!(code, Some(0), "{said}");
    let told = said.lines().filter(|line| line.contains("the collector is unavailable")).count();
    assert!((1..=3).contains(&told), "one warning for each signal:\n{said}");
}
