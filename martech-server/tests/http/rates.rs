//! Rate limits, as clients see them. The unit tests of `limits` check the waiting times with a fake clock.

use axum::http::Method;
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, event};

/// Starts a server that does not exempt local addresses from rate limits.
async fn start(flags: &[&str]) -> Server {
    Server::start_with(&[&["--rate-exempt", "", "--trusted-proxies", "127.0.0.1"], flags].concat()).await
}

async fn send(server: &Server, from: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = [&[("x-forwarded-for", from)], headers].concat();
    server.send_json("POST", "/events", &headers, &event("u1", "a")).await
}

/// Returns the parameters of one policy in a header field: `r` and `t`, or `q` and `w`.
fn told(answer: &Answer, field: &str, policy: &str) -> Vec<(String, u64)> {
    let value = answer.header(field).unwrap_or_else(|| panic!("there is no {field}: {answer:?}"));
    let item = value.split(", ").find_map(|item| item.strip_prefix(&format!("\"{policy}\";")));
    let parameters = item.unwrap_or_else(|| panic!("{value} says nothing of {policy}")).split(';');
    parameters
        .map(|one| one.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[track_caller]
fn assert_limited(answer: &Answer, policy: &str) {
    answer.assert_error(429, "rate_limited");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(told(answer, "ratelimit", policy), [("r".to_owned(), 0), ("t".to_owned(), wait)]);
}

#[tokio::test]
async fn limits_requests_per_address() {
    let server = start(&["--rate-per-address", "2/1h"]).await;
    for left in [1, 0] {
        let answer = send(&server, "192.0.2.1", &[]).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(told(&answer, "ratelimit-policy", "address"), [("q".to_owned(), 2), ("w".to_owned(), 3600)]);
        assert_eq!(told(&answer, "ratelimit", "address")[0], ("r".to_owned(), left));
    }
    let refused = send(&server, "192.0.2.1", &[]).await;
    assert_limited(&refused, "address");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1700..=1800).contains(&wait), "{wait}");
    // An `X-Forwarded-For` entry of the client itself is ignored. An IPv6 /64 counts as one address.
    assert_limited(&send(&server, "203.0.113.5, 192.0.2.1", &[]).await, "address");
    for (from, status) in [("192.0.2.2", 202), ("2001:db8::1", 202), ("2001:db8::2", 202), ("2001:db8::3", 429)] {
        assert_eq!(send(&server, from, &[]).await.status, status, "{from}");
    }
    // The limit counts no other routes.
    let stats = server.get("/stats").await;
    assert_eq!((stats.status.as_u16(), stats.json["totals"]["events"].as_u64()), (200, Some(0)), "{}", stats.text);
    assert_eq!(server.get("/livez").await.header("ratelimit"), None);
}

#[tokio::test]
async fn limits_requests_per_key_across_addresses() {
    let server = start(&["--rate-per-key", "2/1h"]).await;
    let admin = format!("Bearer {}", server.token);
    let make = async |kind: &str| {
        let body = json!({ "name": "mine", "kind": kind });
        let made = server.send_json("POST", "/admin/keys", &[("authorization", &admin)], &body).await;
        format!("Bearer {}", made.json["key"].as_str().unwrap())
    };
    let (one, other) = (make("write").await, make("write").await);
    for from in ["192.0.2.1", "192.0.2.2"] {
        let answer = send(&server, from, &[("authorization", &one)]).await;
        assert_eq!(answer.status, 202);
        assert_eq!(told(&answer, "ratelimit", "address")[0], ("r".to_owned(), 4999));
        assert_eq!(told(&answer, "ratelimit-policy", "key")[0], ("q".to_owned(), 2));
    }
    assert_limited(&send(&server, "192.0.2.3", &[("authorization", &one)]).await, "key");
    assert_eq!(send(&server, "192.0.2.3", &[("authorization", &other)]).await.status, 202);
    // An unknown key counts only against its address.
    let guess = send(&server, "192.0.2.4", &[("authorization", "Bearer mt_write_guess")]).await;
    guess.assert_error(401, "invalid_key");
    assert!(!guess.header("ratelimit").unwrap().contains("key"), "{guess:?}");
}

