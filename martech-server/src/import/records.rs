//! A file on its way from bytes to events: one thread reads and cuts, one thread parses.

use std::{collections::BTreeSet, sync::mpsc, thread};

use martech_core::event::{Event, EventRules, Timestamp};

use super::{
    args::{Delimiter, Format, ImportArgs},
    cells::Cells,
    compose::{Composer, View},
    error::ImportError,
    input::{Input, Source},
    layout::Layout,
    members::Members,
    rejects::Reason,
    split::{Chunk, Fault, Framing, MAX_RECORD, Position, Splitter},
};

/// Chunks that wait between two threads.
const WAITING: usize = 2;

/// How more types are taken, for those whose records are refused.
const MORE_TYPES: &str = "to allow more, list them in --event-types (or * for any)";

/// A chunk and what became of each of its records.
pub(crate) struct Parsed {
    pub(crate) chunk: Chunk,
    pub(crate) events: Vec<Event>,
    /// For each event the index of its record.
    pub(crate) origins: Vec<usize>,
    /// Index and reason of the other records, ascending.
    pub(crate) rejects: Vec<(usize, Reason)>,
}

/// What comes out of the pipeline.
pub(crate) enum Message {
    Parsed(Parsed),
    End,
}

/// An opened file, standing at its first record.
pub(crate) struct Records {
    name: String,
    splitter: Splitter<Input>,
    framing: Framing,
    parser: Parser,
}

impl Records {
    /// Opens a file, reads its header, and brings the options together with it.
    pub(crate) fn open(source: &Source, args: &ImportArgs) -> Result<Self, ImportError> {
        let delimiter = delimiter_of(source, args)?;
        let input = Input::open(source).map_err(ImportError::read(source.name()))?;
        Self::of(input, source.name(), delimiter, args)
    }

    fn of(input: Input, name: String, delimiter: Option<Delimiter>, args: &ImportArgs) -> Result<Self, ImportError> {
        let framing = Framing::of(delimiter);
        let mut splitter = Splitter::new(input, framing).map_err(ImportError::read(name.clone()))?;
        let (layout, columns) = match delimiter {
            None => (Layout::for_objects(args)?, None),
            Some(delimiter) => {
                let mut cells = Cells::new(delimiter);
                let names = columns_of(&mut splitter, &mut cells, args, &name)?;
                (Layout::for_columns(args, &names)?, Some(Columns { cells, count: names.len() }))
            }
        };
        let mut rules = EventRules {
            types: args.event_types.clone().advise(MORE_TYPES),
            currency: args.currency,
            ..EventRules::default()
        };
        if args.url.is_some() {
            // Which types are taken is for the server to say.
            rules.types = martech_core::event::EventTypes::any();
        }
        let parser = Parser { composer: Composer::new(layout), columns, rules, received_at: Timestamp::now() };
        Ok(Self { name, splitter, framing, parser })
    }

    /// Moves on to a position that an earlier import of the same file reached.
    pub(crate) fn skip_to(self, position: Position, source: &Source) -> Result<Self, ImportError> {
        // Opened again: the splitter has read ahead.
        let input = Input::open(source).map_err(ImportError::read(self.name.clone()))?;
        self.go_on(position, input)
    }

    fn go_on(self, position: Position, mut input: Input) -> Result<Self, ImportError> {
        input.skip(position.offset).map_err(ImportError::read(self.name.clone()))?;
        Ok(Self { splitter: Splitter::at(input, self.framing, position), ..self })
    }

    pub(crate) fn input(&self) -> &Input {
        self.splitter.reader()
    }

    /// Starts the threads. They end when all is read, at an error, or when the receiver is gone.
    pub(crate) fn start(self, batch: usize) -> tokio::sync::mpsc::Receiver<Result<Message, ImportError>> {
        let Self { name, mut splitter, mut parser, .. } = self;
        let (chunks, unparsed) = mpsc::sync_channel::<Result<Option<Chunk>, ImportError>>(WAITING);
        let (parsed, receiver) = tokio::sync::mpsc::channel(WAITING);
        thread::spawn(move || {
            loop {
                let mut chunk = Chunk::default();
                let next = splitter.next_chunk(batch, &mut chunk).map_err(ImportError::read(name.clone()));
                let last = !matches!(next, Ok(true));
                if chunks.send(next.map(|found| found.then_some(chunk))).is_err() || last {
                    break;
                }
            }
        });
        thread::spawn(move || {
            for chunk in unparsed {
                let message = chunk.map(|chunk| match chunk {
                    Some(chunk) => Message::Parsed(parser.parse(chunk)),
                    None => Message::End,
                });
                if parsed.blocking_send(message).is_err() {
                    break;
                }
            }
        });
        receiver
    }
}

