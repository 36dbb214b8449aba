//! Answers as tables: CSV by [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180), for clients that prefer `text/csv` to
//! JSON.
//!
//! Ids and properties come from anonymous senders, so texts are [neutralized](formula::neutralize): no spreadsheet runs a
//! part of them as a formula.

use std::fmt::{Display, Write};

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    http::{
        error::ApiError,
        quality::{Weighted, weighted},
    },
    identity::ProjectId,
    util::formula,
};

/// A table under construction: first the names of the columns, then the rows, cell by cell.
#[derive(Debug, Default)]
pub(crate) struct Csv {
    text: String,
    has_cells: bool,
}

/// The characters that a cell can hold only between quotation marks. Semicolons and tabs are among them for spreadsheets
/// that split a row at these too.
const QUOTED: [char; 6] = [',', ';', '\t', '"', '\r', '\n'];

impl Csv {
    /// Adds the names of columns.
    pub(crate) fn names<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        names.into_iter().for_each(|name| self.cell(name));
    }

    /// Adds a cell with a text that a sender may have chosen.
    pub(crate) fn text(&mut self, text: &str) {
        self.cell(&formula::neutralize(text));
    }

    /// Adds a cell with a number, an amount or a time.
    pub(crate) fn value(&mut self, value: impl Display) {
        self.begin_cell();
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}");
    }

    /// Adds a cell without a value.
    pub(crate) fn empty(&mut self) {
        self.begin_cell();
    }

    /// Ends the row.
    pub(crate) fn end_row(&mut self) {
        self.text.push_str("\r\n");
        self.has_cells = false;
    }

    fn cell(&mut self, text: &str) {
        self.begin_cell();
        if !text.contains(QUOTED) {
            self.text.push_str(text);
            return;
        }
        self.text.push('"');
        for (number, part) in text.split('"').enumerate() {
            if number > 0 {
                self.text.push_str("\"\"");
            }
            self.text.push_str(part);
        }
        self.text.push('"');
    }

    fn begin_cell(&mut self) {
        if self.has_cells {
            self.text.push(',');
        }
        self.has_cells = true;
    }
}

/// An answer that can also be a table.
pub(crate) trait Table: Serialize {
    /// Returns the name of the file, without the project and the extension.
    fn name(&self) -> String;

    /// Writes the names of the columns and the rows.
    fn write(&self, csv: &mut Csv);

    /// Returns the cursor of the next page, if there is one.
    fn next_cursor(&self) -> Option<&str>;
}

/// The format of the answer that the client prefers.
#[derive(Debug)]
pub(crate) struct Format {
    is_csv: bool,
    uri: Uri,
}

impl Format {
    /// Returns the response with an answer.
    pub(crate) fn respond(&self, project: &ProjectId, answer: &impl Table) -> Response {
        let vary = (header::VARY, HeaderValue::from_static("accept"));
        if !self.is_csv {
            return ([vary], Json(answer)).into_response();
        }
        let mut csv = Csv::default();
        answer.write(&mut csv);
        let file = format!("attachment; filename=\"{project}-{}.csv\"", answer.name());
        let content_type = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
        let mut response = ([vary, (header::CONTENT_TYPE, content_type)], csv.text).into_response();
        let next = answer.next_cursor().map(|cursor| next_page(&self.uri, cursor));
        for (name, value) in [(header::CONTENT_DISPOSITION, Some(file)), (header::LINK, next)] {
            // Parts of a URI and the names of files are valid in headers.
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self { is_csv: prefers_csv(&parts.headers), uri: parts.uri.clone() })
    }
}

/// Returns the value of `Link` for the next page. It is relative to the path of the request, so it holds behind a proxy
/// that changes the path.
fn next_page(uri: &Uri, cursor: &str) -> String {
    let pairs = uri.query().unwrap_or_default().split('&');
    let mut query: String = pairs
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("cursor"))
        .map(|pair| format!("{pair}&"))
        .collect();
    query.push_str(&form_urlencoded::Serializer::new(String::new()).append_pair("cursor", cursor).finish());
    format!("<?{query}>; rel=\"next\"")
}

/// Returns whether `Accept` prefers CSV to JSON. JSON is the default: without `Accept`, if both are equally welcome, and
/// if neither is.
fn prefers_csv(headers: &HeaderMap) -> bool {
    let (mut csv, mut json) = (Preference::default(), Preference::default());
    for range in weighted(headers, header::ACCEPT) {
        csv.consider(range, "text", "csv");
        json.consider(range, "application", "json");
    }
    csv.rank() > json.rank()
}

