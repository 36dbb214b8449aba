//! What every answer tells browsers, and caches, to be careful with. A route that knows better says so itself: pages have a
//! policy of their own, and may be kept.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

/// Who reads an answer from another site, besides those whom CORS lets: only `/events` is for them.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const DEFAULTS: [(HeaderName, HeaderValue); 6] = [
    // What is told to one is nobody else's.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // Nothing is what it does not say that it is.
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // An answer that a browser takes for a page can do nothing, and stands in nobody's frame.
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// Adds what an answer does not say itself.
pub(super) async fn add(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    be_careful(&mut response);
    response
}

/// The same, of an answer that no route has given.
pub(crate) fn be_careful(response: &mut Response) {
    for (name, value) in DEFAULTS {
        response.headers_mut().entry(name).or_insert(value);
    }
}

/// Of a route that is for pages of other sites.
pub(super) async fn share(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    response
}
