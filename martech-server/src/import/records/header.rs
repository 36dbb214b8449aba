//! The lines before the first record of delimited text: a separator line, and the names of the columns.

use std::{collections::BTreeSet, io};

use super::malformed::{not_utf8, not_whole};
use crate::import::{
    cells::Cells,
    error::ImportError,
    input::Input,
    options::{Delimiter, ImportOptions},
    rejects::Reason,
    split::{Framing, Splitter},
};

/// Returns the column separator. Spreadsheets may write a first line such as `sep=;`, which sets the separator unless
/// an option does. Skips that line.
pub(super) fn separator(
    splitter: &mut Splitter<Input>,
    delimiter: Delimiter,
    options: &ImportOptions,
) -> io::Result<Delimiter> {
    let Some(first) = splitter.peek()? else { return Ok(delimiter) };
    let Some(line) = SeparatorLine::parse(&first.bytes) else { return Ok(delimiter) };
    splitter.header()?;
    let Some(delimiter) = line.0.filter(|_| options.delimiter.is_none()) else { return Ok(delimiter) };
    splitter.set_framing(Framing::of(delimiter));
    Ok(delimiter)
}

/// A first line such as `sep=;` or `"sep=;"`, and the delimiter that it sets. The delimiter is `None` if the character
/// cannot be one.
pub(in crate::import) struct SeparatorLine(pub(in crate::import) Option<Delimiter>);

impl SeparatorLine {
    /// Parses a line without its line end. Returns `None` if it is another line.
    pub(in crate::import) fn parse(line: &[u8]) -> Option<Self> {
        let quoted = line.trim_ascii().strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\""));
        match quoted.unwrap_or(line).split_at_checked(4) {
            Some((b"sep=", &[mark])) => Some(Self((mark.is_ascii() && mark != b'"').then_some(Delimiter::Byte(mark)))),
            _ => None,
        }
    }
}

/// Returns the names of the columns. Skips the header.
pub(super) fn columns_of(
    splitter: &mut Splitter<Input>,
    cells: &mut Cells,
    options: &ImportOptions,
    name: &str,
) -> Result<Vec<String>, ImportError> {
    if options.no_header && !options.columns.is_empty() {
        return Ok(options.columns.clone());
    }
    let first = if options.no_header { splitter.peek() } else { splitter.header() };
    let first = first.map_err(ImportError::read(name))?;
    if !options.columns.is_empty() {
        return Ok(options.columns.clone());
    }
    let Some(first) = first else {
        // An empty file has no header to check, so the mapped columns are assumed to exist.
        let mapped: BTreeSet<String> = options.maps.iter().map(|(_, column)| column.clone()).collect();
        return Ok(mapped.into_iter().collect());
    };
    let record = &first.records[0];
    let no_header =
        |reason: Reason| ImportError::Options(format!("cannot read the first line of {name}: {}", reason.message()));
    if let Some(fault) = record.fault {
        return Err(no_header(not_whole(fault)));
    }
    let bytes = &first.bytes[record.range.clone()];
    let text =
        std::str::from_utf8(bytes).map_err(|error| no_header(not_utf8(bytes, error.valid_up_to(), options.terms)))?;
    let count = cells.split(text);
    let named = |column: usize| {
        let name = if options.no_header { None } else { cells.get(text, column).map(|column| column.text.trim()) };
        name.filter(|name| !name.is_empty()).map_or_else(|| (column + 1).to_string(), str::to_owned)
    };
    Ok((0..count).map(named).collect())
}
