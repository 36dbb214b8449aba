//! `/dashboard/`: the dashboard for people. Its files are built from `web/dashboard`, are compressed, and are in the
//! binary. The pages load and run nothing else.

use std::{borrow::Cow, fmt::Write, io::Read};

use axum::{
    Extension, Router,
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use bytes::Bytes;
use flate2::read::GzDecoder;
use rust_embed::{Embed, EmbeddedFile};

use crate::{
    http::{connections::InMemoryAnyway, error::catalogue, quality::weighted},
    routes::ApiState,
};

/// Two variants of each file: `NAME.br` and `NAME.gz`. A debug build reads them from the source folder.
#[derive(Embed)]
#[folder = "web/dashboard/dist"]
struct Files;

/// The page that all addresses of the dashboard show. The build fails if it is missing.
const INDEX: &str = "index.html";
const _: &[u8] = include_bytes!("../../web/dashboard/dist/index.html.br");

/// Blocks resources from other hosts, inline code and framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    // The URL of the sign-up page contains the secret of the invitation.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    // File names do not change with the content, so browsers ask each time, and get the file only if its tag changed.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    (header::VARY, HeaderValue::from_static("accept-encoding")),
];

pub(super) fn router() -> Router<ApiState> {
    let page = |headers: HeaderMap| async move { respond(INDEX, &headers) };
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/dashboard/") }))
        .route("/dashboard", get(page))
        .route("/dashboard/", get(page))
        .route(
            "/dashboard/{*path}",
            get(|Path(path): Path<String>, headers: HeaderMap| async move {
                // Files have a dot in their name and no folder. All other addresses are pages.
                let is_file = path.contains('.') && !path.contains('/');
                respond(if is_file { &path } else { INDEX }, &headers)
            }),
        )
        // Links of earlier versions. Browsers keep the fragment, which has the token of the invitation.
        .route("/sign-up", get(|| async { Redirect::temporary("/dashboard/sign-up") }))
}

/// Returns a file in the best encoding that the client accepts.
fn respond(name: &str, request: &HeaderMap) -> Response {
    let Some((encoding, file)) = choose(name, request) else {
        return catalogue::nothing_at(&format!("/dashboard/{name}")).into_response();
    };
    let tag = tag(&file, encoding);
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|tags| tags.split(',')).map(str::trim);
    if known.any(|known| known == "*" || known.trim_start_matches("W/") == tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)], HEADERS).into_response();
    }
    let content_type = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers = ([(header::CONTENT_TYPE, content_type)], [(header::ETAG, tag)], HEADERS);
    match (encoding, file.data) {
        (Encoding::Identity, packed) => {
            let mut plain = Vec::new();
            match GzDecoder::new(&*packed).read_to_end(&mut plain) {
                Ok(_) => (headers, plain).into_response(),
                Err(error) => catalogue::internal(&error).into_response(),
            }
        }
        (_, packed) => {
            let encoding = [(header::CONTENT_ENCODING, encoding.name())];
            let bytes = match packed {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            (Extension(InMemoryAnyway), headers, encoding, bytes).into_response()
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }
}

/// Returns the variant of a file to send, or `None` if there is no such file. A client that accepts no compression gets
/// the unpacked `.gz`.
fn choose(name: &str, request: &HeaderMap) -> Option<(Encoding, EmbeddedFile)> {
    let encoding = [Encoding::Brotli, Encoding::Gzip].into_iter().find(|encoding| accepts(request, encoding.name()));
    let encoding = encoding.unwrap_or(Encoding::Identity);
    let extension = if encoding == Encoding::Brotli { "br" } else { "gz" };
    Some((encoding, Files::get(&format!("{name}.{extension}"))?))
}

/// Returns whether `Accept-Encoding` names an encoding with a weight other than zero.
fn accepts(request: &HeaderMap, encoding: &str) -> bool {
    weighted(request, header::ACCEPT_ENCODING).any(|item| item.name.eq_ignore_ascii_case(encoding) && item.weight > 0)
}

/// Returns the entity tag of a variant: the hash of its content, and its encoding.
fn tag(file: &EmbeddedFile, encoding: Encoding) -> String {
    let hash = file.metadata.sha256_hash();
    let mut tag = String::from("\"");
    for byte in &hash[..12] {
        let _ = write!(tag, "{byte:02x}");
    }
    let _ = write!(tag, "-{}\"", encoding.name());
    tag
}
