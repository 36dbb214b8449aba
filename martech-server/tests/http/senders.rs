//! Rules for senders, by credential: none, a page key, a secret key, or the admin token.

use axum::http::StatusCode;
use martech_core::event::{EventId, Sender};
use serde_json::{Value, json};

use crate::harness::{Answer, Server, event};

/// Returns an event that occurred `days` days ago.
fn days_ago(days: i64, id: &str) -> Value {
    let time = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
    json!({ "eventId": id, "userId": "u1", "type": "page_view", "occurredAt": format!("{time:.3}") })
}

async fn key(server: &Server, body: Value) -> String {
    let admin = format!("Bearer {}", server.token);
    let made = server.send_json("POST", "/admin/keys", &[("authorization", &admin)], &body).await;
    made.json["key"].as_str().unwrap_or_else(|| panic!("{}", made.text)).to_owned()
}

async fn send(server: &Server, token: Option<&str>, body: &Value) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    server.send_json("POST", "/events", &headers, body).await
}

#[tokio::test]
async fn rejects_old_events_from_public_senders() {
    let server = Server::start_with(&["--public-event-days", "30"]).await;
    let page = key(&server, json!({ "name": "page", "kind": "write", "origins": ["https://shop.example"] })).await;
    let backend = key(&server, json!({ "name": "backend", "kind": "write" })).await;
    for (token, name) in [(None, "none"), (Some(page.as_str()), "page")] {
        let batch = json!([days_ago(31, "a"), days_ago(29, &format!("{name}-b")), days_ago(20_000, "c")]);
        let answer = send(&server, token, &batch).await;
        answer.assert_counts(202, [1, 0, 2]);
        for (position, index) in [0, 2].into_iter().enumerate() {
            let result = &answer.json["results"][position];
            assert_eq!((&result["index"], &result["code"]), (&json!(index), &json!("occurred_at_too_old")), "{name}");
            let message = result["message"].as_str().unwrap();
            assert!(message.contains("at most 30 days before") && message.contains("a secret key"), "{message}");
        }
        let single = send(&server, token, &days_ago(31, "a")).await;
        single.assert_error(400, "occurred_at_too_old").assert_field("occurredAt");
    }
    let by_query = server.post(&format!("?key={page}"), days_ago(31, "a").to_string()).await;
    by_query.assert_error(400, "occurred_at_too_old");
    for (token, id) in [(backend.as_str(), "d"), (server.token.as_str(), "e")] {
        let batch = json!([days_ago(31, id), days_ago(20_000, &format!("{id}-old"))]);
        send(&server, Some(token), &batch).await.assert_counts(202, [2, 0, 0]);
    }
    let user = &server.get("/users").await.json["users"][0];
    assert_eq!(user["events"], 6, "two from public senders, four from the others: {user}");
}

#[tokio::test]
async fn accepts_events_of_any_age_without_age_limit() {
    let server = Server::start_with(&["--public-event-days", "0"]).await;
    send(&server, None, &days_ago(20_000, "a")).await.assert_counts(202, [1, 0, 0]);
}

#[tokio::test]
async fn public_event_ids_cannot_block_trusted_events() {
    let server = Server::start().await;
    let page = key(&server, json!({ "name": "page", "kind": "write", "origins": ["https://shop.example"] })).await;
    let backend = key(&server, json!({ "name": "backend", "kind": "write" })).await;
    let now = format!("{:.3}", jiff::Timestamp::now());
    let order = |number: u32, user: &str, total: &str| json!({ "eventId": format!("order-{number}"), "userId": user, "type": "purchase", "occurredAt": now, "properties": { "total": total } });
    let orders = |user: &str, total: &str| Value::from_iter((1000..1100).map(|number| order(number, user, total)));
    let (strangers, pages, ours) = (orders("stranger", "0.01"), orders("page", "0.02"), order(1001, "u1", "59.90"));
    let senders = [(None, &strangers, 100), (Some(page.as_str()), &pages, 100), (Some(backend.as_str()), &ours, 1)];
    for (token, events, count) in senders {
        send(&server, token, events).await.assert_counts(202, [count, 0, 0]);
    }
    for (token, events, count) in senders {
        send(&server, token, events).await.assert_counts(202, [0, count, 0]);
    }
    assert_eq!(server.get("/stats").await.json["totals"]["revenue"], json!([{ "currency": "USD", "amount": "62.90" }]));

    // All senders with a secret share one namespace of ids, and cannot overwrite the events of each other.
    send(&server, Some(server.token.as_str()), &ours).await.assert_counts(202, [0, 1, 0]);
    let forged = send(&server, Some(server.token.as_str()), &order(1001, "u2", "59.90")).await;
    forged.assert_error(400, "id_conflict");
    assert!(forged.text.contains("bd227026-4554-5fc0-9fe2-06a2c084bea1"), "{}", forged.text);
    let batch =
        json!([order(1001, "u2", "59.90"), order(1200, "u1", "1"), order(1200, "u3", "1"), order(1200, "u1", "1")]);
    let mixed = send(&server, Some(&backend), &batch).await;
    mixed.assert_counts(202, [1, 1, 2]);
    let codes: Vec<_> = mixed.json["results"].as_array().unwrap().iter().map(|result| &result["code"]).collect();
    assert_eq!(codes, ["id_conflict", "id_conflict", "duplicate"]);

    // The response contains the stored id.
    let answer = server.post("?results=all", order(1300, "u9", "1").to_string()).await;
    let stored = Sender::Anonymous.id(EventId::from_text("order-1300").unwrap()).to_string();
    assert_eq!(answer.json["results"][0]["eventId"], stored);
    assert_eq!(server.get("/users/u9/journey").await.json["events"][0]["eventId"], stored);
}

