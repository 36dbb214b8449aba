//! Pages for people. Their files are in the binary, and the pages load and run nothing else.

use axum::{
    Extension, Router,
    http::{HeaderName, HeaderValue, header},
    response::IntoResponse,
    routing::get,
};

use crate::{http::connections::InMemoryAnyway, routes::ApiState};

/// Blocks resources from other hosts, inline code and framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    // The URL of the sign-up page contains the secret of the invitation.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/sign-up", get(|| async { page("text/html; charset=utf-8", include_str!("sign-up.html")) }))
        .route(
            "/pages/sign-up.js",
            get(|| async { page("text/javascript; charset=utf-8", include_str!("sign-up.js")) }),
        )
        .route("/pages/style.css", get(|| async { page("text/css; charset=utf-8", include_str!("style.css")) }))
}

fn page(content_type: &'static str, content: &'static str) -> impl IntoResponse {
    (Extension(InMemoryAnyway), [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], HEADERS, content)
}
