//! Compression, limits, timeouts and faults of request bodies.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::harness::{Server, event};

const JSON: (&str, &str) = ("content-type", "application/json");
const MIB: usize = 1 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns a valid batch of about `bytes` bytes.
fn large_batch(bytes: usize) -> Vec<u8> {
    let filler = "x".repeat(16 * 1024);
    let mut body = b"[".to_vec();
    for n in 0..bytes / (16 * 1024 + 120) {
        let mut event = event("u1", &format!("large-{n}"));
        event["properties"] = json!({ "filler": filler });
        if n > 0 {
            body.push(b',');
        }
        body.extend_from_slice(event.to_string().as_bytes());
    }
    body.push(b']');
    body
}

#[tokio::test]
async fn accepts_gzip_and_zstd_bodies() {
    let server = Server::start().await;
    let body = event("u1", "a").to_string();
    let answer = server.post_as("", &[JSON, ("content-encoding", "gzip")], gzip(body.as_bytes())).await;
    answer.assert_counts(202, [1, 0, 0]);
    let packed = zstd::encode_all(body.as_bytes(), 3).unwrap();
    server.post_as("", &[JSON, ("content-encoding", "zstd")], packed).await.assert_counts(202, [0, 1, 0]);
    server.post_as("", &[JSON, ("content-encoding", "identity")], body).await.assert_counts(202, [0, 1, 0]);
}

#[tokio::test]
async fn rejects_unsupported_encodings_and_media_types() {
    let server = Server::start().await;
    for encoding in ["br", "deflate", "gzip, zstd", ""] {
        let answer = server.post_as("", &[JSON, ("content-encoding", encoding)], "{}").await;
        answer.assert_error(415, "unsupported_encoding").assert_field("Content-Encoding");
    }
    for media in ["text/html", "application/x-www-form-urlencoded", "application/json; charset=utf-16"] {
        let answer = server.post_as("", &[("content-type", media)], "{}").await;
        answer.assert_error(415, "unsupported_media_type").assert_field("Content-Type");
    }
    server.post_as("", &[], "{}").await.assert_error(415, "unsupported_media_type");
}

#[tokio::test]
async fn rejects_bodies_that_fail_to_decompress() {
    let server = Server::start().await;
    let whole = gzip(event("u1", "a").to_string().as_bytes());
    for (encoding, body) in [("gzip", b"not gzip".to_vec()), ("gzip", whole[..whole.len() - 9].to_vec())] {
        let answer = server.post_as("", &[JSON, ("content-encoding", encoding)], body).await;
        answer.assert_error(400, "malformed_encoding").assert_field("Content-Encoding");
    }
    let packed = zstd::encode_all(&b"{}"[..], 3).unwrap();
    let answer = server.post_as("", &[JSON, ("content-encoding", "zstd")], packed[..packed.len() - 2].to_vec()).await;
    answer.assert_error(400, "malformed_encoding");
}

#[tokio::test]
async fn stops_decompression_bombs_at_the_limit() {
    let server = Server::start().await;
    let zeros = vec![b' '; 200 * MIB];
    let bombs = [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(zeros.as_slice(), 1).unwrap())];
    for (encoding, bomb) in bombs {
        assert!(bomb.len() < MIB);
        let answer = server.post_as("", &[JSON, ("content-encoding", encoding)], bomb).await;
        answer.assert_error(413, "body_too_large");
        assert_eq!(answer.json["limit"], 16 * MIB);
    }
}

#[tokio::test]
async fn rejects_zstd_windows_larger_than_http_allows() {
    let server = Server::start().await;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&vec![b' '; 12 * MIB]).unwrap();
    let body = encoder.finish().unwrap();
    server.post_as("", &[JSON, ("content-encoding", "zstd")], body).await.assert_error(400, "malformed_encoding");
}

