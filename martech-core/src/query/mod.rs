//! Queries and answers of an event reader in their wire shapes, independent of the store that holds the events.
//!
//! [`Journey`], [`Users`] and [`Stats`] serialize as the HTTP API sends them: camelCase names, money as decimal
//! strings, times as RFC 3339, and absent values left out rather than sent as `null`. The text of a cursor depends on
//! the query, so the query converts the pages of a store to the first two:
//!
//! ```
//! use martech_core::{
//!     Event, EventRules, EventType, MemoryStore, Store,
//!     query::{JourneyQuery, Reader},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::of_events();
//! store.append(&[Event::builder("u1", EventType::SEARCH).property("q", "tea").build(&EventRules::default())?]).await?;
//! let query = JourneyQuery::new("u1");
//! let journey = query.answer(store.journey(query.clone()).await?);
//! let json = serde_json::to_value(&journey)?;
//! assert_eq!(json["userId"], "u1");
//! assert_eq!(json["events"][0]["properties"]["q"], "tea");
//! # Ok(())
//! # }
//! ```

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
pub use journey::{Journey, JourneyCursor, JourneyPage, JourneyQuery};
pub use reader::{DynReader, DynReaderError, Reader};
pub use stats::{
    Compare, ComparedBucket, ComparedPeriod, PageRow, ProductRow, SearchRow, SeriesBucket, Stats, StatsQuery, TopLists,
    Totals, TypeRow,
};
pub use time::{Interval, LocalTime, Order, TimeRange, WeekStart, parse_instant, parse_time_zone, start_of_day};
pub use users::{CurrencyAmount, UserRow, UserSort, Users, UsersCursor, UsersPage, UsersQuery};
