//! What an import makes of delimited text and NDJSON: the records are those that a plain state machine finds, and
//! neither the size of reads and batches, nor interruptions, nor compression change anything.

use std::{
    io::{self, Read, Write},
    sync::LazyLock,
};

use clap::Parser;
use flate2::{Compression, write::GzEncoder};
use martech_core::event::{Event, Timestamp};
use martech_server::{
    Cli, Command,
    import::{ImportArgs, read_records},
};

/// How the records of some options are told apart: by lines, or with quotes around columns.
type Options = (Option<u8>, Box<ImportArgs>);

static OPTIONS: LazyLock<Vec<Options>> = LazyLock::new(|| {
    [
        (None, "--format ndjson --event-types *"),
        (None, "--format ndjson --event-types * --map userId=a.b --map properties.x.y=c --rename a=b --time-zone Asia/Kathmandu"),
        (None, "--format ndjson --event-types * --only-mapped --set type=t --set properties={\"a\":1} --time-format unix"),
        (Some(b','), "--format csv --event-types *"),
        (Some(b';'), "--delimiter ; --no-header --columns userId,occurredAt,properties,x --set type=t --time-zone Europe/Berlin"),
        (Some(b','), "--format csv --no-header --map userId=1 --map occurredAt=2 --set type=t --time-format %d.%m.%Y_%H:%M"),
        (Some(b'\t'), "--format tsv --map userId=a --map occurredAt=b --set type=t --time-format %Y-%m-%dT%T%.f%z"),
        (None, "--delimiter whitespace --no-header --map userId=1 --map occurredAt=2 --map properties.total=4 --set type=purchase --time-format %Y%m%d"),
    ]
    .map(|(quoted, options)| {
        let command = ["martech-server", "import"].into_iter().chain(options.split(' '));
        match Cli::try_parse_from(command).expect("the options are right").into_command() {
            Command::Import(args) => (quoted, args),
            _ => unreachable!("an import was asked for"),
        }
    })
    .into()
});

/// A record: its text, line and number, and what it becomes.
type Seen = (Vec<u8>, u64, u64, Result<Event, String>);

pub fn run(data: &[u8]) {
    let [choice, step, content @ ..] = data else { return };
    let (quoted, args) = &OPTIONS[usize::from(*choice) % OPTIONS.len()];
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

    if let Ok(seen) = whole {
        let mut records = model(content, *quoted);
        // The header is no record.
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
}

fn read(args: &ImportArgs, content: &[u8], step: usize, batch: usize, interrupted: bool) -> Result<Vec<Seen>, String> {
    let mut seen = Vec::new();
    let open = || Trickle { content: content.to_vec(), at: 0, step, reads: 0 };
    read_records(args, open, batch, interrupted, |text, line, number, outcome| {
        // When it came is another moment each time.
        let outcome = outcome.map(|event| Event { received_at: Timestamp::from_millis(0), ..event });
        seen.push((text.to_vec(), line, number, outcome));
    })
    .map_err(|error| error.to_string())?;
    Ok(seen)
}

/// Gives out a few bytes at a time, and then, since each read costs the splitter much, the rest.
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

/// The texts of the records, and the lines on which they begin.
fn model(content: &[u8], quoted: Option<u8>) -> Vec<(Vec<u8>, u64)> {
    let mut rest = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let (mut records, mut line) = (Vec::new(), 1);
    while !rest.is_empty() {
        let first_line = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let blank = rest[..first_line].iter().all(u8::is_ascii_whitespace);
        // A quote that stays open costs one line.
        let end =
            quoted.filter(|_| !blank).map_or(first_line, |delimiter| record_end(rest, delimiter).unwrap_or(first_line));
        let (record, behind) = rest.split_at(end);
        if !blank {
            let text = record.strip_suffix(b"\n").unwrap_or(record);
            records.push((text.strip_suffix(b"\r").unwrap_or(text).to_vec(), line));
        }
        line += record.iter().filter(|byte| **byte == b'\n').count() as u64;
        rest = behind;
    }
    records
}

/// Where the first record of some bytes ends, its line end included; `None` when a quote stays open.
fn record_end(bytes: &[u8], delimiter: u8) -> Option<usize> {
    enum In {
        FieldStart,
        Field,
        Quotes,
        /// A quote that may be the first of two.
        QuotesEnd,
    }
    let mut state = In::FieldStart;
    // In files that were joined, a byte order mark may stand before any record; in front of a quote it is passed over.
    let begin = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    for (at, byte) in bytes.iter().enumerate().skip(begin) {
        state = match (state, *byte) {
            (In::FieldStart, b'"') => In::Quotes,
            (In::Quotes, b'"') => In::QuotesEnd,
            (In::Quotes, _) | (In::QuotesEnd, b'"') => In::Quotes,
            (_, b'\n') => return Some(at + 1),
            (_, byte) if byte == delimiter => In::FieldStart,
            _ => In::Field,
        };
    }
    (!matches!(state, In::Quotes)).then_some(bytes.len())
}
