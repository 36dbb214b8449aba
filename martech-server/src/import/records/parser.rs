//! Parses records into events.

use std::{borrow::Cow, path::Path};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use martech_core::event::{Event, EventRules, Timestamp};

use super::malformed::{not_an_object, not_utf8, not_whole};
use crate::import::{
    cells::Cells,
    compose::{Composer, View},
    error::ImportError,
    layout::Layout,
    members::{Members, text_of},
    options::ImportOptions,
    ordinals::Ordinals,
    rejects::Reason,
    split::{Chunk, Record},
    terms::{Flag, Terms},
};

/// A chunk, and the outcome of each of its records.
pub(crate) struct Parsed {
    pub(crate) chunk: Chunk,
    pub(crate) events: Vec<Event>,
    /// Record index of each event.
    pub(crate) origins: Vec<usize>,
    /// Record index and reason of the other records, ascending.
    pub(crate) rejects: Vec<(usize, Reason)>,
}

/// Parses the records of a file.
pub(super) struct Parser {
    composer: Composer,
    /// Columns of delimited text. Without them, a record is a JSON object.
    columns: Option<Columns>,
    ordinals: Ordinals,
    /// The encoding of the file, if the decoder replaces its invalid characters with U+FFFD.
    encoding: Option<&'static Encoding>,
    rules: EventRules,
    received_at: Timestamp,
    terms: Terms,
}

/// The texts of one record.
pub(super) enum Texts {
    /// The texts of the columns.
    Columns(Vec<String>),
    /// The texts of the members of an object, by their paths.
    Members(Vec<(String, String)>),
}

/// Maximum depth of the objects whose members have paths of their own.
const MAX_DEPTH: usize = 4;

/// The columns of delimited text.
pub(super) struct Columns {
    cells: Cells,
    count: usize,
    /// Whether rows may be too short or end with extra delimiters.
    pad: bool,
}

impl Columns {
    pub(super) fn new(cells: Cells, count: usize, pad: bool) -> Self {
        Self { cells, count, pad }
    }
}

impl Parser {
    /// Creates a parser that counts equal records in temporary files in `dir`.
    pub(super) fn new(options: &ImportOptions, layout: Layout, columns: Option<Columns>, dir: &Path) -> Self {
        Self {
            composer: Composer::new(layout),
            columns,
            ordinals: Ordinals::new(dir),
            encoding: options.encoding.filter(|encoding| ![UTF_8, UTF_16BE, UTF_16LE].contains(encoding)),
            rules: options.rules.clone(),
            received_at: Timestamp::now(),
            terms: options.terms,
        }
    }

    /// Returns the columns that are left out because others are mapped to the same figure.
    pub(super) fn left_out(&self) -> &[String] {
        self.composer.left_out()
    }

    pub(super) fn parse(&mut self, chunk: Chunk) -> Result<Parsed, ImportError> {
        let mut events = Vec::with_capacity(chunk.records.len());
        let (mut origins, mut rejects) = (Vec::with_capacity(chunk.records.len()), Vec::new());
        for (index, record) in chunk.records.iter().enumerate() {
            let event = match record.fault {
                None => self.event(&chunk.bytes[record.range.clone()])?,
                Some(fault) => Err(not_whole(fault)),
            };
            match event {
                Ok(event) => {
                    events.push(event);
                    origins.push(index);
                }
                Err(reason) => rejects.push((index, reason)),
            }
        }
        Ok(Parsed { chunk, events, origins, rejects })
    }

