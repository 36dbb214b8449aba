//! `GET /admin/rejects`: why events did not arrive.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, event};

const JSON: (&str, &str) = ("content-type", "application/json");
const SHOP: &str = "https://shop.example";

/// Sends a request with the admin token, which must succeed.
async fn admin(server: &Server, method: &str, path: &str, body: Value) -> Value {
    let bearer = format!("Bearer {}", server.token);
    let answer = server.send_json(method, path, &[("authorization", &bearer)], &body).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    answer.json
}

/// Creates a key, and returns its secret and its record.
async fn key(server: &Server, project: &str, kind: &str, origins: &[&str]) -> (String, Value) {
    let wanted = json!({ "name": "storefront", "kind": kind, "origins": origins });
    let made = admin(server, "POST", &format!("/admin/keys?project={project}"), wanted).await;
    (made["key"].as_str().unwrap().to_owned(), made)
}

/// Returns the rejections of a project, newest first.
async fn rejects(server: &Server, project: &str) -> Vec<Value> {
    let answer = server.get(&format!("/admin/rejects?limit=1000&project={project}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["rejects"].as_array().unwrap().clone()
}

/// Returns the rejections of the default project with their code, status and count.
async fn codes(server: &Server) -> Vec<(String, u64, u64)> {
    let entry = |entry: &Value| {
        let status = entry["status"].as_u64().unwrap_or(0);
        (entry["code"].as_str().unwrap().to_owned(), status, entry["count"].as_u64().unwrap())
    };
    rejects(server, "default").await.iter().map(entry).collect()
}

fn named(code: &str, status: u64, count: u64) -> (String, u64, u64) {
    (code.to_owned(), status, count)
}

#[tokio::test]
async fn lists_events_of_a_body_that_is_accepted_otherwise() {
    let server = Server::start().await;
    server.post("", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    let mut wrong_time = event("u1", "c");
    (wrong_time["type"], wrong_time["occurredAt"]) = ("search".into(), "soon".into());
    // A stored event, a duplicate, an event without a type, one with a wrong time, and a conflict.
    let body = json!([event("u1", "b"), event("u1", "a"), { "userId": "u1" }, wrong_time, event("u2", "a")]);
    let headers = [JSON, ("origin", SHOP), ("user-agent", "Browser/1.0"), ("x-request-id", "r-1")];
    server.post_as("", &headers, body.to_string()).await.assert_counts(202, [1, 1, 3]);
    let found = rejects(&server, "default").await;
    let details = |entry: &Value| ["code", "field", "index", "eventType"].map(|name| entry[name].clone());
    let found_details: Vec<_> = found.iter().map(details).collect();
    let expected = [
        [json!("id_conflict"), Value::Null, json!(4), json!("page_view")],
        [json!("invalid_time"), json!("occurredAt"), json!(3), json!("search")],
        [json!("missing_field"), json!("type"), json!(2), Value::Null],
    ];
    assert_eq!(found_details, expected);
    for entry in &found {
        assert_eq!((&entry["status"], &entry["count"]), (&json!(202), &json!(1)), "{entry}");
        assert_eq!((&entry["origin"], &entry["userAgent"]), (&json!(SHOP), &json!("Browser/1.0")));
        assert_eq!((&entry["requestId"], entry.get("key")), (&json!("r-1"), None));
        assert!(entry["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
}

/// The query, the headers and the body of a request, and the status and the code of its response.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u64, &'a str);

#[tokio::test]
async fn lists_bodies_and_events_that_are_rejected_as_a_whole() {
    let server = Server::start_with(&["--max-body", "64KiB", "--max-batch-body", "128KiB"]).await;
    let good = event("u1", "a").to_string();
    let unknown = json!({ "userId": "u1", "type": "wishlist" }).to_string();
    let large = json!({ "userId": "u1", "type": "search", "properties": { "text": "x".repeat(40_000) } }).to_string();
    let gzip = [JSON, ("content-encoding", "gzip")];
    let brotli = [JSON, ("content-encoding", "br")];
    let cases: [Case<'_>; 11] = [
        ("", &[JSON], "{\"userId\":", 400, "malformed_json"),
        ("", &[("content-type", "text/html")], &good, 415, "unsupported_media_type"),
        ("", &brotli, &good, 415, "unsupported_encoding"),
        ("", &gzip, &good, 400, "malformed_encoding"),
        ("", &[JSON], &" ".repeat(200_000), 413, "body_too_large"),
        ("", &[JSON], &large, 413, "event_too_large"),
        ("", &[JSON], &unknown, 400, "unknown_type"),
        ("", &[JSON], "[]", 400, "empty_batch"),
        ("?ack=never", &[JSON], &good, 400, "invalid_parameter"),
        ("?project=nowhere", &[JSON], &good, 404, "no_such_project"),
        ("?key=mt_write_x&project=nowhere", &[JSON], &good, 401, "invalid_key"),
    ];
    for (query, headers, body, status, code) in cases {
        let answer = server.post_as(query, headers, body.to_owned()).await;
        answer.assert_error(status as u16, code);
        let found = rejects(&server, "default").await.remove(0);
        assert_eq!((&found["code"], &found["status"]), (&json!(code), &json!(status)));
        for name in ["message", "field", "index", "requestId"] {
            assert_eq!(found.get(name), answer.json.get(name), "{code}: {name}");
        }
    }
    assert_eq!(rejects(&server, "default").await.len(), cases.len());
    // A single event that the store rejects.
    server.post("", good).await.assert_counts(202, [1, 0, 0]);
    server.post("", event("u2", "a").to_string()).await.assert_error(400, "id_conflict");
    assert_eq!(codes(&server).await[0], named("id_conflict", 400, 1));
}

#[tokio::test]
async fn names_the_key_and_the_origin_of_a_page() {
    let server = Server::start_with(&["--public-ingest", "off"]).await;
    admin(&server, "POST", "/admin/projects", json!({ "id": "berlin" })).await;
    let (page, record) = key(&server, "berlin", "write", &[SHOP]).await;
    let (read, _) = key(&server, "berlin", "read", &[]).await;
    let body = event("u1", "a").to_string();
    let elsewhere = ("origin", "https://www.shop.example");
    // A beacon, which cannot see the response, and a preflight, after which the page sends nothing.
    let beacon = [("content-type", "text/plain"), elsewhere];
    let query = format!("?key={page}");
    server.post_as(&query, &beacon, body.clone()).await.assert_error(403, "origin_not_allowed");
    let preflight = async |query: &str, origin: &str| {
        let asks = [("origin", origin), ("access-control-request-method", "POST"), ("x-request-id", "preflight")];
        server.send_with("OPTIONS", &format!("/events{query}"), &asks, "").await.status.as_u16()
    };
    assert_eq!(preflight(&query, "https://other.example").await, 403);
    assert_eq!(preflight("?project=berlin", "https://third.example").await, 403);
    assert_eq!(preflight(&query, SHOP).await, 204);
    server.post_as(&format!("{query}&project=default"), &[JSON], body.clone()).await.assert_error(403, "forbidden");
    server.post_as(&format!("?key={read}"), &[JSON], body.clone()).await.assert_error(403, "forbidden");
    server.post_as("?project=berlin", &[JSON], body).await.assert_error(401, "unauthorized");

    let found = rejects(&server, "berlin").await;
    let codes: Vec<_> = found.iter().rev().map(|entry| entry["code"].as_str().unwrap()).collect();
    let origins = ["origin_not_allowed"; 3];
    assert_eq!(codes, [&origins[..], &["forbidden", "forbidden", "unauthorized"]].concat());
    let expected = json!({ "id": record["id"], "name": "storefront", "hint": &page[page.len() - 4..] });
    let keys: Vec<_> = found.iter().rev().map(|entry| entry.get("key")).collect();
    assert_eq!(
        [keys[0], keys[1], keys[2], keys[3], keys[5]],
        [Some(&expected), Some(&expected), None, Some(&expected), None]
    );
    assert!(keys[4].is_some_and(|key| *key != expected));
    assert_eq!((&found[5]["origin"], &found[4]["origin"]), (&json!(elsewhere.1), &json!("https://other.example")));
    assert_eq!((&found[4]["requestId"], &found[4]["status"]), (&json!("preflight"), &json!(403)));
    assert_eq!(rejects(&server, "default").await.len(), 0);
    // No entry contains a secret or the address of a client.
    let text = server.get("/admin/rejects?project=berlin").await.text;
    assert!(!text.contains(&page) && !text.contains(&read) && !text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn collapses_refusals_of_load_and_counts_events_of_large_bodies() {
    let flags = ["--rate-exempt", "", "--trusted-proxies", "127.0.0.1", "--rate-per-address", "3/1h"];
    let server = Server::start_with(&[&flags[..], &["--events-per-day", "1"]].concat()).await;
    let send = async |from: &str, body: Value| {
        server.send_json("POST", "/events", &[("x-forwarded-for", from)], &body).await.status.as_u16()
    };
    assert_eq!(send("192.0.2.1", event("u1", "a")).await, 202);
    assert_eq!(send("192.0.2.1", event("u1", "b")).await, 429);
    assert_eq!(codes(&server).await, [named("quota_exceeded", 429, 1)]);
    // Two kinds of wrong events, of which the response lists a hundred in full.
    let wrong: Vec<Value> = (0..150).map(|n| if n % 2 == 0 { json!({}) } else { json!({ "userId": "u1" }) }).collect();
    assert_eq!(send("192.0.2.1", wrong.into()).await, 400);
    for _ in 0..40 {
        assert_eq!(send("192.0.2.1", event("u1", "c")).await, 429);
    }
    let found = rejects(&server, "default").await;
    let counts: Vec<_> = found.iter().map(|entry| (&entry["code"], &entry["field"], &entry["count"])).collect();
    let (limited, missing, over) = (json!("rate_limited"), json!("missing_field"), json!("quota_exceeded"));
    let expected = [
        (&limited, &Value::Null, &json!(40)),
        (&missing, &Value::Null, &json!(50)),
        (&missing, &json!("type"), &json!(50)),
        (&missing, &json!("userId"), &json!(50)),
        (&over, &Value::Null, &json!(1)),
    ];
    assert_eq!(counts, expected);
    let times =
        |entry: &Value| [entry["at"].as_str().unwrap().to_owned(), entry["lastAt"].as_str().unwrap().to_owned()];
    let [at, last_at] = times(&found[0]);
    assert!(at <= last_at, "{at} {last_at}");
}

#[tokio::test]
async fn lists_accepted_events_that_the_store_rejects_later() {
    let server = Server::start().await;
    server.post("", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    server.post("?ack=buffered", event("u2", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    while rejects(&server, "default").await.is_empty() {
        tokio::task::yield_now().await;
    }
    let found = rejects(&server, "default").await.remove(0);
    assert_eq!((&found["code"], &found["eventType"]), (&json!("id_conflict"), &json!("page_view")));
    assert_eq!((found.get("status"), found.get("requestId")), (None, None), "its sender was told that it is accepted");
}

#[tokio::test]
async fn has_pages_and_needs_an_admin_of_the_project() {
    let server = Server::start().await;
    server.post("", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    assert_eq!(server.get("/admin/rejects").await.json, json!({ "rejects": [] }), "accepted events leave no trace");
    for n in 0..7 {
        let unknown = json!([{ "userId": "u1", "type": "search", format!("f{n}"): 1 }]);
        server.post("", unknown.to_string()).await.assert_error(400, "no_valid_events");
    }
    let (mut fields, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/admin/rejects?limit=3{cursor}")).await;
        let entries = page.json["rejects"].as_array().unwrap_or_else(|| panic!("{}", page.text));
        assert!(entries.len() <= 3);
        fields.extend(entries.iter().map(|entry| entry["field"].as_str().unwrap().to_owned()));
        let Some(next) = page.json["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(fields, ["f6", "f5", "f4", "f3", "f2", "f1", "f0"]);
    for (query, field) in [("?cursor=x", "cursor"), ("?cursor=%2b000000000000001", "cursor"), ("?code=x", "code")] {
        let answer = server.get(&format!("/admin/rejects{query}")).await;
        answer.assert_error(400, "invalid_parameter").assert_field(field);
    }
    let (read, _) = key(&server, "default", "read", &[]).await;
    let ask = async |headers: &[(&str, &str)]| server.send_with("GET", "/admin/rejects", headers, "").await;
    ask(&[]).await.assert_error(401, "unauthorized");
    ask(&[("authorization", &format!("Bearer {read}"))]).await.assert_error(403, "forbidden");
    server.get("/admin/rejects?project=nowhere").await.assert_error(404, "no_such_project");
    let request = server.request(Method::DELETE, "/admin/rejects").body(Default::default()).unwrap();
    server.send(request).await.assert_error(405, "method_not_allowed");
}
