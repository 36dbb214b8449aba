//! Checks the `Host` and `Transfer-Encoding` headers of each request, as RFC 9112 requires
//! ([3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2),
//! [6.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.1)). Ambiguous values allow request smuggling, because a
//! proxy and the server may interpret them differently.

use axum::{
    extract::Request,
    http::{Version, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::http::error::catalogue;

/// Rejects a request that does not have exactly one valid `Host` header, or that has a transfer coding other than one
/// `chunked`. Only HTTP/1.1 requires `Host`: HTTP/1.0 does not define it, and HTTP/2 has the host in the target.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let is_fine = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => {
            host.is_empty() || Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
        }
        _ => false,
    };
    if !is_fine {
        return catalogue::invalid_host().into_response();
    }
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let is_fine = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    };
    if !is_fine {
        return catalogue::invalid_transfer_encoding().into_response();
    }
    next.run(request).await
}