#[tokio::test]
async fn accepts_large_bodies_up_to_the_limit() {
    let server = Server::start().await;
    let body = large_batch(15 * MIB);
    assert!(body.len() > 14 * MIB);
    let answer = server.post("", body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let answer = server.post("", large_batch(18 * MIB)).await;
    answer.assert_error(413, "body_too_large");
    assert_eq!(answer.json["limit"], 16 * MIB);
}

#[tokio::test]
async fn chunked_bodies_have_the_same_limit() {
    let server = Server::start_with(&["--max-batch-body", "1MiB"]).await;
    let mut raw = server.connect().await;
    raw.write(
        "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .await;
    let chunk = format!("20000\r\n{}\r\n", " ".repeat(0x20000));
    for _ in 0..9 {
        raw.write(&chunk).await;
    }
    raw.write("0\r\n\r\n").await;
    raw.answer().await.assert_error(413, "body_too_large");
}

#[tokio::test]
async fn rejects_unacceptable_bodies_without_waiting_for_them() {
    // A rejected body is read for one second at most, much less than these timeouts and the patience of the test.
    let server = Server::start_with(&["--body-idle-timeout", "1h", "--body-timeout", "1h"]).await;
    for (head, status, code) in [
        ("Content-Type: application/json\r\nContent-Length: 99999999999", 413, "body_too_large"),
        ("Content-Type: image/png\r\nContent-Length: 10", 415, "unsupported_media_type"),
    ] {
        let mut raw = server.connect().await;
        raw.write(format!("POST /events HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n")).await;
        raw.answer().await.assert_error(status, code);
    }
}

#[tokio::test]
async fn rejects_oversized_body_instead_of_100_continue() {
    let server = Server::start().await;
    let mut raw = server.connect().await;
    raw.write(
        "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: 99999999\r\n\r\n",
    )
    .await;
    raw.answer().await.assert_error(413, "body_too_large");
}

#[tokio::test]
async fn enforces_size_limits_of_single_events() {
    let server = Server::start().await;
    let mut large = event("u1", "a");
    large["properties"] = json!({ "text": "x".repeat(40 * 1024) });
    let answer = server.post("", large.to_string()).await;
    answer.assert_error(413, "event_too_large");
    assert_eq!((&answer.json["limit"], &answer.json["index"]), (&json!(32 * 1024), &json!(0)));

    let answer = server.post("", json!([event("u1", "b"), large]).to_string()).await;
    answer.assert_counts(202, [1, 0, 1]);
    assert_eq!(
        (&answer.json["results"][0]["index"], &answer.json["results"][0]["code"]),
        (&json!(1), &json!("event_too_large"))
    );

    let padded = format!("{}{}", event("u1", "c"), " ".repeat(MIB));
    let answer = server.post("", padded).await;
    answer.assert_error(413, "body_too_large");
    assert_eq!(answer.json["limit"], MIB);
}

#[tokio::test]
async fn rejects_malformed_bodies_with_specific_codes() {
    let server = Server::start().await;
    let deep = format!("{}{}", r#"{"userId":"u1","type":"search","properties":{"a":"#, "[".repeat(100_000));
    let nested =
        format!(r#"{{"userId":"u1","type":"search","properties":{{"a":{}{}}}}}"#, "[".repeat(40), "]".repeat(40));
    let cases: [(&[u8], &str); 10] = [
        (b"", "empty_batch"),
        (b"{", "malformed_json"),
        (b"{} {}", "malformed_json"),
        (b"[]", "empty_batch"),
        (br#"{"events":[]}"#, "empty_batch"),
        (br#"{"userId":"u1","type":"search","properties":{"a":NaN}}"#, "malformed_json"),
        (b"{\"userId\":\"\xff\",\"type\":\"search\"}", "invalid_utf8"),
        (br#"{"userId":"u1","userId":"u2","type":"search"}"#, "duplicate_key"),
        (deep.as_bytes(), "malformed_json"),
        (nested.as_bytes(), "too_deep"),
    ];
    for (body, code) in cases {
        let answer = server.post("", body.to_vec()).await;
        answer.assert_error(400, code);
    }
    server.post_as("", &[("content-type", "application/x-ndjson")], "\n\n").await.assert_error(400, "empty_batch");
}

#[tokio::test]
async fn rejects_invalid_and_out_of_range_times() {
    let server = Server::start().await;
    let cases = [
        ("1969-12-31T23:59:59Z", "occurred_at_too_early"),
        ("2999-01-01T00:00:00Z", "occurred_at_in_future"),
        ("2026-01-05", "invalid_time"),
        ("2026-02-30T00:00:00Z", "invalid_time"),
    ];
    for (time, code) in cases {
        let mut event = event("u1", "a");
        event["occurredAt"] = json!(time);
        server.post("", event.to_string()).await.assert_error(400, code).assert_field("occurredAt");
    }
}

#[tokio::test]
async fn times_out_stalled_bodies() {
    let server = Server::start_with(&["--body-idle-timeout", "50ms"]).await;
    let mut raw = server.connect().await;
    raw.write(
        "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"user",
    )
    .await;
    raw.answer().await.assert_error(408, "body_timeout");
    assert!(raw.is_closed().await);
}

#[tokio::test]
async fn times_out_bodies_that_take_too_long() {
    let server = Server::start_with(&["--body-timeout", "50ms"]).await;
    let mut raw = server.connect().await;
    raw.write("POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n").await;
    raw.answer().await.assert_error(408, "body_timeout");
}

#[tokio::test]
async fn truncated_body_stores_nothing() {
    let server = Server::start().await;
    let body = event("u1", "a").to_string();
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len() + 1
    );
    let mut raw = server.connect().await;
    raw.write(head).await;
    raw.write(&body).await;
    raw.finish().await;
    raw.answer().await.assert_error(400, "incomplete_body");
    assert_eq!(server.get("/users").await.json["total"], 0);
}

#[tokio::test]
async fn bounds_the_memory_of_all_bodies() {
    let flags = ["--max-batch-body", "1MiB", "--max-bodies", "1MiB", "--body-idle-timeout", "20s"];
    let server = Server::start_with(&flags).await;
    // One sender holds nearly all of the memory and stalls.
    let mut holder = server.connect().await;
    holder
        .write(format!(
            "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {MIB}\r\n\r\n"
        ))
        .await;
    holder.write(vec![b' '; MIB - 1]).await;
    while server.get("/health").await.json["checks"]["bodies"]["bytes"] != MIB - 1 {
        tokio::task::yield_now().await;
    }
    let body = format!("{}{}", event("u1", "a"), " ".repeat(200 * 1024));
    let refused = server.post("", body.clone()).await;
    refused.assert_error(429, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(holder);
    while server.post("", body.clone()).await.status != 202 {
        tokio::task::yield_now().await;
    }
}
