//! Parsers of values.

use bytesize::ByteSize;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::tz::TimeZone;

/// Converts a size to bytes in memory.
pub(crate) fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

pub(crate) fn positive() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=u64::from(u32::MAX))
}

pub(crate) fn parse_zone(name: &str) -> Result<TimeZone, String> {
    martech_core::query::parse_time_zone(name).map_err(|error| error.message)
}

/// Returns a parser for one of a few names, which the help lists.
pub(crate) fn one_of<T: Copy + Send + Sync + 'static>(
    choices: &'static [(&str, T)],
) -> impl TypedValueParser<Value = T> {
    let names = choices.iter().map(|(name, _)| *name);
    PossibleValuesParser::new(names).try_map(|name| {
        let found = choices.iter().find(|(choice, _)| *choice == name);
        found.map(|(_, choice)| *choice).ok_or("there is no such value")
    })
}
