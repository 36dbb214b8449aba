//! Keys of programs, and pages of other origins.

use axum::http::{Method, header};
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Answer, Server, event};

async fn make(server: &Server, body: Value) -> Answer {
    let authorization = format!("Bearer {}", server.token);
    server.send_json("POST", "/admin/keys", &[("authorization", &authorization)], &body).await
}

async fn key(server: &Server, kind: &str, origins: &[&str]) -> String {
    let made = make(server, json!({ "name": "mine", "kind": kind, "origins": origins })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json["key"].as_str().unwrap().to_owned()
}

async fn send(server: &Server, query: &str, headers: &[(&str, &str)]) -> Answer {
    server.send_json("POST", &format!("/events{query}"), headers, &event("u1", "a")).await
}

#[tokio::test]
async fn a_write_key_sends_events_and_reads_nothing() {
    let server = Server::start_with(&["--public-ingest", "off"]).await;
    send(&server, "", &[]).await.assert_error(401, "unauthorized");
    let write = key(&server, "write", &[]).await;
    let (bearer, basic) = (format!("Bearer {write}"), format!("Basic {}", base64(&format!("{write}:"))));
    for authorization in [&bearer, &basic, &format!("Bearer {}", server.token)] {
        assert_eq!(send(&server, "", &[("authorization", authorization)]).await.status, 202);
    }
    assert_eq!(send(&server, &format!("?key={write}"), &[]).await.status, 202);
    for path in ["/users", "/stats", "/users/u1/journey", "/admin/keys"] {
        let answer = server.send_json("GET", path, &[("authorization", &bearer)], &json!({})).await;
        answer.assert_error(403, "forbidden");
    }
    for wrong in ["Bearer mt_write_made-up", "Bearer nonsense", "Basic bXRfd3JpdGU6"] {
        assert_eq!(send(&server, "", &[("authorization", wrong)]).await.status, 401, "{wrong}");
    }
    send(&server, "?key=mt_write_made-up", &[]).await.assert_error(401, "invalid_key");
}

#[tokio::test]
async fn a_read_key_reads_and_sends_nothing() {
    let server = Server::start().await;
    let read = format!("Bearer {}", key(&server, "read", &[]).await);
    for path in ["/users", "/stats", "/users/u1/journey"] {
        assert_eq!(server.send_json("GET", path, &[("authorization", &read)], &json!({})).await.status, 200);
    }
    let answer = server.send_json("GET", "/admin/keys", &[("authorization", &read)], &json!({})).await;
    answer.assert_error(403, "forbidden");
    send(&server, "", &[("authorization", &read)]).await.assert_error(403, "forbidden");
    // Where no key is needed, a wrong one is told all the same.
    for wrong in ["Bearer mt_write_made-up", "mt_write_made-up", "Bearer \"mt_write_made-up\""] {
        send(&server, "", &[("authorization", wrong)]).await.assert_error(401, "invalid_key");
    }
    assert_eq!(send(&server, "", &[]).await.status, 202);
}

#[tokio::test]
async fn keys_are_listed_without_secrets_rotated_and_revoked() {
    let server = Server::start_with(&["--public-ingest", "off"]).await;
    let made = make(&server, json!({ "name": "shop", "kind": "write" })).await;
    let (id, first) = (made.json["id"].as_str().unwrap(), made.json["key"].as_str().unwrap());
    let bearer = |key: &str| format!("Bearer {key}");
    let admin = bearer(&server.token);
    let command =
        async |method: &str, path: &str| server.send_json(method, path, &[("authorization", &admin)], &json!({})).await;
    assert_eq!(send(&server, "", &[("authorization", &bearer(first))]).await.status, 202);
    let listed = command("GET", "/admin/keys").await;
    let shown = &listed.json["keys"][0];
    assert_eq!(
        (&shown["name"], &shown["kind"], &shown["hint"]),
        (&json!("shop"), &json!("write"), &json!(first[first.len() - 4..]))
    );
    assert!(shown["lastUsedAt"].is_string() && !listed.text.contains(first), "{}", listed.text);

    let rotated = command("POST", &format!("/admin/keys/{id}/rotate")).await;
    let second = rotated.json["key"].as_str().unwrap();
    for key in [first, second] {
        assert_eq!(send(&server, "", &[("authorization", &bearer(key))]).await.status, 202, "for a day both are good");
    }
    assert_eq!(command("DELETE", &format!("/admin/keys/{id}")).await.status, 204);
    for key in [first, second] {
        send(&server, "", &[("authorization", &bearer(key))]).await.assert_error(401, "invalid_key");
    }
    command("DELETE", &format!("/admin/keys/{id}")).await.assert_error(404, "not_found");
    command("POST", &format!("/admin/keys/{id}/rotate")).await.assert_error(404, "not_found");

    make(&server, json!({ "name": "", "kind": "write" }))
        .await
        .assert_error(400, "VALIDATION_ERROR")
        .assert_field("name");
    make(&server, json!({ "name": "x", "kind": "both" })).await.assert_error(400, "VALIDATION_ERROR");
    // What is misspelt must not make a key of another project.
    for path in ["/admin/keys?projekt=berlin", "/admin/projects?project=default", "/admin/members?x=1"] {
        server.get(path).await.assert_error(400, "invalid_parameter");
    }
    let origins = json!({ "name": "x", "kind": "write", "origins": ["https://shop.example", "shop.example"] });
    make(&server, origins).await.assert_error(400, "VALIDATION_ERROR").assert_field("origins.1");
}

#[tokio::test]
async fn a_key_may_be_for_some_pages_only() {
    let server = Server::start().await;
    let key = key(&server, "write", &["https://Shop.example:443"]).await;
    let from = async |origin: &str| send(&server, &format!("?key={key}"), &[("origin", origin)]).await;
    assert_eq!(from("https://shop.example").await.status, 202);
    for origin in ["http://shop.example", "https://shop.example:8443", "https://evil.example", "null"] {
        from(origin).await.assert_error(403, "origin_not_allowed");
    }
    // A server has no origin.
    assert_eq!(send(&server, &format!("?key={key}"), &[]).await.status, 202);
    let read = format!("Bearer {}", self::key(&server, "read", &["https://shop.example"]).await);
    let from = async |origin: &str| {
        server.send_json("GET", "/users", &[("authorization", &read), ("origin", origin)], &json!({})).await
    };
    assert_eq!(from("https://shop.example").await.status, 200);
    from("https://evil.example").await.assert_error(403, "origin_not_allowed");
}

#[tokio::test]
async fn pages_of_allowed_origins_send_events_and_beacons() {
    let server = Server::start_with(&["--allowed-origins", "https://shop.example, https://www.shop.example"]).await;
    let preflight = async |path: &str, origin: &str| {
        let request = server
            .request(Method::OPTIONS, path)
            .header(header::ORIGIN, origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        server.send(request.body(Full::default()).unwrap()).await
    };
    let allowed = preflight("/events", "https://shop.example").await;
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(allowed.header("access-control-allow-methods"), Some("POST"));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("content-type"));
    for (path, origin) in [
        ("/events", "https://evil.example"),
        ("/users", "https://shop.example"),
        ("/api/auth/sign-in/email", "https://shop.example"),
    ] {
        assert_eq!(preflight(path, origin).await.header("access-control-allow-origin"), None, "{path}");
    }
    let sent = send(&server, "", &[("origin", "https://www.shop.example")]).await;
    assert_eq!(
        (sent.status.as_u16(), sent.header("access-control-allow-origin")),
        (202, Some("https://www.shop.example"))
    );
    assert_eq!(sent.header("vary"), Some("Origin"));
    // Errors as well: a page wants to know what is wrong.
    let wrong = server.send_json("POST", "/events", &[("origin", "https://shop.example")], &json!({})).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.header("access-control-allow-origin")),
        (400, Some("https://shop.example"))
    );
    // What navigator.sendBeacon makes of a string.
    let beacon = server.request(Method::POST, "/events").header(header::CONTENT_TYPE, "text/plain;charset=UTF-8");
    let beacon = server.send(beacon.body(Full::new(Bytes::from(event("u2", "b").to_string()))).unwrap()).await;
    assert_eq!(beacon.status, 202, "{}", beacon.text);

    let server = Server::start_with(&["--allowed-origins", "*"]).await;
    let sent = send(&server, "", &[("origin", "http://any.example")]).await;
    assert_eq!(sent.header("access-control-allow-origin"), Some("http://any.example"));
    let server = Server::start().await;
    assert_eq!(
        send(&server, "", &[("origin", "http://any.example")]).await.header("access-control-allow-origin"),
        None
    );
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
