//! A request names one host, as [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112#section-3.2) demands: proxies that read
//! two of them differently can be played off against each other.

use axum::{
    extract::Request,
    http::{StatusCode, Version, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::error::ApiError;

/// Lets through what names one host, or none where it need not: HTTP/1.0 knows none, HTTP/2 has it in the target.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let is_fine = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => {
            host.is_empty() || Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        _ => false,
    };
    if is_fine {
        return next.run(request).await;
    }
    let message = "a request has one Host header, with the name of the server and perhaps a port";
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_host", message).at("Host").into_response()
}
