//! A request names one host, and its body has one end, as RFC 9112 demands ([3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2),
//! [6.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.1)): proxies that read two of them differently can be played off
//! against each other.

use axum::{
    extract::Request,
    http::{StatusCode, Version, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::error::ApiError;

/// Lets through what has one end and names one host, or none where it need not: HTTP/1.0 knows none, HTTP/2 has it in the target.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let is_fine = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => {
            host.is_empty() || Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        _ => false,
    };
    if !is_fine {
        let message = "a request has one Host header, with the name of the server and perhaps a port";
        return ApiError::new(StatusCode::BAD_REQUEST, "invalid_host", message).at("Host").into_response();
    }
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let is_fine = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    };
    if !is_fine {
        let message =
            "chunked is the only transfer coding that is taken, once; what is packed says so in Content-Encoding";
        let error = ApiError::new(StatusCode::BAD_REQUEST, "invalid_transfer_encoding", message);
        return error.at("Transfer-Encoding").into_response();
    }
    next.run(request).await
}
