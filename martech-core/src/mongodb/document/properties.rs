//! Conversion of properties between JSON text and BSON, each in one pass.
//!
//! | JSON | BSON |
//! |---|---|
//! | a whole number that fits 32 or 64 bits | int32, int64 |
//! | a number equal to a double's shortest decimal text | double |
//! | any other number with at most 34 significant digits and an exponent in the range of Decimal128 | Decimal128 |
//! | any other number | rejected |
//! | a string, `true`, `false`, `null`, an object, an array | the same type; a name that contains NUL is rejected |

use std::fmt;

use mongodb::bson::{RawBsonRef, RawDocument};

use super::{
    bson,
    number::{Decimal, write_double},
};
use crate::event::{
    MAX_DEPTH,
    error::excerpt,
    json::{Scanner, Value},
};

/// Reason why an event cannot be stored as a document, for the sender of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) String);

impl Unfit {
    fn syntax(error: impl fmt::Display) -> Self {
        Self(format!("properties cannot be stored: {error}"))
    }
}

/// Whether a document contains something that some servers refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    Plain,
    /// A name that contains a dot, begins with `$` or is empty, or an array in an array.
    Awkward,
    /// A Decimal128, which some servers cannot even parse.
    Decimal,
}

/// Writes a JSON object as a BSON document, including its length prefix.
pub(crate) fn write(json: &str, out: &mut Vec<u8>) -> Result<Content, Unfit> {
    let mut writer = Writer { scanner: Scanner::strict(json, MAX_DEPTH), out, content: Content::Plain };
    match writer.scanner.enter(b'{') {
        Ok(Some(_)) => writer.object()?,
        Ok(None) => return Err(Unfit("properties cannot be stored: not a JSON object".to_owned())),
        Err(error) => return Err(Unfit::syntax(error)),
    }
    writer.scanner.end().map_err(Unfit::syntax)?;
    Ok(writer.content)
}

struct Writer<'a, 'out> {
    scanner: Scanner<'a>,
    out: &'out mut Vec<u8>,
    content: Content,
}

impl Writer<'_, '_> {
    /// Writes the object that the scanner has entered.
    fn object(&mut self) -> Result<(), Unfit> {
        let mark = bson::begin(self.out);
        while let Some(key) = self.scanner.next_key().map_err(Unfit::syntax)? {
            let name = key.text();
            if name.contains('\0') {
                return Err(self.unfit("has a NUL in its name, which MongoDB cannot store"));
            }
            if name.is_empty() || name.starts_with('$') || name.contains('.') {
                self.note(Content::Awkward);
            }
            self.element(|out, kind| bson::name(out, kind, &name))?;
        }
        bson::end(self.out, mark);
        Ok(())
    }

    /// Writes the array that the scanner has entered.
    fn array(&mut self) -> Result<(), Unfit> {
        let mark = bson::begin(self.out);
        let mut position = 0;
        while self.scanner.next_element().map_err(Unfit::syntax)?.is_some() {
            if let Some((b'[', _)) = self.scanner.peek() {
                self.note(Content::Awkward);
            }
            self.element(|out, kind| bson::position(out, kind, position))?;
            position += 1;
        }
        bson::end(self.out, mark);
        Ok(())
    }

    /// Writes the next value. `head` writes its type and name.
    fn element(&mut self, head: impl Fn(&mut Vec<u8>, u8)) -> Result<(), Unfit> {
        match self.scanner.peek() {
            Some((b'{', _)) => {
                head(self.out, bson::DOCUMENT);
                self.scanner.enter(b'{').map_err(Unfit::syntax)?;
                return self.object();
            }
            Some((b'[', _)) => {
                head(self.out, bson::ARRAY);
                self.scanner.enter(b'[').map_err(Unfit::syntax)?;
                return self.array();
            }
            Some((byte @ (b't' | b'f'), _)) => {
                self.scanner.value().map_err(Unfit::syntax)?;
                head(self.out, bson::BOOLEAN);
                self.out.push(u8::from(byte == b't'));
                return Ok(());
            }
            _ => {}
        }
        match self.scanner.value().map_err(Unfit::syntax)? {
            Value::String(text) => {
                head(self.out, bson::STRING);
                bson::text(self.out, &text.text());
            }
            Value::Number(number) => self.number(number, head)?,
            // Only `null` is left.
            _ => head(self.out, bson::NULL),
        }
        Ok(())
    }

