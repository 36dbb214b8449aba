//! More than the processors can take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Answer, Server, event};

/// Keeps the only thread of a test, and of the server in it, busy for so long at a time.
fn keep_busy(time: Duration) -> Arc<AtomicBool> {
    let is_enough = Arc::new(AtomicBool::new(false));
    let told = is_enough.clone();
    tokio::spawn(async move {
        while !told.load(Ordering::Relaxed) {
            let end = Instant::now() + time;
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
        }
    });
    is_enough
}

async fn until(server: &Server, is_so: impl Fn(&Answer) -> bool) -> Answer {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = server.post("", json!([event("u1", "a"), event("u1", "b")]).to_string()).await;
        if is_so(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{}", answer.text);
    }
}

#[tokio::test]
async fn events_are_refused_while_they_would_have_to_wait_and_taken_as_soon_as_they_need_not() {
    let server = Server::start_with(&["--max-ingest-delay", "5ms", "--metrics-addr", "127.0.0.1:0"]).await;
    server.post("", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    let is_enough = keep_busy(Duration::from_millis(20));
    let refused = until(&server, |answer| answer.status == 503).await;
    refused.assert_error(503, "server_busy");
    assert_eq!(refused.header("retry-after"), Some("1"));
    // Whoever sends much gets to read that as well, on a connection that goes on.
    let mut raw = server.connect().await;
    let large = "x".repeat(500 << 10);
    loop {
        let head = "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length:";
        raw.write(format!("{head} {}\r\n\r\n{large}", large.len())).await;
        let answer = raw.answer().await;
        if answer.status == 503 {
            break;
        }
        answer.assert_error(400, "malformed_json");
    }
    raw.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, 200, "only events are refused");
    assert_eq!(server.get("/users").await.status, 200);
    let metrics = server.ask_metrics(Method::GET, "/metrics").await.text;
    assert!(metrics.contains("martech_http_refused_total{reason=\"server_busy\"}"), "{metrics}");

    is_enough.store(true, Ordering::Relaxed);
    until(&server, |answer| answer.status == 202).await;
    let calm = |text: &str| text.lines().any(|line| line == "martech_ingest_shed_ratio 0");
    while !calm(&server.ask_metrics(Method::GET, "/metrics").await.text) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_store_that_is_slow_is_no_overload() {
    let nobody = "mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=300";
    let flags = ["--store", nobody, "--spool", "off", "--metrics-addr", "127.0.0.1:0", "--max-ingest-delay", "250ms"];
    let server = Server::start_with(&flags).await;
    let waiting = (0..50).map(|n| {
        let body = event("u1", &format!("e{n}")).to_string();
        let server = &server;
        async move { server.post("", body).await }
    });
    // All of them wait for as long as the store is tried, which is ten seconds, and none is told that the server is busy.
    for answer in futures_util::future::join_all(waiting).await {
        answer.assert_error(503, "store_unavailable");
    }
    let metrics = server.ask_metrics(Method::GET, "/metrics").await.text;
    assert!(!metrics.contains("reason=\"server_busy\""), "{metrics}");
}
