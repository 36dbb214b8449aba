//! The text form of cursors: base64url of `version.kind.binding...` followed by the fields of the position, one per
//! line.
//!
//! The binding is what the position depends on (sort, order, currency). A cursor contains the binding that it was made
//! for, so that it is rejected in a query where it would mean another position.

use std::{
    fmt::{Display, Write},
    str::FromStr,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::QueryError;

const VERSION: &str = "1";

/// An upper bound for the length of a cursor: a user id has at most 128 characters of at most 4 bytes.
const MAX_CHARS: usize = 1024;

fn head(kind: &str, binding: &[&str]) -> String {
    format!("{VERSION}.{kind}.{}", binding.join("."))
}

/// Encodes a position. Only the last field may contain a line break.
pub(super) fn encode(kind: &str, binding: &[&str], fields: &[&dyn Display]) -> String {
    let mut plain = head(kind, binding);
    for field in fields {
        write!(plain, "\n{field}").expect("writing to a string cannot fail");
    }
    URL_SAFE_NO_PAD.encode(plain)
}

/// Decodes the fields of a position.
pub(super) fn decode<const N: usize>(text: &str, kind: &str, binding: &[&str]) -> Result<[String; N], QueryError> {
    if text.len() > MAX_CHARS {
        return Err(malformed());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
    let plain = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (found, fields) = plain.split_once('\n').ok_or_else(malformed)?;
    if found != head(kind, binding) {
        return Err(QueryError::new(
            "cursor",
            "this cursor belongs to a query with another sort, order or currency; \
             request the first page again, without a cursor",
        ));
    }
    let fields: Vec<String> = fields.splitn(N, '\n').map(str::to_owned).collect();
    fields.try_into().map_err(|_| malformed())
}

/// Parses one field of a position.
pub(super) fn field<T: FromStr>(text: &str) -> Result<T, QueryError> {
    text.parse().map_err(|_| malformed())
}

fn malformed() -> QueryError {
    QueryError::new("cursor", "not a cursor; pass the nextCursor of the previous page unchanged")
}
