//! Authentication by the admin token.

use std::{fs, os::unix::fs::MetadataExt};

use axum::http::{Method, header};
use http_body_util::Full;

use crate::harness::Server;

const PROTECTED: [(&str, &str); 5] = [
    ("GET", "/users"),
    ("GET", "/users/u1/journey"),
    ("GET", "/stats"),
    ("POST", "/admin/roll"),
    ("POST", "/admin/compact"),
];

#[tokio::test]
async fn query_and_admin_routes_require_the_token() {
    let server = Server::start().await;
    let wrong = format!("Bearer {}x", server.token);
    let basic = format!("Basic {}", server.token);
    let shorter = format!("Bearer {}", &server.token[1..]);
    for (method, path) in PROTECTED {
        for given in [None, Some(wrong.as_str()), Some(&basic), Some(&shorter), Some("Bearer"), Some("Bearer ")] {
            let mut request = server.request(method.parse().unwrap(), path);
            if let Some(given) = given {
                request = request.header(header::AUTHORIZATION, given);
            }
            let answer = server.send(request.body(Full::default()).unwrap()).await;
            answer.assert_error(401, "unauthorized");
            let is_token_wrong = answer.json["message"].as_str().unwrap().contains("this token is unknown");
            assert_eq!(
                is_token_wrong,
                given.is_some_and(|given| given.len() > "Bearer ".len() && given != basic),
                "{given:?}"
            );
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        let right = format!("bearer {}", server.token);
        let request = server.request(method.parse().unwrap(), path).header(header::AUTHORIZATION, right);
        let answer = server.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status, 200, "{method} {path}");
        assert_eq!(
            (answer.header("cache-control"), answer.header("x-content-type-options")),
            (Some("no-store"), Some("nosniff"))
        );
    }
}

#[tokio::test]
async fn health_routes_are_public_and_leak_no_secret() {
    let server = Server::start().await;
    for path in ["/livez", "/readyz", "/health"] {
        let request = server.request(Method::GET, path).body(Full::default()).unwrap();
        let answer = server.send(request).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert!(!answer.text.contains(&server.token));
    }
}

#[tokio::test]
async fn token_file_survives_restart_and_is_private() {
    let server = Server::start().await;
    let token = server.token.clone();
    let dir = server.stopped().await;
    assert_eq!(fs::metadata(dir.path().join("admin-token")).unwrap().mode() & 0o777, 0o600);
    let server = Server::start_in(dir, &[]).await;
    assert_eq!(server.token, token);
    assert_eq!(server.get("/users").await.status, 200);
}

#[tokio::test]
async fn configured_token_replaces_the_token_file() {
    let mut server = Server::start_with(&["--admin-token", "a-token-of-my-own"]).await;
    assert!(server.token.is_empty(), "the server writes no token file");
    server.token = "a-token-of-my-own".to_owned();
    assert_eq!(server.get("/users").await.status, 200);
}
