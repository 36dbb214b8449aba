//! The event that the server writes for itself.

use std::{fs, process::Command, time::Duration};

use axum::http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Answer, Server, event};

const OFTEN: [&str; 4] = ["--canary-interval", "1s", "--metrics-addr", "127.0.0.1:0"];

/// Asks until the canary is as it should be.
pub(crate) async fn until(server: &Server, is_so: impl Fn(&Value) -> bool) -> Answer {
    let end = Instant::now() + Duration::from_secs(90);
    loop {
        let health = server.get("/health").await;
        if is_so(&health.json["checks"]["canary"]) {
            return health;
        }
        assert!(Instant::now() < end, "{}", health.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn figure(server: &Server, series: &str) -> f64 {
    let metrics = server.ask_metrics(Method::GET, "/metrics").await;
    let line = metrics.text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} in {}", metrics.text)).parse().unwrap()
}

#[tokio::test]
async fn its_event_comes_back_and_is_in_nobodys_figures() {
    let mut server = Server::start_with(&OFTEN).await;
    assert_eq!(server.get("/health").await.json["checks"]["canary"], json!({ "status": "waiting" }));
    assert_eq!(figure(&server, "martech_canary_last_success_timestamp_seconds").await, 0.0);
    server.post("", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    for _ in 0..2 {
        let health = until(&server, |canary| canary["status"] == "ok").await;
        let canary = &health.json["checks"]["canary"];
        assert!(canary["latencyMs"].as_f64().unwrap() > 0.0 && canary["ageMs"].is_u64(), "{canary}");
        assert!(canary["lastSuccessAt"].is_string() && canary["error"].is_null(), "{canary}");
        assert!(figure(&server, "martech_canary_runs_total{outcome=\"ok\"}").await >= 1.0);
        assert_eq!(figure(&server, "martech_canary_runs_total{outcome=\"failed\"}").await, 0.0);
        assert!(figure(&server, "martech_canary_duration_seconds_count").await >= 1.0);
        assert!(figure(&server, "martech_canary_last_success_timestamp_seconds").await > 1e9);
        assert_eq!(figure(&server, "martech_canary_interval_seconds").await, 1.0);

        assert_eq!(health.json["checks"]["lake"]["events"], 1, "{}", health.text);
        assert_eq!(figure(&server, "martech_lake_events").await, 1.0);
        assert_eq!(figure(&server, "martech_events_ingested_total{status=\"accepted\",type=\"other\"}").await, 0.0);
        assert_eq!(server.get("/users").await.json["total"], 1);
        assert_eq!(server.get("/stats?from=2026-01-01&to=2036-01-01").await.json["totals"]["events"], 1);
        let projects = server.get("/admin/projects").await;
        assert_eq!(projects.json["projects"].as_array().unwrap().len(), 1, "{}", projects.text);

        let dir = server.stopped().await;
        let verified = Command::new(env!("CARGO_BIN_EXE_martech-server"))
            .args(["verify", "--json", "--data-dir"])
            .arg(dir.path())
            .output()
            .unwrap();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
        assert!(dir.path().join("canary/catalog").exists());
        // A later run needs nothing of an earlier one, not even that it is sound.
        fs::write(dir.path().join("canary/catalog"), "damaged").unwrap();
        server = Server::start_in(dir, &OFTEN).await;
    }
    // A shop may have the name.
    let shop = json!({ "id": "canary" });
    let admin = [("authorization", &*format!("Bearer {}", server.token))];
    assert_eq!(server.send_json("POST", "/admin/projects", &admin, &shop).await.status, 201);
    assert_eq!(server.get("/users?project=canary").await.json["total"], 0);
    server.stopped().await;
}

#[tokio::test]
async fn it_fails_with_its_store_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let obstacle = dir.path().join("canary");
    fs::write(&obstacle, "no folder").unwrap();
    let server = Server::start_in(dir, &OFTEN).await;
    let health = until(&server, |canary| canary["status"] == "failing").await;
    assert_eq!((health.status.as_u16(), &health.json["status"]), (200, &json!("ok")), "{}", health.text);
    assert!(health.json["checks"]["canary"]["error"].as_str().unwrap().contains("canary"), "{}", health.text);
    assert_eq!(server.get("/readyz").await.status, 200, "events are taken");
    server.post("", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    assert!(figure(&server, "martech_canary_runs_total{outcome=\"failed\"}").await >= 1.0);
    let stranger = server.send_json("GET", "/health", &[], &json!({})).await;
    let folder = server.dir.path().to_str().unwrap();
    assert_eq!(stranger.json, json!({ "status": "ok" }));
    assert!(health.text.contains(folder), "{}", health.text);

    fs::remove_file(&obstacle).unwrap();
    until(&server, |canary| canary["status"] == "ok").await;
    server.stopped().await;
}

#[tokio::test]
async fn it_may_be_off() {
    let server = Server::start_with(&["--canary-interval", "off", "--metrics-addr", "127.0.0.1:0"]).await;
    assert!(server.get("/health").await.json["checks"]["canary"].is_null());
    assert!(!server.ask_metrics(Method::GET, "/metrics").await.text.contains("canary"));
    assert!(!server.stopped().await.path().join("canary").exists());
}
