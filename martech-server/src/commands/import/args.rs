//! Command-line arguments of `martech-server import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::PossibleValue};
use encoding_rs::Encoding;
use martech_core::event::{Currency, EventRules, EventTypes};

use super::error::CommandError;
use crate::{
    commands::http_client::TrustArgs,
    config::StoreArgs,
    identity::{ProjectId, ProjectRecord},
    import::{
        Delimiter, Format, ImportOptions, Notation, Target, Terms, TimeFormat, UnknownTarget, parse_encoding,
        parse_mark,
    },
    projects::backend::StoreChoice,
};

/// Imports events from NDJSON and delimited text files (CSV, TSV, ...), plain or compressed with gzip or zstd.
///
/// Each record becomes an event. A column (in JSON, a member of the object) whose name is a field of an event (userId,
/// type, occurredAt, eventId, anonymousId, sessionId, properties, properties.NAME) fills that field. --map assigns
/// other columns, and --set gives a field a constant value. Every other column becomes a property of the same name.
///
/// A record without an eventId gets an id derived from its text, its type, and the number of equal records before it in
/// the file. Importing the same file again, in full or after an interruption, therefore adds no event twice. An export
/// that overlaps the previous one, in any order, adds only the new records. Every record needs an occurredAt: the
/// import sets no times.
///
/// Records that cannot become events are written to a rejects file with their line number and the reason. The other
/// records are imported. After an interruption, the same command resumes where it stopped, unless it reads standard
/// input.
///
/// Exit status: 0 if all files were read; 2 if a file has records and none of them is in the store, or if more than
/// --max-rejects of its records were rejected (the most frequent reasons are shown); 1 if the import could not be
/// finished; 130 if it was interrupted.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ImportArgs {
    /// Files to import, in this order; `-`, or no file, is standard input
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Format of the files; by default from the file name (.ndjson .jsonl .json .csv .tsv, then .gz or .zst), and JSON
    /// for `-`
    #[arg(long, value_enum)]
    pub(super) format: Option<Format>,

    /// Text encoding: `utf-16le`, `windows-1252` (Latin-1), `shift_jis` and other names of the Encoding Standard; UTF-8
    /// by default. A byte order mark in the file takes precedence
    #[arg(long, value_name = "NAME", value_parser = parse_encoding)]
    pub(super) encoding: Option<&'static Encoding>,

    /// Column separator: one character, `tab`, or `whitespace` (any run of blanks and tabs, no quoting); implies that
    /// the file is not JSON. A first line such as `sep=;` sets it, too
    #[arg(long, value_name = "CHAR")]
    pub(super) delimiter: Option<Delimiter>,

    /// The first line contains no column names; the columns are named 1, 2, 3, ... or as in --columns
    #[arg(long)]
    pub(super) no_header: bool,

    /// Column names, separated by commas; they replace the names in the first line, which is skipped unless --no-header
    /// is given
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(super) columns: Vec<String>,

    /// Accepts rows that are too short, with empty columns at their end, and rows that end with extra delimiters
    #[arg(long)]
    pub(super) pad_rows: bool,

    /// Fills a field from a column: `userId=customer_id`, `properties.total=amount`; in JSON also `userId=customer.id`.
    /// Mapped and set values take precedence over other columns for the same figure: with `properties.total` mapped,
    /// `revenue` is left out
    #[arg(long = "map", value_name = "FIELD=COLUMN", value_parser = parse_mapping)]
    pub(super) maps: Vec<(Target, String)>,

    /// Sets a field to the same value in every event, regardless of the record: `type=purchase`,
    /// `properties.currency=USD`
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = parse_mapping)]
    pub(super) constants: Vec<(Target, String)>,

    /// Changes one event type into another: `product_view=page_view`
    #[arg(long = "rename", value_name = "OLD=NEW", value_parser = parse_pair)]
    pub(super) renames: Vec<(String, String)>,

    /// Drops columns that are neither a field of an event nor named by --map, instead of making them properties
    #[arg(long)]
    pub(super) only_mapped: bool,

    /// Leaves out columns, separated by commas: `email,phone`; in JSON also `properties.email`. A mapped column stays
    #[arg(long = "drop", value_name = "COLUMN,...", value_delimiter = ',')]
    pub(super) drops: Vec<String>,

    /// Texts that mean that a value is absent, separated by commas: `NULL,-`; they apply with or without quotes, and to
    /// JSON strings. By default `NULL` and `\N`, in columns without quotes only
    #[arg(long = "null", value_name = "TEXT,...", value_delimiter = ',', allow_hyphen_values = true)]
    pub(super) nulls: Option<Vec<String>>,

    /// Decimal separator of numbers: `,` in `59,90`
    #[arg(long, value_name = "CHAR", default_value = ".", value_parser = parse_mark)]
    pub(super) decimal: char,

    /// Thousands separator of numbers: `.` in `1.234,50`, `,` in `1,234.50`, `space` or another character
    #[arg(long, value_name = "CHAR", value_parser = parse_mark)]
    pub(super) thousands: Option<char>,

    /// Format of occurredAt: a strftime format such as `%Y%m%d` or `%d.%m.%Y %H:%M`, or `unix` (seconds), `unix_ms`,
    /// `unix_us` or `unix_ns`; by default RFC 3339, `2026-11-22`, `2026-11-22 10:15:00` or epoch milliseconds
    #[arg(long, value_name = "FORMAT")]
    pub(super) time_format: Option<TimeFormat>,

    /// IANA time zone for times without an offset, such as `Europe/Berlin`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = crate::config::parse_zone)]
    pub(super) time_zone: jiff::tz::TimeZone,

    /// Currency of orders without one, as an ISO 4217 code; by default the currency of the project, or USD
    #[arg(long, env = "MARTECH_CURRENCY", value_name = "CODE", value_parser = Currency::iso_4217)]
    pub(super) currency: Option<Currency>,

    /// Event types to accept besides the ten known ones: names separated by commas, or `*` for any; by default the
    /// types of the project
    #[arg(long, env = "MARTECH_EVENT_TYPES", value_name = "LIST")]
    pub(super) event_types: Option<EventTypes>,

    /// Number of events to store at once
    #[arg(long, default_value = "2000", value_name = "EVENTS", value_parser = clap::value_parser!(u16).range(1..=50_000))]
    pub(super) batch_size: u16,

    /// File for rejected records, as NDJSON (line, record, code, field, message, raw); created only if there are any,
    /// and rewritten by each import; by default FILE.rejects.ndjson beside FILE, or in the current folder for standard
    /// input
    #[arg(long, value_name = "FILE")]
    pub(super) rejects: Option<PathBuf>,

    /// Share of a file that may be rejected, in percent; above it the command exits with status 2
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = parse_percent)]
    pub(super) max_rejects: f64,

    /// Reads the files, writes the rejects and shows the first event, but stores nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Data folder to write to; no server may be running on it
    #[arg(long, env = "MARTECH_DATA_DIR", default_value = "./data", value_name = "DIR")]
    pub(super) data_dir: PathBuf,

    /// Project that the events belong to; with --url and a write key, the project of the key
    #[arg(long, value_name = "NAME")]
    pub(super) project: Option<ProjectId>,

    #[command(flatten)]
    pub(super) store: StoreArgs,

    /// Sends the events to a running server instead of writing to a store: `http://127.0.0.1:3000`,
    /// `https://analytics.shop.example`
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,

    #[command(flatten)]
    pub(super) trust: TrustArgs,

    /// Bearer token for --url, if the server requires one; set only by MARTECH_TOKEN or by the file that
    /// MARTECH_TOKEN_FILE names, because every user of a machine can see command lines
    #[arg(long, env = "MARTECH_TOKEN", hide_env_values = true, requires = "url", value_name = "TOKEN")]
    pub(super) token: Option<String>,
}

