//! The format of a file: NDJSON, JSON or delimited text.

use super::{
    error::ImportError,
    input::Source,
    options::{Delimiter, Format, ImportOptions},
    split::Framing,
};

/// Format of the records in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Ndjson,
    Json,
    Columns(Delimiter),
}

impl Shape {
    pub(crate) fn framing(self) -> Framing {
        match self {
            Self::Ndjson => Framing::Lines,
            Self::Json => Framing::Values,
            Self::Columns(delimiter) => Framing::of(delimiter),
        }
    }
}

/// Determines the format from the options or the file name.
pub(crate) fn shape_of(source: &Source, options: &ImportOptions) -> Result<Shape, ImportError> {
    let name = source.name().to_ascii_lowercase();
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    let extension = plain.rsplit_once('.').map(|(_, extension)| extension);
    let format = match (options.format, options.delimiter, extension) {
        (Some(Format::Ndjson | Format::Json), Some(_), _) => {
            return Err(ImportError::Options("--delimiter does not apply to JSON".to_owned()));
        }
        (Some(format), None, _) => format,
        (_, Some(delimiter), _) => return Ok(Shape::Columns(delimiter)),
        (None, None, Some("ndjson" | "jsonl")) => Format::Ndjson,
        (None, None, Some("json")) => Format::Json,
        (None, None, Some("csv")) => Format::Csv,
        (None, None, Some("tsv")) => Format::Tsv,
        (None, None, _) if *source == Source::Stdin => Format::Json,
        (None, None, _) => {
            let name = source.name();
            let message = format!("{name} has no known file extension; set --format or --delimiter");
            return Err(ImportError::Options(message));
        }
    };
    Ok(match format {
        Format::Ndjson => Shape::Ndjson,
        Format::Json => Shape::Json,
        Format::Csv => Shape::Columns(Delimiter::Byte(b',')),
        Format::Tsv => Shape::Columns(Delimiter::Byte(b'\t')),
    })
}