    fn number(&mut self, text: &str, head: impl Fn(&mut Vec<u8>, u8)) -> Result<(), Unfit> {
        if !text.contains(['.', 'e', 'E'])
            && text != "-0"
            && let Ok(whole) = text.parse::<i64>()
        {
            match i32::try_from(whole) {
                Ok(small) => {
                    head(self.out, bson::INT32);
                    self.out.extend_from_slice(&small.to_le_bytes());
                }
                Err(_) => {
                    head(self.out, bson::INT64);
                    self.out.extend_from_slice(&whole.to_le_bytes());
                }
            }
            return Ok(());
        }
        let decimal = Decimal::parse(text);
        if let Some(double) = decimal.and_then(|decimal| decimal.to_double(text)) {
            head(self.out, bson::DOUBLE);
            self.out.extend_from_slice(&double.to_le_bytes());
        } else if let Some(bits) = decimal.and_then(Decimal::to_bits) {
            self.note(Content::Decimal);
            head(self.out, bson::DECIMAL);
            self.out.extend_from_slice(&bits.to_le_bytes());
        } else {
            let why = "which MongoDB cannot store exactly: a number has at most 34 digits and is between 1e-6176 and \
                       1e6145";
            return Err(self.unfit(&format!("is {}, {why}; send it as a string", excerpt(text))));
        }
        Ok(())
    }

    fn note(&mut self, content: Content) {
        self.content = self.content.max(content);
    }

    /// Builds the error for the field at the scanner's position.
    fn unfit(&self, what: &str) -> Unfit {
        Unfit(format!("properties.{} {what}", self.scanner.path()))
    }
}

/// Error for a value that has no JSON form, or for invalid BSON.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(crate) String);

impl From<mongodb::bson::error::Error> for Unreadable {
    fn from(error: mongodb::bson::error::Error) -> Self {
        Self(error.to_string())
    }
}

/// Converts a document to compact JSON.
///
/// Dates, object ids and UUIDs, which other programs may have written, become strings.
pub(crate) fn read(document: &RawDocument) -> Result<String, Unreadable> {
    let mut out = Vec::with_capacity(document.as_bytes().len());
    object(document, &mut out)?;
    String::from_utf8(out).map_err(|error| Unreadable(error.to_string()))
}

fn object(document: &RawDocument, out: &mut Vec<u8>) -> Result<(), Unreadable> {
    out.push(b'{');
    for (position, element) in document.iter().enumerate() {
        let (name, value) = element?;
        if position > 0 {
            out.push(b',');
        }
        quoted(name.as_str(), out);
        out.push(b':');
        json_value(value, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn json_value(value: RawBsonRef<'_>, out: &mut Vec<u8>) -> Result<(), Unreadable> {
    match value {
        RawBsonRef::String(text) => quoted(text, out),
        RawBsonRef::Int32(number) => out.extend_from_slice(number.to_string().as_bytes()),
        RawBsonRef::Int64(number) => out.extend_from_slice(number.to_string().as_bytes()),
        RawBsonRef::Double(number) if number.is_finite() => {
            write_double(number, out).expect("writing a finite number to a vector cannot fail");
        }
        RawBsonRef::Decimal128(number) => {
            let decimal = Decimal::of_bits(u128::from_le_bytes(number.bytes()));
            decimal.ok_or_else(|| Unreadable("a Decimal128 is not a number".to_owned()))?.write_json(out);
        }
        RawBsonRef::Boolean(yes) => out.extend_from_slice(if yes { b"true" } else { b"false" }),
        RawBsonRef::Null => out.extend_from_slice(b"null"),
        RawBsonRef::Document(document) => object(document, out)?,
        RawBsonRef::Array(array) => {
            out.push(b'[');
            for (position, element) in array.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                json_value(element?, out)?;
            }
            out.push(b']');
        }
        RawBsonRef::DateTime(date) => {
            let time = crate::event::Timestamp::from_millis(date.timestamp_millis());
            quoted(&time.to_string(), out);
        }
        RawBsonRef::ObjectId(id) => quoted(&id.to_hex(), out),
        RawBsonRef::Binary(binary) if binary.bytes.len() == 16 => {
            let id = uuid::Uuid::from_slice(binary.bytes).map_err(|error| Unreadable(error.to_string()))?;
            quoted(&id.to_string(), out);
        }
        other => {
            return Err(Unreadable(format!("JSON has no form for a value of type {:?}", other.element_type())));
        }
    }
    Ok(())
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("writing to a vector cannot fail");
}

#[cfg(test)]
mod tests;
