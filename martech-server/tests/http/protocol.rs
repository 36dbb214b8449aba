//! HTTP itself: routes, methods, request ids, connections.

use axum::http::{Method, header};
use http_body_util::Full;

use crate::harness::{Server, event};

#[tokio::test]
async fn returns_json_errors_for_unknown_routes_and_methods() {
    let server = Server::start().await;
    server.get("/event").await.assert_error(404, "not_found");
    server.get("/users/u1").await.assert_error(404, "not_found");
    let answer = server.get("/events").await;
    answer.assert_error(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("POST,OPTIONS"));
    let answer = server.command("/users").await;
    answer.assert_error(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn head_responds_like_get_without_a_body() {
    let server = Server::start().await;
    for path in ["/livez", "/health", "/users", "/stats"] {
        let request =
            server.request(Method::HEAD, path).header(header::AUTHORIZATION, format!("Bearer {}", server.token));
        let answer = server.send(request.body(Full::default()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn keeps_valid_request_ids_and_generates_others() {
    let server = Server::start().await;
    let ask = |id: &'static str| {
        let request = server.request(Method::GET, "/nothing").header("x-request-id", id);
        server.send(request.body(Full::default()).unwrap())
    };
    assert_eq!(ask("checkout-42").await.json["requestId"], "checkout-42");
    let replaced = ask("two words").await;
    replaced.assert_error(404, "not_found");
    assert_ne!(replaced.json["requestId"], "two words");
    assert!(server.get("/livez").await.header("x-request-id").is_some());
}

#[tokio::test]
async fn answers_pipelined_requests_in_order() {
    let server = Server::start().await;
    let mut raw = server.connect().await;
    let mut requests = String::new();
    for id in ["a", "b", "a"] {
        let body = event("u1", id).to_string();
        requests += &format!(
            "POST /events HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-{id}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
    raw.write(requests).await;
    for (id, counts) in [("a", [1, 0, 0]), ("b", [1, 0, 0]), ("a", [0, 1, 0])] {
        let answer = raw.answer().await;
        answer.assert_counts(202, counts);
        assert_eq!(answer.header("x-request-id"), Some(format!("r-{id}").as_str()));
    }
}

#[tokio::test]
async fn accepts_chunked_bodies() {
    let server = Server::start().await;
    let body = event("u1", "a").to_string();
    let mut raw = server.connect().await;
    raw.write(
        "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .await;
    for piece in body.as_bytes().chunks(7) {
        raw.write(format!("{:x}\r\n", piece.len())).await;
        raw.write(piece).await;
        raw.write("\r\n").await;
    }
    raw.write("0\r\n\r\n").await;
    raw.answer().await.assert_counts(202, [1, 0, 0]);
}

#[tokio::test]
async fn closes_idle_connections() {
    let server = Server::start_with(&["--idle-timeout", "50ms"]).await;
    let mut idle = server.connect().await;
    idle.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let server = Server::start_with(&["--max-connections", "1"]).await;
    let mut first = server.connect().await;
    first.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = server.connect().await;
    second.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}