impl ImportArgs {
    /// Returns the arguments with the defaults of the project for options that are not set.
    pub(crate) fn of_project(&self, project: Option<&ProjectRecord>) -> Self {
        let rules = EventRules::default();
        let currency = self.currency.or_else(|| project?.currency()).unwrap_or(rules.currency);
        let types = self.event_types.clone().or_else(|| project?.event_types()).unwrap_or(rules.types);
        Self { currency: Some(currency), event_types: Some(types), ..self.clone() }
    }

    /// Returns the folder of the project.
    pub(super) fn folder(&self) -> PathBuf {
        self.project.clone().unwrap_or_default().folder(&self.data_dir)
    }

    /// Returns whether the events go to the data folder.
    pub(super) fn is_local(&self) -> bool {
        self.url.is_none() && self.store.store == StoreChoice::Lake
    }

    /// Returns the options of the import.
    ///
    /// # Errors
    ///
    /// Fails if the separators of numbers are the same.
    pub(crate) fn options(&self) -> Result<ImportOptions, CommandError> {
        let same = || {
            let mark = self.decimal;
            CommandError::Options(format!("--decimal and --thousands are both {mark:?}; they must differ"))
        };
        let mut rules = EventRules::default();
        rules.currency = self.currency.unwrap_or(rules.currency);
        rules.types = match &self.event_types {
            // The server decides which types it accepts.
            _ if self.url.is_some() => EventTypes::any(),
            types => types.clone().unwrap_or(rules.types).advise(MORE_TYPES),
        };
        Ok(ImportOptions {
            format: self.format,
            encoding: self.encoding,
            delimiter: self.delimiter,
            no_header: self.no_header,
            columns: self.columns.clone(),
            pad_rows: self.pad_rows,
            maps: self.maps.clone(),
            constants: self.constants.clone(),
            renames: self.renames.clone(),
            only_mapped: self.only_mapped,
            drops: self.drops.clone(),
            nulls: self.nulls.clone(),
            numbers: Notation::new(self.decimal, self.thousands).ok_or_else(same)?,
            time_format: self.time_format.clone(),
            time_zone: self.time_zone.clone(),
            currency: self.currency,
            names_currency: self.url.is_some(),
            rules,
            batch_size: self.batch_size.into(),
            dry_run: self.dry_run,
            terms: Terms::Flags,
        })
    }
}

