//! `POST /events`: statuses, counts, results.

use martech_core::event::{EventId, Sender};
use serde_json::{Value, json};

use crate::harness::{Server, event};

fn batch(events: &[Value]) -> String {
    Value::from(events).to_string()
}

#[tokio::test]
async fn returns_an_accepted_event_in_the_journey() {
    let server = Server::start().await;
    let sent = json!({
        "eventId": "018f0000-0000-7000-8000-000000000001", "userId": "u1", "type": "purchase",
        "occurredAt": "2026-01-05T10:00:00.250Z", "sessionId": "s1", "anonymousId": "a1",
        "properties": { "total": 12.50, "big": 123456789012345678901234567890u128 as f64, "nested": { "list": [null, "é\u{1F600}"] } },
    });
    let answer = server.post("", sent.to_string()).await;
    answer.assert_counts(202, [1, 0, 0]);
    assert_eq!(answer.json["results"], json!([]));

    let journey = server.get("/users/u1/journey").await;
    let shown = &journey.json["events"][0];
    let id = Sender::Anonymous.id(EventId::from_text(sent["eventId"].as_str().unwrap()).unwrap());
    assert_eq!(shown["eventId"], id.to_string(), "ids of anonymous senders are in a namespace of their own");
    for field in ["type", "occurredAt", "sessionId", "anonymousId", "properties"] {
        assert_eq!(shown[field], sent[field], "{field}");
    }
    assert!(shown["receivedAt"].is_string());
    assert!(journey.json.get("nextCursor").is_none());
}

#[tokio::test]
async fn preserves_properties_byte_for_byte() {
    let server = Server::start().await;
    let properties = r#"{"a":1.50,"b":1e400,"c":123456789012345678901234567890,"d":"\u00e9\n","e":[],"f":{},"g":null}"#;
    let sent = format!(
        r#"{{"eventId":"exact","userId":"u1","type":"search","occurredAt":1767607200000,"properties":{properties}}}"#
    );
    server.post("", sent).await.assert_counts(202, [1, 0, 0]);
    let journey = server.get("/users/u1/journey").await;
    assert!(journey.text.contains(properties), "{}", journey.text);
}

#[tokio::test]
async fn each_ack_level_has_its_status() {
    let server = Server::start().await;
    for (ack, status) in [("buffered", 202), ("durable", 202), ("stored", 200)] {
        server.post(&format!("?ack={ack}"), event("u1", ack).to_string()).await.assert_counts(status, [1, 0, 0]);
    }
    server
        .post("?ack=soon", event("u1", "x").to_string())
        .await
        .assert_error(400, "invalid_parameter")
        .assert_field("ack");
    server.post("?results=some", "{}").await.assert_error(400, "invalid_parameter").assert_field("results");
    server.post("?acks=stored", "{}").await.assert_error(400, "invalid_parameter").assert_field("acks");
}

