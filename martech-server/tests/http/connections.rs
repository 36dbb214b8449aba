//! Slow clients, and limits on connections and heads.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpSocket, time::sleep};

use crate::harness::{Raw, Server, event};

const ASK: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &str = "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

/// Opens a connection and completes a request on it.
async fn kept(server: &Server) -> Raw {
    let mut raw = server.connect().await;
    asked(&mut raw).await;
    raw
}

async fn asked(raw: &mut Raw) {
    raw.write(ASK).await;
    assert_eq!(raw.answer().await.status, 200);
}

#[tokio::test]
async fn closes_connections_that_are_idle_or_send_heads_slowly() {
    let server = Server::start_with(&["--idle-timeout", "200ms"]).await;
    let mut silent = server.connect().await;
    let mut idle = kept(&server).await;
    let mut dribbling = kept(&server).await;
    for piece in ["GET /livez", " HTTP/1.1\r\n"] {
        dribbling.try_write(piece).await;
    }
    assert!(silent.is_closed().await && idle.is_closed().await && dribbling.is_closed().await);
}

#[tokio::test]
async fn keeps_connections_that_are_used_regularly() {
    let server = Server::start_with(&["--idle-timeout", "1s"]).await;
    let begun = Instant::now();
    let mut busy = kept(&server).await;
    while begun.elapsed() < Duration::from_secs(2) {
        sleep(Duration::from_millis(100)).await;
        asked(&mut busy).await;
    }
    busy.write("NONSENSE\r\n\r\n").await;
    assert_eq!(busy.answer().await.status, 400);
}

#[tokio::test]
async fn accepts_a_head_in_several_pieces() {
    let server = Server::start_with(&["--idle-timeout", "20s"]).await;
    let mut raw = server.connect().await;
    for piece in ASK.as_bytes().chunks(9) {
        raw.write(piece).await;
    }
    assert_eq!(raw.answer().await.status, 200);
}

#[tokio::test]
async fn rejects_bodies_below_the_minimum_rate() {
    let server = Server::start_with(&["--body-idle-timeout", "200ms"]).await;
    let mut raw = server.connect().await;
    raw.write(format!("{POST}Content-Length: 10000\r\n\r\n")).await;
    // The client is never idle, but sends far less than 1 KiB/s.
    let answer = loop {
        tokio::select! {
            answer = raw.answer() => break answer,
            () = sleep(Duration::from_millis(20)) => {}
        }
        raw.write(" ").await;
    };
    answer.assert_error(408, "body_too_slow");
    assert!(raw.is_closed().await);

    let server = Server::start_with(&["--body-idle-timeout", "200ms", "--min-body-rate", "0B"]).await;
    let mut raw = server.connect().await;
    let body = event("u1", "a").to_string();
    raw.write(format!("{POST}Content-Length: {}\r\n\r\n", body.len())).await;
    for piece in body.as_bytes().chunks(5) {
        raw.write(piece).await;
        sleep(Duration::from_millis(20)).await;
    }
    raw.answer().await.assert_counts(202, [1, 0, 0]);
}

#[tokio::test]
async fn closes_connection_when_client_stops_reading() {
    let server = Server::start_with(&["--max-connections", "1", "--write-timeout", "300ms"]).await;
    let filler = "x".repeat(30 << 10);
    let events: Vec<_> = (0..200)
        .map(|n| {
            let mut event = event("u1", &format!("e{n}"));
            event["properties"] = json!({ "filler": filler });
            event
        })
        .collect();
    let mut raw = server.connect().await;
    let body = json!(events).to_string();
    raw.write(format!("{POST}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    raw.answer().await.assert_counts(202, [200, 0, 0]);
    drop(raw);

    // A small receive buffer, and requests for more response bytes than the kernels of both sides buffer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(server.addr).await.unwrap();
    let ask = format!("GET /users/u1/journey HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", server.token);
    deaf.write_all(ask.repeat(10).as_bytes()).await.unwrap();
    // That connection has the only permit and a pending response. The next one gets the permit after the write timeout.
    let mut next = server.connect().await;
    asked(&mut next).await;
    drop(deaf);
}

#[tokio::test]
async fn closes_longest_idle_connection_at_the_limit() {
    let server = Server::start_with(&["--max-connections", "3", "--idle-timeout", "1h"]).await;
    let mut busy = server.connect().await;
    let body = event("u1", "a").to_string();
    busy.write(format!("{POST}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len())).await;
    busy.interim("HTTP/1.1 100 Continue\r\n\r\n").await;
    let mut slow = server.connect().await;
    slow.write("GET /livez HTTP/1.1\r\nHo").await;
    // The longest idle connection is closed first. A response shows that the server has registered the connection.
    let mut idle = kept(&server).await;
    let mut first = kept(&server).await;
    assert!(slow.is_closed().await);
    let mut second = kept(&server).await;
    assert!(idle.is_closed().await);
    asked(&mut first).await;
    asked(&mut second).await;
    busy.write(body).await;
    busy.answer().await.assert_counts(202, [1, 0, 0]);
}

#[tokio::test]
async fn limits_connections_per_address_except_trusted_proxies() {
    let flags = ["--max-connections-per-address", "2"];
    let server = Server::start_with(&flags).await;
    let (first, _second) = (kept(&server).await, kept(&server).await);
    let mut third = server.connect().await;
    let refused = third.answer().await;
    refused.assert_error(429, "too_many_connections");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(third.is_closed().await);
    drop(first);
    loop {
        let mut raw = server.connect().await;
        raw.try_write(ASK).await;
        if raw.try_answer().await.is_some_and(|answer| answer.status == 200) {
            break;
        }
    }

    let server = Server::start_with(&[&flags[..], &["--trusted-proxies", "127.0.0.0/8"]].concat()).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(kept(&server).await);
    }
}

#[tokio::test]
async fn rejects_oversized_and_malformed_heads() {
    let server = Server::start().await;
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    let cases = [
        (format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(60 << 10)), 431),
        (format!("GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        (format!("GET /livez?{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(9 << 10)), 414),
        (format!("GET /livez?{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(50 << 10)), 431),
        ("GET /liv\x01ez HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("A\x01 of another protocol".to_owned(), 400),
        ("NONSENSE\r\n\r\n".to_owned(), 400),
        ("GET /livez HTTP/1.1\r\nHo st: x\r\n\r\n".to_owned(), 400),
        (format!("{POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), 400),
    ];
    for (head, status) in cases {
        // The limits also hold on a connection that has been used before.
        for mut raw in [server.connect().await, kept(&server).await] {
            raw.try_write(&head).await;
            assert_eq!(raw.answer().await.status, status);
        }
    }
    let mut raw = server.connect().await;
    raw.write(format!("GET /livez?{} HTTP/1.1\r\nHost: x\r\nX: {0}\r\n\r\n", "x".repeat(8000))).await;
    assert_eq!(raw.answer().await.status, 200, "the head is large, but within the limits");
}

#[tokio::test]
async fn accepts_requests_during_the_drain_delay() {
    let mut server = Server::start_with(&["--drain-delay", "2s"]).await;
    let mut kept = kept(&server).await;
    server.begin_stop();
    while server.get("/readyz").await.status != 503 {
        tokio::task::yield_now().await;
    }
    // Both an existing and a new connection work.
    asked(&mut kept).await;
    let mut new = server.connect().await;
    let body = event("u1", "a").to_string();
    new.write(format!("{POST}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    new.answer().await.assert_counts(202, [1, 0, 0]);
    server.stopped().await;
    assert!(kept.is_closed().await && new.is_closed().await);
}
