//! `GET /events/stream`: events as they are stored.

use axum::http::Method;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpSocket, time::timeout};

use crate::harness::{PATIENCE, Server, event};

const CHEAP: [&str; 4] = ["--password-memory", "512KiB", "--password-passes", "1"];
const METRICS: [&str; 2] = ["--metrics-addr", "127.0.0.1:0"];

/// A client that reads a stream.
struct Stream {
    body: Incoming,
    unread: String,
}

impl Stream {
    /// Opens a stream with the admin token.
    async fn open(server: &Server, query: &str) -> Self {
        Self::open_as(server, query, &[("authorization", &format!("Bearer {}", server.token))]).await
    }

    /// Opens a stream, and waits for the first comment.
    async fn open_as(server: &Server, query: &str, headers: &[(&str, &str)]) -> Self {
        let (head, body) = ask(server, query, headers).await.into_parts();
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!((head.status.as_u16(), header("content-type")), (200, Some("text/event-stream")));
        assert_eq!((header("cache-control"), header("x-accel-buffering")), (Some("no-store"), Some("no")));
        let mut stream = Self { body, unread: String::new() };
        assert_eq!(stream.block().await.as_deref(), Some(": keep-alive"));
        stream
    }

    /// Returns the next lines up to an empty one, or `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return Some(block);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("the stream goes on or ends")?;
            let data = frame.expect("the stream ends cleanly").into_data().unwrap();
            self.unread.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// Returns the name and the data of the next message, or `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let block = self.block().await?;
            if block.starts_with(':') {
                continue;
            }
            let (name, data) = block.split_once('\n').unwrap();
            let data = data.strip_prefix("data: ").unwrap_or_else(|| panic!("{block}"));
            return Some((name.strip_prefix("event: ").unwrap().to_owned(), serde_json::from_str(data).unwrap()));
        }
    }

    /// Returns one field of the events up to and including the one for which the field is `last`.
    async fn until(&mut self, field: &str, last: &str) -> Vec<String> {
        let mut found = Vec::new();
        while found.last().is_none_or(|found| found != last) {
            let (name, data) = self.next().await.expect("the stream goes on");
            assert_eq!(name, "event", "{data}");
            found.push(data[field].as_str().unwrap().to_owned());
        }
        found
    }
}

