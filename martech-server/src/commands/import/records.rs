//! The pipeline from the bytes of a file to events: one thread reads and splits, another parses.

use std::{collections::BTreeSet, io, path::Path, sync::mpsc, thread};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use martech_core::event::{Event, EventRules, EventTypes, Timestamp};

use super::{
    args::{Delimiter, Format, ImportArgs},
    cells::Cells,
    compose::{Composer, View},
    error::ImportError,
    input::{Input, Source},
    layout::Layout,
    members::Members,
    ordinals::Ordinals,
    quotes::BadQuote,
    rejects::Reason,
    split::{Chunk, Fault, Framing, MAX_RECORD, Position, Splitter},
};

/// Number of chunks that wait between two threads.
const WAITING: usize = 2;

/// Advice in rejections of unknown event types.
const MORE_TYPES: &str = "to allow more types, list them in --event-types (or * for any)";

/// A chunk, and the outcome of each of its records.
pub(crate) struct Parsed {
    pub(crate) chunk: Chunk,
    pub(crate) events: Vec<Event>,
    /// Record index of each event.
    pub(crate) origins: Vec<usize>,
    /// Record index and reason of the other records, ascending.
    pub(crate) rejects: Vec<(usize, Reason)>,
}

/// A message at the end of the pipeline.
pub(crate) enum Message {
    Parsed(Parsed),
    End,
}

/// An opened file, at its first record.
pub(crate) struct Records {
    name: String,
    splitter: Splitter<Input>,
    parser: Parser,
    /// Position up to which an earlier import of the same file is settled.
    done: Position,
}

impl Records {
    /// Opens a file, reads its header, and resolves the options against it. Temporary files are created in `dir`.
    pub(crate) fn open(source: &Source, args: &ImportArgs, dir: &Path, done: Position) -> Result<Self, ImportError> {
        let shape = shape_of(source, args)?;
        let input = Input::open(source, args.encoding).map_err(ImportError::read(source.name()))?;
        Self::of(input, source.name(), shape, args, dir, done)
    }

    fn of(
        input: Input,
        name: String,
        shape: Shape,
        args: &ImportArgs,
        dir: &Path,
        done: Position,
    ) -> Result<Self, ImportError> {
        let mut splitter = Splitter::new(input, shape.framing());
        let (layout, columns) = match shape {
            Shape::Ndjson => (Layout::for_objects(args)?, None),
            Shape::Json => {
                if splitter.is_ndjson().map_err(ImportError::read(name.clone()))? {
                    splitter.set_framing(Framing::Lines);
                }
                (Layout::for_objects(args)?, None)
            }
            Shape::Columns(delimiter) => {
                let delimiter = separator(&mut splitter, delimiter, args).map_err(ImportError::read(name.clone()))?;
                let mut cells = Cells::new(delimiter);
                let names = columns_of(&mut splitter, &mut cells, args, &name)?;
                let layout = Layout::for_columns(args, &names)?;
                (layout, Some(Columns { cells, count: names.len(), pad: args.pad_rows }))
            }
        };
        let mut rules = EventRules::default();
        rules.currency = args.currency.unwrap_or(rules.currency);
        rules.types = match &args.event_types {
            // The server decides which types it accepts.
            _ if args.url.is_some() => EventTypes::any(),
            types => types.clone().unwrap_or(rules.types).advise(MORE_TYPES),
        };
        let parser = Parser {
            composer: Composer::new(layout),
            columns,
            ordinals: Ordinals::new(dir),
            encoding: args.encoding.filter(|encoding| ![UTF_8, UTF_16BE, UTF_16LE].contains(encoding)),
            rules,
            received_at: Timestamp::now(),
        };
        Ok(Self { name, splitter, parser, done })
    }

    pub(crate) fn input(&self) -> &Input {
        self.splitter.reader()
    }

    /// Returns the columns that are left out because others are mapped to the same figure.
    pub(crate) fn left_out(&self) -> &[String] {
        self.parser.composer.left_out()
    }

    /// Starts the threads. They end at the end of the file, at an error, or when the receiver is dropped.
    pub(crate) fn start(self, batch: usize) -> tokio::sync::mpsc::Receiver<Result<Message, ImportError>> {
        let Self { name, mut splitter, mut parser, done } = self;
        let (chunks, unparsed) = mpsc::sync_channel::<Result<Option<Chunk>, ImportError>>(WAITING);
        let (parsed, receiver) = tokio::sync::mpsc::channel(WAITING);
        thread::spawn(move || {
            loop {
                let next = next_chunk(&mut splitter, batch, done).map_err(ImportError::read(name.clone()));
                let last = !matches!(next, Ok(Some(_)));
                if chunks.send(next).is_err() || last {
                    break;
                }
            }
        });
        thread::spawn(move || {
            for chunk in unparsed {
                let message = match chunk {
                    Ok(Some(chunk)) if chunk.end.records <= done.records => match parser.pass_over(&chunk) {
                        Ok(()) => continue,
                        Err(error) => Err(error),
                    },
                    Ok(Some(chunk)) => parser.parse(chunk).map(Message::Parsed),
                    Ok(None) => Ok(Message::End),
                    Err(error) => Err(error),
                };
                let is_last = message.is_err();
                if parsed.blocking_send(message).is_err() || is_last {
                    break;
                }
            }
        });
        receiver
    }
}

