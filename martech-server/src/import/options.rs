//! Options of an import: how a file is read, and how its records become events.

use std::str::FromStr;

use encoding_rs::Encoding;
use jiff::tz::TimeZone;
use martech_core::event::{Currency, EventRules};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{amount::Notation, target::Target, terms::Terms, time::TimeFormat};

/// The options of an import.
#[derive(Debug, Clone)]
pub(crate) struct ImportOptions {
    /// `None`: the format that the file name suggests.
    pub(crate) format: Option<Format>,
    /// `None`: UTF-8, or the encoding of the byte order mark.
    pub(crate) encoding: Option<&'static Encoding>,
    /// The column separator. With one, the file is delimited text.
    pub(crate) delimiter: Option<Delimiter>,
    /// Whether the first line contains no column names.
    pub(crate) no_header: bool,
    /// Column names in place of those in the first line. Empty for none.
    pub(crate) columns: Vec<String>,
    /// Whether rows may be too short, or end with extra delimiters.
    pub(crate) pad_rows: bool,
    /// The columns that fill fields.
    pub(crate) maps: Vec<(Target, String)>,
    /// The values that fields have in every event.
    pub(crate) constants: Vec<(Target, String)>,
    /// Old and new names of event types.
    pub(crate) renames: Vec<(String, String)>,
    /// Whether other columns are dropped instead of becoming properties.
    pub(crate) only_mapped: bool,
    /// Columns that are left out unless they are mapped: names, and for JSON also `properties.NAME`.
    pub(crate) drops: Vec<String>,
    /// Texts that mean that a value is absent. `None` for the usual ones.
    pub(crate) nulls: Option<Vec<String>>,
    pub(crate) numbers: Notation,
    pub(crate) time_format: Option<TimeFormat>,
    /// The time zone of times without an offset.
    pub(crate) time_zone: TimeZone,
    /// The currency of orders without one. `None` if the receiver of the events knows it.
    pub(crate) currency: Option<Currency>,
    /// Whether events must contain the currency, because the receiver may assume another one.
    pub(crate) names_currency: bool,
    /// The rules that events are checked against.
    pub(crate) rules: EventRules,
    /// The number of events to store at once.
    pub(crate) batch_size: usize,
    /// Whether nothing is stored.
    pub(crate) dry_run: bool,
    /// How messages name options.
    pub(crate) terms: Terms,
}

impl Default for ImportOptions {
    fn default() -> Self {
        let rules = EventRules::default();
        Self {
            format: None,
            encoding: None,
            delimiter: None,
            no_header: false,
            columns: Vec::new(),
            pad_rows: false,
            maps: Vec::new(),
            constants: Vec::new(),
            renames: Vec::new(),
            only_mapped: false,
            drops: Vec::new(),
            nulls: None,
            numbers: Notation::default(),
            time_format: None,
            time_zone: TimeZone::UTC,
            currency: Some(rules.currency),
            names_currency: false,
            rules,
            batch_size: 2000,
            dry_run: false,
            terms: Terms::default(),
        }
    }
}

/// Format of the records in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportFormat)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// One JSON object on each line.
    Ndjson,
    /// JSON objects: an array of them, `{"events": [...]}`, or one after another on any number of lines.
    Json,
    /// Columns separated by commas, with RFC 4180 quoting.
    Csv,
    /// Columns separated by tabs.
    Tsv,
}

/// Separator of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// Any run of blanks and tabs.
    Whitespace,
    /// One ASCII character. Fields may be quoted.
    Byte(u8),
}

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.as_bytes()) {
            ("whitespace", _) => Ok(Self::Whitespace),
            ("tab" | "\\t", _) => Ok(Self::Byte(b'\t')),
            ("comma", _) => Ok(Self::Byte(b',')),
            ("semicolon", _) => Ok(Self::Byte(b';')),
            (_, b"\n" | b"\r" | b"\"") => Err("line ends and quotes cannot separate columns".to_owned()),
            (_, &[byte]) if byte.is_ascii() => Ok(Self::Byte(byte)),
            _ => Err("expected one ASCII character, `tab` or `whitespace`".to_owned()),
        }
    }
}

/// Parses the name of an encoding, as the Encoding Standard has it.
pub(crate) fn parse_encoding(name: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(name.as_bytes())
        .ok_or_else(|| "expected an encoding such as utf-8, utf-16le, utf-16be, windows-1252 or shift_jis".to_owned())
}

/// Parses a decimal or thousands separator.
pub(crate) fn parse_mark(text: &str) -> Result<char, String> {
    let mut chars = text.chars();
    match (text, chars.next(), chars.next()) {
        ("space", ..) => Ok(' '),
        (_, Some(mark), None) if !mark.is_alphanumeric() && !"+-()".contains(mark) => Ok(mark),
        _ => Err("expected one character such as . or , or `space`".to_owned()),
    }
}
