//! Questions and answers: what a reader of events can ask, whatever store holds them, in their wire shapes.
//!
//! Answers serialize as the HTTP API sends them: camelCase names, money as decimal strings, times as RFC 3339,
//! and what is absent is left out rather than sent as `null`.

mod cursor;
mod error;
mod journey;
mod reader;
mod stats;
mod time;
mod users;

#[cfg(test)]
mod tests;

pub use error::QueryError;
pub use journey::{JourneyCursor, JourneyPage, JourneyQuery};
pub use reader::Reader;
pub use stats::{
    PageRow, PreviousTotals, ProductRow, SearchRow, SeriesBucket, Stats, StatsQuery, TopLists, Totals, TypeRow,
};
pub use time::{Interval, LocalTime, Order, TimeRange, parse_instant, parse_time_zone, start_of_day};
pub use users::{CurrencyAmount, UserRow, UserSort, UsersCursor, UsersPage, UsersQuery};
