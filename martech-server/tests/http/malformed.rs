//! Malformed requests. The server rejects each with a description of the fault, and continues to work.

use axum::http::Method;
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Answer, Raw, Server, event};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Input that hyper rejects while it parses the head. The responses have no body.
const NO_REQUEST: &[(&str, &[u8])] = &[
    ("words", b"hello there\r\n\r\n"),
    ("NULs", b"\0\0\0\0\0\0\r\n\r\n"),
    ("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    ("no target", b"GET\r\n\r\n"),
    ("no version", b"GET /livez\r\n\r\n"),
    ("a version to come", b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n"),
    ("a version that was not", b"GET /livez HTTP/1.7\r\nHost: x\r\n\r\n"),
    ("a version in lower case", b"GET /livez http/1.1\r\nHost: x\r\n\r\n"),
    ("another protocol", b"GET /livez RTSP/1.0\r\nHost: x\r\n\r\n"),
    ("a blank in the target", b"GET /live z HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a tab for a blank", b"GET\t/livez\tHTTP/1.1\r\nHost: x\r\n\r\n"),
    ("bytes in the target", b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a NUL in the target", b"GET /li\0vez HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a method that is none", b"G(T /livez HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a header without a colon", b"GET /livez HTTP/1.1\r\nHost x\r\n\r\n"),
    ("a header without a name", b"GET /livez HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n"),
    ("a blank in a header's name", b"GET /livez HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n"),
    ("a blank before the colon", b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n"),
    ("a NUL in a header", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Y: a\0b\r\n\r\n"),
    ("a lone CR in a header", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Y: a\rX-Z: b\r\n\r\n"),
    ("a folded header", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Y: a\r\n b\r\n\r\n"),
    ("two lengths", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    ("a list of lengths", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 3\r\n\r\n{}"),
    ("a negative length", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\n{}"),
    ("a signed length", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}"),
    ("a length in words", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n{}"),
    ("an endless length", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n{}"),
    ("a coding that is none", b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: rubbish\r\n\r\n{}"),
    ("chunks inside", b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n{}"),
    ("chunks in HTTP/1.0", b"POST /events HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
];

/// Requests with a valid head syntax that the server rejects, with the expected status.
const BAD_REQUEST: &[(&str, &[u8], u16)] = &[
    ("no host", b"GET /livez HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    ("a host that is none", b"GET /livez HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
    ("a host of bytes", b"GET /livez HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", 400),
    ("a host with a path", b"GET /livez HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
    ("the server as a whole", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("a tunnel", b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("another server's path", b"GET http://evil.example/nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("a method of somebody's", b"BREW /events HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ("percent rubbish in a path", b"GET /%zz%%% HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("a way out", b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("a way out, encoded", b"GET /pages/%2e%2e%2fadmin HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("slashes", b"GET ///// HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ("a body that is not JSON", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nrubb", 400),
    ("no body", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n", 400),
    ("a chunk that is no number", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
    ("a negative chunk", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", 400),
    ("an endless chunk", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk too long", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}{}{}\r\n0\r\n\r\n", 400),
    ("a packed transfer", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ("chunks in chunks", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ("two transfers", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ("bytes for a type", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: \xff\r\nContent-Length: 2\r\n\r\n{}", 415),
    ("two types", b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415),
];

/// Bodies that are not JSON, or not events.
const BODIES: &[&[u8]] = &[
    b"",
    b" \r\n\t ",
    b"\0",
    b"nul",
    b"null",
    b"true",
    b"1",
    b"\"an event\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[]",
    b"{}",
    b"[{}]",
    b"[[]]",
    b"[null]",
    b"{}{}",
    b"{\"userId\"}",
    b"{\"userId\":}",
    b"{\"userId\":\"u1\",}",
    b"{'userId':'u1'}",
    b"{userId:\"u1\"}",
    b"{\"userId\":\"u1\" \"type\":\"page_view\"}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\"} and more",
    b"{\"userId\":\"u1\",\"userId\":\"u2\",\"type\":\"page_view\"}",
    b"{\"userId\":1,\"type\":\"page_view\"}",
    b"{\"userId\":[],\"type\":\"page_view\"}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"occurredAt\":1e999}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"occurredAt\":-0}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"properties\":[]}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"properties\":{\"n\":01}}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"properties\":{\"n\":NaN}}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"properties\":{\"n\":+1}}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"properties\":{\"n\":.5}}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"properties\":{\"n\":0x10}}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"properties\":{\"n\":/* none */1}}",
    b"{\"userId\":\"u1\\x\",\"type\":\"page_view\"}",
    b"{\"userId\":\"u1\\u00zz\",\"type\":\"page_view\"}",
    b"{\"userId\":\"u1\n\",\"type\":\"page_view\"}",
    b"{\"userId\":\"u1\0\",\"type\":\"page_view\"}",
    b"{\"userId\":\"u1\\u0000\",\"type\":\"page_view\"}",
    b"\xff\xfe{\0}\0",
    b"{\"userId\":\"\xff\",\"type\":\"page_view\"}",
    b"{\"userId\":\"\xc0\xaf\",\"type\":\"page_view\"}",
    b"{\"userId\":\"\xed\xa0\x80\",\"type\":\"page_view\"}",
    b"{\"userId\":\"\xf0\x9f\x98\",\"type\":\"page_view\"}",
    b"{\"userId\":\"u1\",\"type\":\"page_view\",\"properties\":{\"\xe2\x28\xa1\":1}}",
    b"{\"events\":{}}",
    b"{\"events\":null}",
    b"{\"events\":[],\"sentAt\":\"yesterday\"}",
    b"{\"events\":[{}],\"more\":1}",
];

#[track_caller]
fn assert_told(answer: &Answer, what: &str) {
    assert!(answer.status.is_client_error(), "{what}: {answer:?}");
    assert!(answer.json["code"].is_string() && answer.json["message"].is_string(), "{what}: {answer:?}");
    assert_eq!(answer.json["requestId"].as_str(), answer.header("x-request-id"), "{what}: {answer:?}");
}

async fn assert_well(server: &Server) {
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.post("", event("well", "well").to_string()).await.status, 202);
    assert_eq!(server.get("/users?q=well").await.json["total"], 1);
}

/// Asserts that the server either closes the connection after a response, or that the connection stays usable.
async fn assert_sane(mut connection: Raw, answer: &Answer, what: &str) {
    if answer.header("connection") == Some("close") {
        assert!(connection.is_closed().await, "{what}");
    } else {
        connection.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(connection.answer().await.status, 200, "{what}");
    }
}

#[tokio::test]
async fn rejects_malformed_http() {
    let server = Server::start().await;
    for (what, bytes) in NO_REQUEST {
        let mut connection = server.connect().await;
        connection.write(bytes).await;
        let answer = connection.answer().await;
        assert!(answer.status.is_client_error(), "{what}: {answer:?}");
        assert!(connection.is_closed().await, "{what}");
    }
    for (what, bytes, status) in BAD_REQUEST {
        let mut connection = server.connect().await;
        connection.write(bytes).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status.as_u16(), *status, "{what}: {answer:?}");
        assert_told(&answer, what);
        // After a broken chunk, the end of the body is unknown.
        let framed = !answer.text.contains("incomplete_body");
        if framed {
            assert_sane(connection, &answer, what).await;
        } else {
            assert!(connection.is_closed().await, "{what}");
        }
    }
    assert_well(&server).await;
}

#[tokio::test]
async fn rejects_oversized_heads() {
    let server = Server::start().await;
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    let large = format!("X-Y: {}\r\n", "z".repeat(600_000));
    for (what, head, status) in [
        ("many headers", format!("GET /livez HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        ("a large header", format!("GET /livez HTTP/1.1\r\nHost: x\r\n{large}\r\n"), 431),
        ("a long target", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(9_000)), 414),
        ("a longer one", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(70_000)), 431),
    ] {
        let mut connection = server.connect().await;
        connection.try_write(head).await;
        assert_eq!(connection.answer().await.status, status, "{what}");
        // A head that was read to its end leaves the connection usable.
        assert!(status == 414 || connection.is_closed().await, "{what}");
    }
    assert_well(&server).await;
}

#[tokio::test]
async fn prevents_request_smuggling() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection
        .write(
            "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 44\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /behind HTTP/1.1\r\nHost: x\r\n\r\n",
        )
        .await;
    connection.answer().await.assert_error(400, "empty_batch");
    // After a request with two lengths, the server closes the connection and ignores further bytes (RFC 9112, 6.1).
    assert!(connection.is_closed().await);
    assert_well(&server).await;
}

#[tokio::test]
async fn rejects_bodies_that_are_not_events() {
    let server = Server::start().await;
    for media in ["application/json", "application/x-ndjson", "text/plain", "Application/JSON ; charset=\"utf-8\""] {
        for body in BODIES {
            let answer = server.post_as("", &[("content-type", media)], Bytes::from_static(body)).await;
            assert_told(&answer, &format!("{media} {:?}", String::from_utf8_lossy(body)));
        }
    }
    let deep = [b"[".repeat(100_000), b"{\"a\":".repeat(100_000)].map(Bytes::from);
    for body in deep {
        assert_told(&server.post("", body).await, "depth");
    }
    assert_eq!(server.get("/users").await.json["total"], 0);
    assert_well(&server).await;
}

#[tokio::test]
async fn rejects_invalid_media_types_and_encodings() {
    let server = Server::start().await;
    let body = || event("u1", "a").to_string();
    for media in [
        "",
        ";",
        "json",
        "application/",
        "*/*",
        "multipart/form-data; boundary=x",
        "application/json; charset=\"",
        "application/json;charset=klingon",
    ] {
        let answer = server.post_as("", &[("content-type", media)], body()).await;
        assert!(answer.status == 202 && media.ends_with('"') || answer.status == 415, "{media}: {answer:?}");
    }
    for encoding in ["", ",", "gzip,", "gzip, gzip", "*", "none", "gzip;q=1", "GZIP GZIP"] {
        let answer = server.post_as("", &[JSON, ("content-encoding", encoding)], body()).await;
        answer.assert_error(415, "unsupported_encoding");
    }
    assert_well(&server).await;
}

/// Damages one byte of a compressed body, or cuts it off. The server rejects it, or decompresses it to the original.
#[tokio::test]
async fn detects_damaged_compression() {
    use std::io::Write;

    let server = Server::start().await;
    let body = event("u1", "a").to_string();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body.as_bytes()).unwrap();
    let mut zstd = zstd::Encoder::new(Vec::new(), 3).unwrap();
    zstd.include_checksum(true).unwrap();
    zstd.write_all(body.as_bytes()).unwrap();
    for (encoding, packed) in [("gzip", encoder.finish().unwrap()), ("zstd", zstd.finish().unwrap())] {
        let headers = [JSON, ("content-encoding", encoding)];
        for at in 0..packed.len() {
            let cut = server.post_as("", &headers, packed[..at].to_vec()).await;
            assert_told(&cut, &format!("{encoding} cut at {at}"));
            let mut flipped = packed.clone();
            flipped[at] ^= 0x55;
            let answer = server.post_as("", &headers, flipped).await;
            assert!(answer.status == 202 || answer.status.is_client_error(), "{encoding} {at}: {answer:?}");
        }
    }
    assert!(server.get("/users").await.json["total"].as_u64().unwrap() <= 1, "at most the original event is stored");
}

#[tokio::test]
async fn rejects_invalid_tokens_and_cookies() {
    let server = Server::start().await;
    let huge = "x".repeat(30_000);
    let bearer_huge = format!("Bearer {huge}");
    let authorizations: Vec<&[u8]> = vec![
        b"",
        b" ",
        b"Bearer",
        b"Bearer ",
        b"Bearer  ",
        b"bearer \xff\xfe",
        b"Basic",
        b"Basic ====",
        b"Basic //79",
        b"Basic Og==",
        b"Digest username=\"x\"",
        b"Bearer mt_write_",
        b"Bearer mt_read_\xff",
        b"Bearer a b c",
        b"Negotiate",
        bearer_huge.as_bytes(),
    ];
    let session = "better-auth.session_token=";
    let cookie_huge = format!("{session}{huge}");
    let cookies: Vec<&[u8]> = vec![
        b"",
        b";",
        b"=",
        b"=;=",
        b"better-auth.session_token",
        b"better-auth.session_token=",
        b"better-auth.session_token=.",
        b"better-auth.session_token=a.b",
        b"better-auth.session_token=%zz.%",
        b"better-auth.session_token=%ff%fe.%00",
        b"better-auth.session_token=\xff\xfe",
        b"better-auth.session_token=\"a.b\"",
        b"better-auth.session_token=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D",
        b"__Secure-better-auth.session_token=a.b; better-auth.session_token=c.d",
        cookie_huge.as_bytes(),
    ];
    let paths = [
        ("GET", "/users"),
        ("GET", "/stats"),
        ("GET", "/users/u1/journey"),
        ("POST", "/admin/roll"),
        ("GET", "/admin/keys"),
        ("GET", "/api/auth/list-sessions"),
        ("POST", "/api/auth/update-user"),
    ];
    for (method, path) in paths {
        for (name, values) in [("authorization", &authorizations), ("cookie", &cookies)] {
            for value in values {
                let request = server.request(method.parse().unwrap(), path).header(name, *value);
                let answer = server.send(request.body(Full::default()).unwrap()).await;
                let what =
                    format!("{method} {path} {name}: {}", String::from_utf8_lossy(&value[..value.len().min(80)]));
                assert!([401, 403].contains(&answer.status.as_u16()), "{what}: {answer:?}");
                assert_told(&answer, &what);
            }
        }
    }
    for cookie in &cookies {
        let request = server.request(Method::GET, "/api/auth/get-session").header("cookie", *cookie);
        let answer = server.send(request.body(Full::default()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.json.clone()), (200, Value::Null), "{answer:?}");
    }
    assert_well(&server).await;
}

#[tokio::test]
async fn rejects_invalid_parameters() {
    let server = Server::start().await;
    server
        .post("", json!([event("u1", "a"), event("u1", "b"), event("u2", "c")]).to_string())
        .await
        .assert_counts(202, [3, 0, 0]);
    let huge = "9".repeat(4_000);
    let values = [
        "",
        "%00",
        "%ff",
        "%",
        "%zz",
        "-1",
        "1e9",
        "18446744073709551616",
        "%F0%9F%98%80",
        "'%20OR%201=1",
        "..%2f",
        huge.as_str(),
    ];
    for path in ["/users", "/stats", "/users/u1/journey", "/admin/audit"] {
        for name in ["limit", "cursor", "sort", "order", "from", "to", "tz", "interval", "type", "rubbish", "%ff"] {
            for value in values {
                let answer = server.get(&format!("{path}?{name}={value}")).await;
                assert_told(&answer, &format!("{path}?{name}={value}"));
                assert_eq!(answer.status, 400);
            }
        }
        for query in ["&&&=&==", "=", "limit", "limit=1&limit=2", "?", "limit[]=1", "a=1;b=2"] {
            let answer = server.get(&format!("{path}?{query}")).await;
            assert!(
                answer.status == 400 || answer.status == 200 && query.starts_with('&'),
                "{path}?{query}: {answer:?}"
            );
        }
    }
    for path in ["/users?limit=1", "/users/u1/journey?limit=1"] {
        let page = server.get(path).await;
        let cursor = page.json["nextCursor"].as_str().unwrap().to_owned();
        for at in 0..cursor.len() {
            let mut other = cursor.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            for cursor in [other.as_str(), &cursor[..at], &format!("{other}{other}")] {
                let answer = server.get(&format!("{path}&cursor={cursor}")).await;
                assert!([200, 400].contains(&answer.status.as_u16()), "{path}&cursor={cursor}: {answer:?}");
            }
        }
    }
    for query in
        ["?ack=", "?ack=never", "?results=some", "?ack=durable&ack=durable", "?%ff=1", "?key=", "?key=%00", "?more=1"]
    {
        assert_told(&server.post(query, event("u1", "x").to_string()).await, query);
    }
    assert_well(&server).await;
}

#[tokio::test]
async fn rejects_invalid_names_in_paths() {
    let server = Server::start().await;
    let long = "x".repeat(5_000);
    for name in ["%ff", "%00", "%", "%zz", "..", "%2e%2e", "%F0%9F%98%80", long.as_str()] {
        for (method, path) in [
            ("GET", format!("/users/{name}/journey")),
            ("PATCH", format!("/admin/members/{name}")),
            ("DELETE", format!("/admin/members/{name}")),
            ("POST", format!("/admin/members/{name}/password")),
            ("DELETE", format!("/admin/invitations/{name}")),
            ("POST", format!("/admin/keys/{name}/rotate")),
            ("DELETE", format!("/admin/keys/{name}")),
        ] {
            // The HTTP client of the harness would not send such paths.
            let mut connection = server.connect().await;
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{{\"role\":\"analyst\"}}",
                server.token
            );
            connection.write(head).await;
            let answer = connection.answer().await;
            let what = format!("{method} {path}");
            if method == "GET" && answer.status == 200 {
                continue;
            }
            assert_told(&answer, &what);
        }
    }
    assert_well(&server).await;
}

#[tokio::test]
async fn rejects_invalid_account_bodies() {
    let server = Server::start_with(&["--password-memory", "512KiB", "--password-passes", "1"]).await;
    let admin = format!("Bearer {}", server.token);
    let more: [&[u8]; 6] = [
        b"{\"email\":1,\"password\":2,\"name\":3}",
        b"{\"email\":\"a@b.example\",\"password\":null,\"name\":\"x\"}",
        b"{\"email\":\"\\u0000@\",\"password\":\"correct horse\",\"name\":\"x\"}",
        b"{\"email\":[],\"password\":{},\"name\":true,\"role\":\"king\"}",
        b"{\"token\":1,\"name\":[],\"newPassword\":1,\"currentPassword\":1}",
        b"{\"name\":\"\",\"kind\":\"both\",\"origins\":\"x\"}",
    ];
    for (method, path) in [
        ("POST", "/api/auth/sign-up/email"),
        ("POST", "/api/auth/sign-in/email"),
        ("POST", "/api/auth/revoke-session"),
        ("POST", "/api/auth/update-user"),
        ("POST", "/api/auth/change-password"),
        ("POST", "/admin/members"),
        ("PATCH", "/admin/members/nobody"),
        ("POST", "/admin/members/nobody/password"),
        ("POST", "/admin/keys"),
    ] {
        for body in BODIES.iter().chain(&more) {
            for media in
                ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
            {
                let request = server
                    .request(method.parse().unwrap(), path)
                    .header("authorization", &admin)
                    .header("content-type", media);
                let answer = server.send(request.body(Full::new(Bytes::from_static(body))).unwrap()).await;
                assert_told(&answer, &format!("{method} {path} {media} {:?}", String::from_utf8_lossy(body)));
            }
        }
    }
    assert_well(&server).await;
}
