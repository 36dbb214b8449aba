//! Events are imported to a running server.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

/// A server that is overloaded at the first batch, and accepts only zstd.
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
    // The command first sends no events, to check that the server would take some.
    if !request.headers().contains_key("content-encoding") {
        return answer(400, serde_json::json!({"code": "empty_batch", "message": "no event"})).unwrap();
    }
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
    assert_eq!(shop.rejects()[0]["code"], "unknown_type");
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
    assert!(matches!(&error, CommandError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&format!("cannot reach http://{closed}: ")), "{error}");
}