#[tokio::test]
async fn counts_reads_before_authentication() {
    let server = start(&["--rate-reads", "3/1h"]).await;
    let ask = async |path: &str, from: &str, token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [("x-forwarded-for", from), ("authorization", &authorization)];
        server.send_json("GET", path, &headers, &Value::Null).await
    };
    for path in ["/users", "/admin/audit", "/api/auth/get-session"] {
        let answer = ask(path, "192.0.2.1", "wrong").await;
        assert!(answer.status != 429 && answer.header("ratelimit").is_some(), "{path}: {}", answer.text);
    }
    for path in ["/stats", "/users/u1/journey", "/admin/keys", "/api/auth/list-sessions", "/api-docs/", "/sign-up"] {
        assert_limited(&ask(path, "192.0.2.1", &server.token).await, "address");
    }
    assert_eq!(ask("/stats", "192.0.2.2", &server.token).await.status, 200);
    assert_eq!(send(&server, "192.0.2.1", &[]).await.status, 202);

    let admin = format!("Bearer {}", server.token);
    let headers = [("authorization", admin.as_str()), ("x-forwarded-for", "192.0.2.3")];
    let made = server.send_json("POST", "/admin/keys", &headers, &json!({ "name": "mine", "kind": "read" })).await;
    let key = made.json["key"].as_str().unwrap();
    for from in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        assert_eq!(ask("/users", from, key).await.status, 200);
    }
    assert_limited(&ask("/users", "198.51.100.4", key).await, "key");
}

#[tokio::test]
async fn exposes_rate_limit_headers_to_allowed_origins() {
    let server = start(&["--rate-per-address", "1/1h", "--allowed-origins", "https://shop.example"]).await;
    let origin = [("origin", "https://shop.example")];
    assert_eq!(send(&server, "192.0.2.1", &origin).await.status, 202);
    let refused = send(&server, "192.0.2.1", &origin).await;
    assert_limited(&refused, "address");
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://shop.example"));
    assert!(refused.header("access-control-expose-headers").unwrap().contains("ratelimit"));
    // Preflight requests do not count.
    let request = server.request(Method::OPTIONS, "/events").header("x-forwarded-for", "192.0.2.1");
    assert_eq!(server.send(request.body(Full::default()).unwrap()).await.status, 204);
}

#[tokio::test]
async fn rejects_over_limit_requests_without_parsing_the_body() {
    let server = start(&["--rate-per-address", "1/1h"]).await;
    let request = |body: &'static [u8]| {
        let request = server.request(Method::POST, "/events").header("content-type", "application/json");
        server.send(request.body(Full::new(Bytes::from_static(body))).unwrap())
    };
    request(b"{").await.assert_error(400, "malformed_json");
    assert_limited(&request(b"{").await, "address");
    assert_limited(&request(&[b' '; 60_000]).await, "address");
    let mut raw = server.connect().await;
    raw.write("POST /events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n").await;
    assert_limited(&raw.answer().await, "address");
}

#[tokio::test]
async fn exempts_private_networks_by_default() {
    let server = Server::start_with(&["--rate-per-address", "1/1h", "--rate-reads", "1/1h"]).await;
    for _ in 0..3 {
        let answer = server.post("", event("u1", "a").to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (202, None));
        assert_eq!(server.get("/users").await.status, 200);
    }
    let server = Server::start_with(&["--rate-per-address", "1/1h", "--trusted-proxies", "127.0.0.1"]).await;
    for (from, status) in [("10.1.2.3", 202), ("10.1.2.3", 202), ("192.0.2.1", 202), ("192.0.2.1", 429)] {
        assert_eq!(send(&server, from, &[]).await.status, status, "{from}");
    }
    let server =
        start(&["--rate-per-address", "off", "--rate-per-key", "off", "--rate-bytes-per-address", "off"]).await;
    assert_eq!(send(&server, "192.0.2.1", &[]).await.header("ratelimit-policy"), None);
}

#[tokio::test]
async fn limits_decompressed_bytes_per_address() {
    let server = start(&["--rate-bytes-per-address", "1000B/1h"]).await;
    let body = event("u1", "a").to_string();
    let packed = zstd::encode_all(format!("{body}{}", " ".repeat(600 - body.len())).as_bytes(), 3).unwrap();
    let send = async |from: &str| {
        let headers = [("content-type", "application/json"), ("content-encoding", "zstd"), ("x-forwarded-for", from)];
        server.post_as("", &headers, packed.clone()).await
    };
    let answer = send("192.0.2.1").await;
    answer.assert_counts(202, [1, 0, 0]);
    assert!(answer.header("ratelimit-policy").unwrap().contains("\"bytes\";q=1000;qu=\"content-bytes\";w=3600"));
    assert_eq!(told(&answer, "ratelimit", "bytes"), [("r".to_owned(), 400), ("t".to_owned(), 2160)]);
    let refused = send("192.0.2.1").await;
    assert_limited(&refused, "bytes");
    assert!(refused.json["message"].as_str().unwrap().contains("its limit of 1000 bytes/3600s"), "{}", refused.text);
    // The missing 200 bytes are available again after a fifth of the hour.
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((700..=720).contains(&wait), "{wait}");
    assert_eq!(send("192.0.2.2").await.status, 202);
}
