//! The command line of `martech-server import`.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use encoding_rs::Encoding;
use martech_core::event::{Currency, EventRules, EventTypes};

use super::{amount::Notation, layout::LayoutError, target::Target, time::TimeFormat};
use crate::{
    backend::{StoreArgs, StoreChoice},
    client::TrustArgs,
    projects::{ProjectId, ProjectRecord},
};

/// Reads events from NDJSON and delimited text files (CSV, TSV, ...), plain or compressed with gzip or zstd.
///
/// A record becomes an event: its columns (of NDJSON: the members of the object) that are named as fields of an event
/// (userId, type, occurredAt, eventId, anonymousId, sessionId, properties, properties.NAME) go there by themselves,
/// --map sends others there, --set gives constants, and what is left becomes a property of its own name.
///
/// A record without an eventId gets one that is made from its text, its type, and how many equal records stood before it in the
/// file. So the same file can be imported again, whole or after an interruption, and adds nothing that is there already; nor does an
/// export that overlaps the one before, in any order. Every record must say when it occurred: an import does not make up times.
///
/// Records that cannot be events are written to a rejects file with their line number and the reason; the rest is
/// imported. After an interruption the same command goes on where it was, unless it reads standard input.
///
/// Exit status: 0 when all files were read; 2 when nothing of a file was stored, or more than --max-rejects of its records were
/// rejected, with the commonest reasons; 1 when the import could not be finished.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ImportArgs {
    /// Files to import, in this order; `-` is standard input, and so is giving none
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// What the files hold; found from the name when absent (.ndjson .jsonl .json .csv .tsv, then .gz or .zst), `-` is JSON
    #[arg(long, value_enum)]
    pub(super) format: Option<Format>,

    /// How the text is encoded: `utf-16le`, `windows-1252` (Latin-1), `shift_jis` and others of the Encoding Standard; without it UTF-8. A byte
    /// order mark in the file goes before it
    #[arg(long, value_name = "NAME", value_parser = parse_encoding)]
    pub(super) encoding: Option<&'static Encoding>,

    /// What separates the columns: one character, `tab`, or `whitespace` (any run of blanks and tabs, no quoting); says that the file is no
    /// JSON. A first line `sep=;` says it, too
    #[arg(long, value_name = "CHAR")]
    pub(super) delimiter: Option<Delimiter>,

    /// The first line holds no column names: they are 1, 2, 3, ... or what --columns says
    #[arg(long)]
    pub(super) no_header: bool,

    /// Names of the columns, separated by commas; in place of those in the first line, which is skipped unless --no-header is given
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(super) columns: Vec<String>,

    /// Takes rows that are too short, as if the columns at their end were empty, and rows that end with more delimiters
    #[arg(long)]
    pub(super) pad_rows: bool,

    /// Takes a field from another column: `userId=customer_id`, `properties.total=amount`; JSON also `userId=customer.id`. What is
    /// mapped or set goes before columns of other names for the same figure: with `properties.total` mapped, `revenue` is left out
    #[arg(long = "map", value_name = "FIELD=COLUMN", value_parser = parse_mapping)]
    pub(super) maps: Vec<(Target, String)>,

    /// Gives a field the same value in every event, whatever the record says: `type=purchase`, `properties.currency=USD`
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = parse_mapping)]
    pub(super) constants: Vec<(Target, String)>,

    /// Gives events of one type another: `product_view=page_view`
    #[arg(long = "rename", value_name = "OLD=NEW", value_parser = parse_pair)]
    pub(super) renames: Vec<(String, String)>,

    /// Drops what is neither a field of an event nor named by --map, in place of making it a property
    #[arg(long)]
    pub(super) only_mapped: bool,

    /// Texts that stand for nothing, separated by commas: `NULL,-`; quoted or not, and in JSON strings. Without it `NULL` and `\N` do, in
    /// columns without quotes
    #[arg(long = "null", value_name = "TEXT,...", value_delimiter = ',', allow_hyphen_values = true)]
    pub(super) nulls: Option<Vec<String>>,

    /// What stands before the decimals of numbers: `,` in `59,90`
    #[arg(long, value_name = "CHAR", default_value = ".", value_parser = parse_mark)]
    pub(super) decimal: char,

    /// What stands between the thousands of numbers: `.` in `1.234,50`, `,` in `1,234.50`, `space` or another character
    #[arg(long, value_name = "CHAR", value_parser = parse_mark)]
    pub(super) thousands: Option<char>,

    /// How occurredAt is written: a strftime format such as `%Y%m%d` or `%d.%m.%Y %H:%M`, or `unix` (seconds), `unix_ms`, `unix_us` or
    /// `unix_ns`; without it RFC 3339, `2026-11-22`, `2026-11-22 10:15:00` or epoch milliseconds
    #[arg(long, value_name = "FORMAT")]
    pub(super) time_format: Option<TimeFormat>,

    /// The IANA time zone of times that carry no offset, such as `Europe/Berlin`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = crate::config::parse_zone)]
    pub(super) time_zone: jiff::tz::TimeZone,

    /// Currency of an order that names none: a code of ISO 4217. Without it that of the project, or USD
    #[arg(long, env = "MARTECH_CURRENCY", value_name = "CODE", value_parser = Currency::iso_4217)]
    pub(super) currency: Option<Currency>,

    /// Event types to take besides the known ten: names separated by commas, or `*` for any. Without it those of the project
    #[arg(long, env = "MARTECH_EVENT_TYPES", value_name = "LIST")]
    pub(super) event_types: Option<EventTypes>,

    /// How many events are stored at once
    #[arg(long, default_value = "2000", value_name = "EVENTS", value_parser = clap::value_parser!(u16).range(1..=50_000))]
    pub(super) batch_size: u16,

    /// Where rejected records go, as NDJSON (line, record, code, field, message, raw); made only when there are any, written anew by each
    /// import; without it FILE.rejects.ndjson beside FILE, of standard input in the current folder
    #[arg(long, value_name = "FILE")]
    pub(super) rejects: Option<PathBuf>,

    /// How much of a file may be rejected, in percent; beyond it the command ends with 2
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = parse_percent)]
    pub(super) max_rejects: f64,

    /// Reads the files, writes the rejects and shows the first event, but stores nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// The data folder to write into; no server may be running on it
    #[arg(long, env = "MARTECH_DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub(super) data_dir: PathBuf,

    /// The project whose events they are; with --url and a write key, that of the key
    #[arg(long, value_name = "NAME")]
    pub(super) project: Option<ProjectId>,

    #[command(flatten)]
    pub(super) store: StoreArgs,

    /// Sends the events to a running server in place of writing into a store: `http://127.0.0.1:3000`, `https://analytics.shop.example`
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,

    #[command(flatten)]
    pub(super) trust: TrustArgs,

    /// Bearer token for --url, where the server wants one; only from MARTECH_TOKEN or the file that MARTECH_TOKEN_FILE
    /// names, since all on a machine see a command line
    #[arg(long, env = "MARTECH_TOKEN", hide_env_values = true, requires = "url", value_name = "TOKEN")]
    pub(super) token: Option<String>,
}