/// Reads up to `batch` records that are all before `done` or all after it.
fn next_chunk(splitter: &mut Splitter<Input>, batch: usize, done: Position) -> io::Result<Option<Chunk>> {
    let left = done.records.saturating_sub(splitter.position().records);
    let most = if left == 0 { batch } else { batch.min(usize::try_from(left).unwrap_or(batch)) };
    let mut chunk = Chunk::default();
    let found = splitter.next_chunk(most, &mut chunk)?;
    if !found && left > 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file is shorter than when its import was interrupted",
        ));
    }
    Ok(found.then_some(chunk))
}

/// Reads records as an import does, for fuzz targets.
///
/// `open` returns the content from its beginning. `each` gets the text, line and number of a record, and either its
/// event or the code of its rejection. With `interrupted`, a separate import reads each batch and resumes where the
/// previous one stopped.
///
/// # Errors
///
/// Returns an [`ImportError`] if the options do not fit the content, or if the content cannot be read.
#[cfg(feature = "testing")]
pub fn read_records<R: io::Read + Send + 'static>(
    args: &ImportArgs,
    open: impl Fn() -> R,
    batch: usize,
    interrupted: bool,
    mut each: impl FnMut(&[u8], u64, u64, Result<Event, String>),
) -> Result<(), ImportError> {
    let shape = shape_of(&Source::Stdin, args)?;
    let again = |done| {
        let input = Input::of(open(), args.encoding).map_err(ImportError::read("content"))?;
        Records::of(input, "content".to_owned(), shape, args, &std::env::temp_dir(), done)
    };
    let mut records = again(Position::default())?;
    loop {
        let done = records.done;
        let next = next_chunk(&mut records.splitter, batch, done).map_err(ImportError::read("content"))?;
        let Some(chunk) = next else { return Ok(()) };
        if chunk.end.records <= done.records {
            records.parser.pass_over(&chunk)?;
            continue;
        }
        let end = chunk.end;
        let Parsed { chunk, events, rejects, .. } = records.parser.parse(chunk)?;
        let (mut events, mut rejects) = (events.into_iter(), rejects.into_iter().peekable());
        for (index, record) in chunk.records.iter().enumerate() {
            let outcome = match rejects.next_if(|(rejected, _)| *rejected == index) {
                Some((_, reason)) => Err(reason.code().to_owned()),
                None => Ok(events.next().expect("each record that is not rejected has an event")),
            };
            each(&chunk.bytes[record.range.clone()], record.line, record.number, outcome);
        }
        if interrupted {
            records = again(end)?;
        }
    }
}

/// Format of the records in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Ndjson,
    Json,
    Columns(Delimiter),
}

impl Shape {
    fn framing(self) -> Framing {
        match self {
            Self::Ndjson => Framing::Lines,
            Self::Json => Framing::Values,
            Self::Columns(delimiter) => Framing::of(delimiter),
        }
    }
}

