//! Quality values of `Accept` and `Accept-Encoding`, by
//! [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2).

use axum::http::{HeaderMap, HeaderName};

/// A media range or a content coding, with its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weighted<'a> {
    pub(crate) name: &'a str,
    /// From 0, which means "not acceptable", to 1000. An invalid quality value counts as 0.
    pub(crate) weight: u16,
}

/// Returns the items of all headers with a name.
pub(crate) fn weighted(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Weighted<'_>> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(Weighted::parse)
}

impl<'a> Weighted<'a> {
    fn parse(item: &'a str) -> Self {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim_end().eq_ignore_ascii_case("q").then(|| value.trim_start())
        });
        let quality = quality.map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0));
        Self { name, weight: (quality.clamp(0.0, 1.0) * 1000.0).round() as u16 }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    #[test]
    fn items_have_a_weight() {
        let mut headers = HeaderMap::new();
        for value in ["br;Q=0, gzip; q=0.5 ,*", "text/csv;charset=utf-8;q=0.001", "a;q=2,b;q=-1,c;q=x,d;q = 0,e;q=NaN"]
        {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        let items: Vec<_> = weighted(&headers, header::ACCEPT).map(|item| (item.name, item.weight)).collect();
        let expected = [("br", 0), ("gzip", 500), ("*", 1000), ("text/csv", 1)];
        assert_eq!(items[..4], expected);
        assert_eq!(items[4..], [("a", 1000), ("b", 0), ("c", 0), ("d", 0), ("e", 0)]);
    }
}
