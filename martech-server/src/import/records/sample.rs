//! The first records of a file, as a person sees them.

use std::io;

use super::{Records, parser::Texts};
use crate::import::{shape::Shape, split::Chunk};

/// Number of records to show.
const SHOWN: usize = 5;
/// Number of records that name the columns of a JSON file.
const NAMING: usize = 100;
/// Maximum number of columns.
const MAX_COLUMNS: usize = 500;
/// Maximum length of a name or a text, in characters.
const MAX_TEXT: usize = 200;

/// The first records of a file.
pub(crate) struct Sample {
    pub(crate) shape: Shape,
    /// The names of the columns, or the paths of the members of JSON objects.
    pub(crate) columns: Vec<String>,
    /// The texts of the columns of each record. An absent value is empty.
    pub(crate) rows: Vec<Vec<String>>,
    /// Why the first malformed record is malformed, if there is one.
    pub(crate) malformed: Option<String>,
}

impl Records {
    /// Reads the first records.
    pub(crate) fn sample(mut self) -> io::Result<Sample> {
        let mut chunk = Chunk::default();
        self.splitter.next_chunk(NAMING, &mut chunk)?;
        let Self { shape, names: mut columns, mut parser, .. } = self;
        let (mut rows, mut objects, mut malformed) = (Vec::new(), Vec::new(), None);
        for record in &chunk.records {
            match parser.texts(record, &chunk.bytes[record.range.clone()]) {
                Ok(Texts::Columns(texts)) => rows.push(texts),
                Ok(Texts::Members(members)) => objects.push(members),
                Err(reason) => _ = malformed.get_or_insert_with(|| reason.message().to_owned()),
            }
        }
        for (name, _) in objects.iter().flatten() {
            if columns.len() < MAX_COLUMNS && !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        rows.extend(objects.into_iter().take(SHOWN).map(|members| {
            let text = |name| members.iter().find(|(other, _)| other == name).map(|(_, text)| text.clone());
            columns.iter().map(|name| text(name).unwrap_or_default()).collect()
        }));
        let short = |texts: Vec<String>| -> Vec<String> {
            texts.into_iter().take(MAX_COLUMNS).map(|text| text.chars().take(MAX_TEXT).collect()).collect()
        };
        let rows = rows.into_iter().take(SHOWN).map(short).collect();
        Ok(Sample { shape, columns: short(columns), rows, malformed })
    }
}
