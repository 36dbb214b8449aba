//! API keys, and requests from pages of other origins (CORS).

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
async fn write_key_sends_events_but_cannot_read() {
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
async fn read_key_reads_but_cannot_send_events() {
    let server = Server::start().await;
    let read = format!("Bearer {}", key(&server, "read", &[]).await);
    for path in ["/users", "/stats", "/users/u1/journey"] {
        assert_eq!(server.send_json("GET", path, &[("authorization", &read)], &json!({})).await.status, 200);
    }
    let answer = server.send_json("GET", "/admin/keys", &[("authorization", &read)], &json!({})).await;
    answer.assert_error(403, "forbidden");
    send(&server, "", &[("authorization", &read)]).await.assert_error(403, "forbidden");
    // The server reports a wrong key even if the route requires none.
    for wrong in ["Bearer mt_write_made-up", "mt_write_made-up", "Bearer \"mt_write_made-up\""] {
        send(&server, "", &[("authorization", wrong)]).await.assert_error(401, "invalid_key");
    }
    assert_eq!(send(&server, "", &[]).await.status, 202);
}

#[tokio::test]
async fn lists_rotates_and_revokes_keys() {
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
        assert_eq!(send(&server, "", &[("authorization", &bearer(key))]).await.status, 202, "both are valid for a day");
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
    // A misspelled parameter must not create a key in another project.
    for path in ["/admin/keys?projekt=berlin", "/admin/projects?project=default", "/admin/members?x=1"] {
        server.get(path).await.assert_error(400, "invalid_parameter");
    }
    let origins = json!({ "name": "x", "kind": "write", "origins": ["https://shop.example", "shop.example"] });
    make(&server, origins).await.assert_error(400, "VALIDATION_ERROR").assert_field("origins.1");
}

#[tokio::test]
async fn changes_name_and_origins_of_a_key_at_once() {
    let server = Server::start_with(&["--public-ingest", "off"]).await;
    let admin = format!("Bearer {}", server.token);
    let made = make(&server, json!({ "name": "mine", "kind": "write", "origins": ["https://a.example"] })).await;
    let (id, secret) = (made.json["id"].as_str().unwrap(), made.json["key"].as_str().unwrap());
    let path = format!("/admin/keys/{id}");
    let change = async |body: Value| server.send_json("PATCH", &path, &[("authorization", &admin)], &body).await;
    let from = async |origin: &str| send(&server, &format!("?key={secret}"), &[("origin", origin)]).await;
    assert_eq!(from("https://a.example").await.status, 202);
    from("https://b.example").await.assert_error(403, "origin_not_allowed");

    let changed = change(json!({ "origins": ["https://B.example:443"] })).await;
    assert_eq!((changed.status.as_u16(), &changed.json["origins"]), (200, &json!(["https://b.example"])));
    assert_eq!((&changed.json["name"], changed.json.get("key")), (&json!("mine"), None));
    let sent = from("https://b.example").await;
    assert_eq!((sent.status.as_u16(), sent.header("access-control-allow-origin")), (202, Some("https://b.example")));
    from("https://a.example").await.assert_error(403, "origin_not_allowed");

    assert_eq!(change(json!({ "name": "shop" })).await.json["name"], "shop");
    // Both secrets of a rotated key change.
    server.command(&format!("{path}/rotate")).await;
    change(json!({ "origins": ["https://c.example"] })).await;
    assert_eq!(from("https://c.example").await.status, 202);

    // Everyone has read the key of a page, so it must not become a secret key.
    change(json!({ "origins": [] })).await.assert_error(400, "VALIDATION_ERROR").assert_field("origins");
    change(json!({ "origins": ["c.example"] })).await.assert_error(400, "VALIDATION_ERROR").assert_field("origins.0");
    change(json!({ "origins": null })).await.assert_error(400, "VALIDATION_ERROR").assert_field("origins");
    change(json!({ "name": "" })).await.assert_error(400, "VALIDATION_ERROR").assert_field("name");
    let missing = server.send_json("PATCH", "/admin/keys/none", &[("authorization", &admin)], &json!({})).await;
    missing.assert_error(404, "not_found");
    let audit = server.get("/admin/audit").await;
    let entries = audit.json["entries"].as_array().unwrap();
    assert_eq!(entries.iter().filter(|entry| entry["action"] == "keyUpdated").count(), 3);
}

#[tokio::test]
async fn rejects_slow_body_of_a_revoked_key() {
    let server = Server::start().await;
    let made = make(&server, json!({ "name": "shop", "kind": "write" })).await;
    let (id, key) = (made.json["id"].as_str().unwrap(), made.json["key"].as_str().unwrap());
    let body = event("u1", "late").to_string();
    let mut raw = server.connect().await;
    raw.write(format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ))
    .await;
    raw.interim("HTTP/1.1 100 Continue\r\n\r\n").await;
    let begun = tokio::time::Instant::now();
    let authorization = format!("Bearer {}", server.token);
    let headers = [("authorization", authorization.as_str())];
    let revoked = server.send_json("DELETE", &format!("/admin/keys/{id}"), &headers, &json!({})).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text);
    // The server checks the key again only for a body that took more than a second.
    for piece in body.as_bytes().chunks(body.len() / 10) {
        tokio::time::sleep_until(begun + std::time::Duration::from_millis(1_100)).await;
        raw.write(piece).await;
    }
    raw.answer().await.assert_error(401, "invalid_key");
    assert_eq!(server.get("/users").await.json["total"], 0);
}

