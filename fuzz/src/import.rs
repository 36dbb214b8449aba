//! Imports of delimited text, NDJSON and other JSON. The records are those that a simple state machine, or
//! `serde_json`, finds. Read sizes, batch sizes, interruptions and compression change nothing. A repeated record is two
//! events, which are the same two wherever it stands.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    sync::LazyLock,
};

use clap::Parser;
use flate2::{Compression, write::GzEncoder};
use martech_core::event::{Event, Timestamp};
use martech_server::{Cli, Command, ImportArgs, testing::read_records};
use serde_json::Value;

/// How the records of some options are separated.
#[derive(Clone, Copy)]
enum Records {
    Lines,
    /// With quoted columns, separated by this delimiter.
    Quoted(u8),
    /// As `serde_json` separates them, if it can read the whole input.
    Json,
    /// No simple model, because of another encoding.
    Decoded,
}

type Options = (Records, Box<ImportArgs>);

static OPTIONS: LazyLock<Vec<Options>> = LazyLock::new(|| {
    [
        (Records::Lines, "--format ndjson --event-types *"),
        (Records::Lines, "--format ndjson --event-types * --map userId=a.b --map properties.x.y=c --rename a=b --time-zone Asia/Kathmandu"),
        (Records::Lines, "--format ndjson --event-types * --only-mapped --set type=t --set properties={\"a\":1} --time-format unix"),
        (Records::Quoted(b','), "--format csv --event-types *"),
        (Records::Quoted(b';'), "--delimiter ; --no-header --columns userId,occurredAt,properties,x --set type=t --time-zone Europe/Berlin"),
        (Records::Quoted(b','), "--format csv --no-header --map userId=1 --map occurredAt=2 --set type=t --time-format %d.%m.%Y_%H:%M"),
        (Records::Quoted(b'\t'), "--format tsv --map userId=a --map occurredAt=b --set type=t --time-format %Y-%m-%dT%T%.f%z"),
        (Records::Lines, "--delimiter whitespace --no-header --map userId=1 --map occurredAt=2 --map properties.total=4 --set type=purchase --time-format %Y%m%d"),
        (Records::Json, "--format json --event-types * --null NULL,-"),
        (Records::Quoted(b';'), "--delimiter ; --pad-rows --decimal , --thousands . --map userId=a --map properties.total=b --set type=purchase --set occurredAt=2026-11-22"),
        (Records::Decoded, "--format csv --event-types * --encoding utf-16le"),
        (Records::Decoded, "--format json --event-types * --encoding shift_jis"),
    ]
    .map(|(records, options)| {
        let command = ["martech-server", "import"].into_iter().chain(options.split(' '));
        match Cli::try_parse_from(command).expect("the options are right").into_command() {
            Command::Import(args) => (records, args),
            _ => unreachable!("an import was asked for"),
        }
    })
    .into()
});

/// A record: its text, line, number and outcome.
type Seen = (Vec<u8>, u64, u64, Result<Event, String>);