    /// Counts the records of a chunk that an earlier import has settled, without composing events.
    pub(super) fn pass_over(&mut self, chunk: &Chunk) -> Result<(), ImportError> {
        for record in chunk.records.iter().filter(|record| record.fault.is_none()) {
            if let Ok(text) = self.text(&chunk.bytes[record.range.clone()]) {
                let mut members = Members::default();
                if let Ok(view) = view(self.columns.as_mut(), text, &mut members, self.terms) {
                    ordinal(&self.composer, &mut self.ordinals, view, text)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the texts of a record, as a person sees them.
    pub(super) fn texts(&mut self, record: &Record, bytes: &[u8]) -> Result<Texts, Reason> {
        if let Some(fault) = record.fault {
            return Err(not_whole(fault));
        }
        let text = self.text(bytes)?;
        let (count, mut members) = (self.columns.as_ref().map_or(0, |columns| columns.count), Members::default());
        Ok(match view(self.columns.as_mut(), text, &mut members, self.terms)? {
            View::Columns { cells, record } => {
                let text = |column| cells.get(record, column).map_or_else(String::new, |found| found.text.to_owned());
                Texts::Columns((0..count).map(text).collect())
            }
            View::Object(members) => {
                let mut texts = Vec::new();
                flatten(members, "", MAX_DEPTH, &mut texts);
                Texts::Members(texts)
            }
        })
    }

    fn event(&mut self, record: &[u8]) -> Result<Result<Event, Reason>, ImportError> {
        let text = match self.text(record) {
            Ok(text) => text,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut members = Members::default();
        let view = match view(self.columns.as_mut(), text, &mut members, self.terms) {
            Ok(view) => view,
            Err(reason) => return Ok(Err(reason)),
        };
        let ordinal = ordinal(&self.composer, &mut self.ordinals, view, text)?;
        let json = self.composer.compose(view, text, ordinal);
        Ok(json.and_then(|json| Ok(self.rules.parse(json, self.received_at)?)))
    }

    fn text<'a>(&self, record: &'a [u8]) -> Result<&'a str, Reason> {
        let text = std::str::from_utf8(record).map_err(|error| not_utf8(record, error.valid_up_to(), self.terms))?;
        match self.encoding {
            Some(encoding) if text.contains('\u{fffd}') => {
                let option = self.terms.name(Flag::Encoding);
                let message = format!("invalid character for {}, the encoding set with {option}", encoding.name());
                Err(Reason::new("invalid_encoding", message))
            }
            _ => Ok(text),
        }
    }
}

/// Adds the members of an object with their paths. An object in it counts as members of its own, down to a depth.
fn flatten(members: &Members<'_>, prefix: &str, depth: usize, texts: &mut Vec<(String, String)>) {
    for (name, json) in &members.0 {
        let path = format!("{prefix}{name}");
        match Members::parse(json) {
            Ok(inner) if depth > 1 && !inner.0.is_empty() => flatten(&inner, &format!("{path}."), depth - 1, texts),
            _ => {
                let text =
                    if *json == "null" { Cow::Borrowed("") } else { text_of(json).unwrap_or(Cow::Borrowed(json)) };
                texts.push((path, text.into_owned()));
            }
        }
    }
}

/// Parses a record. JSON goes into `members`.
fn view<'a>(
    columns: Option<&'a mut Columns>,
    text: &'a str,
    members: &'a mut Members<'a>,
    terms: Terms,
) -> Result<View<'a>, Reason> {
    match columns {
        None => {
            *members = Members::parse(text).map_err(|error| not_an_object(text, &error, terms))?;
            Ok(View::Object(members))
        }
        Some(Columns { cells, count, pad }) => {
            let found = cells.split(text);
            let surplus = (*count..found).any(|column| cells.get(text, column).is_some());
            if found != *count && (!*pad || surplus) {
                let pad_rows = terms.name(Flag::PadRows);
                let hint = match (surplus, found < *count) {
                    (false, true) => format!("; {pad_rows} accepts rows that are too short"),
                    (false, false) => format!("; {pad_rows} accepts rows that end with extra delimiters"),
                    (true, _) => String::new(),
                };
                let message = format!("{found} columns instead of {count}{hint}");
                return Err(Reason::new("column_count", message));
            }
            Ok(View::Columns { cells, record: text })
        }
    }
}

/// Returns the number of equal records before this one, or 0 if the record has an id.
fn ordinal(composer: &Composer, ordinals: &mut Ordinals, view: View<'_>, text: &str) -> Result<u64, ImportError> {
    if !composer.makes_id(view) {
        return Ok(0);
    }
    ordinals.next(text).map_err(|source| ImportError::Temporary { dir: ordinals.dir().to_owned(), source })
}
