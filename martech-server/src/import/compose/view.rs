//! The values of a parsed record.

use std::borrow::Cow;

use crate::{
    import::{
        cells::Cells,
        layout::{Nulls, Source},
        members::{Members, text_of},
    },
    util::formula,
};

/// A parsed record.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    Columns { cells: &'a Cells, record: &'a str },
    Object(&'a Members<'a>),
}

/// A value of a record, or a constant.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// Text of a column. It becomes a number if it is one in the notation of the file.
    Column(&'a str),
    /// Text that stays text, even if it looks like a number.
    Text(&'a str),
    /// Text of a column that fills a field, such as an id. CSV responses may have put apostrophes into it.
    Name(&'a str),
    /// Text of an option. It becomes a number if it is one in JSON.
    Constant(&'a str),
    /// JSON text other than `null`.
    Json(&'a str),
}

impl<'a> View<'a> {
    /// Returns the value of a source, or `None` if the record has none or it counts as null.
    pub(super) fn get(self, source: &'a Source, nulls: &Nulls) -> Option<Value<'a>> {
        match (source, self) {
            (Source::Constant(text), _) => Some(Value::Constant(text)),
            (Source::Column(column) | Source::Text(column), View::Columns { cells, record }) => {
                // A column with only blanks counts as empty.
                let column = cells.get(record, *column).filter(|column| !column.text.trim().is_empty())?;
                let is_null = nulls.column(column.text, column.is_quoted);
                (!is_null).then_some(match source {
                    Source::Text(_) => Value::Text(column.text.trim()),
                    _ => Value::Column(column.text),
                })
            }
            (Source::Member(path), View::Object(members)) => {
                members.find(path).filter(|json| !nulls.json(json)).map(Value::Json)
            }
            _ => None,
        }
    }
}

/// Returns the text of a value: column text as it is, a name without the apostrophes of CSV responses, the content of a
/// JSON string, or the digits of a JSON number. Returns any other JSON text as the error.
pub(super) fn text_or_json(value: Value<'_>) -> Result<Cow<'_, str>, &str> {
    match value {
        Value::Column(text) | Value::Text(text) | Value::Constant(text) => Ok(Cow::Borrowed(text)),
        Value::Name(text) => Ok(formula::restore(text)),
        Value::Json(json) if json.starts_with('"') => text_of(json).ok_or(json),
        Value::Json(json) if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Ok(Cow::Borrowed(json)),
        Value::Json(json) => Err(json),
    }
}

/// Shortens a text for a message.
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}
