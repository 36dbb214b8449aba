//! Clients that withhold the last bytes of a body, so that it holds memory that other bodies need.

use futures_util::future::select_all;
use serde_json::json;

use crate::harness::{Raw, Server, event};

/// Sends `sent` of the `promised` bytes of a body, from the address `from`.
async fn hold(server: &Server, path: &str, from: &str, promised: usize, sent: usize) -> Raw {
    let mut raw = server.connect().await;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Forwarded-For: {from}\r\nContent-Length: {promised}\r\n\r\n"
    );
    raw.write(head).await;
    raw.write(" ".repeat(sent)).await;
    raw
}

/// Returns a body of one event, padded with spaces to `bytes` bytes.
fn padded(id: &str, bytes: usize) -> String {
    let event = json!([event("u1", id)]).to_string();
    format!("{event}{}", " ".repeat(bytes - event.len()))
}

#[tokio::test]
async fn displaces_slowest_body_and_accepts_other_senders() {
    let flags = ["--max-bodies", "4MiB", "--max-batch-body", "1MiB", "--trusted-proxies", "127.0.0.1"];
    let server = Server::start_with(
        &[&flags[..], &["--body-idle-timeout", "1h", "--body-timeout", "1h", "--min-body-rate", "0B"]].concat(),
    )
    .await;
    // An eighth of the memory is reserved for small bodies. These four fill the rest.
    let mut held = Vec::new();
    for last in 1..=4 {
        held.push(hold(&server, "/events", &format!("192.0.2.{last}"), 1 << 20, 917_500).await);
    }
    while server.get("/health").await.json["checks"]["bodies"]["bytes"].as_u64().unwrap() < 4 * 917_500 {
        tokio::task::yield_now().await;
    }
    let honest = [("content-type", "application/json"), ("x-forwarded-for", "198.51.100.1")];
    let small = server.post_as("", &honest, event("u1", "small").to_string()).await;
    small.assert_counts(202, [1, 0, 0]);
    // The server accepts a larger body as soon as it has measured that the others are slower.
    let large = padded("large", 200_000);
    loop {
        let answer = server.post_as("", &honest, large.clone()).await;
        if answer.status != 429 {
            answer.assert_counts(202, [1, 0, 0]);
            break;
        }
        answer.assert_error(429, "overloaded");
    }
    let (first, ..) = select_all(held.iter_mut().map(|raw| Box::pin(raw.answer()))).await;
    first.assert_error(408, "body_displaced");
}

#[tokio::test]
async fn stalled_bodies_do_not_block_sign_ins() {
    let server =
        Server::start_with(&["--trusted-proxies", "127.0.0.1", "--body-idle-timeout", "1h", "--min-body-rate", "0B"])
            .await;
    // Bodies of account requests may hold 8 MiB in total.
    let mut held = Vec::new();
    for number in 0..140 {
        held.push(hold(&server, "/api/auth/sign-in/email", &format!("192.0.2.{}", number % 7), 65_536, 65_000).await);
    }
    let (first, ..) = select_all(held.iter_mut().map(|raw| Box::pin(raw.answer()))).await;
    assert!(["body_displaced", "overloaded"].contains(&first.json["code"].as_str().unwrap()), "{}", first.text);
    let body = json!({ "email": "olga@shop.example", "password": "correct horse" });
    for _ in 0..3 {
        let answer =
            server.send_json("POST", "/api/auth/sign-in/email", &[("x-forwarded-for", "198.51.100.1")], &body).await;
        answer.assert_error(401, "INVALID_EMAIL_OR_PASSWORD");
    }
}
