//! Cross-origin requests: pages of allowed origins may send events.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::rejected::Rejected;
use crate::{
    http::{
        auth::{Access, AllowedOrigins, is_allowed},
        error::{ApiError, catalogue},
        headers::share_with_other_sites,
        params::Params,
    },
    observability::RequestId,
    routes::ApiState,
};

/// Answers the CORS preflight that browsers send before a page of another origin may send events.
pub(super) async fn preflight(State(state): State<ApiState>, request: Request) -> Result<impl IntoResponse, ApiError> {
    let (head, _) = request.into_parts();
    if let Some(origin) = head.headers.get(header::ORIGIN)
        && !is_allowed(&state.access, origin).await
    {
        let error = catalogue::origin_not_allowed(&String::from_utf8_lossy(origin.as_bytes()));
        record(&state, &head, &error);
        return Err(error);
    }
    let headers = [
        (header::ALLOW, "POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    Ok((StatusCode::NO_CONTENT, headers))
}

/// Records that a browser will not send the events of a page. The page itself does not learn why.
fn record(state: &ApiState, head: &Parts, error: &ApiError) {
    let secret = Params::of(&head.uri).one("key", |text| Ok::<_, &str>(text.to_owned())).ok().flatten();
    let key = secret.and_then(|secret| state.access.accounts.key_with_origins(&secret));
    let rejected = Rejected { rejections: vec![error.rejection()], project: None, key };
    let address = state.access.proxies.client_of_head(head);
    let request_id = head.extensions.get::<RequestId>().map(RequestId::as_str);
    rejected.record(&state.projects, head, address, error.status, request_id);
}

/// Request headers that pages may set. Pages with tracing add the last two.
const HEADERS: &str = "authorization, content-encoding, content-type, x-request-id, traceparent, tracestate";

/// Middleware that [adds the headers](add_headers) to each response.
pub(super) async fn layer(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = next.run(request).await;
    add_headers(&access, origin.as_ref(), response.headers_mut()).await;
    response
}

/// Adds the headers with which the page of an allowed origin can read a response.
pub(super) async fn add_headers(access: &Access, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    if let Some(origin) = origin {
        let allowed = is_allowed(access, origin).await.then_some(origin);
        headers.extend(AllowedOrigins::headers(allowed));
    }
    share_with_other_sites(headers);
}