impl ImportArgs {
    /// With what the project says of itself, where the options say nothing.
    pub(super) fn of_project(&self, project: Option<&ProjectRecord>) -> Self {
        let rules = EventRules::default();
        let currency = self.currency.or_else(|| project?.currency()).unwrap_or(rules.currency);
        let types = self.event_types.clone().or_else(|| project?.event_types()).unwrap_or(rules.types);
        Self { currency: Some(currency), event_types: Some(types), ..self.clone() }
    }

    /// The folder of the project.
    pub(super) fn folder(&self) -> PathBuf {
        self.project.clone().unwrap_or_default().folder(&self.data_dir)
    }

    /// Whether the events go into the data folder.
    pub(super) fn is_local(&self) -> bool {
        self.url.is_none() && self.store.store == StoreChoice::Lake
    }

    pub(super) fn numbers(&self) -> Result<Notation, LayoutError> {
        let Self { decimal, thousands, .. } = *self;
        if thousands == Some(decimal) {
            Err(LayoutError::SameMark(decimal))
        } else {
            Ok(Notation { decimal, thousands })
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  martech-server import events.ndjson.gz
  zcat shop-*.gz | martech-server import --event-types '*'
  martech-server import orders.csv --delimiter ';' --time-zone Europe/Berlin --time-format '%d.%m.%Y %H:%M' --decimal , --thousands . \\
      --map eventId=order_id --map userId=customer --map occurredAt=ordered_at --map properties.total=amount --set type=purchase
  martech-server import events.jsonl --rename product_view=page_view --url http://127.0.0.1:3000";

/// What the records of a file look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A JSON object on each line
    Ndjson,
    /// JSON objects: an array of them, `{"events": [...]}`, or one behind another on any number of lines
    Json,
    /// Columns separated by commas, RFC 4180 quoting
    Csv,
    /// Columns separated by tabs
    Tsv,
}

/// What separates columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// Any run of blanks and tabs.
    Whitespace,
    /// One ASCII character; fields may be quoted.
    Byte(u8),
}

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.as_bytes()) {
            ("whitespace", _) => Ok(Self::Whitespace),
            ("tab" | "\\t", _) => Ok(Self::Byte(b'\t')),
            ("comma", _) => Ok(Self::Byte(b',')),
            ("semicolon", _) => Ok(Self::Byte(b';')),
            (_, b"\n" | b"\r" | b"\"") => Err("a line end or a quote cannot separate columns".to_owned()),
            (_, &[byte]) if byte.is_ascii() => Ok(Self::Byte(byte)),
            _ => Err("one ASCII character, `tab` or `whitespace`".to_owned()),
        }
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left.to_owned(), right.to_owned())),
        _ => Err("two names with = between them".to_owned()),
    }
}

fn parse_mapping(text: &str) -> Result<(Target, String), String> {
    let (target, value) = parse_pair(text)?;
    Ok((target.parse().map_err(|error: super::target::UnknownTarget| error.to_string())?, value))
}

fn parse_encoding(name: &str) -> Result<&'static Encoding, String> {
    Encoding::for_label(name.as_bytes())
        .ok_or_else(|| "an encoding such as utf-8, utf-16le, utf-16be, windows-1252 or shift_jis".to_owned())
}

/// A mark in numbers.
fn parse_mark(text: &str) -> Result<char, String> {
    let mut chars = text.chars();
    match (text, chars.next(), chars.next()) {
        ("space", ..) => Ok(' '),
        (_, Some(mark), None) if !mark.is_alphanumeric() && !"+-()".contains(mark) => Ok(mark),
        _ => Err("one character such as . or , or `space`".to_owned()),
    }
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
    percent.filter(|percent| (0.0..=100.0).contains(percent)).ok_or_else(|| "0 to 100, such as 10 or 0.5".to_owned())
}
