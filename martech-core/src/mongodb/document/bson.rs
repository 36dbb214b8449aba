//! Writers for the BSON elements that an event consists of. All append to one vector.

use crate::event::EventId;

pub(crate) const DOUBLE: u8 = 0x01;
pub(crate) const STRING: u8 = 0x02;
pub(crate) const DOCUMENT: u8 = 0x03;
pub(crate) const ARRAY: u8 = 0x04;
pub(crate) const BINARY: u8 = 0x05;
pub(crate) const BOOLEAN: u8 = 0x08;
pub(crate) const DATE: u8 = 0x09;
pub(crate) const NULL: u8 = 0x0a;
pub(crate) const INT32: u8 = 0x10;
pub(crate) const INT64: u8 = 0x12;
pub(crate) const DECIMAL: u8 = 0x13;

/// Subtype of UUIDs in the byte order of RFC 9562.
const UUID: u8 = 4;

/// Begins a document. Returns the mark to pass to [`end`].
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let mark = out.len();
    out.extend_from_slice(&[0; 4]);
    mark
}

/// Ends the document that began at `mark`, by writing its length there.
pub(crate) fn end(out: &mut Vec<u8>, mark: usize) {
    out.push(0);
    let length = (out.len() - mark) as u32;
    out[mark..mark + 4].copy_from_slice(&length.to_le_bytes());
}

/// Writes the type and the name of an element. The name must not contain NUL.
pub(crate) fn name(out: &mut Vec<u8>, kind: u8, name: &str) {
    out.push(kind);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
}

/// Writes the type and the name of an array element. The name is its position in decimal.
pub(crate) fn position(out: &mut Vec<u8>, kind: u8, position: usize) {
    out.push(kind);
    let begin = out.len();
    let mut rest = position;
    loop {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out[begin..].reverse();
    out.push(0);
}

/// Writes a string value without its type and name.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32 + 1).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

pub(crate) fn string(out: &mut Vec<u8>, field: &str, value: &str) {
    name(out, STRING, field);
    text(out, value);
}

pub(crate) fn date(out: &mut Vec<u8>, field: &str, millis: i64) {
    name(out, DATE, field);
    out.extend_from_slice(&millis.to_le_bytes());
}

pub(crate) fn int64(out: &mut Vec<u8>, field: &str, number: i64) {
    name(out, INT64, field);
    out.extend_from_slice(&number.to_le_bytes());
}

pub(crate) fn uuid(out: &mut Vec<u8>, field: &str, id: EventId) {
    name(out, BINARY, field);
    out.extend_from_slice(&16_u32.to_le_bytes());
    out.push(UUID);
    out.extend_from_slice(id.as_bytes());
}

pub(crate) fn decimal(out: &mut Vec<u8>, field: &str, bits: u128) {
    name(out, DECIMAL, field);
    out.extend_from_slice(&bits.to_le_bytes());
}

pub(crate) fn boolean(out: &mut Vec<u8>, field: &str, value: bool) {
    name(out, BOOLEAN, field);
    out.push(u8::from(value));
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{Bson, Document, RawDocument};

    use super::*;

    #[test]
    fn elements_roundtrip_through_the_driver() {
        let mut out = b"before".to_vec();
        let whole = begin(&mut out);
        string(&mut out, "text", "a\0é");
        date(&mut out, "date", -1);
        uuid(&mut out, "id", EventId::from_bytes([7; 16]));
        boolean(&mut out, "yes", true);
        name(&mut out, ARRAY, "list");
        let list = begin(&mut out);
        for number in 0..1012 {
            position(&mut out, INT32, number);
            out.extend_from_slice(&(number as i32).to_le_bytes());
        }
        end(&mut out, list);
        end(&mut out, whole);
        let read = RawDocument::from_bytes(&out[6..]).unwrap();
        let read = Document::try_from(read).unwrap();
        assert_eq!(read.get_str("text").unwrap(), "a\0é");
        assert_eq!(read.get_datetime("date").unwrap().timestamp_millis(), -1);
        assert!(matches!(read.get("id"), Some(Bson::Binary(id)) if id.bytes == [7; 16] && u8::from(id.subtype) == 4));
        let list = read.get_array("list").unwrap();
        assert!(list.iter().enumerate().all(|(at, number)| number.as_i32() == Some(at as i32)) && list.len() == 1012);
        let keys = RawDocument::from_bytes(&out[6..]).unwrap().get_array("list").unwrap().iter_elements();
        assert!(keys.enumerate().all(|(at, element)| element.unwrap().key().as_str() == at.to_string()));
    }
}