pub fn run(data: &[u8]) {
    let [choice, step, content @ ..] = data else { return };
    let (kind, args) = &OPTIONS[usize::from(*choice) % OPTIONS.len()];
    let step = usize::from(*step) + 1;
    let whole = read(args, content, usize::MAX, 1000, false);
    let pieces = read(args, content, step, step, false);
    assert_eq!(whole, pieces, "reads and batches of {step} change something");
    assert_eq!(whole, read(args, content, 7, step, true), "interruptions change something");

    let is_packed = content.starts_with(b"\x1f\x8b")
        || content.get(1..4).is_some_and(|magic| magic == b"\xb5\x2f\xfd" || magic == b"\x2a\x4d\x18");
    if is_packed {
        return;
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(content).expect("a vector takes it");
    assert_eq!(
        whole,
        read(args, &gzip.finish().expect("a vector takes it"), step, 10, false),
        "gzip changes something"
    );
    let zstd = zstd::encode_all(content, 1).expect("a vector takes it");
    assert_eq!(whole, read(args, &zstd, 100, 10, true), "zstd changes something");

    let Ok(seen) = whole else { return };
    ids_are_of_content(&seen);
    let is_foreign = content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff");
    let mut records = match kind {
        _ if is_foreign => return,
        Records::Lines => model(content, None),
        Records::Quoted(delimiter) => model(content, Some(*delimiter)),
        Records::Json => return json(content, &seen),
        Records::Decoded => return,
    };
    if records.first().is_some_and(|(text, _)| text.windows(4).any(|piece| piece == b"sep=")) {
        // A `sep=` line may change the delimiter of the following records.
        return;
    }
    // The header is not a record.
    let header = records.len() - seen.len();
    assert!(header <= 1, "{} records of {}", seen.len(), records.len());
    records.drain(..header);
    for (index, ((text, line), (seen_text, seen_line, number, outcome))) in records.iter().zip(&seen).enumerate() {
        assert_eq!((text, line, index as u64 + 1), (seen_text, seen_line, *number));
        if let Ok(event) = outcome {
            assert!(event.occurred_at.millis() >= 0 && !event.user_id.is_empty());
        }
    }
}

/// Asserts that a generated id (a UUIDv8) is unique within the file.
fn ids_are_of_content(seen: &[Seen]) {
    let mut ids = HashMap::new();
    for (text, _, number, outcome) in seen {
        if let Ok(event) = outcome
            && event.id.0.get_version_num() == 8
            && !text.windows(9).any(|piece| piece == b"\"eventId\"")
            && let Some(other) = ids.insert(event.id, number)
        {
            panic!("the records {other} and {number} have one id");
        }
    }
}

/// If the whole content is JSON, asserts that each of its values is a record.
fn json(content: &[u8], seen: &[Seen]) {
    let brackets = content.iter().filter(|byte| b"[{".contains(byte)).count();
    // Other files are read line by line if they start with an object. Deeply nested values are not events.
    if content.trim_ascii_start().first() != Some(&b'[') || brackets > 100 {
        return;
    }
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(content).into_iter().collect();
    let Ok(values) = values else { return };
    // After an empty array, lines may follow.
    if values.first() == Some(&Value::Array(Vec::new())) {
        return;
    }
    let mut records = Vec::new();
    for value in values {
        match value {
            Value::Array(items) => records.extend(items),
            // Other members decide whether this object is an envelope.
            Value::Object(members) if members.contains_key("events") => return,
            other => records.push(other),
        }
    }
    let read: Vec<Value> =
        seen.iter().map(|(text, ..)| serde_json::from_slice(text).expect("a part of JSON")).collect();
    assert_eq!(read, records);
}

fn read(args: &ImportArgs, content: &[u8], step: usize, batch: usize, interrupted: bool) -> Result<Vec<Seen>, String> {
    let mut seen = Vec::new();
    let open = || Trickle { content: content.to_vec(), at: 0, step, reads: 0 };
    read_records(args, open, batch, interrupted, |text, line, number, outcome| {
        // The time of receipt differs on every run.
        let outcome = outcome.map(|event| Event { received_at: Timestamp::from_millis(0), ..event });
        seen.push((text.to_vec(), line, number, outcome));
    })?;
    Ok(seen)
}

/// A reader that returns a few bytes at a time, and the rest after 12 reads, because each read is expensive for the
/// splitter.
struct Trickle {
    content: Vec<u8>,
    at: usize,
    step: usize,
    reads: usize,
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.content[self.at..];
        let most = if self.reads < 12 { self.step } else { usize::MAX };
        let length = rest.len().min(most).min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        self.reads += 1;
        Ok(length)
    }
}

/// Returns the texts of the records and the lines on which they begin.
fn model(content: &[u8], quoted: Option<u8>) -> Vec<(Vec<u8>, u64)> {
    let mut rest = content;
    let (mut records, mut line) = (Vec::new(), 1);
    while !rest.is_empty() {
        // Concatenated files may have a byte order mark in the middle.
        rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
        let first_line = line_length(rest);
        let blank = rest[..first_line].iter().all(u8::is_ascii_whitespace);
        // Malformed quotes end the record at the end of the line.
        let end =
            quoted.filter(|_| !blank).map_or(first_line, |delimiter| record_end(rest, delimiter).unwrap_or(first_line));
        let (record, behind) = rest.split_at(end);
        if !blank {
            let text = record.strip_suffix(b"\n").unwrap_or(record);
            records.push((text.strip_suffix(b"\r").unwrap_or(text).to_vec(), line));
        }
        let mut passed = record;
        while !passed.is_empty() {
            let length = line_length(passed);
            line += u64::from(passed[length - 1] == b'\n' || passed[length - 1] == b'\r');
            passed = &passed[length..];
        }
        rest = behind;
    }
    records
}

/// Returns the length of the first line including its end: `\n`, `\r\n` or `\r`.
fn line_length(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|byte| *byte == b'\n' || *byte == b'\r');
    end.map_or(bytes.len(), |at| at + if bytes[at..].starts_with(b"\r\n") { 2 } else { 1 })
}

/// Returns the end of the first record, including its line end. `None` if its quotes are malformed.
fn record_end(bytes: &[u8], delimiter: u8) -> Option<usize> {
    enum In {
        FieldStart,
        Blanks,
        Field,
        Quotes,
        /// A quote that may be the first of an escaped pair.
        QuotesEnd,
    }
    // Without any quote on the line, the record ends with the line. Blanks only matter before quotes.
    if !bytes[..line_length(bytes)].contains(&b'"') {
        return Some(line_length(bytes));
    }
    let mut state = In::FieldStart;
    for (at, byte) in bytes.iter().enumerate() {
        state = match (state, *byte) {
            (In::FieldStart, b'"') => In::Quotes,
            (In::Quotes, b'"') => In::QuotesEnd,
            (In::Quotes, _) | (In::QuotesEnd, b'"') => In::Quotes,
            (_, byte) if byte == delimiter => In::FieldStart,
            (_, b'\n' | b'\r') => return Some(at + line_length(&bytes[at..])),
            (In::QuotesEnd, _) | (In::Blanks, b'"') => return None,
            (In::FieldStart | In::Blanks, b' ' | b'\t') => In::Blanks,
            _ => In::Field,
        };
    }
    (!matches!(state, In::Quotes)).then_some(bytes.len())
}