/// How welcome a media type is.
#[derive(Debug, Clone, Copy, Default)]
struct Preference {
    /// How closely the closest range names the type: 0 if none does, 3 for the type itself.
    closeness: u8,
    /// The weight of that range.
    weight: u16,
}

impl Preference {
    /// Takes a media range into account. The closest range counts, by
    /// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1).
    fn consider(&mut self, range: Weighted<'_>, kind: &str, subtype: &str) {
        let closeness = match range.name.split_once('/') {
            Some((left, right)) if left.eq_ignore_ascii_case(kind) && right.eq_ignore_ascii_case(subtype) => 3,
            Some((left, "*")) if left.eq_ignore_ascii_case(kind) => 2,
            Some(("*", "*")) => 1,
            _ => return,
        };
        if closeness > self.closeness {
            *self = Self { closeness, weight: range.weight };
        }
    }

    /// Returns what to compare: the weight, and for equal ones, whether the type is named itself.
    fn rank(self) -> (u16, u8) {
        if self.weight == 0 { (0, 0) } else { (self.weight, self.closeness) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefers(accept: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        prefers_csv(&headers)
    }

    #[test]
    fn csv_is_sent_only_if_it_is_preferred() {
        for accept in [
            &["text/csv"][..],
            &["TEXT/CSV; charset=utf-8"],
            &["text/csv, */*"],
            &["text/csv, */*;q=0.1"],
            &["application/json;q=0.5, text/csv;q=0.9"],
            &["application/json;q=0.5", "text/csv"],
            &["text/*"],
            &["text/csv, application/json;q=0"],
        ] {
            assert!(prefers(accept), "{accept:?}");
        }
        for accept in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["text/csv, application/json"],
            &["text/csv;q=0.5, */*"],
            &["text/csv;q=0"],
            &["text/csv;q=x"],
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            &["text/plain"],
            &["text/csv;q=0, text/*;q=0.5"],
            &["csv", "", ",", "/", ";q=1"],
        ] {
            assert!(!prefers(accept), "{accept:?}");
        }
    }

    #[test]
    fn cells_are_quoted_where_needed() {
        let mut csv = Csv::default();
        csv.names(["a", "b"]);
        csv.end_row();
        csv.text("plain");
        csv.text("one, \"two\"\r\nthree");
        csv.end_row();
        csv.empty();
        csv.value(-1.5);
        csv.end_row();
        assert_eq!(csv.text, "a,b\r\nplain,\"one, \"\"two\"\"\r\nthree\"\r\n,-1.5\r\n");
    }

    #[test]
    fn texts_cannot_begin_a_formula() {
        let cell = |text: &str| {
            let mut csv = Csv::default();
            csv.text(text);
            csv.text
        };
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
        assert_eq!(cell("\r=1"), "\"\r'=1\"");
        assert_eq!(cell("x;=HYPERLINK(\"x\",\"y\")"), "\"x;'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
        assert_eq!(cell("x\t=1"), "\"x\t'=1\"");
        assert_eq!(cell("a;b"), "\"a;b\"");
    }

    /// Excel with German settings splits a row at semicolons only. A cell is quoted only if it begins with a quotation
    /// mark.
    #[test]
    fn texts_cannot_begin_a_formula_where_semicolons_separate() {
        let texts = ["u1", "=1+1;=2", ";=3;", "x;\"=4;y", "x;\"\"=5", "{\"a\":\";@6;\",\"b\":\"\n-7\"}", "\t+8"];
        for first in texts {
            let mut csv = Csv::default();
            csv.text(first);
            texts.iter().for_each(|text| csv.text(text));
            csv.end_row();
            // At worst, the reader splits at every separator, and drops all quotation marks.
            for cell in csv.text.split([';', '\t', '\r', '\n']) {
                let cell = cell.trim_start_matches('"');
                assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell} in {}", csv.text);
            }
        }
    }

    #[test]
    fn next_page_has_the_other_parameters() {
        let link = |uri: &'static str| next_page(&Uri::from_static(uri), "abc-_");
        assert_eq!(link("/users"), "<?cursor=abc-_>; rel=\"next\"");
        assert_eq!(link("/users?q=a%20b&cursor=old&sort=events"), "<?q=a%20b&sort=events&cursor=abc-_>; rel=\"next\"");
    }
}
