//! Parsers of values.

use std::str::FromStr;

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

/// Returns a parser for one of a few names, which the help lists. `T` parses each of them.
pub(crate) fn one_of<T: FromStr + Clone + Send + Sync + 'static>(
    names: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names).try_map(|name| name.parse().map_err(|_| "there is no such value"))
}
