//! Writes values and objects as JSON.

use super::view::{Value, text_or_json};
use crate::import::amount::Notation;

/// Writes an id. Ids are always strings without blanks around them, even if the record has a number.
pub(super) fn write_name(out: &mut Vec<u8>, value: Value<'_>) {
    match text_or_json(value) {
        Ok(text) => write_text(out, text.trim()),
        Err(json) => out.extend_from_slice(json.as_bytes()),
    }
}

/// Writes a property. The digits of a number do not change.
pub(super) fn write_value(out: &mut Vec<u8>, value: Value<'_>, numbers: Notation) {
    let (text, numbers) = match value {
        Value::Json(json) => return out.extend_from_slice(json.as_bytes()),
        Value::Text(text) | Value::Name(text) => return write_text(out, text),
        Value::Column(text) => (text, numbers),
        Value::Constant(text) => (text, Notation::default()),
    };
    match numbers.json(text) {
        Some(number) => out.extend_from_slice(number.as_bytes()),
        None => write_text(out, text),
    }
}

pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("writing a string as JSON to a Vec cannot fail");
    }
}

/// Writes a JSON object.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    any: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, any: false }
    }

    /// Writes a member, unless `write` returns `false`.
    pub(super) fn member(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let mark = self.out.len();
        if self.any {
            self.out.push(b',');
        }
        write_text(self.out, name);
        self.out.push(b':');
        if write(self.out) {
            self.any = true;
        } else {
            self.out.truncate(mark);
        }
    }

    /// Returns whether the object has members.
    pub(super) fn end(self) -> bool {
        self.out.push(b'}');
        self.any
    }
}
