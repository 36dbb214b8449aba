//! The format of a file: NDJSON, JSON or delimited text.

use super::{
    error::ImportError,
    input::Source,
    options::{Delimiter, Format, ImportOptions},
    split::Framing,
    terms::Flag,
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
    let [format_option, delimiter_option] = [Flag::Format, Flag::Delimiter].map(|flag| options.terms.name(flag));
    let format = match (options.format, options.delimiter, format_of(&source.name())) {
        (Some(Format::Ndjson | Format::Json), Some(_), _) => {
            return Err(ImportError::Options(format!("{delimiter_option} does not apply to JSON")));
        }
        (Some(format), None, _) => format,
        (_, Some(delimiter), _) => return Ok(Shape::Columns(delimiter)),
        (None, None, Some(format)) => format,
        (None, None, None) if *source == Source::Stdin => Format::Json,
        (None, None, None) => {
            let name = source.name();
            let message = format!("{name} has no known file extension; set {format_option} or {delimiter_option}");
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

/// Returns the format that the extension of a file name stands for.
pub(crate) fn format_of(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    match plain.rsplit_once('.')?.1 {
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        "tsv" => Some(Format::Tsv),
        _ => None,
    }
}