#[tokio::test]
async fn rejects_public_senders_when_disk_space_is_low() {
    let flags = ["--min-free-space", "8EiB", "--metrics-addr", "127.0.0.1:0"];
    let server = Server::start_with(&flags).await;
    let page = key(&server, json!({ "name": "page", "kind": "write", "origins": ["https://shop.example"] })).await;
    let backend = key(&server, json!({ "name": "backend", "kind": "write" })).await;
    for token in [None, Some(page.as_str())] {
        let refused = send(&server, token, &event("u1", "a")).await;
        refused.assert_error(503, "disk_space_low");
        assert_eq!(refused.header("retry-after"), Some("30"));
    }
    send(&server, Some(&backend), &event("u1", "a")).await.assert_counts(202, [1, 0, 0]);
    send(&server, Some(&server.token), &event("u1", "b")).await.assert_counts(202, [1, 0, 0]);
    let health = server.get("/health").await;
    assert_eq!(health.status, StatusCode::OK, "the server accepts events: {}", health.text);
    let disk = &health.json["checks"]["disk"];
    assert_eq!((&disk["status"], &disk["floorBytes"]), (&json!("low"), &json!(8_u64 << 60)));
    assert!(disk["freeBytes"].as_u64().unwrap() > 0, "{disk}");
    let metrics = server.ask_metrics(axum::http::Method::GET, "/metrics").await.text;
    assert!(metrics.contains("martech_public_ingest_stopped 1\n") && metrics.contains("martech_disk_free_bytes "));

    let server = Server::start_with(&["--min-free-space", "1B"]).await;
    send(&server, None, &event("u1", "a")).await.assert_counts(202, [1, 0, 0]);
    assert_eq!(server.get("/health").await.json["checks"]["disk"]["status"], "ok");
}

#[tokio::test]
async fn enforces_daily_event_quota_per_project() {
    let server = Server::start_with(&["--events-per-day", "5"]).await;
    let admin = format!("Bearer {}", server.token);
    let ask = async |method: &str, path: &str, body: Value| {
        server.send_json(method, path, &[("authorization", &admin)], &body).await
    };
    let made = ask("POST", "/admin/projects", json!({ "id": "berlin", "eventsPerDay": 2 })).await;
    assert_eq!((made.status, &made.json["eventsPerDay"]), (StatusCode::CREATED, &json!(2)), "{}", made.text);
    let batch = |from: usize, to: usize| json!((from..to).map(|n| event("u1", &format!("e{n}"))).collect::<Vec<_>>());
    let post = async |query: &str, body: Value| server.post(query, body.to_string()).await;
    post("", batch(0, 4)).await.assert_counts(202, [4, 0, 0]);
    // The quota admits a body as a whole. Duplicates do not count.
    post("", batch(0, 4)).await.assert_error(429, "quota_exceeded");
    post("", batch(3, 4)).await.assert_counts(202, [0, 1, 0]);
    let refused = post("", batch(4, 6)).await;
    refused.assert_error(429, "quota_exceeded");
    assert!(refused.json["message"].as_str().unwrap().contains("5 events a day, and 1 are left"), "{}", refused.text);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    post("", batch(4, 5)).await.assert_counts(202, [1, 0, 0]);
    // Another project has its own quota. A change of a quota takes effect at once.
    post("?project=berlin", batch(0, 2)).await.assert_counts(202, [2, 0, 0]);
    post("?project=berlin", batch(2, 3)).await.assert_error(429, "quota_exceeded");
    assert_eq!(ask("PATCH", "/admin/projects/berlin", json!({ "eventsPerDay": 0 })).await.status, StatusCode::OK);
    post("?project=berlin", batch(2, 9)).await.assert_counts(202, [7, 0, 0]);
    assert_eq!(
        ask("PATCH", "/admin/projects/berlin", json!({ "eventsPerDay": null })).await.json["eventsPerDay"],
        Value::Null
    );
    let wrong = ask("PATCH", "/admin/projects/berlin", json!({ "eventsPerDay": -1 })).await;
    wrong.assert_error(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn accepts_bodies_of_many_days() {
    let server = Server::start_with(&["--journal-size", "256KiB", "--roll-bytes", "64KiB"]).await;
    let on_days =
        |from: i64, to: i64| json!((from..to).map(|day| days_ago(day, &format!("d{day}"))).collect::<Vec<_>>());
    for from in (0..3000).step_by(1000) {
        send(&server, None, &on_days(from, from + 1000)).await.assert_counts(202, [1000, 0, 0]);
    }
    let lake = server.get("/health").await.json["checks"]["lake"].clone();
    assert_eq!(lake["events"], 3000);
    assert!(lake["files"].as_u64().is_some_and(|files| files <= 200), "{lake}");
}
