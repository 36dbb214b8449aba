//! Reasons to reject text that is not a well-formed record.

use encoding_rs::WINDOWS_1252;

use crate::import::{
    quotes::BadQuote,
    rejects::Reason,
    split::{Fault, MAX_RECORD},
    terms::{Flag, Terms},
};

pub(super) fn not_whole(fault: Fault) -> Reason {
    let (code, message) = match fault {
        Fault::TooLong => ("record_too_long", format!("the record exceeds {MAX_RECORD} bytes")),
        Fault::OpenQuote => ("open_quote", format!("a quote is not closed within {MAX_RECORD} bytes")),
        Fault::BadQuote(BadQuote::TextBehind) => (
            "bad_quote",
            "a closing quote must be followed by a delimiter or the end of the line; write a quote inside a quoted column \
             twice (\"\", not \\\")"
                .to_owned(),
        ),
        Fault::BadQuote(BadQuote::BlanksBefore) => {
            ("bad_quote", "blanks before the opening quote of a column".to_owned())
        }
        Fault::BadValue => {
            let message = format!("not JSON: brackets or quotes do not match, or do not close within {MAX_RECORD} bytes");
            ("malformed_json", message)
        }
        Fault::CutOff => ("cut_off", "the file ends before its array is closed".to_owned()),
    };
    Reason::new(code, message)
}

/// Names the most likely encoding.
pub(super) fn not_utf8(record: &[u8], at: usize, terms: Terms) -> Reason {
    let byte = record.get(at).copied().unwrap_or_default();
    let (shown, _, _) = WINDOWS_1252.decode(std::slice::from_ref(&byte));
    let message = format!(
        "not UTF-8 at byte {} of the record: {byte:#04x} is {shown:?} in Latin-1; try {} windows-1252",
        at + 1,
        terms.name(Flag::Encoding)
    );
    Reason::new("invalid_utf8", message)
}

pub(super) fn not_an_object(text: &str, error: &serde_json::Error, terms: Terms) -> Reason {
    let message = if text.trim_start().starts_with('[') {
        let format = terms.name(Flag::Format);
        format!("an array; each line must be a JSON object (NDJSON); use {format} json for arrays")
    } else {
        format!("not a JSON object: {error}")
    };
    Reason::new("malformed_json", message)
}
