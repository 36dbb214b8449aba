//! The response headers for browsers, on every route, with a valid token and with an invalid one.

use axum::http::header;
use http_body_util::Full;

use crate::harness::Server;

const ROUTES: [(&str, &str); 22] = [
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/health"),
    ("GET", "/users"),
    ("GET", "/users/u1/journey"),
    ("GET", "/stats"),
    ("POST", "/admin/roll"),
    ("POST", "/admin/compact"),
    ("GET", "/admin/members"),
    ("POST", "/admin/members"),
    ("DELETE", "/admin/members/x"),
    ("GET", "/admin/invitations"),
    ("POST", "/admin/invitations"),
    ("GET", "/admin/audit"),
    ("GET", "/admin/keys"),
    ("POST", "/admin/keys/x/rotate"),
    ("GET", "/api/auth/get-session"),
    ("POST", "/api/auth/sign-in/email"),
    ("POST", "/api/auth/sign-out"),
    ("GET", "/dashboard/sign-up"),
    ("GET", "/dashboard/index.js"),
    ("GET", "/nothing"),
];

#[tokio::test]
async fn sets_security_headers_everywhere_and_cors_only_on_events() {
    let server = Server::start_with(&["--allowed-origins", "https://shop.example"]).await;
    for (method, path) in ROUTES.into_iter().chain([("OPTIONS", "/stats"), ("OPTIONS", "/api/auth/sign-in/email")]) {
        for token in ["wrong", &server.token] {
            let request = server
                .request(method.parse().unwrap(), path)
                .header(header::ORIGIN, "https://shop.example")
                .header("access-control-request-method", "GET")
                .header(header::AUTHORIZATION, format!("Bearer {token}"));
            let answer = server.send(request.body(Full::default()).unwrap()).await;
            let what = format!("{method} {path}: {answer:?}");
            for name in answer.headers.keys() {
                assert!(!name.as_str().starts_with("access-control-"), "{what}");
            }
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
            assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{what}");
            assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{what}");
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}");
            assert!(!policy.contains("unsafe"), "{what}");
            let is_page = answer.header("content-type").is_some_and(|media| media.starts_with("text/"));
            let (cached, referrer) = if is_page { ("no-cache", "same-origin") } else { ("no-store", "no-referrer") };
            assert_eq!(answer.header("cache-control"), Some(cached), "{what}");
            assert_eq!(answer.header("referrer-policy"), Some(referrer), "{what}");
        }
    }
    let sent = server.post_as("", &[("origin", "https://shop.example")], "{}").await;
    assert_eq!(sent.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(sent.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(
        (sent.header("cache-control"), sent.header("x-content-type-options")),
        (Some("no-store"), Some("nosniff"))
    );
}