#[tokio::test]
async fn restricts_a_key_to_its_origins() {
    let server = Server::start().await;
    let key = key(&server, "write", &["https://Shop.example:443"]).await;
    let from = async |origin: &str| send(&server, &format!("?key={key}"), &[("origin", origin)]).await;
    assert_eq!(from("https://shop.example").await.status, 202);
    for origin in ["http://shop.example", "https://shop.example:8443", "https://evil.example", "null"] {
        from(origin).await.assert_error(403, "origin_not_allowed");
    }
    // Servers send no `Origin`.
    assert_eq!(send(&server, &format!("?key={key}"), &[]).await.status, 202);
    let read = format!("Bearer {}", self::key(&server, "read", &["https://shop.example"]).await);
    let from = async |origin: &str| {
        server.send_json("GET", "/users", &[("authorization", &read), ("origin", origin)], &json!({})).await
    };
    assert_eq!(from("https://shop.example").await.status, 200);
    from("https://evil.example").await.assert_error(403, "origin_not_allowed");
}

#[tokio::test]
async fn accepts_events_and_beacons_from_allowed_origins() {
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
    // Error responses have CORS headers too, so that a page can read them.
    let wrong = server.send_json("POST", "/events", &[("origin", "https://shop.example")], &json!({})).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.header("access-control-allow-origin")),
        (400, Some("https://shop.example"))
    );
    // `navigator.sendBeacon` sends a string with this media type.
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

#[tokio::test]
async fn allows_cors_for_the_origins_of_keys() {
    let server = Server::start().await;
    let preflight = async |origin: &str| {
        let request = server
            .request(Method::OPTIONS, "/events")
            .header(header::ORIGIN, origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,traceparent,tracestate");
        server.send(request.body(Full::default()).unwrap()).await
    };
    let refused = preflight("https://shop.example").await;
    refused.assert_error(403, "origin_not_allowed");
    assert!(refused.json["message"].as_str().unwrap().contains("MARTECH_ALLOWED_ORIGINS"), "{}", refused.text);
    let key = key(&server, "write", &["https://shop.example"]).await;
    let allowed = preflight("https://shop.example").await;
    assert_eq!(
        (allowed.status.as_u16(), allowed.header("access-control-allow-origin")),
        (204, Some("https://shop.example"))
    );
    for header in ["authorization", "content-type", "traceparent", "tracestate"] {
        assert!(allowed.header("access-control-allow-headers").unwrap().contains(header));
    }
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("origin", "https://shop.example")];
    let sent = send(&server, "", &headers).await;
    assert_eq!((sent.status.as_u16(), sent.header("access-control-allow-origin")), (202, Some("https://shop.example")));
    preflight("https://evil.example").await.assert_error(403, "origin_not_allowed");
    let ask = server.request(Method::OPTIONS, "/events").body(Full::default()).unwrap();
    assert_eq!(server.send(ask).await.status, 204, "OPTIONS without an origin is answered");
}

#[tokio::test]
async fn pages_through_keys_and_invitations_by_cursor() {
    let server = Server::start().await;
    let authorization = format!("Bearer {}", server.token);
    let admin = [("authorization", authorization.as_str())];
    let mut ids = Vec::new();
    for number in 0..7 {
        let made = make(&server, json!({ "name": format!("k{number}"), "kind": "read" })).await;
        ids.push(made.json["id"].clone());
        let invite = json!({ "role": "analyst", "email": format!("u{number}@shop.example") });
        assert_eq!(server.send_json("POST", "/admin/invitations", &admin, &invite).await.status, 201);
    }
    let paged = async |path: &str, list: &str, field: &str| {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.get(&format!("{path}?limit=3{cursor}")).await;
            let rows = page.json[list].as_array().unwrap_or_else(|| panic!("{}", page.text)).clone();
            assert!(rows.len() <= 3);
            all.extend(rows.into_iter().map(|row| row[field].clone()));
            let Some(next) = page.json["nextCursor"].as_str() else { return all };
            cursor = format!("&cursor={next}");
        }
    };
    assert_eq!(paged("/admin/keys", "keys", "id").await, ids);
    assert_eq!(paged("/admin/invitations", "invitations", "email").await.len(), 7);
    server.get("/admin/keys?cursor=").await.assert_error(400, "invalid_parameter").assert_field("cursor");
    // A key has at most two secrets: each rotation ends the oldest.
    let id = ids[3].as_str().unwrap();
    let mut secrets = Vec::new();
    for _ in 0..4 {
        let rotated = server.command(&format!("/admin/keys/{id}/rotate")).await;
        secrets.push(rotated.json["key"].as_str().unwrap().to_owned());
    }
    let reads = async |secret: &str| {
        let bearer = format!("Bearer {secret}");
        server.send_json("GET", "/users", &[("authorization", &bearer)], &json!({})).await.status.as_u16()
    };
    for (secret, status) in secrets.iter().zip([401, 401, 200, 200]) {
        assert_eq!(reads(secret).await, status);
    }
    assert_eq!(paged("/admin/keys", "keys", "id").await.iter().filter(|other| **other == *id).count(), 2);
    let revoked = server.send_json("DELETE", &format!("/admin/keys/{id}"), &admin, &json!({})).await;
    assert_eq!(revoked.status, 204);
    for secret in &secrets {
        assert_eq!(reads(secret).await, 401);
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