#[tokio::test]
async fn retry_is_idempotent() {
    let server = Server::start().await;
    let body = batch(&[event("u1", "a"), event("u1", "b")]);
    server.post("", body.clone()).await.assert_counts(202, [2, 0, 0]);
    let retry = server.post("?ack=stored", body).await;
    retry.assert_counts(200, [0, 2, 0]);
    assert_eq!(retry.json["results"][1]["index"], 1);
    assert_eq!(retry.json["results"][1]["status"], "duplicate");
    assert_eq!(server.get("/users/u1/journey").await.json["events"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn deduplicates_ids_within_a_batch() {
    let server = Server::start().await;
    let answer = server.post("", batch(&[event("u1", "same"), event("u1", "other"), event("u1", "same")])).await;
    answer.assert_counts(202, [2, 1, 0]);
    assert_eq!(answer.json["results"].as_array().unwrap().len(), 1);
    assert_eq!(answer.json["results"][0]["index"], 2);
}

#[tokio::test]
async fn accepts_valid_events_and_locates_each_fault() {
    let server = Server::start().await;
    let mut unknown_type = event("u1", "b");
    unknown_type["type"] = json!("page_veiw");
    let mut no_user = event("u1", "d");
    no_user.as_object_mut().unwrap().remove("userId");
    let answer = server.post("", batch(&[event("u1", "a"), unknown_type, event("u1", "c"), no_user, json!(7)])).await;
    answer.assert_counts(202, [2, 0, 3]);
    let results = answer.json["results"].as_array().unwrap();
    let told: Vec<_> = results.iter().map(|result| (result["index"].as_u64(), result["status"].as_str())).collect();
    assert_eq!(told, [(Some(1), Some("rejected")), (Some(3), Some("rejected")), (Some(4), Some("rejected"))]);
    assert_eq!((&results[0]["code"], &results[0]["field"]), (&json!("unknown_type"), &json!("type")));
    assert!(results[0]["message"].as_str().unwrap().contains("MARTECH_EVENT_TYPES"), "{}", answer.text);
    assert_eq!(results[1]["code"], "missing_field");
    assert_eq!(results[2]["code"], "wrong_type");
}

#[tokio::test]
async fn results_all_lists_every_event_with_its_id() {
    let server = Server::start().await;
    let made = json!({ "userId": "u1", "type": "page_view" });
    let answer = server.post("?results=all", batch(&[made, json!({}), event("u1", "a")])).await;
    answer.assert_counts(202, [2, 0, 1]);
    let results = answer.json["results"].as_array().unwrap();
    let told: Vec<_> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!(told, ["accepted", "rejected", "accepted"]);
    let id = results[0]["eventId"].as_str().unwrap();
    assert!(server.get("/users/u1/journey").await.text.contains(id));
}

/// 332 bytes of gzip can hold 100,000 invalid events.
#[tokio::test]
async fn bounds_the_response_and_summarizes_further_results() {
    let server = Server::start().await;
    let faults = format!("[{}]", ["{}"; 100_000].join(","));
    for query in ["", "?results=all"] {
        let answer = server.post(query, faults.clone()).await;
        answer.assert_error(400, "no_valid_events").assert_counts(400, [0, 0, 100_000]);
        assert_eq!(answer.json["results"].as_array().unwrap().len(), 100);
        let more = json!([{ "status": "rejected", "code": "missing_field", "count": 99_900, "indices": "100-99999" }]);
        assert_eq!(answer.json["more"], more);
        assert!(answer.text.len() < 32 << 10, "{} bytes", answer.text.len());
    }
    // The summary also covers a retry that mixes duplicates and faults.
    let events: Vec<Value> =
        (0..300).map(|n| if n % 3 == 0 { json!({}) } else { event("u1", &format!("e{n}")) }).collect();
    server.post("", batch(&events)).await.assert_counts(202, [200, 0, 100]);
    let answer = server.post("", batch(&events)).await;
    answer.assert_counts(202, [0, 200, 100]);
    let more = answer.json["more"].as_array().unwrap();
    let told: Vec<_> =
        more.iter().map(|more| (more["code"].as_str().unwrap(), more["count"].as_u64().unwrap())).collect();
    assert_eq!(told, [("duplicate", 134), ("missing_field", 66)]);
    assert!(more[0]["indices"].as_str().unwrap().starts_with("100-101,103-104,"));
    assert!(more[1]["indices"].as_str().unwrap().starts_with("102,105,"));
}

#[tokio::test]
async fn rejects_batch_without_valid_events_and_lists_faults() {
    let server = Server::start().await;
    let answer = server.post("", r#"[{"userId":"u1"},{"type":"page_view"}]"#).await;
    answer.assert_error(400, "no_valid_events").assert_counts(400, [0, 0, 2]);
    assert_eq!(answer.json["results"].as_array().unwrap().len(), 2);
    let single = server.post("", r#"{"userId":"","type":"page_view"}"#).await;
    single.assert_error(400, "empty_value").assert_field("userId");
    assert_eq!(single.json["index"], 0);
}

#[tokio::test]
async fn accepts_wrapped_batches_and_ndjson() {
    let server = Server::start().await;
    let wrapped = json!({ "events": [event("u1", "a")], "sentAt": "2026-01-05T10:00:00Z" });
    server.post("", wrapped.to_string()).await.assert_counts(202, [1, 0, 0]);
    let lines = format!("{}\n\n{}\r\n{{broken\n", event("u1", "b"), event("u1", "c"));
    let answer = server.post_as("", &[("content-type", "application/x-ndjson")], lines).await;
    answer.assert_counts(202, [2, 0, 1]);
    assert_eq!(answer.json["results"][0]["code"], "malformed_json");
}

#[tokio::test]
async fn accepts_configured_event_types() {
    let server = Server::start_with(&["--event-types", "wishlist_add"]).await;
    let body = json!({ "userId": "u1", "type": "wishlist_add" });
    server.post("", body.to_string()).await.assert_counts(202, [1, 0, 0]);
}

#[tokio::test]
async fn accepts_batches_larger_than_the_queue() {
    let server = Server::start_with(&["--queue-events", "100"]).await;
    let events: Vec<Value> = (0..1_050).map(|n| event("u1", &format!("e{n}"))).collect();
    server.post("", batch(&events)).await.assert_counts(202, [1_050, 0, 0]);
    assert_eq!(server.get("/users").await.json["users"][0]["events"], 1_050);
    // The retry finds every event of the first request.
    server.post("", batch(&events)).await.assert_counts(202, [0, 1_050, 0]);
}

#[tokio::test]
async fn full_queue_returns_429_with_retry_after() {
    let server = Server::start_with(&["--queue-events", "1"]).await;
    let mut n = 0;
    let refused = loop {
        n += 1;
        // Both requests are in flight before the server can store either event.
        let [first, second] = [event("u1", &format!("a{n}")), event("u1", &format!("b{n}"))].map(|e| e.to_string());
        let (first, second) = tokio::join!(server.post("", first), server.post("", second));
        if let Some(refused) = [first, second].into_iter().find(|answer| answer.status != 202) {
            break refused;
        }
    };
    refused.assert_error(429, "queue_full");
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
}
