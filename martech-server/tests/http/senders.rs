//! What senders may do, by how they show who they are.

use serde_json::{Value, json};

use crate::harness::{Answer, Server};

/// An event of so many days ago.
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
async fn public_senders_send_events_of_the_last_days_only() {
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
    assert_eq!(user["events"], 6, "two of public senders, four of the others: {user}");
}

#[tokio::test]
async fn public_senders_send_events_of_any_age_where_that_is_settled() {
    let server = Server::start_with(&["--public-event-days", "0"]).await;
    send(&server, None, &days_ago(20_000, "a")).await.assert_counts(202, [1, 0, 0]);
}
