//! The media type and compression of a body: `Content-Type` and `Content-Encoding`.

use axum::http::{HeaderMap, HeaderName, header};

use crate::http::error::{ApiError, catalogue};

/// Format of the events in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON value.
    Json,
    /// One JSON object per line.
    Ndjson,
}

/// Compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// Returns the format of a body of events.
pub(crate) fn format(headers: &HeaderMap) -> Result<Format, ApiError> {
    // The usual value needs no copy in lowercase.
    if only(headers, header::CONTENT_TYPE) == Some("application/json") {
        return Ok(Format::Json);
    }
    match essence(headers).map_err(catalogue::unsupported_media_type)?.as_str() {
        // Browsers send `text/plain` beacons cross-origin without a preflight.
        "application/json" | "text/plain" => Ok(Format::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Format::Ndjson),
        _ => Err(catalogue::unsupported_media_type("unsupported Content-Type")),
    }
}

/// Returns the media type in lowercase and without parameters, or the reason why it is not accepted. The charset, if
/// any, must be UTF-8 or US-ASCII.
pub(crate) fn essence(headers: &HeaderMap) -> Result<String, &'static str> {
    let value = only(headers, header::CONTENT_TYPE).ok_or("the request must have one Content-Type")?;
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    let is_taken = |charset: &str| charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii");
    if charset.is_none_or(is_taken) { Ok(essence) } else { Err("unsupported charset") }
}

pub(super) fn encoding(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    if !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(Encoding::Identity);
    }
    let value = only(headers, header::CONTENT_ENCODING).unwrap_or_default().trim().to_ascii_lowercase();
    match value.as_str() {
        "identity" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        _ => Err(catalogue::unsupported_encoding()),
    }
}

/// Returns the value of a header that occurs exactly once and is text.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn parses_content_types() {
        let format = |value| format(&with(header::CONTENT_TYPE, value)).ok();
        assert_eq!(format("application/json"), Some(Format::Json));
        assert_eq!(format("Application/JSON; charset=\"UTF-8\""), Some(Format::Json));
        assert_eq!(format("application/x-ndjson"), Some(Format::Ndjson));
        assert_eq!(format("application/json; charset=latin1"), None);
        assert_eq!(format("application/x-www-form-urlencoded"), None);
    }

    #[test]
    fn parses_content_encodings() {
        let encoding = |value| encoding(&with(header::CONTENT_ENCODING, value)).ok();
        assert_eq!(encoding("GZIP"), Some(Encoding::Gzip));
        assert_eq!(encoding("zstd"), Some(Encoding::Zstd));
        assert_eq!(encoding("identity"), Some(Encoding::Identity));
        assert_eq!(encoding("br"), None);
        assert_eq!(encoding("gzip, zstd"), None);
        assert_eq!(super::encoding(&HeaderMap::new()).ok(), Some(Encoding::Identity));
    }
}
