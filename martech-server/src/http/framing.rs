//! Checks the `Host` and `Transfer-Encoding` headers of each request, as RFC 9112 requires
//! ([3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2),
//! [6.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.1)). Ambiguous values allow request smuggling, because a
//! proxy and the server may interpret them differently.

use axum::{
    extract::Request,
    http::{HeaderMap, Version, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::http::error::{ApiError, catalogue};

/// Middleware that [checks](check) each request.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    match check(request.version(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Rejects a request that does not have exactly one valid `Host` header, or that has a transfer coding other than one
/// `chunked`. Only HTTP/1.1 requires `Host`: HTTP/1.0 does not define it, and HTTP/2 has the host in the target.
pub(crate) fn check(version: Version, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let is_valid = match (hosts.next(), hosts.next()) {
        (None, _) => version != Version::HTTP_11,
        (Some(host), None) => {
            host.is_empty() || Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        _ => false,
    };
    if !is_valid {
        return Err(catalogue::invalid_host());
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(catalogue::invalid_transfer_encoding()),
    }
}