async fn ask(server: &Server, query: &str, headers: &[(&str, &str)]) -> hyper::Response<Incoming> {
    let request = server.request(Method::GET, &format!("/events/stream{query}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    server.open(request.body(Full::<Bytes>::default()).unwrap()).await
}

fn typed(user: &str, id: &str, kind: &str) -> Value {
    let mut event = event(user, id);
    event["type"] = kind.into();
    event
}

async fn send(server: &Server, events: Value) {
    let answer = server.post("", events.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
}

/// Waits until the server has so many streams.
async fn until_streams(server: &Server, count: usize) {
    let line = format!("martech_event_streams {count}\n");
    while !server.ask_metrics(Method::GET, "/metrics").await.text.contains(&line) {
        tokio::task::yield_now().await;
    }
}

/// Sends a request with the admin token, which must succeed.
async fn admin(server: &Server, method: &str, path: &str, body: Value) -> Value {
    let bearer = format!("Bearer {}", server.token);
    let answer = server.send_json(method, path, &[("authorization", &bearer)], &body).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    answer.json
}

#[tokio::test]
async fn shows_an_event_as_a_journey_does_with_its_user() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "").await;
    let mut sent = event("u1", "a");
    sent["sessionId"] = "s1".into();
    server.post("", sent.to_string().replace('}', ",\"properties\":{\"page\":\r\n\"/shoes\"}}")).await;
    let (name, mut shown) = stream.next().await.unwrap();
    assert_eq!((name.as_str(), shown["userId"].as_str()), ("event", Some("u1")));
    shown.as_object_mut().unwrap().remove("userId");
    assert_eq!(shown["properties"]["page"], "/shoes");
    assert_eq!(server.get("/users/u1/journey").await.json["events"], json!([shown]));
}

#[tokio::test]
async fn each_stream_shows_what_its_filter_accepts() {
    let server = Server::start().await;
    let mut all = Stream::open(&server, "").await;
    let mut of_types = Stream::open(&server, "?type=search,purchase&type=video_play").await;
    let mut of_user = Stream::open(&server, "?userId=u2").await;
    let mut of_both = Stream::open(&server, "?userId=u1&type=search&project=default").await;
    let events = [("u1", "page_view"), ("u1", "search"), ("u2", "search"), ("u2", "video_play"), ("u1", "page_view")];
    let events = events.iter().enumerate().map(|(n, (user, kind))| typed(user, &format!("e{n}"), kind));
    send(&server, events.collect()).await;
    send(&server, json!([typed("u1", "last", "search"), typed("u2", "other", "search")])).await;
    let kinds = async |stream: &mut Stream, count: usize| {
        let mut kinds = Vec::new();
        for _ in 0..count {
            kinds.push(stream.next().await.unwrap().1["type"].as_str().unwrap().to_owned());
        }
        kinds.join(" ")
    };
    assert_eq!(kinds(&mut all, 7).await, "page_view search search video_play page_view search search");
    assert_eq!(kinds(&mut of_types, 5).await, "search search video_play search search");
    assert_eq!(kinds(&mut of_user, 3).await, "search video_play search");
    assert_eq!(kinds(&mut of_both, 2).await, "search search");
}

#[tokio::test]
async fn shows_only_newly_stored_events() {
    let server = Server::start().await;
    send(&server, event("before", "a")).await;
    let mut stream = Stream::open(&server, "").await;
    // A duplicate, an event that breaks a rule, a conflict, and one event that is stored.
    send(&server, json!([event("before", "a"), { "userId": "u1" }, event("u2", "a"), event("u3", "b")])).await;
    server.post("?ack=buffered", event("u4", "c").to_string()).await.assert_counts(202, [1, 0, 0]);
    server.post("?ack=stored", event("u5", "d").to_string()).await.assert_counts(200, [1, 0, 0]);
    let mut users = stream.until("userId", "u5").await;
    users.sort_unstable();
    assert_eq!(users, ["u3", "u4", "u5"]);
}

#[tokio::test]
async fn requires_permission_to_read() {
    let server = Server::start().await;
    let key = async |kind: &str| {
        let made = admin(&server, "POST", "/admin/keys", json!({ "name": "mine", "kind": kind })).await;
        format!("Bearer {}", made["key"].as_str().unwrap())
    };
    Stream::open_as(&server, "", &[("authorization", &key("read").await)]).await;
    let refused = async |query: &str, headers: &[(&str, &str)]| {
        server.send_with("GET", &format!("/events/stream{query}"), headers, "").await
    };
    refused("", &[]).await.assert_error(401, "unauthorized");
    refused("", &[("authorization", &key("write").await)]).await.assert_error(403, "forbidden");
    let bearer = format!("Bearer {}", server.token);
    let wrong = async |query: &str| refused(query, &[("authorization", &bearer)]).await;
    wrong("?project=nowhere").await.assert_error(404, "no_such_project");
    for (query, field) in [("?type=", "type"), ("?type=a%20b", "type"), ("?userId=", "userId"), ("?limit=1", "limit")] {
        wrong(query).await.assert_error(400, "invalid_parameter").assert_field(field);
    }
    wrong(&format!("?userId={}", "x".repeat(129))).await.assert_error(400, "invalid_parameter").assert_field("userId");
    server.send_with("POST", "/events/stream", &[], "").await.assert_error(405, "method_not_allowed");
}

/// Signs up the owner, and an analyst with a session. Returns the id and the token of the analyst.
async fn analyst(server: &Server) -> (String, String) {
    let person =
        |name: &str| json!({ "name": name, "email": format!("{name}@shop.example"), "password": "correct horse" });
    admin(server, "POST", "/api/auth/sign-up/email", person("owner")).await;
    let invitation = admin(server, "POST", "/admin/invitations", json!({ "role": "analyst" })).await;
    let mut body = person("ann");
    body["invitation"] = invitation["token"].clone();
    let answer = server.send_json("POST", "/api/auth/sign-up/email", &[], &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let token = answer.header("set-auth-token").expect("a token").to_owned();
    (answer.json["user"]["id"].as_str().unwrap().to_owned(), format!("Bearer {token}"))
}

#[tokio::test]
async fn ends_when_the_caller_may_no_longer_read() {
    let server = Server::start_with(&CHEAP).await;
    let (id, token) = analyst(&server).await;
    let made = admin(&server, "POST", "/admin/keys", json!({ "name": "mine", "kind": "read" })).await;
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let mut of_operator = Stream::open(&server, "").await;
    let mut of_key = Stream::open_as(&server, "", &[("authorization", &bearer)]).await;
    let mut of_session = Stream::open_as(&server, "", &[("authorization", &token)]).await;

    admin(&server, "DELETE", &format!("/admin/keys/{}", made["id"].as_str().unwrap()), json!({})).await;
    assert_eq!(of_key.block().await, None);
    send(&server, event("u1", "a")).await;
    assert_eq!(of_session.until("userId", "u1").await.len(), 1, "others go on");

    let origin = format!("http://{}", server.addr);
    let headers = [("authorization", token.as_str()), ("origin", &origin)];
    let answer = server.send_json("POST", "/api/auth/sign-out", &headers, &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(of_session.block().await, None);

    let sign_in = json!({ "email": "ann@shop.example", "password": "correct horse" });
    let answer = server.send_json("POST", "/api/auth/sign-in/email", &[], &sign_in).await;
    let token = format!("Bearer {}", answer.header("set-auth-token").unwrap());
    let mut of_member = Stream::open_as(&server, "", &[("authorization", &token)]).await;
    admin(&server, "DELETE", &format!("/admin/members/{id}"), json!({})).await;
    assert_eq!(of_member.block().await, None);

    send(&server, event("u2", "b")).await;
    assert_eq!(of_operator.until("userId", "u2").await, ["u1", "u2"]);
}

#[tokio::test]
async fn ends_when_the_project_is_removed() {
    let server = Server::start().await;
    admin(&server, "POST", "/admin/projects", json!({ "id": "berlin" })).await;
    let (mut berlin, mut other) =
        (Stream::open(&server, "?project=berlin").await, Stream::open(&server, "?project=default").await);
    server.post("?project=berlin", event("u1", "a").to_string()).await.assert_counts(202, [1, 0, 0]);
    send(&server, event("u2", "a")).await;
    assert_eq!(berlin.until("userId", "u1").await.len(), 1);
    assert_eq!(other.until("userId", "u2").await.len(), 1);
    admin(&server, "DELETE", "/admin/projects/berlin", json!({})).await;
    assert_eq!(berlin.block().await, None);
    send(&server, event("u3", "b")).await;
    assert_eq!(other.until("userId", "u3").await.len(), 1);
}

#[tokio::test]
async fn ends_when_the_server_drains() {
    let mut server = Server::start_with(&["--drain-timeout", "1h"]).await;
    let mut stream = Stream::open(&server, "").await;
    send(&server, event("u1", "a")).await;
    stream.until("userId", "u1").await;
    server.begin_stop();
    assert_eq!(stream.block().await, None);
    // Waits for less than the drain timeout.
    server.stopped().await;
}

#[tokio::test]
async fn bounds_the_streams_of_a_project_and_counts_them() {
    let server = Server::start_with(&METRICS).await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(Stream::open(&server, "").await);
    }
    until_streams(&server, 16).await;
    let refused = server.get("/events/stream").await;
    refused.assert_error(503, "too_many_streams");
    assert_eq!(refused.header("retry-after"), Some("10"));
    drop(streams.pop());
    until_streams(&server, 15).await;
    let mut last = Stream::open(&server, "").await;
    send(&server, event("u1", "a")).await;
    assert_eq!(last.until("userId", "u1").await.len(), 1);
    // A stream is a request that was answered when it began.
    let metrics = server.ask_metrics(Method::GET, "/metrics").await.text;
    let answered = "martech_http_requests_total{method=\"GET\",route=\"/events/stream\",status=\"200\"} 17";
    assert!(metrics.contains(answered) && metrics.contains("martech_http_requests_in_flight 0"), "{metrics}");
}

#[tokio::test]
async fn a_client_that_never_reads_delays_nobody_and_is_given_up() {
    let server = Server::start_with(&[&METRICS[..], &["--write-timeout", "300ms"]].concat()).await;
    let mut reads = Stream::open(&server, "").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(server.addr).await.unwrap();
    let head = format!("GET /events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", server.token);
    deaf.write_all(head.as_bytes()).await.unwrap();
    until_streams(&server, 2).await;

    let filler = "x".repeat(30 << 10);
    let (mut sent, mut seen) = (0, 0);
    let is_given_up =
        async || server.ask_metrics(Method::GET, "/metrics").await.text.contains("martech_event_streams 1\n");
    while !is_given_up().await {
        let mut event = event("u1", &format!("e{sent}"));
        event["properties"] = json!({ "filler": filler });
        send(&server, event).await;
        sent += 1;
        // The other client reads on, so it misses nothing.
        let (name, _) = reads.next().await.unwrap();
        assert_eq!(name, "event");
        seen += 1;
    }
    assert_eq!(sent, seen);
    assert_eq!(server.get("/health").await.json["checks"]["lake"]["events"], sent);
    drop(deaf);
}

#[tokio::test]
async fn says_how_many_events_a_slow_client_has_missed() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "").await;
    // A batch is more than a queue holds.
    let filler = "x".repeat(30 << 10);
    let sent = 200;
    for part in 0..2 {
        let events = (0..100).map(|n| {
            let mut event = event("u1", &format!("e{part}-{n}"));
            event["properties"] = json!({ "filler": filler });
            event
        });
        send(&server, events.collect()).await;
    }
    let (mut shown, mut skipped) = (0, 0);
    while shown + skipped < sent {
        match stream.next().await.unwrap() {
            (name, data) if name == "skipped" => skipped += data["events"].as_u64().unwrap(),
            _ => shown += 1,
        }
    }
    assert!(shown + skipped == sent && skipped > 0, "{shown} {skipped}");
    send(&server, event("last", "last")).await;
    assert_eq!(stream.until("userId", "last").await.len(), 1);
}
