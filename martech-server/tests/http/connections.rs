//! Clients that keep the server waiting, or ask for too much of it at once.

use std::time::Duration;

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpSocket, time::sleep};

use crate::harness::{Raw, Server, event};

const ASK: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &str = "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

/// A connection whose first request was answered.
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
async fn a_late_head_is_told_so_and_an_idle_connection_has_a_time_of_its_own() {
    let server = Server::start_with(&["--head-timeout", "100ms", "--idle-timeout", "1h"]).await;
    let mut idle = kept(&server).await;
    let mut silent = server.connect().await;
    assert!(silent.is_closed().await);
    // The first head of a connection, and a later one.
    for mut slow in [server.connect().await, kept(&server).await] {
        slow.write("GET /livez HTTP/1.1\r\nHo").await;
        slow.answer().await.assert_error(408, "head_timeout");
        assert!(slow.is_closed().await);
    }
    asked(&mut idle).await;
}

#[tokio::test]
async fn a_connection_that_is_idle_for_long_goes_on_as_before() {
    let server = Server::start_with(&["--head-timeout", "3s"]).await;
    let mut idle = kept(&server).await;
    let mut clock = server.connect().await;
    clock.write("GET /livez HTTP/1.1\r\nHo").await;
    // Longer than hyper keeps hold of an idle connection.
    clock.answer().await.assert_error(408, "head_timeout");
    for _ in 0..2 {
        asked(&mut idle).await;
    }
    idle.write("NONSENSE\r\n\r\n").await;
    idle.answer().await.assert_error(400, "malformed_request");
}

#[tokio::test]
async fn a_head_that_comes_in_pieces_is_not_late() {
    let server = Server::start_with(&["--head-timeout", "20s", "--idle-timeout", "100ms"]).await;
    let mut raw = server.connect().await;
    for piece in ASK.as_bytes().chunks(9) {
        raw.write(piece).await;
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(raw.answer().await.status, 200);
    assert!(raw.is_closed().await);
}

#[tokio::test]
async fn a_body_that_dribbles_is_given_up() {
    let server = Server::start_with(&["--body-idle-timeout", "200ms"]).await;
    let mut raw = server.connect().await;
    raw.write(format!("{POST}Content-Length: 10000\r\n\r\n")).await;
    // Never idle, and far from a KiB a second.
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
async fn who_does_not_read_is_given_up() {
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

    // As little as possible is held by the systems of both sides, and answers are asked for that are more than that.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(server.addr).await.unwrap();
    let ask = format!("GET /users/u1/journey HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", server.token);
    deaf.write_all(ask.repeat(10).as_bytes()).await.unwrap();
    // It has the only place, and an answer is owed to it: it goes when it is given up.
    let mut next = server.connect().await;
    asked(&mut next).await;
    drop(deaf);
}

#[tokio::test]
async fn where_all_places_are_taken_whoever_waited_longest_has_to_go() {
    let server = Server::start_with(&["--max-connections", "3", "--idle-timeout", "1h", "--head-timeout", "1h"]).await;
    let mut busy = server.connect().await;
    let body = event("u1", "a").to_string();
    busy.write(format!("{POST}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len())).await;
    busy.interim("HTTP/1.1 100 Continue\r\n\r\n").await;
    let mut slow = server.connect().await;
    slow.write("GET /livez HTTP/1.1\r\nHo").await;
    // Who came first goes first, and the server knows who did when this is answered.
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
async fn an_address_has_so_many_connections_and_a_trusted_proxy_as_many_as_it_likes() {
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
async fn heads_have_bounds_and_a_clear_word_where_they_are_passed() {
    let server = Server::start().await;
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    let cases = [
        (format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(200 << 10)), 431, "head_too_large"),
        (format!("GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431, "head_too_large"),
        (format!("GET /livez?{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(9 << 10)), 414, "uri_too_long"),
        (format!("GET /livez?{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100 << 10)), 431, "head_too_large"),
        ("GET /liv\x01ez HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400, "malformed_request"),
        ("A\x01 of another protocol".to_owned(), 400, "malformed_request"),
        ("NONSENSE\r\n\r\n".to_owned(), 400, "malformed_request"),
        ("GET /livez HTTP/1.1\r\nHo st: x\r\n\r\n".to_owned(), 400, "malformed_request"),
        (format!("{POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), 400, "malformed_request"),
    ];
    for (head, status, code) in cases {
        // Also on a connection that was used before.
        for mut raw in [server.connect().await, kept(&server).await] {
            raw.write(&head).await;
            raw.answer().await.assert_error(status, code);
        }
    }
    let mut raw = server.connect().await;
    raw.write(format!("GET /livez?{} HTTP/1.1\r\nHost: x\r\nX: {0}\r\n\r\n", "x".repeat(8000))).await;
    assert_eq!(raw.answer().await.status, 200, "large, and within the bounds");
}

#[tokio::test]
async fn while_load_balancers_take_notice_requests_are_still_taken() {
    let mut server = Server::start_with(&["--drain-delay", "2s"]).await;
    let mut kept = kept(&server).await;
    server.begin_stop();
    while server.get("/readyz").await.status != 503 {
        tokio::task::yield_now().await;
    }
    // On a connection that is there, and on a new one.
    asked(&mut kept).await;
    let mut new = server.connect().await;
    let body = event("u1", "a").to_string();
    new.write(format!("{POST}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    new.answer().await.assert_counts(202, [1, 0, 0]);
    server.stopped().await;
    assert!(kept.is_closed().await && new.is_closed().await);
}