/// Reads records as an import does, for fuzz targets: `open` gives the content from its beginning, `each` gets a record's
/// text, line and number, and the event that it is. With `interrupted` every batch is read by an import of its own,
/// which goes on where the one before was.
#[cfg(feature = "testing")]
pub fn read_records<R: std::io::Read + Send + 'static>(
    args: &ImportArgs,
    open: impl Fn() -> R,
    batch: usize,
    interrupted: bool,
    mut each: impl FnMut(&[u8], u64, u64, Result<Event, String>),
) -> Result<(), ImportError> {
    let input = || Input::of(open()).map_err(ImportError::read("content"));
    let delimiter = delimiter_of(&Source::Stdin, args)?;
    let mut records = Records::of(input()?, "content".to_owned(), delimiter, args)?;
    let mut chunk = Chunk::default();
    while records.splitter.next_chunk(batch, &mut chunk).map_err(ImportError::read("content"))? {
        let end = chunk.end;
        let Parsed { chunk: done, events, rejects, .. } = records.parser.parse(std::mem::take(&mut chunk));
        let (mut events, mut rejects) = (events.into_iter(), rejects.into_iter().peekable());
        for (index, record) in done.records.iter().enumerate() {
            let outcome = match rejects.next_if(|(rejected, _)| *rejected == index) {
                Some((_, reason)) => Err(reason.code().to_owned()),
                None => Ok(events.next().expect("what is not rejected is an event")),
            };
            each(&done.bytes[record.range.clone()], record.line, record.number, outcome);
        }
        if interrupted {
            records = records.go_on(end, input()?)?;
        }
    }
    Ok(())
}

/// `None` for NDJSON.
pub(crate) fn delimiter_of(source: &Source, args: &ImportArgs) -> Result<Option<Delimiter>, ImportError> {
    let name = source.name();
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    let extension = plain.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let format = match (args.format, args.delimiter, extension.as_deref()) {
        (Some(Format::Ndjson), Some(_), _) => {
            return Err(ImportError::Options("--delimiter is not for NDJSON".to_owned()));
        }
        (Some(format), None, _) => format,
        (_, Some(delimiter), _) => return Ok(Some(delimiter)),
        (None, None, Some("ndjson" | "jsonl" | "json")) => Format::Ndjson,
        (None, None, Some("csv")) => Format::Csv,
        (None, None, Some("tsv")) => Format::Tsv,
        (None, None, _) if *source == Source::Stdin => Format::Ndjson,
        (None, None, _) => {
            let message = format!("{name} does not say by its name what it holds; give --format or --delimiter");
            return Err(ImportError::Options(message));
        }
    };
    Ok(match format {
        Format::Ndjson => None,
        Format::Csv => Some(Delimiter::Byte(b',')),
        Format::Tsv => Some(Delimiter::Byte(b'\t')),
    })
}

/// The names of the columns; passes over the header.
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
        // Of an empty file nothing is wanted: it has whatever columns are asked for.
        let mapped: BTreeSet<String> = args.maps.iter().map(|(_, column)| column.clone()).collect();
        return Ok(mapped.into_iter().collect());
    };
    let record = &first.records[0];
    let text = std::str::from_utf8(&first.bytes[record.range.clone()]).ok().filter(|_| record.fault.is_none());
    let text = text.ok_or_else(|| ImportError::Options(format!("the first line of {name} is no header")))?;
    let count = cells.split(text);
    let named = |column: usize| {
        let name = if args.no_header { None } else { cells.get(text, column).map(str::trim) };
        name.filter(|name| !name.is_empty()).map_or_else(|| (column + 1).to_string(), str::to_owned)
    };
    Ok((0..count).map(named).collect())
}

struct Parser {
    composer: Composer,
    /// Of delimited text; without them a record is a JSON object.
    columns: Option<Columns>,
    rules: EventRules,
    received_at: Timestamp,
}

struct Columns {
    cells: Cells,
    count: usize,
}

impl Parser {
    fn parse(&mut self, chunk: Chunk) -> Parsed {
        let mut events = Vec::with_capacity(chunk.records.len());
        let (mut origins, mut rejects) = (Vec::with_capacity(chunk.records.len()), Vec::new());
        for (index, record) in chunk.records.iter().enumerate() {
            let event = match record.fault {
                None => self.event(&chunk.bytes[record.range.clone()], record.number),
                Some(Fault::TooLong) => {
                    Err(Reason::new("record_too_long", format!("a record has at most {MAX_RECORD} bytes")))
                }
                Some(Fault::OpenQuote) => {
                    let message = format!("a quote is opened and not closed within {MAX_RECORD} bytes");
                    Err(Reason::new("open_quote", message))
                }
            };
            match event {
                Ok(event) => {
                    events.push(event);
                    origins.push(index);
                }
                Err(reason) => rejects.push((index, reason)),
            }
        }
        Parsed { chunk, events, origins, rejects }
    }

    fn event(&mut self, record: &[u8], number: u64) -> Result<Event, Reason> {
        let text = std::str::from_utf8(record).map_err(|error| {
            Reason::new("invalid_utf8", format!("not UTF-8 at byte {} of the record", error.valid_up_to() + 1))
        })?;
        let json = match &mut self.columns {
            None => {
                let members = Members::parse(text).map_err(|error| not_an_object(text, &error))?;
                self.composer.compose(View::Object(&members), text, number)?
            }
            Some(Columns { cells, count }) => {
                let found = cells.split(text);
                if found != *count {
                    return Err(Reason::new("column_count", format!("{found} columns where there should be {count}")));
                }
                self.composer.compose(View::Columns { cells, record: text }, text, number)?
            }
        };
        Ok(self.rules.parse(json, self.received_at)?)
    }
}

fn not_an_object(text: &str, error: &serde_json::Error) -> Reason {
    let message = if text.trim_start().starts_with('[') {
        "an array, where each line should be a JSON object (NDJSON)".to_owned()
    } else {
        format!("not a JSON object on one line: {error}")
    };
    Reason::new("malformed_json", message)
}