/// Determines the format from the options or the file name.
pub(crate) fn shape_of(source: &Source, args: &ImportArgs) -> Result<Shape, ImportError> {
    let name = source.name().to_ascii_lowercase();
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    let extension = plain.rsplit_once('.').map(|(_, extension)| extension);
    let format = match (args.format, args.delimiter, extension) {
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

/// Returns the column separator. Spreadsheets may write a first line such as `sep=;`, which sets the separator unless
/// an option does. Skips that line.
fn separator(splitter: &mut Splitter<Input>, delimiter: Delimiter, args: &ImportArgs) -> io::Result<Delimiter> {
    let Some(first) = splitter.peek()? else { return Ok(delimiter) };
    let line = first.bytes.trim_ascii();
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(&first.bytes);
    let Some((b"sep=", &[mark])) = line.split_at_checked(4) else { return Ok(delimiter) };
    splitter.header()?;
    if args.delimiter.is_some() || !mark.is_ascii() || mark == b'"' {
        return Ok(delimiter);
    }
    let delimiter = Delimiter::Byte(mark);
    splitter.set_framing(Framing::of(delimiter));
    Ok(delimiter)
}

/// Returns the names of the columns. Skips the header.
fn columns_of(
    splitter: &mut Splitter<Input>,
    cells: &mut Cells,
    args: &ImportArgs,
    name: &str,
) -> Result<Vec<String>, ImportError> {
    if args.no_header && !args.columns.is_empty() {
        return Ok(args.columns.clone());
    }
    let first = if args.no_header { splitter.peek() } else { splitter.header() };
    let first = first.map_err(ImportError::read(name))?;
    if !args.columns.is_empty() {
        return Ok(args.columns.clone());
    }
    let Some(first) = first else {
        // An empty file has no header to check, so the mapped columns are assumed to exist.
        let mapped: BTreeSet<String> = args.maps.iter().map(|(_, column)| column.clone()).collect();
        return Ok(mapped.into_iter().collect());
    };
    let record = &first.records[0];
    let no_header =
        |reason: Reason| ImportError::Options(format!("cannot read the first line of {name}: {}", reason.message()));
    if let Some(fault) = record.fault {
        return Err(no_header(not_whole(fault)));
    }
    let bytes = &first.bytes[record.range.clone()];
    let text = std::str::from_utf8(bytes).map_err(|error| no_header(not_utf8(bytes, error.valid_up_to())))?;
    let count = cells.split(text);
    let named = |column: usize| {
        let name = if args.no_header { None } else { cells.get(text, column).map(|column| column.text.trim()) };
        name.filter(|name| !name.is_empty()).map_or_else(|| (column + 1).to_string(), str::to_owned)
    };
    Ok((0..count).map(named).collect())
}

struct Parser {
    composer: Composer,
    /// Columns of delimited text. Without them, a record is a JSON object.
    columns: Option<Columns>,
    ordinals: Ordinals,
    /// The encoding of the file, if the decoder replaces its invalid characters with U+FFFD.
    encoding: Option<&'static Encoding>,
    rules: EventRules,
    received_at: Timestamp,
}

struct Columns {
    cells: Cells,
    count: usize,
    /// Whether rows may be too short or end with extra delimiters.
    pad: bool,
}

impl Parser {
    fn parse(&mut self, chunk: Chunk) -> Result<Parsed, ImportError> {
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
    fn pass_over(&mut self, chunk: &Chunk) -> Result<(), ImportError> {
        for record in chunk.records.iter().filter(|record| record.fault.is_none()) {
            if let Ok(text) = self.text(&chunk.bytes[record.range.clone()]) {
                let mut members = Members::default();
                if let Ok(view) = view(self.columns.as_mut(), text, &mut members) {
                    ordinal(&self.composer, &mut self.ordinals, view, text)?;
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, record: &[u8]) -> Result<Result<Event, Reason>, ImportError> {
        let text = match self.text(record) {
            Ok(text) => text,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut members = Members::default();
        let view = match view(self.columns.as_mut(), text, &mut members) {
            Ok(view) => view,
            Err(reason) => return Ok(Err(reason)),
        };
        let ordinal = ordinal(&self.composer, &mut self.ordinals, view, text)?;
        let json = self.composer.compose(view, text, ordinal);
        Ok(json.and_then(|json| Ok(self.rules.parse(json, self.received_at)?)))
    }

    fn text<'a>(&self, record: &'a [u8]) -> Result<&'a str, Reason> {
        let text = std::str::from_utf8(record).map_err(|error| not_utf8(record, error.valid_up_to()))?;
        match self.encoding {
            Some(encoding) if text.contains('\u{fffd}') => {
                let message = format!("invalid character for {}, the encoding set with --encoding", encoding.name());
                Err(Reason::new("invalid_encoding", message))
            }
            _ => Ok(text),
        }
    }
}

/// Parses a record. JSON goes into `members`.
fn view<'a>(columns: Option<&'a mut Columns>, text: &'a str, members: &'a mut Members<'a>) -> Result<View<'a>, Reason> {
    match columns {
        None => {
            *members = Members::parse(text).map_err(|error| not_an_object(text, &error))?;
            Ok(View::Object(members))
        }
        Some(Columns { cells, count, pad }) => {
            let found = cells.split(text);
            let surplus = (*count..found).any(|column| cells.get(text, column).is_some());
            if found != *count && (!*pad || surplus) {
                let hint = match (surplus, found < *count) {
                    (false, true) => "; --pad-rows accepts rows that are too short",
                    (false, false) => "; --pad-rows accepts rows that end with extra delimiters",
                    (true, _) => "",
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

fn not_whole(fault: Fault) -> Reason {
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
fn not_utf8(record: &[u8], at: usize) -> Reason {
    let byte = record.get(at).copied().unwrap_or_default();
    let (shown, _, _) = WINDOWS_1252.decode(std::slice::from_ref(&byte));
    let message = format!(
        "not UTF-8 at byte {} of the record: {byte:#04x} is {shown:?} in Latin-1; try --encoding windows-1252",
        at + 1
    );
    Reason::new("invalid_utf8", message)
}

fn not_an_object(text: &str, error: &serde_json::Error) -> Reason {
    let message = if text.trim_start().starts_with('[') {
        "an array; each line must be a JSON object (NDJSON); use --format json for arrays".to_owned()
    } else {
        format!("not a JSON object: {error}")
    };
    Reason::new("malformed_json", message)
}