/// Advice in rejections of unknown event types.
const MORE_TYPES: &str = "to allow more types, list them in --event-types (or * for any)";

const EXAMPLES: &str = "\
Examples:
  martech-server import events.ndjson.gz
  zcat shop-*.gz | martech-server import --event-types '*'
  martech-server import orders.csv --delimiter ';' --time-zone Europe/Berlin --time-format '%d.%m.%Y %H:%M' --decimal , --thousands . \\
      --map eventId=order_id --map userId=customer --map occurredAt=ordered_at --map properties.total=amount --set type=purchase
  martech-server import events.jsonl --rename product_view=page_view --url http://127.0.0.1:3000";

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Ndjson, Self::Json, Self::Csv, Self::Tsv]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Ndjson => ("ndjson", "One JSON object on each line"),
            Self::Json => (
                "json",
                r#"JSON objects: an array of them, `{"events": [...]}`, or one after another on any number of lines"#,
            ),
            Self::Csv => ("csv", "Columns separated by commas, with RFC 4180 quoting"),
            Self::Tsv => ("tsv", "Columns separated by tabs"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left.to_owned(), right.to_owned())),
        _ => Err("expected two names separated by =".to_owned()),
    }
}

fn parse_mapping(text: &str) -> Result<(Target, String), String> {
    let (target, value) = parse_pair(text)?;
    Ok((target.parse().map_err(|error: UnknownTarget| error.to_string())?, value))
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse().ok();
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "expected 0 to 100, such as 10 or 0.5".to_owned())
}
