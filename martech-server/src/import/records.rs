//! The pipeline from the bytes of a file to events: one thread reads and splits, another parses.

mod header;
mod malformed;
mod parser;
mod sample;

use std::{io, path::Path, sync::mpsc, thread};

#[cfg(feature = "testing")]
use martech_core::event::Event;

pub(super) use self::header::SeparatorLine;
pub(crate) use self::parser::Parsed;
use self::{
    header::{columns_of, separator},
    parser::{Columns, Parser},
};
use super::{
    cells::Cells,
    error::ImportError,
    input::{Input, Reading, Source},
    layout::{Layout, LayoutError},
    options::ImportOptions,
    shape::{Shape, shape_of},
    split::{Chunk, Framing, Position, Splitter},
};

/// Number of chunks that wait between two threads.
const WAITING: usize = 2;

/// A message at the end of the pipeline.
pub(crate) enum Message {
    Parsed(Parsed),
    End,
}

/// Resolves options against the names of columns.
type Resolve = fn(&ImportOptions, &[String]) -> Result<Layout, LayoutError>;

/// An opened file, at its first record.
pub(crate) struct Records {
    name: String,
    shape: Shape,
    /// The names of the columns of delimited text.
    names: Vec<String>,
    splitter: Splitter<Input>,
    parser: Parser,
    /// Position up to which an earlier import of the same file is settled.
    done: Position,
}

impl Records {
    /// Opens a file, reads its header, and resolves the options against it. Temporary files are created in `dir`.
    pub(crate) fn open(
        source: &Source,
        options: &ImportOptions,
        dir: &Path,
        done: Position,
        reading: &Reading,
    ) -> Result<Self, ImportError> {
        let shape = shape_of(source, options)?;
        let input = Input::open(source, options, reading).map_err(ImportError::read(source.name()))?;
        Self::of(input, source.name(), shape, options, Layout::for_columns, dir, done)
    }

    /// Opens a file to look at its first records, whatever its columns. Reads only the beginning of the file.
    pub(crate) fn peek(source: &Source, options: &ImportOptions, reading: &Reading) -> Result<Self, ImportError> {
        Self::begin(source, options, reading, |options, _| Layout::for_columns(options, &[]))
    }

    fn begin(
        source: &Source,
        options: &ImportOptions,
        reading: &Reading,
        resolve: Resolve,
    ) -> Result<Self, ImportError> {
        let shape = shape_of(source, options)?;
        let input = Input::open_begin(source, options, reading).map_err(ImportError::read(source.name()))?;
        Self::of(input, source.name(), shape, options, resolve, &std::env::temp_dir(), Position::default())
    }

    fn of(
        input: Input,
        name: String,
        shape: Shape,
        options: &ImportOptions,
        resolve: Resolve,
        dir: &Path,
        done: Position,
    ) -> Result<Self, ImportError> {
        let mut splitter = Splitter::new(input, shape.framing());
        let (mut shape, mut names) = (shape, Vec::new());
        let (layout, columns) = match shape {
            Shape::Ndjson => (Layout::for_objects(options)?, None),
            Shape::Json => {
                if splitter.is_ndjson().map_err(ImportError::read(name.clone()))? {
                    splitter.set_framing(Framing::Lines);
                    shape = Shape::Ndjson;
                }
                (Layout::for_objects(options)?, None)
            }
            Shape::Columns(delimiter) => {
                let delimiter =
                    separator(&mut splitter, delimiter, options).map_err(ImportError::read(name.clone()))?;
                shape = Shape::Columns(delimiter);
                let mut cells = Cells::new(delimiter);
                names = columns_of(&mut splitter, &mut cells, options, &name)?;
                let layout = resolve(options, &names)?;
                (layout, Some(Columns::new(cells, names.len(), options.pad_rows)))
            }
        };
        let parser = Parser::new(options, layout, columns, dir);
        Ok(Self { name, shape, names, splitter, parser, done })
    }

    /// Returns the length of the file in bytes, if it is a regular file.
    pub(crate) fn size(&self) -> Option<u64> {
        self.splitter.reader().size()
    }

    /// Returns the columns that are left out because others are mapped to the same figure.
    pub(crate) fn left_out(&self) -> &[String] {
        self.parser.left_out()
    }

    /// Starts the threads. They end at the end of the file, at an error, or when the receiver is dropped.
    pub(crate) fn start(self, batch: usize) -> tokio::sync::mpsc::Receiver<Result<Message, ImportError>> {
        let Self { name, mut splitter, mut parser, done, .. } = self;
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

/// Checks that options fit a file. Reads only the beginning of the file.
pub(crate) fn check(source: &Source, options: &ImportOptions) -> Result<(), ImportError> {
    Records::begin(source, options, &Reading::default(), Layout::for_columns).map(drop)
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
pub(crate) fn read_records<R: io::Read + Send + 'static>(
    options: &ImportOptions,
    open: impl Fn() -> R,
    batch: usize,
    interrupted: bool,
    mut each: impl FnMut(&[u8], u64, u64, Result<Event, String>),
) -> Result<(), ImportError> {
    let shape = shape_of(&Source::Stdin, options)?;
    let again = |done| {
        let input = Input::of(open(), options, &Reading::default(), u64::MAX).map_err(ImportError::read("content"))?;
        Records::of(input, "content".to_owned(), shape, options, Layout::for_columns, &std::env::temp_dir(), done)
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
